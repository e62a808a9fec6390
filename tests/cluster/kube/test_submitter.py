"""Stages as RayJobs against a server and an operator: one job for one request, its log, its end, what keeps it."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cluster.errors import (
    AuthenticationError,
    ClusterError,
    ImagePullError,
    InvalidError,
    JobFailedError,
    NotFoundError,
    QuotaError,
    UnschedulableError,
    VersionMismatchError,
)
from cluster.job import JobRequest, JobStatus
from cluster.kube.resources import Kube
from cluster.kube.submitter import KubeSubmitter, open_submitter, read_secret
from cluster.settings import Cluster
from tests.cluster.conftest import make_rayjob, write_overlay
from tests.cluster.kube_operator import Operator, Plan
from tests.cluster.kube_server import KubeServer

REQUEST = JobRequest(stage="generate", arguments=("base", "s3://x/order.toml", "s3://x/catalogue"))


@pytest.fixture
def submitter(studio: Cluster) -> KubeSubmitter:
    return open_submitter(studio)


def test_a_job_runs_from_request_to_end(submitter: KubeSubmitter, operator: Operator) -> None:
    submission = submitter.submit(REQUEST)
    assert submission.is_new and submission.job.job_id == REQUEST.content_id
    seen: list[JobStatus] = []
    job = submitter.wait(REQUEST.content_id, on_change=lambda info: seen.append(info.status))
    assert job.status is JobStatus.SUCCEEDED and job.exit_code == 0
    assert seen == sorted(seen, key=list(JobStatus).index) and seen[-1] is JobStatus.SUCCEEDED
    assert job.started_s is not None and job.ended_s is not None and job.ended_s >= job.started_s
    assert submitter.log(REQUEST.content_id) == "prepare: 3 recordings\ndone\n"
    assert [info.job_id for info in submitter.jobs()] == [REQUEST.content_id]
    assert submitter.stop(REQUEST.content_id) is False  # over already


def test_the_same_request_is_the_same_job(
    submitter: KubeSubmitter, operator: Operator, kube_server: KubeServer
) -> None:
    first = submitter.submit(REQUEST)
    assert submitter.submit(REQUEST).is_new is False
    submitter.wait(first.job.job_id)
    again = submitter.submit(REQUEST)
    assert (again.is_new, again.job.status) == (False, JobStatus.SUCCEEDED)
    assert submitter.submit(REQUEST, is_again=True).job.job_id == f"{REQUEST.content_id}-2"
    assert submitter.submit(replace(REQUEST, arguments=("base", "a", "b"))).is_new is True
    assert len(kube_server.names("RayJob")) == 3


def test_a_failed_job_is_made_anew_and_tells_its_exit_code(submitter: KubeSubmitter, operator: Operator) -> None:
    operator.plan = Plan(result="FAILED")
    job = submitter.wait(submitter.submit(REQUEST).job.job_id)
    assert (job.status, job.exit_code) == (JobStatus.FAILED, 3)
    with pytest.raises(JobFailedError, match=r"ended with exit code 3\. `tonemill logs"):
        job.check_success()
    operator.plan = Plan()
    second = submitter.submit(REQUEST)
    assert (second.is_new, second.job.job_id) == (True, f"{REQUEST.content_id}-2")
    assert submitter.wait(second.job.job_id).status is JobStatus.SUCCEEDED


def test_the_rayjob_is_the_template_with_what_was_asked(
    submitter: KubeSubmitter, kube_server: KubeServer, studio: Cluster
) -> None:
    request = replace(REQUEST, variables={"AWS_REGION": "eu-central-1"}, name="night-music")
    name = submitter.submit(request).job.job_id
    stored = kube_server.find("RayJob", name)
    assert name.startswith("night-music-") and len(name) <= 47
    assert stored["spec"]["entrypoint"] == "tonemill generate base s3://x/order.toml s3://x/catalogue"
    assert yaml.safe_load(stored["spec"]["runtimeEnvYAML"]) == {"env_vars": {"AWS_REGION": "eu-central-1"}}
    labels = stored["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/part-of": "tonemill", "tonemill.io/stage": "generate"}
    pods = [stored["spec"]["rayClusterSpec"]["headGroupSpec"], *stored["spec"]["rayClusterSpec"]["workerGroupSpecs"]]
    assert {pod["template"]["spec"]["containers"][0]["image"] for pod in pods} == {studio.image}
    assert stored["spec"]["shutdownAfterJobFinishes"] is True  # as the overlay has it


def test_files_travel_in_a_config_map_that_goes_with_the_job(submitter: KubeSubmitter, kube_server: KubeServer) -> None:
    files = {"order/order.toml": b"count = 3\n", "order/primer.mid": b"MThd\x00\xff"}
    request = replace(REQUEST, arguments=("base", "order/order.toml", "s3://x/c"), files=files)
    name = submitter.submit(request).job.job_id
    spec = kube_server.find("RayJob", name)["spec"]
    pod = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    folder = pod["containers"][0]["volumeMounts"][0]["mountPath"]
    assert spec["entrypoint"] == f"bash -c 'cd {folder} && exec tonemill generate base order/order.toml s3://x/c'"
    stored = kube_server.find("ConfigMap", name)["binaryData"]
    placed = {item["path"]: stored[item["key"]] for item in pod["volumes"][0]["configMap"]["items"]}
    assert {path: base64.b64decode(data) for path, data in placed.items()} == files
    assert submitter.stop(name) is True
    assert (kube_server.names("RayJob"), kube_server.names("ConfigMap")) == ([], [])


@pytest.mark.parametrize("argument", ["two words", "$HOME", "a;b", "a'b", "*", ""])
def test_arguments_that_a_shell_would_read_otherwise(submitter: KubeSubmitter, argument: str) -> None:
    with pytest.raises(InvalidError, match=r"holds a character that a shell on the way"):
        submitter.submit(replace(REQUEST, arguments=("base", argument)))


def test_manifests_of_another_ray(submitter: KubeSubmitter, overlays: Path, kube_server: KubeServer) -> None:
    old = make_rayjob("tonemill-generate")
    old["spec"]["rayClusterSpec"]["rayVersion"] = "2.49.1"
    write_overlay(overlays / "overlays/small/jobs", [old])
    with pytest.raises(VersionMismatchError, match=r"are for Ray 2\.49\.1, this Tonemill is made for 2\.60\.0"):
        submitter.submit(REQUEST)
    assert kube_server.names("RayJob") == []


def test_files_that_are_too_large(submitter: KubeSubmitter, kube_server: KubeServer) -> None:
    request = replace(REQUEST, files={"order/a.csv": b"x" * 950_000, "order/b": b""})
    with pytest.raises(InvalidError, match=r"950,000 bytes, Kubernetes takes 900,000\. Put order/a\.csv into a bucket"):
        submitter.submit(request)
    assert (kube_server.names("RayJob"), kube_server.names("ConfigMap")) == ([], [])


def test_a_log_is_followed_while_it_is_written(submitter: KubeSubmitter, operator: Operator) -> None:
    operator.plan = Plan(lines=("one", "two", "three"), line_s=0.4)
    name = submitter.submit(REQUEST).job.job_id
    times_s = {text: time.monotonic() for text in submitter.follow(name)}
    assert list(times_s) == ["one\n", "two\n", "three\n"]
    assert times_s["three\n"] - times_s["one\n"] > 0.3
    assert submitter.status(name).status is JobStatus.SUCCEEDED  # it is over when the log has been followed


@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        (
            "image",
            ImagePullError,
            r"The image registry\.example\.org/tonemill:9\.9\.9 of pod .*-head .*9\.9\.9: not found\.",
        ),
        (
            "quota",
            QuotaError,
            r"exceeded quota: tonemill, requested: requests\.cpu=4, used: .*limited: requests\.cpu=24",
        ),
        (
            "unschedulable",
            UnschedulableError,
            r"0/3 nodes are available: 3 Insufficient nvidia\.com/gpu.*tonemill stop",
        ),
    ],
)
def test_what_keeps_a_job_from_running(
    submitter: KubeSubmitter, operator: Operator, trouble: str, error: type[Exception], message: str
) -> None:
    operator.plan = Plan(trouble=trouble)  # type: ignore[arg-type]
    name = submitter.submit(REQUEST).job.job_id
    quick = KubeSubmitter(submitter.cluster, submitter.kube, unschedulable_s=0.0)
    with pytest.raises(error, match=message):
        quick.wait(name, timeout_s=20)
    with pytest.raises(error, match=message):
        list(quick.follow(name))
    assert submitter.status(name).status is JobStatus.PENDING  # it is still there


def test_waiting_for_a_node_is_no_failure_at_once(submitter: KubeSubmitter, operator: Operator) -> None:
    operator.plan = Plan(trouble="unschedulable")
    name = submitter.submit(REQUEST).job.job_id
    with pytest.raises(ClusterError, match=r"is not over after 1\.2 s"):
        submitter.wait(name, timeout_s=1.2)


def test_a_job_that_kuberay_does_not_take(submitter: KubeSubmitter, operator: Operator) -> None:
    operator.plan = Plan(trouble="invalid")
    job = submitter.wait(submitter.submit(REQUEST).job.job_id)
    with pytest.raises(JobFailedError, match=r"KubeRay does not take it\. the spec is wrong"):
        job.check_success()


def test_stopping_ends_the_wait_of_another(submitter: KubeSubmitter, operator: Operator, studio: Cluster) -> None:
    operator.plan = Plan(is_endless=True)
    name = submitter.submit(REQUEST).job.job_id
    other = open_submitter(studio)
    threading.Timer(0.4, lambda: other.stop(name)).start()
    job = submitter.wait(name)
    assert (job.status, job.exit_code) == (JobStatus.STOPPED, 130)
    with pytest.raises(NotFoundError, match=rf'"{name}" not found'):
        submitter.status(name)
    with pytest.raises(NotFoundError, match=rf"There is no job {name}"):
        submitter.wait(name)


def test_the_token_of_ray_is_read_from_its_secret(studio: Cluster, kube: Kube, kube_server: KubeServer) -> None:
    with pytest.raises(AuthenticationError, match=r"there is no such secret.*tonemill cluster up studio"):
        read_secret(studio, "tonemill-ray-token", "auth_token")
    data = {"auth_token": base64.b64encode(b"abc\n").decode()}
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tonemill-ray-token"}, "data": data})
    assert read_secret(studio, "tonemill-ray-token", "auth_token") == "abc\n"
    with pytest.raises(AuthenticationError, match=r"should be token of the secret .* it holds auth_token"):
        read_secret(studio, "tonemill-ray-token", "token")
