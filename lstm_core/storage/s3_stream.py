"""A large object as a file: chunks on demand, the next one ahead, constant memory."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

KEPT_CHUNKS = 2  # so that a reader that alternates between two places fetches each once


class ChunkedReader(io.RawIOBase):
    """A read-only, seekable file over a function that fetches ranges.

    Args:
        fetch: Returns so many bytes from a start; called from one other thread too.
        size_bytes: Of the whole object.
        first: Its first chunk, if that is there already.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int, chunk_bytes: int, first: bytes) -> None:
        self._fetch, self._size_bytes, self._chunk_bytes = fetch, size_bytes, chunk_bytes
        self._position = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict({0: first})  # by number of the chunk, latest use last
        self._ahead: tuple[int, Future[bytes]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}, before the start")
        self._position = base + offset
        return self._position

    def readinto(self, target: Buffer) -> int:
        if self.closed:
            raise ValueError("read of a closed stream")
        view = memoryview(target).cast("B")
        if self._position >= self._size_bytes or not len(view):
            return 0
        number, offset = divmod(self._position, self._chunk_bytes)
        piece = memoryview(self._chunk(number))[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        if offset + len(piece) > self._chunk_bytes // 2:
            self._fetch_ahead(number + 1)
        return len(piece)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._ahead = None
        self._kept.clear()
        super().close()

    def _chunk(self, number: int) -> bytes:
        chunk = self._kept.pop(number, None)
        if chunk is None:
            if len(self._kept) == KEPT_CHUNKS:
                self._kept.popitem(last=False)
            if self._ahead is not None and self._ahead[0] == number:
                future, self._ahead = self._ahead[1], None
                chunk = future.result()
            else:
                chunk = self._fetch_chunk(number)
        self._kept[number] = chunk
        return chunk

    def _fetch_ahead(self, number: int) -> None:
        if number * self._chunk_bytes >= self._size_bytes or number in self._kept:
            return
        if self._ahead is not None and (self._ahead[0] == number or not self._ahead[1].done()):
            return
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="s3-ahead")
        self._ahead = number, self._pool.submit(self._fetch_chunk, number)

    def _fetch_chunk(self, number: int) -> bytes:
        start = number * self._chunk_bytes
        return self._fetch(start, min(self._chunk_bytes, self._size_bytes - start))
