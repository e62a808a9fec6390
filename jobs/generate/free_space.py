"""What a catalogue's disk still takes."""

from __future__ import annotations

import shutil
from functools import cache

from lstm_core import storage
from lstm_core.catalogue.records import TRACKS_FOLDER
from lstm_core.orders.order_tables import FreeSpace

RESERVE_BYTES = 200_000_000  # of the disk that a run leaves free


def space_in(catalogue: str) -> FreeSpace:
    """What the tracks of an order may take in a catalogue, where those that are there count as its own."""

    @cache  # an order of rows is checked row by row
    def taken_bytes() -> float:
        try:
            return sum(file.size_bytes for file in storage.list_files(storage.join(catalogue, TRACKS_FOLDER)))
        except storage.MissingError:
            return 0.0

    return FreeSpace(free_bytes=free_bytes(catalogue), taken_bytes=taken_bytes)


def free_bytes(catalogue: str) -> float | None:
    """Bytes that may still be written to a local disk, None for storage elsewhere."""
    path = storage.local_path(catalogue)
    if path is None:
        return None
    existing = next(folder for folder in (path, *path.resolve().parents) if folder.exists())
    return shutil.disk_usage(existing).free - RESERVE_BYTES
