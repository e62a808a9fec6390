"""What is requested of a job server, and that one request is one job whatever happens on the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cluster.errors import (
    ClusterError,
    ServerError,
    VersionMismatchError,
)
from cluster.job import JobRequest, JobStatus
from cluster.ray_jobs.submitter import RAY_VERSION
from tests.cluster.clients import REQUEST, client_of, first
from tests.cluster.fake_dashboard import FakeDashboard


def test_what_is_asked_of_the_server() -> None:
    request = JobRequest(
        stage="generate", arguments=REQUEST.arguments, files={"order/a b.toml": b"x"}, variables={"AWS_REGION": "r"}
    )
    with FakeDashboard() as server, client_of(server) as client:
        submission = client.submit(request)
        (job,) = server.jobs.values()
        (package,) = server.packages
        assert submission.is_new and submission.job.job_id == job["submission_id"] == request.content_id
        assert server.tokens == {"Bearer t0ken"}
    assert job["entrypoint"].endswith("; exec tonemill generate --workers=2 base 'order/a b.toml' s3://k/x")
    assert job["runtime_env"] == {"env_vars": {"AWS_REGION": "r"}, "working_dir": f"gcs://{package}"}
    assert job["metadata"] == {"job_name": "generate", "tonemill_stage": "generate"}
    assert request.content_id.startswith("tonemill-generate-") and len(request.content_id) == 30


def test_an_id_follows_from_all_that_is_asked() -> None:
    assert REQUEST.content_id == JobRequest(stage="generate", arguments=REQUEST.arguments).content_id
    others = [
        JobRequest(stage="train", arguments=REQUEST.arguments),
        JobRequest(stage="generate", arguments=REQUEST.arguments[1:]),
        JobRequest(stage="generate", arguments=REQUEST.arguments, files={"a": b"1"}),
        JobRequest(stage="generate", arguments=REQUEST.arguments, files={"a": b"2"}),
        JobRequest(stage="generate", arguments=REQUEST.arguments, variables={"a": "1"}),
        JobRequest(stage="generate", arguments=REQUEST.arguments, name="night"),
    ]
    assert len({REQUEST.content_id, *(other.content_id for other in others)}) == 7
    assert others[-1].content_id.startswith("night-")


@pytest.mark.parametrize(
    ("status", "is_again", "is_new"),
    [
        ("PENDING", False, False),
        ("RUNNING", True, False),
        ("SUCCEEDED", False, False),
        ("SUCCEEDED", True, True),
        ("FAILED", False, True),
        ("STOPPED", False, True),
    ],
)
def test_what_becomes_of_the_same_job(status: str, is_again: bool, is_new: bool) -> None:
    with FakeDashboard() as server, client_of(server) as client:
        server.put_job(REQUEST.content_id, "FAILED")
        server.put_job(f"{REQUEST.content_id}-2", status)
        submission = client.submit(REQUEST, is_again=is_again)
        assert submission.is_new is is_new
        assert submission.job.job_id == f"{REQUEST.content_id}-{3 if is_new else 2}"
        assert len(server.jobs) == (3 if is_new else 2) and server.count("POST") == (1 if is_new else 0)


def test_of_clients_that_ask_at_once_one_starts_the_job() -> None:
    barrier = threading.Barrier(8)
    with FakeDashboard() as server:
        found: list[bool] = []

        def ask() -> None:
            with client_of(server) as client:
                barrier.wait()
                found.append(client.submit(REQUEST).is_new)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [False] * 7 + [True] and list(server.jobs) == [REQUEST.content_id]


@pytest.mark.parametrize(
    "fault", ["503 busy", "502 x", "504 x", "429 0", "500 No available agent to submit job", "reset"]
)
def test_what_passes_is_waited_for(fault: str) -> None:
    with FakeDashboard(first(3, fault)) as server, client_of(server) as client:
        assert client.submit(REQUEST).is_new and list(server.jobs) == [REQUEST.content_id]


def test_an_answer_that_was_lost_starts_no_second_job() -> None:
    with FakeDashboard(first(1, "lost", "POST")) as server, client_of(server) as client:
        submission = client.submit(REQUEST)
        assert submission.job.status is JobStatus.PENDING and server.count("POST") == 2
        assert list(server.jobs) == [REQUEST.content_id]


def test_a_request_that_stalls_is_repeated() -> None:
    with FakeDashboard(first(1, "mute", "GET", "/version")) as server, client_of(server) as client:
        client.check_version()
        assert server.count("GET") == 2


def test_another_ray_is_reported_before_anything_is_sent() -> None:
    with FakeDashboard() as server, client_of(server) as client:
        for version in ("2.59.1", "3.0.0", "unknown"):
            server.version = version
            with pytest.raises(
                VersionMismatchError, match=f"fake runs Ray {version}, this Tonemill is made for {RAY_VERSION}"
            ):
                client.submit(REQUEST)
        assert {method for method, _ in server.requests} == {"GET"} and server.packages == {}
        server.version = "2.60.7"  # a correction of the same
        assert client.submit(REQUEST).is_new


def test_the_version_is_that_of_our_packages() -> None:
    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text()
    assert f'"ray[data,train]=={RAY_VERSION}"' in text and f'"ray[default]=={RAY_VERSION}"' in text


def test_jobs_are_listed_newest_first_without_drivers() -> None:
    with FakeDashboard() as server, client_of(server) as client:
        for number, status in enumerate(("SUCCEEDED", "RUNNING", "STOPPED")):
            server.put_job(f"j{number}", status, start_time=1000 * (number + 1))
        assert [(info.job_id, info.started_s) for info in client.jobs()] == [("j2", 3.0), ("j1", 2.0), ("j0", 1.0)]
        assert not client.stop("j0") and client.stop("j1") and server.jobs["j1"]["status"] == "STOPPED"
        server.put_job("strange", "DREAMING")
        with pytest.raises(ServerError, match=r"What fake says of a job is not understood.*DREAMING"):
            client.status("strange")
        with pytest.raises(ClusterError, match=r"The job j3 is still RUNNING after 0.1 s"):
            server.put_job("j3", "RUNNING")
            client.wait("j3", timeout_s=0.1)
