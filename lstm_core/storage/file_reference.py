"""A file as every machine can request it: by its content, and not by its place on one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FileReference:
    """Identifies a file. Files of equal sha256 are the same on all machines."""

    uri: str  # on the machine that chose it: a path there, or an address that others can read too
    sha256: str
    name: str  # of the file, with its suffix
    size_bytes: int
