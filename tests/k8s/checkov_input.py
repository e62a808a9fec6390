"""Writes what checkov shall look at: `python -m tests.k8s.checkov_input FOLDER`.

checkov does not know KubeRay's kinds and would pass over every Ray pod. So beside the renders go the pods that KubeRay
makes of them, as plain Pods, the autoscaler's container with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.k8s.pods import Pod, pods_of
from tests.k8s.render import RENDERS, Manifest, manifests, render

_OPTIONS_OF_A_CONTAINER = (
    "name",
    "image",
    "imagePullPolicy",
    "env",
    "envFrom",
    "resources",
    "securityContext",
    "volumeMounts",
)


def as_pod(pod: Pod) -> Manifest:
    """The Pod that KubeRay makes of a template, as far as checkov looks at it."""
    name = pod.place.lower().replace("/", "-").replace(" ", "-")
    spec = {**pod.spec, "containers": list(pod.spec["containers"])}
    if pod.autoscaler:
        options = {key: value for key, value in pod.autoscaler.items() if key in _OPTIONS_OF_A_CONTAINER}
        spec["containers"].append(options)
    if pod.role in ("head", "worker"):  # KubeRay adds these probes to the Ray container
        probe = {"httpGet": {"path": "/api/healthz", "port": 52365}}
        spec["containers"][0] = {**spec["containers"][0], "livenessProbe": probe, "readinessProbe": probe}
    metadata = {**pod.metadata, "name": name, "namespace": "tonemill"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def write_input(folder: Path) -> int:
    """Writes the renders and the Ray pods of all overlays into a folder; gives back the number of pods."""
    folder.mkdir(parents=True, exist_ok=True)
    num_pods = 0
    for name in RENDERS:
        stem = name.replace("/", "-")
        (folder / f"{stem}.yaml").write_text(render(name), encoding="utf-8")
        ray = (manifest for manifest in manifests(name) if manifest["apiVersion"].startswith("ray.io/"))
        pods = [as_pod(pod) for manifest in ray for pod in pods_of(manifest)]
        if pods:
            (folder / f"{stem}-pods.yaml").write_text(yaml.safe_dump_all(pods), encoding="utf-8")
        num_pods += len(pods)
    return num_pods


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.k8s.checkov_input FOLDER")
    print(f"{write_input(Path(sys.argv[1]))} Ray pods and the renders in {sys.argv[1]}")
