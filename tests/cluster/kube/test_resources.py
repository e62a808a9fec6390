"""Objects of Kubernetes against a server behind a real socket: applied, created once, watched, followed, refused."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.errors import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeconfigError,
    NameTooLongError,
    NotFoundError,
    OperatorMissingError,
    QuotaError,
    ServerError,
    UnreachableError,
)
from cluster.kube import api as kube_api
from cluster.kube.api import KubeApi
from cluster.kube.resources import Kube
from tests.cluster.conftest import make_rayjob
from tests.cluster.kube_requests import Account, Log, Object
from tests.cluster.kube_server import KubeServer


def config_map(**data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "words", "namespace": "tonemill"},
        "data": data,
    }


def test_applying_makes_merges_and_takes_away(kube: Kube, kube_server: KubeServer) -> None:
    first = kube.apply(config_map(a="1", b="2"))
    assert kube.apply(config_map(a="1", b="2")) == first  # not even a new version
    kube_server.put({**kube_server.find("ConfigMap", "words"), "data": {"a": "1", "b": "2", "theirs": "3"}})
    assert kube.apply(config_map(a="0"))["data"] == {"a": "0", "theirs": "3"}


def test_of_several_who_create_one_name_one_makes_it(kube: Kube, rayjob: Object) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: kube.create(rayjob), range(8)))
    assert sum(is_new for _, is_new in made) == 1
    assert len({stored["metadata"]["uid"] for stored, _ in made}) == 1


def test_a_stale_version_is_a_conflict(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    stored, _ = kube.create(rayjob)
    kube_server.set_status("RayJob", "tonemill-generate", jobStatus="RUNNING")
    kind = kube.api.kind("ray.io/v1", "RayJob")
    with pytest.raises(ConflictError, match=r"the object has been modified"):
        kube.api.request("PUT", kind.path("tonemill", "tonemill-generate"), body=stored)


def test_the_definitions_of_kuberay_are_held(kube: Kube, rayjob: Object) -> None:
    """A misspelt field would be dropped in silence by default: we ask the server to be strict."""
    rayjob["spec"]["shutdownAfterJobFinshes"] = True
    with pytest.raises(InvalidError, match=r'unknown field "spec.shutdownAfterJobFinshes"'):
        kube.create(rayjob)
    wrong = make_rayjob("x")
    wrong["spec"]["backoffLimit"] = "many"
    with pytest.raises(InvalidError, match=r"spec\.backoffLimit: Invalid value: 'many' is not of type 'integer'"):
        kube.create(wrong)
    with pytest.raises(InvalidError, match=r"spec\.backoffLimit"):
        kube.check(wrong)
    kube.check(make_rayjob("x"))
    assert kube.find("RayJob", "x") is None  # to check makes nothing


@pytest.mark.parametrize(("kind", "limit"), [("RayJob", 47), ("RayCluster", 53), ("CronJob", 52)])
def test_names_that_are_too_long(kube: Kube, kube_server: KubeServer, kind: str, limit: int) -> None:
    name = "n" * (limit + 3)
    version = "batch/v1" if kind == "CronJob" else "ray.io/v1"
    with pytest.raises(NameTooLongError, match=f"has {limit + 3} characters, the name of a {kind} has {limit} at most"):
        kube.create({"apiVersion": version, "kind": kind, "metadata": {"name": name}})
    assert not any(method == "POST" for method, _ in kube_server.requests)


def test_watching_tells_what_is_there_and_every_change(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube.create(rayjob)
    kube.create(make_rayjob("another"))

    def change() -> None:
        for status in ("PENDING", "RUNNING"):
            time.sleep(0.05)
            kube_server.set_status("RayJob", "tonemill-generate", jobStatus=status)
        time.sleep(0.05)
        kube.delete("RayJob", "tonemill-generate")

    threading.Thread(target=change).start()
    seen = []
    for event in kube.watch("RayJob", "tonemill-generate", timeout_s=10):
        assert event is not None and event.object["metadata"]["name"] == "tonemill-generate"
        seen.append((event.change, event.object.get("status", {}).get("jobStatus")))
        if event.change == "DELETED":
            break
    assert seen == [("ADDED", None), ("MODIFIED", "PENDING"), ("MODIFIED", "RUNNING"), ("DELETED", "RUNNING")]


def test_a_watch_that_is_too_old_begins_anew(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube.create(rayjob)
    kube_server.oldest_version = 10**6  # the server has forgotten what we know
    seen = []
    for event in kube.watch("RayJob", timeout_s=10):
        seen.append(event)
        if len(seen) == 2:
            break
    assert [event.change for event in seen if event] == ["ADDED", "ADDED"]


def test_a_log_is_followed_live_and_over_a_break(kube: Kube, kube_server: KubeServer) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}}
    kube_server.put(pod)
    with pytest.raises(InvalidError, match=r"waiting to start"):
        next(kube.log_lines("p", is_followed=True))
    log = kube_server.logs["tonemill", "p"] = Log(lines=["one", "two"])
    lines = kube.log_lines("p", is_followed=True)
    assert [next(lines), next(lines)] == ["one", "two"]
    with kube_server.changed:
        log.is_ended = True  # the connection ends, the pod has not
        kube_server.changed.notify_all()

    def write() -> None:
        time.sleep(0.1)
        with kube_server.changed:
            log.lines.append("three – drei")
            kube_server.set_status("Pod", "p", phase="Succeeded")

    threading.Thread(target=write).start()
    assert list(lines) == ["three – drei"]
    with pytest.raises(NotFoundError, match=r'pods "q" not found'):
        next(kube.log_lines("q", is_followed=False))


def test_deleting_takes_along_what_is_owned(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    stored, _ = kube.create(rayjob)
    owner = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "x", "uid": stored["metadata"]["uid"]}
    words = config_map()
    words["metadata"]["ownerReferences"] = [owner]
    kube_server.put(words)
    assert kube.delete("RayJob", "tonemill-generate") is True
    assert kube.delete("RayJob", "tonemill-generate") is False
    assert kube_server.names("ConfigMap") == []


def test_a_busy_server_is_asked_again(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube_server.faults = [429, 503]
    assert kube.create(rayjob)[1] is True
    kube_server.faults = [500] * 4
    with pytest.raises(ServerError, match=r"answered 500 to GET .*rayjobs.*hard time"):
        kube.items("RayJob")


def test_an_address_where_nobody_is_fails_in_seconds(kube_server: KubeServer, kubeconfig: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{sock.getsockname()[1]}"
    kube_server.write_kubeconfig(kubeconfig, endpoint=address)
    started_s = time.monotonic()
    with pytest.raises(UnreachableError, match=rf"API server of fake \({address}\) does not answer: .*refused.*VPN"):
        Kube(KubeApi.connect(), "tonemill").items("RayJob")
    assert time.monotonic() - started_s < 5


def test_a_server_that_takes_no_connection_fails_in_seconds(
    kube_server: KubeServer, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full backlog is what a firewall that drops packets looks like."""
    assert kube_api.CONNECT_TIMEOUT_S <= 5
    monkeypatch.setattr(kube_api, "CONNECT_TIMEOUT_S", 0.5)
    with socket.socket() as sock, socket.socket() as filler, socket.socket() as second:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for client in (filler, second):
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        kube_server.write_kubeconfig(kubeconfig, endpoint=f"http://127.0.0.1:{sock.getsockname()[1]}")
        started_s = time.monotonic()
        with pytest.raises(UnreachableError, match=r"does not answer: .*timed out"):
            Kube(KubeApi.connect(), "tonemill").items("RayJob")
        assert time.monotonic() - started_s < 5


def test_a_certificate_that_nobody_has_signed(kubeconfig: Path, tmp_path: Path) -> None:
    """TLS is verified: a kubeconfig without the certificate of who signed it gets no answer, and says so."""
    with KubeServer(certificate=self_signed(tmp_path)) as server:
        server.write_kubeconfig(kubeconfig)
        with pytest.raises(
            UnreachableError, match=r"cannot be trusted: .*certificate verify failed.*update-kubeconfig"
        ):
            Kube(KubeApi.connect(), "tonemill").items("RayJob")
        assert server.requests == []


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path


def test_an_expired_token(kube_server: KubeServer, kubeconfig: Path) -> None:
    kube_server.write_kubeconfig(kubeconfig, token="token-of-yesterday")
    with pytest.raises(AuthenticationError, match=r"the token has expired, or is another cluster's") as report:
        Kube(KubeApi.connect(), "tonemill").items("RayJob")
    assert "token-of-yesterday" not in str(report.value)


def test_a_forbidden_verb_is_named(kube_server: KubeServer, kubeconfig: Path, rayjob: Object) -> None:
    allowed = frozenset({("create", "rayjobs")})
    kube_server.accounts["weak"] = Account(name="system:serviceaccount:tonemill:weak", allowed=allowed)
    kube_server.write_kubeconfig(kubeconfig, token="weak")
    kube = Kube(KubeApi.connect(), "tonemill")
    assert kube.create(rayjob)[1] is True
    with pytest.raises(
        ForbiddenError,
        match=r'tonemill:weak may not delete rayjobs.ray.io in the namespace tonemill. .*verb "delete" on "rayjobs"',
    ):
        kube.delete("RayJob", "tonemill-generate")


def test_a_quota_that_is_used_up(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube_server.quotas["tonemill", "rayjobs"] = 1
    kube.create(rayjob)
    with pytest.raises(
        QuotaError, match=r"used up its quota: exceeded quota: team, .*limited: count/rayjobs.ray.io=1.*stop"
    ):
        kube.create(make_rayjob("second"))


def test_the_operator_is_missing(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube_server.is_operator_installed = False
    for act in (lambda: kube.create(rayjob), lambda: kube.items("RayJob")):
        with pytest.raises(OperatorMissingError, match=r"does not know RayJob and RayCluster. .*helm install kuberay"):
            act()


def test_the_operator_went_while_we_worked(kube: Kube, kube_server: KubeServer, rayjob: Object) -> None:
    kube.items("RayJob")
    kube_server.is_operator_installed = False
    with pytest.raises(OperatorMissingError, match=r"helm install"):
        kube.create(rayjob)


def test_a_namespace_that_is_missing(kubeconfig: Path, rayjob: Object) -> None:
    del rayjob["metadata"]["namespace"]
    with pytest.raises(NotFoundError, match=r"has no namespace elsewhere. `tonemill cluster up` makes it"):
        Kube(KubeApi.connect(), "elsewhere").create(rayjob)


def test_kubeconfigs_that_cannot_be_used(kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubeconfigError, match=r"has no context fak. Did you mean fake?"):
        KubeApi.connect("fak")
    with pytest.raises(KubeconfigError, match=r"has no context studio. It has fake. .*update-kubeconfig"):
        KubeApi.connect("studio")
    for text in ("contexts: [", "- a\n- b\n", "apiVersion: v1\nkind: Config\n", ""):
        kubeconfig.write_text(text)
        with pytest.raises(KubeconfigError, match=rf"The kubeconfig {kubeconfig} "):
            KubeApi.connect()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(KubeconfigError, match=r"There is no kubeconfig at .*nothing.*aws eks update-kubeconfig"):
        KubeApi.connect()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(KubeconfigError, match=r"There is no kubeconfig at .*/\.kube/config"):
        KubeApi.connect()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(KubeconfigError, match=r"This pod has no token for its API server"):
        KubeApi.connect()
