"""Positions with known errors go to the grids that they were made on."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.transcription.beats.quantisation import STRAIGHT, TRIPLE, moments, quantise, quantise_ends


def quantised(ticks: list[int], *, bpm: float = 120.0, error_s: float = 0.0, seed: int = 0):  # type: ignore[no-untyped-def]
    beat_s = 60.0 / bpm
    errors = np.clip(np.random.default_rng(seed).normal(0.0, error_s, len(ticks)), -2.5 * error_s, 2.5 * error_s)
    positions = np.maximum(np.array(ticks) / 24.0 + errors / beat_s, 0.0)
    return quantise(positions, np.ones(len(ticks)), np.full(max(ticks) // 24 + 2, beat_s))


@pytest.mark.parametrize("bpm", [66.0, 100.0, 144.0])
def test_straight_and_triple_beats_beside_each_other(bpm: float) -> None:
    bar = [0, 6, 12, 18, 24, 36, 48, 54, 60, 72, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184]
    ticks = [tick + 192 * i for i in range(8) for tick in bar]
    found = quantised(ticks, bpm=bpm, error_s=0.01)
    assert np.mean(found.ticks == ticks) > 0.985
    families = found.families.reshape(-1)[: 8 * 8].reshape(8, 8)
    assert (families[:, [0, 1, 2]] == STRAIGHT).all() and (families[:, 5:7] == TRIPLE).all()
    assert found.is_near.mean() > 0.97


def test_exact_positions_on_any_grid_come_back() -> None:
    for ticks in ([0, 3, 6, 9, 24, 48], [0, 4, 8, 12, 24, 48], [0, 16, 24, 40, 48, 64], [0, 18, 24, 42, 48]):
        assert quantised(ticks).ticks.tolist() == ticks


def test_an_onset_just_before_the_beat_belongs_to_it() -> None:
    found = quantise(np.array([0.97, 2.0, 2.96]), np.ones(3), np.full(4, 0.5))
    assert found.ticks.tolist() == [24, 48, 72]


def test_what_fits_no_grid_goes_to_the_nearest_tick() -> None:
    """At 30 beats per minute one tick is 83 ms: 11 ticks lie farther than the tolerance from every point."""
    found = quantise(np.array([0.0, 11.2 / 24, 1.0]), np.ones(3), np.full(3, 2.0))
    assert found.ticks[1] in (11, 12) and found.ticks[0] == 0 and found.ticks[2] == 24
    assert not quantise(np.array([10.2 / 24]), np.ones(1), np.full(1, 3.0)).is_near[0]


def test_the_notes_of_a_chord_are_one_moment() -> None:
    onsets_s = np.array([0.0, 0.012, 0.03, 0.2, 0.215, 0.3, 0.324, 0.348, 0.372])
    assert moments(onsets_s).tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3]


def test_ends_are_rounded_to_what_a_note_of_that_length_ends_on() -> None:
    found = quantised([0, 6, 12, 24, 48, 72])
    onset = np.array([0, 6, 12, 24, 48])
    ends = quantise_ends(np.array([5.3, 11.4, 23.0, 46.9, 94.0]) / 24.0, onset, found)
    assert ends.tolist() == [6, 12, 24, 48, 96]
    short = quantise_ends(np.array([2.4]) / 24.0, np.array([0]), found)
    assert short.tolist() == [3]
