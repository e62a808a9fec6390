"""The copies that this machine keeps of files from elsewhere: one folder, each under its sha256, of bounded size.

TONEMILL_CACHE names the folder (~/.cache/tonemill without it), TONEMILL_CACHE_GB its size. Before a file is fetched the
least recently used ones are removed. A file that a living process of this machine has requested stays: the process
holds a lock on one byte of the file `used`, which ends with it. So the bound holds for all but the files in use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lstm_core.foundation.errors import ChangedError, StorageError
from lstm_core.storage import local

FOLDER_VARIABLE, SIZE_VARIABLE = "TONEMILL_CACHE", "TONEMILL_CACHE_GB"
DEFAULT_BYTES = (
    50 * 10**9
)  # of all copies; or half of the free space with the copies counted as free, where that is less
_ABANDONED_S = 86_400.0  # without a write, a file that is still being fetched belongs to a killed process
_COPY = re.compile(r"[0-9a-f]{64}")
_logger = logging.getLogger(__name__)
_guard = threading.Lock()
_users: dict[tuple[int, str], _User] = {}  # by process and folder: a lock belongs to one process alone


def cache_folder() -> Path:
    """Where this machine keeps its copies."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "~/.cache/tonemill").expanduser()


def copy_path(sha256: str) -> Path:
    """Where the copy of a file is, if this machine has one."""
    return cache_folder() / sha256


def kept_copy(sha256: str, fill: Callable[[Path], object], *, source: str, size_bytes: int = 0) -> Path:
    """Path of this machine's copy of a file; while this process lives it stays.

    Of several processes that want it one has `fill` fill a temporary file, the others wait.

    Args:
        sha256: Of the file; a copy that has another one is replaced.
        fill: Called where there is no such copy.
        source: Where `fill` takes it from, for messages.
        size_bytes: The size of the file, if it is known.

    Raises:
        ChangedError: the file of `fill` has another sha256.
    """
    folder = cache_folder()
    copy = folder / sha256

    def fill_checked(temporary: Path) -> None:
        fill(temporary)
        if (found := _sha256_of(temporary)) != sha256:
            raise ChangedError(f"{source} is not the expected file: its sha256 is {found}, and not {sha256}.")

    _user_of(folder).hold(sha256)
    if not _is_whole(copy):
        with local.locked(folder / "locks" / sha256[:2]):  # 256 at most, not one per copy
            if not _is_whole(copy):
                make_free_space(size_bytes)
                local.write(copy, fill_checked)
                make_free_space(0)
    return copy


def kept_download(address: str, version: str, fill: Callable[[Path], object]) -> tuple[Path, str]:
    """Copy and sha256 of the file at an address whose sha256 is not known yet.

    Args:
        address: A URI.
        version: Changes when what is stored there does; empty where that is not known, then it is fetched anew.
        fill: Fetches it into a file.
    """
    folder = cache_folder()
    note = folder / "addresses" / f"{hashlib.sha256(address.encode()).hexdigest()[:24]}.json"
    source = {"address": address, "version": version}
    with suppress(OSError, ValueError, KeyError):
        noted = json.loads(note.read_text())
        sha256 = str(noted.pop("sha256"))
        _user_of(folder).hold(sha256)
        if version and noted == source and _is_whole(folder / sha256):
            return folder / sha256, sha256
    fetched = folder / f"{local.TEMPORARY}{os.getpid()}-{threading.get_ident()}"
    try:
        local.write(fetched, fill)
        sha256 = _sha256_of(fetched)
        copy = kept_copy(sha256, fetched.replace, source=address, size_bytes=0)
    finally:
        fetched.unlink(missing_ok=True)
    local.write(note, lambda temporary: temporary.write_text(json.dumps({**source, "sha256": sha256})))
    return copy, sha256


def make_free_space(size_bytes: int) -> None:
    """Removes the least recently used copies that nobody uses, until so many bytes fit under the bound."""
    folder = cache_folder()
    copies: list[tuple[float, int, Path]] = []
    used_bytes = 0
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        with suppress(OSError):  # another process has removed it
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            if path.name.startswith(local.TEMPORARY) and time.time() - status.st_mtime > _ABANDONED_S:
                path.unlink()
                continue
            used_bytes += status.st_size
            if _COPY.fullmatch(path.name):
                copies.append((status.st_mtime, status.st_size, path))
    bound = _bound_bytes(folder, used_bytes)
    for _, copy_bytes, path in sorted(copies):
        if used_bytes + size_bytes <= bound:
            return
        if _user_of(folder).remove_unused(path):
            _logger.info("removed the copy %s from %s to free space", path.name, folder)
            used_bytes -= copy_bytes


def _bound_bytes(folder: Path, used_bytes: int) -> float:
    if text := os.environ.get(SIZE_VARIABLE):
        with suppress(ValueError):
            if (size_gb := float(text)) >= 0:
                return size_gb * 1e9
        raise StorageError(f"{SIZE_VARIABLE} is {text!r}: it is a number of gigabytes, as in 20 or 0.5.")
    free = shutil.disk_usage(folder).free if folder.is_dir() else DEFAULT_BYTES
    return min(DEFAULT_BYTES, (free + used_bytes) / 2)


def _is_whole(copy: Path) -> bool:
    """Whether a copy is there with all its bytes; it counts as used now then."""
    try:
        is_whole = _sha256_of(copy) == copy.name
        os.utime(copy)
    except OSError:
        return False
    return is_whole


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _User:
    """This process as a user of a cache: holds a byte of the file `used` for each copy that it requested."""

    def __init__(self, folder: Path) -> None:
        with local.explained(folder, "write"):
            folder.mkdir(parents=True, exist_ok=True)
            # Never closed: with any handle on the file a process would lose all its locks.
            self._file = os.open(folder / "used", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._held: set[str] = set()

    def hold(self, sha256: str) -> None:
        """Keeps a copy, there or not yet, from being removed while this process lives."""
        with _guard:
            if sha256 not in self._held:
                fcntl.lockf(self._file, fcntl.LOCK_SH, 1, _byte(sha256))
                self._held.add(sha256)

    def remove_unused(self, copy: Path) -> bool:
        """Removes a copy unless a process uses it; returns whether it did."""
        with _guard, self._locked_alone(copy.name) as is_unused:
            if is_unused:
                copy.unlink(missing_ok=True)
            return is_unused

    @contextmanager
    def _locked_alone(self, sha256: str) -> Iterator[bool]:
        if sha256 in self._held:
            yield False
            return
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(sha256))
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(sha256))


def _user_of(folder: Path) -> _User:
    key = os.getpid(), os.path.realpath(folder)
    with _guard:
        if key not in _users:
            _users[key] = _User(folder)
        return _users[key]


def _byte(sha256: str) -> int:
    """The place in the file `used` that stands for a copy."""
    return int(sha256[:15], 16)
