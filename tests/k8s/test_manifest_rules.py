"""Every rule catches the manifest that breaks it: one error is put into a real render, and has to be reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.k8s.kuberay_rules import (
    MAX_NAME_LENGTHS,
    UNUSED_OF_CLUSTER,
    UNUSED_OF_GROUP,
    UNUSED_OF_JOB,
    UNUSED_VARIABLES,
    kuberay_problems,
)
from tests.k8s.manifest_rules import rule_problems, schema_problems
from tests.k8s.platform_rules import platform_problems
from tests.k8s.pod_rules import TOKEN_FOLDER
from tests.k8s.render import Manifest, manifests

GONE = object()  # as a value: takes the field away
HEAD, GROUP, GPU = "headGroupSpec", "workerGroupSpecs.0", "workerGroupSpecs.1"
POD = "template.spec"
RAY = f"{POD}.containers.0"


def change(target: Any, path: str, value: Any) -> None:
    """Sets the field at a path of keys and numbers with dots between them; GONE takes it away, a last + appends.

    A dot that belongs to a key is written as ~.
    """
    *parents, last = [part.replace("~", ".") for part in path.split(".")]
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    if last == "+":
        target.append(value)
    elif isinstance(target, list):
        target[int(last)] = value
    elif value is GONE:
        del target[last]
    else:
        target[last] = value


def find(found: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The first manifest of a kind, and of a name if one is given."""
    return next(m for m in found if m["kind"] == kind and name in ("", m["metadata"]["name"]))


def cluster(**changes: Any) -> Manifest:
    """The development cluster of gpu-spot, with changes to its spec."""
    manifest = find(manifests("gpu-spot"), "RayCluster")
    for path, value in changes.items():
        change(manifest["spec"], path, value)
    return manifest


def job(**changes: Any) -> Manifest:
    """The RayJob that trains of gpu-spot, with changes to its spec."""
    manifest = find(manifests("gpu-spot/jobs"), "RayJob", "tonemill-train")
    for path, value in changes.items():
        change(manifest["spec"], path, value)
    return manifest


RULES_CASES: list[tuple[dict[str, Any], str]] = [
    # KubeRay's own
    ({f"{HEAD}.{POD}.containers": []}, "need a container"),
    ({f"{HEAD}.{POD}.restartPolicy": "Always"}, "head: restartPolicy is Always"),
    ({f"{GROUP}.{POD}.restartPolicy": "OnFailure"}, "cpu: restartPolicy is OnFailure"),
    ({"enableInTreeAutoscaling": False, f"{GROUP}.maxReplicas": GONE}, "both needed where nothing scales"),
    ({f"{GROUP}.minReplicas": 9}, "minReplicas 9 and maxReplicas 8 are no range"),
    ({"autoscalerOptions.version": "v1"}, "idleTimeoutSeconds of a group needs autoscalerOptions.version v2"),
    ({"autoscalerOptions.version": "v1"}, "priority of a group needs autoscalerOptions.version v2"),
    ({"rayVersion": "2.55.1"}, "priority of a group needs rayVersion 2.56"),
    ({"rayVersion": "2.51.0"}, "token needs rayVersion 2.52"),
    ({"rayVersion": GONE}, "token needs rayVersion 2.52 or later, got None"),
    ({"autoscalerOptions.idleTimeoutSeconds": -1}, "idleTimeoutSeconds is negative"),
    # Ours, of clusters
    ({"authOptions.mode": "disabled"}, "is not closed by the token"),
    ({"authOptions.secretName": "other"}, "is not closed by the token"),
    ({"autoscalerOptions.version": GONE}, "does not use autoscaler v2"),
    ({f"{HEAD}.serviceType": "LoadBalancer"}, "can be reached from outside"),
    ({f"{HEAD}.enableIngress": True}, "can be reached from outside"),
    ({f"{HEAD}.rayStartParams.num-cpus": "2"}, "takes work"),
    ({f"{HEAD}.template.metadata.annotations.karpenter~sh/do-not-disrupt": GONE}, "may be moved by Karpenter"),
    ({f"{HEAD}.template.metadata.annotations.cluster-autoscaler~kubernetes~io/safe-to-evict": "true"},
     "may be moved by the cluster autoscaler"),
    ({f"{HEAD}.{POD}.nodeSelector.tonemill~io/pool": "cpu"}, "may stand on a spot node"),
    ({f"{HEAD}.{POD}.priorityClassName": "tonemill-batch"}, "can be driven out"),
    ({f"{HEAD}.{RAY}.ports": []}, "would have no port"),
    ({f"{GROUP}.{POD}.terminationGracePeriodSeconds": 30}, "drains for 100 s of the 30 s"),
    ({f"{GROUP}.{POD}.terminationGracePeriodSeconds": 600}, "spot nodes give 120"),
    ({f"{GROUP}.{RAY}.env": []}, "drains for 30 s of the 120 s"),
    ({f"{GROUP}.{RAY}.resources.limits.cpu": "7500m"}, "broken number of CPUs"),
    ({f"{GROUP}.{POD}.nodeSelector": {}}, "may stand on nodes of heads"),
    ({f"{GPU}.{RAY}.resources.limits.nvidia~com/gpu": "0"}, "asks for a GPU where there is none"),
    ({f"{GPU}.{POD}.tolerations": []}, "kept off nodes with a GPU"),
    # Ours, of pods
    ({f"{GROUP}.{POD}.hostNetwork": True}, "hostNetwork is set"),
    ({f"{GROUP}.{POD}.securityContext.runAsNonRoot": GONE}, "may run as root"),
    ({f"{GROUP}.{POD}.securityContext.runAsUser": 0}, "may run as root"),
    ({f"{GROUP}.{POD}.securityContext.seccompProfile": GONE}, "no seccomp profile"),
    ({f"{GROUP}.{RAY}.securityContext.allowPrivilegeEscalation": GONE}, "ray-worker may gain privileges"),
    ({f"{GROUP}.{RAY}.securityContext.capabilities.drop": ["NET_RAW"]}, "ray-worker keeps capabilities"),
    ({f"{GROUP}.{RAY}.securityContext.capabilities.add": ["SYS_PTRACE"]}, "ray-worker keeps capabilities"),
    ({f"{GROUP}.{RAY}.securityContext.readOnlyRootFilesystem": False}, "root file system that can be written"),
    ({f"{GROUP}.{RAY}.securityContext.seccompProfile.type": "Unconfined"}, "another seccomp profile"),
    ({f"{GROUP}.{RAY}.securityContext.runAsUser": 0}, "ray-worker may run as root"),
    ({"autoscalerOptions.securityContext": GONE}, "autoscaler keeps capabilities"),
    ({f"{GROUP}.{POD}.volumes.0": {"name": "tmp", "hostPath": {"path": "/"}}}, "restricted pods may not have"),
    ({f"{GROUP}.{POD}.volumes.0": {"name": "tmp", "emptyDir": {}}}, "tmp has no sizeLimit"),
    ({f"{GROUP}.{RAY}.volumeMounts.+": {"name": "absent", "mountPath": "/a"}}, "mounts absent, which is no volume"),
    ({"autoscalerOptions.volumeMounts": []}, "autoscaler has no /tmp to write to"),
    ({f"{GROUP}.{RAY}.volumeMounts.1.mountPath": "/elsewhere"}, "no folder for Ray"),
    ({f"{GROUP}.{RAY}.image": "rayproject/ray:2.60.0"}, "another image than ours"),
    ({f"{GROUP}.{RAY}.image": "registry.example.org:5000/tonemill"}, "image without a version"),
    ({f"{GROUP}.{RAY}.image": "tonemill:latest"}, "image without a version"),
    ({f"{GROUP}.{RAY}.resources.requests.cpu": "8"}, "asks for more cpu than its limit"),
    ({f"{GROUP}.{RAY}.resources.requests.memory": "1Gi"}, "may take more memory than it asks for"),
    ({f"{GROUP}.{RAY}.resources": {}}, "says no memory"),
    ({f"{GROUP}.{RAY}.resources.limits.ephemeral-storage": "30Gi"}, "would be evicted"),
    ({f"{GROUP}.{POD}.volumes.2": {"name": "shared-mem", "emptyDir": {"sizeLimit": "5Gi"}}}, "no /dev/shm in memory"),
    ({f"{GROUP}.rayStartParams": {}}, "leaves the size of its object store to Ray"),
    ({f"{GROUP}.rayStartParams.object-store-memory": "6000000000"}, "larger than /dev/shm"),
    ({f"{GROUP}.{POD}.volumes.2.emptyDir.sizeLimit": "14Gi"}, "more than half of its memory"),
    ({f"{GROUP}.{POD}.automountServiceAccountToken": GONE}, "has to be said"),
    ({"autoscalerOptions.volumeMounts.2": {"name": "tmp", "mountPath": "/x"}}, "autoscaler lacks a token"),
    ({f"{HEAD}.{RAY}.volumeMounts.+": {"name": "kube-api", "mountPath": TOKEN_FOLDER}}, "ray-head has a token"),
]  # fmt: skip

JOB_CASES: list[tuple[dict[str, Any], str]] = [
    # KubeRay's own
    ({"suspend": True, "shutdownAfterJobFinishes": False, "ttlSecondsAfterFinished": 0}, "suspend needs shutdownAfter"),
    ({"shutdownAfterJobFinishes": False}, "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"),
    ({"rayClusterSpec": None}, "a RayJob needs rayClusterSpec"),
    ({"activeDeadlineSeconds": 0}, "activeDeadlineSeconds has to be positive"),
    ({"preRunningDeadlineSeconds": 0}, "preRunningDeadlineSeconds has to be positive"),
    ({"backoffLimit": -1}, "backoffLimit is negative"),
    ({"ttlSecondsAfterFinished": -1}, "ttlSecondsAfterFinished is negative"),
    ({f"rayClusterSpec.{HEAD}.{POD}.restartPolicy": "Always"}, "head: restartPolicy is Always"),
    # Ours
    ({"submissionMode": "SidecarMode"}, "submissionMode has to be K8sJobMode"),
    ({"submitterPodTemplate": GONE}, "refused by a restricted namespace"),
    ({"preRunningDeadlineSeconds": GONE}, "needs both deadlines"),
    ({"shutdownAfterJobFinishes": GONE}, "keeps its nodes"),
    ({"entrypoint": "python train.py"}, "no command of tonemill"),
    ({"submitterPodTemplate.spec.containers.0.securityContext": GONE}, "ray-job-submitter keeps capabilities"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), RULES_CASES)
def test_broken_cluster_is_caught(changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in rule_problems(cluster(**changes)))


@pytest.mark.parametrize(("changes", "message"), JOB_CASES)
def test_broken_job_is_caught(changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in rule_problems(job(**changes)))


@pytest.mark.parametrize(
    ("made", "prefix", "unused"),
    [
        (cluster, "", UNUSED_OF_CLUSTER),
        (cluster, f"{GROUP}.", UNUSED_OF_GROUP),
        (job, "", UNUSED_OF_JOB),
        (job, "rayClusterSpec.", UNUSED_OF_CLUSTER),
        (job, f"rayClusterSpec.{HEAD}.", UNUSED_OF_GROUP),
    ],
)
def test_use_of_what_no_rule_is_written_for_is_caught(
    made: Callable[..., Manifest], prefix: str, unused: tuple[str, ...]
) -> None:
    for field in unused:
        problems = rule_problems(made(**{prefix + field: "x"}))
        assert [problem for problem in problems if f"{field}: KubeRay's rules for it are not" in problem] != []
    for name in UNUSED_VARIABLES:
        for place in (f"{GROUP}.{RAY}", f"{HEAD}.{RAY}", "autoscalerOptions"):
            problems = rule_problems(cluster(**{f"{place}.env.+": {"name": name, "value": "1"}}))
            assert [problem for problem in problems if f"{name}: KubeRay's rules for it are not" in problem] != []
    cron = {"apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": {"name": "a"}, "spec": {}}
    assert kuberay_problems(cron) == ["KubeRay's rules for a RayCronJob are not written down here"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("a" * 54, "may have 53 characters, aaaa"), ("night-2026.11", "is no DNS label"), ("7up", "is no DNS label")],
)
def test_names_that_kuberay_refuses(name: str, message: str) -> None:
    manifest = cluster()
    manifest["metadata"]["name"] = name
    assert [problem for problem in kuberay_problems(manifest) if message in problem] != []
    for manifest in (cluster(), job()):
        longest = "a" * MAX_NAME_LENGTHS[manifest["kind"]]
        for good, is_good in ((longest, True), (longest + "a", False)):
            manifest["metadata"]["name"] = good
            assert (kuberay_problems(manifest) == []) is is_good


def test_queued_job_with_more_kinds_of_pods_than_kueue_takes_is_caught() -> None:
    manifest = find(manifests("kueue/jobs"), "RayJob", "tonemill-prepare")
    groups = manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    groups += groups * 6
    assert any("more kinds of pods than the 8" in problem for problem in rule_problems(manifest))
    del groups[-1]
    assert rule_problems(manifest) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spec.suspend": False}, "does not begin suspended"),
        ({"spec.rayClusterSpec.enableInTreeAutoscaling": True}, "queued and autoscaled"),
        ({"spec.rayClusterSpec.workerGroupSpecs.0.minReplicas": 1}, "needs one fixed number of workers"),
        ({"spec.rayClusterSpec.workerGroupSpecs": []}, ""),
    ],
)
def test_broken_queued_job_is_caught(changes: dict[str, Any], message: str) -> None:
    manifest = find(manifests("kueue/jobs"), "RayJob")
    for path, value in changes.items():
        change(manifest, path, value)
    assert any(message in problem for problem in rule_problems(manifest)) is bool(message)


PLATFORM_CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("ServiceAccount", "tonemill-head", {"metadata.namespace": "default"}, "namespace is default, not tonemill"),
    ("PriorityClass", "tonemill-batch", {"metadata.namespace": "tonemill"}, "namespace is tonemill, not None"),
    ("ConfigMap", "tonemill-cluster", {"metadata.labels": {}}, "has no label app.kubernetes.io/part-of"),
    ("ConfigMap", "tonemill-cluster", {"metadata.name": "other"}, "there is no ConfigMap tonemill-cluster"),
    ("Namespace", "tonemill", {"metadata.labels.pod-security~kubernetes~io/enforce": "baseline"}, "not restricted"),
    ("ServiceAccount", "tonemill-train", {"metadata.name": "other"}, "there is no account tonemill-train"),
    ("ServiceAccount", "tonemill-train", {"automountServiceAccountToken": True}, "hands its token to its pods"),
    ("PriorityClass", "tonemill-batch", {"metadata.name": "other"}, "there is no priority class 'tonemill-batch'"),
    ("Role", "tonemill-scheduler", {"rules.0.verbs.+": "*"}, "allows everything of a kind"),
    ("Role", "tonemill-scheduler", {"rules.0.verbs.+": "delete"}, "may do more than make and watch RayJobs"),
    ("Role", "tonemill-submitters", {"rules.7.resourceNames": GONE}, "may do more with secrets"),
    ("Role", "tonemill-submitters", {"rules.7.verbs": ["list"]}, "may do more with secrets"),
    ("NetworkPolicy", "default-deny", {"spec.policyTypes": ["Ingress"]}, "no NetworkPolicy closes the namespace"),
    ("NetworkPolicy", "default-deny", {"spec.ingress": [{}]}, "lets in more than pods that it names"),
    ("NetworkPolicy", "metrics", {"spec.ingress.0.from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, "lets in more"),
    ("NetworkPolicy", "object-store", {"spec.egress.0.to.0.ipBlock.except": []}, "the identity of their node"),
    ("NetworkPolicy", "dns", {"spec.egress.0.to": GONE}, "out to everywhere"),
    ("NetworkPolicy", "ray-job-server", {"spec.ingress.0.ports.0.port": 8266}, "every RayJob would hang"),
    ("ResourceQuota", "tonemill", {"spec.hard.requests~cpu": "500"}, "requests.cpu is 500"),
    ("ResourceQuota", "tonemill", {"spec.hard.requests~nvidia~com/gpu": "42"}, "one job take 43"),
    ("ResourceQuota", "tonemill", {"spec.hard.pods": "100"}, "pods is 100"),
    ("PodDisruptionBudget", "tonemill-job-heads", {"spec.minAvailable": "50%"}, "needs minAvailable as a number"),
    ("PodDisruptionBudget", "tonemill-job-heads", {"spec.maxUnavailable": 0}, "needs minAvailable as a number"),
    ("CronJob", "tonemill-nightly", {"spec.concurrencyPolicy": "Replace"}, "is not Forbid"),
    ("CronJob", "tonemill-nightly", {"spec.startingDeadlineSeconds": GONE}, "has no startingDeadlineSeconds"),
    ("CronJob", "tonemill-nightly", {"metadata.name": "a" * 39}, "longer than that of a RayJob may be"),
]
QUEUE_CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("RayCluster", "tonemill-dev", {"metadata.labels.kueue~x-k8s~io/queue-name": GONE}, "goes past the queue"),
    ("RayJob", "tonemill-train", {"metadata.labels.kueue~x-k8s~io/queue-name": "other"}, "there is no queue other"),
    ("LocalQueue", "tonemill", {"spec.clusterQueue": "other"}, "no ClusterQueue behind it"),
    ("ClusterQueue", "tonemill", {"spec.resourceGroups.0.coveredResources": ["cpu", "memory", "nvidia.com/gpu"]},
     "asks for ephemeral-storage, which the queue does not cover"),
    ("ClusterQueue", "tonemill", {"spec.resourceGroups.0.flavors.0.resources.0.nominalQuota": "2"},
     "tonemill-train head: no flavor has enough for 1"),
    ("ResourceFlavor", "tonemill-cpu", {"spec.nodeLabels.tonemill~io/pool": "cpus"}, "no flavor has enough for 8"),
    ("ResourceFlavor", "tonemill-gpu-spot", {"metadata.name": "other"}, "there is no flavor tonemill-gpu-spot"),
]  # fmt: skip


def broken_platform(overlay: str, kind: str, name: str, changes: dict[str, Any]) -> list[str]:
    """The problems of an overlay's three renders with changes to one object."""
    parts = [manifests(overlay), manifests(f"{overlay}/jobs"), manifests(f"{overlay}/schedule")]
    target = find([manifest for part in parts for manifest in part], kind, name)
    for path, value in changes.items():
        change(target, path, value)
    return platform_problems(*parts)


@pytest.mark.parametrize(("kind", "name", "changes", "message"), PLATFORM_CASES)
def test_broken_platform_is_caught(kind: str, name: str, changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in broken_platform("gpu-spot", kind, name, changes))


@pytest.mark.parametrize(("kind", "name", "changes", "message"), QUEUE_CASES)
def test_broken_queue_is_caught(kind: str, name: str, changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in broken_platform("kueue", kind, name, changes))


def test_rights_beyond_the_namespace_are_caught() -> None:
    platform = [*manifests("cpu-small"), {"kind": "ClusterRole", "metadata": {"name": "all"}}]
    assert any("reach beyond" in p for p in platform_problems(platform, manifests("cpu-small/jobs"), []))


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoscalerOption": {}}, "spec.autoscalerOption: unknown field"),
        ({f"{HEAD}.{RAY}.imagepullPolicy": "Always"}, "containers[0].imagepullPolicy: unknown field"),
        ({f"{GROUP}.maxReplicas": "4"}, "'4' is not of type 'integer'"),
        ({"autoscalerOptions.version": "v3"}, "'v3' is not one of"),
        ({f"{GROUP}.{RAY}.resources.limits.cpu": "two"}, "does not match"),
        ({HEAD: GONE}, "'headGroupSpec' is a required property"),
        ({f"{GROUP}.{RAY}.ports.+": {"containerPort": 8080, "protocol": "TCP"}}, "stands there twice"),
        ({f"{HEAD}.{RAY}.env.0.valueFrom": {"secretKeyRef": {"name": "a"}}}, "'key' is a required property"),
    ],
)
def test_schema_of_kuberay_is_strict(changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in schema_problems(cluster(**changes)))


@pytest.mark.usefixtures("crds")
def test_schema_of_kuberay_takes_nulls_and_fills_in_defaults() -> None:
    """As the API server: a null is no value, and an environment variable's secret may leave its name out."""
    assert schema_problems(cluster(**{"rayVersion": None, f"{GROUP}.replicas": None, f"{GROUP}.suspend": None})) == []
    assert schema_problems({"apiVersion": "ray.io/v2", "kind": "RayJob", "metadata": {}}) != []
    misnamed = cluster()
    misnamed["metadata"]["label"] = {}
    assert schema_problems(misnamed) == ["metadata.label: unknown field"]


@pytest.mark.parametrize(
    ("overlay", "kind", "path", "value", "message"),
    [
        ("cpu-small", "NetworkPolicy", "spec.podSelectors", {}, "podSelectors"),
        ("cpu-small", "ResourceQuota", "spec.hards", {}, "hards"),
        ("cpu-small", "PodMonitor", "spec.podMetricsEndpoints.0.intervals", "15s", "intervals"),
        ("cpu-small", "PrometheusRule", "spec.groups.0.rules.0.for", "ten minutes", "does not match"),
        ("kueue", "ClusterQueue", "spec.cohort", "all", "cohort"),
        ("kueue", "ClusterQueue", "spec.resourceGroups.0.coveredResources", ["memory", "cpu"], "in their order"),
    ],
)
def test_schemas_of_other_kinds_are_strict(overlay: str, kind: str, path: str, value: Any, message: str) -> None:
    manifest = find(manifests(overlay), kind)
    change(manifest, path, value)
    assert any(message in problem for problem in schema_problems(manifest))
