"""S3 storage against a moto server in its own process, over real sockets; how it meets failures: test_s3_faults."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lstm_core import storage
from lstm_core.foundation import errors
from lstm_core.storage.s3 import S3Store
from tests.lstm_core.storage.conftest import Faulty, bytes_of
from tests.s3_servers import FaultyProxy, plain_client, settings_of


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
    with pytest.raises(errors.StorageError, match=r"000\.mid is a file, and a folder is expected"):
        storage.list_files(f"{s3_bucket}/c/000.mid")


def test_what_exists(s3_bucket: str) -> None:
    storage.write_bytes(f"{s3_bucket}/a/b.bin", b"")
    assert storage.exists(f"{s3_bucket}/a/b.bin") and storage.exists(f"{s3_bucket}/a") and storage.exists(s3_bucket)
    assert not storage.exists(f"{s3_bucket}/a/b") and not storage.exists(f"{s3_bucket}/a/b.bin/c")
    assert storage.read_bytes(f"{s3_bucket}/a/b.bin") == b""
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
    requested = [headers["Range"] for method, _, headers in proxy.requests if method == "GET"]
    assert requested == ["bytes=0-999", "bytes=1000-1999", "bytes=2000-2999", "bytes=3000-3999"]
    conditions = [headers.get("If-Match") for method, _, headers in proxy.requests if method == "GET"]
    assert conditions == [None] + [f'"{hashlib.md5(data).hexdigest()}"'] * 3


def test_a_changed_and_a_vanished_object_raise_different_errors(s3_bucket: str) -> None:
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
    """32 MB through chunks of 1 MB, in a separate process: that takes a few chunks more than 1 MB does."""
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


def test_uris_and_credentials_that_are_none(s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.StorageError, match="holds no user, password or port") as caught:
        storage.read_bytes("s3://key:hidden@bucket/a")
    assert "hidden" not in str(caught.value)
    with pytest.raises(errors.StorageError, match="names no bucket"):
        storage.list_files("s3:///a")
    with pytest.raises(errors.StorageError, match="is a bucket, and an object is expected"):
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
