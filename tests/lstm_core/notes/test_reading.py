"""Files by suffix and content, and the separate process that reads them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.reading import BATCH_FILES, SUFFIXES, IsolatedReader, read_score
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo, make_notes

SCORE = Score(
    notes=make_notes([(0, 24, 40, 60, 90), (24, 48, 33, 40, 80), (30, 6, DRUMS, 36, 100)]),
    tempos=(Tempo(tick=0, bpm=90.0), Tempo(tick=24, bpm=60e6 / 701_235)),
    meters=(Meter(tick=0, numerator=3, denominator=8), Meter(tick=36, numerator=4, denominator=4)),
    title="Prélude",
    tags={"copyright": "© somebody"},
)
MIDI = write_midi(SCORE)
TUNE = b"X:1\nT:Tune\nM:4/4\nL:1/4\nK:C\n" + b"CDEF|GABc|" * 4 + b"\n"
SLOW_TUNE = b"X:1\nM:4/4\nL:1/4\nK:C\n" + b"CDEF|GABc|" * 4000 + b"\n"  # about ten seconds of work


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    with IsolatedReader() as isolated:
        yield isolated


def assert_same(found: Score, wanted: Score) -> None:
    for name in ("onset", "duration", "program", "pitch", "velocity"):
        np.testing.assert_array_equal(found.notes[name], wanted.notes[name])
    assert (found.tempos, found.meters) == (wanted.tempos, wanted.meters)
    assert (found.title, found.tags) == (wanted.title, wanted.tags)


@pytest.mark.parametrize("suffix", [".mid", ".MIDI", ".kar", ".xml", ".abc", ".what"])
def test_content_goes_before_suffix(suffix: str) -> None:
    (score,) = read_score(MIDI, suffix)
    assert_same(score, SCORE)


def test_an_unknown_suffix_is_named_with_those_we_know() -> None:
    with pytest.raises(ScoreError, match=r"'\.wav' is not a known kind of score; known are \.mid, .*\.krn"):
        read_score(b"RIFF", ".wav")


def test_what_comes_back_is_what_reading_here_gives(reader: IsolatedReader) -> None:
    """More files than one round trip takes, good and bad, MIDI and ABC, in order."""
    files = [(MIDI, ".mid"), (b"", ".mid"), (TUNE, ".abc"), (b"junk", ".xml"), (MIDI, ".abc")] * (BATCH_FILES // 3)
    results = list(reader.read_many(files))
    assert len(results) == len(files) > BATCH_FILES
    for (data, suffix), result in zip(files, results, strict=True):
        if isinstance(result, ScoreError):
            with pytest.raises(ScoreError) as refused:
                read_score(data, suffix)
            assert str(result) == str(refused.value)
        else:
            (wanted,) = read_score(data, suffix)
            assert_same(result[0], wanted)
            result[0].notes["velocity"] += 1  # its own memory, free to change


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_random_and_truncated_files_are_refused_under_every_suffix(reader: IsolatedReader, suffix: str) -> None:
    noise = np.random.default_rng(0).bytes(3000)
    empty, random, text, half = reader.read_many(
        [(b"", suffix), (noise, suffix), (b"no music\n" * 50, suffix), (MIDI[: len(MIDI) // 2], suffix)]
    )
    assert str(empty) == "the file is empty (0 bytes)"
    for result in (random, text, half):
        assert isinstance(result, ScoreError)
        assert len(str(result)) > 10


def test_a_file_that_takes_too_long_is_cut_off_and_the_next_is_read() -> None:
    with IsolatedReader(timeout_s=0.5) as reader:
        start = time.monotonic()
        slow, good, tune = reader.read_many([(SLOW_TUNE, ".abc"), (MIDI, ".mid"), (TUNE, ".abc")])
        assert time.monotonic() - start < 60
    assert str(slow) == "took longer than 0.5 s"
    assert isinstance(good, list) and isinstance(tune, list)
    assert_same(good[0], SCORE)


def test_a_file_that_takes_too_much_memory_is_cut_off_and_the_next_is_read() -> None:
    many = make_notes(np.array([(i, 1, 0, pitch, 64) for i in range(1500) for pitch in range(100)]))
    big = write_midi(Score(notes=many))
    with IsolatedReader(memory_bytes=8 * 2**20) as reader:
        before, cut, after = reader.read_many([(MIDI, ".mid"), (big, ".mid"), (MIDI, ".mid")])
        assert str(cut) == "needed more than 8 MiB"
        assert isinstance(before, list) and isinstance(after, list)
    assert len(read_score(big, ".mid")[0].notes) == 150_000


def test_a_process_killed_between_files_is_replaced(reader: IsolatedReader) -> None:
    (first,) = reader.read_many([(MIDI, ".mid")])
    process = reader._worker.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    (second,) = reader.read_many([(MIDI, ".mid")])
    assert isinstance(first, list) and isinstance(second, list)
    assert_same(second[0], first[0])


def test_a_crash_is_blamed_on_the_file_that_was_being_read() -> None:
    """The process is killed while it reads the slow tune; files before and after are none the worse."""
    with IsolatedReader() as reader:
        results = reader.read_many([(SLOW_TUNE, ".abc"), (MIDI, ".mid")])

        def kill() -> None:
            while reader._worker.process is None:
                time.sleep(0.01)
            time.sleep(1.0)
            os.kill(reader._worker.process.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        crashed, good = results
        killer.join()
    assert str(crashed) == "crashed the reader (signal 9)"
    assert isinstance(good, list)


def test_a_reader_whose_answers_were_not_all_wanted_starts_afresh(reader: IsolatedReader) -> None:
    other = write_midi(Score(notes=make_notes([(0, 24, 0, 72, 90)])))
    first = next(reader.read_many([(MIDI, ".mid")] * 5))
    (second,) = reader.read_many([(other, ".mid")])
    assert isinstance(first, list) and isinstance(second, list)
    assert second[0].notes["pitch"].tolist() == [72]


def test_the_process_ends_with_the_reader() -> None:
    with IsolatedReader() as reader:
        list(reader.read_many([(MIDI, ".mid")]))
        process = reader._worker.process
        assert process is not None
        assert Path(f"/proc/{process.pid}").exists()
    assert process.poll() is not None
