"""The nights of a catalogue: what schedules made, a partition for each date, and tables and a page over all of them.

nights/<schedule>/date=2026-11-22/          a catalogue of its own (lstm_core/catalogue/folder.py), made by one run
nights/catalog/tracks.parquet               rows of all nights with their schedule and date
nights/catalog/failures.parquet, nights.parquet
nights/index.html                           written last
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lstm_core import storage
from lstm_core.catalogue.folder import RECORD_NAME
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import (
    TRACKS_FOLDER,
    CatalogueError,
)
from lstm_core.catalogue.tables import (
    FAILURES_SCHEMA,
    TRACKS_SCHEMA,
    failures_of,
    parquet_bytes,
    read_table,
    records_of,
)

SCHEDULED_RUNS_FOLDER = "nights"
_PARTITION = re.compile(r"(?P<schedule>[^/]+)/date=(?P<date>\d{4}-\d{2}-\d{2})/(?P<rest>.+)")
_NIGHT_COLUMNS = [("schedule", pa.string()), ("date", pa.date32())]
SCHEDULED_RUNS_SCHEMA = pa.schema(
    [*_NIGHT_COLUMNS, ("num_tracks", pa.int64()), ("duration_s", pa.float64()), ("num_failures", pa.int64())]
)


@dataclass(frozen=True, kw_only=True)
class ScheduledRun:
    """What one run of a schedule has made."""

    schedule: str
    date: date
    num_tracks: int  # committed
    duration_s: float  # of the tracks of its table; 0 while it is unfinished
    num_failures: int
    is_finished: bool  # its tables and its page are there

    @property
    def folder(self) -> str:
        """Where it lies, relative to the folder of all nights."""
        return f"{self.schedule}/date={self.date.isoformat()}"


def list_scheduled_runs(catalogue_uri: str) -> list[ScheduledRun]:
    """All nights of a catalogue, sorted by (date, schedule); none when there are no nights yet.

    Raises:
        CatalogueError: the tables of a night cannot be read.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    num_tracks: dict[tuple[str, str], int] = defaultdict(int)
    try:
        for page in storage.list_pages(storage.join(catalogue_uri, SCHEDULED_RUNS_FOLDER)):
            for file in page:
                if (place := _PARTITION.fullmatch(file.path)) is None:
                    continue
                key, rest = (place["date"], place["schedule"]), place["rest"]
                num_tracks[key] += rest.startswith(f"{TRACKS_FOLDER}/") and rest.endswith(f"/{RECORD_NAME}")
                if not rest.startswith(f"{TRACKS_FOLDER}/"):
                    found[key].add(rest)
    except storage.MissingError:
        return []
    nights = []
    for day, schedule in sorted(found.keys() | {key for key, count in num_tracks.items() if count}):
        night = ScheduledRun(
            schedule=schedule,
            date=date.fromisoformat(day),
            num_tracks=num_tracks[day, schedule],
            duration_s=0.0,
            num_failures=0,
            is_finished="index.html" in found[day, schedule],
        )
        nights.append(_with_figures(catalogue_uri, night) if night.is_finished else night)
    return nights


def merge_scheduled_runs(catalogue_uri: str, *, title: str = "Nights") -> tuple[str, list[ScheduledRun]]:
    """Writes tables and page over all finished nights, the page last; its URI and all nights, also unfinished ones.

    Equal nights give equal bytes, whoever merges them and however often.
    """
    nights = list_scheduled_runs(catalogue_uri)
    finished = [night for night in nights if night.is_finished]
    tracks = [_table(catalogue_uri, night, "tracks", TRACKS_SCHEMA) for night in finished]
    failures = [_table(catalogue_uri, night, "failures", FAILURES_SCHEMA) for night in finished]
    tables = {
        "tracks.parquet": _with_nights(tracks, finished, TRACKS_SCHEMA),
        "failures.parquet": _with_nights(failures, finished, FAILURES_SCHEMA),
        "nights.parquet": pa.Table.from_pylist(
            [{name: getattr(night, name) for name in SCHEDULED_RUNS_SCHEMA.names} for night in finished],
            schema=SCHEDULED_RUNS_SCHEMA,
        ),
    }
    root = storage.join(catalogue_uri, SCHEDULED_RUNS_FOLDER)
    for name, table in tables.items():
        storage.write_bytes(storage.join(root, "catalog", name), parquet_bytes(table))
    placed = [
        (record, tuple(night.folder.split("/")))
        for night, table in zip(finished, tracks, strict=True)
        for record in records_of(table)
    ]
    failed = [failure for table in failures for failure in failures_of(table)]
    page_uri = storage.join(root, "index.html")
    records, folders = [record for record, _ in placed], [folder for _, folder in placed]
    storage.write_bytes(page_uri, render_page(records, failed, title=title, folders=folders))
    return page_uri, nights


def _with_figures(catalogue_uri: str, night: ScheduledRun) -> ScheduledRun:
    durations = _table(catalogue_uri, night, "tracks", TRACKS_SCHEMA, columns=["duration_s"])["duration_s"]
    failures = _table(catalogue_uri, night, "failures", FAILURES_SCHEMA, columns=["track_id"])
    values = {**vars(night), "num_failures": failures.num_rows}
    return ScheduledRun(**{**values, "duration_s": round(sum(durations.to_pylist()), 6)})


def _table(
    catalogue_uri: str, night: ScheduledRun, name: str, schema: pa.Schema, *, columns: Sequence[str] | None = None
) -> pa.Table:
    """A table of a night, or some columns of it."""
    uri = storage.join(catalogue_uri, SCHEDULED_RUNS_FOLDER, *night.folder.split("/"), "catalog", f"{name}.parquet")
    try:
        return read_table(storage.read_bytes(uri), schema, columns=columns)
    except storage.MissingError as error:
        raise CatalogueError(f"{uri} is missing. Run the night again: it makes only what is missing.") from error
    except CatalogueError as error:
        raise CatalogueError(f"{uri} cannot be read ({error}). Run the night again: it writes it anew.") from error


def _with_nights(tables: Sequence[pa.Table], nights: Sequence[ScheduledRun], schema: pa.Schema) -> pa.Table:
    """Rows of all tables, each with the schedule and the date of its night."""
    whole = pa.schema([*_NIGHT_COLUMNS, *schema])
    parts = []
    for table, night in zip(tables, nights, strict=True):
        own = [
            pa.array([value] * table.num_rows, kind)
            for value, (_, kind) in zip(_own(night), _NIGHT_COLUMNS, strict=True)
        ]
        parts.append(pa.table([*own, *table.columns], schema=whole))
    return pa.concat_tables(parts).combine_chunks() if parts else whole.empty_table()


def _own(night: ScheduledRun) -> tuple[str, date]:
    return night.schedule, night.date
