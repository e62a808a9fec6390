"""The catalogue: a folder for each track, committed by its track.json, then tables and a page over all of them.

tracks/<track_id>/master.flac, score.mid, roll.png, stems/*.flac    the files of a track
tracks/<track_id>/track.json                                        written last: with it the track exists
catalog/tracks.parquet, catalog/failures.parquet                    one row a track
index.html                                                          written last of all
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lstm_core import storage
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import TRACKS_FOLDER, CatalogueError, TrackFailure, TrackFile, TrackRecord, make_record
from lstm_core.catalogue.tables import failures_table, parquet_bytes, tracks_table

RECORD_NAME = "track.json"
_SAFE_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")

_logger = logging.getLogger(__name__)


def commit_track(catalogue_uri: str, content: Mapping[str, Any], files: Mapping[str, bytes]) -> TrackRecord:
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
    record = make_record({**content, "files": entries})
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


def committed_ids(catalogue_uri: str) -> set[str]:
    """Ids of the tracks whose record is stored, from one listing and without reading any."""
    return {track_id for track_id, sizes in _list_folders(catalogue_uri).items() if RECORD_NAME in sizes}


def list_tracks(catalogue_uri: str, *, verify: bool = False, num_threads: int = 16) -> list[TrackRecord]:
    """Records of all committed tracks, sorted by (name, track_id); none when there is no catalogue yet.

    A track counts when its record can be read and its files have the sizes told there; `verify` reads every file and
    compares sha256 too. What does not count is logged with the reason.
    """
    folders = _list_folders(catalogue_uri)

    def read(track_id: str) -> TrackRecord | None:
        folder = storage.join(catalogue_uri, TRACKS_FOLDER, track_id)
        try:
            record = TrackRecord.from_json(storage.read_bytes(storage.join(folder, RECORD_NAME)))
            _check_files(record, track_id, folders[track_id])
            if verify:
                _check_contents(record, lambda name: storage.read_bytes(storage.join(folder, *name.split("/"))))
        except storage.MissingError:
            return None  # withdrawn since it was listed
        except CatalogueError as error:
            _logger.warning("%s is left out of the catalogue: %s", folder, error)
            return None
        return record

    candidates = sorted(track_id for track_id, sizes in folders.items() if RECORD_NAME in sizes)
    with ThreadPoolExecutor(max_workers=num_threads) as pool:
        records = [record for record in pool.map(read, candidates) if record is not None]
    return sort_records(records)


def sort_records(records: Iterable[TrackRecord]) -> list[TrackRecord]:
    """Records by (name, track_id), the order of tables and page."""
    return sorted(records, key=lambda record: (record.name, record.track_id))


def write_catalog(
    catalogue_uri: str,
    records: Iterable[TrackRecord],
    failures: Iterable[TrackFailure] = (),
    *,
    title: str = "Catalogue",
) -> str:
    """Write tables and page over the given tracks, the page last; URI of the page."""
    ordered = sort_records(records)
    failed = sorted(failures, key=lambda failure: (failure.name, failure.track_id))
    storage.write_bytes(storage.join(catalogue_uri, "catalog", "tracks.parquet"), parquet_bytes(tracks_table(ordered)))
    storage.write_bytes(
        storage.join(catalogue_uri, "catalog", "failures.parquet"), parquet_bytes(failures_table(failed))
    )
    page_uri = storage.join(catalogue_uri, "index.html")
    storage.write_bytes(page_uri, render_page(ordered, failed, title=title))
    return page_uri


def _list_folders(catalogue_uri: str) -> dict[str, dict[str, int]]:
    """Of each folder under tracks/ the sizes of its files by name."""
    folders: dict[str, dict[str, int]] = defaultdict(dict)
    try:
        listing = storage.list_files(storage.join(catalogue_uri, TRACKS_FOLDER))
    except storage.MissingError:
        return {}
    for file in listing:
        track_id, _, name = file.path.partition("/")
        folders[track_id][name] = file.size_bytes
    return dict(folders)


def _check_files(record: TrackRecord, track_id: str, sizes: Mapping[str, int]) -> None:
    if record.track_id != track_id:
        raise CatalogueError(f"its record is that of {record.track_id}")
    for file in record.files:
        if sizes.get(file.name) != file.size_bytes:
            found = "is missing" if file.name not in sizes else f"has {sizes[file.name]} bytes"
            raise CatalogueError(f"{file.name} {found}, {file.size_bytes} bytes were committed")


def _check_contents(record: TrackRecord, read: Callable[[str], bytes]) -> None:
    for file in record.files:
        if hashlib.sha256(read(file.name)).hexdigest() != file.sha256:
            raise CatalogueError(f"{file.name} was altered: its sha256 is not the one that was committed")
