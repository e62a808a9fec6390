"""HTTP to a server that misbehaves: what is repeated, how often, and what is reported."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from pathlib import Path

import pytest

from cluster.errors import (
    AuthenticationError,
    ClusterError,
    ClusterFileError,
    NotFoundError,
    ServerError,
    UnreachableError,
)
from cluster.ray_jobs.server import Timing
from tests.cluster.clients import REQUEST, client_of, first
from tests.cluster.fake_dashboard import FakeDashboard
from tests.s3_servers import free_port


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
def test_what_does_not_pass_is_reported(fault: str, error: type[ClusterError], message: str) -> None:
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
