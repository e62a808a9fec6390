"""Files in: bytes of any format we know become scores, also in a process of their own that hostile files cannot hurt.

The process is started as `python -m lstm_core.notes.reading`. Frames, all little-endian:

    request    number of files; for each: length of its suffix, length of its data, suffix, data
    response   for each file: outcome, length of a text, length of notes, text (JSON, or why not), notes as NOTE_DTYPE
"""

from __future__ import annotations

import gc
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import ScoreError
from lstm_core.foundation.isolation import (
    OUT_OF_MEMORY,
    START_TIMEOUT_S,
    TOO_SLOW,
    be_ready,
    fault,
    limit_memory,
    pipe,
    set_timers,
    start_module,
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
MAX_FILES = 5_000  # that one process reads; whatever it has leaked by then goes with it
_COUNT, _REQUEST, _RESPONSE = struct.Struct("<I"), struct.Struct("<BQ"), struct.Struct("<BQQ")
_WARM_UP = (  # a file of one note: to read it loads all that reading needs
    b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\x0c\0\x90\x3c\x40\x60\x80\x3c\x40\0\xff\x2f\0"
)
_READ, _REFUSED = 0, 1  # outcomes


def read_score(data: bytes, suffix: str) -> list[Score]:
    """The scores of one file; a suffix that lies is not believed.

    Raises:
        ScoreError: the file cannot be read, and why.
    """
    if _is_midi(data, suffix):
        return [read_midi(data)]
    if suffix.lower() in NOTATION_SUFFIXES:
        return [arrange(score) for score in read_notation(data, suffix)]
    raise ScoreError(f"{suffix!r} is no kind of score that we read; known are {', '.join(SUFFIXES)}")


class IsolatedReader(Closing):
    """Reads files in a process of its own, which a file may hang, crash or fill without harm to anything else.

    A context manager. The process starts with the first file, and again after each that ended it.

    Args:
        timeout_s: Processor time for one file; a MIDI file gets at most midi_timeout_s.
        memory_bytes: Address space for one file, above what the process has when it is ready to read.
    """

    def __init__(self, *, timeout_s: float = 60.0, midi_timeout_s: float = 10.0, memory_bytes: int = 2 * 2**30) -> None:
        self._timeout_s = timeout_s
        self._midi_timeout_s = min(midi_timeout_s, timeout_s)
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._num_served = 0  # files that this process has dealt with

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._reap()

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
        """As read_many. A file that ends a process which has read others is tried once more in a fresh one."""
        position = 0
        try:
            while position < len(batch):
                self._send(batch[position:])
                while position < len(batch) and self._process is not None:
                    result = _receive(pipe(self._process.stdout))
                    if result is None:
                        status, was_fresh = self._reap()
                        if not was_fresh and status not in TOO_SLOW:
                            break
                        result = ScoreError(self._fault(status, *batch[position]))
                    position += 1
                    self._num_served += 1
                    yield result
        finally:
            if position < len(batch):  # whoever asked has had enough: answers to nobody are still under way
                self.close()

    def _send(self, batch: list[tuple[bytes, str]]) -> None:
        """Hands files to the process, to a new one where none is or the last one was ended from outside."""
        if self._num_served >= MAX_FILES:
            self.close()
        rows = [(suffix.encode()[:255], data) for data, suffix in batch]
        request = [_COUNT.pack(len(rows))]
        for suffix_bytes, data in rows:
            request += [_REQUEST.pack(len(suffix_bytes), len(data)), suffix_bytes, data]
        for process in (self._process or self._start(), None):
            try:
                requests = pipe((process or self._start()).stdin)
                requests.write(b"".join(request))
                requests.flush()
                return
            except BrokenPipeError:
                self.close()
        raise RuntimeError("the process that reads scores ends as soon as it has started")

    def _start(self) -> subprocess.Popen[bytes]:
        """A new process, ready to read."""
        limits = (self._midi_timeout_s, self._timeout_s, self._memory_bytes)
        self._process = start_module("lstm_core.notes.reading", limits)
        self._num_served = 0
        return self._process

    def _reap(self) -> tuple[int, bool]:
        """Exit status of the process that has ended or been killed, and whether it had read nothing before."""
        process, self._process = self._process, None
        assert process is not None
        status, was_fresh, self._num_served = process.wait(), self._num_served == 0, 0
        pipe(process.stdout).close()
        with suppress(BrokenPipeError):  # what it had not read
            pipe(process.stdin).close()
        return status, was_fresh

    def _fault(self, status: int, data: bytes, suffix: str) -> str:
        """What a file did to the process."""
        limit_s = self._midi_timeout_s if _is_midi(data, suffix) else self._timeout_s
        return fault(status, limit=f"{limit_s:g} s", memory_bytes=self._memory_bytes)


def serve(midi_timeout_s: float, timeout_s: float, memory_bytes: int) -> None:
    """Answers requests on standard input until it closes; the other side of IsolatedReader."""
    source, answers = take_over()
    with suppress(ScoreError):
        read_midi(_WARM_UP)
    has_notation = False
    limit_memory(memory_bytes)
    be_ready(answers)
    while header := source.read(_COUNT.size):
        files = []
        for _ in range(_COUNT.unpack(header)[0]):
            suffix_size, size = _REQUEST.unpack(source.read(_REQUEST.size))
            suffix = source.read(suffix_size).decode()
            files.append((source.read(size), suffix))
        for data, suffix in files:
            is_midi = _is_midi(data, suffix)
            if not (is_midi or has_notation):
                has_notation = _load_notation(memory_bytes)
            set_timers(midi_timeout_s if is_midi else timeout_s)
            answer = _answer(data, suffix)
            set_timers(0)
            answers.write(answer)
            answers.flush()  # now: the next file may be the last


def _answer(data: bytes, suffix: str) -> bytes:
    """Response to one file; without memory for it the process ends."""
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
        return _RESPONSE.pack(_READ, len(text), len(notes)) + text + notes
    except ScoreError as error:
        text = str(error).encode(errors="replace")
        return _RESPONSE.pack(_REFUSED, len(text), 0) + text
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _receive(pipe: Any) -> list[Score] | ScoreError | None:
    """The next response; None when the process has ended."""
    header = pipe.read(_RESPONSE.size)
    if len(header) < _RESPONSE.size:
        return None
    outcome, text_size, notes_size = _RESPONSE.unpack(header)
    text, raw = pipe.read(text_size), bytearray(pipe.read(notes_size))
    if len(text) < text_size or len(raw) < notes_size:
        return None
    if outcome == _REFUSED:
        return ScoreError(text.decode())
    notes = np.frombuffer(raw, dtype=NOTE_DTYPE)
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
    """True, once what reads notation is imported; its memory does not count against a file."""
    set_timers(START_TIMEOUT_S)
    with suppress(ScoreError):
        read_notation(b"X:1\nK:C\nC|C|", ".abc")
    gc.collect()
    gc.freeze()  # or each collection would walk through all of music21
    limit_memory(memory_bytes)
    return True


if __name__ == "__main__":
    serve(float(sys.argv[1]), float(sys.argv[2]), int(float(sys.argv[3])))
