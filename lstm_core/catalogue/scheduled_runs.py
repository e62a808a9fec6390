"""The scheduled runs of a catalogue: a partition for each date, and tables and a page over all of them.

nights/<schedule>/date=2026-11-22/          a separate catalogue (lstm_core/catalogue/folder.py), made by one run
nights/catalog/tracks.parquet               rows of all runs with their schedule and date
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
_RUN_COLUMNS = [("schedule", pa.string()), ("date", pa.date32())]
SCHEDULED_RUNS_SCHEMA = pa.schema(
    [*_RUN_COLUMNS, ("num_tracks", pa.int64()), ("duration_s", pa.float64()), ("num_failures", pa.int64())]
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
        """Where it lies, relative to the folder of all scheduled runs."""
        return f"{self.schedule}/date={self.date.isoformat()}"


def list_scheduled_runs(catalogue_uri: str) -> list[ScheduledRun]:
    """All scheduled runs of a catalogue, sorted by (date, schedule); none when there are none yet.

    Raises:
        CatalogueError: the tables of a run cannot be read.
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
    runs = []
    for day, schedule in sorted(found.keys() | {key for key, count in num_tracks.items() if count}):
        run = ScheduledRun(
            schedule=schedule,
            date=date.fromisoformat(day),
            num_tracks=num_tracks[day, schedule],
            duration_s=0.0,
            num_failures=0,
            is_finished="index.html" in found[day, schedule],
        )
        runs.append(_with_figures(catalogue_uri, run) if run.is_finished else run)
    return runs


def merge_scheduled_runs(catalogue_uri: str, *, title: str = "Nights") -> tuple[str, list[ScheduledRun]]:
    """Writes tables and page over all finished runs, the page last; returns its URI and all runs, also unfinished ones.

    Equal runs give equal bytes, whoever merges them and however often.
    """
    runs = list_scheduled_runs(catalogue_uri)
    finished = [run for run in runs if run.is_finished]
    tracks = [_table(catalogue_uri, run, "tracks", TRACKS_SCHEMA) for run in finished]
    failures = [_table(catalogue_uri, run, "failures", FAILURES_SCHEMA) for run in finished]
    tables = {
        "tracks.parquet": _with_run_columns(tracks, finished, TRACKS_SCHEMA),
        "failures.parquet": _with_run_columns(failures, finished, FAILURES_SCHEMA),
        "nights.parquet": pa.Table.from_pylist(
            [{name: getattr(run, name) for name in SCHEDULED_RUNS_SCHEMA.names} for run in finished],
            schema=SCHEDULED_RUNS_SCHEMA,
        ),
    }
    root = storage.join(catalogue_uri, SCHEDULED_RUNS_FOLDER)
    for name, table in tables.items():
        storage.write_bytes(storage.join(root, "catalog", name), parquet_bytes(table))
    placed = [
        (record, tuple(run.folder.split("/")))
        for run, table in zip(finished, tracks, strict=True)
        for record in records_of(table)
    ]
    failed = [failure for table in failures for failure in failures_of(table)]
    page_uri = storage.join(root, "index.html")
    records, folders = [record for record, _ in placed], [folder for _, folder in placed]
    storage.write_bytes(page_uri, render_page(records, failed, title=title, folders=folders))
    return page_uri, runs


def _with_figures(catalogue_uri: str, run: ScheduledRun) -> ScheduledRun:
    durations = _table(catalogue_uri, run, "tracks", TRACKS_SCHEMA, columns=["duration_s"])["duration_s"]
    failures = _table(catalogue_uri, run, "failures", FAILURES_SCHEMA, columns=["track_id"])
    values = {**vars(run), "num_failures": failures.num_rows}
    return ScheduledRun(**{**values, "duration_s": round(sum(durations.to_pylist()), 6)})


def _table(
    catalogue_uri: str, run: ScheduledRun, name: str, schema: pa.Schema, *, columns: Sequence[str] | None = None
) -> pa.Table:
    """A table of a scheduled run, or some columns of it."""
    uri = storage.join(catalogue_uri, SCHEDULED_RUNS_FOLDER, *run.folder.split("/"), "catalog", f"{name}.parquet")
    try:
        return read_table(storage.read_bytes(uri), schema, columns=columns)
    except storage.MissingError as error:
        raise CatalogueError(f"{uri} is missing. Repeat the scheduled run: it makes only what is missing.") from error
    except CatalogueError as error:
        raise CatalogueError(
            f"{uri} cannot be read ({error}). Repeat the scheduled run: it writes it again."
        ) from error


def _with_run_columns(tables: Sequence[pa.Table], runs: Sequence[ScheduledRun], schema: pa.Schema) -> pa.Table:
    """Rows of all tables, each with the schedule and the date of its run."""
    whole = pa.schema([*_RUN_COLUMNS, *schema])
    parts = []
    for table, run in zip(tables, runs, strict=True):
        own = [
            pa.array([value] * table.num_rows, kind) for value, (_, kind) in zip(_own(run), _RUN_COLUMNS, strict=True)
        ]
        parts.append(pa.table([*own, *table.columns], schema=whole))
    return pa.concat_tables(parts).combine_chunks() if parts else whole.empty_table()


def _own(run: ScheduledRun) -> tuple[str, date]:
    return run.schedule, run.date
