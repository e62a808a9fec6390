"""Storage in the file system: the local half of storage.py."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lstm_core.foundation.errors import ChangedError, DeniedError, MissingError, StorageError
from lstm_core.storage.stored_file import StoredFile, StoredVersion

TEMPORARY = ".tonemill-"  # how the names of files start that are still being written


def read(path: Path, etag: str = "") -> bytes:
    """All bytes of a file; ChangedError when it is not the one of an etag."""
    with open_checked(path, etag) as file:
        return file.read()


def open_checked(path: Path, etag: str = "") -> BinaryIO:
    """A file, open to be read; ChangedError when it is not the one of an etag."""
    with explained(path, "read"):
        file = path.open("rb")
    if etag and etag_of(os.fstat(file.fileno())) != etag:
        file.close()
        raise ChangedError(f"Cannot read {path}: it was changed since it was listed. Run the same command again.")
    return file


def write(path: Path, fill: Callable[[Path], object], *, replace: bool = True) -> bool:
    """Stores a file atomically: `fill` fills a temporary file beside it, which then takes its name.

    Returns:
        Whether it was stored: False when there is a file of that name already and `replace` is False.
    """
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        # With the rights of any new file. The file mode mask itself can only be read by changing it, for all threads.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            fill(temporary)
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)  # unlike a rename it fails where there is one
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
    return True


def read_version(path: Path) -> StoredVersion:
    """A small file as it is now. Its etag is a hash: times of change are too coarse to distinguish two quick writes."""
    with explained(path, "read"), path.open("rb") as file:
        data, modified_s = file.read(), os.fstat(file.fileno()).st_mtime
    return StoredVersion(data=data, etag=hashlib.sha256(data).hexdigest(), age_s=max(0.0, time.time() - modified_s))


def replace(path: Path, data: bytes, etag: str) -> bool:
    """Whether a file was replaced: only if it is still that of `etag`. The folder is locked for that moment."""
    with explained(path, "write"):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if read_version(path).etag != etag:
                return False
            return write(path, lambda temporary: temporary.write_bytes(data))
        finally:
            os.close(folder)


def pages(root: Path, on_denied: Callable[[str, str], None] | None, page_files: int) -> Iterator[list[StoredFile]]:
    """All files under a folder, so many at a time, folder by folder."""
    page: list[StoredFile] = []
    for file in _walk(root, on_denied):
        page.append(file)
        if len(page) == page_files:
            yield page
            page = []
    yield page


def etag_of(status: os.stat_result) -> str:
    """A text that changes when a file does."""
    return f"{status.st_mtime_ns:x}"


def _walk(root: Path, on_denied: Callable[[str, str], None] | None) -> Iterator[StoredFile]:
    if not root.exists():
        raise MissingError(f"There is no folder {root}: check the path.")
    if not root.is_dir():
        raise StorageError(f"{root} is a file, and a folder is expected.")
    seen: set[tuple[int, int]] = set()  # folders, so that a link to a folder above ends
    waiting = [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            state = os.stat(folder)
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if on_denied is None or not prefix:
                raise translated(error, folder, "list") from error
            on_denied(prefix.rstrip("/"), f"the folder cannot be read: {error.strerror}")
            continue
        for entry in entries:
            if entry.is_dir():
                waiting.append((entry.path, f"{prefix}{entry.name}/"))
                continue
            state = _status(entry)
            yield StoredFile(
                path=prefix + entry.name, size_bytes=state.st_size, etag=etag_of(state), modified_s=state.st_mtime
            )


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    with suppress(OSError):
        return entry.stat()
    return entry.stat(follow_symlinks=False)  # a broken link: reading it will raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A lock for one process of this machine at a time; `path` is created for it and stays, empty."""
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def explained(place: str | Path, doing: str) -> Iterator[None]:
    """Errors of the operating system become StorageErrors that name the place."""
    try:
        yield
    except OSError as error:
        raise translated(error, str(place), doing) from error


def translated(error: OSError, place: str, doing: str) -> StorageError:
    """The StorageError for an error of the operating system."""
    if isinstance(error, FileNotFoundError):
        return MissingError(f"Cannot {doing} {place}: there is nothing of that name.")
    if isinstance(error, PermissionError):
        return DeniedError(f"Cannot {doing} {place}: permission denied. Check the rights of the user that runs this.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"Cannot {doing} {place}: the disk is full. Free some space and run the same command again."
        )
    return StorageError(f"Cannot {doing} {place}: {error.strerror or error}")
