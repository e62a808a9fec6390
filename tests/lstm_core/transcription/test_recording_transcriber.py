"""Recordings become scores and measures, with the bundled network; what cannot be used says why."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.blocks.corpus import list_corpus
from lstm_core.blocks.recording_parts import recording_tables
from lstm_core.foundation.errors import ChangedError, RecordingError
from lstm_core.foundation.shingles import jaccard
from lstm_core.notes.score import Score, Tempo, make_notes
from lstm_core.recordings.limits import TranscriptionLimits
from lstm_core.sound.output_formats import encode
from lstm_core.sound.synth import render_stems
from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source, Transcribed
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from tests.lstm_core.sounds import bundled_soundfont

RATE = 44100
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


@pytest.fixture(scope="module")
def transcriber() -> Iterator[RecordingTranscriber]:
    torch.set_num_threads(1)
    with RecordingTranscriber(Transcriber(load_transcriber()), TranscriptionLimits(least_confidence=0.05)) as one:
        yield one


def tune(num_bars: int = 8, bpm: float = 120.0, seed: int = 1) -> Score:
    """A tune of crotchets over a bass note a bar, on a piano."""
    random = np.random.default_rng(seed)
    rows = [(24 * i, 22, 0, int(random.choice(SCALE)), 96) for i in range(4 * num_bars)]
    rows += [(96 * bar, 90, 0, 48 + (0, 5, 7, 0)[bar % 4], 80) for bar in range(num_bars)]
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=bpm),))


@cache
def played(seed: int = 1) -> bytes:
    """The tune as a FLAC file of 16 s."""
    stems = render_stems(tune(seed=seed), bundled_soundfont(), num_samples=17 * RATE, tail_s=0.0)
    waveform = sum(stems.values())
    return encode(0.5 * waveform / np.abs(waveform).max(), sample_rate=RATE)


def test_a_tune_is_transcribed_on_its_beats(transcriber: RecordingTranscriber) -> None:
    """Most of its notes at their pitch and time, in its tempo; and what is measured fits."""
    result = transcriber.transcribe(Source("songs/a tune.flac", io.BytesIO(played())))
    score = tune()
    truth = {(round(float(n["onset"]) / 48, 2), int(n["pitch"])) for n in score.notes}
    found = [(float(n["onset_s"]), int(n["pitch"])) for n in result.transcription.notes]
    hits = sum(any(abs(onset - t) < 0.05 and pitch == p for t, p in truth) for onset, pitch in found)
    assert hits / len(truth) > 0.7 and hits / len(found) > 0.6
    assert result.score.title == "a tune" and result.score.tags["codec"] == "flac"
    assert result.facts.sample_rate == RATE and abs(result.quality.duration_s - 17.0) < 0.01
    assert -40 < result.quality.loudness_lufs < -5 and 0.05 < result.confidence <= 1.0


def test_what_fails_says_why_and_the_next_is_transcribed(transcriber: RecordingTranscriber, tmp_path: Path) -> None:
    """In the order of the sources; an error that comes in comes out."""
    gone = tmp_path / "gone.wav"
    silence = encode(np.zeros((2, 3 * RATE), dtype=np.float32), sample_rate=RATE)
    noise = (np.random.default_rng(0).random((2, 3 * RATE)) * 1.9 - 0.95).astype(np.float32)
    sources = [
        Source("text.mp3", io.BytesIO(b"no music at all " * 99)),
        Source("gone.wav", gone),
        ChangedError("the object changed"),
        Source("silence.flac", io.BytesIO(silence)),
        Source("noise.flac", io.BytesIO(encode(noise, sample_rate=RATE))),
        Source("short.flac", io.BytesIO(encode(noise[:, :2000], sample_rate=RATE))),
        Source("tune.flac", io.BytesIO(played())),
    ]
    text, missing, changed, silent, noisy, short, good = transcriber.transcribe_many(sources)
    assert isinstance(text, RecordingError) and text.stage == "decode"
    assert isinstance(missing, RecordingError) and missing.stage == "fetch"
    assert isinstance(changed, ChangedError)
    assert isinstance(silent, RecordingError) and silent.stage == "quality" and "silent" in str(silent)
    assert isinstance(noisy, RecordingError) and noisy.stage == "quality" and "noise" in str(noisy)
    assert isinstance(short, RecordingError) and "at least 1 s" in str(short)
    assert isinstance(good, Transcribed) and len(good.transcription.notes)


def test_a_recording_that_cannot_be_believed_is_refused_with_its_figure(transcriber: RecordingTranscriber) -> None:
    limits = TranscriptionLimits(least_confidence=0.99)
    with (
        RecordingTranscriber(transcriber.transcriber, limits) as strict,
        pytest.raises(RecordingError, match=r"confidence 0\.\d\d, under 0.99"),
    ):
        strict.transcribe(Source("tune.flac", io.BytesIO(played())))


def test_a_part_holds_every_recording_once(transcriber: RecordingTranscriber, tmp_path: Path) -> None:
    """As a piece with its measures, or as a reject; the fingerprint knows the same music at another gain."""
    quiet = render_stems(tune(), bundled_soundfont(), num_samples=17 * RATE, tail_s=0.0)
    waveform = sum(quiet.values())
    (tmp_path / "a.flac").write_bytes(played())
    (tmp_path / "b.wav").write_bytes(
        encode(0.2 * waveform / np.abs(waveform).max(), sample_rate=RATE, format="wav", bit_depth=24)
    )
    (tmp_path / "c.flac").write_bytes(played(2))
    (tmp_path / "d.ogg").write_bytes(b"")
    pieces, rows = recording_tables(str(tmp_path), list_corpus(tmp_path).manifest, transcriber)
    assert pieces["uri"].to_pylist() == ["a.flac", "b.wav", "c.flac"]
    assert pieces["source"].to_pylist() == ["recording"] * 3
    assert pieces["codec"].to_pylist() == ["flac", "pcm_s24le", "flac"]
    assert rows["stage"].to_pylist() == [None, None, None, "decode"]
    first, again, other = (np.array(row.as_py(), dtype=np.uint32) for row in pieces["audio_shingles"])
    assert jaccard(first, again) > 0.9 and jaccard(first, other) < 0.1
    loudness = pieces["loudness_lufs"].to_pylist()
    assert loudness[0] - loudness[1] == pytest.approx(20 * np.log10(0.5 / 0.2), abs=0.05)


def test_impossible_limits_are_refused() -> None:
    for name, value in (("least_confidence", 1.5), ("decoding_floor_s", 0.0), ("min_duration_s", 10**9)):
        with pytest.raises(ValueError, match=r"must|no duration"):
            TranscriptionLimits(**{name: value})
