"""The state of objects of KubeRay and Kubernetes, as far as we need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Object = dict[str, Any]
NodeKind = Literal["head", "cpu", "gpu"]
FINAL_DEPLOYMENT_STATES = ("Complete", "Failed", "ValidationFailed")
GROUP_LABEL, CLUSTER_LABEL, TYPE_LABEL = "ray.io/group", "ray.io/cluster", "ray.io/node-type"


@dataclass(frozen=True, kw_only=True)
class RayJobState:
    """A RayJob."""

    name: str
    deployment: str  # Initializing, Running, Complete, Failed, Suspended, ...; "" before the operator has seen it
    job: str  # PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED; "" before Ray has it
    reason: str
    message: str
    cluster_name: str  # of its RayCluster, "" before there is one
    submission_id: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come of it."""
        return self.deployment in FINAL_DEPLOYMENT_STATES

    @property
    def is_succeeded(self) -> bool:
        """Whether the job did what it should."""
        return self.deployment == "Complete" and self.job == "SUCCEEDED"

    @property
    def seconds(self) -> float | None:
        """How long it ran, None while it has not ended."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None

    @property
    def status(self) -> str:
        """The state in one word or two."""
        return self.job if self.deployment in ("Running", "Complete") and self.job else self.deployment or "created"

    @staticmethod
    def of(job: Object) -> RayJobState:
        """The state of a RayJob's object."""
        status = job.get("status") or {}
        return RayJobState(
            name=job["metadata"]["name"],
            deployment=status.get("jobDeploymentStatus", ""),
            job=status.get("jobStatus", ""),
            reason=status.get("reason", ""),
            message=" ".join(str(status.get("message", "")).split()),
            cluster_name=status.get("rayClusterName", ""),
            submission_id=status.get("jobId", ""),
            created=parse_time(job["metadata"].get("creationTimestamp")),
            started=parse_time(status.get("startTime")),
            ended=parse_time(status.get("endTime")),
        )


@dataclass(frozen=True, kw_only=True)
class RayClusterState:
    """A RayCluster."""

    name: str
    state: str  # ready, suspended, failed or ""
    reason: str
    num_ready: int
    num_desired: int
    num_max: int
    is_owned: bool  # by a RayJob, with which it goes

    @staticmethod
    def of(cluster: Object) -> RayClusterState:
        """The state of a RayCluster's object."""
        status = cluster.get("status") or {}
        return RayClusterState(
            name=cluster["metadata"]["name"],
            state=status.get("state", ""),
            reason=status.get("reason", ""),
            num_ready=int(status.get("readyWorkerReplicas", 0)),
            num_desired=int(status.get("desiredWorkerReplicas", 0)),
            num_max=int(status.get("maxWorkerReplicas", 0)),
            is_owned=bool(cluster["metadata"].get("ownerReferences")),
        )


@dataclass(frozen=True, kw_only=True)
class CronJobState:
    """A schedule."""

    name: str
    cron: str
    time_zone: str
    is_suspended: bool
    last: datetime | None

    @staticmethod
    def of(cron_job: Object) -> CronJobState:
        """The state of a CronJob's object."""
        spec = cron_job["spec"]
        return CronJobState(
            name=cron_job["metadata"]["name"],
            cron=spec["schedule"],
            time_zone=spec.get("timeZone", "") or "Etc/UTC",
            is_suspended=bool(spec.get("suspend", False)),
            last=parse_time((cron_job.get("status") or {}).get("lastScheduleTime")),
        )


@dataclass(frozen=True, kw_only=True)
class RayPod:
    """A pod of a Ray cluster."""

    name: str
    cluster_name: str
    kind: NodeKind
    group: str  # of workers; "headgroup" of the head
    node: str  # "" while it waits for one
    phase: str
    is_ready: bool

    @staticmethod
    def of(pod: Object) -> RayPod:
        """The state of a pod's object."""
        labels, status = pod["metadata"].get("labels", {}), pod.get("status") or {}
        conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
        containers = pod.get("spec", {}).get("containers", [])
        is_head = labels.get(TYPE_LABEL) == "head"
        return RayPod(
            name=pod["metadata"]["name"],
            cluster_name=labels.get(CLUSTER_LABEL, ""),
            kind="head" if is_head else "gpu" if any(map(wants_gpu, containers)) else "cpu",
            group=labels.get(GROUP_LABEL, ""),
            node=pod.get("spec", {}).get("nodeName", ""),
            phase=status.get("phase", ""),
            is_ready=conditions.get("Ready") == "True",
        )


def wants_gpu(container: Object) -> bool:
    """Whether a container requests a GPU."""
    resources = container.get("resources", {})
    requested = {**resources.get("requests", {}), **resources.get("limits", {})}
    return any(name.endswith("/gpu") and str(count) != "0" for name, count in requested.items())


def parse_time(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
