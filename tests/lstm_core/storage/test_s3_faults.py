"""S3 storage against a moto server and a proxy before it that fails: repeated requests and reported errors."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest

from lstm_core import storage
from lstm_core.foundation import errors
from lstm_core.storage.retries import num_retries
from lstm_core.storage.s3 import S3Store
from tests.lstm_core.storage.conftest import IMPATIENT, SECRETS, Faulty, bytes_of
from tests.s3_servers import free_port, plain_client


@pytest.mark.slow
def test_throttling_that_ends_is_waited_out(faulty: Faulty, s3_bucket: str) -> None:
    uri = f"{s3_bucket}/a.bin"
    storage.write_bytes(uri, b"content")
    proxy, store = faulty(lambda number, method, path: "503 SlowDown" if number < 3 else "")
    before = num_retries()
    assert store.read(uri) == b"content"
    assert num_retries() - before == 3
    pauses = np.diff(proxy.times_s)
    assert len(pauses) == 3 and (pauses > [0.2, 0.4, 0.8]).all() and (pauses < 5).all()


@pytest.mark.slow
def test_throttling_that_does_not_end_is_reported_with_its_time(faulty: Faulty, s3_bucket: str) -> None:
    _, store = faulty(lambda number, method, path: "503 SlowDown", IMPATIENT)
    began_s = time.monotonic()
    with pytest.raises(
        errors.ThrottledError, match=r"/a\.bin: the store is throttling .*\(503 SlowDown\).* attempts in \d"
    ):
        store.write(f"{s3_bucket}/a.bin", b"x")
    assert 1 < time.monotonic() - began_s < 15


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "stall", "lost", "500 InternalError", "400 RequestTimeout"])
def test_what_breaks_once_is_made_good(faulty: Faulty, s3_bucket: str, fault: str) -> None:
    uri, data = f"{s3_bucket}/a.bin", bytes_of(3_000_000)
    storage.write_bytes(uri, data)
    proxy, store = faulty(lambda number, method, path: fault if number == 0 else "")
    assert store.read(uri) == data
    requested = [headers.get("Range") for _, _, headers in proxy.requests]
    if fault in ("cut", "stall"):  # half of it came, which is kept in whole megabytes at least
        assert requested[0] is None and 2**20 <= int(requested[1].removeprefix("bytes=").removesuffix("-")) <= 1_500_000
        assert proxy.requests[1][2]["If-Match"] == f'"{hashlib.md5(data).hexdigest()}"'
    else:
        assert requested == [None, None] and "If-Match" not in proxy.requests[1][2]
    with store.open_stream(uri, etag="", chunk_bytes=1_000_000) as file:
        assert file.read() == data


def test_an_object_that_changes_between_two_halves_is_no_mixture(
    faulty: Faulty, s3_bucket: str, moto_endpoint: str
) -> None:
    uri = f"{s3_bucket}/a.bin"
    storage.write_bytes(uri, bytes_of(3_000_000))

    def fault(number: int, method: str, path: str) -> str:
        if number == 1:
            plain_client(moto_endpoint).put_object(Bucket=s3_bucket[5:], Key="a.bin", Body=bytes_of(3_000_000, 1))
        return "" if number else "cut"

    with pytest.raises(errors.ChangedError):
        faulty(fault)[1].read(uri)


@pytest.mark.slow
def test_a_connection_that_stalls_for_ever_is_given_up(faulty: Faulty, s3_bucket: str) -> None:
    storage.write_bytes(f"{s3_bucket}/a.bin", b"x")
    _, store = faulty(lambda number, method, path: "mute", IMPATIENT)
    began_s = time.monotonic()
    with pytest.raises(errors.StalledError, match=r"/a\.bin \(http://.*the connection stalled; gave up after \d+ att"):
        store.read(f"{s3_bucket}/a.bin")
    assert time.monotonic() - began_s < 15


def test_a_created_object_whose_answer_was_lost_is_ours(faulty: Faulty, s3_bucket: str) -> None:
    """The second attempt meets the object of the first, and must not say that another writer made it."""
    uri = f"{s3_bucket}/lease"
    _, store = faulty(lambda number, method, path: "lost" if method == "PUT" and is_lost() else "")
    is_lost = iter([True, False, True, False, True, False]).__next__
    assert store.create(uri, b"mine")
    assert not store.create(uri, b"another's")
    etag = store.read_version(uri).etag
    assert store.replace(uri, b"mine again", etag)
    assert store.read(uri) == b"mine again"


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ("403 AccessDenied", errors.DeniedError, r"Access denied: s3:GetObject on s3://.*/a\.bin\..*\(from env\)"),
        ("403 InvalidAccessKeyId", errors.CredentialsError, "does not know the access key"),
        ("403 SignatureDoesNotMatch", errors.CredentialsError, "AWS_SECRET_ACCESS_KEY"),
        ("400 ExpiredToken", errors.CredentialsError, "have expired"),
        ("403 RequestTimeTooSkewed", errors.CredentialsError, "clock"),
        ("404 NoSuchBucket", errors.BucketError, r"there is no bucket b-\w+ at http://127"),
        ("403 InvalidObjectState", errors.StorageError, "archived"),
        ("418 Teapot", errors.StorageError, "answers 418 Teapot"),
    ],
)
def test_errors_are_reported_at_once_and_without_secrets(
    faulty: Faulty, s3_bucket: str, answer: str, kind: type[Exception], text: str
) -> None:
    proxy, store = faulty(lambda number, method, path: answer)
    with pytest.raises(kind, match=text) as caught:
        store.read(f"{s3_bucket}/a.bin")
    assert len(proxy.requests) == 1
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_a_server_that_speaks_no_s3_is_reported(faulty: Faulty, s3_bucket: str) -> None:
    _, store = faulty(lambda number, method, path: "page", IMPATIENT)
    with pytest.raises(errors.UnreachableError, match="the server there is no S3 store"):
        list(store.pages(s3_bucket, 10))


def test_denied_rights_are_named(faulty: Faulty, s3_bucket: str) -> None:
    _, store = faulty(lambda number, method, path: "403 AccessDenied")
    uri = f"{s3_bucket}/a/b.bin"
    for action, doing in {
        "PutObject": lambda: store.create(uri, b""),
        "DeleteObject": lambda: store.remove(uri),
        "ListBucket": lambda: list(store.pages(uri, 10)),
        "GetObject": lambda: store.exists(uri),
    }.items():
        with pytest.raises(errors.DeniedError, match=rf"Access denied: s3:{action} on {uri}"):
            doing()


@pytest.mark.slow
def test_an_address_where_nothing_answers_fails_in_seconds(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint, reason in {
        f"http://user:hidden@127.0.0.1:{free_port()}": "the connection is refused",
        "http://no-such-host.invalid": "the name of the host is not known",
    }.items():
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        began_s = time.monotonic()
        with pytest.raises(errors.UnreachableError, match=rf"{reason}\. Check the network, AWS_ENDPOINT_URL") as caught:
            S3Store(IMPATIENT).read(f"{s3_bucket}/a.bin")
        assert time.monotonic() - began_s < 15 and "hidden" not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no address")
    with pytest.raises(errors.UnreachableError, match="it must be like https://host:port"):
        S3Store(IMPATIENT)
