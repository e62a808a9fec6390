"""The client against a job server that misbehaves: what is repeated, what is told, and that nothing doubles."""

from __future__ import annotations

import io
import logging
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.errors import (
    AuthenticationError,
    ClusterError,
    ClusterFileError,
    JobFailedError,
    NotFoundError,
    ServerError,
    UnreachableError,
    VersionMismatchError,
)
from cluster.job import JobInfo, JobRequest, JobStatus
from cluster.job_server import Timing
from cluster.packages import pack
from cluster.ray_jobs import RAY_VERSION, RayJobs
from cluster.settings import Cluster
from tests.cluster.fake_dashboard import FakeDashboard
from tests.s3_servers import free_port

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

    def decide(number: int, asked: str, path: str) -> str:
        if method not in ("", asked) or part not in path or len(seen) >= number_of_faults:
            return ""
        seen.append(number)
        return fault

    return decide


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


@pytest.mark.slow
def test_waits_grow_and_heed_the_server() -> None:
    timing = Timing(first_wait_s=0.04, longest_wait_s=1.0, patience_s=5.0)
    with FakeDashboard(first(3, "503 busy")) as server, client_of(server, timing=timing) as client:
        client.check_version()
        waits_s = [after - before for before, after in zip(server.times_s, server.times_s[1:], strict=False)]
    for number, wait_s in enumerate(waits_s):
        assert 0.02 * 2**number <= wait_s < 0.04 * 2**number + 0.25
    with FakeDashboard(first(1, "429 1")) as server, client_of(server, timing=timing) as client:
        client.check_version()
        assert 0.99 <= server.times_s[1] - server.times_s[0] < 1.5


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("503 overloaded", UnreachableError, r"went on answering 503 \(tried \d+ times\): overloaded"),
        ("mute", UnreachableError, r"Nothing answers at http://127.0.0.1:\d+, the address of the cluster fake"),
        ("reset", UnreachableError, "Nothing answers at"),
        ("page", ServerError, "is no Ray dashboard: /api/version gave text/html"),
        ("to https://login.example.org/", ServerError, "sends us on to https://login.example.org/"),
        ("404 no", NotFoundError, "knows no /api/version: it is no Ray dashboard"),
        ("413 large", ServerError, "of this size"),
        ("500 Traceback:\n  File x\nKeyError: 'y'", ServerError, "answered 500: KeyError: 'y'"),
        ("401 no", AuthenticationError, r"does not take the token of env:T \(401\)"),
        ("403 no", AuthenticationError, r"does not take the token of env:T \(403\)"),
    ],
)
def test_what_does_not_pass_is_told(fault: str, error: type[ClusterError], message: str) -> None:
    start = time.monotonic()
    with (
        FakeDashboard(lambda number, method, path: fault) as server,
        client_of(server) as client,
        pytest.raises(error, match=message) as raised,
    ):
        client.submit(REQUEST)
    assert time.monotonic() - start < 4 and "t0ken" not in str(raised.value)
    assert server.count("POST") == 0
    if error is not UnreachableError:
        assert len(server.requests) == 1  # to repeat it would not help


def test_no_token_is_asked_for_or_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeDashboard(token="s3cr3t-token") as server:
        with (
            client_of(server, token="") as client,
            pytest.raises(AuthenticationError, match=r"file names none\. Write"),
        ):
            client.jobs()
        with client_of(server, token="wr0ng-token") as client, pytest.raises(AuthenticationError) as raised:
            client.jobs()
        with client_of(server, token="s3cr3t-token") as client:
            assert client.jobs() == []
    assert "wr0ng" not in str(raised.value) and "wr0ng" not in caplog.text and "s3cr3t" not in caplog.text


@pytest.mark.slow
def test_addresses_where_nobody_is() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)  # takes no connection once its queue is full
    held = [socket.socket() for _ in range(3)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    try:
        for address, word in (
            (f"http://127.0.0.1:{free_port()}", "refused"),
            (f"http://127.0.0.1:{full.getsockname()[1]}", "timed out"),
            ("http://nowhere.invalid:8265", ""),
        ):
            start = time.monotonic()
            with (
                client_of(address, token="") as client,
                pytest.raises(UnreachableError, match=f"Nothing answers at {address}.*the cluster fake.*{word}"),
            ):
                client.submit(REQUEST)
            assert time.monotonic() - start < 4
    finally:
        for one in (full, *held):
            one.close()
    timing = Timing()
    assert timing.patience_s + timing.connect_s < 15  # as everybody uses it


def test_another_ray_is_told_before_anything_is_sent() -> None:
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
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert f'"ray[data,train]=={RAY_VERSION}"' in text and f'"ray[default]=={RAY_VERSION}"' in text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that no public authority has signed, and a server's context with it."""
    x509 = pytest.importorskip("cryptography.x509")
    import datetime
    import ipaddress

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tonemill test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return folder / "ca.pem", context


def test_certificates_are_verified(certificate: tuple[Path, ssl.SSLContext], tmp_path: Path) -> None:
    ca_file, context = certificate
    with FakeDashboard(context=context) as server:
        start = time.monotonic()
        with (
            client_of(server) as client,
            pytest.raises(UnreachableError, match=r"is not trusted.*\(there is no ca_file\)"),
        ):
            client.jobs()
        with (
            client_of(server.address.replace("127.0.0.1", "localhost"), ca_file=str(ca_file)) as client,
            pytest.raises(UnreachableError, match=r"localhost:\d+ is not trusted"),
        ):
            client.jobs()
        assert time.monotonic() - start < 1 and server.requests == []  # not repeated, and nothing was sent
        with client_of(server, ca_file=str(ca_file)) as client:
            assert client.jobs() == []
            server.put_job("j", "RUNNING")
            server.logs["j"] = b"over TLS\n"
            log = client.follow("j")
            assert next(log)[0] == "o"
            log.close()
    (tmp_path / "bad.pem").write_text("no certificate")
    for path in (tmp_path / "bad.pem", tmp_path / "absent.pem"):
        with pytest.raises(ClusterFileError, match=rf"ca_file of the cluster fake is {path}, which cannot be used"):
            client_of("https://127.0.0.1:1", ca_file=str(path))


def test_packages_are_named_by_content_and_sent_once() -> None:
    files = {"order/a.toml": b"one", "order/b/c.mid": bytes(range(256))}
    name, data = pack(files)
    assert pack(dict(reversed(files.items()))) == (name, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry: archive.read(entry) for entry in archive.namelist()} == files
    assert name != pack({**files, "order/a.toml": b"two"})[0] != pack({"order/a.tom": b"lone"})[0]
    with pytest.raises(ClusterError, match=r"big\.csv would have to travel with the job: 60 MB, of 50 at most"):
        pack({"big.csv": bytes(60_000_000)})
    with FakeDashboard() as server, client_of(server) as client:
        for again in range(2):
            client.submit(JobRequest(stage="train", arguments=(str(again),), files=files))
        assert server.packages == {name: data} and server.count("PUT") == 1


TEXT = "".join(f"Zeile {number}: später 🎵\n" for number in range(40))


@pytest.mark.parametrize("fault", ["", "cut 7", "cut 300", "reset", "503 x", "500 x"])
def test_a_followed_log_is_whole_whatever_breaks(fault: str) -> None:
    """Characters are torn apart, the stream breaks off three times, and the last lines come with the end of the job."""
    with FakeDashboard(first(3, fault, "GET", "/logs/stream") if fault else first(0, "")) as server:
        server.put_job("j", "PENDING")
        server.logs["j"] = b""

        def run() -> None:
            time.sleep(0.1)
            server.put_job("j", "RUNNING")
            data = TEXT.encode()
            for start in range(0, len(data) - 200, 91):
                server.logs["j"] = data[: start + 91]
                time.sleep(0.05)
            server.logs["j"] = data
            server.put_job("j", "SUCCEEDED", end_time=2000)

        worker = threading.Thread(target=run)
        with client_of(server) as client:
            worker.start()
            changes: list[JobInfo] = []
            came, first_status = [], ""
            for text in client.follow("j", changes.append):
                first_status = first_status or server.jobs["j"]["status"]
                came.append(text)
            worker.join()
            assert "".join(came) == TEXT == client.log("j") and first_status == "RUNNING"
            assert [info.status for info in changes] == [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.SUCCEEDED]
            assert changes[-1].ended_s == 2.0


def test_a_log_that_falls_silent_is_asked_for_anew() -> None:
    """A connection that is open but dead would say nothing for ever."""
    timing = Timing(poll_s=0.02, silence_s=0.2, first_wait_s=0.01, read_s=1.0)
    with FakeDashboard(first(1, "mute", "GET", "/logs/stream")) as server, client_of(server, timing=timing) as client:
        server.put_job("j", "RUNNING")
        server.logs["j"] = b"alive\n"
        log = client.follow("j")
        assert "".join(next(log) for _ in range(6)) == "alive\n" and server.count("GET", "/logs/stream") == 2
        log.close()


@pytest.mark.slow
def test_a_server_that_is_away_while_a_job_is_followed() -> None:
    """It is waited for; one that does not come back is told within the time set for it."""
    faults = {"now": ""}
    with FakeDashboard(lambda number, method, path: faults["now"]) as server, client_of(server) as client:
        server.put_job("j", "RUNNING")
        server.logs["j"] = b"a\n"
        log = client.follow("j")
        assert next(log) == "a"

        def return_later() -> None:
            time.sleep(0.8)  # longer than the patience with an address that never answered
            server.logs["j"] = b"a\nb\n"
            server.put_job("j", "FAILED", driver_exit_code=-9)
            faults["now"] = ""

        faults["now"] = "503 restarting"
        threading.Thread(target=return_later).start()
        assert client.wait("j").exit_code == 137
        assert "".join(log) == "\nb\n"
        server.put_job("j", "RUNNING")
        faults["now"] = "reset"
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="Nothing answers"):
            list(client.follow("j"))
        assert 1.0 < time.monotonic() - start < 6


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


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "message"),
    [
        ("FAILED", 3, 3, "it ended with exit code 3. `tonemill logs j` shows"),
        ("FAILED", -9, 137, "exit code -9"),
        ("FAILED", 127, 127, "holds no Tonemill"),
        ("FAILED", None, 1, "RUNTIME_ENV_SETUP_FAILURE: Failed to set up. No space left on device"),
        ("STOPPED", -15, 130, "was stopped"),
        ("SUCCEEDED", 0, 0, ""),
        ("RUNNING", None, 0, ""),
    ],
)
def test_how_a_job_ended(status: str, code: int | None, exit_code: int, message: str) -> None:
    info = JobInfo(
        job_id="j", status=JobStatus(status), driver_exit_code=code, error_type="RUNTIME_ENV_SETUP_FAILURE",
        message="Failed to set up.\n  File x\nNo space left on device\n",
    )  # fmt: skip
    assert info.exit_code == exit_code
    if not message:
        return info.check_success()
    with pytest.raises(JobFailedError, match=message) as raised:
        info.check_success()
    assert raised.value.exit_code == exit_code


@pytest.mark.parametrize(
    ("stage", "arguments", "name", "message"),
    [
        ("destroy", (), "", "'destroy' is nothing to submit"),
        ("train", ("a\nb",), "", r"'a\\nb' holds a character that cannot travel"),
        ("train", (), "My Job", "'My Job' is no name for a job"),
    ],
)
def test_requests_that_cannot_be(stage: str, arguments: tuple[str, ...], name: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        JobRequest(stage=stage, arguments=arguments, name=name)
