"""One step of B rows, head by head: what each may choose, the choice, and where it leaves the row. Compiled.

Numba keeps compiled code on disk and sees a change of its file; of those it takes things from COMPILED_WITH tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from lstm_core.constraints import (
    BAR_TICKS,
    BODY,
    DOMINANT,
    DOMINANT_START,
    FINAL,
    FINAL_HOLD,
    FINAL_START,
    HAS_DRUMS,
    HAS_TASTE,
    MAX_MELODIC,
    MAX_ONSET_NOTES,
    MAX_SOUNDING,
    NEEDED,
    NEVER,
    POLYPHONY,
    TOTAL_TICKS,
    Rules,
)
from lstm_core.notes import TICKS_PER_QUARTER
from lstm_core.order import MAX_INSTRUMENTS
from lstm_core.sampling import SCRATCH_ROWS, draw, uniform
from lstm_core.streams import (
    DRUM_INSTRUMENT,
    DURATION,
    DURATIONS,
    END,
    FIRST_DRUM,
    FIRST_PROGRAM,
    INSTRUMENT,
    MAX_SHIFT,
    PITCH,
    REST,
    STREAMS,
    TIME_SHIFT,
    VELOCITY,
)

COMPILED_WITH = "efc508f018da5828"  # content of the files that compiled code takes things from; see its test

SILENCE_BARS = 2  # the longest silence
_TICKS_OF = DURATIONS.copy()
_NUM_DRUM_VALUES = STREAMS[PITCH].size
_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)

# Columns of Rows.numbers
TICK, EVENT, HEARD, ONSET_NOTES, IS_CLOSED, NUM_SOUNDING, IS_DONE, NEW_TICK, SILENT_FROM, PEAK, HIGHEST = range(11)
STUCK = 2  # value of IS_DONE for a row whose rules left nothing to choose: a defect of the rules, never of an order


class Rows(NamedTuple):
    """Where B rows stand."""

    numbers: npt.NDArray[np.int64]  # [B, 11]
    event: npt.NDArray[np.int64]  # [B, K] the event being chosen, then the one before
    before: npt.NDArray[np.int64]  # [B, K] the event before
    ends: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] ticks at which sounding melodic notes end
    voices: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] what sounds: instrument * 256 + pitch


def make_rows(num_rows: int) -> Rows:
    """Rows that are done, ready to be started."""
    rows = Rows(
        np.zeros((num_rows, 11), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, MAX_SOUNDING), dtype=np.int64),
        np.zeros((num_rows, MAX_SOUNDING), dtype=np.int64),
    )
    rows.numbers[:, IS_DONE] = 1
    return rows


def start_row(rows: Rows, b: int) -> None:
    """Puts a row at the beginning of a piece."""
    for part in rows:
        part[b] = 0


@njit(cache=True, nogil=True)
def choose(
    stream: int, logits: npt.NDArray[np.float32], offered: npt.NDArray[np.uint8], rules: Rules, rows: Rows
) -> None:
    """Sets rows.event[:, stream] of every row that is not done, from logits float32 [B, V or more].

    offered: uint8 [B, V or more], 1 for values that would repeat what was played.
    """
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.float64)
    size = _SIZES[stream]
    for b in range(logits.shape[0]):
        numbers, event = rows.numbers[b], rows.event[b]
        if numbers[IS_DONE]:
            continue
        step = numbers[EVENT]
        if step < rules.num_forced[b]:
            event[stream] = rules.forced[b, step, stream]
        else:
            allowed[:size] = 0
            if stream == TIME_SHIFT:
                _allow_shifts(b, rules, rows, allowed)
            elif stream == INSTRUMENT:
                _allow_instruments(b, rules, rows, allowed)
            elif event[INSTRUMENT] == END or event[INSTRUMENT] == REST:
                allowed[0] = 1
            elif stream == PITCH:
                _allow_pitches(b, rules, rows, allowed)
            elif stream == DURATION:
                _allow_durations(b, rules, rows, allowed)
            else:
                allowed[1:size] = 1
            number = uniform(rules.seed[b], step, stream)
            temperature, top_p = rules.temperature[b, stream], rules.top_p[b, stream]
            drawn = draw(logits[b, :size], allowed[:size], offered[b, :size], temperature, top_p, number, scratch)
            if drawn < 0:
                numbers[IS_DONE] = STUCK
                continue
            event[stream] = drawn
        if stream == TIME_SHIFT:
            numbers[NEW_TICK] = numbers[TICK] + event[TIME_SHIFT]
        elif stream == VELOCITY:
            _advance(b, rules, rows)


@njit(cache=True, nogil=True)
def _num_sounding(b: int, rows: Rows, tick: int) -> int:
    count = 0
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        if rows.ends[b, i] > tick:
            count += 1
    return count


@njit(cache=True, nogil=True)
def _free_from(b: int, rules: Rules, rows: Rows) -> int:
    """The first tick after the row's own at which another melodic note has room, NEVER without melodic instruments."""
    limits, tick = rules.limits[b], rows.numbers[b, TICK]
    if limits[MAX_MELODIC] == 0:
        return NEVER
    if _num_sounding(b, rows, tick + 1) < limits[POLYPHONY]:
        return tick + 1
    first = NEVER
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        end = rows.ends[b, i]
        if tick < end < first and _num_sounding(b, rows, end) < limits[POLYPHONY]:
            first = end
    return first


@njit(cache=True, nogil=True)
def _zone(limits: npt.NDArray[np.int64], tick: int) -> int:
    if tick >= limits[FINAL_START]:
        return FINAL
    return DOMINANT if tick >= limits[DOMINANT_START] else BODY


@njit(cache=True, nogil=True)
def _max_sounding(b: int, rules: Rules, rows: Rows, tick: int) -> int:
    """Melodic notes that may sound together at `tick`: the last chord is no fuller than the music before it."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if tick < limits[FINAL_START] or not limits[HAS_TASTE] or limits[NEEDED] & ~numbers[HEARD]:
        return limits[POLYPHONY]
    return min(limits[POLYPHONY], max(numbers[PEAK], 1))


@njit(cache=True, nogil=True)
def _top_pitch(b: int, rules: Rules, rows: Rows, zone: int) -> int:
    """Highest melodic value of a zone: the last chord goes no higher than the music before it, if that leaves any."""
    if zone == FINAL and rules.limits[b, HAS_TASTE]:
        for value in range(min(rows.numbers[b, HIGHEST], rules.max_pitch[b, zone]), 0, -1):
            if rules.pitches[b, zone, value]:
                return value
    return rules.max_pitch[b, zone]


@njit(cache=True, nogil=True)
def _can_sound(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether some note may begin at `tick`; at the row's own tick it must come after the one before in order."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    zone = _zone(limits, tick)
    top = _top_pitch(b, rules, rows, zone)
    has_room = _num_sounding(b, rows, tick) < _max_sounding(b, rules, rows, tick)
    melodic = limits[MAX_MELODIC] > 0 and top > 0 and has_room
    if tick > numbers[TICK] or numbers[EVENT] == 0:
        return melodic or limits[HAS_DRUMS] == 1
    if numbers[ONSET_NOTES] >= MAX_ONSET_NOTES:
        return False
    instrument, pitch = rows.before[b, INSTRUMENT], rows.before[b, PITCH]
    if numbers[ONSET_NOTES] == 0:  # a rest led here, and a rest is not followed by another event of its tick
        return False
    if instrument == DRUM_INSTRUMENT and _may_drum(b, rules, rows, tick) and pitch + 1 < _NUM_DRUM_VALUES:
        return True
    if not melodic:
        return False
    return limits[MAX_MELODIC] > instrument or (limits[MAX_MELODIC] == instrument and top > pitch)


@njit(cache=True, nogil=True)
def _may_drum(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether drums are played and leave one place of the last onset to the chord."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    keeps_place = tick == limits[FINAL_START] and limits[MAX_MELODIC] > 0 and not numbers[IS_CLOSED]
    is_late = numbers[EVENT] > 0 and tick == numbers[TICK] and numbers[ONSET_NOTES] >= MAX_ONSET_NOTES - 1
    return limits[HAS_DRUMS] == 1 and not (keeps_place and is_late)


@njit(cache=True, nogil=True)
def _next_barline(limits: npt.NDArray[np.int64], tick: int) -> int:
    return (tick // limits[BAR_TICKS] + 1) * limits[BAR_TICKS]


@njit(cache=True, nogil=True)
def _last_entrance(limits: npt.NDArray[np.int64]) -> int:
    """The last barline at which something may begin."""
    return min(limits[FINAL_START], limits[TOTAL_TICKS] - limits[BAR_TICKS])


@njit(cache=True, nogil=True)
def _entrance_after(b: int, rules: Rules, rows: Rows) -> int:
    """The next barline at which an asked instrument that is missing can enter, NEVER when none is or there is none."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if not limits[HAS_TASTE] or (limits[NEEDED] & ~numbers[HEARD]) == 0:
        return NEVER
    last = _last_entrance(limits)
    barline = _next_barline(limits, numbers[TICK])
    while barline <= last and not _can_sound(b, rules, rows, barline):  # notes of a primer may last
        barline += limits[BAR_TICKS]
    return barline if barline <= last else NEVER


@njit(cache=True, nogil=True)
def _is_entrance(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether instruments that are missing enter at `tick`: at barlines from the second bar on, if there is one."""
    limits = rules.limits[b]
    if not limits[HAS_TASTE] or (limits[NEEDED] & ~rows.numbers[b, HEARD]) == 0:
        return False
    first = limits[BAR_TICKS] if limits[TOTAL_TICKS] > limits[BAR_TICKS] else 0
    return tick % limits[BAR_TICKS] == 0 and tick >= first


@njit(cache=True, nogil=True)
def _can_enter(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether a missing instrument could be the next note at `tick`."""
    missing = rules.limits[b, NEEDED] & ~rows.numbers[b, HEARD]
    is_same = tick == rows.numbers[b, TICK] and rows.numbers[b, EVENT] > 0
    lowest = rows.before[b, INSTRUMENT] + 1 if is_same else DRUM_INSTRUMENT
    is_full = _num_sounding(b, rows, tick) >= _max_sounding(b, rules, rows, tick)
    for value in range(lowest, rules.serves.shape[1]):
        if rules.serves[b, value] & missing and (value == DRUM_INSTRUMENT or not is_full):
            return True
    return False


@njit(cache=True, nogil=True)
def _may_rest(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether a rest may lead to `tick`, MAX_SHIFT after the event before."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if numbers[IS_CLOSED] or not limits[HAS_TASTE]:
        return tick < limits[TOTAL_TICKS]
    if tick >= limits[TOTAL_TICKS] or tick >= limits[FINAL_START]:
        return False
    if _is_entrance(b, rules, rows, tick) and _can_sound(b, rules, rows, tick):
        return False
    return tick < _silence_ends(limits, numbers)


@njit(cache=True, nogil=True)
def _silence_ends(limits: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> int:
    """The last tick at which something must begin again."""
    return numbers[SILENT_FROM] + SILENCE_BARS * limits[BAR_TICKS] if limits[HAS_TASTE] else NEVER


@njit(cache=True, nogil=True)
def _allow_shifts(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    limits, numbers = rules.limits[b], rows.numbers[b]
    tick, total, final = numbers[TICK], limits[TOTAL_TICKS], limits[FINAL_START]
    has_ending = final <= total
    if numbers[EVENT] == 0 and limits[HAS_TASTE]:
        allowed[0] = 1
        return
    must_stay = has_ending and tick == final and not numbers[IS_CLOSED]
    if not must_stay and numbers[EVENT] > 0 and _is_entrance(b, rules, rows, tick):
        must_stay = _can_enter(b, rules, rows, tick)
    if must_stay and _can_sound(b, rules, rows, tick):
        allowed[0] = 1
        return
    latest = min(total, _entrance_after(b, rules, rows))
    if not numbers[IS_CLOSED]:
        latest = min(latest, min(final, _silence_ends(limits, numbers)))
    free_from = _free_from(b, rules, rows)
    for shift in range(min(MAX_SHIFT, latest - tick) + 1):
        then = tick + shift
        if then == total:
            allowed[shift] = 1 if shift > 0 else 0
            continue
        if shift > 0 and then < final:  # what _can_sound says of a later tick, without asking it a hundred times
            may_sound = limits[HAS_DRUMS] == 1 or (then >= free_from and rules.max_pitch[b, _zone(limits, then)] > 0)
        else:
            may_sound = then <= final and _can_sound(b, rules, rows, then)
        if may_sound or (shift == MAX_SHIFT and _may_rest(b, rules, rows, then)):
            allowed[shift] = 1


@njit(cache=True, nogil=True)
def _allow_instruments(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    limits, numbers = rules.limits[b], rows.numbers[b]
    then, shift = numbers[NEW_TICK], rows.event[b, TIME_SHIFT]
    if then >= limits[TOTAL_TICKS]:
        allowed[END] = 1
        return
    if then <= limits[FINAL_START] and _can_sound(b, rules, rows, then):
        is_same = shift == 0 and numbers[EVENT] > 0
        zone = _zone(limits, then)
        lowest = DRUM_INSTRUMENT
        if is_same:
            before = rows.before[b, INSTRUMENT]
            top = _NUM_DRUM_VALUES - 1 if before == DRUM_INSTRUMENT else _top_pitch(b, rules, rows, zone)
            lowest = before if rows.before[b, PITCH] < top else before + 1
        if lowest <= DRUM_INSTRUMENT and _may_drum(b, rules, rows, then):
            allowed[DRUM_INSTRUMENT] = 1
        has_room = _num_sounding(b, rows, then) < _max_sounding(b, rules, rows, then)
        if rules.max_pitch[b, zone] > 0 and has_room:
            for value in range(max(lowest, FIRST_PROGRAM), limits[MAX_MELODIC] + 1):
                allowed[value] = rules.instruments[b, value]
        if _is_entrance(b, rules, rows, then):
            _keep_missing(b, rules, rows, allowed)
    if shift == MAX_SHIFT and _may_rest(b, rules, rows, then):
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
    num_barlines = (_last_entrance(limits) - rows.numbers[b, NEW_TICK]) // limits[BAR_TICKS] + 1
    kept = first if num_missing > num_barlines else entering
    for value in range(DRUM_INSTRUMENT, size):
        if not rules.serves[b, value] & kept:
            allowed[value] = 0


@njit(cache=True, nogil=True)
def _allow_pitches(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    numbers, event = rows.numbers[b], rows.event[b]
    is_drum = event[INSTRUMENT] == DRUM_INSTRUMENT
    first, stop = (FIRST_DRUM, _NUM_DRUM_VALUES) if is_drum else (1, FIRST_DRUM)
    if event[TIME_SHIFT] == 0 and numbers[EVENT] > 0 and rows.before[b, INSTRUMENT] == event[INSTRUMENT]:
        first = max(first, rows.before[b, PITCH] + 1)
    zone = _zone(rules.limits[b], numbers[NEW_TICK])
    if not is_drum:
        stop = min(stop, _top_pitch(b, rules, rows, zone) + 1)
    for value in range(first, stop):
        allowed[value] = rules.pitches[b, zone, value]


@njit(cache=True, nogil=True)
def _allow_durations(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    limits, then = rules.limits[b], rows.numbers[b, NEW_TICK]
    if then >= limits[FINAL_START]:
        longest = limits[FINAL_HOLD]
        shortest = min(longest, TICKS_PER_QUARTER)
        if rows.event[b, INSTRUMENT] == DRUM_INSTRUMENT:
            shortest = 1
    else:
        longest, shortest = min(limits[FINAL_START], limits[TOTAL_TICKS]) - then, 1
        if limits[HAS_TASTE] and limits[NEEDED] & ~rows.numbers[b, HEARD]:  # room at the barline, where it enters
            longest = min(longest, _next_barline(limits, then) - then)
    for value in range(1, len(_TICKS_OF)):
        if shortest <= _TICKS_OF[value] <= longest:
            allowed[value] = 1


@njit(cache=True, nogil=True)
def _sound(b: int, rows: Rows, voice: int, end: int) -> None:
    """Lets a melodic note sound until `end`; one that is struck again does not last as long as it was meant to."""
    num_sounding = rows.numbers[b, NUM_SOUNDING]
    place = num_sounding
    for i in range(num_sounding):
        if rows.voices[b, i] == voice:
            place = i
    if place < MAX_SOUNDING:
        rows.voices[b, place], rows.ends[b, place] = voice, end
        rows.numbers[b, NUM_SOUNDING] = max(num_sounding, place + 1)


@njit(cache=True, nogil=True)
def _advance(b: int, rules: Rules, rows: Rows) -> None:
    """Moves a row past the event that was chosen."""
    numbers, event = rows.numbers[b], rows.event[b]
    then, instrument = numbers[NEW_TICK], event[INSTRUMENT]
    if then > numbers[TICK]:
        numbers[ONSET_NOTES] = 0
        kept = 0
        for i in range(numbers[NUM_SOUNDING]):
            if rows.ends[b, i] > then:
                rows.ends[b, kept] = rows.ends[b, i]
                rows.voices[b, kept] = rows.voices[b, i]
                kept += 1
        numbers[NUM_SOUNDING] = kept
    if instrument >= DRUM_INSTRUMENT:
        numbers[ONSET_NOTES] += 1
        numbers[SILENT_FROM] = then + 1
        numbers[HEARD] |= rules.serves[b, instrument]
        if instrument > DRUM_INSTRUMENT:
            _sound(b, rows, instrument * 256 + event[PITCH], then + _TICKS_OF[event[DURATION]])
        for i in range(numbers[NUM_SOUNDING]):
            numbers[SILENT_FROM] = max(numbers[SILENT_FROM], rows.ends[b, i])
        is_last_chord = then == rules.limits[b, FINAL_START]
        if instrument > DRUM_INSTRUMENT and not is_last_chord:
            numbers[PEAK] = max(numbers[PEAK], numbers[NUM_SOUNDING])
            numbers[HIGHEST] = max(numbers[HIGHEST], event[PITCH])
        if is_last_chord and (instrument > DRUM_INSTRUMENT or rules.limits[b, MAX_MELODIC] == 0):
            numbers[IS_CLOSED] = 1
    if numbers[EVENT] < rules.num_forced[b]:  # how long a primer is silent is not ours to judge
        numbers[SILENT_FROM] = max(numbers[SILENT_FROM], then)
    numbers[IS_DONE] = 1 if instrument == END else 0
    numbers[TICK] = then
    numbers[EVENT] += 1
    for k in range(event.shape[0]):
        rows.before[b, k] = event[k]
