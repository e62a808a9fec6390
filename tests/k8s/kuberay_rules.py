"""What KubeRay 1.7 refuses beyond its schemas: the CEL rules of its CRDs, and what its controllers check.

A cluster that breaks one is accepted by `kubectl apply` and then never starts, with an event that nobody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.k8s.render import Manifest

MAX_NAME_LENGTHS = {"RayCluster": 53, "RayJob": 47, "RayService": 47, "RayCronJob": 36}
TOKEN_VERSION, PRIORITY_VERSION = (2, 52, 0), (2, 56, 0)
MANAGERS = ("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")
NO_CONTAINER = "the head and every group of workers need a container"
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_AUTOSCALER_V2 = "RAY_enable_autoscaler_v2"
_RAY_START_RESOURCES = ("num-cpus", "num-gpus", "memory", "resources")
_DELETION_ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")


def kuberay_problems(manifest: Manifest) -> list[str]:
    """What KubeRay's controllers would refuse in a RayCluster, RayJob or RayCronJob."""
    kind, name, spec = manifest["kind"], manifest["metadata"].get("name", ""), manifest.get("spec", {})
    problems = []
    if len(name) > MAX_NAME_LENGTHS[kind]:
        problems.append(f"the name of a {kind} may have {MAX_NAME_LENGTHS[kind]} characters, {name} has {len(name)}")
    if not _DNS_1035.fullmatch(name):
        problems.append(f"{name!r} is no DNS label: small letters, digits and hyphens, beginning with a letter")
    if kind == "RayCluster":
        problems += _cluster_problems(spec)
        problems += _manager_problems(spec)
    elif kind == "RayJob":
        problems += _job_problems(spec)
    elif kind == "RayCronJob":
        if "TZ" in spec.get("schedule", ""):
            problems.append("no TZ in a schedule: use timeZone")
        problems += _job_problems(spec.get("jobTemplate", {}))
    return problems


def _cluster_problems(spec: Manifest) -> list[str]:
    head, groups = spec.get("headGroupSpec", {}), spec.get("workerGroupSpecs", [])
    if not all(_containers(group) for group in (head, *groups)):
        return [NO_CONTAINER]
    return [
        *_group_problems(spec, "head", head),
        *(problem for group in groups for problem in _group_problems(spec, group["groupName"], group)),
        *(problem for group in groups for problem in _worker_problems(spec, group)),
        *_autoscaler_problems(spec, head),
        *_auth_problems(spec),
        *_gated_fields(spec),
        *_head_problems(spec, head),
    ]


def _group_problems(spec: Manifest, name: str, group: Manifest) -> Iterator[str]:
    params = group.get("rayStartParams", {})
    if group.get("resources") and any(params.get(key) for key in _RAY_START_RESOURCES):
        yield f"{name}: resources stand in rayStartParams and in the group; use one of them"
    if "labels" in params:
        yield f"{name}: rayStartParams.labels is not supported; use labels of the group"
    restart = group["template"]["spec"].get("restartPolicy", "")
    if _is_autoscaled(spec) and _is_v2(spec) and restart not in ("", "Never"):
        yield f"{name}: restartPolicy is {restart}; autoscaler v2 wants Never or none"


def _worker_problems(spec: Manifest, group: Manifest) -> Iterator[str]:
    name, low, high = group["groupName"], group.get("minReplicas"), group.get("maxReplicas")
    if not _is_autoscaled(spec) and (low is None or high is None):
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
    if group.get("suspend") and _is_autoscaled(spec):
        yield f"{name}: a group cannot be suspended under the autoscaler"


def _autoscaler_problems(spec: Manifest, head: Manifest) -> Iterator[str]:
    options = spec.get("autoscalerOptions") or {}
    switch = _environment(_containers(head)[0]).get(_AUTOSCALER_V2)
    if switch in ("1", "true") and not _is_autoscaled(spec):
        yield f"{_AUTOSCALER_V2} needs enableInTreeAutoscaling"
    if switch is not None and _is_autoscaled(spec) and options.get("version"):
        yield f"autoscalerOptions.version and {_AUTOSCALER_V2} are both set; use the former"
    if options.get("idleTimeoutSeconds", 0) < 0:
        yield "autoscalerOptions.idleTimeoutSeconds is negative"
    if any(entry["name"] == "KUBERAY_GEN_AUTOSCALER_START_CMD" for entry in options.get("env", [])):
        yield "KUBERAY_GEN_AUTOSCALER_START_CMD is KubeRay's own"


def _auth_problems(spec: Manifest) -> Iterator[str]:
    options = spec.get("authOptions") or {}
    if options.get("mode") == "token" and _version(spec.get("rayVersion", "")) < TOKEN_VERSION:
        yield f"authOptions.mode token needs rayVersion 2.52 or later, got {spec.get('rayVersion')!r}"
    if options.get("enableK8sTokenAuth"):
        if options.get("mode") != "token":
            yield "authOptions.enableK8sTokenAuth needs mode token"
        if options.get("secretName"):
            yield "authOptions.enableK8sTokenAuth and secretName exclude each other"


def _gated_fields(spec: Manifest) -> Iterator[str]:
    """Fields that a feature gate guards; all of these gates are off by default."""
    for field in ("networkPolicy", "tlsOptions", "historyServerOptions"):
        if spec.get(field) is not None:
            yield f"{field} needs a feature gate of the operator that is off by default"


def _head_problems(spec: Manifest, head: Manifest) -> Iterator[str]:
    names = _environment(_containers(head)[0])
    params = head.get("rayStartParams", {})
    if params.get("redis-username") or "REDIS_USERNAME" in names:
        yield "the Redis user belongs into gcsFaultToleranceOptions.redisUsername"
    if spec.get("gcsFaultToleranceOptions") is None and "RAY_REDIS_ADDRESS" in names:
        yield "RAY_REDIS_ADDRESS needs gcsFaultToleranceOptions"


def _job_problems(spec: Manifest) -> list[str]:
    cluster, selector = spec.get("rayClusterSpec"), spec.get("clusterSelector")
    problems = [*_suspend_problems(spec), *_mode_problems(spec), *_manager_problems(spec), *_deletion_problems(spec)]
    if cluster is None and not selector:
        problems.append("a RayJob needs rayClusterSpec or clusterSelector")
    if selector and not selector.get("ray.io/cluster"):
        problems.append("clusterSelector names no ray.io/cluster")
    for field in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(field, 1) <= 0:
            problems.append(f"{field} has to be positive")
    for field in ("backoffLimit", "ttlSecondsAfterFinished"):
        if spec.get(field, 0) < 0:
            problems.append(f"{field} is negative")
    if cluster is not None:
        if (cluster.get("authOptions") or {}).get("enableK8sTokenAuth"):
            problems.append("a RayJob cannot use enableK8sTokenAuth")
        problems += _cluster_problems(cluster)
    return problems


def _suspend_problems(spec: Manifest) -> Iterator[str]:
    if spec.get("suspend") and not spec.get("shutdownAfterJobFinishes"):
        yield "suspend needs shutdownAfterJobFinishes"
    if spec.get("suspend") and spec.get("clusterSelector"):
        yield "a RayJob with clusterSelector cannot be suspended"
    if spec.get("ttlSecondsAfterFinished", 0) > 0 and not spec.get("shutdownAfterJobFinishes"):
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"


def _mode_problems(spec: Manifest) -> Iterator[str]:
    mode, selector = spec.get("submissionMode", "K8sJobMode"), spec.get("clusterSelector")
    if mode not in ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"):
        yield f"submissionMode {mode} is unknown"
    if mode == "SidecarMode":
        for field in ("submitterPodTemplate", "submitterConfig", "clusterSelector"):
            if spec.get(field):
                yield f"SidecarMode and {field} exclude each other"
    if spec.get("backoffLimit", 0) > 0 and (mode == "InteractiveMode" or selector):
        yield "backoffLimit needs a cluster of the job's own, and no InteractiveMode"


def _manager_problems(spec: Manifest) -> Iterator[str]:
    if spec.get("managedBy", MANAGERS[0]) not in MANAGERS:
        yield f"managedBy has to be one of {', '.join(MANAGERS)}"


def _deletion_problems(spec: Manifest) -> Iterator[str]:
    strategy = spec.get("deletionStrategy")
    if strategy is None:
        return
    rules, legacy = strategy.get("deletionRules"), [strategy.get("onSuccess"), strategy.get("onFailure")]
    is_shut_down = spec.get("shutdownAfterJobFinishes", False)
    if rules and any(legacy):
        yield "deletionRules excludes onSuccess and onFailure"
    if not rules and not all(legacy):
        yield "deletionStrategy needs deletionRules, or onSuccess and onFailure both"
    if rules and (is_shut_down or spec.get("ttlSecondsAfterFinished", 0) > 0):
        yield "deletionRules excludes shutdownAfterJobFinishes and ttlSecondsAfterFinished"
    policies = [rule["policy"] for rule in rules or []] + [entry["policy"] for entry in legacy if entry]
    if "DeleteWorkers" in policies and _is_autoscaled(spec.get("rayClusterSpec") or {}):
        yield "DeleteWorkers is forbidden with autoscaling"
    if spec.get("clusterSelector") and {"DeleteWorkers", "DeleteCluster"} & set(policies):
        yield "with clusterSelector neither the cluster nor its workers can be deleted"
    if is_shut_down and any(entry["policy"] == "DeleteNone" for entry in legacy if entry):
        yield "shutdownAfterJobFinishes and DeleteNone exclude each other"
    yield from _deletion_rule_problems(rules or [])


def _deletion_rule_problems(rules: list[Manifest]) -> Iterator[str]:
    waits: dict[tuple[str, str], dict[str, int]] = {}
    for rule in rules:
        condition = rule["condition"]
        given = [(name, condition[name]) for name in ("jobStatus", "jobDeploymentStatus") if name in condition]
        if len(given) != 1:
            yield "a deletion condition needs one of jobStatus and jobDeploymentStatus"
            continue
        of_status = waits.setdefault(given[0], {})
        if rule["policy"] in of_status:
            yield f"two rules of {rule['policy']} for {given[0][1]}"
        of_status[rule["policy"]] = condition.get("ttlSeconds", 0)
    for (_, status), of_status in waits.items():
        ordered = [of_status[policy] for policy in _DELETION_ORDER if policy in of_status]
        if ordered != sorted(ordered):
            yield f"for {status} workers go first, then the cluster, then the job: their ttlSeconds have to grow"


def _is_autoscaled(spec: Manifest) -> bool:
    return bool(spec.get("enableInTreeAutoscaling"))


def _is_v2(spec: Manifest) -> bool:
    return _is_autoscaled(spec) and (spec.get("autoscalerOptions") or {}).get("version") == "v2"


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version, () where there are none: less than every version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _containers(group: Manifest) -> list[Manifest]:
    containers: list[Manifest] = group.get("template", {}).get("spec", {}).get("containers", [])
    return containers


def _environment(container: Manifest) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
