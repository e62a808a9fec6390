"""The copies that a machine keeps of files from a store: fetched once, whole, for all processes, and not too many."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.foundation.errors import StorageError
from lstm_core.storage import node_cache
from tests.s3_servers import FaultyProxy


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TONEMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_many_who_want_a_block_at_once_fetch_it_once(
    s3_bucket: str, moto_endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 400
    sha256, uri = hashlib.sha256(data).hexdigest(), f"{s3_bucket}/blocks/b0.arrow"
    storage.write_bytes(uri, data)
    with FaultyProxy(moto_endpoint, lambda number, method, path: "") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with ThreadPoolExecutor(6) as pool:
            copies = list(pool.map(lambda _: storage.local_copy(uri, sha256), range(6)))
        fetched = sum(method == "GET" for method, _, _ in proxy.requests)
        assert set(copies) == {cache / sha256} and copies[0].read_bytes() == data
        assert fetched == 1 and storage.local_copy(uri, sha256) == copies[0]
        assert sum(method == "GET" for method, _, _ in proxy.requests) == 1


def test_a_copy_that_was_altered_is_fetched_again(s3_bucket: str, cache: Path) -> None:
    sha256, uri = hashlib.sha256(b"notes").hexdigest(), f"{s3_bucket}/b0.arrow"
    storage.write_bytes(uri, b"notes")
    cache.mkdir()
    (cache / sha256).write_bytes(b"note")
    assert storage.local_copy(uri, sha256).read_bytes() == b"notes"


def test_a_file_that_is_another_one_is_refused(s3_bucket: str, cache: Path) -> None:
    uri = f"{s3_bucket}/b0.arrow"
    storage.write_bytes(uri, b"others")
    wanted, found = hashlib.sha256(b"notes").hexdigest(), hashlib.sha256(b"others").hexdigest()
    with pytest.raises(
        storage.ChangedError, match=rf"b0\.arrow is not the expected file: its sha256 is {found}, and not {wanted}"
    ):
        storage.local_copy(uri, wanted)
    assert not (cache / wanted).exists() and not list(cache.glob(".tonemill-*"))


REQUEST = """
import sys
from lstm_core.storage import node_cache
data = sys.argv[2].encode()
print(node_cache.kept_copy(sys.argv[1], lambda path: path.write_bytes(data), source="a test", size_bytes=len(data)))
"""


def requesting(data: bytes, then: str = "") -> list[str]:
    """The command of a process that requests a copy of some bytes, and then runs `then`."""
    return [sys.executable, "-c", REQUEST + then, hashlib.sha256(data).hexdigest(), data.decode()]


def put(data: bytes) -> Path:
    """A copy in the cache, requested by a process that has ended."""
    return Path(subprocess.run(requesting(data), capture_output=True, text=True, check=True).stdout.strip())


def copy_of(data: bytes) -> Path:
    """A copy that this process has requested."""
    sha256 = hashlib.sha256(data).hexdigest()
    return node_cache.kept_copy(sha256, lambda path: path.write_bytes(data), source="a test", size_bytes=len(data))


def age(copy: Path, days: float) -> None:
    """Lets a copy have been used days ago."""
    past_s = time.time() - 86_400 * days
    os.utime(copy, (past_s, past_s))


def test_the_least_recently_used_are_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONEMILL_CACHE_GB", str(250e-9))  # 250 bytes
    old, older, oldest = (put(letter * 80) for letter in (b"a", b"b", b"c"))
    for days, copy in enumerate((old, older, oldest), 1):
        age(copy, days)
    assert put(b"c" * 80) == oldest  # used again now
    newest = put(b"d" * 80)
    assert sorted(path for path in cache.iterdir() if path.is_file() and path.name != "used") == sorted(
        [old, oldest, newest]
    )
    put(b"e" * 200)
    assert [path.exists() for path in (old, oldest, newest)] == [False, False, False]


def test_what_a_living_process_requested_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONEMILL_CACHE_GB", str(100e-9))
    command = requesting(b"z" * 80, then="sys.stdout.flush(); input()")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        age(theirs, 9)
        mine = copy_of(b"m" * 80)
        age(mine, 8)
        later = put(b"l" * 80)
        # Over the bound, since none may go: not theirs, not ours, and not the one that was just fetched.
        assert [path.exists() for path in (theirs, mine, later)] == [True, True, True]
        other.stdin.write("\n")
        other.stdin.close()
        other.wait(10)
    put(b"n" * 80)
    assert [path.exists() for path in (theirs, mine, later)] == [False, True, False]


def test_what_a_killed_process_left_half_fetched_goes(cache: Path) -> None:
    cache.mkdir()
    abandoned, recent = cache / ".tonemill-1", cache / ".tonemill-2"
    for path in (abandoned, recent):
        path.write_bytes(b"half")
    age(abandoned, 2)
    copy_of(b"whole")
    assert (abandoned.exists(), recent.exists()) == (False, True)


def test_a_download_is_kept_until_there_is_another_version(cache: Path) -> None:
    fetched: list[bytes] = []

    def fetch(data: bytes) -> Callable[[Path], object]:
        return lambda path: (fetched.append(data), path.write_bytes(data))

    first, sha256 = node_cache.kept_download("s3://b/font", "v1", fetch(b"one"))
    assert (first.read_bytes(), sha256) == (b"one", hashlib.sha256(b"one").hexdigest())
    assert node_cache.kept_download("s3://b/font", "v1", fetch(b"one")) == (first, sha256)
    second, _ = node_cache.kept_download("s3://b/font", "v2", fetch(b"two"))
    assert second.read_bytes() == b"two" and fetched == [b"one", b"two"]
    node_cache.kept_download("s3://b/font", "", fetch(b"two"))
    assert fetched == [b"one", b"two", b"two"]  # without a version it is unknown whether it is the same


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_a_bound_that_is_none(cache: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TONEMILL_CACHE_GB", text)
    with pytest.raises(StorageError, match=f"TONEMILL_CACHE_GB is '{text}': it is a number of gigabytes"):
        copy_of(b"x")
