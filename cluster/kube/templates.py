"""Manifests of the overlays in k8s/, rendered by kubectl and fitted to a cluster of the cluster file."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import ClusterFileError, KubernetesError
from cluster.kube.resources import PART_OF
from cluster.settings import Cluster

Object = dict[str, Any]
FOLDER_VARIABLE = "TONEMILL_K8S"
CONFIG_MAP = "tonemill-cluster"  # the buckets of the cluster, as environment of its pods
IMAGE_NAME = "tonemill"  # last part of the name of our image in the manifests, whatever its registry
_RENDER_S = 60


def k8s_folder() -> Path:
    """The folder k8s/ beside the packages, or that of $TONEMILL_K8S."""
    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given).expanduser() if given else Path(__file__).resolve().parents[2] / "k8s"
    if not (folder / "overlays").is_dir():
        raise ClusterFileError(
            f"There are no manifests in {folder}. Set {FOLDER_VARIABLE} to the folder k8s/ of a checkout of Tonemill."
        )
    return folder


def render(overlay: str, part: str = "") -> list[Object]:
    """The manifests of an overlay, or of its part "jobs" or "schedule", as kubectl renders them.

    Raises:
        ClusterFileError: there is no such overlay. KubernetesError: kubectl is missing, or cannot render it.
    """
    folder = k8s_folder() / "overlays"
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if overlay not in known:
        raise ClusterFileError(f'overlay is "{overlay}", there is {", ".join(known)} in {folder}.')
    program = shutil.which("kubectl")
    if program is None:
        raise KubernetesError(
            "The program kubectl is not on the PATH. It renders the manifests: install it as "
            "kubernetes.io/docs/tasks/tools says (any version from 1.27 on)."
        )
    place = folder / overlay / part
    # Some builds of kubectl ask the server of the kubeconfig for its version first, and wait for it.
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    command = [program, "kustomize", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_RENDER_S, check=False, env=environment)
    except subprocess.TimeoutExpired as error:
        raise KubernetesError(f"kubectl did not render {place} in {_RENDER_S} s.") from error
    if done.returncode != 0:
        raise KubernetesError(f"kubectl cannot render {place}: {' '.join(done.stderr.split())[:600]}")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def fit(manifest: Object, cluster: Cluster) -> Object:
    """A manifest for a cluster: in its namespace, with its image, its buckets and region, and our label."""
    fitted = copy.deepcopy(manifest)
    metadata = fitted["metadata"]
    before = metadata.get("namespace", "")
    metadata["labels"] = {**metadata.get("labels", {}), **PART_OF}
    if before:
        metadata["namespace"] = cluster.namespace
    if fitted["kind"] == "Namespace":
        metadata["name"] = cluster.namespace
    for subject in fitted.get("subjects", []):
        if subject.get("namespace") == before:
            subject["namespace"] = cluster.namespace
    if fitted["kind"] == "ConfigMap" and metadata["name"] == CONFIG_MAP:
        fitted["data"] = {**fitted.get("data", {}), **environment_of(cluster)}
    if cluster.image:
        for container in containers_of(fitted):
            if _is_ours(str(container.get("image", ""))):
                container["image"] = cluster.image
    return fitted


def environment_of(cluster: Cluster) -> dict[str, str]:
    """Buckets and region of a cluster, as its pods find them in their environment; without what is not given."""
    buckets = cluster.buckets
    values = {
        "AWS_REGION": cluster.region,
        "TONEMILL_CORPUS": buckets.corpus,
        "TONEMILL_BLOCKS": buckets.blocks,
        "TONEMILL_RUNS": buckets.runs,
        "TONEMILL_CATALOGUE": buckets.catalogue,
    }
    return {name: value for name, value in values.items() if value}


def containers_of(node: Any) -> Iterator[Object]:
    """All containers of all pod templates in a manifest."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (container for container in value if isinstance(container, dict))
            yield from containers_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from containers_of(item)


def job_template(cluster: Cluster, stage: str) -> Object:
    """The RayJob of a stage as the overlay of a cluster wants it, fitted to the cluster."""
    name = f"tonemill-{stage}"
    manifests = render(_overlay_of(cluster), "jobs")
    for manifest in manifests:
        if manifest["kind"] == "RayJob" and manifest["metadata"]["name"] == name:
            return fit(manifest, cluster)
    raise KubernetesError(f"The overlay {cluster.overlay} has no RayJob {name} in its folder jobs/.")


def schedule_templates(cluster: Cluster) -> list[Object]:
    """What the overlay of a cluster wants for a schedule, fitted to the cluster; one of them is its CronJob."""
    return [fit(manifest, cluster) for manifest in render(_overlay_of(cluster), "schedule")]


def platform(cluster: Cluster) -> list[Object]:
    """All that a cluster has before there are jobs, in the order in which it can be applied."""
    first = ("Namespace", "PriorityClass", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret")
    order = {kind: place for place, kind in enumerate(first)}
    last = {"RayCluster": len(first) + 1}
    manifests = [fit(manifest, cluster) for manifest in render(_overlay_of(cluster))]
    return sorted(manifests, key=lambda item: order.get(item["kind"], last.get(item["kind"], len(first))))


def to_yaml(manifests: list[Object]) -> str:
    """Manifests as YAML for people: text of several lines stands as it is."""
    text: str = yaml.dump_all(manifests, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Readable(yaml.SafeDumper):  # type: ignore[misc]  # yaml ships no types
    """Writes text of several lines as a block."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _block)


def _overlay_of(cluster: Cluster) -> str:
    if not cluster.overlay:
        raise ClusterFileError(
            f'The cluster {cluster.name} has no `overlay` in the cluster file: write overlay = "cpu-small", or another '
            "folder of k8s/overlays."
        )
    return cluster.overlay


def _is_ours(image: str) -> bool:
    """Whether an image of a manifest is the place of ours: its repository is called tonemill."""
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return repository == IMAGE_NAME
