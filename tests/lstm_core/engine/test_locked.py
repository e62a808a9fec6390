"""Any timeline is obeyed: locked notes stand note for note, and what is chosen beside them violates no span."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lstm_core.engine.engine import Engine
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import DRUMS
from lstm_core.orders.constraints import CONSTRAINTS, Constraint, make_rules
from lstm_core.orders.constraints.timeline import (
    LOCKED_FIRST,
    LOCKED_ONLY,
    Assignment,
    Timeline,
    notes_of,
)
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATIONS,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    TIME_SHIFT,
    decode_events,
    event_onsets,
)
from tests.lstm_core.engine.locked import Note, locking, play
from tests.lstm_core.tiny import tiny_engine

BAR = 96
MANY = settings(max_examples=25, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tiny_engine(3)


@pytest.fixture(scope="module")
def sure_engine() -> Engine:
    return tiny_engine(5, scale=12.0)


ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=1)  # eight bars, the last of them the last chord


@st.composite
def locked_notes(draw: Any, total: int) -> list[Note]:
    notes = []
    for _ in range(draw(st.integers(0, 24))):
        onset = draw(st.one_of(st.sampled_from((0, 1, 96, 192, 300, total - 1)), st.integers(0, total - 1)))
        duration = min(draw(st.sampled_from((1, 5, 24, 96, 200, 384))), total - onset)
        duration = int(DURATIONS[np.flatnonzero(duration >= DURATIONS)[-1]])
        program = draw(st.sampled_from((0, 0, 32, 73, DRUMS)))
        notes.append((onset, duration, program, draw(st.integers(40, 60) if program == DRUMS else st.integers(50, 75))))
    chord = draw(st.sampled_from((0, 3, 6)))
    return notes + [(draw(st.sampled_from((0, 96, 400))), 24, 0, 40 + 2 * i) for i in range(chord)]


def without_duplicates(notes: list[Note]) -> list[Note]:
    """Notes of which none begins while another of its program and pitch sounds."""
    kept: list[Note] = []
    for note in sorted(notes):
        if all(other[2:] != note[2:] or other[0] + other[1] <= note[0] for other in kept):
            kept.append(note)
    return kept


@st.composite
def cases(draw: Any) -> tuple[TrackOrder, list[Note], list[tuple[int, int, dict[str, int]]]]:
    order = replace(
        ORDER,
        seed=draw(st.integers(0, 2**62)),
        loop=draw(st.booleans()),
        polyphony=draw(st.sampled_from((1, 2, 4, 24))),
        instruments=draw(st.sampled_from(((), ("piano",), ("drums",), ("piano", "flute", "drums"), ("bass", "flute")))),
        temperature=draw(st.sampled_from((0.3, 1.0, 3.0))),
        top_p=draw(st.sampled_from((0.5, 1.0))),
    )
    if draw(st.booleans()):
        order = replace(order, pitch_low=60, pitch_high=draw(st.sampled_from((60, 67))))
    total = plan_track(order).total_ticks
    notes = without_duplicates(draw(locked_notes(total)))
    spans = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, total - 100))
        limits = draw(
            st.sampled_from(
                (
                    {"exclusive": LOCKED_ONLY},
                    {"exclusive": LOCKED_FIRST},
                    {"polyphony": 1},
                    {"onset_notes": 2},
                    {"longest_ticks": 7},
                    {"shortest_ticks": 30},
                    {"longest_silence": 24},
                )
            )
        )
        spans.append((start, start + draw(st.sampled_from((1, 24, 96, 400))), limits))
    return order, notes, spans


@MANY
@given(st.lists(cases(), min_size=8, max_size=8))
def test_any_timeline_is_obeyed(engine: Engine, sure_engine: Engine, batch: list[Any]) -> None:
    num_played = 0
    for number, (order, notes, spans) in enumerate(batch):
        try:
            play((engine, sure_engine)[number % 2], order, locking(notes, spans=spans))
            num_played += 1
        except OrderError as error:
            assert "cannot all play" in str(error) or "leaves no place" in str(error)
    assert num_played >= 1


def test_locked_notes_in_the_midst_are_played_around(engine: Engine) -> None:
    """A chord of locked notes, one of them out of key and range, with others chosen below, between and above them."""
    notes = [(200, 24, 0, 61), (200, 48, 40, 30), (200, 24, DRUMS, 40), (400, 96, 73, 90)]
    num_own = 0
    for seed in range(6):
        order = replace(ORDER, seed=seed, pitch_low=48, pitch_high=72, temperature=3.0, top_p=1.0)
        _, events = play(engine, order, locking(notes))
        onsets = event_onsets(events)
        num_own += int((onsets == 200).sum() + (onsets == 400).sum()) - len(notes)
    assert num_own > 0


def test_an_exclusive_span_holds_nothing_but_its_locked_notes(engine: Engine) -> None:
    notes = [(2 * BAR + 12, 24, 0, 64), (2 * BAR + 12, 24, 0, 67), (5 * BAR - 1, 1, 0, 60)]
    _, events = play(engine, ORDER, locking(notes, spans=[(2 * BAR, 5 * BAR, {"exclusive": LOCKED_ONLY})]))
    ticks, found = notes_of(events)
    within = (ticks >= 2 * BAR) & (ticks < 5 * BAR)
    assert [(int(t), int(n[PITCH]) - 1) for t, n in zip(ticks[within], found[within], strict=True)] == [
        (204, 64), (204, 67), (479, 60),
    ]  # fmt: skip
    assert (ticks >= 5 * BAR).any() and (ticks < 2 * BAR).any()


def test_locked_notes_on_the_first_and_the_last_tick(engine: Engine) -> None:
    for loop in (False, True):
        order = replace(ORDER, loop=loop, instruments=("piano",))
        total = plan_track(order).total_ticks
        timeline, events = play(engine, order, locking([(0, 1, 73, 100), (total - 1, 1, 0, 61)]))
        ticks, notes = notes_of(events)
        assert ticks[-1] == total - 1 and 62 in notes[ticks == total - 1][:, PITCH]
        assert 101 in notes[ticks == 0][:, PITCH]
        assert timeline.total_ticks == total


def test_a_track_of_locked_notes_alone_is_these_notes(engine: Engine) -> None:
    """Silences as long as they are: rests lead from one to the next, as in a score that is read."""
    notes = [(5, 24, 0, 60), (5, 24, 0, 64), (301, 384, 0, 67), (700, 10, DRUMS, 40)]
    order = replace(ORDER, loop=True)
    limits = {"exclusive": LOCKED_ONLY}
    timeline, events = play(engine, order, locking(notes, spans=[(0, 8 * BAR, limits)]))
    ticks, found = notes_of(events)
    assert ticks.tolist() == [5, 5, 301, 700] and (found[:, 1:] == timeline.locked.events[:, 1:]).all()
    assert events[:, TIME_SHIFT].tolist() == [5, 0, 96, 96, 96, 8, 96, 96, 96, 96, 15, 68]


def test_locked_notes_count_as_the_requested_instrument(engine: Engine) -> None:
    """Six instruments and polyphony 1 have no place in three bars; where five are locked there is one."""
    order = replace(ORDER, duration_s=6.0, polyphony=1, instruments=("0", "73", "40", "56", "60", "65"))
    with pytest.raises(OrderError, match=r"6 instruments cannot all play in 3 bars .* place for 3"):
        play(engine, order)
    locked = [(96 + 12 * i, 12, program, 60) for i, program in enumerate((73, 40, 56, 60, 65))]
    _, events = play(engine, order, locking(locked))
    assert {0, 73, 40, 56, 60, 65} == set((notes_of(events).events[:, INSTRUMENT].astype(int) - 3).tolist())


def test_instruments_enter_where_their_spans_let_them(engine: Engine, sure_engine: Engine) -> None:
    """Flute and drums may play in one bar each, and yet all requested instruments play."""
    order = replace(ORDER, instruments=("piano", "flute", "drums"), polyphony=2)

    def in_turns(timeline: Timeline, assignment: Assignment) -> Timeline:
        timeline = timeline.within(0, 3 * BAR, lambda span: span.only_programs(range(8)))
        timeline = timeline.within(3 * BAR, 4 * BAR, lambda span: span.only_programs([DRUMS, *range(8)]))
        return timeline.within(4 * BAR, 5 * BAR, lambda span: span.only_programs([*range(72, 80), *range(8)]))

    for seed in range(4):
        for player in (engine, sure_engine):
            _, events = play(player, replace(order, seed=seed), in_turns)
            played = set(notes_of(events).events[:, INSTRUMENT].astype(int).tolist())
            assert DRUM_INSTRUMENT in played and played & set(range(FIRST_PROGRAM + 72, FIRST_PROGRAM + 80))


def test_groups_of_instruments_have_their_own_pitches(engine: Engine) -> None:
    """The bass plays C alone where the piano plays E and G."""
    order = replace(ORDER, loop=True, instruments=("piano", "bass"))

    def chords(timeline: Timeline, assignment: Assignment) -> Timeline:
        group_of = timeline.group_of.copy()
        group_of[FIRST_PROGRAM + 32 : FIRST_PROGRAM + 40] = 1
        timeline = replace(timeline, group_of=group_of).everywhere(
            lambda span: span.only_pitch_classes(frozenset({0}), groups=(1,))
        )
        return timeline.everywhere(lambda span: span.only_pitch_classes(frozenset({4, 7}), groups=(0,)))

    _, events = play(engine, order, chords)
    notes = decode_events(events).notes
    is_bass = (notes["program"] >= 32) & (notes["program"] < 40)
    assert set((notes["pitch"][is_bass] % 12).tolist()) == {0}
    assert set((notes["pitch"][~is_bass] % 12).tolist()) == {4, 7}


def test_half_an_hour_of_two_chords_in_a_bar(engine: Engine) -> None:
    """1,600 spans, each with its own chord: the spans name 24 masks, and every note is of its chord."""
    order = replace(ORDER, duration_s=1600.0, loop=True, key="free", instruments=("piano",), polyphony=4)

    def chords(timeline: Timeline, assignment: Assignment) -> Timeline:
        for number in range(1600):
            root, third = number * 7 % 12, 3 + number // 12 % 2
            classes = frozenset({root, (root + third) % 12, (root + 7) % 12})
            timeline = timeline.within(48 * number, 48 * (number + 1), lambda s, c=classes: s.only_pitch_classes(c))
        return timeline

    rules = make_rules(order, plan_track(order), constraints=(*CONSTRAINTS, chords))
    assert rules.spans.shape == (1, 1601) and rules.pitches.shape[1] == 24
    timeline, events = play(engine, order, chords)
    assert len(timeline.spans) == 1600 and len(events) > 1600


REFUSED: list[tuple[dict[str, Any], Constraint, str]] = [
    (
        {"instruments": ("piano",)},
        lambda timeline, _: timeline.within(BAR, 3 * BAR, lambda span: span.only_programs([40])),
        r"Nothing is left to play in bars 2 to 3 \(ticks 96 to 288\): no instrument that is allowed there",
    ),
    (
        {"instruments": ("piano",)},
        lambda timeline, _: timeline.within(BAR, BAR + 24, lambda span: span.only_pitches([61])),
        r"Nothing is left to play in bar 2 \(ticks 96 to 120\)",
    ),
    ({}, locking([(700, 96, 0, 60)]), "begins at tick 700 and does not end within the 768 ticks of the track"),
    (
        {"polyphony": 2},
        locking([(600, 96, 0, 60), (610, 96, 0, 64)]),
        "2 notes that are to stay as they are sound at tick 672, where the last chord begins, and a polyphony of 2",
    ),
    ({"loop": True}, lambda t, a: locking([(5, 1, 0, 60)])(locking([(5, 9, 0, 60)])(t, a), a), "at tick 5 .* twice"),
]


@pytest.mark.parametrize(("fields", "constraint", "message"), REFUSED)
def test_timelines_that_cannot_be_met_are_refused(fields: dict[str, Any], constraint: Constraint, message: str) -> None:
    order = replace(ORDER, **fields)
    with pytest.raises(OrderError, match=message):
        make_rules(order, plan_track(order), constraints=(*CONSTRAINTS, constraint))
