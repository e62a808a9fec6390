"""Parts that are given are written first, and what is given is heard before it is written."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import BASS, HARMONY, MELODY
from lstm_core.composing.writing_order import in_order, in_plan_order, writing_order
from lstm_core.engine.parts.part_chooser import PartChooser, PartRequest
from lstm_core.engine.parts.rules import PartRules
from lstm_core.representations.note_events import nearest_duration
from lstm_core.representations.parts.events import BAR, FIRST_REGISTER, FIRST_TEXTURE, PLACE, read_parts
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.parts.steps import CELLS_TOLD
from lstm_core.representations.plan.layout import Ints, Plan
from tests.lstm_core.catalogue.made_up_forms import made_plan
from tests.lstm_core.composing.tiny_composer import tiny_composer


def plan_of_three() -> Plan:
    return made_plan("A B", 2, roles=np.array([MELODY, BASS, HARMONY]), programs=np.array([73, 33, 48]),
                     active=np.full(4, 0b111))  # fmt: skip


def bar_of(*notes: tuple[int, int]) -> Ints:
    """Events of a bar with notes of a quarter: (place, pitch)."""
    quarter = int(nearest_duration(np.array([24]))[0])
    return np.array([[BAR, FIRST_TEXTURE + 4, FIRST_REGISTER + 12, 9], *([*note, quarter, 9] for note in notes)])


def test_parts_of_which_all_is_given_come_first() -> None:
    plan = plan_of_three()
    chords = {(2, bar): bar_of((0, 60), (0, 64)) for bar in range(4)}
    assert writing_order(plan, {}) == [0, 1, 2]
    assert writing_order(plan, chords) == [2, 0, 1]
    assert writing_order(plan, {**chords, (0, 1): bar_of((0, 72))}) == [2, 0, 1]


def test_a_given_part_stands_note_for_note_and_the_others_play_to_it() -> None:
    plan = plan_of_three()
    found = []
    for place in (0, 48):
        locked = {(2, bar): bar_of((place, 60), (place, 64)) for bar in range(4)}
        rules = PartRules(seed=3, locked=locked, textures=np.tile([[7], [56], [448]], 4), held=np.zeros((3, 4), int))
        request = PartRequest(plan=plan, rules=rules, conditions=np.zeros(4, dtype=np.int64))
        order = writing_order(plan, locked)
        written = in_order(request, order)
        assert written.plan.roles.tolist() == [HARMONY, MELODY, BASS] and set(written.rules.locked) == {
            (0, bar) for bar in range(4)
        }
        assert written.rules.textures is not None and written.rules.textures[:, 0].tolist() == [448, 7, 56]
        (made,) = tiny_composer().arranger.generate([written])
        notes = in_plan_order(read_parts(made.events, written.plan), order)
        given = notes[notes["part"] == 2]
        assert sorted(zip(given["onset"].tolist(), given["pitch"].tolist(), strict=True)) == [
            (96 * bar + place, pitch) for bar in range(4) for pitch in (60, 64)
        ]
        assert set(notes["program"][notes["part"] == 0].tolist()) == {73}
        found.append(notes[notes["part"] != 2])
    assert len(found[0]) != len(found[1]) or not np.array_equal(found[0]["pitch"], found[1]["pitch"])


def test_bars_that_are_given_are_heard_before_they_are_written() -> None:
    """A bar of the bass, while the tune is written that comes first; once the bass is there it sounds but once."""
    plan = plan_of_three()
    rules = PartRules(locked={(1, 0): bar_of((24, 36), (72, 43))})
    request = PartRequest(plan=plan, rules=rules, conditions=np.zeros(4, dtype=np.int64))
    chooser = PartChooser(PARTS, 1, [request])
    chooser.start(0, request)
    onsets_of_bass = chooser.rows.begun[0, 1, 0]
    assert np.flatnonzero(onsets_of_bass).tolist() == [4, 12] and CELLS_TOLD > 12
    assert chooser.rows.sounding[0, 0, 0, 4] == 1 and chooser.rows.lowest[0, 0, 12] == 43
    (made,) = tiny_composer().arranger.generate([request])
    events = made.events.astype(np.int64)
    starts = np.flatnonzero(events[:, PLACE] == BAR)
    bass = plan.played().tolist().index([1, 0])
    assert events[starts[bass] : starts[bass + 1]].tolist() == rules.locked[1, 0].tolist()
    assert events[starts[bass] + 1 : starts[bass + 1], PLACE].tolist() == [24, 72]
