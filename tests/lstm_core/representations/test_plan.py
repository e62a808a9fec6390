"""Plans as events: nothing of a plan is lost, and a model is told nothing that comes later."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.notes.score import DRUMS, Meter, Score, make_notes
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.events import (
    END_PARTS,
    ENERGY,
    FIRST,
    FIRST_BACK,
    FIRST_CHORD,
    SECOND,
    STREAMS,
    THIRD,
    bars_of,
    num_bars_of,
    read_plan,
    spell_plan,
)
from lstm_core.representations.plan.from_score import MAX_BAR_TICKS, plan_score
from lstm_core.representations.plan.layout import EXACT, NEW, TRANSPOSED, VARIED, Plan, moved_chord
from lstm_core.representations.plan.plan import NUM_CONDITIONS, PLAN, programs_of_plan
from lstm_core.representations.plan.steps import MOVING, NUM_LAGS, plan_steps
from lstm_core.representations.representation import AugmentSettings, Reading
from tests.lstm_core.representations.planned_scores import STYLE, drawn, form, piece_of
from tests.properties import share

SEEDS = st.integers(0, 10**6)


def plan_of(score: Score) -> Plan:
    planned = plan_score(score)
    assert planned is not None
    return planned.plan


def assert_same(one: Plan, two: Plan) -> None:
    for field in fields(Plan):
        assert np.array_equal(getattr(one, field.name), getattr(two, field.name)), field.name


def check_round_trip(score: Score) -> None:
    plan = plan_of(score)
    events = spell_plan(plan)
    assert events.dtype == PLAN.dtype and num_bars_of(events) == plan.num_bars
    assert (events < [stream.size for stream in STREAMS]).all()
    assert_same(read_plan(events, *bars_of(score.meters, plan.num_bars)), plan)


@pytest.mark.parametrize("transpose", [2, -3, 12])
def test_a_plan_of_every_relation_comes_back_from_its_events(transpose: int) -> None:
    score = form(transpose=transpose)
    plan = plan_of(score)
    assert set(plan.relation.tolist()) == {NEW, EXACT, VARIED, TRANSPOSED}
    assert set(plan.shift[plan.relation == TRANSPOSED].tolist()) == {transpose}
    check_round_trip(score)


@share(0.1)
@given(SEEDS)
def test_every_plan_comes_back_from_its_events(seed: int) -> None:
    check_round_trip(drawn(seed))


def test_bars_that_repeat_have_no_content_of_their_own() -> None:
    plan = plan_of(form())
    events = spell_plan(plan)
    written = (plan.relation == NEW) | (plan.relation == VARIED)
    assert len(events) == plan.num_parts + 1 + plan.num_bars + written.sum()
    for bar in np.flatnonzero(~written).tolist():
        source, up = int(plan.source[bar]), int(plan.shift[bar])
        assert np.array_equal(plan.chord[bar], moved_chord(plan.chord[source], up))
        assert plan.active[bar] == plan.copied[bar] == plan.active[source]
        assert plan.energy[bar] == plan.energy[source]


@pytest.mark.parametrize(("numerator", "denominator"), [(3, 4), (4, 4), (6, 8), (5, 4), (4, 2)])
def test_a_bar_has_as_many_chords_as_its_meter_has_slots(numerator: int, denominator: int) -> None:
    meter = Meter(tick=0, numerator=numerator, denominator=denominator)
    rows = [(bar * meter.bar_ticks + t, 12, 0, 60 + t // 12, 90) for bar in range(4) for t in range(0, 72, 12)]
    plan = plan_of(Score(notes=make_notes(rows), meters=(meter,)))
    slots = slots_per_bar(meter)
    assert plan.num_slots.tolist() == [slots] * 4 and slots == (1 if numerator in (3, 5) else 2)
    assert plan.bar_ticks.tolist() == [meter.bar_ticks] * 4
    if slots == 1:
        assert np.array_equal(plan.chord[:, 0], plan.chord[:, 1]) and np.array_equal(plan.bass[:, 0], plan.bass[:, 1])


@pytest.mark.parametrize(("numerator", "denominator", "is_spelt"), [(8, 4, True), (9, 4, False), (5, 2, False)])
def test_scores_of_longer_bars_are_not_spelt(numerator: int, denominator: int, is_spelt: bool) -> None:
    meter = Meter(tick=0, numerator=numerator, denominator=denominator)
    assert (meter.bar_ticks <= MAX_BAR_TICKS) == is_spelt
    score = Score(notes=make_notes([(t, 24, 0, 60, 90) for t in range(0, 480, 24)]), meters=(meter,))
    assert (PLAN.encode(score) is not None) == (PARTS.encode(score) is not None) == is_spelt


def test_a_score_without_notes_and_one_of_unknown_drums_have_no_plan() -> None:
    assert PLAN.encode(Score(notes=make_notes([]))) is None
    assert PLAN.encode(Score(notes=make_notes([(0, 24, DRUMS, 3, 90)]))) is None


def test_programs_are_those_of_the_parts_each_once_in_their_order() -> None:
    plan = plan_of(form())
    found = programs_of_plan(spell_plan(plan))
    assert found == list(dict.fromkeys(plan.programs.tolist())) and set(found) == {25, 73, DRUMS}
    assert PLAN.programs is programs_of_plan


def test_events_of_something_else_are_refused() -> None:
    score = form()
    plan, events = plan_of(score), spell_plan(plan_of(score))
    bars = bars_of(score.meters, plan.num_bars)
    for few in (events[: plan.num_parts + plan.num_bars], events[plan.num_parts + 1 :]):
        with pytest.raises(ValueError, match="these events are no plan of 40 bars"):
            read_plan(few, *bars)
    with pytest.raises(ValueError, match="a bar refers to no earlier bar"):  # a content is taken for a bar
        read_plan(events, *bars_of(score.meters, plan.num_bars + 1))
    with pytest.raises(ValueError, match="bars have a content"):
        read_plan(events[:-1], *bars)
    wrong = events.copy()
    wrong[plan.num_parts + 1, FIRST] = FIRST_BACK + 1  # the first bar refers to one before it
    with pytest.raises(ValueError, match="a bar refers to no earlier bar"):
        read_plan(wrong, *bars)
    wrong = events.copy()
    wrong[-1, FIRST] = FIRST_CHORD - 1
    with pytest.raises(ValueError, match="has no chord"):
        read_plan(wrong, *bars)
    with pytest.raises(ValueError, match="a plan has no notes"):
        PLAN.decode(events)


@share(0.1)
@given(SEEDS)
def test_what_a_model_reads_has_the_sizes_that_it_expects(seed: int) -> None:
    piece = piece_of(drawn(seed), parts=False)
    augment = AugmentSettings(condition_dropout=0.5)
    random = np.random.Generator(np.random.Philox(key=[1, seed]))
    for reading in (Reading(styles=(STYLE,)), Reading(styles=(STYLE,), augment=augment, random=random)):
        arrays = PLAN.piece_arrays(piece, reading)
        contexts = PLAN.contexts((STYLE,))
        n = len(piece.events)
        assert np.array_equal(arrays.events, piece.events)
        assert arrays.contexts.shape == (n, len(MOVING) + NUM_CONDITIONS) == (n, len(contexts))
        assert (arrays.contexts >= 0).all() and (arrays.contexts < [stream.size for stream in contexts]).all()
        assert arrays.flags.shape == (PLAN.num_flags,) == (0,) and arrays.onset_contexts.shape == (n, 0)
        assert arrays.recalled.shape == (n, NUM_LAGS, len(STREAMS))
        assert (arrays.recalled >= -1).all() and (arrays.recalled < [stream.size for stream in STREAMS]).all()
    as_written = PLAN.piece_arrays(piece, Reading(styles=(STYLE,))).contexts[:, len(MOVING) :]
    assert (as_written == as_written[0]).all() and as_written[0, 0] == 1 and (as_written[0, 2:] > 0).all()


@share(0.2)
@given(SEEDS)
def test_a_step_is_told_nothing_of_the_events_from_it_on(seed: int) -> None:
    """What is told before event t stays when event t is another one, and nothing comes after it."""
    events = spell_plan(plan_of(drawn(seed))).astype(np.int64)
    num_bars = num_bars_of(events.astype(np.uint16))
    moving, recalled = plan_steps(events, num_bars)
    random = np.random.Generator(np.random.Philox(key=[2, seed]))
    for t in random.integers(len(events), size=4).tolist():
        other = events[: t + 1].copy()
        first = other[t, FIRST]
        if first < END_PARTS:
            other[t, SECOND] = (other[t, SECOND] + 1) % 128
        elif first == END_PARTS:
            other[t, FIRST] = 0
        elif first < FIRST_CHORD:
            other[t, THIRD] = (other[t, THIRD] + 1) % 3
        else:
            other[t, FIRST], other[t, ENERGY] = FIRST_CHORD + (first - FIRST_CHORD + 1) % 12, (other[t, ENERGY] + 1) % 8
        assert not np.array_equal(other, events[: t + 1])
        told = plan_steps(other, num_bars)
        assert np.array_equal(told[0], moving[: t + 1]) and np.array_equal(told[1], recalled[: t + 1])


def test_the_source_of_a_varied_bar_is_recalled_with_who_plays_in_it_as_copied() -> None:
    plan = plan_of(form())
    events = spell_plan(plan).astype(np.int64)
    _, recalled = plan_steps(events, plan.num_bars)
    step = plan.num_parts + 1 + plan.num_bars
    contents = {}
    checked = 0
    for bar in np.flatnonzero((plan.relation == NEW) | (plan.relation == VARIED)).tolist():
        contents[bar] = events[step]
        source = int(plan.source[bar])
        if plan.relation[bar] == VARIED and source in contents:
            expected = contents[source].copy()
            expected[7:9] = expected[5:7]
            assert np.array_equal(recalled[step, NUM_LAGS - 1], expected)
            checked += 1
        step += 1
    assert checked > 0
