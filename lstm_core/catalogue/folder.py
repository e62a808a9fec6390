"""The catalogue: a folder for each track, committed by its track.json, then tables and a page over all of them.

tracks/<track_id>/master.flac, score.mid, roll.png, stems/*.flac    the files of a track
tracks/<track_id>/track.json                                        written last: with it the track exists
catalog/tracks.parquet, catalog/failures.parquet                    one row per track
catalog/listing.parquet                                             see known.py
catalog/terms/*.json, ATTRIBUTION.md                                see attribution.py
index.html                                                          written last of all
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lstm_core import storage
from lstm_core.catalogue.attribution import write_attribution
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import TRACKS_FOLDER, CatalogueError, TrackFailure, TrackFile, TrackRecord
from lstm_core.catalogue.tables import (
    FAILURES_NAME,
    LISTING_NAME,
    TABLES_FOLDER,
    TRACKS_NAME,
    Stamp,
    failures_table,
    listing_bytes,
    parquet_bytes,
    tracks_table,
)
from lstm_core.storage import StoredFile

RECORD_NAME = "track.json"
NUM_THREADS = 16  # that read records side by side
_SAFE_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")

_logger = logging.getLogger(__name__)


def commit_track(catalogue_uri: str, record: TrackRecord, files: Mapping[str, bytes]) -> TrackRecord:
    """Store a track's files and then its record, with which it exists; the record that was stored.

    The same track again writes nothing. Another one of the same track_id takes the place of the old one, which is
    withdrawn first.

    Raises:
        CatalogueError: a field or a file name is impossible.
        StorageError: something cannot be written; the track is then not committed.
    """
    for name in files:
        if not _SAFE_FILE.fullmatch(name) or name == RECORD_NAME:
            raise CatalogueError(f"{name!r} cannot be the name of a file of a track.")
    entries = tuple(
        TrackFile(name=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        for name, data in sorted(files.items())
    )
    record = record.with_files(entries)
    folder = storage.join(catalogue_uri, TRACKS_FOLDER, record.track_id)
    record_uri, record_bytes = storage.join(folder, RECORD_NAME), record.to_json()
    try:
        before = storage.read_bytes(record_uri)
    except storage.MissingError:
        before = None
    if before is not None:
        present = {file.path: file.size_bytes for file in storage.list_files(folder)}
        if before == record_bytes and all(present.get(entry.name) == entry.size_bytes for entry in entries):
            return record
        storage.remove(record_uri)
    for name, data in sorted(files.items()):
        storage.write_bytes(storage.join(folder, *name.split("/")), data)
    storage.write_bytes(record_uri, record_bytes)
    return record


def withdraw_track(catalogue_uri: str, track_id: str) -> None:
    """Remove a track: its record first, so that it never stands there without its files."""
    folder = storage.join(catalogue_uri, TRACKS_FOLDER, track_id)
    storage.remove(storage.join(folder, RECORD_NAME))
    try:
        files = storage.list_files(folder)
    except storage.MissingError:
        return
    for file in files:
        storage.remove(storage.join(folder, *file.path.split("/")))


def list_tracks(catalogue_uri: str, *, verify: bool = False) -> list[TrackRecord]:
    """Records of all committed tracks, sorted by (name, track_id); none when there is no catalogue yet.

    Every record is read; `known.KnownTracks` reads only those that are not in its tables. A track counts when its
    record can be read and its files have the sizes given there; `verify` reads every file and compares sha256 too. What
    does not count is logged with the reason.
    """
    folders = list_folders(catalogue_uri)
    candidates = sorted(track_id for track_id, files in folders.items() if RECORD_NAME in files)
    read = partial(read_track, catalogue_uri, verify=verify)
    with ThreadPoolExecutor(max_workers=NUM_THREADS) as pool:
        records = pool.map(read, candidates, [folders[track_id] for track_id in candidates])
        return sort_records(record for record in records if record is not None)


def read_track(
    catalogue_uri: str, track_id: str, files: Mapping[str, StoredFile], *, verify: bool = False
) -> TrackRecord | None:
    """The record of a track whose folder was listed; None, and a line in the log, where it does not count."""
    folder = storage.join(catalogue_uri, TRACKS_FOLDER, track_id)
    try:
        data = storage.read_bytes(storage.join(folder, RECORD_NAME), etag=files[RECORD_NAME].etag)
        record = TrackRecord.from_json(data)
        check_files(record, track_id, files)
        if verify:
            _check_contents(record, lambda name: storage.read_bytes(storage.join(folder, *name.split("/"))))
    except storage.MissingError:
        return None  # withdrawn since it was listed
    except (CatalogueError, storage.ChangedError) as error:
        _logger.warning("%s is left out of the catalogue: %s", folder, error)
        return None
    return record


def sort_records(records: Iterable[TrackRecord]) -> list[TrackRecord]:
    """Records by (name, track_id), the order of tables and page."""
    return sorted(records, key=lambda record: (record.name, record.track_id))


def write_catalog(
    catalogue_uri: str,
    records: Iterable[TrackRecord],
    failures: Iterable[TrackFailure] = (),
    *,
    title: str = "Catalogue",
    stamps: Mapping[str, Stamp] | None = None,
) -> str:
    """Write tables, attribution and page over the given tracks, the page last; URI of the page.

    With `stamps` of the records (`KnownTracks.stamps`) the next run need not read them.
    """
    ordered = sort_records(records)
    failed = sorted(failures, key=lambda failure: (failure.name, failure.track_id))
    folder, tracks = storage.join(catalogue_uri, TABLES_FOLDER), parquet_bytes(tracks_table(ordered))
    storage.write_bytes(storage.join(folder, TRACKS_NAME), tracks)
    storage.write_bytes(storage.join(folder, FAILURES_NAME), parquet_bytes(failures_table(failed)))
    if stamps is not None:
        storage.write_bytes(storage.join(folder, LISTING_NAME), listing_bytes(stamps, tracks))
    write_attribution(catalogue_uri, ordered)
    page_uri = storage.join(catalogue_uri, "index.html")
    storage.write_bytes(page_uri, render_page(ordered, failed, title=title))
    return page_uri


def list_folders(catalogue_uri: str) -> dict[str, dict[str, StoredFile]]:
    """Of each folder under tracks/ its files by name."""
    folders: dict[str, dict[str, StoredFile]] = defaultdict(dict)
    try:
        for page in storage.list_pages(storage.join(catalogue_uri, TRACKS_FOLDER)):
            for file in page:
                track_id, _, name = file.path.partition("/")
                folders[track_id][name] = file
    except storage.MissingError:
        return {}
    return dict(folders)


def check_files(record: TrackRecord, track_id: str, files: Mapping[str, StoredFile]) -> None:
    """Raises CatalogueError if a record is that of another folder, or a file is missing or not of its size."""
    if record.track_id != track_id:
        raise CatalogueError(f"its record is that of {record.track_id}")
    for file in record.files:
        if file.name not in files:
            raise CatalogueError(f"{file.name} is missing, {file.size_bytes} bytes were committed")
        if (size_bytes := files[file.name].size_bytes) != file.size_bytes:
            raise CatalogueError(f"{file.name} has {size_bytes} bytes, {file.size_bytes} bytes were committed")


def _check_contents(record: TrackRecord, read: Callable[[str], bytes]) -> None:
    for file in record.files:
        if hashlib.sha256(read(file.name)).hexdigest() != file.sha256:
            raise CatalogueError(f"{file.name} was altered: its sha256 is not the one that was committed")
