"""Parts: the result of the first stage of `prepare` for a run of files; a file that is in one is not read again.

    PARTS/NAME.arrow        the pieces of the files: `part_schema`, uncompressed
    PARTS/NAME.rows.arrow   one small row per piece or reject: ROWS_SCHEMA; written last, it commits the part

The blocks are put together from parts afterwards (assembly.py), so how files are split into parts does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any, Protocol

import pyarrow as pa

from lstm_core import storage
from lstm_core.blocks.corpus import file_hash
from lstm_core.blocks.duplicates import SIGNATURE_SIZE, shingles, signature
from lstm_core.blocks.feature_blocks import arrow_bytes
from lstm_core.blocks.piece_fields import MEASURES, PIECE_FIELDS, events_field
from lstm_core.foundation.errors import ScoreError, StorageError
from lstm_core.notes.describe import BarDescription, Description, describe
from lstm_core.notes.score import Score
from lstm_core.representations.note_events import encode_score
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import Representation

PARTS_VERSION = 4  # of what these functions compute: raise it when the same file would give other rows
_FROM_MANIFEST = ("style", "licence")  # they may change while the file does not


def part_schema(representations: Iterable[Representation]) -> pa.Schema:
    """The columns of a part whose pieces are encoded in some representations."""
    return pa.schema(
        [
            *(field for field in PIECE_FIELDS if field.name not in _FROM_MANIFEST),
            events_field(representation.name for representation in representations),
            pa.field("shingles", pa.list_(pa.uint32())),
            pa.field("audio_shingles", pa.list_(pa.uint32())),  # of a recording's fingerprint; null of scores
        ]
    )


_FIELD_TYPES = {field.name: field.type for field in PIECE_FIELDS}
ROWS_SCHEMA = pa.schema(
    [
        ("file_key", pa.string()),
        ("stage", pa.string()),  # of a reject: size, fetch, parse, decode, quality, transcribe, encode; null of a piece
        ("reason", pa.string()),
        ("row", pa.int32()),  # of the piece in the part
        ("piece_id", pa.string()),
        ("index_in_file", pa.int32()),
        ("content_hash", pa.string()),
        ("row_hash", pa.string()),  # of all that the part holds of the piece
        ("event_bytes", pa.int32()),  # of the events in all representations
        ("duration_s", pa.float64()),
        ("key", pa.string()),
        ("tempo_bpm", pa.float32()),
        ("meter", pa.string()),
        ("signature", pa.binary(4 * SIGNATURE_SIZE)),
        ("audio_signature", pa.binary(4 * SIGNATURE_SIZE)),  # of recordings
        ("tag_licence", pa.string()),  # from the tags of a recording; null where they name none
        *(pa.field(name, _FIELD_TYPES[name]) for name in MEASURES),  # null of scores
    ]
)
PIECES_SUFFIX, ROWS_SUFFIX = ".arrow", ".rows.arrow"
_DESCRIBED = tuple(f.name for f in fields(Description) if f.name != "bars")
_BARS_DESCRIBED = tuple(f.name for f in fields(BarDescription))
FETCH_THREADS = 8  # requests under way to a remote store; local files are read one after another


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What one file may cost; more, and it is rejected."""

    max_file_bytes: int = 32_000_000
    timeout_s: float = 60.0  # of processor time, for a score in notation
    midi_timeout_s: float = 10.0
    memory_bytes: int = 2_000_000_000

    def __post_init__(self) -> None:
        for name in ("max_file_bytes", "timeout_s", "midi_timeout_s", "memory_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"limits.{name} is {getattr(self, name)}, it must be more than 0")


@dataclass(frozen=True, kw_only=True)
class FetchedFile:
    """One file of the manifest, fetched or not."""

    path: str
    file_key: str
    data: bytes = b""
    stage: str = ""  # where it failed: size or fetch
    reason: str = ""  # why there are no data; empty when there are


@dataclass(frozen=True, kw_only=True)
class PartSummary:
    num_files: int
    num_pieces: int
    duration_s: float  # of the pieces
    reject_stages: tuple[str, ...]  # one for each file or piece that was rejected

    @property
    def num_rejects(self) -> int:
        """Files and pieces that were rejected."""
        return len(self.reject_stages)


class Reader(Protocol):
    """What turns files into scores; reading.IsolatedReader in a job."""

    def read_many(self, files: Iterable[tuple[bytes, str]]) -> Iterator[list[Score] | ScoreError]: ...


def make_part(
    corpus_uri: str,
    files: pa.Table,
    folder_uri: str,
    reader: Reader,
    limits: ReadLimits,
    representations: Sequence[Representation] = (NOTES,),
) -> PartSummary:
    """Reads, describes and encodes the scores in some rows of a manifest, and stores them as one part of a folder."""
    pieces, rows = part_tables(fetch(corpus_uri, files, limits.max_file_bytes), reader, representations)
    return store_part(files, folder_uri, pieces, rows)


def store_part(files: pa.Table, folder_uri: str, pieces: pa.Table, rows: pa.Table) -> PartSummary:
    """Stores the pieces and rows that some rows of a manifest became as one part of a folder, the rows last."""
    name = hashlib.sha256("\n".join(files["file_key"].to_pylist()).encode()).hexdigest()[:24]
    data = arrow_bytes(pieces)
    rows = rows.replace_schema_metadata({"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": str(len(data))})
    storage.write_bytes(storage.join(folder_uri, name + PIECES_SUFFIX), data)
    storage.write_bytes(storage.join(folder_uri, name + ROWS_SUFFIX), arrow_bytes(rows))
    return PartSummary(
        num_files=len(files),
        num_pieces=len(pieces),
        duration_s=sum(rows["duration_s"].drop_null().to_pylist()),
        reject_stages=tuple(rows["stage"].drop_null().to_pylist()),
    )


def part_tables(
    files: Iterable[FetchedFile], reader: Reader, representations: Sequence[Representation] = (NOTES,)
) -> tuple[pa.Table, pa.Table]:
    """The pieces (`part_schema`) and rows (ROWS_SCHEMA) of fetched files."""
    pieces: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for file, result in _read(files, reader):
        if isinstance(result, ScoreError):
            rows.append({"file_key": file.file_key, "stage": file.stage or "parse", "reason": str(result)})
            continue
        for index, score in enumerate(result):
            piece, row = encode_piece(file.path, file.file_key, index, score, {"source": "score"}, representations)
            add_piece(pieces, rows, piece, row)
    return table_of(pieces, part_schema(representations)), table_of(rows, ROWS_SCHEMA)


def add_piece(
    pieces: list[dict[str, Any]], rows: list[dict[str, Any]], piece: dict[str, Any] | None, row: dict[str, Any]
) -> None:
    """Appends what `encode_piece` gave."""
    if piece is not None:
        row["row"] = len(pieces)
        pieces.append(piece)
    rows.append(row)


def fetch(corpus_uri: str, files: pa.Table, max_file_bytes: int) -> Iterator[FetchedFile]:
    """The files of some rows of a manifest, in order; what cannot be fetched comes with its reason."""
    rows = files.select(["path", "file_key", "size_bytes", "etag"]).to_pylist()
    if storage.local_path(corpus_uri) is not None:
        for row in rows:
            yield _fetch_one(corpus_uri, row, max_file_bytes)
        return
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        under_way: deque[Future[FetchedFile]] = deque()
        for row in rows:
            under_way.append(pool.submit(_fetch_one, corpus_uri, row, max_file_bytes))
            if len(under_way) > FETCH_THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _fetch_one(corpus_uri: str, row: dict[str, Any], max_file_bytes: int) -> FetchedFile:
    path, file_key = row["path"], row["file_key"]
    if row["size_bytes"] > max_file_bytes:
        reason = f"the file has {row['size_bytes']:,} bytes; the limit is {max_file_bytes:,}"
        return FetchedFile(path=path, file_key=file_key, stage="size", reason=reason)
    try:
        data = storage.read_bytes(storage.join(corpus_uri, path), etag=row["etag"])
        return FetchedFile(path=path, file_key=file_key, data=data)
    except StorageError as error:
        return FetchedFile(path=path, file_key=file_key, stage="fetch", reason=str(error))


def _read(files: Iterable[FetchedFile], reader: Reader) -> Iterator[tuple[FetchedFile, list[Score] | ScoreError]]:
    """Each file with the reader's result, or the reason why it never reached the reader; in order."""
    waiting: deque[FetchedFile] = deque()

    def readable() -> Iterator[tuple[bytes, str]]:
        for file in files:
            waiting.append(file)
            if not file.reason:
                yield file.data, PurePosixPath(file.path).suffix

    for result in reader.read_many(readable()):
        while waiting[0].reason:
            yield waiting[0], ScoreError(waiting.popleft().reason)
        yield waiting.popleft(), result
    for file in waiting:
        yield file, ScoreError(file.reason)


def encode_piece(
    path: str,
    file_key: str,
    index: int,
    score: Score,
    measures: dict[str, Any],
    representations: Sequence[Representation] = (NOTES,),
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """A piece's row of the part, None when it is rejected, and its small row.

    `measures` are the columns that depend on the source: at least `source` itself. The hash of the content is of the
    notes whatever the representations are, so that duplicates and splits stay when one is added.
    """
    row: dict[str, Any] = {"file_key": file_key, "index_in_file": index}
    spelt = {representation.name: representation.encode(score) for representation in representations}
    events = {name: found for name, found in spelt.items() if found is not None}
    if not events:
        return None, {**row, "stage": "encode", "reason": _why_not(index, representations)}
    description = describe(score)
    meters = [{"tick": m.tick, "numerator": m.numerator, "denominator": m.denominator} for m in score.meters]
    notes = events[NOTES.name] if NOTES.name in events else encode_score(score)
    content = hashlib.blake2b(notes.tobytes() + json.dumps(meters).encode(), digest_size=16).hexdigest()
    shingle_set = shingles(score.notes)
    piece: dict[str, Any] = {
        "piece_id": f"{file_hash(path)}{index:08x}",
        "uri": path,
        "index_in_file": index,
        "title": score.title,
        "content_hash": content,
        "meters": meters,
        "tempos": [{"tick": tempo.tick, "bpm": tempo.bpm} for tempo in score.tempos],
        **{name: getattr(description, name) for name in _DESCRIBED},
        **{f"bar_{name}": getattr(description.bars, name) for name in _BARS_DESCRIBED},
        "tags": json.dumps(score.tags, sort_keys=True, ensure_ascii=False),
        "events": {name: found.tobytes() for name, found in events.items()},
        "shingles": shingle_set,
        **measures,
    }
    described = json.dumps(
        [piece[name] for name in ("piece_id", "meters", "tempos", "title", "tags", *measures)]
    ).encode()
    row["event_bytes"] = sum(found.nbytes for found in events.values())
    for name in ("piece_id", "content_hash", "duration_s", "tempo_bpm", "meter"):
        row[name] = piece[name]
    row["row_hash"] = hashlib.blake2b(score.notes.tobytes() + described, digest_size=16).hexdigest()
    row["key"] = description.key
    row["signature"] = signature(shingle_set).tobytes()
    return piece, row


def _why_not(index: int, representations: Sequence[Representation]) -> str:
    if [representation.name for representation in representations] == [NOTES.name]:
        return f"piece {index} holds no note that an event can spell"
    return (
        f"piece {index} can be spelt in none of {', '.join(representation.name for representation in representations)}"
    )


def table_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table; what a row does not hold is null."""
    columns = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
