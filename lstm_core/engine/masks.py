"""What each stream of a row may choose: `allowed`, uint8 [V], zeros before, gets a 1 for each value. Compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from lstm_core.engine.entrances import (
    NUM_DRUM_VALUES,
    can_enter,
    can_sound,
    entrance_after,
    first_free_tick,
    is_entrance,
    last_entrance,
    max_sounding,
    may_drum,
    may_rest,
    next_barline,
    num_sounding,
    silence_ends,
    top_pitch,
    zone_at,
)
from lstm_core.engine.rows import EVENT, HEARD, IS_CLOSED, NEW_TICK, TICK, Rows
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.orders.constraints import (
    BAR_TICKS,
    FINAL_HOLD,
    FINAL_START,
    HAS_DRUMS,
    HAS_TASTE,
    MAX_MELODIC,
    NEEDED,
    TOTAL_TICKS,
    Rules,
)
from lstm_core.orders.order import MAX_INSTRUMENTS
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATIONS,
    END,
    FIRST_DRUM,
    FIRST_PROGRAM,
    INSTRUMENT,
    MAX_SHIFT,
    PITCH,
    REST,
    TIME_SHIFT,
)

COMPILED_WITH = "d0ae8e4dbf49374a"  # content of the files that compiled code takes things from; see its test

TICKS_OF = DURATIONS.copy()


@njit(cache=True, nogil=True)
def allow_shifts(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Ticks from the event before to the next."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    tick, total, final = numbers[TICK], limits[TOTAL_TICKS], limits[FINAL_START]
    has_ending = final <= total
    if numbers[EVENT] == 0 and limits[HAS_TASTE]:
        allowed[0] = 1
        return
    must_stay = has_ending and tick == final and not numbers[IS_CLOSED]
    if not must_stay and numbers[EVENT] > 0 and is_entrance(b, rules, rows, tick):
        must_stay = can_enter(b, rules, rows, tick)
    if must_stay and can_sound(b, rules, rows, tick):
        allowed[0] = 1
        return
    latest = min(total, entrance_after(b, rules, rows))
    if not numbers[IS_CLOSED]:
        latest = min(latest, min(final, silence_ends(limits, numbers)))
    free_from = first_free_tick(b, rules, rows)
    for shift in range(min(MAX_SHIFT, latest - tick) + 1):
        then = tick + shift
        if then == total:
            allowed[shift] = 1 if shift > 0 else 0
            continue
        if shift > 0 and then < final:  # what can_sound says of a later tick, without asking it a hundred times
            may_sound = limits[HAS_DRUMS] == 1 or (then >= free_from and rules.max_pitch[b, zone_at(limits, then)] > 0)
        else:
            may_sound = then <= final and can_sound(b, rules, rows, then)
        if may_sound or (shift == MAX_SHIFT and may_rest(b, rules, rows, then)):
            allowed[shift] = 1


@njit(cache=True, nogil=True)
def allow_instruments(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Instruments, a rest or the end, at the tick that was chosen."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    then, shift = numbers[NEW_TICK], rows.event[b, TIME_SHIFT]
    if then >= limits[TOTAL_TICKS]:
        allowed[END] = 1
        return
    if then <= limits[FINAL_START] and can_sound(b, rules, rows, then):
        is_same = shift == 0 and numbers[EVENT] > 0
        zone = zone_at(limits, then)
        lowest = DRUM_INSTRUMENT
        if is_same:
            before = rows.before[b, INSTRUMENT]
            top = NUM_DRUM_VALUES - 1 if before == DRUM_INSTRUMENT else top_pitch(b, rules, rows, zone)
            lowest = before if rows.before[b, PITCH] < top else before + 1
        if lowest <= DRUM_INSTRUMENT and may_drum(b, rules, rows, then):
            allowed[DRUM_INSTRUMENT] = 1
        has_room = num_sounding(b, rows, then) < max_sounding(b, rules, rows, then)
        if rules.max_pitch[b, zone] > 0 and has_room:
            for value in range(max(lowest, FIRST_PROGRAM), limits[MAX_MELODIC] + 1):
                allowed[value] = rules.instruments[b, value]
        if is_entrance(b, rules, rows, then):
            _keep_missing(b, rules, rows, allowed)
    if shift == MAX_SHIFT and may_rest(b, rules, rows, then):
        allowed[REST] = 1


@njit(cache=True, nogil=True)
def _keep_missing(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Leaves only instruments that are missing, if any can enter.

    When there are more of them than barlines to come, the one whose programs end first comes first: an onset is
    written in ascending order, and so all find a place in it.
    """
    limits = rules.limits[b]
    missing = limits[NEEDED] & ~rows.numbers[b, HEARD]
    size = rules.serves.shape[1]
    entering, num_missing, first_end, first = 0, 0, size, 0
    for value in range(DRUM_INSTRUMENT, size):
        if allowed[value]:
            entering |= rules.serves[b, value] & missing
    if entering == 0:
        return
    for bit in range(MAX_INSTRUMENTS):
        mark = 1 << bit
        if missing & mark:
            num_missing += 1
            end = 0
            for value in range(DRUM_INSTRUMENT, size):
                if rules.serves[b, value] & mark:
                    end = value
            if entering & mark and end < first_end:
                first_end, first = end, mark
    num_barlines = (last_entrance(limits) - rows.numbers[b, NEW_TICK]) // limits[BAR_TICKS] + 1
    kept = first if num_missing > num_barlines else entering
    for value in range(DRUM_INSTRUMENT, size):
        if not rules.serves[b, value] & kept:
            allowed[value] = 0


@njit(cache=True, nogil=True)
def allow_pitches(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Pitches of the instrument that was chosen, or its drums."""
    numbers, event = rows.numbers[b], rows.event[b]
    is_drum = event[INSTRUMENT] == DRUM_INSTRUMENT
    first, stop = (FIRST_DRUM, NUM_DRUM_VALUES) if is_drum else (1, FIRST_DRUM)
    if event[TIME_SHIFT] == 0 and numbers[EVENT] > 0 and rows.before[b, INSTRUMENT] == event[INSTRUMENT]:
        first = max(first, rows.before[b, PITCH] + 1)
    zone = zone_at(rules.limits[b], numbers[NEW_TICK])
    if not is_drum:
        stop = min(stop, top_pitch(b, rules, rows, zone) + 1)
    for value in range(first, stop):
        allowed[value] = rules.pitches[b, zone, value]


@njit(cache=True, nogil=True)
def allow_durations(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Durations of the note that was chosen so far."""
    limits, then = rules.limits[b], rows.numbers[b, NEW_TICK]
    if then >= limits[FINAL_START]:
        longest = limits[FINAL_HOLD]
        shortest = min(longest, TICKS_PER_QUARTER)
        if rows.event[b, INSTRUMENT] == DRUM_INSTRUMENT:
            shortest = 1
    else:
        longest, shortest = min(limits[FINAL_START], limits[TOTAL_TICKS]) - then, 1
        if limits[HAS_TASTE] and limits[NEEDED] & ~rows.numbers[b, HEARD]:  # room at the barline, where it enters
            longest = min(longest, next_barline(limits, then) - then)
    for value in range(1, len(TICKS_OF)):
        if shortest <= TICKS_OF[value] <= longest:
            allowed[value] = 1
