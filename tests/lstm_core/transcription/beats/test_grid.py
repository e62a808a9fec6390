"""Scores that are written down here, played by unsteady hands, heard imperfectly, come back as they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo, make_notes
from lstm_core.transcription.beats.grid import GriddedScore, score_of
from lstm_core.transcription.transcription import TRANSCRIBED_DRUM_DTYPE, TRANSCRIBED_NOTE_DTYPE, Transcription
from tests.lstm_core.imperfect_transcription import activations, transcribed

Row = tuple[int, int, int, int, int]


def song(*, meter: Meter, bpm: float, num_bars: int, pickup: bool = False, seed: int = 1) -> Score:
    """A tune over chords and a bass, quarters, eighths, sixteenths and triplets, in D minor."""
    random = np.random.default_rng(seed)
    scale = [62, 64, 65, 67, 69, 70, 72, 74]
    beat = 36 if meter.denominator == 8 else 24
    rhythms = [(0,), (0, 12), (0, 6, 12, 18), (0, 12, 18), (0, 8, 16)] if beat == 24 else [(0, 12, 24), (0, 24), (0,)]
    rows: list[Row] = []
    for bar in range(num_bars):
        root = (50, 46, 53, 45)[bar % 4] if bar + 1 < num_bars else 50
        start = bar * meter.bar_ticks
        is_last = bar + 1 == num_bars
        if bar > 0 or not pickup:
            rows.append((start, meter.bar_ticks, 32, root - 12, 90))
            rows += [(start, meter.bar_ticks, 48, root + step, 60) for step in (0, 3 if root in (50, 45) else 4, 7)]
        for tick in range(start, start + meter.bar_ticks, beat):
            if bar == 0 and pickup and tick < start + meter.bar_ticks - beat:
                continue
            inside = (0,) if is_last else rhythms[int(random.integers(len(rhythms)))]
            for at, until in zip(inside, [*inside[1:], beat], strict=True):
                pitch = 74 if is_last else int(random.choice(scale)) + 12
                rows.append((tick + at, until - at, 73, pitch, 90))
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=bpm),), meters=(replace(meter, tick=0),))


def spelled(score: Score) -> set[tuple[int, int, int]]:
    """(onset, duration, pitch) of all notes; of equal onset and pitch the longest."""
    rows = sorted(zip(*(score.notes[name].tolist() for name in ("onset", "pitch", "duration")), strict=True))
    return {(onset, duration, pitch) for (onset, pitch), duration in {row[:2]: row[2] for row in rows}.items()}


@pytest.mark.parametrize(
    ("meter", "bpm"), [("4/4", 66.0), ("4/4", 118.0), ("3/4", 96.0), ("4/4", 152.0), ("6/8", 150.0)]
)
def test_a_played_score_comes_back(meter: str, bpm: float, assert_lawful: Callable[[Score], None]) -> None:
    numerator, denominator = map(int, meter.split("/"))
    written = song(meter=Meter(tick=0, numerator=numerator, denominator=denominator), bpm=bpm, num_bars=24)
    found = score_of(transcribed(written, seed=int(bpm), jitter_s=0.008))
    assert_lawful(found.score)
    assert [str(m) for m in found.score.meters] == [meter]
    assert [tempo.tick for tempo in found.score.tempos] == [0]
    assert found.score.tempos[0].bpm == pytest.approx(bpm, rel=0.005)
    onsets, back = ({(row[0], row[2]) for row in spelled(score)} for score in (written, found.score))
    assert len(onsets & back) >= 0.995 * len(onsets | back)
    assert len(spelled(written) & spelled(found.score)) > 0.9 * len(onsets)
    assert describe(found.score).key == "D minor"
    assert found.score.tags["grid"] == "beats" and found.grid_share > 0.95 and found.confidence > 0.7
    assert found.start_s == pytest.approx(0.7, abs=0.03)


def test_a_machine_is_quantised_back_exactly() -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=120.0, num_bars=16)
    found = score_of(transcribed(written, seed=3, jitter_s=0.002))
    assert spelled(found.score) == spelled(written)


def test_a_pickup_is_preceded_by_rests() -> None:
    written = song(meter=Meter(tick=0, numerator=3, denominator=4), bpm=108.0, num_bars=16, pickup=True)
    found = score_of(transcribed(written, seed=4, jitter_s=0.006))
    assert found.score.notes["onset"].min() == 48
    onsets, back = ({(row[0], row[2]) for row in spelled(score)} for score in (written, found.score))
    assert len(onsets & back) >= 0.99 * len(onsets)


def test_bars_of_silence_before_the_first_note_are_left_out() -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=120.0, num_bars=12)
    notes = written.notes.copy()
    notes["onset"] += 3 * 96
    found = score_of(transcribed(replace(written, notes=notes), seed=5, jitter_s=0.004))
    assert found.score.notes["onset"].min() == 0
    assert found.start_s == pytest.approx(0.7 + 6.0, abs=0.03)


def test_a_change_of_tempo_is_kept_and_one_tempo_stays_one() -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=100.0, num_bars=32)
    written = replace(written, tempos=(Tempo(tick=0, bpm=100.0), Tempo(tick=16 * 96, bpm=130.0)))
    found = score_of(transcribed(written, seed=6, jitter_s=0.006)).score
    assert [tempo.bpm for tempo in found.tempos] == pytest.approx([100.0, 130.0], rel=0.01)
    assert found.tempos[1].tick == pytest.approx(16 * 96, abs=96)


def test_without_a_beat_the_grid_is_plain_and_says_so(assert_lawful: Callable[[Score], None]) -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=120.0, num_bars=16)
    played = transcribed(written, seed=7, jitter_s=0.05)
    noise = np.abs(np.random.default_rng(1).normal(0.0, 0.05, played.beat_activation.shape)).astype(np.float32)
    found = score_of(replace(played, beat_activation=noise))
    assert_lawful(found.score)
    assert found.score.tags["grid"] == "plain" and not found.beats.has_beat
    assert found.score.tempos == (Tempo(tick=0, bpm=120.0),) and str(found.score.meters[0]) == "4/4"
    first = played.notes[0]
    row = found.score.notes[found.score.notes["pitch"] == first["pitch"]][0]
    assert row["onset"] == round(float(first["onset_s"]) * 48)
    assert 0.3 < found.confidence < 0.5


def test_rubato_is_flagged() -> None:
    """Beats heard clearly, but none as long as the one before."""
    random = np.random.default_rng(2)
    wander = np.zeros(120)
    for i in range(1, 120):
        wander[i] = 0.8 * wander[i - 1] + random.normal(0.0, 0.22)
    beats_s = 0.5 + np.cumsum(0.55 * np.exp(np.clip(wander, -0.6, 0.8)))
    found = score_of(_beaten(beats_s, np.arange(120) % 4, beats_s))
    assert found.score.tags["grid"] == "plain" and found.beats.unsteadiness > 0.085


def test_a_tempo_an_octave_too_fast_is_halved() -> None:
    """Beats at 204 a minute of which only every second bears notes."""
    beats_s = 0.5 + 60.0 / 204.0 * np.arange(160)
    found = score_of(_beaten(beats_s, np.arange(160) % 4, beats_s[::2])).score
    assert found.tempos[0].bpm == pytest.approx(102.0, rel=0.01)
    assert set(np.unique(found.notes["onset"] % 24)) == {0}


def test_a_tempo_an_octave_too_slow_is_doubled() -> None:
    """Beats at 52 a minute, most of them filled with eighths of the beat."""
    beats_s = 0.5 + 60.0 / 52.0 * np.arange(64)
    eighths_s = 0.5 + 60.0 / 52.0 / 4 * np.arange(4 * 63)
    found = score_of(_beaten(beats_s, np.arange(64) % 4, eighths_s)).score
    assert found.tempos[0].bpm == pytest.approx(104.0, rel=0.01)
    assert str(found.meters[0]) == "4/4" and set(np.unique(found.notes["onset"] % 24)) == {0, 12}


def test_drums_become_keys_of_general_midi() -> None:
    beats_s = 0.5 + 0.5 * np.arange(65)
    hits = np.zeros(5, dtype=TRANSCRIBED_DRUM_DTYPE)
    hits["onset_s"], hits["drum"], hits["velocity"], hits["confidence"] = beats_s[:5], range(5), 90, 0.8
    played = replace(_beaten(beats_s, np.arange(65) % 4, beats_s), drums=hits)
    notes = score_of(played).score.notes
    drums = notes[notes["program"] == DRUMS]
    assert drums["pitch"].tolist() == [36, 38, 42, 45, 49] and drums["onset"].tolist() == [0, 24, 48, 72, 96]


def test_tags_of_the_source_are_kept() -> None:
    beats_s = 0.5 + 0.5 * np.arange(65)
    found = score_of(_beaten(beats_s, np.arange(65) % 4, beats_s), title="A\nB", tags={"artist": "X"}).score
    assert found.title == "A B" and found.tags["artist"] == "X" and found.tags["source"] == "transcription"


def test_confidence_falls_with_what_it_is_made_of() -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=120.0, num_bars=16)
    sure, astray = transcribed(written, seed=8, jitter_s=0.004), transcribed(written, seed=8, jitter_s=0.06)
    doubtful = replace(sure, notes=sure.notes.copy())
    doubtful.notes["confidence"] = 0.64  # two fifths of the way from UNSURE to SURE
    figures = [score_of(row).confidence for row in (sure, astray, doubtful)]
    assert figures[0] > figures[1] + 0.1 and figures[2] == pytest.approx(0.4 * figures[0], rel=0.01)


def test_equal_input_equal_score() -> None:
    written = song(meter=Meter(tick=0, numerator=4, denominator=4), bpm=97.0, num_bars=12)
    one, two = (score_of(transcribed(written, seed=9)) for _ in range(2))
    assert one.score.notes.tobytes() == two.score.notes.tobytes() and one.score.tags == two.score.tags


def test_nothing_heard_is_refused() -> None:
    with pytest.raises(ScoreError, match="holds no notes"):
        score_of(_beaten(np.arange(20) / 2.0, np.arange(20) % 4, np.zeros(0)))


@pytest.mark.parametrize("num_notes", [1, 2, 5])
def test_a_few_notes_make_a_score(num_notes: int, assert_lawful: Callable[[Score], None]) -> None:
    found: GriddedScore = score_of(_beaten(np.arange(1, 3) / 2.0, np.arange(2), 0.3 + np.arange(num_notes) * 0.31))
    assert_lawful(found.score)
    assert len(found.score.notes) == num_notes


def _beaten(
    beats_s: npt.NDArray[np.float64], places: npt.NDArray[np.int64], onsets_s: npt.NDArray[np.float64]
) -> Transcription:
    """Beats, and a note at each of some onsets."""
    notes = np.zeros(len(onsets_s), dtype=TRANSCRIBED_NOTE_DTYPE)
    notes["onset_s"], notes["offset_s"], notes["pitch"] = onsets_s, onsets_s + 0.1, 60 + np.arange(len(onsets_s)) % 5
    notes["velocity"], notes["confidence"] = 80, 0.9
    duration_s = float(beats_s[-1]) + 1.0
    found = activations(beats_s, places, duration_s=duration_s, random=np.random.default_rng(1))
    none = np.zeros(0, dtype=TRANSCRIBED_DRUM_DTYPE)
    return Transcription(notes=notes, drums=none, beat_activation=found, frame_rate=62.5, duration_s=duration_s)
