"""Constraints that lock notes, and what must hold of the events that the engine plays by them."""

from __future__ import annotations

import numpy as np

from lstm_core.engine.engine import Engine
from lstm_core.engine.note_chooser import Request
from lstm_core.notes.score import Score, make_notes
from lstm_core.orders.constraints import CONSTRAINTS, Constraint, make_rules, make_timeline
from lstm_core.orders.constraints.timeline import (
    FREE,
    LOCKED_FIRST,
    LOCKED_ONLY,
    NEVER,
    Assignment,
    Timeline,
    instrument_values,
    notes_of,
)
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.conditions import Conditions
from lstm_core.representations.note_events import (
    DURATION,
    DURATIONS,
    END,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    REST,
    TIME_SHIFT,
    EventArray,
    decode_events,
    encode_score,
    event_onsets,
)

Note = tuple[int, int, int, int]  # onset, duration, program, pitch


def locking(notes: list[Note], *, spans: list[tuple[int, int, dict[str, int]]] | None = None) -> Constraint:
    """A constraint that locks notes and limits the time from start to stop of each span."""

    def lock(timeline: Timeline, assignment: Assignment) -> Timeline:
        if notes:
            score = Score(notes=make_notes([(*note, 80) for note in notes]), meters=(assignment.plan.meter,))
            timeline = timeline.with_locked(*notes_of(encode_score(score)))
        for start, stop, limits in spans or []:
            timeline = timeline.within(start, stop, lambda span, limits=limits: span.limited(**limits))
        return timeline

    return lock


def timeline_of(order: TrackOrder, constraints: tuple[Constraint, ...]) -> Timeline:
    return make_timeline(Assignment(order=order, plan=plan_track(order)), constraints)


def play(engine: Engine, order: TrackOrder, *added: Constraint) -> tuple[Timeline, EventArray]:
    """The timeline of an order with constraints added, and the events that the engine plays by it."""
    constraints = (*CONSTRAINTS, *added)
    plan = plan_track(order)
    rules = make_rules(order, plan, constraints=constraints)
    request = Request(rules=rules, conditions=Conditions(key=plan.key), meter=plan.meter, num_bars=plan.num_bars)
    events = next(iter(engine.generate([request]))).events
    timeline = timeline_of(order, constraints)
    check_obeyed(timeline, events)
    return timeline, events


def check_obeyed(timeline: Timeline, events: EventArray) -> None:
    """Asserts the order of events, every locked note, and the limits of every span for each note that was chosen."""
    onsets, instruments = event_onsets(events), events[:, INSTRUMENT].astype(int)
    assert onsets[-1] == timeline.total_ticks and instruments[-1] == END and (instruments[:-1] != END).all()
    voices = instruments * 256 + events[:, PITCH]
    assert (np.diff(voices)[(events[1:, TIME_SHIFT] == 0) & (instruments[1:] > REST)] > 0).all()
    ticks, notes = notes_of(events)
    ends = ticks + DURATIONS[notes[:, DURATION]]
    sounds_until = _cut(ticks, ends, notes)
    found = [*zip(ticks.tolist(), map(tuple, notes[:, INSTRUMENT:].tolist()), strict=True)]
    locked = [*zip(timeline.locked.ticks.tolist(), map(tuple, timeline.locked.events[:, 1:].tolist()), strict=True)]
    assert set(locked) <= set(found)
    is_locked = np.array([note in set(locked) for note in found])
    played = decode_events(events).notes  # a note that is struck again is cut: no locked one is, but by a locked one
    stands = {(int(n["onset"]), int(n["program"]), int(n["pitch"]), int(n["duration"])) for n in played}
    alone = decode_events(_alone(timeline)).notes
    assert {(int(n["onset"]), int(n["program"]), int(n["pitch"]), int(n["duration"])) for n in alone} <= stands
    for programs in timeline.parts:
        assert set(notes[:, INSTRUMENT].tolist()) & set(instrument_values(programs)), f"{programs} does not play"
    melodic = notes[:, INSTRUMENT] >= FIRST_PROGRAM
    chord_at = timeline.spans[-1].limits.chord_at
    if chord_at != NEVER and timeline.span_at(chord_at).limits.exclusive == FREE:
        assert (ticks == chord_at).any()
    for i in np.flatnonzero(~is_locked):
        tick, note = int(ticks[i]), notes[i]
        span, limits = timeline.span_at(tick), timeline.span_at(tick).limits
        assert span.instruments[note[INSTRUMENT]]
        assert span.pitches[timeline.group_of[note[INSTRUMENT]], note[PITCH]]
        assert limits.exclusive != LOCKED_ONLY and (tick == limits.chord_at or limits.chord_at == NEVER)
        if limits.exclusive == LOCKED_FIRST:
            stop = min([s.start_tick for s in timeline.spans if s.start_tick > tick] + [timeline.total_ticks])
            assert not (timeline.locked.ticks[timeline.locked.ticks < stop] > tick).any()
        assert ends[i] <= min(limits.ends_by, timeline.total_ticks)
        assert DURATIONS[note[DURATION]] <= limits.longest_ticks
        assert (ticks == tick).sum() <= max(limits.onset_notes, (is_locked & (ticks == tick)).sum())
    for tick in np.unique(ticks[melodic]):
        sounding = melodic & (ticks <= tick) & (sounds_until > tick)
        if (sounding & ~is_locked).any():  # locked notes alone may be as many as they like
            assert sounding.sum() <= timeline.span_at(int(tick)).limits.polyphony


def _cut(ticks: np.ndarray, ends: np.ndarray, notes: EventArray) -> np.ndarray:
    """The ends of notes, which are earlier where the same voice is struck again before: int64 [N]."""
    cut, next_onsets = ends.copy(), {}
    for i in range(len(ticks) - 1, -1, -1):
        voice = (int(notes[i, INSTRUMENT]), int(notes[i, PITCH]))
        cut[i] = min(ends[i], next_onsets.get(voice, ends[i]))
        next_onsets[voice] = ticks[i]
    return cut


def _alone(timeline: Timeline) -> EventArray:
    """Events of the locked notes alone, far apart ones without the rests between."""
    events = timeline.locked.events.copy()
    events[:, TIME_SHIFT] = 0
    alone = [np.zeros((0, 5), dtype=np.uint8)]
    for gap, event in zip(np.diff(timeline.locked.ticks, prepend=0), events, strict=True):
        alone += [np.array([[96, REST, 0, 0, 0]], dtype=np.uint8)] * int(gap // 96)
        alone.append(np.array([[gap % 96, *event[1:]]], dtype=np.uint8))
    return np.concatenate(alone)
