"""The small rows of all finished parts of a folder: what the driver knows of each piece, in about 150 bytes.

Hashes are kept as 16 bytes, and signatures in a file. All parts together are one table: one table per part would be
kilobytes for a handful of pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lstm_core import storage
from lstm_core.blocks.parts import FETCH_THREADS, PIECES_SUFFIX, ROWS_SCHEMA, ROWS_SUFFIX
from lstm_core.blocks.signatures import SignatureFile

HASHES = ("file_key", "piece_id", "content_hash", "row_hash")  # 32 hexadecimal digits in parts
SIGNATURES = ("signature", "audio_signature")
HASH_TYPE = pa.binary(16)
Keys = npt.NDArray[np.bytes_]  # [N] of 16 bytes each
_KEPT = tuple(name for name in ROWS_SCHEMA.names if name not in SIGNATURES)
_TOGETHER = 1_000  # tables that are made one at a time
_TEXTS = 16_384  # texts of a column that are made at a time


class PartRows:
    """Rows of the finished parts of a folder, in the order in which they were read.

    `table` has the columns of ROWS_SCHEMA without signatures, hashes as HASH_TYPE, and int32 `part` (an index into
    `names`), `signature_at` and `audio_signature_at` (places in `signatures`, -1 for none).
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.signatures = SignatureFile()
        self._known: set[str] = set()
        self._tables: list[pa.Table] = []

    @property
    def table(self) -> pa.Table:
        """All rows so far."""
        if len(self._tables) > 1:
            self._tables = [pa.concat_tables(self._tables).combine_chunks()]
        return self._tables[0] if self._tables else _rows_table(_empty(), 0, self.signatures)

    def has(self, name: str) -> bool:
        """Whether a part is here."""
        return name in self._known

    def add(self, name: str, rows: pa.Table) -> None:
        """Takes the rows of one part (ROWS_SCHEMA)."""
        self._tables.append(_rows_table(rows, len(self.names), self.signatures))
        self.names.append(name)
        self._known.add(name)
        if len(self._tables) > _TOGETHER:
            self._tables = [pa.concat_tables(self._tables).combine_chunks()]


def read_rows(folder_uri: str, known: PartRows | None = None) -> PartRows:
    """The small rows of all finished parts of a folder; those of `known` are not read again, and the others added.

    A part whose pieces are missing or of the wrong size counts as unfinished.
    """
    parts = known or PartRows()
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        try:
            for page in _finished(folder_uri):
                wanted = [(name, size_bytes) for name, size_bytes in page if not parts.has(name)]
                tables = pool.map(lambda part: _read_part(folder_uri, *part), wanted)
                for (name, _), rows in zip(wanted, tables, strict=True):
                    if rows is not None:
                        parts.add(name, rows)
        except storage.MissingError:
            pass
    return parts


def missing_files(manifest: pa.Table, parts: PartRows, *, retry: bool = False) -> pa.Table:
    """The rows of a manifest that are in no part; with `retry` also those whose file was rejected.

    A file that could not be fetched counts as in no part: the store or its rights may have changed.
    """
    rows = parts.table
    is_settled = pc.is_null(rows["stage"]) if retry else pc.not_equal(pc.fill_null(rows["stage"], ""), "fetch")
    done = np.unique(keys_of(rows["file_key"].filter(is_settled)))
    return manifest.filter(pa.array(places_in(done, manifest_keys(manifest)) < 0))


def keys_of(column: pa.ChunkedArray) -> Keys:
    """Values of a column of HASH_TYPE without nulls: S16 [N]."""
    array = column.combine_chunks()
    array = array if isinstance(array, pa.FixedSizeBinaryArray) else pa.concat_arrays(array.chunks)
    return np.frombuffer(array.buffers()[1], dtype="S16", count=len(array), offset=16 * array.offset)


def hashes_of(keys: Keys) -> pa.Array:
    """Keys as a column of HASH_TYPE."""
    buffer = pa.py_buffer(np.ascontiguousarray(keys).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(HASH_TYPE, len(keys), [None, buffer])


def manifest_keys(manifest: pa.Table) -> Keys:
    """The file_keys of a manifest: S16 [N]."""
    column = manifest["file_key"]
    raw = b"".join(
        bytes.fromhex("".join(column.slice(first, _TEXTS).to_pylist())) for first in range(0, len(column), _TEXTS)
    )
    return np.frombuffer(raw, dtype="S16")


def places_in(ordered: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    """Where each key stands among ascending ones, -1 where it does not: int64 [N]."""
    if len(ordered) == 0:
        return np.full(len(keys), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return np.where(ordered[places] == keys, places, -1)


def hexadecimal(keys: Keys) -> list[str]:
    """Keys as texts of 32 digits."""
    raw = np.ascontiguousarray(keys).tobytes().hex()
    return [raw[first : first + 32] for first in range(0, len(raw), 32)]


def _finished(folder_uri: str) -> Iterator[list[tuple[str, int]]]:
    """Names of parts that may be finished, with the size of their pieces, page by page.

    The pieces of a part are listed just before its rows, as their names show.
    """
    name, size_bytes = "", 0
    for page in storage.list_pages(folder_uri):
        found: list[tuple[str, int]] = []
        for file in page:
            if file.path.endswith(ROWS_SUFFIX):
                if file.path.removesuffix(ROWS_SUFFIX) == name:
                    found.append((name, size_bytes))
            elif file.path.endswith(PIECES_SUFFIX):
                name, size_bytes = file.path.removesuffix(PIECES_SUFFIX), file.size_bytes
        yield found


def _read_part(folder_uri: str, name: str, size_bytes: int) -> pa.Table | None:
    try:
        data = storage.read_bytes(storage.join(folder_uri, name + ROWS_SUFFIX))
        rows = pa.ipc.open_file(pa.py_buffer(data)).read_all()
        is_whole = rows.schema.equals(ROWS_SCHEMA) and int(rows.schema.metadata[b"size_bytes"]) == size_bytes
    except (storage.MissingError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    return rows if is_whole else None


def _rows_table(rows: pa.Table, part: int, signatures: SignatureFile) -> pa.Table:
    """The rows of one part as PartRows has them, in their own memory."""
    columns: dict[str, Any] = {}
    for name in _KEPT:
        column = rows[name].combine_chunks()
        columns[name] = _packed(column) if name in HASHES else column.take(pa.array(np.arange(len(rows))))
    columns["part"] = pa.array(np.full(len(rows), part, dtype=np.int32))
    for name in SIGNATURES:
        values = rows[name].to_pylist()
        has_one = np.array([value is not None for value in values], dtype=bool)
        first = signatures.append(b"".join(value for value in values if value is not None))
        columns[f"{name}_at"] = pa.array(np.where(has_one, first + np.cumsum(has_one) - 1, -1).astype(np.int32))
    return pa.table(columns)


def _packed(column: pa.Array) -> pa.Array:
    """Texts of 32 hexadecimal digits as 16 bytes each; nulls become zeros."""
    return hashes_of(
        np.frombuffer(bytes.fromhex("".join(text or "0" * 32 for text in column.to_pylist())), dtype="S16")
    )


def _empty() -> pa.Table:
    return ROWS_SCHEMA.empty_table()
