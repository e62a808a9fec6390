"""Textures of parts and what they hold, as text."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.analysis.roles import BASS, DRUM, HARMONY
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.representations.parts.events import spell_parts
from lstm_core.representations.parts.manners import manners_of_events, pauses, read_manners
from lstm_core.representations.plan.events import spell_plan
from lstm_core.representations.plan.from_score import planned_note_for_note
from tests.lstm_core.catalogue.made_up_forms import made_plan

PAD, PULSE, BEAT = 48, 33, DRUMS
ROWS = [
    *[(192 * n, length, PAD, pitch, 80) for n, length in enumerate((192, 192, 192, 90)) for pitch in (60, 64, 67)],
    *[(24 * n, 24, PULSE, 36, 90) for n in range(32)],
    *[(192 * n, 12, BEAT, 36, 90) for n in range(4)],
]  # eight bars: a chord every second one, held three times of four; four notes of the bass in each; drums as the chords


def test_textures_and_held_pauses_of_each_part() -> None:
    planned = planned_note_for_note(Score(notes=make_notes(ROWS)), 0)
    assert planned is not None
    text = manners_of_events(spell_parts(planned), spell_plan(planned.plan))
    manners = read_manners(text)
    of_program = dict(zip(planned.plan.programs.tolist(), range(planned.plan.num_parts), strict=True))
    textures = {program: int(manners.textures[part]) for program, part in of_program.items()}
    held = {program: int(manners.held[part]) for program, part in of_program.items()}
    assert textures[PAD] == 1 << 2 and held[PAD] == 75  # one onset of three notes
    assert textures[PULSE] == 1 << 9 and held[PULSE] == 0  # four onsets of one note, and no pause
    assert textures[BEAT] == 1 and held[BEAT] == 0


def test_pauses_are_short_ones() -> None:
    plan = made_plan("A B", 4, roles=np.array([BASS, HARMONY, DRUM]), programs=np.array([33, 48, DRUMS]),
                     active=np.array([0b011, 0b101, 0b110, 0b100, 0b011, 0b001, 0b001, 0b001]))  # fmt: skip
    assert pauses(plan).tolist() == [[0, 2, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("text", ["", "1c", "1c:101", "1c:-1", "-1:0", "1000000:0", "1:0 " * 30, "x:1"])
def test_what_is_no_manners_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_manners(text)


def test_parts_without_their_plan_are_refused() -> None:
    planned = planned_note_for_note(Score(notes=make_notes(ROWS)), 0)
    assert planned is not None
    with pytest.raises(ValueError, match="by their plan"):
        manners_of_events(spell_parts(planned), None)
