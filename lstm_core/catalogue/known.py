"""The tracks of a catalogue as they are now, without reading what its tables hold already.

Beside catalog/tracks.parquet stands catalog/listing.parquet: the stamp of each record as it was when its row was made,
and the hash of the table that it belongs to. A row counts where a fresh listing shows the same stamp. Whatever was
interrupted, or edited, differs in one of these, and is read again.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from lstm_core import storage
from lstm_core.catalogue.folder import NUM_THREADS, RECORD_NAME, check_files, list_folders, read_track, sort_records
from lstm_core.catalogue.records import CatalogueError, TrackRecord
from lstm_core.catalogue.tables import (
    LISTING_NAME,
    TABLES_FOLDER,
    TRACKS_NAME,
    TRACKS_SCHEMA,
    Stamp,
    read_listing,
    read_table,
    records_of,
)

_logger = logging.getLogger(__name__)


class KnownTracks:
    """What is known of the tracks of a catalogue; nothing is read or listed before `refresh`."""

    def __init__(self, catalogue_uri: str) -> None:
        self._uri = catalogue_uri
        self._known: dict[str, tuple[Stamp, TrackRecord]] | None = None

    @property
    def stamps(self) -> dict[str, Stamp]:
        """Stamps of the tracks of the last `refresh`, by track_id: as `write_catalog` takes them."""
        return {track_id: stamp for track_id, (stamp, _) in (self._known or {}).items()}

    def refresh(self) -> list[TrackRecord]:
        """Records of all tracks that are committed now, sorted: one listing, and a read for each that changed.

        What does not count is logged with the reason, as `list_tracks` does.
        """
        before = self._from_tables() if self._known is None else self._known
        folders = list_folders(self._uri)
        stamps = {
            track_id: Stamp(files[RECORD_NAME].etag, files[RECORD_NAME].size_bytes)
            for track_id, files in sorted(folders.items())
            if RECORD_NAME in files
        }

        def look_at(track_id: str) -> TrackRecord | None:
            stamp, (known, record) = stamps[track_id], before.get(track_id, (None, None))
            if known != stamp or record is None:
                return read_track(self._uri, track_id, folders[track_id])
            try:
                check_files(record, track_id, folders[track_id])
            except CatalogueError as error:
                _logger.warning("%s is left out of the catalogue: %s", track_id, error)
                return None
            return record

        with ThreadPoolExecutor(max_workers=NUM_THREADS) as pool:
            found = zip(stamps, pool.map(look_at, stamps), strict=True)
            self._known = {track_id: (stamps[track_id], record) for track_id, record in found if record is not None}
        return sort_records(record for _, record in self._known.values())

    def _from_tables(self) -> dict[str, tuple[Stamp, TrackRecord]]:
        """Rows of the table of tracks with the stamps of their records; none where the listing is of another table."""
        folder = storage.join(self._uri, TABLES_FOLDER)
        try:
            data = storage.read_bytes(storage.join(folder, TRACKS_NAME))
            stamps = read_listing(storage.read_bytes(storage.join(folder, LISTING_NAME)), data)
            records = records_of(read_table(data, TRACKS_SCHEMA)) if stamps else []
        except storage.MissingError:
            return {}
        except CatalogueError as error:
            _logger.warning("the tables of %s are rebuilt: %s", self._uri, error)
            return {}
        return {record.track_id: (stamps[record.track_id], record) for record in records if record.track_id in stamps}
