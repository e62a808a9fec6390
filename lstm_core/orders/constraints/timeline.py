"""What may begin when in a track: spans of time, each with its own pitches, instruments and limits, and locked notes.

A constraint changes spans (`Timeline.within`, `Timeline.everywhere`) or locks notes (`Timeline.with_locked`);
`lstm_core.orders.constraints.rules` turns the finished timeline into the arrays that the engine obeys.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import DRUMS
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATION,
    DURATIONS,
    FIRST_DRUM,
    FIRST_PITCH,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    REST,
    STREAMS,
    EventArray,
    event_onsets,
)

NEVER = 1 << 60
MAX_SOUNDING = 32  # the highest polyphony
MAX_ONSET_NOTES = 24  # notes that begin together at most
NUM_GROUPS = 4  # groups of instruments (bass, harmony, melody ...), each with its own pitches in a span
FREE, LOCKED_FIRST, LOCKED_ONLY = range(3)  # values of SpanLimits.exclusive

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What constraints are made from."""

    order: TrackOrder
    plan: TrackPlan
    primer: EventArray | None = None  # uint8 [T, K] events that the track continues
    ensemble: tuple[int, ...] = ()  # General MIDI programs for an order that names no instruments


class SpanLimits(NamedTuple):
    """Limits of the notes that are chosen in a span; the engine reads them by these names."""

    polyphony: int = MAX_SOUNDING  # melodic notes that sound together at most where one of them begins
    onset_notes: int = MAX_ONSET_NOTES  # notes that begin together at most
    shortest_ticks: int = 1  # a melodic note lasts; one that has no time for it lasts as long as it can
    longest_ticks: int = NEVER  # a note lasts
    ends_by: int = NEVER  # the tick up to which its notes sound at most
    longest_silence: int = NEVER  # ticks after which something begins, where anything may
    exclusive: int = FREE  # LOCKED_FIRST: nothing before its last locked note; LOCKED_ONLY: nothing but locked notes
    chord_at: int = NEVER  # tick of the last chord: notes begin at it alone, no higher and no fuller than before


@dataclass(frozen=True, kw_only=True)
class Span:
    """What may begin from start_tick to the start of the next span. Masks are values of the streams and read-only."""

    start_tick: int
    pitches: Mask  # uint8 [NUM_GROUPS, V] of the pitch stream
    instruments: Mask  # uint8 [V] of the instrument stream
    limits: SpanLimits

    def only_pitches(self, pitches: Iterable[int], *, groups: Collection[int] = range(NUM_GROUPS)) -> Span:
        """The span whose melodic notes are, besides, of these MIDI pitches."""
        kept = np.zeros(FIRST_DRUM - FIRST_PITCH, dtype=np.uint8)
        kept[list(pitches)] = 1
        changed = self.pitches.copy()
        for group in groups:
            changed[group, FIRST_PITCH:FIRST_DRUM] &= kept
        return replace(self, pitches=_read_only(changed))

    def only_pitch_classes(self, classes: frozenset[int], *, groups: Collection[int] = range(NUM_GROUPS)) -> Span:
        """The span whose melodic notes are, besides, of these pitch classes (0 is C)."""
        return self.only_pitches(_pitches_of(classes), groups=groups)

    def only_programs(self, programs: Iterable[int]) -> Span:
        """The span that, besides, is played by these General MIDI programs (and notes.DRUMS) alone."""
        kept = np.zeros_like(self.instruments)
        kept[instrument_values(programs)] = 1
        return replace(self, instruments=_read_only(self.instruments & kept))

    def limited(self, **limits: int) -> Span:
        """The span with some of its limits, by the names of SpanLimits, replaced."""
        return replace(self, limits=self.limits._replace(**limits))


class LockedNotes(NamedTuple):
    """Notes that stand in the output as they are, in ascending (tick, instrument, pitch)."""

    ticks: npt.NDArray[np.int64]  # [P]
    events: EventArray  # uint8 [P, K]; time shifts are not read


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Spans that follow one another from tick 0 to total_ticks, and what holds of the track as a whole."""

    total_ticks: int
    bar_ticks: int
    spans: tuple[Span, ...]
    locked: LockedNotes
    parts: tuple[tuple[int, ...], ...] = ()  # the programs of each requested instrument: one of them will play
    group_of: Mask = field(default_factory=lambda: _read_only(np.zeros(STREAMS[INSTRUMENT].size, dtype=np.uint8)))
    starts_at_once: bool = False  # something begins at tick 0, if anything may

    def everywhere(self, change: Callable[[Span], Span]) -> Timeline:
        """The timeline with every span changed."""
        return replace(self, spans=tuple(change(span) for span in self.spans))

    def within(self, start_tick: int, stop_tick: int, change: Callable[[Span], Span]) -> Timeline:
        """The timeline with the time from start_tick until before stop_tick changed; spans are cut there."""
        start_tick, stop_tick = max(start_tick, 0), min(stop_tick, self.total_ticks)
        if start_tick >= stop_tick:
            return self
        spans = self.spans
        for tick in (start_tick, stop_tick):
            place = bisect_left(spans, tick, key=_start)
            if tick < self.total_ticks and (place == len(spans) or spans[place].start_tick != tick):
                spans = (*spans[:place], replace(spans[place - 1], start_tick=tick), *spans[place:])
        first, last = bisect_left(spans, start_tick, key=_start), bisect_left(spans, stop_tick, key=_start)
        return replace(self, spans=(*spans[:first], *map(change, spans[first:last]), *spans[last:]))

    def span_at(self, tick: int) -> Span:
        """The span that a tick lies in."""
        return self.spans[bisect_right(self.spans, tick, key=_start) - 1]

    def with_locked(self, ticks: npt.NDArray[np.int64], events: EventArray) -> Timeline:
        """The timeline with more locked notes: int64 [P] and uint8 [P, K]. The engine plays around them.

        Raises:
            OrderError: a note does not lie within the track, or is locked twice.
        """
        assert (events[:, INSTRUMENT] >= DRUM_INSTRUMENT).all()
        ticks = np.concatenate([self.locked.ticks, ticks.astype(np.int64)])
        events = np.concatenate([self.locked.events, events])
        order = np.lexsort((events[:, PITCH], events[:, INSTRUMENT], ticks))
        ticks, events = ticks[order], events[order]
        outside = (ticks < 0) | (ticks + DURATIONS[events[:, DURATION]] > self.total_ticks)
        if outside.any():
            tick = int(ticks[outside][0])
            raise OrderError(
                f"A note that is to stay as it is begins at tick {tick} and does not end within the "
                f"{self.total_ticks} ticks of the track. Leave it out or request a longer track."
            )
        keys = np.stack([ticks, events[:, INSTRUMENT], events[:, PITCH]], axis=1)
        if (same := (np.diff(keys, axis=0) == 0).all(axis=1)).any():
            raise OrderError(f"A note at tick {int(ticks[1:][same][0])} is to stay as it is twice. Leave one out.")
        return replace(self, locked=LockedNotes(ticks, events))

    def has_melodic(self) -> bool:
        """Whether any span has an instrument other than drums."""
        return any(bool(span.instruments[FIRST_PROGRAM:].any()) for span in self.spans)


def empty_timeline(plan: TrackPlan) -> Timeline:
    """One span in which everything may begin that the grammar of events knows."""
    pitches = np.ones((NUM_GROUPS, STREAMS[PITCH].size), dtype=np.uint8)
    pitches[:, :FIRST_PITCH] = 0
    instruments = np.ones(STREAMS[INSTRUMENT].size, dtype=np.uint8)
    instruments[: REST + 1] = 0
    span = Span(start_tick=0, pitches=_read_only(pitches), instruments=_read_only(instruments), limits=SpanLimits())
    return Timeline(
        total_ticks=plan.total_ticks,
        bar_ticks=plan.meter.bar_ticks,
        spans=(span,),
        locked=LockedNotes(np.zeros(0, dtype=np.int64), np.zeros((0, len(STREAMS)), dtype=np.uint8)),
    )


def notes_of(events: EventArray) -> LockedNotes:
    """The notes of events uint8 [T, K], without their rests and end, and the ticks that they begin at."""
    is_note = events[:, INSTRUMENT] >= DRUM_INSTRUMENT
    return LockedNotes(event_onsets(events)[is_note], events[is_note])


def instrument_values(programs: Iterable[int]) -> list[int]:
    """Values of the instrument stream of General MIDI programs and notes.DRUMS."""
    return [DRUM_INSTRUMENT if program == DRUMS else FIRST_PROGRAM + program for program in programs]


def _start(span: Span) -> int:
    return span.start_tick


@lru_cache(maxsize=4096)
def _pitches_of(classes: frozenset[int]) -> tuple[int, ...]:
    return tuple(pitch for pitch in range(128) if pitch % 12 in classes)


def _read_only(mask: Mask) -> Mask:
    mask.flags.writeable = False
    return mask
