"""The process in which `decoding.IsolatedDecoder` has recordings decoded: it can be killed at any moment."""

from __future__ import annotations

import io
import json
import mmap
import os
import struct
import sys
from dataclasses import asdict
from typing import Any, BinaryIO, cast

import numpy as np

from lstm_core.foundation.errors import RecordingError
from lstm_core.foundation.isolation import (
    OUT_OF_MEMORY,
    TimeBudget,
    be_ready,
    clock_stopped,
    limit_memory,
    receive,
    send,
    set_timers,
    take_over,
)
from lstm_core.recordings.decoding import (
    CHUNK,
    DATA,
    END,
    FACTS,
    NEXT,
    NO_DATA,
    NO_FILE,
    NUM_SLOTS,
    OPEN,
    READ,
    READ_REQUEST,
    REFUSED,
)
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.recording import MAX_CHUNK_BYTES, Recording, open_recording

READ_AHEAD_BYTES = 256 * 1024  # requested from the parent at a time; a round trip takes some 50 us


class Parent:
    """The other side of the pipes, and its number of free slots."""

    def __init__(self, source: Any, answers: Any) -> None:
        self._source, self._answers = source, answers
        self.num_free = NUM_SLOTS

    def send(self, kind: int, body: bytes) -> None:
        """Sends one frame."""
        send(self._answers, kind, body)

    def wait(self) -> tuple[int, bytes]:
        """The next frame, NEXT being dealt with; the process ends where the parent has."""
        with clock_stopped():
            frame = receive(self._source)
        if frame is None:
            os._exit(0)
        if frame[0] == NEXT:
            self.num_free += 1
        return frame

    def read(self, position: int, size: int) -> bytes:
        """Bytes of the file, which the parent reads.

        Raises:
            OSError: it could not.
        """
        self.send(READ, READ_REQUEST.pack(position, size))
        while True:
            kind, body = self.wait()
            if kind == NO_DATA:
                raise OSError("the file could not be read")
            if kind == DATA:
                return body


class ParentFile:
    """The parent's file object, read some way ahead."""

    def __init__(self, parent: Parent, size: int | None) -> None:
        self._parent, self._size = parent, size
        self._position = 0
        self._buffer, self._buffer_start = b"", 0

    def seekable(self) -> bool:
        """Whether the parent's file object is."""
        return self._size is not None

    def read(self, size: int) -> bytes:
        """At most so many bytes, none at the end."""
        first = self._position - self._buffer_start
        if not 0 <= first < len(self._buffer):
            self._buffer = self._parent.read(self._position, max(size, READ_AHEAD_BYTES))
            self._buffer_start, first = self._position, 0
        data = self._buffer[first : first + size]
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position in bytes from the start."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        return self._position


def serve(floor_s: float, seconds_per_s: float, memory_bytes: int, shared: int) -> None:
    """Decodes recordings on requests from standard input, until it closes."""
    source, answers = take_over()
    slots = np.frombuffer(mmap.mmap(shared, NUM_SLOTS * MAX_CHUNK_BYTES), dtype=np.float32)
    slots = slots.reshape(NUM_SLOTS, -1)
    limit_memory(memory_bytes)
    be_ready(answers)
    parent = Parent(source, answers)
    while True:
        kind, body = parent.wait()
        if kind != OPEN:
            continue
        parent.num_free = NUM_SLOTS
        try:
            _decode(parent, json.loads(body), slots, TimeBudget(floor_s), seconds_per_s)
        except RecordingError as error:
            parent.send(REFUSED, json.dumps([error.stage, error.reason]).encode())
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except OSError as error:
            parent.send(NO_FILE, json.dumps([error.errno or 0, error.strerror or str(error)]).encode())
        except Exception as error:  # what FFmpeg found may fail in any layer above it, and must not stop the run
            reason = f"cannot be decoded ({type(error).__name__}: {error})"
            parent.send(REFUSED, json.dumps(["decode", reason]).encode())
        set_timers(0)


def _decode(
    parent: Parent, request: dict[str, Any], slots: np.ndarray[Any, Any], budget: TimeBudget, seconds_per_s: float
) -> None:
    """Sends the facts, all chunks but those that the parent has already, and the end."""
    limits = RecordingLimits(**request["limits"])
    file = request["path"] or cast(BinaryIO, ParentFile(parent, request["size"]))
    with open_recording(file, limits) as recording:
        parent.send(FACTS, json.dumps(asdict(recording.facts)).encode())
        number = 0
        while True:
            while parent.num_free == 0:
                parent.wait()
            slot = number % NUM_SLOTS
            num_samples = _fill(recording, slots[slot], request["chunk_s"])
            if num_samples == 0:
                break
            if number >= request["num_known"]:
                parent.num_free -= 1
                parent.send(CHUNK, struct.pack("<QQ", slot, num_samples))
            number += 1
            budget.add(seconds_per_s * num_samples / recording.facts.sample_rate)
        parent.send(END, struct.pack("<QQ", recording.num_cleaned, recording.num_damaged_packets))


def _fill(recording: Recording, slot: np.ndarray[Any, Any], chunk_s: float) -> int:
    """Number of samples put into a slot, its channels one after the other without a gap."""
    num_channels, capacity = recording.facts.num_channels, recording.chunk_samples(chunk_s)
    target = slot[: num_channels * capacity].reshape(num_channels, capacity)
    num_samples = recording.read_into(target)
    if 0 < num_samples < capacity:
        slot[: num_channels * num_samples] = target[:, :num_samples].copy().ravel()
    return num_samples


if __name__ == "__main__":
    serve(float(sys.argv[1]), float(sys.argv[2]), int(float(sys.argv[3])), int(sys.argv[4]))
