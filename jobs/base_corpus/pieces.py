"""What the sources of the base corpus give: pieces with style, licence and credit, and what they leave out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lstm_core.foundation.errors import TonemillError


class BaseCorpusError(TonemillError):
    """A source is missing or differs from what is expected of it, or the folder to be written holds other files."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The terms of some pieces. The text that must travel with the weights is not empty where they ask for credit."""

    line: str  # stands for it in blocks, checkpoints and records
    notice: str = ""  # its text, or its address
    lists_pieces: bool = False  # the credits of its pieces belong to the notice


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file of a source."""

    source: str  # "freedoom", ...
    file: str  # its name in the source
    style: str
    licence: Licence
    credit: str  # composer and title, as far as the source tells
    read: Callable[[], bytes]

    @property
    def path(self) -> str:
        """Where it goes in the corpus: no letter of it means something else in a table of styles."""
        return f"{self.style}/{self.source}-{re.sub(r'[^A-Za-z0-9._-]+', '-', self.file)}"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One file of a source that is not taken, and why."""

    source: str
    file: str
    reason: str


def files_of(folder: Path, suffix: str) -> list[Path]:
    """The files of a source, sorted by name.

    Raises:
        BaseCorpusError: there is no such folder, or no such file in it.
    """
    files = sorted(folder.glob(f"*{suffix}")) if folder.is_dir() else []
    if not files:
        raise BaseCorpusError(
            f"There is no {suffix} file in {folder}. The base corpus needs the folder of corpora that stands beside "
            "the project: say where it is with --shared FOLDER."
        )
    return files


def text_of(path: Path) -> str:
    """The text of a file that a source must hold.

    Raises:
        BaseCorpusError: it does not.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BaseCorpusError(
            f"{path} is missing: without it the terms of its folder are not known. Copy it there."
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
