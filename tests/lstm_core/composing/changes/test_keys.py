"""Sections in other keys: the same music moved as a whole, whatever the weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lstm_core.catalogue.plan_form import form_of_plan
from lstm_core.composing.changes.keys import ended_at_borders, extremes_of, shifts_of_bars
from lstm_core.composing.players import check_accompanies
from lstm_core.composing.rules import conditions_of, plan_request
from lstm_core.composing.take import Take
from lstm_core.engine.bar_conditions import BarConditions
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.notes.keys import scale_pitch_classes
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import DRUMS, NoteArray, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.representations.plan.layout import chord_value
from lstm_core.tracks.promises import promise_gates
from tests.lstm_core.catalogue.made_up_forms import made_plan
from tests.lstm_core.composing.tiny_composer import tiny_checkpoint, tiny_composer

ORDER = TrackOrder(duration_s=24.0, bpm=120.0, form="A:4 B:4 A:4", key="C", loop=True, style="game", seed=3)


def take_of(order: TrackOrder) -> Take:
    """The first take of an order; its promises are kept but for those that are kept by chance."""
    track = admit(order)
    (take,) = tiny_composer().play([(track, 0)])
    broken = {gate.name for gate in promise_gates(track, take) if not gate.is_passed}
    assert broken <= {"varied_least", "varied_most"}, order
    return take


def in_bars(notes: NoteArray, first: int, stop: int) -> NoteArray:
    """The melodic notes that begin in bars of 4/4, from their first tick on."""
    own: NoteArray = notes[(notes["onset"] >= 96 * first) & (notes["onset"] < 96 * stop)].copy()
    own["onset"] -= 96 * first
    return own


def test_a_letter_in_another_key_is_the_same_music_moved() -> None:
    for seed, up in product(range(4), (-5, 2, 6)):
        notes = take_of(replace(ORDER, key_changes=f"B: {up}", seed=seed)).notes
        before, after = in_bars(notes, 0, 4), in_bars(notes, 8, 12)
        assert len(before) == len(after) > 0
        moved = before["pitch"] + np.where(before["program"] == DRUMS, 0, up)
        for one, other in ((before, moved), (after, after["pitch"])):
            one["pitch"] = other
        assert {tuple(note) for note in before[["onset", "program", "pitch"]].tolist()} == {
            tuple(note) for note in after[["onset", "program", "pitch"]].tolist()
        }


def test_each_section_keeps_to_its_scale_and_none_sounds_into_the_next() -> None:
    for seed in range(4):
        notes = take_of(replace(ORDER, key_changes="B: E; A: C", seed=seed, loop=False, duration_s=26.0)).notes
        notes = notes[notes["program"] != DRUMS]
        for first, stop, key in ((0, 4, 0), (4, 8, 4), (8, 12, 0)):
            own = in_bars(notes, first, stop)
            assert {int(pitch) % 12 for pitch in own["pitch"]} <= scale_pitch_classes(key, "")
            assert stop == 12 or (own["onset"] + own["duration"]).max() <= 96 * (stop - first)


def test_pitches_stay_within_the_order_in_every_key() -> None:
    for seed, changes in product(range(3), ("B: +6", "B: -5")):
        notes = take_of(replace(ORDER, key_changes=changes, seed=seed, pitch_low=55, pitch_high=74)).notes
        pitches = notes["pitch"][notes["program"] != DRUMS]
        assert pitches.min() >= 55 and pitches.max() <= 74


def test_chords_are_those_that_are_written_and_move_with_a_letter() -> None:
    take = take_of(replace(ORDER, chords="A: C F G C; B: E A B E", key_changes="B: E"))
    assert take.plan is not None
    form = form_of_plan(take.plan, take.shift)
    written = [chord for bar in form.bar_chords() for chord in bar]
    assert written == ["C", "F", "G", "C", "E", "A", "B", "E", "E", "A", "B", "E"]


def test_a_track_ends_on_the_tonic_of_its_last_key() -> None:
    take = take_of(replace(ORDER, key_changes="B: D", loop=False, duration_s=26.0))
    assert take.plan is not None
    assert form_of_plan(take.plan, take.shift).bar_chords()[-1] == ("D",)
    last = take.notes[(take.notes["onset"] >= 96 * 12) & (take.notes["program"] != DRUMS)]
    assert {int(pitch) % 12 for pitch in last["pitch"]} <= {2, 6, 9}


def test_a_new_section_in_another_key_begins_with_its_tonic_and_models_are_told_its_mode() -> None:
    order = replace(ORDER, form="A:4 B:4 A:4", key="A minor", key_changes="B: C major; A: +0")
    track, facts = admit(order), tiny_checkpoint().facts
    rules = plan_request(track, 0, facts).rules
    assert rules.chord is not None and rules.chord[4, 0] == chord_value(0, parse_chord("C").quality)
    given = plan_request(admit(replace(order, chords="B: F | G")), 0, facts).rules
    assert given.chord is not None and given.chord[4, 0] == chord_value(5, parse_chord("F").quality)
    assert conditions_of(track, facts)[:, 1].tolist() == [2] * 4 + [1] * 4 + [2] * 4
    assert conditions_of(admit(replace(order, key_changes="")), facts).shape == (4,)
    rows = BarConditions(2, 3, 1)
    assert rows.start(0, np.array([5, 6])).contexts.tolist() == [-1, -1, -1, 5, 6]
    assert rows.start(1, np.array([[5, 6], [5, 6], [7, 6]])).contexts.tolist() == [-1, -1, -1, 5, 6]
    assert rows.renewed(np.array([9, 1])) == []
    ((row, told),) = rows.renewed(np.array([9, 2]))
    assert row == 1 and told.contexts.tolist() == [-1, -1, -1, 7, 6]
    assert rows.only(np.array([1])).renewed(np.array([3])) == []


def test_ranges_hold_for_all_that_repeats_a_bar() -> None:
    """B is heard in its own key alone, A in two."""
    plan = made_plan("A B A", 4)
    shifts = shifts_of_bars(replace(ORDER, key_changes="B: E"), admit(replace(ORDER, key_changes="B: E")).plan)
    assert shifts.tolist() == [0] * 4 + [-4] * 8
    assert extremes_of(shifts, plan).tolist() == [[-4, 0]] * 4 + [[-4, -4]] * 8
    notes = make_notes([(0, 500, 0, 60, 90), (380, 10, 0, 64, 90), (400, 500, 0, 67, 90)])
    ended = ended_at_borders(notes, shifts, np.arange(1, 13) * 96)
    assert ended["duration"].tolist() == [384, 4, 500]


def test_a_file_says_the_keys() -> None:
    order = replace(ORDER, key_changes="B: Eb; A: C")
    data = write_midi(take_of(order).score(admit(order).plan))
    assert data.count(b"\xff\x59\x02\x00\x00") == 2 and data.count(b"\xff\x59\x02\xfd\x00") == 1
    assert b"\xff\x59" not in write_midi(take_of(ORDER).score(admit(ORDER).plan))


def test_a_model_of_notes_alone_follows_no_keys() -> None:
    order = replace(ORDER, key_changes="B: E")
    check_accompanies(tiny_checkpoint(), [order])
    with pytest.raises(OrderError, match=r"cannot follow key_changes B: E\. Use base"):
        check_accompanies(tiny_checkpoint().arranger, [order])
