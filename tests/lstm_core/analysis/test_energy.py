"""Energy: its order, its bounds, its fixed scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_core.analysis.energy import bar_energy
from lstm_core.analysis.grid import make_grid
from lstm_core.notes.score import Score, Tempo, make_notes
from tests.lstm_core.analysis.made_pieces import BAR, Row, band, drum_bars, tune


def energy(rows: list[Row], bpm: float = 120.0) -> list[float]:
    score = Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=bpm),))
    return [float(value) for value in bar_energy(score, make_grid(score))]


LINE: list[Row] = [(i * 24, 24, 0, 60 + i % 4, 80) for i in range(4)]


@pytest.mark.parametrize(
    "more",
    [
        [(o, d, g, p, 110) for o, d, g, p, _ in LINE],  # louder
        [(o // 2 + half, 12, g, p, v) for o, _, g, p, v in LINE for half in (0, 48)],  # twice the notes
        [*LINE, (0, 96, 0, 36, 80)],  # wider
        [*LINE, *[(o, d, 40, p, v) for o, d, _, p, v in LINE]],  # another part
        [*LINE, *drum_bars(1)],
    ],
)
def test_louder_denser_wider_fuller_music_has_more(more: list[Row]) -> None:
    assert energy(more)[0] > energy(LINE)[0] + 0.01


def test_faster_music_has_more_and_slower_less() -> None:
    slow, usual, fast = (energy(LINE, bpm)[0] for bpm in (60.0, 120.0, 180.0))
    assert slow < usual < fast


def test_a_bar_does_not_depend_on_others_and_a_silent_one_has_none() -> None:
    alone = energy(LINE)[0]
    among = energy([*[(o + BAR, d, g, p, v) for o, d, g, p, v in LINE], *drum_bars(1, start=3 * BAR)])
    assert among[0] == 0.0 and among[2] == 0.0
    assert among[1] == pytest.approx(alone)


def test_the_formula_by_hand() -> None:
    """A bar of 2 s with 8 notes of velocity 77.5 over an octave in one program, no drums: 4 notes per second."""
    rows: list[Row] = [(i * 12, 12, 0, 60 + 12 * (i % 2), 77 + i % 2) for i in range(8)]
    expected = 0.35 * 2 / 5 + 0.25 * 0.5 + 0.15 * 12 / 60
    assert energy(rows)[0] == pytest.approx(expected, abs=1e-6)


def test_it_stays_between_0_and_1_at_both_ends() -> None:
    loud = [(i, 1, program, pitch, 127) for i in range(0, 96, 2) for program in range(16) for pitch in (20, 100)]
    most = energy([*loud, *[(i, 1, 128, 36, 127) for i in range(96)]])
    assert most == [pytest.approx(1.0)]
    assert energy([(0, 96, 0, 60, 1)], bpm=40.0) == [0.0]


def test_a_band_has_more_than_its_tune() -> None:
    whole = band()
    lead = replace(whole, notes=make_notes(tune(1, 16, program=81)))
    assert (bar_energy(whole, make_grid(whole)) > bar_energy(lead, make_grid(lead)) + 0.2).all()
    assert np.isfinite(bar_energy(whole, make_grid(whole))).all()
