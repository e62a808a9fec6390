"""Recordings decoded in a process of their own, which a hostile file may hang, crash or fill without harm to others.

The process is started as `python -m lstm_core.recordings.decoding_process`. Samples come
through memory that both sides map: two slots of a chunk each, so that one is filled while the other is read. All else
goes through pipes, as frames of a kind, a length (little-endian, <BQ) and so many bytes.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import RecordingError
from lstm_core.foundation.isolation import TOO_SLOW, fault, pipe, start_module
from lstm_core.recordings.facts import RecordingFacts
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.recording import CHUNK_S, MAX_CHUNK_BYTES, Chunk

MAX_RECORDINGS = 1_000  # that one process decodes; whatever it has leaked by then goes with it
NUM_SLOTS = 2
OPEN, DATA, NO_DATA, NEXT = range(4)  # frames to the process
READ, FACTS, CHUNK, END, REFUSED, NO_FILE = range(6)  # frames from it
_FRAME = struct.Struct("<BQ")
READ_REQUEST = struct.Struct("<QQ")  # position and number of bytes


class IsolatedDecoder(Closing):
    """Decodes recordings, one at a time. A context manager; the process starts with the first one.

    Args:
        floor_s: Processor time that a recording may take besides seconds_per_s; by the clock ten times as much.
        seconds_per_s: Processor time for each second of audio. FFmpeg needs 0.001 to 0.01.
        memory_bytes: Address space above what the process has when it is ready.
    """

    def __init__(self, *, floor_s: float = 10.0, seconds_per_s: float = 0.1, memory_bytes: int = 512 * 2**20) -> None:
        self._floor_s, self._seconds_per_s, self._memory_bytes = floor_s, seconds_per_s, memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._num_served = 0
        self._shared = _shared_file(NUM_SLOTS * MAX_CHUNK_BYTES)
        self._slots = mmap.mmap(self._shared, NUM_SLOTS * MAX_CHUNK_BYTES)
        self._current: IsolatedRecording | None = None

    def close(self) -> None:
        """Ends the process and frees the memory; nothing can be decoded any more."""
        self._stop()
        if self._shared >= 0:
            self._slots.close()
            os.close(self._shared)
            self._shared = -1

    def open(
        self, source: BinaryIO | Path | str, limits: RecordingLimits | None = None, *, chunk_s: float = CHUNK_S
    ) -> IsolatedRecording:
        """The recording in a local file or a binary file object, to be read before the next one is opened.

        The file object is read here, on request; its own errors come through as they are. It is not closed.

        Raises:
            RecordingError: as `open_recording`; also where decoding takes too long or too much memory, or crashes.
            OSError: the file cannot be opened or read.
        """
        if self._current is not None:
            self._current.close()
        recording = IsolatedRecording(self, source, limits or RecordingLimits(), chunk_s)
        self._current = recording
        return recording

    def _stop(self) -> int:
        """Exit status of the process, killed where it had not ended."""
        process, self._process = self._process, None
        self._current = None
        if process is None:
            return 0
        return _reap(process)

    def _ready_process(self) -> tuple[subprocess.Popen[bytes], bool]:
        """A process that waits for a recording, and whether it has decoded none before."""
        if self._num_served >= MAX_RECORDINGS or (self._process is not None and self._process.poll() is not None):
            self._stop()
        if self._process is None:
            arguments = (self._floor_s, self._seconds_per_s, self._memory_bytes, self._shared)
            self._process = start_module("lstm_core.recordings.decoding_process", arguments, open_files=[self._shared])
            self._num_served = 0
        self._num_served += 1
        return self._process, self._num_served == 1


class IsolatedRecording(Closing):
    """A recording being decoded elsewhere, once from start to end; reads as `recordings.Recording` does."""

    def __init__(
        self, decoder: IsolatedDecoder, source: BinaryIO | Path | str, limits: RecordingLimits, chunk_s: float
    ) -> None:
        self._decoder, self._source, self._limits, self._chunk_s = decoder, source, limits, chunk_s
        self._is_open = True
        self._is_local = isinstance(source, (str, Path))
        self._is_seekable = self._is_local or _is_seekable(source)
        self._num_chunks = 0
        self._source_error: Exception | None = None
        self.num_samples = 0  # given out so far
        self.num_cleaned = 0  # known at the end, as is the next
        self.num_damaged_packets = 0
        self._begin()
        kind, body = self._answer()
        assert kind == FACTS
        fields = json.loads(body)
        fields["channel_names"] = tuple(fields["channel_names"])
        self.facts = RecordingFacts(**fields)

    def close(self) -> None:
        """Ends decoding; where it was not at its end, the process goes too."""
        if self._is_open:
            self._is_open = False
            self._decoder._stop()

    @property
    def duration_s(self) -> float:
        """Seconds given out so far."""
        return self.num_samples / self.facts.sample_rate

    def chunks(self) -> Iterator[Chunk]:
        """As `Recording.chunks`.

        Raises:
            RecordingError: as `Recording.chunks`; also where decoding takes too long or too much memory, or crashes.
            OSError: and other errors of the file object.
        """
        while self._is_open:
            kind, body = self._answer()
            if kind == END:
                self._is_open = False
                self.num_cleaned, self.num_damaged_packets = struct.unpack("<QQ", body)
                return
            assert kind == CHUNK
            slot, num_samples = struct.unpack("<QQ", body)
            view = np.frombuffer(
                self._decoder._slots,
                dtype=np.float32,
                count=self.facts.num_channels * num_samples,
                offset=slot * MAX_CHUNK_BYTES,
            )
            chunk = view.reshape(self.facts.num_channels, num_samples).copy()
            del view  # or the memory could not be unmapped
            self._send(NEXT, b"")
            self._num_chunks += 1
            self.num_samples += num_samples
            yield chunk

    def _begin(self) -> None:
        """Has a process begin to decode, from where the one before it failed."""
        self._process, self._is_first = self._decoder._ready_process()
        request = {
            "limits": asdict(self._limits),
            "chunk_s": self._chunk_s,
            "path": str(self._source) if self._is_local else None,
            "size": _size(self._source) if self._is_seekable and not self._is_local else None,
            "is_seekable": self._is_seekable,
            "num_known": self._num_chunks,
        }
        self._send(OPEN, json.dumps(request).encode())

    def _send(self, kind: int, body: bytes) -> None:
        with suppress(BrokenPipeError):  # its end is seen, and explained, when it should answer
            send(pipe(self._process.stdin), kind, body)

    def _answer(self) -> tuple[int, bytes]:
        """The next of FACTS, CHUNK and END; reads are served meanwhile.

        A crash is put down to this recording only when it happens in a process that has decoded no other.
        """
        while True:
            frame = receive(pipe(self._process.stdout))
            if frame is None:
                status = self._decoder._stop()
                if self._is_first or not self._is_seekable or status in TOO_SLOW:
                    self._is_open = False
                    raise RecordingError("decode", self._fault(status))
                self._begin()
                if self._num_chunks or hasattr(self, "facts"):
                    continue
            elif frame[0] == READ:
                self._serve_read(*READ_REQUEST.unpack(frame[1]))
            elif frame[0] in (REFUSED, NO_FILE):
                self._is_open = False
                raise self._refusal(*frame)
            elif frame[0] == FACTS and hasattr(self, "facts"):
                continue  # of a process that began again
            else:
                return frame

    def _serve_read(self, position: int, size: int) -> None:
        assert not isinstance(self._source, (str, Path))
        try:
            if self._is_seekable:
                self._source.seek(position)
            data = self._source.read(size) or b""
        except Exception as error:
            self._source_error = error
            self._send(NO_DATA, b"")
        else:
            self._send(DATA, bytes(data))

    def _refusal(self, kind: int, body: bytes) -> Exception:
        if self._source_error is not None:
            return self._source_error
        first, second = json.loads(body)
        if kind == NO_FILE:
            return OSError(first, second, str(self._source))
        return RecordingError(first, second)

    def _fault(self, status: int) -> str:
        limit = f"{self._decoder._floor_s:g} s and {self._decoder._seconds_per_s:g} s for each second of audio"
        what = fault(status, limit=limit, memory_bytes=self._decoder._memory_bytes)
        where = (
            f"after {self.num_samples / self.facts.sample_rate:.1f} s" if hasattr(self, "facts") else "as it was opened"
        )
        return f"decoding it {what}, {where}"


def send(target: Any, kind: int, body: bytes) -> None:
    """Nothing; writes one frame."""
    target.write(_FRAME.pack(kind, len(body)))
    target.write(body)
    target.flush()


def receive(source: Any) -> tuple[int, bytes] | None:
    """Kind and body of the next frame, None where the other side has ended."""
    header = source.read(_FRAME.size)
    if len(header) < _FRAME.size:
        return None
    kind, size = _FRAME.unpack(header)
    body = source.read(size)
    return (kind, body) if len(body) == size else None


def _reap(process: subprocess.Popen[bytes]) -> int:
    process.kill()
    status = process.wait()
    pipe(process.stdout).close()
    with suppress(BrokenPipeError):  # what it had not read
        pipe(process.stdin).close()
    return status


def _shared_file(size_bytes: int) -> int:
    """Descriptor of memory that another process can map."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("samples")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size_bytes)
    return descriptor


def _is_seekable(source: Any) -> bool:
    return bool(getattr(source, "seekable", lambda: False)())


def _size(source: Any) -> int:
    size: int = source.seek(0, os.SEEK_END)
    return size
