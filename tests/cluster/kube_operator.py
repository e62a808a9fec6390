"""What moves the objects of the fake API server: KubeRay, the scheduler of Kubernetes and the machines that run pods.

Each RayJob that appears is played in a thread of its own, by the plan that the test has set.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Literal

from tests.cluster.kube_requests import Log, Object
from tests.cluster.kube_server import KubeServer

IMAGE_MESSAGE = (
    'Failed to pull image "registry.example.org/tonemill:9.9.9": rpc error: code = NotFound desc = failed to pull and '
    'unpack image "registry.example.org/tonemill:9.9.9": registry.example.org/tonemill:9.9.9: not found'
)
QUOTA_MESSAGE = (
    'Failed to create head Pod tonemill/x: pods "x" is forbidden: exceeded quota: tonemill, requested: '
    "requests.cpu=4, used: requests.cpu=22, limited: requests.cpu=24"
)
SCHEDULER_MESSAGE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: not helpful for scheduling."


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the life of a RayJob goes."""

    trouble: Literal["", "image", "quota", "unschedulable", "invalid"] = ""
    lines: tuple[str, ...] = ("prepare: 3 recordings", "done")
    line_s: float = 0.0  # between lines of the log
    result: Literal["SUCCEEDED", "FAILED"] = "SUCCEEDED"
    is_endless: bool = False  # stays in RUNNING


class Operator:
    """Plays all RayJobs of a server while it is open."""

    def __init__(self, server: KubeServer) -> None:
        self.plan = Plan()
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Operator:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        with self._server.changed:
            self._server.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        seen: set[str] = set()
        while not self._ended.is_set():
            with self._server.changed:
                fresh = [
                    job
                    for name in self._server.names("RayJob")
                    if (job := self._server.find("RayJob", name))["metadata"]["uid"] not in seen
                ]
                if not fresh:
                    self._server.changed.wait(0.5)
            for job in fresh:
                seen.add(job["metadata"]["uid"])
                threading.Thread(target=_Life(self._server, job, self.plan).play, daemon=True).start()


@dataclass
class _Life:
    server: KubeServer
    job: Object
    plan: Plan

    @property
    def name(self) -> str:
        return str(self.job["metadata"]["name"])

    def play(self) -> None:
        """From the first state to the last one."""
        if self.plan.trouble == "invalid":
            self.status(jobDeploymentStatus="ValidationFailed", reason="ValidationFailed", message="the spec is wrong")
            return
        cluster = f"{self.name}-x7k2p"
        self.status(
            jobDeploymentStatus="Initializing", rayClusterName=cluster, jobId=f"{self.name}-id", startTime=_now()
        )
        self.server.put(
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayCluster",
                "metadata": self.owned(cluster),
                "spec": self.job["spec"]["rayClusterSpec"],
            }
        )
        if self.plan.trouble == "quota":
            return self.warn("RayCluster", cluster, "FailedToCreateHeadPod", QUOTA_MESSAGE)
        self.pod(cluster, "head")
        self.pod(cluster, "worker")
        if self.plan.trouble == "unschedulable":
            return None
        if self.plan.trouble == "image":
            return self.warn("Pod", f"{cluster}-head", "Failed", IMAGE_MESSAGE)
        replicas = {"readyWorkerReplicas": 1, "desiredWorkerReplicas": 1, "maxWorkerReplicas": 4}
        self.server.set_status("RayCluster", cluster, state="ready", **replicas)
        self.run()
        return None

    def run(self) -> None:
        """The program itself, as the pod that submits it shows it."""
        log = self.server.logs[("tonemill", f"{self.name}-submit")] = Log()
        submitter = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self.owned(f"{self.name}-submit", {"job-name": self.name}),
            "spec": {"containers": [{"name": "ray-job-submitter", "image": "x"}], "nodeName": "node-0"},
            "status": {"phase": "Running"},
        }
        self.server.put(submitter)
        self.status(jobDeploymentStatus="Running", jobStatus="RUNNING")
        for line in self.plan.lines:
            time.sleep(self.plan.line_s)
            with self.server.changed:
                log.lines.append(line)
                self.server.changed.notify_all()
        if self.plan.is_endless:
            return
        is_succeeded = self.plan.result == "SUCCEEDED"
        with self.server.changed:
            log.is_ended = True
            self.server.set_status("Pod", f"{self.name}-submit", phase="Succeeded" if is_succeeded else "Failed")
        self.status(
            jobDeploymentStatus="Complete" if is_succeeded else "Failed",
            jobStatus=self.plan.result,
            endTime=_now(),
            **({} if is_succeeded else {"reason": "AppFailed", "message": "Job entrypoint failed with exit code 3"}),
        )

    def pod(self, cluster: str, kind: Literal["head", "worker"]) -> None:
        """A pod of the Ray cluster, in the state that the plan wants."""
        group = self.job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
        spec = group if kind == "worker" else self.job["spec"]["rayClusterSpec"]["headGroupSpec"]
        labels = {
            "ray.io/cluster": cluster,
            "ray.io/node-type": kind,
            "ray.io/group": group["groupName"] if kind == "worker" else "headgroup",
        }
        containers = spec["template"]["spec"]["containers"]
        status: dict[str, Any] = {"phase": "Pending"}
        if self.plan.trouble == "unschedulable":
            refused = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": SCHEDULER_MESSAGE,
            }
            status["conditions"] = [refused]
        elif self.plan.trouble == "image":
            waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
            container = {"name": "ray", "image": containers[0]["image"], "state": {"waiting": waiting}}
            status["containerStatuses"] = [container]
        else:
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        node = {} if self.plan.trouble == "unschedulable" else {"nodeName": f"node-{kind}"}
        self.server.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": self.owned(f"{cluster}-{kind}", labels),
                "spec": {"containers": containers, **node},
                "status": status,
            }
        )

    def status(self, **values: Any) -> None:
        self.server.set_status("RayJob", self.name, **values)

    def warn(self, kind: str, name: str, reason: str, message: str) -> None:
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": self.owned(f"{name}.1"),
            "involvedObject": {"kind": kind, "name": name, "namespace": "tonemill"},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": _now(),
        }
        self.server.put(event)

    def owned(self, name: str, labels: dict[str, str] | None = None) -> Object:
        """Metadata of an object that goes when the job goes."""
        owner = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": self.name, "uid": self.job["metadata"]["uid"]}
        return {"name": name, "namespace": "tonemill", "labels": labels or {}, "ownerReferences": [owner]}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
