"""Schemes as texts, and what is left of them."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.representations.plan.events import spell_plan
from lstm_core.representations.plan.from_score import plan_score
from lstm_core.representations.plan.layout import NEW, VARIED
from lstm_core.representations.plan.schemes import OPEN, fitted_scheme, read_scheme, scheme_of_events, without_programs

SCHEME = f"0,73 4,33 5,{DRUMS}|1,0,0,2 0,2,1,1 0,2,2,1|4,7,0,0,2 5,6,4,1,1"


def test_a_scheme_says_what_the_plan_of_a_piece_says() -> None:
    tune = (0, 2, 4, 7, 5, 4, 2, 0)
    rows = [
        (96 * bar + 24 * beat, 20, program, pitch, 80)
        for bar in range(16)
        for beat in range(4)
        for program, pitch in ((73, 72 + tune[(beat + bar * (1 + bar // 8)) % 8]), (33, 36 + 5 * (bar % 2)), (0, 60))
    ]
    planned = plan_score(Score(notes=make_notes(rows)))
    assert planned is not None
    plan = planned.plan
    scheme = read_scheme(scheme_of_events(spell_plan(plan)))
    assert scheme.parts.tolist() == np.stack([plan.roles, plan.programs], axis=1).tolist()
    own = (plan.relation == NEW) | (plan.relation == VARIED)
    assert 0 < own.sum() < 16
    assert (scheme.bars[own, :3] == np.stack([plan.energy, plan.active, plan.copied], axis=1)[own]).all()
    varied = plan.relation == VARIED
    moved = (plan.chord != plan.chord[np.maximum(plan.source, 0)]).any(axis=1)
    assert (
        scheme.bars[varied, 3].tolist() == moved[varied].tolist() and (scheme.bars[plan.relation == NEW, 3] == 0).all()
    )
    assert (scheme.bars[~own] == OPEN).all()


def test_a_longer_track_leaves_the_rest_open() -> None:
    scheme = fitted_scheme(read_scheme(SCHEME), 10)
    assert scheme.bars[:4, 1].tolist() == [7, 7, OPEN, 6] and (scheme.bars[4:] == OPEN).all()
    assert scheme.form[4:, 0].tolist() == [4] * 6


def test_a_scheme_of_an_earlier_version_leaves_open_whether_chords_are_others() -> None:
    scheme = read_scheme(f"0,73 4,33 5,{DRUMS}|1,0,0,2 0,2,1,1 0,2,2,1|4,7,0,2 5,6,4,1")
    assert scheme.bars.tolist() == [[4, 7, 0, OPEN]] * 2 + [[OPEN] * 4, [5, 6, 4, OPEN]]


def test_parts_are_left_out_with_their_bits() -> None:
    left = without_programs(read_scheme(SCHEME), frozenset([33]))
    assert left is not None and left.parts[:, 1].tolist() == [73, DRUMS]
    assert left.bars[:, 1].tolist() == [3, 3, OPEN, 2] and left.bars[:, 2].tolist() == [0, 0, OPEN, 2]
    assert without_programs(read_scheme(SCHEME), frozenset([33, 73])) is not None
    assert without_programs(read_scheme(SCHEME), frozenset([33, 73, DRUMS])) is None


@pytest.mark.parametrize(
    "text",
    ["", "0,0|1,0,0,2", "0,0|1,0,0,2|4,1,0,1", "|1,0,0,1|4,1,0,1", "0,0|1,0,0,2|4,1,2", "0,0|1,0,0,2|4,1,0,0,0,2"],
)
def test_what_is_no_scheme_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_scheme(text)
