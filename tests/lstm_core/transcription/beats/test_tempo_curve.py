"""Tempo maps of beat times that were made with known tempi."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.transcription.beats.tempo_curve import tempo_curve


def barlines(num_beats: int) -> np.ndarray:
    return np.arange(0, num_beats, 4)


@pytest.mark.parametrize("bpm", [60.0, 93.0, 120.0, 200.0])
def test_a_steady_performance_has_one_tempo(bpm: float) -> None:
    times_s = 60.0 / bpm * np.arange(400) + np.random.default_rng(1).normal(0.0, 0.012, 400)
    curve = tempo_curve(times_s, barlines(400))
    assert [beat for beat, _ in curve] == [0]
    assert curve[0][1] == pytest.approx(bpm, rel=0.001)


def test_a_new_tempo_begins_on_its_barline() -> None:
    times_s = np.concatenate([0.5 * np.arange(64), 0.5 * 64 + 0.4 * np.arange(80)])
    times_s += np.random.default_rng(2).normal(0.0, 0.008, len(times_s))
    curve = tempo_curve(times_s, barlines(144))
    assert [beat for beat, _ in curve] == [0, 64]
    assert [bpm for _, bpm in curve] == pytest.approx([120.0, 150.0], rel=0.005)


def test_a_ritardando_is_kept_and_the_rest_stays_steady() -> None:
    intervals = np.concatenate([np.full(64, 0.5), 0.5 * 1.06 ** np.arange(1, 9)])
    curve = tempo_curve(np.concatenate([[0.0], np.cumsum(intervals)]), barlines(73))
    assert curve[0] == (0, pytest.approx(120.0, rel=0.01))
    assert curve[1][0] in (60, 64) and curve[-1][1] < 100.0
    assert np.diff([bpm for _, bpm in curve]).max() < 0.0


def test_the_map_takes_as_long_as_the_beats() -> None:
    """Whatever the tempi, they add up to the time of the last beat within half a beat."""
    random = np.random.default_rng(4)
    times_s = np.concatenate([[0.0], np.cumsum(0.5 * (1.0 + 0.1 * np.sin(np.arange(600) / 30.0)))])
    times_s += random.normal(0.0, 0.005, len(times_s))
    curve = tempo_curve(times_s, barlines(601))
    assert 3 < len(curve) < 80
    ends = [beat for beat, _ in curve[1:]] + [600]
    length_s = sum((end - beat) * 60.0 / bpm for (beat, bpm), end in zip(curve, ends, strict=True))
    assert length_s == pytest.approx(times_s[-1] - times_s[0], abs=0.25)


def test_two_beats_are_enough() -> None:
    assert tempo_curve(np.array([1.0, 1.5]), np.array([0])) == [(0, 120.0)]
