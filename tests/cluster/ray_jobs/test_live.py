"""The client against a real Ray job server behind a token, with real jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from cluster.errors import AuthenticationError, JobFailedError, NotFoundError
from cluster.job import JobInfo, JobStatus
from cluster.ray_jobs.server import Timing
from cluster.ray_jobs.submitter import RayJobs
from cluster.settings import Cluster
from tests.cluster.shells import shell_folder, shell_request
from tests.ray_servers import RayHead
from tests.s3_servers import FaultyProxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
QUICK = Timing(poll_s=0.2)


def cluster_of(head: RayHead, token: str = "env:T") -> Cluster:
    return Cluster(name="live", address=head.address, token=token)


@pytest.fixture(scope="module")
def client(ray_head: RayHead) -> RayJobs:
    return RayJobs(cluster_of(ray_head), ray_head.token, timing=QUICK)


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shell_folder(tmp_path_factory.mktemp("shells"))


def unique() -> str:
    """A comment that makes a script another job than all before."""
    return f"# {uuid.uuid4().hex}"


def wait_until_running(client: RayJobs, job_id: str) -> JobInfo:
    while (info := client.status(job_id)).status is JobStatus.PENDING:
        time.sleep(0.1)
    assert info.status is JobStatus.RUNNING
    return info


def test_tokens(ray_head: RayHead) -> None:
    with (
        RayJobs(cluster_of(ray_head, ""), timing=QUICK) as none,
        pytest.raises(AuthenticationError, match=r"live asks for a token \(401\) and the cluster file names none"),
    ):
        none.jobs()
    with (
        RayJobs(cluster_of(ray_head), "f" * 64, timing=QUICK) as wrong,
        pytest.raises(AuthenticationError, match=r"does not take the token of env:T \(403\)") as raised,
    ):
        wrong.check_version()
    assert "f" * 64 not in str(raised.value)
    with RayJobs(cluster_of(ray_head), ray_head.token, timing=QUICK) as right:
        right.check_version()
        assert isinstance(right.jobs(), list)


def test_the_same_job_twice_is_one_and_its_lines_come_while_it_runs(client: RayJobs, shells: Path) -> None:
    script = f"echo early; sleep 3; echo späte Zeile; cat order/a.txt; exit 3 {unique()}"
    request = shell_request(shells, script, {"order/a.txt": b"it travelled\n"})
    first = client.submit(request)
    second = client.submit(request)
    assert first.is_new and not second.is_new and first.job.job_id == second.job.job_id == request.content_id
    came: list[tuple[str, JobStatus]] = []
    changes: list[JobStatus] = []
    for text in client.follow(first.job.job_id, lambda info: changes.append(info.status)):
        came.append((text, client.status(first.job.job_id).status))
    whole = "".join(text for text, _ in came)
    assert [line for line in whole.splitlines() if line in ("early", "späte Zeile", "it travelled")] == [
        "early", "späte Zeile", "it travelled"
    ]  # fmt: skip
    early = next(status for text, status in came if "early\n" in text)
    assert early is JobStatus.RUNNING
    assert changes[-2:] == [JobStatus.RUNNING, JobStatus.FAILED] and client.log(first.job.job_id) == whole
    info = client.wait(first.job.job_id)
    assert (info.status, info.driver_exit_code, info.exit_code) == (JobStatus.FAILED, 3, 3)
    with pytest.raises(JobFailedError, match="ended with exit code 3"):
        info.check_success()
    again = client.submit(request)
    assert again.is_new and again.job.job_id == f"{request.content_id}-2"
    client.stop(again.job.job_id)
    mine = [info.job_id for info in client.jobs() if info.job_id.startswith(request.content_id)]
    assert mine == [f"{request.content_id}-2", request.content_id]


def test_a_job_that_succeeded_is_not_run_again_unasked(client: RayJobs, shells: Path) -> None:
    request = shell_request(shells, f"true {unique()}")
    client.wait(client.submit(request).job.job_id)
    found = client.submit(request)
    assert not found.is_new and found.job.status is JobStatus.SUCCEEDED and found.job.exit_code == 0
    assert found.job.ended_s and found.job.started_s and 0 <= found.job.ended_s - found.job.started_s < 60
    assert client.submit(request, is_again=True).job.job_id == f"{request.content_id}-2"


def test_stop_and_what_is_not_there(client: RayJobs, shells: Path) -> None:
    request = shell_request(shells, f"sleep 100 {unique()}")
    job_id = client.submit(request).job.job_id
    wait_until_running(client, job_id)
    assert client.stop(job_id) and client.status(job_id).exit_code == 130
    assert not client.stop(job_id)
    for act in (client.status, client.stop, client.log, client.wait, lambda name: list(client.follow(name))):
        with pytest.raises(NotFoundError, match=r"The job nothing/\.\./x is not on the cluster live"):
            act("nothing/../x")


def test_one_job_comes_of_it_however_the_way_to_the_server_fails(
    ray_head: RayHead, client: RayJobs, shells: Path
) -> None:
    """503 at first, then an answer that is lost though the job was made, then a connection that says nothing."""
    faults = ["503 Busy", "", "503 Busy", "", "lost", "", "mute"]

    def fault(number: int, method: str, path: str) -> str:
        return faults[number] if number < len(faults) else ""

    request = shell_request(shells, f"true {unique()}")
    timing = Timing(poll_s=0.2, read_s=2.0, first_wait_s=0.05)
    with FaultyProxy(ray_head.address, fault) as proxy:
        cluster = Cluster(name="live", address=proxy.endpoint, token="env:T")
        with RayJobs(cluster, ray_head.token, timing=timing) as through:
            submission = through.submit(request)
            assert through.wait(submission.job.job_id).exit_code == 0
        posts = [path for method, path, _ in proxy.requests if method == "POST"]
    assert posts == ["/api/jobs/"] * 2
    assert [info.job_id for info in client.jobs() if info.job_id.startswith(request.content_id)] == [request.content_id]


def test_an_image_without_our_package_says_so(client: RayJobs, tmp_path: Path) -> None:
    job_id = client.submit(shell_request(tmp_path, f"true {unique()}")).job.job_id  # a PATH without our command
    with pytest.raises(JobFailedError, match="the image of the cluster holds no Tonemill") as raised:
        client.wait(job_id).check_success()
    assert raised.value.exit_code == 127 and "this cluster holds no Tonemill" in client.log(job_id)


def test_a_log_is_followed_over_a_restart_of_the_server(ray_head: RayHead, client: RayJobs, shells: Path) -> None:
    """Every line once, in order, though the dashboard is killed in the middle and comes back seconds later."""
    script = f"for i in $(seq 18); do echo number $i; sleep 0.5; done {unique()}"
    job_id = client.submit(shell_request(shells, script)).job.job_id
    text, returned = "", threading.Event()

    def restart() -> None:
        (pid,) = ray_head.pids("dashboard/dashboard.py")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        pairs = [pair.partition(b"=") for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if pair]
        os.kill(pid, signal.SIGKILL)
        time.sleep(1.0)
        environment = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        null = subprocess.DEVNULL
        subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True)
        while not ray_head.answers():
            time.sleep(0.1)
        returned.set()

    restarting = threading.Thread(target=restart)
    for piece in client.follow(job_id):
        text += piece
        if "number 2\n" in text and restarting.ident is None:
            restarting.start()
    restarting.join()
    assert returned.is_set()
    numbers = [line for line in text.splitlines() if line.startswith("number ")]
    assert numbers == [f"number {number}" for number in range(1, 19)]
    assert client.wait(job_id).exit_code == 0


def test_a_thousand_calls_leave_nothing_behind(ray_head: RayHead, client: RayJobs, shells: Path) -> None:
    job_id = client.submit(shell_request(shells, f"true {unique()}")).job.job_id
    client.wait(job_id)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    start = time.monotonic()
    with RayJobs(cluster_of(ray_head), ray_head.token, timing=Timing(patience_s=0.0)) as many:
        statuses = {many.status(job_id).status for _ in range(1000)}
        during = len(os.listdir("/proc/self/fd"))
    seconds = time.monotonic() - start
    assert statuses == {JobStatus.SUCCEEDED} and seconds < 60
    assert during <= before[0] + 2  # one connection, kept
    for _ in range(3):
        "".join(client.follow(job_id))
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    print(f"1,000 status calls in {seconds:.2f} s")
