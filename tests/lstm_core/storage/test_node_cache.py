"""The copies that a machine keeps of blocks in a store: fetched once, whole, whoever asks."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstm_core import storage
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
