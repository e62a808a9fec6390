"""Which SoundFont a track is rendered with, and its identity."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path

from lstm_core import storage
from lstm_core.foundation.errors import SoundFontError, StorageError
from lstm_core.storage import node_cache
from lstm_core.storage.file_reference import FileReference

INSTALLED_FOLDERS = (Path("/usr/share/sounds/sf3"), Path("/usr/share/sounds/sf2"), Path("/usr/share/soundfonts"))
_PREFERRED = ("musescore_general", "fluidr3", "")  # starts of file names, lower case; "" is any other
_LAST_RESORT = "TimGM6mb.sf2"  # 6 MB, inside the package pretty_midi
_WEB = ("http://", "https://")
_WEB_TIMEOUT_S = 20.0  # without a byte


@dataclass(frozen=True, kw_only=True)
class SoundFont:
    """A SoundFont on this machine."""

    path: Path
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SoundFontIdentity:
    """Which SoundFont a track was made with: its name and the hash of its content, wherever it was."""

    name: str
    sha256: str


def find_soundfont(uri: str = "") -> SoundFont:
    """The SoundFont at `uri`, else the best installed one, else the small one that a dependency carries.

    Args:
        uri: a local path, a file:// URI, or s3:// or https:// (a copy of these is kept, see storage.node_cache).

    Raises:
        SoundFontError: when the requested one is missing or is no SoundFont, or when there is none at all.
    """
    if uri:
        return replace(open_soundfont(_local_path(uri)), name=Path(storage.name_of(uri)).stem)
    for path in _installed():
        try:
            return open_soundfont(path)
        except SoundFontError:
            continue  # a broken file of the system must not stop a run that did not request it
    raise SoundFontError(
        'no SoundFont found: give one in the recipe (soundfont = "path or URI of an .sf2 or .sf3 file"), '
        "or install the Debian package musescore-general-soundfont"
    )


def refer_to_soundfont(uri: str = "") -> FileReference:
    """What `find_soundfont` finds here, as other machines can refer to it.

    Raises:
        SoundFontError: as `find_soundfont`.
    """
    found = find_soundfont(uri)
    place = storage.absolute(found.path) if storage.local_path(uri) is not None else uri
    suffix = Path(place).suffix
    return FileReference(
        uri=place, sha256=found.sha256, name=f"{found.name}{suffix}", size_bytes=found.path.stat().st_size
    )


def identity_of(reference: FileReference) -> SoundFontIdentity:
    """What is recorded of the SoundFont of a track."""
    return SoundFontIdentity(name=Path(reference.name).stem, sha256=reference.sha256)


def obtain_soundfont(reference: FileReference, fetch: Callable[[Path], object] | None = None) -> SoundFont:
    """The SoundFont that another machine refers to, on this one: the same bytes, from wherever they can be had.

    That is the bucket that it is in; else the path of the other machine, if this one has it too; else a SoundFont that
    is installed here; else what `fetch` writes into a file.

    Args:
        reference: from `refer_to_soundfont`.
        fetch: gets the bytes from the machine that has them; None if they cannot be had from it.

    Raises:
        SoundFontError: this machine cannot have it, or finds other bytes in its place; says which machine and which.
    """
    try:
        path = _obtained(reference, fetch)
    except (StorageError, OSError) as error:
        is_changed = isinstance(error, storage.ChangedError)
        advice = " It was replaced since the order began: run the same command again." if is_changed else ""
        raise SoundFontError(
            f"The machine {socket.gethostname()} has no SoundFont {reference.name}: {error}{advice}"
        ) from error
    return SoundFont(path=path, name=Path(reference.name).stem, sha256=reference.sha256)


def _obtained(reference: FileReference, fetch: Callable[[Path], object] | None) -> Path:
    local = storage.local_path(reference.uri)
    if local is None and not reference.uri.lower().startswith(_WEB):
        return storage.local_copy(reference.uri, reference.sha256, size_bytes=reference.size_bytes)
    for candidate in ([] if local is None else [local]) + _installed():
        if _has(candidate, reference):
            return candidate
    if fetch is not None:
        return node_cache.kept_copy(reference.sha256, fetch, source=reference.uri, size_bytes=reference.size_bytes)
    raise StorageError(
        f"{_found_instead(local)}, its sha256 should be {reference.sha256}, and {reference.size_bytes / 1e6:,.0f} MB "
        "cannot be sent to it. Put the file into a bucket and give its URI (s3://...)."
    )


def _has(path: Path, reference: FileReference) -> bool:
    """Whether a file is the one that is meant; one of another size is not read."""
    try:
        status = path.stat()
        is_it = status.st_size == reference.size_bytes
        return is_it and _sha256(path, status.st_mtime_ns, status.st_size) == reference.sha256
    except OSError:
        return False


def _found_instead(path: Path | None) -> str:
    if path is None or not path.is_file():
        return f"there is no file {path} on it" if path is not None else "it was not found on it"
    return f"{path} is another file on it, with the sha256 {storage.sha256_of(path)}"


def open_soundfont(path: Path) -> SoundFont:
    """The SoundFont in a local file, its head checked and its bytes hashed.

    Raises:
        SoundFontError: when the file is missing, unreadable or not RIFF sfbk.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise SoundFontError(
            f"no SoundFont at {path}: {error.strerror or error}. Check the path in the recipe"
        ) from error
    if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
        raise SoundFontError(f"{path} is not a SoundFont: it begins with {head[:12]!r}, not with RIFF....sfbk")
    if int.from_bytes(head[4:8], "little") + 8 > status.st_size:
        raise SoundFontError(f"{path} is cut short: its head promises more than its {status.st_size} bytes")
    return SoundFont(path=path, name=path.stem, sha256=_sha256(path, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=16)
def _sha256(path: Path, modified_ns: int, size_bytes: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed() -> list[Path]:
    """SoundFonts of this machine, best first, the one of last resort at the end."""
    found = [path for folder in INSTALLED_FOLDERS for path in _soundfonts_in(folder)]
    ranked = sorted(found, key=_rank)  # stable: folders stay in their order
    package = importlib.util.find_spec("pretty_midi")
    if package is not None and package.origin is not None:
        ranked.append(Path(package.origin).parent / _LAST_RESORT)
    return ranked


def _rank(path: Path) -> int:
    name = path.name.lower().replace("-", "_")
    return next(i for i, start in enumerate(_PREFERRED) if name.startswith(start))


def _soundfonts_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".sf2", ".sf3"))
    except OSError:
        return []


def _local_path(uri: str) -> Path:
    """Where a SoundFont is on this machine, fetched again if the kept one is of another version."""
    local = storage.local_path(uri)
    if local is not None:
        return local.expanduser()
    try:
        if uri.lower().startswith(_WEB):
            return _from_web(uri)
        return node_cache.kept_download(uri, storage.etag_of(uri), lambda path: storage.download(uri, path))[0]
    except (StorageError, OSError, HTTPException, ValueError) as error:  # ValueError: of an address that is none
        raise SoundFontError(f"no SoundFont from {uri}: {error}. Check the address and the access to it") from error


def _from_web(uri: str) -> Path:
    with urllib.request.urlopen(uri, timeout=_WEB_TIMEOUT_S) as source:

        def fetch(path: Path) -> None:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target)

        return node_cache.kept_download(uri, str(source.headers.get("ETag") or ""), fetch)[0]
