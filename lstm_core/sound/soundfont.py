"""Which SoundFont a track is rendered with, and its identity."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path

from lstm_core import storage
from lstm_core.foundation.errors import SoundFontError, StorageError

INSTALLED_FOLDERS = (Path("/usr/share/sounds/sf3"), Path("/usr/share/sounds/sf2"), Path("/usr/share/soundfonts"))
_PREFERRED = ("musescore_general", "fluidr3", "")  # starts of file names, lower case; "" is any other
_LAST_RESORT = "TimGM6mb.sf2"  # 6 MB, inside the package pretty_midi
_WEB_TIMEOUT_S = 20.0  # without a byte


@dataclass(frozen=True, kw_only=True)
class SoundFont:
    path: Path
    name: str
    sha256: str


def find_soundfont(uri: str = "") -> SoundFont:
    """The SoundFont at `uri`, else the best installed one, else the small one that a dependency carries.

    Args:
        uri: a local path, a file:// URI, or s3:// or https:// (kept in a cache folder under its address).

    Raises:
        SoundFontError: when the one asked for is missing or is no SoundFont, or when there is none at all.
    """
    if uri:
        return open_soundfont(_local_path(uri))
    for path in _installed():
        try:
            return open_soundfont(path)
        except SoundFontError:
            continue  # somebody else's broken file must not stop a run that did not ask for it
    raise SoundFontError(
        'no SoundFont found: give one in the recipe (soundfont = "path or URI of an .sf2 or .sf3 file"), '
        "or install the Debian package musescore-general-soundfont"
    )


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
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri).expanduser()
    if scheme == "file":
        return Path(rest)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tonemill" / "soundfonts"
    kept = folder / hashlib.sha256(uri.encode()).hexdigest()[:16] / Path(rest).name
    if not kept.exists():
        partial = kept.with_name(f"{kept.name}.{os.getpid()}.part")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            if scheme in ("http", "https"):
                with urllib.request.urlopen(uri, timeout=_WEB_TIMEOUT_S) as source, partial.open("wb") as target:
                    shutil.copyfileobj(source, target)
            else:
                storage.download(uri, partial)
            partial.replace(kept)
        except (StorageError, OSError, HTTPException, ValueError) as error:  # ValueError: of an address that is none
            partial.unlink(missing_ok=True)
            raise SoundFontError(f"no SoundFont from {uri}: {error}. Check the address and the access to it") from error
    return kept
