"""What a Ray cluster of Tonemill has to be: its head safe, its workers quick to drain, closed by a token."""

from __future__ import annotations

from collections.abc import Iterator

from tests.k8s.pods import Pod, pods_of, quantity, ray_spec
from tests.k8s.render import Manifest

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
TOKEN_SECRET = "tonemill-ray-token"
MAX_KUEUE_PODSETS = 8
_SPOT_NOTICE_S = 120


def cluster_problems(manifest: Manifest) -> list[str]:
    """What is wrong with the Ray cluster of a RayCluster or RayJob, and with the job around it."""
    spec = ray_spec(manifest)
    if spec is None:
        return []
    place = f"{manifest['kind']}/{manifest['metadata']['name']}"
    found = [*_auth(spec), *_queueing(manifest, spec)]
    if manifest["kind"] == "RayJob":
        found += _job(manifest["spec"])
    problems = [f"{place}: {problem}" for problem in found]
    for pod in pods_of(manifest):
        check = {"head": _head, "worker": _worker}.get(pod.role)
        problems += [f"{pod.place}: {problem}" for problem in (check(pod) if check else ())]
    return problems


def _auth(spec: Manifest) -> Iterator[str]:
    options = spec.get("authOptions", {})
    if options.get("mode") != "token" or options.get("secretName") != TOKEN_SECRET:
        yield f"is not closed by the token in the secret {TOKEN_SECRET}"
    if (
        spec["headGroupSpec"].get("enableIngress")
        or spec["headGroupSpec"].get("serviceType", "ClusterIP") != "ClusterIP"
    ):
        yield "its dashboard can be reached from outside"
    if spec.get("enableInTreeAutoscaling") and spec.get("autoscalerOptions", {}).get("version") != "v2":
        yield "does not use autoscaler v2"


def _head(pod: Pod) -> Iterator[str]:
    params, annotations = pod.group.get("rayStartParams", {}), pod.metadata.get("annotations", {})
    if params.get("num-cpus") != "0":
        yield 'takes work: num-cpus has to be "0"'
    if annotations.get("karpenter.sh/do-not-disrupt") != "true":
        yield "may be moved by Karpenter"
    if annotations.get("cluster-autoscaler.kubernetes.io/safe-to-evict") != "false":
        yield "may be moved by the cluster autoscaler"
    if pod.spec.get("nodeSelector", {}).get("tonemill.io/pool") != "head":
        yield "may stand on a spot node"
    if pod.spec.get("priorityClassName") != "tonemill-head":
        yield "can be driven out by other pods"
    ports = {port["name"]: port["containerPort"] for port in pod.spec["containers"][0].get("ports", [])}
    if {"gcs-server", "dashboard", "metrics"} - set(ports):
        yield "its service would have no port for Ray, the dashboard or the metrics"


def _worker(pod: Pod) -> Iterator[str]:
    ray = pod.spec["containers"][0]
    environment = {entry["name"]: entry.get("value", "") for entry in ray.get("env", [])}
    drain_s = int(environment.get("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "30"))
    grace_s = pod.spec.get("terminationGracePeriodSeconds", 30)
    if not 60 <= drain_s < grace_s <= _SPOT_NOTICE_S:
        yield f"drains for {drain_s} s of the {grace_s} s that it is given; spot nodes give {_SPOT_NOTICE_S}"
    if quantity(ray, "cpu", "limits") % 1 != 0:
        yield "has a broken number of CPUs; Ray would count one more than there is"
    if pod.spec.get("nodeSelector", {}).get("tonemill.io/pool") not in ("cpu", "gpu"):
        yield "may stand on nodes of heads or of the system"
    has_gpu = quantity(ray, "nvidia.com/gpu", "limits") > 0
    if has_gpu is not (pod.spec["nodeSelector"].get("tonemill.io/pool") == "gpu"):
        yield "asks for a GPU where there is none, or stands on one without asking"
    if has_gpu and not any(entry["key"] == "nvidia.com/gpu" for entry in pod.spec.get("tolerations", [])):
        yield "is kept off nodes with a GPU by their taint"


def _job(spec: Manifest) -> Iterator[str]:
    if spec.get("submissionMode") != "K8sJobMode":
        yield "SidecarMode can stick in Initializing; submissionMode has to be K8sJobMode"
    if not spec.get("submitterPodTemplate"):
        yield "has no submitterPodTemplate: KubeRay's own is refused by a restricted namespace"
    if not spec.get("activeDeadlineSeconds") or not spec.get("preRunningDeadlineSeconds"):
        yield "needs both deadlines, activeDeadlineSeconds and preRunningDeadlineSeconds"
    if not spec.get("shutdownAfterJobFinishes"):
        yield "keeps its nodes when it has finished"
    if not spec.get("entrypoint", "").startswith("tonemill "):
        yield "its entrypoint is no command of tonemill"


def _queueing(manifest: Manifest, spec: Manifest) -> Iterator[str]:
    """What Kueue asks of a job that carries its label."""
    if QUEUE_LABEL not in manifest["metadata"].get("labels", {}):
        return
    if manifest["spec"].get("suspend") is not True:
        yield "is queued but does not begin suspended"
    if spec.get("enableInTreeAutoscaling"):
        yield "is queued and autoscaled: Kueue admits a fixed size"
    groups = spec.get("workerGroupSpecs", [])
    for group in groups:
        if not group.get("replicas") or not group["replicas"] == group.get("minReplicas") == group.get("maxReplicas"):
            yield f"is queued, so {group['groupName']} needs one fixed number of workers, and more than none"
    if len(groups) + 2 > MAX_KUEUE_PODSETS:  # the head and the submitter are one each
        yield f"has more kinds of pods than the {MAX_KUEUE_PODSETS} that Kueue takes"
