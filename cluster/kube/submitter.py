"""Stages as RayJobs: named from the request, made once, and looked after while they run."""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from cluster.errors import AuthenticationError, ClusterError, InvalidError, NotFoundError, VersionMismatchError
from cluster.job import JobInfo, JobRequest, JobStatus, Submission
from cluster.kube.api import KubeApi
from cluster.kube.manifest import STAGE_LABEL, files_manifest, owner_of, request_manifest
from cluster.kube.objects import Object, RayJobState
from cluster.kube.resources import PART_OF, Kube
from cluster.kube.templates import job_template, k8s_folder
from cluster.kube.troubles import PodWatch
from cluster.ray_jobs.submitter import RAY_VERSION
from cluster.settings import Cluster

UNSCHEDULABLE_S = 900.0  # a GPU node takes 3 to 6 minutes from nothing; spot capacity may come a little later
_LOOK_S = 5.0  # how often the pods of a job that is not running are looked at
_POLL_S = 0.5
_EXIT_CODE = re.compile(r"exit code (\d+)")
_CAUSES = {
    "DeadlineExceeded": "it took longer than its activeDeadlineSeconds",
    "PreRunningDeadlineExceeded": "it had not begun by its preRunningDeadlineSeconds",
    "SubmissionFailed": "the pod that submits it failed",
    "JobStatusCheckTimeoutExceeded": "its head could not be reached for minutes",
    "ValidationFailed": "KubeRay does not take it",
}
_WAITING = {
    "": "KubeRay has not seen it yet: does the operator run?",
    "Initializing": "its Ray cluster is coming up",
    "Waiting": "its Ray cluster is coming up",
    "Suspended": "it waits in a queue",
    "Retrying": "it failed and is tried again",
}
_log = logging.getLogger(__name__)


def open_submitter(cluster: Cluster) -> KubeSubmitter:
    """The way to a cluster through Kubernetes; nothing is sent yet."""
    return KubeSubmitter(cluster, Kube(KubeApi.connect(cluster.context), cluster.namespace))


def read_secret(cluster: Cluster, name: str, key: str) -> str:
    """The value of a key of a secret in the namespace of a cluster.

    Raises:
        AuthenticationError: there is no such secret or key.
    """
    kube = Kube(KubeApi.connect(cluster.context), cluster.namespace)
    secret = kube.find("Secret", name)
    data = (secret or {}).get("data") or {}
    if key not in data:
        found = f"it holds {', '.join(sorted(data)) or 'nothing'}" if secret else "there is no such secret"
        raise AuthenticationError(
            f"The token of {cluster.name} should be {key} of the secret {name} in the namespace {cluster.namespace}, "
            f"but {found}. `tonemill cluster up {cluster.name}` makes tonemill-ray-token/auth_token."
        )
    return base64.b64decode(data[key]).decode()


class KubeSubmitter:
    """A `cluster.job.Submitter` through Kubernetes.

    Args:
        cluster: Its overlay has the templates.
        kube: Its namespace.
        unschedulable_s: How long a job may wait for a node before waiting for it is given up.
    """

    def __init__(self, cluster: Cluster, kube: Kube, *, unschedulable_s: float = UNSCHEDULABLE_S) -> None:
        self.cluster = cluster
        self.kube = kube
        self._unschedulable_s = unschedulable_s

    def close(self) -> None:
        """Closes all connections."""
        self.kube.api.close()

    def submit(self, request: JobRequest, *, is_again: bool = False) -> Submission:
        """Makes a RayJob, unless the same one is there already.

        It is named by its content. Where one of that name runs or has succeeded, that is the answer. Where it failed, a
        new one is made, named -2, -3 and so on.

        Args:
            request: The job.
            is_again: Make a new one also where the last has succeeded.

        Raises:
            VersionMismatchError: the manifests are for another Ray. InvalidError: something cannot travel this way.
            OperatorMissingError, QuotaError, ForbiddenError, NameTooLongError: see their texts.
        """
        number = 1
        while True:
            name = request.content_id if number == 1 else f"{request.content_id}-{number}"
            stored = self.kube.find("RayJob", name)
            if stored is None:
                job, is_new = self._create(request, name)
                return Submission(job=job, is_new=is_new)
            job = job_info(stored)
            is_repeated = job.status in (JobStatus.FAILED, JobStatus.STOPPED)
            if not (is_repeated or (is_again and job.status is JobStatus.SUCCEEDED)):
                return Submission(job=job, is_new=False)
            number += 1

    def _create(self, request: JobRequest, name: str) -> tuple[JobInfo, bool]:
        template = job_template(self.cluster, request.stage)
        _check_version(template)
        manifest = request_manifest(template, request, name)
        files = files_manifest(request, name) if request.files else None
        if files is not None:
            self.kube.check(manifest)  # else the files of a job that is refused would stay behind
            self.kube.apply(files)
        stored, is_new = self.kube.create(manifest)
        if files is not None:
            files["metadata"]["ownerReferences"] = [owner_of(stored)]  # they go when it goes
            self.kube.apply(files)
        return job_info(stored), is_new

    def status(self, job_id: str) -> JobInfo:
        """How far a job is; NotFoundError when there is none."""
        return job_info(self.kube.get("RayJob", job_id))

    def jobs(self) -> list[JobInfo]:
        """All jobs of the namespace that are ours, the newest first."""
        infos = [job_info(stored) for stored in self.kube.items("RayJob", PART_OF)]
        return sorted(infos, key=lambda info: (-(info.started_s or 0.0), info.job_id))

    def log(self, job_id: str) -> str:
        """All that a job has written so far."""
        return "".join(self._log_lines(job_id, is_followed=False))

    def follow(self, job_id: str, on_change: Callable[[JobInfo], None] | None = None) -> Iterator[str]:
        """What a job writes, as it comes; ends with the job. `on_change` is called whenever its status changes.

        Raises:
            ImagePullError, QuotaError, UnschedulableError: what keeps it from running; it is still there.
        """
        yield from self._log_lines(job_id, is_followed=True, on_change=on_change)

    def stop(self, job_id: str) -> bool:
        """Deletes a job with its Ray cluster, so that its nodes go; False when it had ended before."""
        if self.status(job_id).status.is_over:
            return False
        return self.kube.delete("RayJob", job_id)

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float = float("inf"),
        on_change: Callable[[JobInfo], None] | None = None,
    ) -> JobInfo:
        """What is said of a job once it is over; ClusterError after `timeout_s`.

        Raises:
            ImagePullError, QuotaError, UnschedulableError: what keeps it from running; it is still there.
            NotFoundError: there is none.
        """
        troubles = PodWatch(self.kube, job_id, unschedulable_s=self._unschedulable_s)
        deadline = time.monotonic() + timeout_s
        last, look_s = None, 1.0
        while time.monotonic() < deadline:
            state = None
            for event in self.kube.watch("RayJob", job_id, timeout_s=min(look_s, deadline - time.monotonic())):
                if event is None:
                    continue
                state, info = RayJobState.of(event.object), job_info(event.object)
                if event.change == "DELETED":
                    return replace(info, status=JobStatus.STOPPED, message="it was deleted")
                if info != last and on_change is not None:
                    on_change(info)
                last = info
                if info.status.is_over:
                    return info
            if last is None:
                raise NotFoundError(f"There is no job {job_id} in the namespace {self.kube.namespace}.")
            if state is not None:
                troubles.check(state)
            look_s = min(2 * look_s, _LOOK_S)
        raise ClusterError(f"The job {job_id} is not over after {timeout_s:g} s.")

    def _log_lines(
        self, job_id: str, *, is_followed: bool, on_change: Callable[[JobInfo], None] | None = None
    ) -> Iterator[str]:
        """Lines of the pods that submit a job, which show its log: one pod for each time that KubeRay tried."""
        troubles = PodWatch(self.kube, job_id, unschedulable_s=self._unschedulable_s)
        shown: set[str] = set()
        last: JobInfo | None = None
        while True:
            stored = self.kube.get("RayJob", job_id)
            info = job_info(stored)
            if info != last and on_change is not None:
                on_change(info)
            last = info
            pods = sorted(self.kube.items("Pod", {"job-name": job_id}), key=_created)
            for name in (str(pod["metadata"]["name"]) for pod in pods):
                if name in shown:
                    continue
                try:
                    yield from (f"{line}\n" for line in self.kube.log_lines(name, is_followed=is_followed))
                    shown.add(name)
                except (InvalidError, NotFoundError) as error:
                    _log.debug("no log of %s yet: %s", name, error)
            if not is_followed or info.status.is_over:
                return
            troubles.check(RayJobState.of(stored))
            time.sleep(_POLL_S)


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def job_info(stored: Object) -> JobInfo:
    """What a RayJob says of itself, in the words of all ways to a cluster."""
    state = RayJobState.of(stored)
    message = f"{_CAUSES[state.reason]}. {state.message}" if state.reason in _CAUSES else state.message
    if not message and state.deployment in _WAITING:
        message = _WAITING[state.deployment]
    code = _EXIT_CODE.search(state.message)
    return JobInfo(
        job_id=state.name,
        status=_status(stored, state),
        entrypoint=str(stored["spec"].get("entrypoint", "")),
        message=message,
        error_type=state.reason,
        started_s=state.started.timestamp() if state.started else None,
        ended_s=state.ended.timestamp() if state.ended else None,
        metadata={"tonemill_stage": str(stored["metadata"].get("labels", {}).get(STAGE_LABEL, ""))},
        driver_exit_code=int(code[1]) if code and state.is_final and not state.is_succeeded else None,
    )


def _check_version(template: Object) -> None:
    """VersionMismatchError for manifests of another Ray than this client is made for."""
    version = str(template["spec"]["rayClusterSpec"].get("rayVersion", "unknown"))
    if version.split(".")[:2] != RAY_VERSION.split(".")[:2]:
        raise VersionMismatchError(
            f"The manifests in {k8s_folder()} are for Ray {version}, this Tonemill is made for {RAY_VERSION}. Use the "
            "folder k8s/ of this Tonemill, and an image that was built from it."
        )


def _status(stored: Object, state: RayJobState) -> JobStatus:
    if stored["metadata"].get("deletionTimestamp") or state.job == "STOPPED":
        return JobStatus.STOPPED
    if state.is_final:
        return JobStatus.SUCCEEDED if state.is_succeeded else JobStatus.FAILED
    return JobStatus.RUNNING if state.deployment == "Running" and state.job == "RUNNING" else JobStatus.PENDING
