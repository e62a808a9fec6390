"""What every pod of Tonemill has to be: restricted, read-only but for what it names, and within its own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from tests.k8s.pods import Pod, quantity
from tests.k8s.render import Manifest

TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_ALLOWED_VOLUMES = frozenset({"configMap", "downwardAPI", "emptyDir", "projected", "secret"})  # a part of "restricted"


def pod_problems(pod: Pod) -> list[str]:
    """All that is wrong with one pod, each line with its place."""
    found = [*_security(pod), *_volumes(pod), *_images(pod), *_resources(pod), *_memory_store(pod), *_tokens(pod)]
    return [f"{pod.place}: {problem}" for problem in found]


def _security(pod: Pod) -> Iterator[str]:
    """Pod security "restricted", and the read-only root that it does not ask for."""
    settings = pod.spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield f"{field} is set"
    if not settings.get("runAsNonRoot") or settings.get("runAsUser", 0) == 0:
        yield "may run as root"
    if settings.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile RuntimeDefault"
    for container in [*pod.containers, *pod.spec.get("initContainers", [])]:
        own, name = container.get("securityContext", {}), container["name"]
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{name} may gain privileges"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
            yield f"{name} keeps capabilities"
        if own.get("runAsNonRoot") is False or own.get("runAsUser") == 0:
            yield f"{name} may run as root"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{name} has a root file system that can be written"
        if own.get("seccompProfile", {}).get("type", "RuntimeDefault") != "RuntimeDefault":
            yield f"{name} has another seccomp profile"


def _volumes(pod: Pod) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    for name, volume in volumes.items():
        if not set(volume) - {"name"} <= _ALLOWED_VOLUMES:
            yield f"volume {name} is of a kind that restricted pods may not have"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"volume {name} has no sizeLimit"
    for container in pod.containers:
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
        yield from (
            f"{container['name']} mounts {name}, which is no volume" for name in mounts.values() if name not in volumes
        )
        if "/tmp" not in mounts:
            yield f"{container['name']} has no /tmp to write to"
        if pod.role in ("head", "worker") and "/tmp/ray" not in mounts:
            yield f"{container['name']} has no folder for Ray at /tmp/ray"


def _images(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        repository, _, tag = container["image"].rpartition("/")[2].partition(":")
        if repository != "tonemill":
            yield f"{container['name']} runs another image than ours: {container['image']}"
        if "@sha256:" not in container["image"] and tag in ("", "latest"):
            yield f"{container['name']} has an image without a version"


def _resources(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        name = container["name"]
        for resource in ("cpu", "memory"):
            requested, limit = quantity(container, resource, "requests"), quantity(container, resource, "limits")
            if requested == 0 or limit == 0:
                yield f"{name} says no {resource} that it asks for, or no limit of it"
            if requested > limit:
                yield f"{name} asks for more {resource} than its limit"
        if quantity(container, "memory", "requests") != quantity(container, "memory", "limits"):
            yield f"{name} may take more memory than it asks for"
        if quantity(container, "nvidia.com/gpu", "requests") != quantity(container, "nvidia.com/gpu", "limits"):
            yield f"{name}: GPUs requested and their limit differ"
    disks = sum((_size(volume) for volume in pod.spec.get("volumes", []) if not _is_memory(volume)), Decimal(0))
    if pod.total("ephemeral-storage", "limits") < disks:
        yield "its volumes on disk may grow beyond its limit of ephemeral-storage: it would be evicted"


def _memory_store(pod: Pod) -> Iterator[str]:
    """Ray's object store fits /dev/shm, which fits the memory of the pod with as much left for work."""
    if pod.role not in ("head", "worker"):
        return
    ray = pod.spec["containers"][0]
    shared = next((m["name"] for m in ray.get("volumeMounts", []) if m["mountPath"] == "/dev/shm"), None)
    volume = next((v for v in pod.spec.get("volumes", []) if v["name"] == shared and _is_memory(v)), None)
    if volume is None:
        yield "has no /dev/shm in memory"
        return
    store = Decimal(pod.group.get("rayStartParams", {}).get("object-store-memory", "0"))
    if store == 0:
        yield "leaves the size of its object store to Ray"
    if store > _size(volume):
        yield "its object store is larger than /dev/shm"
    if _size(volume) * 2 > quantity(ray, "memory", "limits"):
        yield "/dev/shm may take more than half of its memory"


def _tokens(pod: Pod) -> Iterator[str]:
    """Only the CronJob's pod, and the autoscaler beside a head, hold a token for the API of Kubernetes."""
    if pod.spec.get("automountServiceAccountToken") is not (pod.role == "scheduler"):
        yield "automountServiceAccountToken has to be said, and true for the scheduler alone"
    for container in pod.containers:
        has_token = any(mount["mountPath"] == TOKEN_FOLDER for mount in container.get("volumeMounts", []))
        if has_token is not (container is pod.autoscaler):
            yield f"{container['name']} {'has' if has_token else 'lacks'} a token for the API of Kubernetes"


def _is_memory(volume: Manifest) -> bool:
    return bool(volume.get("emptyDir", {}).get("medium") == "Memory")


def _size(volume: Manifest) -> Decimal:
    return parse_quantity(volume.get("emptyDir", {}).get("sizeLimit", "0"))
