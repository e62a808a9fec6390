"""What KubeRay 1.7 refuses beyond its schemas: the CEL rules of its CRDs, and what its controllers check.

A cluster that breaks one is accepted by `kubectl apply` and then never starts, with an event that nobody reads. Of
what our manifests do not use, no rule is written down: its use is refused, and whoever wants it adds its rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.k8s.render import Manifest

MAX_NAME_LENGTHS = {"RayCluster": 53, "RayJob": 47}
TOKEN_VERSION, PRIORITY_VERSION = (2, 52, 0), (2, 56, 0)
NO_CONTAINER = "the head and every group of workers need a container"
UNUSED_OF_CLUSTER = (
    "managedBy",
    "networkPolicy",  # this and the next two stand behind feature gates of the operator that are off by default
    "tlsOptions",
    "historyServerOptions",
    "gcsFaultToleranceOptions",
    "authOptions.enableK8sTokenAuth",
)
UNUSED_OF_GROUP = ("resources", "suspend", "rayStartParams.labels", "rayStartParams.redis-username")
UNUSED_OF_JOB = ("managedBy", "clusterSelector", "deletionStrategy")
UNUSED_VARIABLES = (
    "RAY_enable_autoscaler_v2",
    "RAY_REDIS_ADDRESS",
    "REDIS_USERNAME",
    "KUBERAY_GEN_AUTOSCALER_START_CMD",
)
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def kuberay_problems(manifest: Manifest) -> list[str]:
    """What KubeRay's controllers would refuse in a RayCluster or RayJob."""
    kind, name, spec = manifest["kind"], manifest["metadata"].get("name", ""), manifest.get("spec", {})
    if kind not in MAX_NAME_LENGTHS:
        return [f"KubeRay's rules for a {kind} are not written down here"]
    problems = []
    if len(name) > MAX_NAME_LENGTHS[kind]:
        problems.append(f"the name of a {kind} may have {MAX_NAME_LENGTHS[kind]} characters, {name} has {len(name)}")
    if not _DNS_1035.fullmatch(name):
        problems.append(f"{name!r} is no DNS label: small letters, digits and hyphens, beginning with a letter")
    return problems + (_cluster_problems(spec) if kind == "RayCluster" else _job_problems(spec))


def _cluster_problems(spec: Manifest) -> list[str]:
    head, groups = spec.get("headGroupSpec", {}), spec.get("workerGroupSpecs", [])
    if not all(_containers(group) for group in (head, *groups)):
        return [NO_CONTAINER]
    return [
        *_unused(spec, UNUSED_OF_CLUSTER),
        *_group_problems(spec, "head", head),
        *(problem for group in groups for problem in _group_problems(spec, group["groupName"], group)),
        *(problem for group in groups for problem in _worker_problems(spec, group)),
        *_options_problems(spec),
    ]


def _unused(spec: Manifest, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        found: Any = spec
        for key in path.split("."):
            found = (found or {}).get(key)
        if found is not None:
            yield f"{path}: KubeRay's rules for it are not written down here"


def _unused_variables(container: Manifest) -> Iterator[str]:
    return _unused({entry["name"]: True for entry in container.get("env", [])}, UNUSED_VARIABLES)


def _group_problems(spec: Manifest, name: str, group: Manifest) -> Iterator[str]:
    yield from (f"{name}: {problem}" for problem in _unused(group, UNUSED_OF_GROUP))
    yield from (f"{name}: {problem}" for problem in _unused_variables(_containers(group)[0]))
    restart = group["template"]["spec"].get("restartPolicy", "")
    if _is_v2(spec) and restart not in ("", "Never"):
        yield f"{name}: restartPolicy is {restart}; autoscaler v2 wants Never or none"


def _worker_problems(spec: Manifest, group: Manifest) -> Iterator[str]:
    name, low, high = group["groupName"], group.get("minReplicas"), group.get("maxReplicas")
    if not spec.get("enableInTreeAutoscaling") and (low is None or high is None):
        yield f"{name}: minReplicas and maxReplicas are both needed where nothing scales"
    if low is not None and high is not None and not 0 <= low <= high:
        yield f"{name}: minReplicas {low} and maxReplicas {high} are no range"
    if group.get("idleTimeoutSeconds") is not None and not _is_v2(spec):
        yield f"{name}: idleTimeoutSeconds of a group needs autoscalerOptions.version v2"
    if group.get("priority", 0) != 0:
        if _version(spec.get("rayVersion", "")) < PRIORITY_VERSION:
            yield f"{name}: priority of a group needs rayVersion 2.56 or later"
        if not _is_v2(spec):
            yield f"{name}: priority of a group needs autoscalerOptions.version v2"


def _options_problems(spec: Manifest) -> Iterator[str]:
    autoscaler = spec.get("autoscalerOptions") or {}
    yield from _unused_variables(autoscaler)
    if autoscaler.get("idleTimeoutSeconds", 0) < 0:
        yield "autoscalerOptions.idleTimeoutSeconds is negative"
    is_token = (spec.get("authOptions") or {}).get("mode") == "token"
    if is_token and _version(spec.get("rayVersion", "")) < TOKEN_VERSION:
        yield f"authOptions.mode token needs rayVersion 2.52 or later, got {spec.get('rayVersion')!r}"


def _job_problems(spec: Manifest) -> list[str]:
    problems = [*_unused(spec, UNUSED_OF_JOB)]
    if not spec.get("shutdownAfterJobFinishes"):
        if spec.get("suspend"):
            problems.append("suspend needs shutdownAfterJobFinishes")
        if spec.get("ttlSecondsAfterFinished", 0) > 0:
            problems.append("ttlSecondsAfterFinished needs shutdownAfterJobFinishes")
    for field in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(field, 1) <= 0:
            problems.append(f"{field} has to be positive")
    for field in ("backoffLimit", "ttlSecondsAfterFinished"):
        if spec.get(field, 0) < 0:
            problems.append(f"{field} is negative")
    if spec.get("rayClusterSpec") is None:
        return [*problems, "a RayJob needs rayClusterSpec"]
    return problems + _cluster_problems(spec["rayClusterSpec"])


def _is_v2(spec: Manifest) -> bool:
    return bool(spec.get("enableInTreeAutoscaling")) and (spec.get("autoscalerOptions") or {}).get("version") == "v2"


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version, () where there are none: less than every version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _containers(group: Manifest) -> list[Manifest]:
    containers: list[Manifest] = group.get("template", {}).get("spec", {}).get("containers", [])
    return containers
