"""Measures of hand-made scores, and the laws of the overlapped area."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lstm_core.notes.musicality import (
    MEASURES,
    first_bars,
    groove_consistency,
    mean_overlap,
    musicality,
    overlapped_area,
    overlaps,
    pitch_class_entropy,
    repeated_bars,
    scale_consistency,
)
from lstm_core.notes.score import DRUMS, Meter, Score, make_notes

BAR = 96


def _line(pitches: list[int], ticks: int = 24, program: int = 0) -> Score:
    return Score(notes=make_notes([(i * ticks, ticks, program, pitch, 80) for i, pitch in enumerate(pitches)]))


def test_entropy_of_pitch_classes_counts_octaves_as_one() -> None:
    assert pitch_class_entropy(_line([60, 72, 48]).notes) == 0.0
    assert pitch_class_entropy(_line([60, 62, 64, 65]).notes) == pytest.approx(2.0)
    assert pitch_class_entropy(_line(list(range(60, 72))).notes) == pytest.approx(math.log2(12))


def test_scale_consistency_finds_the_best_of_the_scales() -> None:
    assert scale_consistency(_line([69, 71, 72, 74, 76, 77, 79]).notes) == 1.0  # A minor is C major
    assert scale_consistency(_line([60, 62, 64, 65, 67, 69, 71, 61]).notes) == pytest.approx(7 / 8)
    assert scale_consistency(_line(list(range(60, 72))).notes) == pytest.approx(7 / 12)


def test_groove_consistency_is_one_minus_the_differing_sixteenths() -> None:
    quarters = [(bar * BAR + beat * 24, 12, 0, 60, 80) for bar in range(3) for beat in range(4)]
    assert groove_consistency(Score(notes=make_notes(quarters))) == 1.0
    second_bar_halved = [row for row in quarters if row[0] // BAR != 1 or row[0] % 48 == 0]
    # Bars 0 and 1 differ at 2 of 16 places, bars 1 and 2 as well.
    assert groove_consistency(Score(notes=make_notes(second_bar_halved))) == pytest.approx(1 - 2 / 16)
    assert math.isnan(groove_consistency(_line([60, 62])))


def test_groove_consistency_leaves_out_neighbours_of_another_length() -> None:
    meters = (Meter(tick=0, numerator=4, denominator=4), Meter(tick=BAR, numerator=3, denominator=4))
    rows = [(0, 24, 0, 60, 80), (BAR, 24, 0, 60, 80), (BAR + 72, 24, 0, 60, 80), (BAR + 96, 24, 0, 60, 80)]
    # Only the two bars of 3/4 are compared: onsets at {0} and at {0, 4} of 12.
    assert groove_consistency(Score(notes=make_notes(rows), meters=meters)) == pytest.approx(11 / 12)


def test_repeated_bars_compare_places_pitches_and_programs() -> None:
    bar = [(0, 24, 0, 60, 80), (48, 24, 0, 64, 80)]
    twice_then_moved = [(o + n * BAR, d, p, pitch + 12 * (n == 2), v) for n in range(3) for o, d, p, pitch, v in bar]
    assert repeated_bars(Score(notes=make_notes(twice_then_moved))) == pytest.approx(1 / 3)
    other_program = [(o + n * BAR, d, n, pitch, v) for n in range(2) for o, d, _, pitch, v in bar]
    assert repeated_bars(Score(notes=make_notes(other_program))) == 0.0
    after_a_rest = [(o + n * BAR, d, p, pitch, v) for n in (0, 5) for o, d, p, pitch, v in bar]
    assert repeated_bars(Score(notes=make_notes(after_a_rest))) == pytest.approx(1 / 2)


def test_a_piece_of_chords_has_the_measures_that_it_shows() -> None:
    chords = [(n * 48, 48, 0, pitch, 80) for n in range(4) for pitch in (48, 64, 67)]
    found = musicality(Score(notes=make_notes(chords)))
    assert found.polyphony == pytest.approx(3.0)
    assert found.note_density == pytest.approx(12 / 8)
    assert found.pitch_range == 19.0
    assert found.pitch_class_entropy == pytest.approx(math.log2(3))
    assert (found.scale_consistency, found.groove_consistency, found.repeated_bars) == (1.0, 1.0, 0.5)


def test_of_drums_alone_only_measures_of_time_are_finite() -> None:
    found = musicality(_line([36, 38, 36, 38] * 2, program=DRUMS))
    finite = {name for name in MEASURES if math.isfinite(getattr(found, name))}
    assert finite == {"groove_consistency", "note_density", "repeated_bars"}


def test_overlapped_area_is_one_of_itself_and_none_of_what_lies_far_off() -> None:
    values = np.random.default_rng(5).normal(size=300)
    assert overlapped_area(values, values) == pytest.approx(1.0, abs=1e-3)
    assert overlapped_area(values, values + 100.0) < 1e-3
    assert overlapped_area(values, values + 0.7) == overlapped_area(values + 0.7, values)
    assert overlapped_area([2.0, 2.0], [2.0]) == 1.0
    assert math.isnan(overlapped_area([], [1.0])) and math.isnan(overlapped_area([float("nan")], [1.0]))


def test_overlapped_area_is_that_of_the_densities() -> None:
    """Two normal distributions one standard deviation apart share erfc(0.5 / sqrt 2) of their area."""
    rng = np.random.default_rng(11)
    first, second = rng.normal(0.0, 1.0, 4000), rng.normal(1.0, 1.0, 4000)
    assert overlapped_area(first, second) == pytest.approx(math.erfc(0.5 / math.sqrt(2)), abs=0.02)


def test_overlap_does_not_depend_on_the_unit() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.gamma(2.0, 1.0, 150), rng.gamma(3.0, 1.0, 150)
    assert overlapped_area(first * 1000, second * 1000) == pytest.approx(overlapped_area(first, second), rel=1e-9)


def test_mean_of_overlaps_leaves_out_what_does_not_apply() -> None:
    drums = [musicality(_line([36, 38] * n, program=DRUMS)) for n in (4, 6, 8)]
    areas = overlaps(drums, drums)
    assert math.isnan(areas["polyphony"]) and mean_overlap(areas) == pytest.approx(1.0, abs=1e-3)


def test_first_bars_cut_notes_and_maps_at_the_barline() -> None:
    score = Score(
        notes=make_notes([(0, 200, 0, 60, 80), (90, 6, 0, 64, 80), (96, 24, 0, 65, 80)]),
        meters=(Meter(tick=0, numerator=4, denominator=4), Meter(tick=BAR, numerator=3, denominator=4)),
    )
    cut = first_bars(score, 1)
    assert cut.notes["pitch"].tolist() == [60, 64] and cut.end_tick == BAR and len(cut.meters) == 1
    assert first_bars(score, 99) is score
