"""Sections in other meters: bars of their own length, whatever the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_core.composing.composer import with_energy
from lstm_core.composing.rules import conditions_of, plan_request
from lstm_core.composing.take import Take
from lstm_core.notes.midi import read_midi, write_midi
from lstm_core.notes.score import DRUMS, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.conditions import METERS
from lstm_core.tracks.gates import order_gates, score_gates
from lstm_core.tracks.promises import promise_gates
from tests.lstm_core.composing.tiny_composer import same_notes, tiny_checkpoint, tiny_composer

ORDER = TrackOrder(
    duration_s=22.0, bpm=120.0, form="A:4 B:4 A:4", meter_changes="B: 3/4; A: 4/4", loop=True, style="game", key="C"
)


def take_of(order: TrackOrder) -> Take:
    """The first take of an order; its promises are kept but for those that are kept by chance."""
    track = admit(order)
    (take,) = tiny_composer().play([(track, 0)])
    broken = {gate.name for gate in promise_gates(track, take) if not gate.is_passed}
    assert broken <= {"varied_least", "varied_most"}, order
    return take


def test_sections_begin_on_their_barlines_and_repeat_by_them() -> None:
    for seed in range(4):
        take = take_of(replace(ORDER, seed=seed))
        assert take.plan is not None and take.plan.bar_ticks.tolist() == [96] * 4 + [72] * 4 + [96] * 4
        assert take.plan.num_slots.tolist() == [2] * 4 + [1] * 4 + [2] * 4
        notes = take.notes
        first, again = notes[notes["onset"] < 384], notes[notes["onset"] >= 672].copy()
        again["onset"] -= 672
        for own in (first, again):
            own["duration"] = 0
        assert len(first) > 0 and {tuple(note) for note in first[["onset", "program", "pitch"]].tolist()} == {
            tuple(note) for note in again[["onset", "program", "pitch"]].tolist()
        }
        assert (notes["onset"] + notes["duration"]).max() <= 1056


def test_keys_and_meters_change_together() -> None:
    order = replace(ORDER, key_changes="B: +2; A: +0", hits="8 14.1", bpm=0.0, loop=False, duration_s=24.0, seed=2)
    take = take_of(order)
    plan = admit(order).plan
    assert [change.tick for change in plan.keys] == [meter.tick for meter in plan.meters] == [0, 384, 672]
    melodic = take.notes[take.notes["program"] != DRUMS]
    inside = melodic[(melodic["onset"] >= 384) & (melodic["onset"] < 672)]
    assert {int(pitch) % 12 for pitch in inside["pitch"]} <= {2, 4, 6, 7, 9, 11, 1}
    data = write_midi(take.score(plan))
    assert [str(meter) for meter in read_midi(data).meters] == ["4/4", "3/4", "4/4"]
    assert data.count(b"\xff\x59") == 3


def test_models_are_told_the_meter_of_each_bar() -> None:
    track, facts = admit(replace(ORDER, meter_changes="B: 6/8; A: 4/4")), tiny_checkpoint().facts
    told = [METERS[value - 1] for value in conditions_of(track, facts)[:, 3].tolist()]
    assert told == ["4/4"] * 4 + ["6/8"] * 4 + ["4/4"] * 4
    assert plan_request(track, 0, facts).rules.num_slots.tolist() == [2] * 12
    assert conditions_of(admit(replace(ORDER, meter_changes="", duration_s=24.0)), facts).shape == (4,)


def test_a_take_with_changes_depends_on_its_attempt_alone() -> None:
    """Its conditions travel with its row, also into a narrower batch."""
    steady = replace(ORDER, meter_changes="", duration_s=24.0)
    modes = replace(ORDER, key_changes="B: A minor; A: C", seed=9)
    tracks = [admit(order) for order in (steady, ORDER, modes, replace(ORDER, seed=8), replace(steady, seed=7))]
    together = {take.number: take for take in tiny_composer().play([(track, 0) for track in tracks])}
    for number in range(len(tracks)):
        (alone,) = tiny_composer().play([(tracks[number], 0)])
        assert same_notes(alone.notes, together[number].notes), number


def test_loudness_follows_the_energy_of_real_bars() -> None:
    plan = plan_track(ORDER)
    notes = make_notes([(tick, 10, 0, 60, 80) for tick in (0, 384, 456, 672)])
    energy = np.zeros(12)
    energy[5] = 1.0
    assert with_energy(notes, energy, plan)["velocity"].tolist() == [44, 44, 108, 44]


def test_gates_judge_real_bars() -> None:
    """One note on each barline: each bar has one, none is silent, and as bars of 4/4 four would be empty."""
    plan = plan_track(ORDER)
    barlines = plan.barlines.tolist()
    pitches = [60, 62, 64, 65] * 3
    rows = [(tick, ticks, 0, pitch, 90) for tick, ticks, pitch in zip(barlines, plan.bar_ticks, pitches, strict=False)]
    score = Take(notes=make_notes(np.array(rows))).score(plan)
    found = {gate.name: gate.value for gate in order_gates(score, ORDER, plan)}
    assert (found["bars_with_notes"], found["silence"], found["distinct_bars"]) == (1.0, 0.0, 8.0)
    gap = replace(score, notes=score.notes[[0, 1, 2, 3, 7, 8, 9, 10, 11]])
    found = {gate.name: gate.value for gate in order_gates(gap, ORDER, plan)}
    assert (found["silence"], found["bars_with_notes"]) == (3.0, 0.75)
    same = [score_gates(score, key_pitch_classes=None, num_bars=11, bar_ticks=bars) for bars in (96, np.full(11, 96))]
    assert same[0] == same[1]


@pytest.mark.parametrize("changes", ["B: 7/8", "B: 5/4", "B: 3/8", "B: 12/8"])
def test_tracks_that_end_do_so_in_the_last_meter(changes: str) -> None:
    order = replace(ORDER, form="A B", meter_changes=changes, loop=False, duration_s=30.0, rit=0.3, seed=5)
    take, plan = take_of(order), plan_track(order)
    assert plan.final_bar is not None
    final = plan.tick_of(plan.final_bar)
    assert final in take.notes["onset"] and take.notes["onset"].max() == final
    assert (take.notes["onset"] + take.notes["duration"]).max() <= final + plan.final_hold_ticks
