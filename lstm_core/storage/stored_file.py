"""The entry of a file in a listing, wherever it is stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    path: str  # relative to the folder that was listed, with "/" between names
    size_bytes: int
    etag: str  # changes when the content does: the store's own, or the time of change of a local file
    modified_s: float = 0.0  # seconds since 1970


@dataclass(frozen=True, kw_only=True)
class StoredVersion:
    """A small file as it was at one moment."""

    data: bytes
    etag: str  # for `replace_bytes`
    age_s: float  # since it was written, by the clock of the store alone
