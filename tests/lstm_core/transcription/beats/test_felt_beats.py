"""Beats of hand-made bars."""

from __future__ import annotations

import pytest

from lstm_core.notes.score import Meter, Score, make_notes
from lstm_core.transcription.beats.felt_beats import beat_ticks, felt_beats


@pytest.mark.parametrize(
    ("numerator", "denominator", "quarter_s", "ticks"),
    [
        (4, 4, 0.5, 24),
        (3, 4, 1.5, 24),
        (2, 2, 0.35, 48),
        (2, 2, 0.7, 24),
        (6, 8, 0.4, 36),
        (6, 8, 1.0, 12),
        (12, 8, 0.4, 36),
        (7, 8, 0.4, 12),
    ],
)
def test_a_beat_by_meter_and_tempo(numerator: int, denominator: int, quarter_s: float, ticks: int) -> None:
    assert beat_ticks(Meter(tick=0, numerator=numerator, denominator=denominator), quarter_s) == ticks


def test_places_start_again_with_each_bar_and_meter() -> None:
    meters = (Meter(tick=0, numerator=3, denominator=4), Meter(tick=72, numerator=6, denominator=8))
    ticks, places = felt_beats(Score(notes=make_notes([(0, 200, 0, 60, 80)]), meters=meters))
    assert ticks.tolist() == [0, 24, 48, 72, 108, 144, 180]
    assert places.tolist() == [0, 1, 2, 0, 1, 0, 1]
