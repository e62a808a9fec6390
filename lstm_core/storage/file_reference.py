"""A file as every machine can ask for it: by what it holds, and not by where one machine has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FileReference:
    """Which file is meant. Two machines that have its sha256 have the same one."""

    uri: str  # where the machine that chose it has it: a path there, or an address that others can read too
    sha256: str
    name: str  # of the file, with its suffix
    size_bytes: int
