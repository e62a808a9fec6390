"""Storage in S3 and what speaks like it: the remote half of storage.py.

boto3 does all of it: one set of credentials, timeouts and errors, and reads of one version. Its own retries are
off: they are limited by number, not by time, and do not cover the body of an answer.
"""

from __future__ import annotations

import email.utils
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, BinaryIO, TypeVar, cast

import urllib3
from botocore.exceptions import BotoCoreError, ChecksumError, ClientError, FlexibleChecksumError
from botocore.parsers import ResponseParserError

from lstm_core.foundation.backoff import Backoff
from lstm_core.foundation.errors import MissingError, StorageError, UnreachableError
from lstm_core.storage.retries import add_retry
from lstm_core.storage.s3_client import Patience, open_client
from lstm_core.storage.s3_errors import PASSING, Request, code_of, explained, status_of
from lstm_core.storage.s3_stream import ChunkedReader
from lstm_core.storage.stored_file import StoredFile, StoredVersion

_PIECE_BYTES = 2**20  # of a body, read at once
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.4, 8.0  # between attempts, doubled each time
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_RAISED = (BotoCoreError, ClientError, ResponseParserError, urllib3.exceptions.HTTPError, OSError)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Answer:
    data: bytes
    etag: str
    total_bytes: int  # of the whole object
    age_s: float


class S3Store:
    """Objects under s3:// URIs, with the credentials, endpoint and region of the environment; safe for threads."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._has_answered = False
        self._client, self._credentials = open_client(self._patience)

    def exists(self, uri: str) -> bool:
        """Whether there is an object, or one below that name."""
        bucket, key = split_uri(uri)
        if self._is_object(uri, key):
            return True
        listed = self._ask(
            "ListBucket", uri, lambda: self._client.list_objects_v2(Bucket=bucket, Prefix=_folder(key), MaxKeys=1)
        )
        return bool(listed.get("KeyCount", len(listed.get("Contents", ())))) or not key

    def _is_object(self, uri: str, key: str) -> bool:
        if not key or key.endswith("/"):
            return False
        try:
            self.size_bytes(uri)
        except MissingError:
            return False
        return True

    def size_bytes(self, uri: str) -> int:
        """Size of an object."""
        return int(self._head(uri)["ContentLength"])

    def etag(self, uri: str) -> str:
        """A text that changes when an object does."""
        return str(self._head(uri)["ETag"])

    def _head(self, uri: str) -> dict[str, Any]:
        bucket, key = split_object(uri)
        return self._ask("GetObject", uri, lambda: self._client.head_object(Bucket=bucket, Key=key))

    def read(self, uri: str, *, start: int = 0, size_bytes: int | None = None, etag: str = "") -> bytes:
        """Bytes of an object, by default all, of one version whatever happens meanwhile."""
        return self._get(uri, start, size_bytes, etag).data

    def read_version(self, uri: str) -> StoredVersion:
        """An object as it is now."""
        answer = self._get(uri, 0, None, "")
        return StoredVersion(data=answer.data, etag=answer.etag, age_s=answer.age_s)

    def open_stream(self, uri: str, *, etag: str, chunk_bytes: int) -> BinaryIO:
        """One version of an object as a file."""
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes is {chunk_bytes}, it must be at least 1")
        first = self._get(uri, 0, chunk_bytes, etag)
        raw = ChunkedReader(
            lambda start, size_bytes: self._get(uri, start, size_bytes, first.etag).data,
            first.total_bytes,
            chunk_bytes,
            first.data,
        )
        return cast(BinaryIO, io.BufferedReader(raw, 2**16))

    def write(self, uri: str, data: bytes) -> None:
        """Stores an object; it appears when all of it is there."""
        bucket, key = split_object(uri)
        self._ask("PutObject", uri, lambda: self._client.put_object(Bucket=bucket, Key=key, Body=data))

    def create(self, uri: str, data: bytes) -> bool:
        """Stores an object if there is none."""
        return self._put_if(uri, data, IfNoneMatch="*")

    def replace(self, uri: str, data: bytes, etag: str) -> bool:
        """Stores an object in the place of one version of it."""
        return self._put_if(uri, data, IfMatch=etag)

    def remove(self, uri: str) -> None:
        """Removes an object, if it is there."""
        bucket, key = split_object(uri)
        self._ask("DeleteObject", uri, lambda: self._client.delete_object(Bucket=bucket, Key=key))

    def pages(self, uri: str, page_files: int) -> Iterator[list[StoredFile]]:
        """All objects below a folder, in ascending order of path, so many at a time.

        Not boto3's paginator: after an error it cannot request the same page again.
        """
        bucket, key = split_uri(uri)
        prefix = _folder(key)
        wanted: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": page_files}
        is_empty = True
        while True:
            listed = self._ask("ListBucket", uri, lambda: self._client.list_objects_v2(**wanted))
            page = [_stored(found, len(prefix)) for found in listed.get("Contents", ()) if found["Key"][-1] != "/"]
            is_empty = is_empty and not page
            yield page
            if not listed.get("IsTruncated"):
                break
            wanted["ContinuationToken"] = listed["NextContinuationToken"]
        if is_empty:
            raise self._nothing_there(uri, key)

    def _nothing_there(self, uri: str, key: str) -> StorageError:
        if self._is_object(uri, key):
            return StorageError(f"{uri} is a file, and a folder is expected.")
        return MissingError(f"There are no files at {uri}: check the bucket and the folder.")

    def _get(self, uri: str, start: int, size_bytes: int | None, etag: str) -> _Answer:
        """A range of an object. A body that breaks off is requested again from there on, of the same version."""
        bucket, key = split_object(uri)
        if size_bytes == 0:
            return _Answer(data=b"", etag=etag, total_bytes=0, age_s=0.0)
        got = io.BytesIO()
        last = "" if size_bytes is None else start + size_bytes - 1
        version = etag

        def request() -> _Answer:
            nonlocal version
            first = start + got.tell()
            wanted: dict[str, str] = {"IfMatch": version} if version else {}
            if first or last != "":
                wanted["Range"] = f"bytes={first}-{last}"
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **wanted)
                version = answer["ETag"]
                while piece := answer["Body"].read(_PIECE_BYTES):
                    got.write(piece)
            except (ChecksumError, FlexibleChecksumError):
                got.seek(0)
                got.truncate()
                raise
            except ClientError as error:
                if status_of(error) != 416:
                    raise
                return _Answer(data=got.getvalue(), etag=version, total_bytes=start, age_s=0.0)  # past the end
            total = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
            return _Answer(data=got.getvalue(), etag=version, total_bytes=int(total), age_s=_age_s(answer))

        return self._ask("GetObject", uri, request)

    def _put_if(self, uri: str, data: bytes, **conditions: str) -> bool:
        """Stores an object on a condition. A first attempt may have stored it, though its answer was lost: when the
        condition fails, the stored object decides.
        """
        attempts = count()
        bucket, key = split_object(uri)

        def request() -> bool:
            number = next(attempts)
            try:
                self._client.put_object(Bucket=bucket, Key=key, Body=data, **conditions)
                return True
            except ClientError as error:
                is_gone = "IfMatch" in conditions and status_of(error) == 404 and code_of(error) != "NoSuchBucket"
                if status_of(error) != 412 and not is_gone:
                    raise
                return number > 0 and not is_gone and self.read(uri) == data

        return self._ask("PutObject", uri, request)

    def _ask(self, action: str, uri: str, request: Callable[[], T]) -> T:
        """The result of a request, tried again with growing pauses while that can help."""
        backoff = Backoff(first_s=_FIRST_WAIT_S, longest_s=_LONGEST_WAIT_S)
        while True:
            try:
                result = request()
            except StorageError:
                raise
            except _RAISED as error:
                described = Request(
                    action=action, uri=uri, endpoint=self._client.meta.endpoint_url, credentials=self._credentials
                )
                problem = explained(error, described)
                if isinstance(problem, PASSING) and backoff.pause(within_s=self._longest_s(problem)):
                    add_retry()
                    continue
                raise _after(problem, backoff.num_attempts, backoff.spent_s) from error
            self._has_answered = True
            return result

    def _longest_s(self, problem: StorageError) -> float:
        if not isinstance(problem, UnreachableError):
            return self._patience.retry_s
        return self._patience.lost_s if self._has_answered else self._patience.unreachable_s


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI; the key is empty for the bucket itself."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    if "@" in bucket or ":" in bucket:
        raise StorageError(
            "An s3:// URI holds no user, password or port: credentials and AWS_ENDPOINT_URL are set apart."
        )
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(f"{uri} names no bucket: write s3://BUCKET/FOLDER.")
    return bucket, key


def split_object(uri: str) -> tuple[str, str]:
    """Bucket and key of the URI of an object."""
    bucket, key = split_uri(uri)
    if not key:
        raise StorageError(f"{uri} is a bucket, and an object is expected: s3://BUCKET/FOLDER/NAME.")
    return bucket, key


def _folder(key: str) -> str:
    return key.rstrip("/") + "/" if key else ""


def _stored(found: dict[str, Any], prefix_length: int) -> StoredFile:
    return StoredFile(
        path=found["Key"][prefix_length:],
        size_bytes=found["Size"],
        etag=found["ETag"],
        modified_s=found["LastModified"].timestamp(),
    )


def _age_s(answer: dict[str, Any]) -> float:
    """Seconds since an object was written: both times are the store's, so no other clock matters."""
    date, written = answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""), answer["LastModified"].timestamp()
    now_s: float = email.utils.parsedate_to_datetime(date).timestamp() if date else written
    return max(0.0, now_s - float(written))


def _after(problem: StorageError, attempts: int, spent_s: float) -> StorageError:
    """The same problem, with the number and the time of the attempts."""
    text = str(problem)
    if isinstance(problem, PASSING):
        tries = f"{attempts} attempts" if attempts > 1 else "1 attempt"
        text += f"; gave up after {tries} in {spent_s:.1f} s"
        if not isinstance(problem, UnreachableError):
            text += ". Run the same command again later"
    return type(problem)(text + ".")
