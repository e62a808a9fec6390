"""Roles and melody in the textures of a band, a piano, a quartet and an orchestra."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.analysis.piece import Analysis, analyse
from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY, ROLES
from lstm_core.notes.score import Score, make_notes
from tests.lstm_core.analysis.made_pieces import (
    BAR,
    POP,
    QUARTER,
    Row,
    accompaniment,
    band,
    chord_tones,
    drum_bars,
    piano,
    tune,
    with_parts,
)


def share(analysis: Analysis, which: np.ndarray[tuple[int], np.dtype[np.bool_]], role: int) -> float:
    """Of the notes that are `which` the share that has a role."""
    return float((analysis.note_role[which] == role).mean())


def quartet(bars: int = 16) -> Score:
    """First violin above three held or slow parts."""
    rows = tune(4, bars, program=40, low=72)
    for bar in range(bars):
        _, third, fifth = chord_tones(POP[bar % 4], 55)
        root = chord_tones(POP[bar % 4], 40)[0]
        rows += [(bar * BAR, BAR, 48, third, 70), (bar * BAR, BAR, 41, fifth, 70)]
        rows += [(bar * BAR, 48, 42, root, 75), (bar * BAR + 48, 48, 42, root + 7, 75)]
    return with_parts(Score(notes=make_notes(rows)))


def test_every_part_of_a_band_has_its_role_throughout() -> None:
    score = band()
    analysis = analyse(score)
    program = score.notes["program"]
    for number, role in ((81, MELODY), (25, FIGURE), (48, HARMONY), (33, BASS), (128, DRUM)):
        assert share(analysis, program == number, role) == 1.0, ROLES[role]
    assert (analysis.is_melody == (program == 81)).all()
    assert (analysis.bar_roles == 1 << MELODY | 1 << FIGURE | 1 << HARMONY | 1 << BASS | 1 << DRUM).all()


@pytest.mark.parametrize(("texture", "role"), [("alberti", FIGURE), ("arpeggio", FIGURE), ("block", HARMONY)])
def test_a_piano_part_is_taken_apart_into_melody_and_what_goes_with_it(texture: str, role: int) -> None:
    score, height = piano(texture)
    analysis = analyse(score)
    upper = score.notes["pitch"] >= height
    assert share(analysis, upper, MELODY) >= 0.97
    assert share(analysis, ~upper, MELODY) == 0.0
    lower = ~upper & (analysis.note_role != BASS)
    assert share(analysis, lower, role) >= 0.97
    in_bar = [score.notes["onset"] // BAR == bar for bar in range(16)]
    assert all((analysis.note_role[~upper & here] == BASS).any() for here in in_bar)  # the root, lowest in each bar


def test_stride_is_bass_and_chords() -> None:
    score, height = piano("oom-pah")
    analysis = analyse(score)
    pitch = score.notes["pitch"]
    assert share(analysis, pitch < 48, BASS) == 1.0
    assert share(analysis, (pitch >= 48) & (pitch < height), HARMONY) == 1.0
    assert share(analysis, pitch >= height, MELODY) >= 0.97


def test_a_quartet_is_melody_harmony_and_bass() -> None:
    score = quartet()
    analysis = analyse(score)
    program = score.notes["program"]
    assert share(analysis, program == 40, MELODY) == 1.0
    assert share(analysis, np.isin(program, (41, 48)), HARMONY) == 1.0
    assert share(analysis, program == 42, BASS) == 1.0


def test_a_second_line_that_moves_by_step_is_a_counter_melody() -> None:
    rows = [*tune(5, 16, program=73, low=79), *tune(6, 16, program=71, low=60)]
    for bar in range(16):
        rows += [(bar * BAR, BAR, 89, pitch, 60) for pitch in chord_tones(POP[bar % 4], 48)]
        rows += [(bar * BAR, BAR, 32, chord_tones(POP[bar % 4], 28)[0], 80)]
    score = with_parts(Score(notes=make_notes(rows)))
    analysis = analyse(score)
    program = score.notes["program"]
    assert share(analysis, program == 73, MELODY) >= 0.95
    assert share(analysis, program == 71, COUNTER) >= 0.9
    assert share(analysis, program == 89, HARMONY) == 1.0
    assert share(analysis, program == 32, BASS) == 1.0


def test_the_melody_passes_from_instrument_to_instrument() -> None:
    rows = [*tune(7, 8, program=73), *tune(8, 8, start=8 * BAR, program=56, low=60)]
    for bar in range(16):
        rows += accompaniment(POP[bar % 4], bar * BAR, BAR, "block", program=48)
    score = with_parts(Score(notes=make_notes(rows)))
    melody = score.notes[analyse(score).is_melody > 0]
    assert np.mean(melody["program"][melody["onset"] < 8 * BAR] == 73) == 1.0
    assert np.mean(melody["program"][melody["onset"] >= 8 * BAR] == 56) == 1.0
    assert len(melody) == np.isin(score.notes["program"], (56, 73)).sum()


def test_octaves_of_the_melody_are_melody_but_one_line_is_the_lead() -> None:
    lead = tune(9, 8, program=40, low=72)
    rows = [*lead, *[(o, d, 42, p - 12, v) for o, d, _, p, v in lead]]
    for bar in range(8):
        rows += accompaniment(POP[bar % 4], bar * BAR, BAR, "block", program=19)
    score = with_parts(Score(notes=make_notes(rows)))
    analysis = analyse(score)
    assert share(analysis, np.isin(score.notes["program"], (40, 42)), MELODY) >= 0.97
    assert (score.notes["program"][analysis.is_melody > 0] == 40).all()


def test_a_bass_that_goes_along_with_the_melody_is_still_the_bass() -> None:
    lead = tune(12, 8, program=81)
    rows = [*lead, *[(o, d, 33, p - 24, v) for o, d, _, p, v in lead], *drum_bars(8)]
    score = with_parts(Score(notes=make_notes(rows)))
    analysis = analyse(score)
    assert share(analysis, score.notes["program"] == 81, MELODY) == 1.0
    assert share(analysis, score.notes["program"] == 33, BASS) == 1.0


def test_a_tune_alone_is_all_melody() -> None:
    score = Score(notes=make_notes(tune(10, 12)))
    analysis = analyse(score)
    assert analysis.is_melody.all() and (analysis.note_role == MELODY).all()


def test_a_pulse_and_a_drone_are_no_melody() -> None:
    pulse: list[Row] = [(i * 12, 12, 29, 64, 90) for i in range(64)]
    bass: list[Row] = [(bar * BAR, BAR, 33, 40, 90) for bar in range(8)]
    assert not analyse(with_parts(Score(notes=make_notes(pulse + bass)))).is_melody.any()
    drone = [(bar * 2 * BAR, 2 * BAR, 48, pitch, 80) for bar in range(4) for pitch in (60, 67)]
    assert not analyse(Score(notes=make_notes(drone))).is_melody.any()


@pytest.mark.parametrize("semitones", [-4, 3])
def test_roles_do_not_depend_on_the_key(semitones: int) -> None:
    before = band()
    rows = [tuple(int(v) for v in note) for note in before.notes[["onset", "duration", "program", "pitch", "velocity"]]]
    moved = [(o, d, g, p + semitones * (g != 128), v) for o, d, g, p, v in rows]
    after = analyse(Score(notes=make_notes(moved)))
    assert (analyse(before).note_role == after.note_role).all()


@pytest.mark.parametrize("rows", [[(0, 24, 0, 60, 90)], [(0, 6, 128, 36, 90), (48, 6, 128, 38, 90)]])
def test_pieces_of_next_to_nothing_are_analysed(rows: list[Row]) -> None:
    analysis = analyse(Score(notes=make_notes(rows)))
    assert len(analysis.note_role) == len(rows)
    assert [section.num_bars for section in analysis.sections] == [1]
    assert analysis.source_bar.tolist() == [-1] and analysis.energy[0] > 0


def test_a_score_without_notes_is_refused() -> None:
    with pytest.raises(ValueError, match="without notes"):
        analyse(Score(notes=make_notes([])))


def test_equal_notes_give_equal_arrays() -> None:
    first, second = analyse(band()), analyse(band())
    for name in ("note_role", "is_melody", "chord_root", "chord_quality", "source_bar", "similarity", "energy"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.sections == second.sections and first.barlines[1] == QUARTER * 4
