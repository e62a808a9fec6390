"""What the driver holds of a corpus: few bytes per file, hashes and signatures that come back as they went in."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lstm_core import storage
from lstm_core.blocks.assembly import SplitSettings, plan_blocks
from lstm_core.blocks.corpus import Corpus, file_hash, list_corpus
from lstm_core.blocks.duplicates import SIGNATURE_SIZE, group_duplicates
from lstm_core.blocks.part_rows import (
    PartRows,
    hashes_of,
    hexadecimal,
    keys_of,
    manifest_keys,
    missing_files,
    places_in,
)
from lstm_core.blocks.parts import ROWS_SCHEMA
from lstm_core.blocks.signatures import SignatureFile, Signatures
from lstm_core.storage import StoredFile

NUM_FILES, FILES_A_PART = 20_000, 500


def pages(num_files: int) -> Iterator[list[StoredFile]]:
    for first in range(0, num_files, 1000):
        yield [
            StoredFile(path=f"style{n % 20:02}/album/{n:07}.mp3", size_bytes=n, etag=f"{n:032x}")
            for n in range(first, first + 1000)
        ]


def rows_of(corpus: Corpus, first: int, count: int) -> pa.Table:
    """The small rows of pieces that have nothing in common."""
    random = np.random.default_rng(first)
    files = corpus.manifest.slice(first, count).to_pylist()
    rows = [
        {
            "file_key": file["file_key"],
            "row": n,
            "piece_id": f"{file_hash(file['path'])}00000000",
            "index_in_file": 0,
            "content_hash": random.bytes(16).hex(),
            "row_hash": random.bytes(16).hex(),
            "num_events": 1000,
            "event_bytes": 5000,
            "duration_s": 100.0,
            "key": "C major",
            "tempo_bpm": 100.0,
            "meter": "4/4",
            "signature": random.bytes(4 * SIGNATURE_SIZE),
            "audio_signature": random.bytes(4 * SIGNATURE_SIZE),
            "codec": "mp3",
        }
        for n, file in enumerate(files)
    ]
    return pa.Table.from_pylist(rows, schema=ROWS_SCHEMA)


@pytest.mark.slow
def test_a_driver_holds_few_bytes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 h a million files: 150 bytes each in the manifest and in the rows, and 500 while blocks are planned."""
    sizes = [1_000, 2 * NUM_FILES, NUM_FILES]  # the first to have everything imported
    listings = [pages(size) for size in sizes]
    monkeypatch.setattr(storage, "list_pages", lambda uri, on_denied: listings.pop(0))
    list_corpus("s3://bucket/corpus")
    peaks = []
    for _ in range(2):
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        corpus = list_corpus("s3://bucket/corpus")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        manifest_bytes = pa.total_allocated_bytes() - before
    assert peaks[0] - peaks[1] < 20 * NUM_FILES and peaks[1] < 3_000_000
    parts = PartRows()
    for number, first in enumerate(range(0, NUM_FILES, FILES_A_PART)):
        parts.add(f"{number:024x}", rows_of(corpus, first, FILES_A_PART))
    held = parts.table.nbytes
    assert manifest_bytes < 160 * NUM_FILES and held < 160 * NUM_FILES
    tracemalloc.start()
    assert len(missing_files(corpus.manifest, parts)) == 0
    before = pa.total_allocated_bytes()
    plan = plan_blocks(corpus, parts, str(tmp_path), SplitSettings(), block_bytes=10**7)
    assert tracemalloc.get_traced_memory()[1] < 300 * NUM_FILES
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 280 * NUM_FILES
    assert plan.num_groups == len(plan.pieces) == NUM_FILES and len(plan.blocks) >= 8


def test_signatures_come_back_from_the_file_in_any_order() -> None:
    random = np.random.default_rng(0)
    all_of_them = random.integers(0, 2**32, (20_000, SIGNATURE_SIZE), dtype=np.uint32)
    file = SignatureFile()
    assert [file.append(part.tobytes()) for part in np.split(all_of_them, [3, 9_000])] == [0, 3, 9_000]
    places = random.permutation(20_000)[:5_000]
    some = Signatures(file, places)
    found = np.zeros((5_000, SIGNATURE_SIZE), dtype=np.uint32)
    for numbers, rows in some.windows():
        found[numbers] = rows
    np.testing.assert_array_equal(found, all_of_them[places])
    np.testing.assert_array_equal(some[17], all_of_them[places[17]])
    assert (group_duplicates(some, lambda number: all_of_them[number], 0.5) == np.arange(5_000)).all()


def test_keys_are_found_among_others() -> None:
    """Also those that end in zeros, which texts of NumPy lose."""
    raw = [bytes(16), b"\1" + bytes(15), b"a" * 16, bytes(15) + b"\1", b"z" * 15 + b"\0"]
    keys = keys_of(pa.chunked_array([pa.array(raw[:2], pa.binary(16)), pa.array(raw[2:], pa.binary(16))]))
    assert keys_of(pa.chunked_array([hashes_of(keys)])).tolist() == keys.tolist()
    assert hexadecimal(keys) == [key.hex() for key in raw]
    ordered = np.sort(keys)
    places = places_in(ordered, np.array([*raw, b"b" * 16], dtype="S16"))
    assert places[-1] == -1 and (ordered[places[:-1]] == keys).all() and len(set(places.tolist())) == 6
    assert places_in(ordered[:0], keys).tolist() == [-1] * 5
    manifest = pa.table({"file_key": [key.hex() for key in raw]})
    assert manifest_keys(manifest).tolist() == keys.tolist()
