"""A corpus is a folder of scores and recordings: its manifest with the style and the licence of each file.

Style: what CORPUS/styles.csv says, else the first folder on the way to the file, else the name of the corpus.
Licence: what styles.csv says, else the tags of a recording (which are read when it is listened to), else the LICENSE or
COPYING file of the nearest folder above the file, else UNKNOWN.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from lstm_core import storage
from lstm_core.decode import recordings
from lstm_core.errors import TonemillError
from lstm_core.scores import reading

SUFFIXES = reading.SUFFIXES + recordings.SUFFIXES
STYLES_NAME = "styles.csv"
UNKNOWN_LICENCE = "unknown"
MAX_NOTICE_CHARS = 20_000
MANIFEST_SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # inside the corpus; rows are in ascending order of it
        ("size_bytes", pa.int64()),
        ("etag", pa.string()),
        ("file_key", pa.string()),  # hash of the three above: another one means another file
        ("style", pa.string()),
        ("licence", pa.string()),
        ("is_licence_given", pa.bool_()),  # by the table of styles: then tags do not count
    ]
)
_NOTICE = re.compile(r"(licen[cs]e|copying)([._-].*)?", re.IGNORECASE)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*(\S.*)")


class CorpusError(TonemillError):
    """A corpus is empty, or what stands beside it cannot be understood."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    uri: str
    manifest: pa.Table  # MANIFEST_SCHEMA
    denied: tuple[tuple[str, str], ...]  # (path, reason) of folders and files that could not be listed
    notices: dict[str, str]  # text of each licence, by the line that stands for it
    ignored: dict[str, int]  # files that are neither scores nor recordings, by suffix


def list_corpus(uri: str | Path, *, styles_csv: str | Path | None = None) -> Corpus:
    """The manifest of a corpus, listed once.

    Raises:
        CorpusError: it holds no file of a suffix that we read, or its table of styles is malformed.
        StorageError: it cannot be listed.
    """
    denied: list[tuple[str, str]] = []
    files = storage.list_files(uri, on_denied=lambda path, reason: denied.append((path, reason)))
    scores, ignored, notice_paths = [], Counter[str](), []
    for file in files:
        if PurePosixPath(file.path).suffix.lower() in SUFFIXES:
            scores.append(file)
        elif _NOTICE.fullmatch(PurePosixPath(file.path).name):
            notice_paths.append(file.path)
        elif file.path != STYLES_NAME:
            ignored[PurePosixPath(file.path).suffix.lower() or "no suffix"] += 1
    named = [file for file in scores if _is_text(file.path)]
    denied += [(_shown(file.path), "its name is not UTF-8: rename it") for file in scores if not _is_text(file.path)]
    if not scores:
        raise CorpusError(_empty_message(uri, ignored, denied))
    licences, notices = _read_notices(uri, notice_paths)
    table = styles_csv or (storage.join(uri, STYLES_NAME) if any(f.path == STYLES_NAME for f in files) else None)
    labels = _StyleTable(table)
    columns: dict[str, list[Any]] = {name: [] for name in MANIFEST_SCHEMA.names}
    for file in named:
        style, licence = labels.look_up(file.path)
        columns["path"].append(file.path)
        columns["size_bytes"].append(file.size_bytes)
        columns["etag"].append(file.etag)
        columns["file_key"].append(_digest(f"{file.path}\0{file.size_bytes}\0{file.etag}"))
        columns["style"].append(sys.intern(style or _folder_style(uri, file.path)))
        columns["licence"].append(licence or _nearest(licences, file.path))
        columns["is_licence_given"].append(bool(licence))
    return Corpus(
        uri=str(uri),
        manifest=pa.table(columns, schema=MANIFEST_SCHEMA),
        denied=tuple(sorted(denied)),
        notices=notices,
        ignored=dict(sorted(ignored.items())),
    )


def file_hash(path: str) -> str:
    """What the piece_ids of a file begin with: 24 hexadecimal digits, evenly spread."""
    return _digest(path)[:24]


class _StyleTable:
    """Styles and licences by path, from a CSV of `path,style[,licence]`; * is any text, the first that fits wins."""

    def __init__(self, uri: str | Path | None) -> None:
        self.exact: dict[str, tuple[str, str]] = {}
        self.globs: list[tuple[re.Pattern[str], tuple[str, str]]] = []
        if uri is None:
            return
        text = storage.read_bytes(uri).decode("utf-8-sig", errors="replace")
        for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 1 and cells[0].lower() == "path"):
                continue
            if not 2 <= len(cells) <= 3 or not cells[0] or not cells[1]:
                raise CorpusError(f"{uri}, line {number}: wanted path,style or path,style,licence, got {row!r}")
            label = (cells[1], cells[2] if len(cells) == 3 else "")
            if any(c in cells[0] for c in "*?["):
                self.globs.append((re.compile(fnmatch.translate(cells[0])), label))
            else:
                self.exact.setdefault(cells[0], label)

    def look_up(self, path: str) -> tuple[str, str]:
        """Style and licence of a path, empty where the table says nothing."""
        if path in self.exact:
            return self.exact[path]
        return next((label for pattern, label in self.globs if pattern.match(path)), ("", ""))


def _folder_style(uri: str | Path, path: str) -> str:
    folder, slash, _ = path.partition("/")
    return folder if slash else storage.name_of(uri)


def _read_notices(uri: str | Path, paths: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Licence line by folder, and the text by licence line."""
    by_folder: dict[str, str] = {}
    notices: dict[str, str] = {}
    for path in paths:
        text = storage.read_bytes(storage.join(uri, path)).decode("utf-8", errors="replace")[:MAX_NOTICE_CHARS]
        line = _licence_line(text)
        folder = path.rpartition("/")[0]
        if line and folder not in by_folder:
            by_folder[folder] = line
            notices.setdefault(line, text)
    return by_folder, notices


def _licence_line(text: str) -> str:
    """The SPDX identifier of a notice, else its first paragraph on one line, at most 120 characters."""
    identifier = _SPDX.search(text)
    if identifier:
        return identifier[1].strip()
    paragraph = text.strip().split("\n\n")[0]
    return " ".join(paragraph.lstrip("#= ").split())[:120]


def _nearest(licences: dict[str, str], path: str) -> str:
    folder = path.rpartition("/")[0]
    while folder and folder not in licences:
        folder = folder.rpartition("/")[0]
    return licences.get(folder, UNKNOWN_LICENCE)


def _empty_message(uri: str | Path, ignored: Counter[str], denied: list[tuple[str, str]]) -> str:
    found = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(5))
    closed = f" {len(denied)} folders could not be read, the first is {denied[0][0]}." if denied else ""
    wanted = f"There are no scores and no recordings in {uri}: we read {', '.join(SUFFIXES)}"
    return f"{wanted}, and found {found or 'no files'}.{closed}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
