"""The log of a job, followed while it is written.

Ray offers three ways. Its web socket would be a second protocol, which some proxies do not let through. To fetch the
log again and again moves it whole each time. So we read the dashboard's stream of the file: plain HTTP with the
same token, which goes on until it is closed. It always begins at the beginning of the file; after a break the bytes
that we had are skipped. It does not end with the job, so its status is requested while nothing comes, and once the job
is over the rest of the file is fetched.
"""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing

import httpx

from cluster.job import JobInfo
from cluster.ray_jobs.server import JobServer

_STREAM, _FILE = "/api/v0/logs/stream", "/api/v0/logs/file"
_INTERVAL_S = 0.5  # between the server's looks at the file


def followed(
    server: JobServer,
    job_id: str,
    status: Callable[[str], JobInfo],
    on_change: Callable[[JobInfo], None],
) -> Iterator[str]:
    """What a job writes, as it comes, until the job is over."""
    num_bytes, num_failures = 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    last: JobInfo | None = None

    def look() -> JobInfo:
        nonlocal last
        info = status(job_id)
        if last is None or (info.status, info.message) != (last.status, last.message):
            on_change(info)
        last = info
        return info

    while not (info := look()).status.is_over:
        if not info.node_id:
            time.sleep(server.timing.poll_s)
            continue
        before = num_bytes
        with closing(LogTail(server, info, num_bytes)) as tail:
            while (chunk := tail.read(server.timing.poll_s)) != b"":
                if chunk is None:
                    if look().status.is_over:
                        break
                    continue
                num_bytes += len(chunk)
                if text := decoder.decode(chunk):
                    yield text
            else:  # it broke off
                num_failures = 0 if num_bytes > before else num_failures + 1
                time.sleep(min(server.timing.longest_wait_s, server.timing.first_wait_s * 2 ** min(num_failures, 8)))
    if rest := decoder.decode(whole_log(server, info)[num_bytes:], final=True):
        yield rest


def whole_log(server: JobServer, info: JobInfo) -> bytes:
    """All bytes that a job has written so far; none before it runs."""
    if not info.node_id:
        return b""
    return server.request("GET", _FILE, params=_place(info), missing=f"The log of the job {info.job_id}").content


class LogTail:
    """A stream of the log of a job, of which single reads can be given up.

    It is read by a separate loop, since a read of a plain client can neither end early nor be taken up again.

    Args:
        server: Where from.
        info: The job, which must run already.
        num_skipped: Bytes from the beginning that are known.
    """

    def __init__(self, server: JobServer, info: JobInfo, num_skipped: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._chunks = self._stream(server, info, num_skipped)
        self._waiting: asyncio.Task[bytes] | None = None

    def read(self, wait_s: float) -> bytes | None:
        """The next bytes, None when none came in time, b"" when the stream has ended or broken off."""
        if self._waiting is None:
            self._waiting = self._loop.create_task(self._next())
        self._loop.run_until_complete(asyncio.wait({self._waiting}, timeout=wait_s))
        if not self._waiting.done():
            return None
        done, self._waiting = self._waiting, None
        return done.result()

    def close(self) -> None:
        """Closes the connection, also in the middle of a read."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._loop.run_until_complete(asyncio.wait({self._waiting}))
        self._loop.run_until_complete(self._chunks.aclose())
        self._loop.close()

    async def _next(self) -> bytes:
        try:
            return await anext(self._chunks, b"")
        except httpx.TransportError:
            return b""

    async def _stream(self, server: JobServer, info: JobInfo, num_skipped: int) -> AsyncGenerator[bytes, None]:
        timeout = httpx.Timeout(server.timing.silence_s, connect=server.timing.connect_s)
        async with (
            httpx.AsyncClient(**{**server.client_arguments, "timeout": timeout}) as client,
            client.stream("GET", _STREAM, params={**_place(info), "interval": str(_INTERVAL_S)}) as answer,
        ):
            if answer.status_code != 200:
                return  # the status of the job is requested next, and says why
            async for chunk in answer.aiter_bytes():
                kept = chunk[num_skipped:]
                num_skipped -= len(chunk) - len(kept)
                if kept:
                    yield kept


def _place(info: JobInfo) -> dict[str, str]:
    return {"node_id": info.node_id, "filename": f"job-driver-{info.job_id}.log", "lines": "-1"}
