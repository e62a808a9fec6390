"""What the objects of a platform owe each other: names that exist, quotas that suffice, a network that is closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from tests.k8s.cluster_rules import QUEUE_LABEL
from tests.k8s.pods import Pod, pods_of, ray_spec
from tests.k8s.render import Manifest

NAMESPACE = "tonemill"
CLUSTER_WIDE = frozenset({"Namespace", "PriorityClass", "ResourceFlavor", "ClusterQueue"})
BUILT_IN_PRIORITIES = frozenset({"system-cluster-critical", "system-node-critical"})
_QUOTA_NAMES = {  # of the quota -> (resource, requests or limits)
    "requests.cpu": ("cpu", "requests"),
    "requests.memory": ("memory", "requests"),
    "limits.cpu": ("cpu", "limits"),
    "limits.memory": ("memory", "limits"),
    "requests.nvidia.com/gpu": ("nvidia.com/gpu", "requests"),
}


def platform_problems(platform: list[Manifest], jobs: list[Manifest], schedule: list[Manifest]) -> list[str]:
    """What does not fit together in the three renders of one overlay."""
    everything = [*platform, *jobs, *schedule]
    return [
        *_namespaces(everything),
        *_names(platform, everything),
        *_rights(platform),
        *_network(platform),
        *_quota(platform, jobs),
        *_queues(platform, everything),
        *_schedule(schedule),
        *_disruption(platform),
    ]


def _of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _names_of(manifests: Iterable[Manifest], kind: str) -> set[str]:
    return {manifest["metadata"]["name"] for manifest in _of_kind(manifests, kind)}


def _namespaces(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in manifests:
        place, metadata = f"{manifest['kind']}/{manifest['metadata']['name']}", manifest["metadata"]
        wanted = None if manifest["kind"] in CLUSTER_WIDE else NAMESPACE
        if metadata.get("namespace") != wanted:
            yield f"{place}: namespace is {metadata.get('namespace')}, not {wanted}"
        if metadata.get("labels", {}).get("app.kubernetes.io/part-of") != "tonemill":
            yield f"{place}: has no label app.kubernetes.io/part-of: tonemill"
        if manifest["kind"] == "Namespace":
            level = metadata["labels"].get("pod-security.kubernetes.io/enforce")
            if level != "restricted":
                yield f"{place}: pod security is {level}, not restricted"


def _names(platform: list[Manifest], everything: list[Manifest]) -> Iterator[str]:
    """Accounts, priority classes and ConfigMaps that pods name are there."""
    accounts = _names_of(platform, "ServiceAccount")
    priorities = _names_of(platform, "PriorityClass") | BUILT_IN_PRIORITIES
    for account in _of_kind(platform, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount/{account['metadata']['name']}: hands its token to its pods"
    for pod in (pod for manifest in everything for pod in pods_of(manifest)):
        if pod.spec.get("serviceAccountName", "default") not in accounts:
            yield f"{pod.place}: there is no account {pod.spec.get('serviceAccountName', 'default')}"
        if pod.spec.get("priorityClassName", "") not in priorities:
            yield f"{pod.place}: there is no priority class {pod.spec.get('priorityClassName', '')!r}"
        for source in (s for container in pod.containers for s in container.get("envFrom", [])):
            name = source.get("configMapRef", {}).get("name")
            if name not in _names_of(platform, "ConfigMap"):
                yield f"{pod.place}: there is no ConfigMap {name}"


def _rights(platform: list[Manifest]) -> Iterator[str]:
    for role in _of_kind(platform, "Role"):
        place = f"Role/{role['metadata']['name']}"
        for rule in role["rules"]:
            if "*" in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]:
                yield f"{place}: allows everything of a kind"
            if "secrets" in rule["resources"] and not (rule.get("resourceNames") and rule["verbs"] == ["get"]):
                yield f"{place}: may do more with secrets than read those it names"
            if role["metadata"]["name"] == "tonemill-scheduler" and (
                rule["resources"] != ["rayjobs"] or not set(rule["verbs"]) <= {"create", "get", "list", "watch"}
            ):
                yield f"{place}: may do more than make and watch RayJobs"
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        yield from (f"{kind}/{name}: rights reach beyond the namespace" for name in _names_of(platform, kind))


def _network(platform: list[Manifest]) -> Iterator[str]:
    policies = _of_kind(platform, "NetworkPolicy")
    closed = [
        p["spec"] for p in policies if p["spec"]["podSelector"] == {} and not {"ingress", "egress"} & set(p["spec"])
    ]
    if not any(set(spec["policyTypes"]) == {"Ingress", "Egress"} for spec in closed):
        yield "no NetworkPolicy closes the namespace"
    for policy in policies:
        place = f"NetworkPolicy/{policy['metadata']['name']}"
        for rule in policy["spec"].get("ingress", []):
            if not rule.get("from") or any("ipBlock" in peer for peer in rule["from"]):
                yield f"{place}: lets in more than pods that it names"
        for rule in policy["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
                if block["cidr"] == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", []):
                    yield f"{place}: lets pods take the identity of their node"
            if not rule.get("to"):
                yield f"{place}: lets pods out to everywhere"
    if not any(_lets_in_operator(policy) for policy in policies):
        yield "no NetworkPolicy lets KubeRay's operator ask a head how its job is: every RayJob would hang"


def _lets_in_operator(policy: Manifest) -> bool:
    for rule in policy["spec"].get("ingress", []):
        ports = {port.get("port") for port in rule.get("ports", [])}
        for peer in rule.get("from", []):
            namespace = peer.get("namespaceSelector", {}).get("matchLabels", {})
            if 8265 in ports and namespace.get("kubernetes.io/metadata.name") == "kuberay-system":
                return True
    return False


def _largest(manifest: Manifest, resource: str, kind: str) -> Decimal:
    """What all pods of a Ray cluster and its job ask for when every group is at its largest."""
    return sum((pod.total(resource, kind) * _largest_number(pod) for pod in pods_of(manifest)), Decimal(0))


def _largest_number(pod: Pod) -> int:
    return int(pod.group.get("maxReplicas", 1)) if pod.role == "worker" else 1


def _quota(platform: list[Manifest], jobs: list[Manifest]) -> Iterator[str]:
    """The quota holds the development cluster and the largest job at once."""
    clusters = _of_kind(platform, "RayCluster")
    for quota in _of_kind(platform, "ResourceQuota"):
        hard = quota["spec"]["hard"]
        for name, (resource, kind) in _QUOTA_NAMES.items():
            wanted = sum((_largest(cluster, resource, kind) for cluster in clusters), Decimal(0))
            wanted += max(_largest(job, resource, kind) for job in jobs)
            if parse_quantity(hard[name]) < wanted:
                yield f"ResourceQuota: {name} is {hard[name]}, the development cluster and one job take {wanted}"
        num_pods = max(sum(_largest_number(pod) for pod in pods_of(job)) for job in jobs)
        num_pods += sum(_largest_number(pod) for cluster in clusters for pod in pods_of(cluster))
        if int(hard["pods"]) < num_pods:
            yield f"ResourceQuota: pods is {hard['pods']}, the development cluster and one job take {num_pods}"


def _queues(platform: list[Manifest], everything: list[Manifest]) -> Iterator[str]:
    """Every queued job names a queue that is there, and asks only for what its ClusterQueue has, and has enough of."""
    queues = {queue["metadata"]["name"]: queue for queue in _of_kind(platform, "LocalQueue")}
    cluster_queues = {queue["metadata"]["name"]: queue for queue in _of_kind(platform, "ClusterQueue")}
    flavors = {
        flavor["metadata"]["name"]: flavor["spec"]["nodeLabels"] for flavor in _of_kind(platform, "ResourceFlavor")
    }
    for manifest in everything:
        place, labels = f"{manifest['kind']}/{manifest['metadata']['name']}", manifest["metadata"].get("labels", {})
        if queues and ray_spec(manifest) is not None and QUEUE_LABEL not in labels:
            yield f"{place}: goes past the queue"
        if (name := labels.get(QUEUE_LABEL)) is None:
            continue
        if name not in queues or queues[name]["spec"]["clusterQueue"] not in cluster_queues:
            yield f"{place}: there is no queue {name}, or no ClusterQueue behind it"
            continue
        queue = cluster_queues[queues[name]["spec"]["clusterQueue"]]
        yield from _admission(manifest, queue, flavors)
    for queue in cluster_queues.values():
        used = {flavor["name"] for group in queue["spec"]["resourceGroups"] for flavor in group["flavors"]}
        yield from (f"ClusterQueue: there is no flavor {name}" for name in sorted(used - set(flavors)))


def _admission(manifest: Manifest, queue: Manifest, flavors: dict[str, dict[str, str]]) -> Iterator[str]:
    """Each kind of pod fits a flavor whose labels do not contradict its nodeSelector."""
    group = queue["spec"]["resourceGroups"][0]
    for pod in pods_of(manifest):
        requested = {
            name for container in pod.containers for name in container.get("resources", {}).get("requests", {})
        }
        for name in sorted(requested - set(group["coveredResources"])):
            yield f"{pod.place}: asks for {name}, which the queue does not cover: it would never be admitted"
        number = int(pod.group.get("replicas", 1)) if pod.role == "worker" else 1
        selector = pod.spec.get("nodeSelector", {})
        fitting = [
            flavor["name"]
            for flavor in group["flavors"]
            if all(selector.get(key, value) == value for key, value in flavors.get(flavor["name"], {}).items())
            and all(
                parse_quantity(quota["nominalQuota"]) >= pod.total(quota["name"]) * number
                for quota in flavor["resources"]
            )
        ]
        if not fitting:
            yield f"{pod.place}: no flavor has enough for {number} of them"


def _schedule(schedule: list[Manifest]) -> Iterator[str]:
    for job in _of_kind(schedule, "CronJob"):
        spec, place = job["spec"], f"CronJob/{job['metadata']['name']}"
        if spec.get("concurrencyPolicy") != "Forbid":
            yield f"{place}: concurrencyPolicy is not Forbid"
        for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "timeZone"):
            if field not in spec:
                yield f"{place}: has no {field}"
        if len(job["metadata"]["name"]) > 47 - len("-20261122"):
            yield f"{place}: its name with a date is longer than that of a RayJob may be"


def _disruption(platform: list[Manifest]) -> Iterator[str]:
    """KubeRay's pods have no scale: the eviction API takes a whole number of minAvailable for them and nothing else."""
    for budget in _of_kind(platform, "PodDisruptionBudget"):
        place, spec = f"PodDisruptionBudget/{budget['metadata']['name']}", budget["spec"]
        if "maxUnavailable" in spec or not isinstance(spec.get("minAvailable"), int):
            yield f"{place}: needs minAvailable as a number; evictions would fail with an error otherwise"
