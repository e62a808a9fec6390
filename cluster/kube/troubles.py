"""Why the pods of a job do not come up: image, quota, no node with free resources; as errors that say what to do."""

from __future__ import annotations

import re
import time

from cluster.errors import ImagePullError, KubernetesError, UnschedulableError
from cluster.kube.answers import quota_exceeded
from cluster.kube.objects import CLUSTER_LABEL, Object, RayJobState, RayPod
from cluster.kube.resources import Kube

_NO_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")  # ErrImagePull may pass: it is tried again
_PULL = re.compile(r"[Ff]ailed to pull (?:and unpack )?image")


class PodWatch:
    """Looks after the pods of one job, and knows since when each of them has found no node.

    Args:
        kube: Where they are.
        job_name: The RayJob.
        unschedulable_s: How long a pod may wait for a node: nodes that are made on demand take some minutes.
    """

    def __init__(self, kube: Kube, job_name: str, *, unschedulable_s: float) -> None:
        self._kube, self._job_name, self._limit_s = kube, job_name, unschedulable_s
        self._waiting_since: dict[str, float] = {}

    def check(self, state: RayJobState) -> None:
        """Raises what keeps the job from running: ImagePullError, QuotaError, UnschedulableError."""
        pods = self._kube.items("Pod", {"job-name": self._job_name})
        if state.cluster_name:
            pods += self._kube.items("Pod", {CLUSTER_LABEL: state.cluster_name})
            self._check_quota(state.cluster_name)
        for pod in pods:
            self._check_image(pod)
        self._check_nodes(state, pods)

    def _check_quota(self, cluster_name: str) -> None:
        for event in self._kube.events_of(cluster_name):
            if event.get("type") == "Warning" and "exceeded quota" in event.get("message", ""):
                raise quota_exceeded(event["message"])

    def _check_image(self, pod: Object) -> None:
        status = pod.get("status") or {}
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _NO_IMAGE:
                raise image_error(pod, container["image"], self._pull_message(pod) or waiting.get("message", ""))

    def _pull_message(self, pod: Object) -> str:
        """What the registry said: the state of a container that is backing off does not hold it."""
        messages = [event.get("message", "") for event in self._kube.events_of(pod["metadata"]["name"])]
        return next((message for message in reversed(messages) if _PULL.search(message)), "")

    def _check_nodes(self, state: RayJobState, pods: list[Object]) -> None:
        reasons = {pod["metadata"]["name"]: unschedulable_reason(pod) for pod in pods}
        now_s = time.monotonic()
        self._waiting_since = {
            name: self._waiting_since.get(name, now_s) for name, reason in reasons.items() if reason is not None
        }
        workers = [RayPod.of(pod) for pod in pods if pod["metadata"].get("labels", {}).get("ray.io/node-type")]
        if state.job == "RUNNING" and any(pod.is_ready and pod.kind != "head" for pod in workers):
            return  # it goes on with the workers that it has
        for name, since_s in sorted(self._waiting_since.items()):
            if now_s - since_s >= self._limit_s:
                raise unschedulable(name, now_s - since_s, reasons[name] or "")


def image_error(pod: Object, image: str, message: str) -> KubernetesError:
    """The error for a pod whose image cannot be fetched."""
    reason = " ".join(message.split()) or "no reason given"
    return ImagePullError(
        f"The image {image} of pod {pod['metadata']['name']} cannot be fetched: {reason}. Is it in the registry under "
        "this tag, is `image` of the cluster file right, and may the nodes read the registry?"
    )


def unschedulable(pod_name: str, waited_s: float, reason: str) -> KubernetesError:
    """The error for a pod that has found no node for long."""
    waited = f"{waited_s / 60:.0f} minutes" if waited_s >= 120 else f"{waited_s:.0f} s"
    return UnschedulableError(
        f"No node could take pod {pod_name} for {waited}: {' '.join(reason.split())}. The job is still there "
        "and starts when a node comes: see whether the node groups may grow (limits of the account, spot capacity), "
        "request less, or take it back with `tonemill stop`."
    )


def unschedulable_reason(pod: Object) -> str | None:
    """What the scheduler says of a pod that waits for a node; None of any other."""
    status = pod.get("status") or {}
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return None
