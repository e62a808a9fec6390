"""Clients of the job server that misbehaves, quick to lose patience, and the faults that it gets."""

from __future__ import annotations

from collections.abc import Callable

from cluster.job import JobRequest
from cluster.ray_jobs.server import Timing
from cluster.ray_jobs.submitter import RayJobs
from cluster.settings import Cluster
from tests.cluster.fake_dashboard import FakeDashboard

QUICK = Timing(
    connect_s=0.5,
    read_s=0.4,
    submit_s=0.4,
    patience_s=0.5,
    outage_s=1.5,
    first_wait_s=0.01,
    longest_wait_s=0.5,
    poll_s=0.02,
)


REQUEST = JobRequest(stage="generate", arguments=("--workers=2", "base", "order/a b.toml", "s3://k/x"))


def client_of(server: FakeDashboard | str, token: str = "t0ken", ca_file: str = "", timing: Timing = QUICK) -> RayJobs:
    address = server if isinstance(server, str) else server.address
    cluster = Cluster(name="fake", address=address, token="env:T" if token else "", ca_file=ca_file)
    return RayJobs(cluster, token, timing=timing)


def first(number_of_faults: int, fault: str, method: str = "", part: str = "") -> Callable[[int, str, str], str]:
    """A fault for the first few requests of a method whose path holds a part."""
    seen: list[int] = []

    def decide(number: int, request: str, path: str) -> str:
        if method not in ("", request) or part not in path or len(seen) >= number_of_faults:
            return ""
        seen.append(number)
        return fault

    return decide
