"""A corpus is a folder of scores and recordings: its manifest with the style and the licence of each file.

Style: what CORPUS/styles.csv says, else the first folder on the way to the file, else the name of the corpus.
Licence: what styles.csv says, else the tags of a recording (which are read when it is transcribed), else the LICENSE or
COPYING file of the nearest folder above the file, else UNKNOWN.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lstm_core import storage
from lstm_core.foundation.errors import TonemillError
from lstm_core.notes import reading
from lstm_core.recordings import recording as recordings
from lstm_core.storage import StoredFile

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
        ("style", pa.dictionary(pa.int32(), pa.string())),
        ("licence", pa.dictionary(pa.int32(), pa.string())),
        ("is_licence_given", pa.bool_()),  # set by the table of styles: then tags do not count
    ]
)
_LISTED = pa.schema([MANIFEST_SCHEMA.field(name) for name in ("path", "size_bytes", "etag", "file_key")])
_BATCH_ROWS = 16_384  # of which texts are made at a time
_NOTICE = re.compile(r"(licen[cs]e|copying)([._-].*)?", re.IGNORECASE)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*(\S.*)")


class CorpusError(TonemillError):
    """A corpus is empty, or its table of styles is malformed."""


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
    listing = _Listing()
    for page in storage.list_pages(uri, on_denied=lambda path, reason: listing.denied.append((path, reason))):
        listing.add(page)
    if not listing.num_files:
        raise CorpusError(_empty_message(uri, listing.ignored, listing.denied))
    files = listing.table()
    licences, notices = _read_notices(uri, sorted(listing.notice_paths))
    labels = _StyleTable(styles_csv or (storage.join(uri, STYLES_NAME) if listing.has_styles else None))
    styles, licence_lines, is_given = _Values(), _Values(), bytearray()
    for path in texts(files["path"]):
        style, licence = labels.look_up(path)
        styles.add(style or _folder_style(uri, path))
        licence_lines.add(licence or _nearest(licences, path))
        is_given.append(bool(licence))
    for name, values in (("style", styles), ("licence", licence_lines)):
        files = files.append_column(name, values.column())
    files = files.append_column("is_licence_given", pa.array(np.frombuffer(is_given, dtype=np.bool_)))
    return Corpus(
        uri=str(uri),
        manifest=files.select(MANIFEST_SCHEMA.names).cast(MANIFEST_SCHEMA),
        denied=tuple(sorted(listing.denied)),
        notices=notices,
        ignored=dict(sorted(listing.ignored.items())),
    )


def texts(column: pa.ChunkedArray) -> Iterator[str]:
    """The values of a column of text, without a list of them all."""
    for first in range(0, len(column), _BATCH_ROWS):
        yield from column.slice(first, _BATCH_ROWS).to_pylist()


def file_hash(path: str) -> str:
    """The beginning of the piece_ids of a file: 24 hexadecimal digits, evenly spread."""
    return _digest(path)[:24]


class _Listing:
    """What a folder holds, page by page: the manifest grows as Arrow batches, not as objects."""

    def __init__(self) -> None:
        self.denied: list[tuple[str, str]] = []
        self.ignored: Counter[str] = Counter()
        self.notice_paths: list[str] = []
        self.has_styles = False
        self.num_files = 0  # scores and recordings, those with names that are no text included
        self._pages: list[pa.Table] = []

    def add(self, page: list[StoredFile]) -> None:
        """Takes some of the files."""
        wanted = []
        for file in page:
            name = file.path.rpartition("/")[2]
            suffix = _suffix(name)
            if suffix in SUFFIXES:
                self.num_files += 1
                if _is_text(file.path):
                    wanted.append(file)
                else:
                    self.denied.append((_shown(file.path), "its name is not UTF-8: rename it"))
            elif _NOTICE.fullmatch(name):
                self.notice_paths.append(file.path)
            elif file.path == STYLES_NAME:
                self.has_styles = True
            else:
                self.ignored[suffix or "no suffix"] += 1
        columns = {
            "path": [file.path for file in wanted],
            "size_bytes": [file.size_bytes for file in wanted],
            "etag": [file.etag for file in wanted],
            "file_key": [_digest(f"{file.path}\0{file.size_bytes}\0{file.etag}") for file in wanted],
        }
        self._pages.append(pa.table(columns, schema=_LISTED))

    def table(self) -> pa.Table:
        """The files in ascending order of path."""
        files = pa.concat_tables(self._pages).combine_chunks()
        self._pages = []
        paths = files["path"]
        is_sorted = len(files) < 2 or pc.all(pc.less_equal(paths.slice(0, len(paths) - 1), paths.slice(1))).as_py()
        return files if is_sorted else files.sort_by("path").combine_chunks()


class _Values:
    """A column of few different texts, built one by one."""

    def __init__(self) -> None:
        self._numbers = array("i")
        self._known: dict[str, int] = {}

    def add(self, text: str) -> None:
        """Appends a text."""
        self._numbers.append(self._known.setdefault(text, len(self._known)))

    def column(self) -> pa.DictionaryArray:
        """All of them."""
        numbers = pa.array(np.frombuffer(self._numbers, dtype=np.int32).copy())
        return pa.DictionaryArray.from_arrays(numbers, pa.array(list(self._known), type=pa.string()))


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


def _suffix(name: str) -> str:
    """As pathlib's, in lower case; pathlib keeps every name that it has seen."""
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
