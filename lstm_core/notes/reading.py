"""Reads files of any known format into scores, also in a separate process that confines hostile files.

The process is started as `python -m lstm_core.notes.reading`. Frames (foundation/isolation.py), all little-endian:

    FILES      for each file: length of its suffix, length of its data, suffix, data
    READ       answer to one file: length of a text, text (JSON), notes as NOTE_DTYPE
    REFUSED    answer to one file: why it cannot be read
"""

from __future__ import annotations

import gc
import io
import json
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import ScoreError
from lstm_core.foundation.isolation import (
    OUT_OF_MEMORY,
    START_TIMEOUT_S,
    TOO_SLOW,
    Worker,
    be_ready,
    limit_memory,
    receive,
    send,
    set_timers,
    take_over,
)
from lstm_core.notes.arrange import arrange
from lstm_core.notes.midi import read_midi
from lstm_core.notes.notation import read_notation
from lstm_core.notes.score import NOTE_DTYPE, Meter, Score, Tempo

MIDI_SUFFIXES = (".mid", ".midi", ".kar")
NOTATION_SUFFIXES = (".musicxml", ".xml", ".mxl", ".abc", ".krn")
SUFFIXES = MIDI_SUFFIXES + NOTATION_SUFFIXES

BATCH_FILES = 32  # a round trip
BATCH_BYTES = 4 * 2**20
MAX_FILES = 5_000  # that one process reads
FILES, READ, REFUSED = range(3)  # frames
_FILE, _TEXT = struct.Struct("<BQ"), struct.Struct("<Q")
_WARM_UP = (  # a file of one note: to read it loads all that reading needs
    b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\x0c\0\x90\x3c\x40\x60\x80\x3c\x40\0\xff\x2f\0"
)


def read_score(data: bytes, suffix: str) -> list[Score]:
    """The scores of one file; the content decides, not the suffix.

    Raises:
        ScoreError: the file cannot be read, and why.
    """
    if _is_midi(data, suffix):
        return [read_midi(data)]
    if suffix.lower() in NOTATION_SUFFIXES:
        return [arrange(score) for score in read_notation(data, suffix)]
    raise ScoreError(f"{suffix!r} is not a known kind of score; known are {', '.join(SUFFIXES)}")


class IsolatedReader(Closing):
    """Reads files in a separate process, which a file may hang, crash or fill without harm to anything else.

    A context manager. The process starts with the first file, and again after each that ended it.

    Args:
        timeout_s: Processor time for one file; a MIDI file gets at most midi_timeout_s.
        memory_bytes: Address space for one file, above what the process has when it is ready to read.
    """

    def __init__(self, *, timeout_s: float = 60.0, midi_timeout_s: float = 10.0, memory_bytes: int = 2 * 2**30) -> None:
        self._timeout_s = timeout_s
        self._midi_timeout_s = min(midi_timeout_s, timeout_s)
        limits = (self._midi_timeout_s, self._timeout_s, memory_bytes)
        self._worker = Worker("lstm_core.notes.reading", limits, memory_bytes=memory_bytes, most_served=MAX_FILES)

    def close(self) -> None:
        """Ends the process."""
        self._worker.close()

    def read_many(self, files: Iterable[tuple[bytes, str]]) -> Iterator[list[Score] | ScoreError]:
        """For each file (data, suffix), in order, its scores or why there are none."""
        batch: list[tuple[bytes, str]] = []
        num_bytes = 0
        for file in files:
            batch.append(file)
            num_bytes += len(file[0])
            if len(batch) == BATCH_FILES or num_bytes >= BATCH_BYTES:
                yield from self._read_batch(batch)
                batch, num_bytes = [], 0
        yield from self._read_batch(batch)

    def _read_batch(self, batch: list[tuple[bytes, str]]) -> Iterator[list[Score] | ScoreError]:
        """As read_many. A file that ends a process which has read others is tried again in a fresh one."""
        position, worker = 0, self._worker
        try:
            while position < len(batch):
                worker.begin()
                worker.send(FILES, _packed(batch[position:]))
                while position < len(batch):
                    frame = worker.receive()
                    if frame is None:
                        status, was_fresh = worker.end()
                        if was_fresh or status in TOO_SLOW:
                            yield ScoreError(self._fault(status, *batch[position]))
                            position += 1
                        break
                    position += 1
                    worker.num_served += 1
                    yield _result(*frame)
        finally:
            if position < len(batch):  # the caller has stopped: answers are still on their way
                self.close()

    def _fault(self, status: int, data: bytes, suffix: str) -> str:
        """What a file did to the process."""
        limit_s = self._midi_timeout_s if _is_midi(data, suffix) else self._timeout_s
        return self._worker.fault(status, f"{limit_s:g} s")


def serve(midi_timeout_s: float, timeout_s: float, memory_bytes: int) -> None:
    """Answers requests on standard input until it closes; the other side of IsolatedReader."""
    source, answers = take_over()
    with suppress(ScoreError):
        read_midi(_WARM_UP)
    has_notation = False
    limit_memory(memory_bytes)
    be_ready(answers)
    while frame := receive(source):
        for data, suffix in _unpacked(frame[1]):
            is_midi = _is_midi(data, suffix)
            if not (is_midi or has_notation):
                has_notation = _load_notation(memory_bytes)
            set_timers(midi_timeout_s if is_midi else timeout_s)
            answer = _answer(data, suffix)
            set_timers(0)
            send(answers, *answer)  # now: the next file may end this process


def _answer(data: bytes, suffix: str) -> tuple[int, bytes]:
    """Kind and body of the answer to one file; without memory for it the process ends."""
    try:
        scores = read_score(data, suffix)
        text = json.dumps(
            [
                {
                    "num_notes": len(score.notes),
                    "tempos": [(tempo.tick, tempo.bpm) for tempo in score.tempos],
                    "meters": [(meter.tick, meter.numerator, meter.denominator) for meter in score.meters],
                    "title": score.title,
                    "tags": score.tags,
                }
                for score in scores
            ]
        ).encode()
        notes = b"".join(score.notes.tobytes() for score in scores)
        return READ, _TEXT.pack(len(text)) + text + notes
    except ScoreError as error:
        return REFUSED, str(error).encode(errors="replace")
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _packed(files: list[tuple[bytes, str]]) -> bytes:
    """Body of a request."""
    parts: list[bytes] = []
    for data, suffix in files:
        suffix_bytes = suffix.encode()[:255]
        parts += [_FILE.pack(len(suffix_bytes), len(data)), suffix_bytes, data]
    return b"".join(parts)


def _unpacked(body: bytes) -> Iterator[tuple[bytes, str]]:
    """The files of a request."""
    source = io.BytesIO(body)
    while header := source.read(_FILE.size):
        suffix_size, size = _FILE.unpack(header)
        suffix = source.read(suffix_size).decode()
        yield source.read(size), suffix


def _result(kind: int, body: bytes) -> list[Score] | ScoreError:
    """What an answer says."""
    if kind == REFUSED:
        return ScoreError(body.decode())
    first_note = _TEXT.size + _TEXT.unpack_from(body)[0]
    text, notes = body[_TEXT.size : first_note], np.frombuffer(bytearray(body[first_note:]), dtype=NOTE_DTYPE)
    scores, first = [], 0
    for row in json.loads(text):
        scores.append(
            Score(
                notes=notes[first : first + row["num_notes"]],
                tempos=tuple(Tempo(tick=tick, bpm=bpm) for tick, bpm in row["tempos"]),
                meters=tuple(Meter(tick=tick, numerator=n, denominator=d) for tick, n, d in row["meters"]),
                title=row["title"],
                tags=row["tags"],
            )
        )
        first += row["num_notes"]
    return scores


def _is_midi(data: bytes, suffix: str) -> bool:
    return data[:4] == b"MThd" or suffix.lower() in MIDI_SUFFIXES


def _load_notation(memory_bytes: int) -> bool:
    """True, once the readers of notation are imported; its memory does not count against a file."""
    set_timers(START_TIMEOUT_S)
    with suppress(ScoreError):
        read_notation(b"X:1\nK:C\nC|C|", ".abc")
    gc.collect()
    gc.freeze()  # or each collection would scan all of music21
    limit_memory(memory_bytes)
    return True


if __name__ == "__main__":
    serve(float(sys.argv[1]), float(sys.argv[2]), int(float(sys.argv[3])))
