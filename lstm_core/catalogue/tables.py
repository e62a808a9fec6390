"""The catalogue as Parquet: a typed row for each track and for each failure, equal bytes for equal rows."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lstm_core.catalogue.records import TrackFailure, TrackRecord

_GATE = pa.struct([("name", pa.string()), ("is_passed", pa.bool_()), ("value", pa.float64()), ("bound", pa.string())])
_FILE = pa.struct([("name", pa.string()), ("sha256", pa.string()), ("size_bytes", pa.int64())])
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


def tracks_table(records: Sequence[TrackRecord]) -> pa.Table:
    """One row a track, in the order given, under TRACKS_SCHEMA."""
    return _table(records, TRACKS_SCHEMA)


def failures_table(failures: Sequence[TrackFailure]) -> pa.Table:
    """One row a failure, in the order given, under FAILURES_SCHEMA."""
    return _table(failures, FAILURES_SCHEMA)


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as one Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=50_000)
    return buffer.getvalue()


def _table(rows: Sequence[TrackRecord] | Sequence[TrackFailure], schema: pa.Schema) -> pa.Table:
    columns = {name: [_cell(name, getattr(row, name)) for row in rows] for name in schema.names}
    return pa.table(columns, schema=schema)


def _cell(name: str, value: Any) -> Any:
    if name == "order":
        return json.dumps(value, sort_keys=True)
    if name in ("gates", "files"):
        return [vars(entry) for entry in value]
    if name in ("checkpoint", "soundfont"):
        return {key: _texts(inner) if key == "licences" else str(inner) for key, inner in value.items()}
    return value


def _texts(licences: Any) -> list[str]:
    """Licences as a list of text, however a corpus told them: one, several, or one for each source."""
    if isinstance(licences, dict):
        return [f"{source}: {licence}" for source, licence in sorted(licences.items())]
    return [str(licence) for licence in licences] if isinstance(licences, list) else [str(licences)]
