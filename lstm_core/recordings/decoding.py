"""Recordings decoded in a separate process, which a hostile file may hang, crash or fill without harm to others.

The process is started as `python -m lstm_core.recordings.decoding_process`. Samples come
through memory that both sides map: two slots of a chunk each, so that one is filled while the other is read. The rest
goes through pipes, as frames (foundation/isolation.py).
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import RecordingError
from lstm_core.foundation.isolation import TOO_SLOW, Worker
from lstm_core.recordings.facts import RecordingFacts
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.recording import CHUNK_S, MAX_CHUNK_BYTES, Chunk

MAX_RECORDINGS = 1_000  # that one process decodes
NUM_SLOTS = 2
OPEN, DATA, NO_DATA, NEXT = range(4)  # frames to the process
READ, FACTS, CHUNK, END, REFUSED, NO_FILE = range(6)  # frames from it
READ_REQUEST = struct.Struct("<QQ")  # position and number of bytes


class IsolatedDecoder(Closing):
    """Decodes recordings, one at a time. A context manager; the process starts with the first one.

    Args:
        floor_s: Processor time that a recording may take besides seconds_per_s; wall time may be ten times as much.
        seconds_per_s: Processor time for each second of audio. FFmpeg needs 0.001 to 0.01.
        memory_bytes: Address space above what the process has when it is ready.
    """

    def __init__(self, *, floor_s: float = 10.0, seconds_per_s: float = 0.1, memory_bytes: int = 512 * 2**20) -> None:
        self.time_limit = f"{floor_s:g} s and {seconds_per_s:g} s for each second of audio"
        self._shared = _shared_file(NUM_SLOTS * MAX_CHUNK_BYTES)
        self.slots = mmap.mmap(self._shared, NUM_SLOTS * MAX_CHUNK_BYTES)
        self.worker = Worker(
            "lstm_core.recordings.decoding_process",
            (floor_s, seconds_per_s, memory_bytes, self._shared),
            memory_bytes=memory_bytes,
            most_served=MAX_RECORDINGS,
            open_files=[self._shared],
        )
        self._current: IsolatedRecording | None = None

    def close(self) -> None:
        """Ends the process and frees the memory; afterwards nothing can be decoded."""
        self.worker.close()
        if self._shared >= 0:
            self.slots.close()
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


class IsolatedRecording(Closing):
    """A recording being decoded elsewhere, once from start to end; reads as `recordings.Recording` does."""

    def __init__(
        self, decoder: IsolatedDecoder, source: BinaryIO | Path | str, limits: RecordingLimits, chunk_s: float
    ) -> None:
        self._decoder, self._worker = decoder, decoder.worker
        self._source, self._limits, self._chunk_s = source, limits, chunk_s
        self._is_open = True
        self._is_local = isinstance(source, (str, Path))
        self._is_seekable = self._is_local or _is_seekable(source)
        self._num_chunks = 0
        self._source_error: Exception | None = None
        self.num_samples = 0  # returned so far
        self.num_cleaned = 0  # known at the end, as is the next
        self.num_damaged_packets = 0
        self._facts: RecordingFacts | None = None  # not received yet
        self._begin()
        kind, body = self._answer()
        assert kind == FACTS
        fields = json.loads(body)
        fields["channel_names"] = tuple(fields["channel_names"])
        self._facts = RecordingFacts(**fields)

    def close(self) -> None:
        """Ends decoding; an unfinished process is ended too."""
        if self._is_open:
            self._is_open = False
            self._worker.close()

    @property
    def facts(self) -> RecordingFacts:
        """The facts that the file states."""
        assert self._facts is not None
        return self._facts

    @property
    def duration_s(self) -> float:
        """Seconds returned so far."""
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
                self._worker.num_served += 1
                self.num_cleaned, self.num_damaged_packets = struct.unpack("<QQ", body)
                return
            assert kind == CHUNK
            slot, num_samples = struct.unpack("<QQ", body)
            view = np.frombuffer(
                self._decoder.slots,
                dtype=np.float32,
                count=self.facts.num_channels * num_samples,
                offset=slot * MAX_CHUNK_BYTES,
            )
            chunk = view.reshape(self.facts.num_channels, num_samples).copy()
            del view  # or the memory could not be unmapped
            self._worker.send(NEXT, b"")
            self._num_chunks += 1
            self.num_samples += num_samples
            yield chunk

    def _begin(self) -> None:
        """Has a process begin to decode, from where the one before it failed."""
        self._worker.begin()
        request = {
            "limits": asdict(self._limits),
            "chunk_s": self._chunk_s,
            "path": str(self._source) if self._is_local else None,
            "size": _size(self._source) if self._is_seekable and not self._is_local else None,
            "is_seekable": self._is_seekable,
            "num_known": self._num_chunks,
        }
        self._worker.send(OPEN, json.dumps(request).encode())

    def _answer(self) -> tuple[int, bytes]:
        """The next of FACTS, CHUNK and END; reads are served meanwhile.

        A crash is attributed to this recording only when it happens in a process that has decoded no other.
        """
        while True:
            frame = self._worker.receive()
            if frame is None:
                status, was_fresh = self._worker.end()
                if was_fresh or not self._is_seekable or status in TOO_SLOW:
                    self._is_open = False
                    raise RecordingError("decode", self._fault(status))
                self._begin()
            elif frame[0] == READ:
                self._serve_read(*READ_REQUEST.unpack(frame[1]))
            elif frame[0] in (REFUSED, NO_FILE):
                self._is_open = False
                self._worker.num_served += 1
                raise self._refusal(*frame)
            elif frame[0] != FACTS or self._facts is None:  # a restarted process sends the facts again
                return frame

    def _serve_read(self, position: int, size: int) -> None:
        assert not isinstance(self._source, (str, Path))
        try:
            if self._is_seekable:
                self._source.seek(position)
            data = self._source.read(size) or b""
        except Exception as error:
            self._source_error = error
            self._worker.send(NO_DATA, b"")
        else:
            self._worker.send(DATA, bytes(data))

    def _refusal(self, kind: int, body: bytes) -> Exception:
        if self._source_error is not None:
            return self._source_error
        first, second = json.loads(body)
        if kind == NO_FILE:
            return OSError(first, second, str(self._source))
        return RecordingError(first, second)

    def _fault(self, status: int) -> str:
        what = self._worker.fault(status, self._decoder.time_limit)
        where = f"after {self.duration_s:.1f} s" if self._facts is not None else "as it was opened"
        return f"decoding it {what}, {where}"


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
