"""The catalogue as Parquet: a typed row for each track and for each failure, equal bytes for equal rows."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.records import (
    LISTS,
    OPTIONAL,
    CatalogueError,
    TrackFailure,
    TrackRecord,
    make_failure,
    stored_record,
)

TABLES_FOLDER = "catalog"
TRACKS_NAME, FAILURES_NAME, LISTING_NAME = "tracks.parquet", "failures.parquet", "listing.parquet"
_BELONGS_TO = b"sha256 of tracks.parquet"
_LISTING_SCHEMA = pa.schema([("track_id", pa.string()), ("etag", pa.string()), ("size_bytes", pa.int64())])

_GATE = pa.struct([("name", pa.string()), ("is_passed", pa.bool_()), ("value", pa.float64()), ("bound", pa.string())])
_FILE = pa.struct([("name", pa.string()), ("sha256", pa.string()), ("size_bytes", pa.int64())])
_FORM_CELLS: dict[str, Callable[[TrackForm], Any]] = {
    "form": lambda form: form.text,
    "energy": lambda form: form.mean_energy,
    "chords": lambda form: form.chords_text(),
    "parts": lambda form: form.num_parts,
    "form_json": lambda form: json.dumps(form.to_plain(), sort_keys=True, separators=(",", ":")),
}  # columns that are made of a record's form
_EARLIER: dict[str, Any] = {"record_version": 1} | dict.fromkeys((*_FORM_CELLS, *OPTIONAL))  # of tables without these
_TEMPO = pa.struct([("bar", pa.float64()), ("start_s", pa.float64()), ("bpm", pa.float64())])
_KEY = pa.struct([("bar", pa.int32()), ("key", pa.string())])
_METER = pa.struct([("bar", pa.int32()), ("start_s", pa.float64()), ("meter", pa.string())])
_LAYER = pa.struct(
    [
        ("name", pa.string()),
        ("parts", pa.list_(pa.string())),
        ("loudness_lufs", pa.float64()),
        ("true_peak_dbtp", pa.float64()),
    ]
)
_RECORDING = pa.struct([("file", pa.string()), ("num_notes", pa.int32()), ("confidence", pa.float64())])
_CHECKPOINT = pa.struct(
    [
        ("fingerprint", pa.string()),
        ("name", pa.string()),
        ("corpus_fingerprint", pa.string()),
        ("licences", pa.list_(pa.string())),
    ]
)

TRACKS_SCHEMA = pa.schema(
    [
        ("track_id", pa.string()),
        ("name", pa.string()),
        ("style", pa.string()),
        ("duration_s", pa.float64()),
        ("num_samples", pa.int64()),
        ("sample_rate", pa.int32()),
        ("bit_depth", pa.int16()),
        ("format", pa.string()),
        ("loudness_lufs", pa.float64()),
        ("true_peak_dbtp", pa.float64()),
        ("loop", pa.bool_()),
        ("bpm", pa.float64()),
        ("key", pa.string()),
        ("meter", pa.string()),
        ("num_bars", pa.int32()),
        ("instruments", pa.list_(pa.string())),
        ("seed", pa.uint64()),
        ("attempt", pa.int16()),
        ("gates", pa.list_(_GATE)),
        ("order", pa.string()),  # JSON: its columns are the orderer's own
        ("checkpoint", _CHECKPOINT),
        ("soundfont", pa.struct([("name", pa.string()), ("sha256", pa.string())])),
        ("arithmetic", pa.string()),
        ("score_fingerprint", pa.string()),
        ("files", pa.list_(_FILE)),
        ("format_version", pa.int16()),
        ("record_version", pa.int16()),
        ("loop_start_bar", pa.int32()),  # this and the two following are null but for loops after an intro
        ("loop_start_sample", pa.int64()),
        ("loop_end_sample", pa.int64()),
        ("form", pa.string()),  # "A8 A'8 B8 A8"; this and the following are null where a track was made without a plan
        ("energy", pa.float64()),  # in the mean, 0 to 1
        ("chords", pa.string()),  # of the first bars: "Am | F C/E | G"
        ("parts", pa.int16()),  # that play
        ("form_json", pa.string()),  # JSON: the whole form, as in track.json
        ("longest_shared_run", pa.int32()),  # this and the two following are null where training pieces are unknown
        ("nearest_piece", pa.string()),
        ("nearest_similarity", pa.float64()),
        ("notes_signature", pa.string()),
        ("tempos", pa.list_(_TEMPO)),  # null where there is one, bpm
        ("keys", pa.list_(_KEY)),  # null where there is one, key
        ("meters", pa.list_(_METER)),  # null where there is one, meter
        ("layers", pa.list_(_LAYER)),  # null where none were ordered
        ("recording", _RECORDING),  # null where the melody was not found in one
        ("versions", pa.string()),  # JSON: of libraries, by name; null in rows from before they were kept
    ]
)

FAILURES_SCHEMA = pa.schema(
    [
        ("track_id", pa.string()),
        ("name", pa.string()),
        ("style", pa.string()),
        ("reason", pa.string()),
        ("num_attempts", pa.int16()),
        ("seed", pa.uint64()),
        ("gates", pa.list_(_GATE)),
        ("order", pa.string()),  # JSON
    ]
)


class Stamp(NamedTuple):
    """The stamp of a stored record, which shows whether it is still the one that was read."""

    etag: str
    size_bytes: int


def tracks_table(records: Sequence[TrackRecord]) -> pa.Table:
    """One row per track, in the order given, under TRACKS_SCHEMA."""
    return _table(records, TRACKS_SCHEMA)


def failures_table(failures: Sequence[TrackFailure]) -> pa.Table:
    """One row per failure, in the order given, under FAILURES_SCHEMA."""
    return _table(failures, FAILURES_SCHEMA)


def records_of(tracks: pa.Table) -> list[TrackRecord]:
    """The records of a table of tracks, without what has no column: `extra`, and most of the checkpoint's facts."""
    return [
        stored_record(
            {
                **row,
                "order": json.loads(row["order"]),
                "form": row["form_json"] and json.loads(row["form_json"]),
                "versions": row["versions"] and json.loads(row["versions"]),
            }
        )
        for row in tracks.to_pylist()
    ]


def failures_of(failures: pa.Table) -> list[TrackFailure]:
    """The failures of their table."""
    return [make_failure({**row, "order": json.loads(row["order"])}) for row in failures.to_pylist()]


def read_table(data: bytes, schema: pa.Schema, *, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of these columns, or of some of them, from a Parquet file; one written before lacks some.

    Raises:
        CatalogueError: it is no such file; the message is the reason alone.
    """
    wanted = pa.schema([schema.field(name) for name in columns or schema.names], metadata=schema.metadata)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        there = set(file.schema_arrow.names)
        table = file.read(columns=[name for name in wanted.names if name in there])
        for name in (name for name in wanted.names if name in _EARLIER and name not in there):
            table = table.append_column(name, pa.array([_EARLIER[name]] * table.num_rows, schema.field(name).type))
        return table.select(wanted.names).cast(wanted.with_metadata(file.schema_arrow.metadata))
    except (pa.ArrowException, KeyError, OSError) as error:
        raise CatalogueError(str(error).partition("\n")[0]) from error


def listing_bytes(stamps: Mapping[str, Stamp], tracks_table: bytes) -> bytes:
    """The file that says which records the rows of a table of tracks were made from."""
    rows = [{"track_id": track_id, **stamp._asdict()} for track_id, stamp in sorted(stamps.items())]
    schema = _LISTING_SCHEMA.with_metadata({_BELONGS_TO: hashlib.sha256(tracks_table).hexdigest()})
    return parquet_bytes(pa.Table.from_pylist(rows, schema=schema))


def read_listing(data: bytes, tracks_table: bytes) -> dict[str, Stamp]:
    """The stamps that `listing_bytes` wrote, by track_id; none where it wrote them for another table of tracks."""
    listing = read_table(data, _LISTING_SCHEMA)
    if (listing.schema.metadata or {}).get(_BELONGS_TO) != hashlib.sha256(tracks_table).hexdigest().encode():
        return {}
    return {row["track_id"]: Stamp(row["etag"], row["size_bytes"]) for row in listing.to_pylist()}


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as one Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=50_000)
    return buffer.getvalue()


def _table(rows: Sequence[TrackRecord] | Sequence[TrackFailure], schema: pa.Schema) -> pa.Table:
    columns = {name: [_cell(name, row) for row in rows] for name in schema.names}
    return pa.table(columns, schema=schema)


def _cell(name: str, row: TrackRecord | TrackFailure) -> Any:
    if name in _FORM_CELLS and isinstance(row, TrackRecord):
        return None if row.form is None else _FORM_CELLS[name](row.form)
    value = getattr(row, name)
    if name in ("order", "versions"):
        return None if value is None else json.dumps(value, sort_keys=True)
    if name in ("gates", "files", *LISTS):
        return value and [vars(entry) for entry in value]
    if name == "recording":
        return value and vars(value)
    if name in ("checkpoint", "soundfont"):
        return {key: texts(inner) if key == "licences" else str(inner) for key, inner in value.items()}
    return value


def texts(licences: Any) -> list[str]:
    """Licences as a list of text, however a corpus gave them: one, several, or one for each source."""
    if isinstance(licences, dict):
        return [f"{source}: {licence}" for source, licence in sorted(licences.items())]
    return [str(licence) for licence in licences] if isinstance(licences, list) else [str(licences)]
