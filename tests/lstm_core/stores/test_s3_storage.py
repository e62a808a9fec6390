"""S3 storage against a moto server in its own process, and a proxy before it that fails: all over real sockets."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lstm_core import errors, storage
from lstm_core.stores.retries import num_retries
from lstm_core.stores.s3_client import Patience
from lstm_core.stores.s3_storage import S3Store
from tests.s3_servers import FaultyProxy, free_port, plain_client, settings_of

Fault = Callable[[int, str, str], str]
Faulty = Callable[..., tuple[FaultyProxy, S3Store]]
PATIENT = Patience(read_s=2.0)  # for what passes: this machine may be busy
IMPATIENT = Patience(connect_s=0.5, read_s=0.5, retry_s=3.0, unreachable_s=1.0, lost_s=1.5)  # for what does not
SECRETS = ("AKIDTESTONLY", "wJalr-not-a-real-secret", "token-of-a-session")


def bytes_of(size: int, seed: int = 0) -> bytes:
    """Bytes of no pattern."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


@pytest.fixture
def faulty(moto_endpoint: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """Opens an impatient store behind a proxy with faults."""
    with ExitStack() as stack:

        def start(fault: Fault, patience: Patience = PATIENT) -> tuple[FaultyProxy, S3Store]:
            proxy = stack.enter_context(FaultyProxy(moto_endpoint, fault))
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            return proxy, S3Store(patience)

        yield start


def test_listing_by_pages_is_whole_and_sorted(s3_bucket: str, moto_endpoint: str) -> None:
    names = [f"{number:03d}.mid" for number in range(120)] + ["a/b.mid", "a b/é~+%41?#.mid", "z\\.mid", ".x/y.mid"]
    client = plain_client(moto_endpoint)
    for name in [*names, "marker/"]:
        client.put_object(Bucket=s3_bucket[5:], Key=f"c/{name}", Body=name.encode())
    pages = list(S3Store().pages(f"{s3_bucket}/c", 50))
    assert [len(page) for page in pages] == [50, 50, 24]  # the last without the marker, which is no file
    assert [file.path for page in pages for file in page] == sorted(names)
    files = [file for page in storage.list_pages(f"{s3_bucket}/c") for file in page]
    assert [file.path for file in files] == sorted(set(names) - {".x/y.mid"})
    for file in (files[0], files[-1], files[-2], files[-3]):
        assert file.etag == f'"{hashlib.md5(file.path.encode()).hexdigest()}"'
        assert file.size_bytes == len(file.path.encode())
        assert abs(file.modified_s - time.time()) < 300
        assert storage.read_bytes(f"{s3_bucket}/c/{file.path}", etag=file.etag) == file.path.encode()
    with pytest.raises(errors.StorageError, match=r"000\.mid is a file, and a folder is wanted"):
        storage.list_files(f"{s3_bucket}/c/000.mid")


def test_what_exists(s3_bucket: str) -> None:
    storage.write_bytes(f"{s3_bucket}/a/b.bin", b"")
    assert storage.exists(f"{s3_bucket}/a/b.bin") and storage.exists(f"{s3_bucket}/a") and storage.exists(s3_bucket)
    assert not storage.exists(f"{s3_bucket}/a/b") and not storage.exists(f"{s3_bucket}/a/b.bin/c")
    assert storage.read_bytes(f"{s3_bucket}/a/b.bin") == b""
    assert storage.read_range(f"{s3_bucket}/a/b.bin", 0, 10) == b""
    with storage.open_stream(f"{s3_bucket}/a/b.bin") as file:
        assert file.read() == b""


@pytest.mark.parametrize("chunk_bytes", [1_000, 4_096, 100_000])
def test_a_stream_reads_what_a_local_file_reads(s3_bucket: str, chunk_bytes: int) -> None:
    data = bytes_of(50_001)
    uri = f"{s3_bucket}/large.bin"
    storage.write_bytes(uri, data)
    with storage.open_stream(uri, chunk_bytes=chunk_bytes) as file:
        assert file.seekable() and file.readable() and not file.writable()
        assert b"".join(iter(lambda: file.read(777), b"")) == data
        assert file.read(1) == b"" and file.tell() == len(data)
        random = np.random.default_rng(0)
        for _ in range(20):
            start, count = int(random.integers(0, 51_000)), int(random.integers(0, 9_000))
            file.seek(start)
            assert file.read(count) == data[start : start + count]
        assert file.seek(-5, os.SEEK_END) == 49_996
        assert file.read() == data[-5:]
    with pytest.raises(ValueError):
        file.read(1)


def test_a_stream_fetches_each_chunk_once_and_the_next_ahead(faulty: Faulty, s3_bucket: str) -> None:
    uri, data = f"{s3_bucket}/a.bin", bytes_of(4_000)
    proxy, store = faulty(lambda number, method, path: "")
    store.write(uri, data)
    with store.open_stream(uri, etag="", chunk_bytes=1_000) as file:
        for _ in range(4):
            file.read(999)
        file.seek(2_500)
        assert file.read(100) == data[2_500:2_600]
    asked = [headers["Range"] for method, _, headers in proxy.requests if method == "GET"]
    assert asked == ["bytes=0-999", "bytes=1000-1999", "bytes=2000-2999", "bytes=3000-3999"]
    conditions = [headers.get("If-Match") for method, _, headers in proxy.requests if method == "GET"]
    assert conditions == [None] + [f'"{hashlib.md5(data).hexdigest()}"'] * 3


def test_a_changed_and_a_vanished_object_are_told_apart(s3_bucket: str) -> None:
    uri = f"{s3_bucket}/a.bin"
    storage.write_bytes(uri, bytes_of(3_000))
    etag = storage.list_files(s3_bucket)[0].etag
    reading = storage.open_stream(uri, etag=etag, chunk_bytes=1_000)
    reading.read(10)
    storage.write_bytes(uri, bytes_of(3_000, 1))
    reading.seek(2_500)
    with pytest.raises(errors.ChangedError, match=r"/a\.bin: it was changed since it was listed"):
        reading.read(10)
    with pytest.raises(errors.ChangedError):
        storage.read_bytes(uri, etag=etag)
    with pytest.raises(errors.ChangedError):
        storage.open_stream(uri, etag=etag)
    storage.remove(uri)
    with pytest.raises(errors.MissingError, match=r"/a\.bin: there is nothing of that name"):
        storage.read_bytes(uri, etag=etag)
    with pytest.raises(errors.MissingError):
        storage.open_stream(uri)


@pytest.mark.slow
def test_memory_stays_flat_over_a_stream(s3_bucket: str, moto_endpoint: str) -> None:
    """32 MB through chunks of 1 MB, in a process of its own: that takes a few chunks more than 1 MB does."""
    client = plain_client(moto_endpoint)
    client.put_object(Bucket=s3_bucket[5:], Key="small", Body=bytes(2**20))
    client.put_object(Bucket=s3_bucket[5:], Key="large", Body=bytes(2**25))
    program = (
        "import resource, sys\n"
        "from lstm_core import storage\n"
        "total = 0\n"
        "for name in ('small', 'large'):\n"
        "    with storage.open_stream(sys.argv[1] + '/' + name, chunk_bytes=2**20) as file:\n"
        "        while piece := file.read(100_000):\n"
        "            total += len(piece)\n"
        "    print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, s3_bucket], capture_output=True, text=True, check=True)
    (small, before), (both, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (small, both) == (2**20, 2**20 + 2**25)
    assert (after - before) / 1024 < 12


def test_of_eight_who_create_one_makes_it(s3_bucket: str, tmp_path: Path) -> None:
    for folder in (s3_bucket, str(tmp_path / "new")):
        uri = f"{folder}/lease"
        start = threading.Barrier(8)

        def create(number: int, uri: str = uri, start: threading.Barrier = start) -> bool:
            start.wait()
            return storage.create_bytes(uri, b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(create, range(8)))
        assert sum(made) == 1
        assert storage.read_bytes(uri) == b"%d" % made.index(True)


def test_of_eight_who_replace_one_does(s3_bucket: str, tmp_path: Path) -> None:
    for folder in (s3_bucket, str(tmp_path)):
        uri = f"{folder}/lease"
        storage.write_bytes(uri, b"first")
        before = storage.read_version(uri)
        assert before.data == b"first" and 0 <= before.age_s < 5
        replace = partial(storage.replace_bytes, uri, etag=before.etag)
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(replace, [b"%d" % number for number in range(8)]))
        assert sum(done) == 1
        assert storage.read_bytes(uri) == b"%d" % done.index(True)
        assert storage.replace_bytes(uri, b"next", etag=storage.read_version(uri).etag)
        storage.remove(uri)
    assert not storage.replace_bytes(f"{s3_bucket}/lease", b"", etag='"0"')


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
def test_throttling_that_does_not_end_is_told_with_its_time(faulty: Faulty, s3_bucket: str) -> None:
    _, store = faulty(lambda number, method, path: "503 SlowDown", IMPATIENT)
    began_s = time.monotonic()
    with pytest.raises(errors.ThrottledError, match=r"/a\.bin: the store asks .*\(503 SlowDown\).* attempts in \d"):
        store.write(f"{s3_bucket}/a.bin", b"x")
    assert 1 < time.monotonic() - began_s < 15


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "stall", "lost", "500 InternalError", "400 RequestTimeout"])
def test_what_breaks_once_is_made_good(faulty: Faulty, s3_bucket: str, fault: str) -> None:
    uri, data = f"{s3_bucket}/a.bin", bytes_of(3_000_000)
    storage.write_bytes(uri, data)
    proxy, store = faulty(lambda number, method, path: fault if number == 0 else "")
    assert store.read(uri) == data
    asked = [headers.get("Range") for _, _, headers in proxy.requests]
    if fault in ("cut", "stall"):  # half of it came, which is kept in whole megabytes at least
        assert asked[0] is None and 2**20 <= int(asked[1].removeprefix("bytes=").removesuffix("-")) <= 1_500_000
        assert proxy.requests[1][2]["If-Match"] == f'"{hashlib.md5(data).hexdigest()}"'
    else:
        assert asked == [None, None] and "If-Match" not in proxy.requests[1][2]
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
    """The second attempt meets the object of the first, and must not say that somebody else made it."""
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
def test_errors_are_told_at_once_and_without_secrets(
    faulty: Faulty, s3_bucket: str, answer: str, kind: type[Exception], text: str
) -> None:
    proxy, store = faulty(lambda number, method, path: answer)
    with pytest.raises(kind, match=text) as caught:
        store.read(f"{s3_bucket}/a.bin")
    assert len(proxy.requests) == 1
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_a_server_that_speaks_no_s3_is_told(faulty: Faulty, s3_bucket: str) -> None:
    _, store = faulty(lambda number, method, path: "page", IMPATIENT)
    with pytest.raises(errors.UnreachableError, match="what answers there is no S3 store"):
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
def test_an_address_where_nobody_is_fails_in_seconds(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_uris_and_credentials_that_are_none(s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.StorageError, match="holds no user, password or port") as caught:
        storage.read_bytes("s3://key:hidden@bucket/a")
    assert "hidden" not in str(caught.value)
    with pytest.raises(errors.StorageError, match="names no bucket"):
        storage.list_files("s3:///a")
    with pytest.raises(errors.StorageError, match="is a bucket, and an object is wanted"):
        storage.write_bytes(s3_bucket, b"")
    with pytest.raises(errors.BucketError, match="there is no bucket no-such-bucket-here"):
        storage.list_files("s3://no-such-bucket-here/a")
    for name in settings_of(""):
        if name not in ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED", "NO_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(errors.CredentialsError, match="there are no credentials"):
        storage.read_bytes(f"{s3_bucket}/a")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(errors.CredentialsError, match=r"nobody.*Check AWS_PROFILE"):
        storage.read_bytes(f"{s3_bucket}/a")


def test_credentials_endpoint_and_region_of_a_profile(
    s3_bucket: str,
    moto_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config").write_text(f"[profile mine]\nregion = eu-central-1\nendpoint_url = {moto_endpoint}\n")
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = AKIDMINE\naws_secret_access_key = s\n")
    storage.write_bytes(f"{s3_bucket}/a", b"x")
    for name in settings_of(""):
        if name != "NO_PROXY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert storage.read_bytes(f"{s3_bucket}/a") == b"x"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    proxy = FaultyProxy(moto_endpoint, lambda number, method, path: "")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    with proxy:
        assert storage.read_bytes(f"{s3_bucket}/a") == b"x"
    signed = proxy.requests[0][2]["Authorization"]
    assert "Credential=AKIDMINE/" in signed and "/eu-west-3/s3/" in signed


def test_threads_share_a_store(s3_bucket: str) -> None:
    def there_and_back(number: int) -> bool:
        uri, data = f"{s3_bucket}/{number}", bytes_of(10_000 + number, number)
        storage.write_bytes(uri, data)
        return storage.read_bytes(uri) == data

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(there_and_back, range(48)))
