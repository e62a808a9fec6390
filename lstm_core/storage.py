"""Storage is a URI: a plain path, file:// or s3://, all through the same few functions.

A write is atomic: another reader sees the old bytes, the new ones, or nothing, never a half. What goes wrong
raises StorageError, which names the place and what to do.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_core.errors import StorageError

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_TEMPORARY = ".tonemill-"  # how the names of files start that are still being written


class MissingError(StorageError):
    """Nothing is stored at a URI."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    path: str  # relative to the folder that was listed, with "/" between names
    size_bytes: int
    etag: str  # changes when the content does: the store's own, or the time of change of a local file


def local_path(uri: str | Path) -> Path | None:
    """Path of a URI that is a local file or folder, None of any other."""
    text = str(uri)
    if text.lower().startswith("file://"):
        return Path(text[len("file://") :])
    return None if _SCHEME.match(text) else Path(text)


def absolute(uri: str | Path) -> str:
    """The URI as every process of a job understands it: a local path from the root of the file system."""
    path = local_path(uri)
    return str(path.expanduser().absolute()) if path is not None else str(uri)


def join(uri: str | Path, *names: str) -> str:
    """The URI of something inside a folder."""
    return "/".join([str(uri).rstrip("/") or "/", *names]).replace("//", "/", 1 if str(uri) == "/" else 0)


def name_of(uri: str | Path) -> str:
    """The last name of a URI: `chorales` of s3://bucket/chorales/."""
    path = local_path(uri)
    return path.resolve().name if path is not None else str(uri).rstrip("/").rsplit("/", 1)[-1]


def exists(uri: str | Path) -> bool:
    """Whether a file or folder is there."""
    filesystem, path = _open(uri)
    with _explained(uri, "look at"):
        return bool(filesystem.exists(path))


def file_size(uri: str | Path) -> int:
    """Size in bytes of a file; MissingError when there is none."""
    filesystem, path = _open(uri)
    with _explained(uri, "look at"):
        return int(filesystem.info(path)["size"])


def read_bytes(uri: str | Path) -> bytes:
    """All bytes of a file; MissingError when there is none."""
    local = local_path(uri)
    with _explained(uri, "read"):
        if local is not None:
            return local.read_bytes()
        filesystem, path = _open(uri)
        return bytes(filesystem.cat_file(path))


def read_range(uri: str | Path, start: int, size_bytes: int) -> bytes:
    """Bytes `start` to `start + size_bytes` of a file, fewer at its end."""
    filesystem, path = _open(uri)
    with _explained(uri, "read"):
        return bytes(filesystem.cat_file(path, start=start, end=start + size_bytes))


def write_bytes(uri: str | Path, data: bytes) -> None:
    """Store a file atomically, making the folders above it; what was there before is replaced."""
    local = local_path(uri)
    if local is not None:
        write_local(local, lambda temporary: Path(temporary).write_bytes(data))
        return
    filesystem, path = _open(uri)
    with _explained(uri, "write"):
        filesystem.pipe_file(path, data)


def write_local(path: Path, write: Callable[[Path], object]) -> None:
    """Store a local file atomically: `write` fills a temporary file beside it, which then takes its name."""
    with _explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a local file, read in pieces."""
    with _explained(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_copy(uri: str | Path, sha256: str) -> Path:
    """Path of a file that is local already, else of a copy in the cache of this machine, kept under its sha256."""
    local = local_path(uri)
    if local is not None:
        return local
    copy = Path(os.environ.get("TONEMILL_CACHE", "~/.cache/tonemill")).expanduser() / sha256
    if not (copy.exists() and sha256_of(copy) == sha256):
        filesystem, path = _open(uri)
        with _explained(uri, "read"):
            write_local(copy, lambda temporary: filesystem.get_file(path, str(temporary)))
    return copy


def remove(uri: str | Path) -> None:
    """Remove a file; nothing happens when it is not there."""
    filesystem, path = _open(uri)
    with _explained(uri, "remove"):
        if filesystem.exists(path):
            filesystem.rm_file(path)


def list_files(uri: str | Path, *, on_denied: Callable[[str, str], None] | None = None) -> list[StoredFile]:
    """All files under a folder, sorted by path, without hidden ones and those still being written.

    `on_denied(path, reason)` is told of each folder inside that cannot be read; without it that is an error.
    MissingError when there is no such folder, or it is a file.
    """
    local = local_path(uri)
    if local is not None:
        found = list(_walk_local(local, on_denied))
    else:
        filesystem, root = _open(uri)
        with _explained(uri, "list"):
            listing = filesystem.find(root, detail=True)
        if not listing:
            raise MissingError(f"There are no files at {uri}: check the bucket and the folder.")
        prefix = root.rstrip("/") + "/"
        found = [
            StoredFile(path=path[len(prefix) :], size_bytes=int(info["size"]), etag=str(info.get("ETag", "")))
            for path, info in listing.items()
            if path.startswith(prefix)
        ]
    return sorted((file for file in found if not _is_hidden(file.path)), key=lambda file: file.path)


def _walk_local(root: Path, on_denied: Callable[[str, str], None] | None) -> Iterator[StoredFile]:
    if not root.exists():
        raise MissingError(f"There is no folder {root}: check the path.")
    if not root.is_dir():
        raise StorageError(f"{root} is a file, and a folder is wanted.")
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
                raise _translated(error, folder, "list") from error
            on_denied(prefix.rstrip("/"), f"the folder cannot be read: {error.strerror}")
            continue
        for entry in entries:
            if entry.is_dir():
                waiting.append((entry.path, f"{prefix}{entry.name}/"))
                continue
            try:
                state = entry.stat()
            except OSError:
                state = entry.stat(follow_symlinks=False)  # a link to nothing: reading it will say so
            yield StoredFile(path=prefix + entry.name, size_bytes=state.st_size, etag=f"{state.st_mtime_ns:x}")


def _is_hidden(path: str) -> bool:
    return any(name.startswith(".") for name in path.split("/"))


def _open(uri: str | Path) -> tuple[Any, str]:
    """The fsspec filesystem of a URI, and its path there."""
    import fsspec

    text = str(uri)
    options = {} if local_path(uri) is not None else {"use_listings_cache": False}
    try:
        filesystem, path = fsspec.core.url_to_fs(text, **options)
    except ImportError as error:
        extra = "tonemill[s3]" if text.startswith("s3:") else "the fsspec driver for it"
        raise StorageError(f"{text}: this kind of storage needs {extra}; install it with pip.") from error
    except ValueError as error:
        raise StorageError(f"{text}: {error}. Use a path, file:// or s3://.") from error
    return filesystem, str(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _explained(uri: str | Path, doing: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise _translated(error, str(uri), doing) from error
    except Exception as error:
        if local_path(uri) is not None:
            raise
        raise StorageError(f"Cannot {doing} {uri}: {type(error).__name__}: {error}") from error


def _translated(error: OSError, uri: str, doing: str) -> StorageError:
    if isinstance(error, FileNotFoundError):
        said = "" if local_path(uri) is not None else f" ({error})"
        return MissingError(f"Cannot {doing} {uri}: there is nothing of that name{said}.")
    if isinstance(error, PermissionError):
        return StorageError(f"Cannot {doing} {uri}: permission denied. Check the rights of the user that runs this.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"Cannot {doing} {uri}: the disk is full. Free some space and run the same command again.")
    return StorageError(f"Cannot {doing} {uri}: {error.strerror or error}")
