"""A typed client of the Ray Jobs REST API.

docs.ray.io/en/releases-2.60.0/cluster/running-applications/job-submission/rest.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cluster.errors import ClusterError, NotFoundError, ServerError, VersionMismatchError
from cluster.job import JobInfo, JobRequest, JobStatus, Submission
from cluster.ray_jobs.logs import followed, whole_log
from cluster.ray_jobs.packages import pack
from cluster.ray_jobs.server import JobServer, Timing
from cluster.settings import Cluster
from lstm_core.foundation.closing import Closing

RAY_VERSION = "2.60.0"  # that this client, our image and our packages are made for
_TAKEN = "already exists"
_LONGEST_POLL_S = 5.0


class RayJobs(Closing):
    """The jobs of one cluster. May be used from several threads; close it, or use it in `with`.

    Args:
        cluster: With the address of its dashboard.
        token: Empty for a cluster that asks for none.
        timing: How long to wait for what.

    Every method raises UnreachableError, AuthenticationError, ServerError; those that name a job NotFoundError.
    """

    def __init__(self, cluster: Cluster, token: str = "", *, timing: Timing | None = None) -> None:
        self.cluster = cluster
        self.server = JobServer(cluster, token, timing=timing)

    def close(self) -> None:
        """Closes all connections."""
        self.server.close()

    def check_version(self) -> None:
        """Raises VersionMismatchError unless the cluster runs the Ray that this client is made for.

        The job runs in the cluster's image: with another Ray our packages there are not those that were tested.
        """
        found = self.server.json("GET", "/api/version")
        version = str(found.get("ray_version", "an unknown version")) if isinstance(found, Mapping) else "none"
        if version.split(".")[:2] != RAY_VERSION.split(".")[:2]:
            raise VersionMismatchError(
                f"The cluster {self.cluster.name} runs Ray {version}, this Tonemill is made for {RAY_VERSION}. Use the "
                f"Tonemill of the cluster's image ({self.cluster.image or 'none is named'}), or start the cluster with "
                "the image of this one."
            )

    def submit(self, request: JobRequest, *, is_again: bool = False) -> Submission:
        """Starts a job, unless the same one is there already.

        A job is named by its content. Where one of that name runs or has succeeded, that is the answer. Where it failed
        or was stopped, a new one is started, named -2, -3 and so on.

        Args:
            request: The job.
            is_again: Start a new one also where the last has succeeded.

        Raises:
            VersionMismatchError: before anything is sent.
        """
        self.check_version()
        newest, job_id = self._newest_of(request.content_id)
        if newest is not None and not _is_to_repeat(newest.status, is_again):
            return Submission(job=newest, is_new=False)
        body = {
            "entrypoint": request.entrypoint,
            "submission_id": job_id,
            "runtime_env": self._runtime_env(request),
            "metadata": {"job_name": request.name or request.stage, "tonemill_stage": request.stage},
        }
        try:
            # The id makes it safe to repeat: a second arrival of the same request finds the first.
            self.server.json("POST", "/api/jobs/", json=body, read_s=self.server.timing.submit_s)
        except ServerError as error:
            if _TAKEN not in str(error):
                raise
            return Submission(job=self.status(job_id), is_new=False)
        return Submission(job=self.status(job_id), is_new=True)

    def status(self, job_id: str, *, patience_s: float | None = None) -> JobInfo:
        """How far a job is."""
        found = self.server.json("GET", _path(job_id), missing=f"The job {job_id}", patience_s=patience_s)
        return _job_info(found, self.cluster.name)

    def jobs(self) -> list[JobInfo]:
        """All jobs that were submitted, the newest first."""
        found = self.server.json("GET", "/api/jobs/")
        infos = [_job_info(job, self.cluster.name) for job in found if job.get("submission_id")]
        return sorted(infos, key=lambda info: (-(info.started_s or 0.0), info.job_id))

    def log(self, job_id: str) -> str:
        """All that a job has written so far."""
        return whole_log(self.server, self.status(job_id)).decode(errors="replace")

    def follow(self, job_id: str, on_change: Callable[[JobInfo], None] | None = None) -> Iterator[str]:
        """What a job writes, from its start on, as it comes; ends with the job, and outlives a restart of the server.

        `on_change` is called whenever the job's status changes.
        """
        return followed(self.server, job_id, self._patiently, on_change or (lambda info: None))

    def stop(self, job_id: str, *, timeout_s: float = 30.0) -> bool:
        """Stops a job and waits until it has ended; False when it had ended before."""
        answer = self.server.json("POST", f"{_path(job_id)}/stop", missing=f"The job {job_id}")
        if not answer.get("stopped", False):
            return False
        self.wait(job_id, timeout_s=timeout_s)
        return True

    def wait(self, job_id: str, *, timeout_s: float = float("inf")) -> JobInfo:
        """What is said of a job once it is over; ClusterError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        poll_s = self.server.timing.poll_s
        info = self._patiently(job_id)
        while not info.status.is_over:
            if time.monotonic() > deadline:
                raise ClusterError(f"The job {job_id} is still {info.status} after {timeout_s:g} s.")
            time.sleep(poll_s)
            poll_s = min(1.3 * poll_s, max(self.server.timing.poll_s, _LONGEST_POLL_S))
            info = self._patiently(job_id)
        return info

    def _patiently(self, job_id: str) -> JobInfo:
        """Status of a job that is known to be there: its server may restart meanwhile."""
        return self.status(job_id, patience_s=self.server.timing.outage_s)

    def _newest_of(self, content_id: str) -> tuple[JobInfo | None, str]:
        """The last attempt at a job, and the name of the next one."""
        newest, number = None, 1
        while True:
            job_id = content_id if number == 1 else f"{content_id}-{number}"
            try:
                newest = self.status(job_id)
            except NotFoundError:
                return newest, job_id
            number += 1

    def _runtime_env(self, request: JobRequest) -> dict[str, Any]:
        """Environment of a job, for which the files that travel with it are put on the cluster."""
        environment: dict[str, Any] = {}
        if request.variables:
            environment["env_vars"] = dict(request.variables)
        if request.files:
            name, data = pack(request.files)
            path = f"/api/packages/gcs/{name}"
            try:
                self.server.request("GET", path, missing=name)  # also keeps it from being cleared away for a while
            except NotFoundError:
                self.server.request("PUT", path, content=data, read_s=self.server.timing.submit_s)
            environment["working_dir"] = f"gcs://{name}"
        return environment


def _is_to_repeat(status: JobStatus, is_again: bool) -> bool:
    return status in (JobStatus.FAILED, JobStatus.STOPPED) or (status is JobStatus.SUCCEEDED and is_again)


def _path(job_id: str) -> str:
    return f"/api/jobs/{quote(job_id, safe='')}"


def _job_info(found: Any, cluster_name: str) -> JobInfo:
    """What Ray's JSON says of a job; ServerError when it is not that."""
    try:
        return JobInfo(
            job_id=str(found.get("submission_id") or found["job_id"]),
            status=JobStatus(found["status"]),
            entrypoint=str(found.get("entrypoint") or ""),
            message=str(found.get("message") or ""),
            error_type=str(found.get("error_type") or ""),
            started_s=_seconds(found.get("start_time")),
            ended_s=_seconds(found.get("end_time")),
            metadata={str(key): str(value) for key, value in (found.get("metadata") or {}).items()},
            driver_exit_code=found.get("driver_exit_code"),
            node_id=str(found.get("driver_node_id") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"What {cluster_name} says of a job is not understood ({type(error).__name__}: {error}): {str(found)[:200]}"
        ) from error


def _seconds(milliseconds: int | None) -> float | None:
    return None if not milliseconds else milliseconds / 1000
