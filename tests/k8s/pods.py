"""The pods that a render will make: of CronJobs, of Ray clusters and of the jobs that submit to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from tests.k8s.render import Manifest


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One kind of pod of a manifest."""

    place: str  # such as "RayJob/tonemill-train head"
    role: str  # head, worker, submitter, or scheduler
    metadata: Manifest
    spec: Manifest
    group: Manifest  # of a Ray cluster, else {}
    autoscaler: Manifest | None  # KubeRay adds this container to a head

    @property
    def containers(self) -> list[Manifest]:
        """All containers, the autoscaler's too."""
        own: list[Manifest] = self.spec["containers"]
        return [*own, self.autoscaler] if self.autoscaler else own

    def total(self, resource: str, kind: str = "requests") -> Decimal:
        """What the containers ask for together."""
        return sum((quantity(container, resource, kind) for container in self.containers), Decimal(0))


def quantity(container: Manifest, resource: str, kind: str) -> Decimal:
    """The requests or limits of a container, 0 for none, in CPUs or bytes."""
    return parse_quantity(container.get("resources", {}).get(kind, {}).get(resource, "0"))


def pods_of(manifest: Manifest) -> Iterator[Pod]:
    """The pods of one manifest; each kind of them once."""
    place, spec = f"{manifest['kind']}/{manifest['metadata']['name']}", manifest.get("spec", {})
    if manifest["kind"] == "RayCluster":
        yield from _ray_pods(place, spec)
    elif manifest["kind"] == "RayJob":
        if cluster := spec.get("rayClusterSpec"):
            yield from _ray_pods(place, cluster)
        if template := spec.get("submitterPodTemplate"):
            yield _pod(place, "submitter", template)
    elif manifest["kind"] == "CronJob":
        yield _pod(place, "scheduler", spec["jobTemplate"]["spec"]["template"])


def ray_spec(manifest: Manifest) -> Manifest | None:
    """The Ray cluster of a manifest, None for one without."""
    spec: Any = manifest.get("spec", {})
    if manifest["kind"] == "RayJob":
        spec = spec.get("rayClusterSpec")
    return spec if manifest["kind"] in ("RayCluster", "RayJob") else None


def _ray_pods(place: str, spec: Manifest) -> Iterator[Pod]:
    head = spec["headGroupSpec"]
    autoscaler = None
    if spec.get("enableInTreeAutoscaling"):
        options = spec.get("autoscalerOptions", {})
        # KubeRay's own resources where the manifest gives none
        resources = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
        image = options.get("image", head["template"]["spec"]["containers"][0]["image"])
        autoscaler = {"resources": resources, **options, "name": "autoscaler", "image": image}
    yield _pod(place, "head", head["template"], head, autoscaler)
    for group in spec.get("workerGroupSpecs", []):
        yield _pod(f"{place} {group['groupName']}", "worker", group["template"], group)


def _pod(
    place: str, role: str, template: Manifest, group: Manifest | None = None, autoscaler: Manifest | None = None
) -> Pod:
    return Pod(
        place=place if role == "worker" else f"{place} {role}",
        role=role,
        metadata=template.get("metadata", {}),
        spec=template["spec"],
        group=group or {},
        autoscaler=autoscaler,
    )
