"""Storage is a URI: a plain path, file:// or s3://, all through the same few functions.

A write is atomic: another reader sees the old bytes, the new ones, or nothing, never a half. Failures
raise StorageError, which names the place and what to do. Credentials, endpoint and region of s3:// come from where
AWS programs look for them. All functions may be called from several threads.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lstm_core.foundation.errors import ChangedError as ChangedError
from lstm_core.foundation.errors import MissingError as MissingError
from lstm_core.foundation.errors import StorageError
from lstm_core.storage import local as local_storage
from lstm_core.storage import node_cache
from lstm_core.storage.stored_file import StoredFile as StoredFile
from lstm_core.storage.stored_file import StoredVersion as StoredVersion

if TYPE_CHECKING:
    from lstm_core.storage.s3 import S3Store

CHUNK_BYTES = 8 * 2**20  # that a stream requests at once; it holds three of them at most
PAGE_FILES = 1_000  # as many as S3 lists at once
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def local_path(uri: str | Path) -> Path | None:
    """Path of a URI that is a local file or folder, None of any other."""
    text = str(uri)
    if text.lower().startswith("file://"):
        return Path(text[len("file://") :])
    return None if _SCHEME.match(text) else Path(text)


def absolute(uri: str | Path, folder: str = "") -> str:
    """The URI as every process of a job understands it: a local path from the root of the file system.

    A relative path is one in `folder`, which may be a URI, or without that in the folder of the process.
    """
    path = local_path(uri)
    if path is None:
        return str(uri)
    return absolute(join(folder, str(uri))) if folder and not path.is_absolute() else str(path.expanduser().absolute())


def join(uri: str | Path, *names: str) -> str:
    """The URI of something inside a folder."""
    return "/".join([str(uri).rstrip("/") or "/", *names]).replace("//", "/", 1 if str(uri) == "/" else 0)


def name_of(uri: str | Path) -> str:
    """The last name of a URI: `chorales` of s3://bucket/chorales/."""
    path = local_path(uri)
    return path.resolve().name if path is not None else str(uri).rstrip("/").rsplit("/", 1)[-1]


def exists(uri: str | Path) -> bool:
    """Whether a file or folder is there."""
    local = local_path(uri)
    if local is None:
        return _store(uri).exists(str(uri))
    with local_storage.explained(uri, "look at"):
        return local.exists()


def file_size(uri: str | Path) -> int:
    """Size in bytes of a file; MissingError when there is none."""
    local = local_path(uri)
    if local is None:
        return _store(uri).size_bytes(str(uri))
    with local_storage.explained(uri, "look at"):
        return local.stat().st_size


def etag_of(uri: str | Path) -> str:
    """A text that changes when a file does; MissingError when there is none."""
    local = local_path(uri)
    if local is None:
        return _store(uri).etag(str(uri))
    with local_storage.explained(uri, "look at"):
        return local_storage.etag_of(local.stat())


def read_bytes(uri: str | Path, *, etag: str = "") -> bytes:
    """All bytes of a file that fits in memory.

    Args:
        uri: Where it is.
        etag: Its etag in the listing; empty takes any.

    Raises:
        MissingError: there is none (any more).
        ChangedError: it is another one than that of `etag`.
    """
    local = local_path(uri)
    if local is None:
        return _store(uri).read(str(uri), etag=etag)
    with local_storage.explained(uri, "read"):
        return local_storage.read(local, etag)


def open_stream(uri: str | Path, *, etag: str = "", chunk_bytes: int = CHUNK_BYTES) -> BinaryIO:
    """A file of any size, open for reading at any position in constant memory; close it, or use it in `with`.

    Of a remote file whole chunks are fetched, the next one while this one is read. All are of one version of it:
    that of `etag`, or without one the version that is there now. Any read may raise what `read_bytes` does.
    """
    local = local_path(uri)
    if local is None:
        return _store(uri).open_stream(str(uri), etag=etag, chunk_bytes=chunk_bytes)
    return local_storage.open_checked(local, etag)


def write_bytes(uri: str | Path, data: bytes) -> None:
    """Store a file atomically, making the folders above it; what was there before is replaced."""
    local = local_path(uri)
    if local is None:
        _store(uri).write(str(uri), data)
    else:
        write_local(local, lambda temporary: temporary.write_bytes(data))


def create_bytes(uri: str | Path, data: bytes) -> bool:
    """Stores a file if there is none of that name, and returns whether it did: of several writers one succeeds."""
    local = local_path(uri)
    if local is None:
        return _store(uri).create(str(uri), data)
    return local_storage.write(local, lambda temporary: temporary.write_bytes(data), replace=False)


def read_version(uri: str | Path) -> StoredVersion:
    """A small file with what `replace_bytes` needs, and its age by the clock of the store."""
    local = local_path(uri)
    return _store(uri).read_version(str(uri)) if local is None else local_storage.read_version(local)


def replace_bytes(uri: str | Path, data: bytes, *, etag: str) -> bool:
    """Replaces a file if it is still the version of an etag (of `read_version`), and returns whether it did."""
    local = local_path(uri)
    return _store(uri).replace(str(uri), data, etag) if local is None else local_storage.replace(local, data, etag)


def write_local(path: Path, write: Callable[[Path], object]) -> None:
    """Store a local file atomically: `write` fills a temporary file beside it, which then takes its name."""
    local_storage.write(path, write)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a local file, read in pieces."""
    with local_storage.explained(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_copy(uri: str | Path, sha256: str, *, size_bytes: int = 0) -> Path:
    """Path of a file that is local already, else of the copy that this machine keeps of it (see node_cache).

    Of several processes that need it one fetches it, the others wait.

    Raises:
        ChangedError: the file at `uri` has another sha256; that of a local one is not looked at.
    """
    local = local_path(uri)
    if local is not None:
        return local
    return node_cache.kept_copy(
        sha256, lambda temporary: download(uri, temporary), source=str(uri), size_bytes=size_bytes
    )


def download(uri: str | Path, path: Path) -> None:
    """Fills a local file with a stored one, piece by piece."""
    with open_stream(uri) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)


def remove(uri: str | Path) -> None:
    """Remove a file; does nothing when it is not there."""
    local = local_path(uri)
    if local is None:
        _store(uri).remove(str(uri))
        return
    with local_storage.explained(uri, "remove"):
        local.unlink(missing_ok=True)


def list_files(uri: str | Path, *, on_denied: Callable[[str, str], None] | None = None) -> list[StoredFile]:
    """All files under a folder, sorted by path, without hidden ones and those still being written.

    `on_denied(path, reason)` is called for each folder inside that cannot be read; without it that is an error.
    MissingError when there is no such folder, or it is a file.
    """
    files = [file for page in list_pages(uri, on_denied=on_denied) for file in page]
    return sorted(files, key=lambda file: file.path)


def list_pages(uri: str | Path, *, on_denied: Callable[[str, str], None] | None = None) -> Iterator[list[StoredFile]]:
    """The files of `list_files`, a thousand at a time: memory stays constant for any number.

    Those of S3 come sorted by path, local ones folder by folder.
    """
    local = local_path(uri)
    if local is None:
        found = _store(uri).pages(str(uri), PAGE_FILES)
    else:
        found = local_storage.pages(local, on_denied, PAGE_FILES)
    for page in found:
        yield [file for file in page if not _is_hidden(file.path)]


def _is_hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path


def _store(uri: str | Path) -> S3Store:
    if not str(uri).lower().startswith("s3://"):
        scheme = str(uri).partition("://")[0]
        raise StorageError(f"{scheme}://... is an unknown kind of storage. Use a path, file:// or s3://.")
    settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _open_store(os.getpid(), settings)


@lru_cache(maxsize=4)
def _open_store(pid: int, settings: tuple[tuple[str, str], ...]) -> S3Store:
    """One store for all threads of a process: a child must not share the connections of its parent."""
    try:
        from lstm_core.storage.s3 import S3Store
    except ImportError as error:
        raise StorageError(f"s3:// needs boto3, which is not installed ({error}): pip install tonemill[s3]") from error
    return S3Store()
