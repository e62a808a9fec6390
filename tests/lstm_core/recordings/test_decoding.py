"""Decoding in a separate process: the same samples, and the errors of recordings that hang, crash or fill it."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.decoding import IsolatedDecoder
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.recording import open_recording
from tests.lstm_core.encoded import encode
from tests.lstm_core.sounds import sine

FLAC = encode(sine(440, 20.0), "flac", tags={"artist": "Ada"})
MP3 = encode(sine(440, 20.0), "mp3")


@pytest.fixture(scope="module")
def decoder() -> Iterator[IsolatedDecoder]:
    with IsolatedDecoder() as isolated:
        yield isolated


class Stream:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


def pid(decoder: IsolatedDecoder) -> int:
    assert decoder.worker.process is not None
    return decoder.worker.process.pid


def test_samples_and_facts_are_those_of_decoding_here(decoder: IsolatedDecoder, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (FLAC, MP3):
        path.write_bytes(data)
        with open_recording(io.BytesIO(data)) as here:
            wanted = list(here.chunks())
        for source in (io.BytesIO(data), path, str(path)):
            with decoder.open(source) as recording:
                assert recording.facts == here.facts
                chunks = list(recording.chunks())
            assert [chunk.shape for chunk in chunks] == [chunk.shape for chunk in wanted]
            for chunk, want in zip(chunks, wanted, strict=True):
                np.testing.assert_array_equal(chunk, want)
            assert recording.duration_s == here.duration_s
    assert decoder.worker.num_served == 6


def test_a_source_that_does_not_seek(decoder: IsolatedDecoder) -> None:
    with decoder.open(Stream(FLAC), chunk_s=1.0) as recording:  # type: ignore[arg-type]
        assert [chunk.shape for chunk in recording.chunks()] == [(2, 44100)] * 20


def test_refusals_leave_the_process_alive(decoder: IsolatedDecoder, tmp_path: Path) -> None:
    list(decoder.open(io.BytesIO(FLAC)).chunks())
    process = pid(decoder)
    with pytest.raises(RecordingError, match=r"the file is empty \(0 bytes\)"):
        decoder.open(io.BytesIO(b""))
    with pytest.raises(RecordingError, match="is text, not audio"):
        decoder.open(io.BytesIO(b"words " * 100))
    with pytest.raises(RecordingError, match="lasts 20 s or more; at most 5 s are allowed"):
        decoder.open(io.BytesIO(FLAC), RecordingLimits(max_duration_s=5.0))
    with pytest.raises(RecordingError, match=r"cut short: the file states 20\.0 s"):
        list(decoder.open(io.BytesIO(FLAC[: len(FLAC) // 2])).chunks())
    with pytest.raises(FileNotFoundError, match=r"none\.wav"):
        decoder.open(tmp_path / "none.wav")
    assert len(list(decoder.open(io.BytesIO(FLAC)).chunks())) == 5
    assert pid(decoder) == process


def test_errors_of_the_file_object_come_through(decoder: IsolatedDecoder) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise ConnectionResetError("the line is dead")
            return super().read(size)

    error_free = decoder.open(io.BytesIO(encode(sine(440, 20.0), "wav")))
    assert sum(chunk.shape[1] for chunk in error_free.chunks()) == 20 * 44100
    with pytest.raises(ConnectionResetError, match="the line is dead"):
        list(decoder.open(Failing(encode(sine(440, 20.0), "wav"))).chunks())
    assert len(list(decoder.open(io.BytesIO(FLAC)).chunks())) == 5


def test_a_recording_left_in_the_middle_does_not_disturb_the_next(decoder: IsolatedDecoder) -> None:
    first = decoder.open(io.BytesIO(MP3), chunk_s=1.0)
    next(first.chunks())
    with decoder.open(io.BytesIO(FLAC), chunk_s=1.0) as second:
        assert len(list(second.chunks())) == 20
    assert list(first.chunks()) == []


def test_a_process_killed_in_the_middle_is_replaced_without_a_gap(decoder: IsolatedDecoder) -> None:
    """It had decoded others before, so that this recording need not be to blame: it is tried once more."""
    list(decoder.open(io.BytesIO(FLAC)).chunks())
    recording = decoder.open(io.BytesIO(FLAC), chunk_s=1.0)
    chunks = recording.chunks()
    parts = [next(chunks)]
    os.kill(pid(decoder), signal.SIGKILL)
    parts += list(chunks)
    with open_recording(io.BytesIO(FLAC)) as here:
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), np.concatenate(list(here.chunks()), axis=1))


def test_a_crash_of_a_fresh_process_is_put_down_to_the_recording() -> None:
    with IsolatedDecoder() as decoder:
        recording = decoder.open(io.BytesIO(FLAC), chunk_s=1.0)
        chunks = recording.chunks()
        next(chunks)
        os.kill(pid(decoder), signal.SIGSEGV)
        with pytest.raises(RecordingError, match=r"decoding it crashed the reader \(signal 11\), after \d"):
            list(chunks)
        assert len(list(decoder.open(io.BytesIO(FLAC)).chunks())) == 5


@pytest.mark.slow
def test_too_much_time_and_too_much_memory_have_different_messages() -> None:
    long_file = io.BytesIO(encode(np.tile(sine(440, 20.0), 10), "mp3"))
    with IsolatedDecoder(floor_s=0.05, seconds_per_s=0.0) as decoder:
        with pytest.raises(RecordingError, match=r"took longer than 0\.05 s and 0 s for each second of audio, a"):
            list(decoder.open(long_file).chunks())
        assert decoder.worker.process is None
    # Chunks of 25 MB: what the process had free already, which is a question of chance, is not enough for one.
    wide_file = io.BytesIO(
        encode(np.tile(sine(440, 4.0, sample_rate=192_000), (4, 1)), "wav_float", sample_rate=192_000)
    )
    with IsolatedDecoder(memory_bytes=2**22) as decoder, pytest.raises(RecordingError, match="needed more than 4 MiB"):
        list(decoder.open(wide_file).chunks())


@pytest.mark.slow
def test_waiting_for_whoever_reads_costs_no_time() -> None:
    with IsolatedDecoder(floor_s=0.2, seconds_per_s=0.02) as decoder:  # 2 s of wall time
        count = 0
        for chunk in decoder.open(io.BytesIO(FLAC)).chunks():
            count += chunk.shape[1]
            time.sleep(0.6)
    assert count == 20 * 44100


def test_the_process_ends_with_the_decoder() -> None:
    with IsolatedDecoder() as decoder:
        list(decoder.open(io.BytesIO(FLAC)).chunks())
        process = decoder.worker.process
        assert process is not None and Path(f"/proc/{process.pid}").exists()
    assert process.poll() is not None
