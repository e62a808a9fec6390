"""From an order to masks: which values each head may choose, so that what was promised cannot be broken.

Grammar always holds: events are well formed, ordered, and close the piece on its last barline. Over it lie the wishes
of an order (key, range, instruments, polyphony, length, an ending on the tonic) and a few rules of taste (no late
start, no silence of more than two bars).

Asked instruments that have not been heard enter at the barlines from the second bar on. Until all are in, no note is
held over a barline, so that each barline has room for as many as the polyphony allows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import SCALES, scale_pitch_classes, tonic_chord
from lstm_core.notes.score import DRUMS
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    FIRST_DRUM,
    FIRST_PITCH,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    REST,
    STREAMS,
    EventArray,
    event_onsets,
    transposed_events,
)

BODY, DOMINANT, FINAL = range(3)  # zones of a piece with an ending, each with its own pitches
MAX_SOUNDING = 32  # size of the table of sounding notes
MAX_ONSET_NOTES = 24  # notes that begin together at most
NEVER = 1 << 60

# Columns of Rules.limits
(
    TOTAL_TICKS,
    BAR_TICKS,
    DOMINANT_START,
    FINAL_START,
    FINAL_HOLD,
    POLYPHONY,
    NEEDED,
    HAS_TASTE,
    MAX_MELODIC,
    HAS_DRUMS,
) = range(10)


class Rules(NamedTuple):
    """The masks of B rows, as the compiled choosers read them."""

    pitches: npt.NDArray[np.uint8]  # [B, 3, V] by zone
    max_pitch: npt.NDArray[np.int64]  # [B, 3] highest melodic value of the pitch stream by zone, 0: none
    instruments: npt.NDArray[np.uint8]  # [B, V]
    serves: npt.NDArray[np.int64]  # [B, V] bits of the asked instruments that a value serves
    limits: npt.NDArray[np.int64]  # [B, 10]
    temperature: npt.NDArray[np.float64]  # [B, K]
    top_p: npt.NDArray[np.float64]  # [B, K]
    seed: npt.NDArray[np.int64]  # [B]
    forced: npt.NDArray[np.uint8]  # [B, P, K] events of a primer
    num_forced: npt.NDArray[np.int64]  # [B]


class RowRules(NamedTuple):
    """The masks of one row: the fields of Rules without B."""

    pitches: npt.NDArray[np.uint8]
    max_pitch: npt.NDArray[np.int64]
    instruments: npt.NDArray[np.uint8]
    serves: npt.NDArray[np.int64]
    limits: npt.NDArray[np.int64]
    temperature: npt.NDArray[np.float64]
    top_p: npt.NDArray[np.float64]
    seed: int
    forced: EventArray


def make_rules(
    order: TrackOrder,
    plan: TrackPlan,
    *,
    primer: EventArray | None = None,
    ensemble: tuple[int, ...] = (),
    grammar_only: bool = False,
) -> RowRules:
    """The masks of an order.

    Raises:
        OrderError: nothing that the order allows could be played; the message says why.
    """
    instruments, serves = _instrument_masks(plan, ensemble)
    melodic = int(np.flatnonzero(instruments).max(initial=0))
    limits = np.zeros(10, dtype=np.int64)
    limits[TOTAL_TICKS], limits[BAR_TICKS] = plan.total_ticks, plan.meter.bar_ticks
    limits[DOMINANT_START] = limits[FINAL_START] = NEVER
    limits[POLYPHONY] = min(order.polyphony, MAX_SOUNDING)
    limits[MAX_MELODIC] = melodic if melodic >= FIRST_PROGRAM else 0
    limits[HAS_DRUMS] = instruments[DRUM_INSTRUMENT]
    limits[HAS_TASTE] = not grammar_only
    pitches = np.ones((3, STREAMS[PITCH].size), dtype=np.uint8)
    pitches[:, 0] = 0
    if grammar_only:
        limits[POLYPHONY] = MAX_SOUNDING
    else:
        limits[NEEDED] = (1 << len(plan.programs)) - 1
        if plan.final_bar is not None:
            limits[FINAL_START] = plan.final_bar * plan.meter.bar_ticks
            limits[DOMINANT_START] = limits[FINAL_START] - _half_bar(plan)
            limits[FINAL_HOLD] = plan.final_hold_ticks
        for zone, classes in enumerate(_zone_classes(order, plan)):
            pitches[zone, FIRST_PITCH:FIRST_DRUM] = _pitch_mask(order.pitch_low, order.pitch_high, classes)
        if limits[MAX_MELODIC]:
            _check_playable(order, plan, pitches)
            _check_entrances(order, plan, serves, primer)
    num = len(STREAMS)
    return RowRules(
        pitches=pitches,
        max_pitch=_max_pitch(pitches),
        instruments=instruments,
        serves=serves,
        limits=limits,
        temperature=np.full(num, 1.0 if grammar_only else order.temperature),
        top_p=np.full(num, 1.0 if grammar_only else order.top_p),
        seed=order.seed,
        forced=np.zeros((0, num), dtype=np.uint8) if primer is None else primer,
    )


def transposed_rules(rules: RowRules, semitones: int) -> RowRules:
    """The masks and the primer for a model that plays everything `semitones` higher than it was asked."""
    if semitones == 0:
        return rules
    pitches = rules.pitches.copy()
    melodic = rules.pitches[:, FIRST_PITCH:FIRST_DRUM]
    pitches[:, FIRST_PITCH:FIRST_DRUM] = 0
    source = np.arange(128) - semitones
    inside = (source >= 0) & (source < 128)
    pitches[:, FIRST_PITCH + np.flatnonzero(inside)] = melodic[:, source[inside]]
    return rules._replace(
        pitches=pitches, max_pitch=_max_pitch(pitches), forced=transposed_events(rules.forced, semitones)
    )


def _max_pitch(pitches: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Highest melodic value of each zone, 0 where there is none: int64 [3] of uint8 [3, V]."""
    return np.array([int(np.flatnonzero(row).max(initial=0)) for row in pitches[:, :FIRST_DRUM]], dtype=np.int64)


def stack_rules(rows: list[RowRules]) -> Rules:
    """The masks of B rows as one."""
    longest = max(len(row.forced) for row in rows)
    forced = np.zeros((len(rows), longest, len(STREAMS)), dtype=np.uint8)
    for b, row in enumerate(rows):
        forced[b, : len(row.forced)] = row.forced
    return Rules(
        pitches=np.stack([row.pitches for row in rows]),
        max_pitch=np.stack([row.max_pitch for row in rows]),
        instruments=np.stack([row.instruments for row in rows]),
        serves=np.stack([row.serves for row in rows]),
        limits=np.stack([row.limits for row in rows]),
        temperature=np.stack([row.temperature for row in rows]),
        top_p=np.stack([row.top_p for row in rows]),
        seed=np.array([row.seed for row in rows], dtype=np.int64),
        forced=forced,
        num_forced=np.array([len(row.forced) for row in rows], dtype=np.int64),
    )


def scale_of(order: TrackOrder, plan: TrackPlan) -> frozenset[int] | None:
    """Pitch classes that a track may use, None where every one is allowed."""
    return None if plan.key is None else scale_pitch_classes(plan.key, order.scale)


def _instrument_masks(
    plan: TrackPlan, ensemble: tuple[int, ...]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    size = STREAMS[INSTRUMENT].size
    allowed, serves = np.zeros(size, dtype=np.uint8), np.zeros(size, dtype=np.int64)
    for bit, programs in enumerate(plan.programs):
        values = _instrument_values(programs)
        allowed[values] = 1
        serves[values] |= 1 << bit
    if not plan.programs:
        allowed[_instrument_values(ensemble) if ensemble else slice(REST + 1, None)] = 1
    return allowed, serves


def _instrument_values(programs: tuple[int, ...]) -> list[int]:
    return [DRUM_INSTRUMENT if p == DRUMS else FIRST_PROGRAM + p for p in programs]


def _half_bar(plan: TrackPlan) -> int:
    return plan.meter.bar_ticks // 2 if plan.meter.numerator % 3 else plan.meter.bar_ticks // 3


def _zone_classes(order: TrackOrder, plan: TrackPlan) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
    """Pitch classes of the body, of the dominant before the end, and of the last chord."""
    if plan.key is None:
        everything = frozenset(range(12))
        return everything, everything, everything
    scale, tonic = scale_pitch_classes(plan.key, order.scale), plan.key % 12
    seventh_chord = frozenset((tonic + step) % 12 for step in (7, 10, 11, 2, 5)) & scale
    return scale, seventh_chord or scale, tonic_chord(plan.key, order.scale)


@lru_cache(maxsize=4096)
def _pitch_mask(low: int, high: int, classes: frozenset[int]) -> npt.NDArray[np.uint8]:
    return np.array([low <= pitch <= high and pitch % 12 in classes for pitch in range(128)], dtype=np.uint8)


def _check_playable(order: TrackOrder, plan: TrackPlan, pitches: npt.NDArray[np.uint8]) -> None:
    asked = f"pitches {order.pitch_low} to {order.pitch_high} hold no note of"
    if not pitches[BODY, :FIRST_DRUM].any():
        raise OrderError(f"{asked} {_scale_name(order)}. Widen pitch_low and pitch_high.")
    if plan.final_bar is not None and not pitches[FINAL, :FIRST_DRUM].any():
        raise OrderError(
            f"{asked} the tonic chord of {order.key or 'the key'}, on which a track ends. "
            "Widen pitch_low and pitch_high, or ask for a loop."
        )
    if not pitches[DOMINANT, :FIRST_DRUM].any():
        pitches[DOMINANT] = pitches[BODY]


def _check_entrances(
    order: TrackOrder, plan: TrackPlan, serves: npt.NDArray[np.int64], primer: EventArray | None
) -> None:
    """Refuses instruments that do not all find a place, in the worst of the ways that the choosers may take."""
    melodic = {programs for programs in plan.programs if programs != (DRUMS,)}
    has_drums = (DRUMS,) in plan.programs
    if primer is None:
        num_barlines, first = (plan.num_bars - 1, 0 if has_drums else 1) if plan.num_bars > 1 else (1, 0)
    else:
        heard = int(np.bitwise_or.reduce(serves[primer[:, INSTRUMENT]], initial=0))
        first = sum(1 for programs in melodic if heard >> plan.programs.index(programs) & 1)
        num_barlines = plan.num_bars - 1 - int(event_onsets(primer)[-1]) // plan.meter.bar_ticks
    places = first + min(order.polyphony, MAX_ONSET_NOTES - 1) * num_barlines
    if len(melodic) > places:
        raise OrderError(
            f"{len(melodic)} instruments cannot all be heard in {plan.num_bars} bars of {plan.meter} with a polyphony "
            f"of {order.polyphony}: there is place for {places}. Ask for fewer, a longer track or a higher polyphony."
        )


def _scale_name(order: TrackOrder) -> str:
    return f"{order.key or 'the key'}{' ' + order.scale if order.scale in SCALES else ''}"
