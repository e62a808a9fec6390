"""What is heard in a render is what its labels say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstm_core.notes.score import DRUMS
from lstm_core.transcriber_training.renders import RenderSettings, draw_performance, render
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from tests.lstm_core.sounds import six_parts
from tests.lstm_core.transcriber_material import PLAIN, sine_font, tune


def test_every_onset_has_its_sound(tmp_path: Path):
    random = np.random.default_rng(0)
    result = render(draw_performance([tune(0)], PLAIN, random), sine_font(tmp_path), PLAIN, random)
    assert len(result.sounded.notes) > 5 and not result.drums.any()
    hop = SAMPLE_RATE // 100
    for note in result.sounded.notes[:-1]:
        start = round(float(note["onset_s"]) * SAMPLE_RATE)
        after = result.melodic[start + hop : start + 3 * hop]
        zero_crossings = np.flatnonzero(np.diff(np.signbit(after)) != 0)
        hz = SAMPLE_RATE / (2 * np.diff(zero_crossings).mean())
        assert 12 * np.log2(hz / 440) + 69 == pytest.approx(float(note["pitch"]), abs=0.35)


def test_the_same_draw_gives_the_same_performance_and_another_does_not():
    scores, settings = [six_parts(), tune(1)], RenderSettings(seconds=10.0)
    first, again, other = (draw_performance(scores, settings, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (first.score.notes == again.score.notes).all() and (first.beats_s == again.beats_s).all()
    assert len(other.score.notes) != len(first.score.notes) or (other.score.notes != first.score.notes).any()


@pytest.mark.parametrize("seed", range(12))
def test_performances_stay_inside_their_time_and_range(seed: int):
    settings = RenderSettings(seconds=10.0)
    performance = draw_performance([six_parts(16), tune(1)], settings, np.random.default_rng(seed))
    notes = performance.score.notes
    melodic = notes[notes["program"] != DRUMS]
    assert notes["onset"].min() >= 0 and notes["onset"].max() < 10_000
    assert melodic["pitch"].min() >= 21 and melodic["pitch"].max() <= 108
    assert notes["velocity"].min() >= 20
    for times_s in (performance.beats_s, performance.downbeats_s):
        assert (times_s >= 0).all() and (times_s < 10).all() and (np.diff(times_s) > 0).all()


def test_tempo_stretches_notes_and_beats_alike():
    slow = replace(PLAIN, tempo_range=(2.0, 2.0), seconds=8.0)
    performance = draw_performance([tune(0)], slow, np.random.default_rng(1))
    assert np.diff(performance.beats_s) == pytest.approx(1.0)  # 120 bpm at half the speed
    onset = performance.score.notes["onset"] / 1000
    on_beat = np.abs(onset[:, None] - performance.beats_s).min(axis=1)
    assert np.minimum(on_beat, np.abs(0.5 - on_beat)).max() < 0.002


def test_made_up_drums_keep_the_beat():
    settings = replace(PLAIN, adds_drums=1.0, seconds=8.0)
    performance = draw_performance([tune(0)], settings, np.random.default_rng(2))
    drums = performance.score.notes[performance.score.notes["program"] == DRUMS]
    kicks = drums[(drums["pitch"] == 35) | (drums["pitch"] == 36)]["onset"] / 1000
    near = np.abs(kicks[:, None] - performance.downbeats_s).min(axis=0)
    assert np.mean(near < 0.015) >= 0.6


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="tempo_range"):
        RenderSettings(tempo_range=(2.0, 1.0))
