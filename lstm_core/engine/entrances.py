"""What may begin where: questions about a row and a tick that the masks of several streams ask. Compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.rows import (
    EVENT,
    HEARD,
    HIGHEST,
    IS_CLOSED,
    NUM_SOUNDING,
    ONSET_NOTES,
    PEAK,
    SILENT_FROM,
    TICK,
    Rows,
)
from lstm_core.foundation.compiling import njit
from lstm_core.orders.constraints import (
    BAR_TICKS,
    BODY,
    DOMINANT,
    DOMINANT_START,
    FINAL,
    FINAL_START,
    HAS_DRUMS,
    HAS_TASTE,
    MAX_MELODIC,
    MAX_ONSET_NOTES,
    NEEDED,
    NEVER,
    POLYPHONY,
    TOTAL_TICKS,
    Rules,
)
from lstm_core.representations.note_events import DRUM_INSTRUMENT, INSTRUMENT, PITCH, STREAMS

SILENCE_BARS = 2  # the longest silence
NUM_DRUM_VALUES = STREAMS[PITCH].size


@njit(cache=True, nogil=True)
def num_sounding(b: int, rows: Rows, tick: int) -> int:
    """Melodic notes of a row that sound beyond `tick`."""
    count = 0
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        if rows.ends[b, i] > tick:
            count += 1
    return count


@njit(cache=True, nogil=True)
def first_free_tick(b: int, rules: Rules, rows: Rows) -> int:
    """The first tick after the row's own at which another melodic note has room, NEVER without melodic instruments."""
    limits, tick = rules.limits[b], rows.numbers[b, TICK]
    if limits[MAX_MELODIC] == 0:
        return NEVER
    if num_sounding(b, rows, tick + 1) < limits[POLYPHONY]:
        return tick + 1
    first = NEVER
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        end = rows.ends[b, i]
        if tick < end < first and num_sounding(b, rows, end) < limits[POLYPHONY]:
            first = end
    return first


@njit(cache=True, nogil=True)
def zone_at(limits: npt.NDArray[np.int64], tick: int) -> int:
    """Which of the pitches of `Rules` hold at `tick`: BODY, DOMINANT or FINAL."""
    if tick >= limits[FINAL_START]:
        return FINAL
    return DOMINANT if tick >= limits[DOMINANT_START] else BODY


@njit(cache=True, nogil=True)
def max_sounding(b: int, rules: Rules, rows: Rows, tick: int) -> int:
    """Melodic notes that may sound together at `tick`: the last chord is no fuller than the music before it."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if tick < limits[FINAL_START] or not limits[HAS_TASTE] or limits[NEEDED] & ~numbers[HEARD]:
        return limits[POLYPHONY]
    return min(limits[POLYPHONY], max(numbers[PEAK], 1))


@njit(cache=True, nogil=True)
def top_pitch(b: int, rules: Rules, rows: Rows, zone: int) -> int:
    """Highest melodic value of a zone: the last chord goes no higher than the music before it, if that leaves any."""
    if zone == FINAL and rules.limits[b, HAS_TASTE]:
        for value in range(min(rows.numbers[b, HIGHEST], rules.max_pitch[b, zone]), 0, -1):
            if rules.pitches[b, zone, value]:
                return value
    return rules.max_pitch[b, zone]


@njit(cache=True, nogil=True)
def can_sound(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether some note may begin at `tick`; at the row's own tick it must come after the one before in order."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    zone = zone_at(limits, tick)
    top = top_pitch(b, rules, rows, zone)
    has_room = num_sounding(b, rows, tick) < max_sounding(b, rules, rows, tick)
    melodic = limits[MAX_MELODIC] > 0 and top > 0 and has_room
    if tick > numbers[TICK] or numbers[EVENT] == 0:
        return melodic or limits[HAS_DRUMS] == 1
    if numbers[ONSET_NOTES] >= MAX_ONSET_NOTES:
        return False
    instrument, pitch = rows.before[b, INSTRUMENT], rows.before[b, PITCH]
    if numbers[ONSET_NOTES] == 0:  # a rest led here, and a rest is not followed by another event of its tick
        return False
    if instrument == DRUM_INSTRUMENT and may_drum(b, rules, rows, tick) and pitch + 1 < NUM_DRUM_VALUES:
        return True
    if not melodic:
        return False
    return limits[MAX_MELODIC] > instrument or (limits[MAX_MELODIC] == instrument and top > pitch)


@njit(cache=True, nogil=True)
def may_drum(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether drums are played and leave one place of the last onset to the chord."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    keeps_place = tick == limits[FINAL_START] and limits[MAX_MELODIC] > 0 and not numbers[IS_CLOSED]
    is_late = numbers[EVENT] > 0 and tick == numbers[TICK] and numbers[ONSET_NOTES] >= MAX_ONSET_NOTES - 1
    return limits[HAS_DRUMS] == 1 and not (keeps_place and is_late)


@njit(cache=True, nogil=True)
def next_barline(limits: npt.NDArray[np.int64], tick: int) -> int:
    """The first barline after `tick`."""
    return (tick // limits[BAR_TICKS] + 1) * limits[BAR_TICKS]


@njit(cache=True, nogil=True)
def last_entrance(limits: npt.NDArray[np.int64]) -> int:
    """The last barline at which something may begin."""
    return min(limits[FINAL_START], limits[TOTAL_TICKS] - limits[BAR_TICKS])


@njit(cache=True, nogil=True)
def entrance_after(b: int, rules: Rules, rows: Rows) -> int:
    """The next barline at which an asked instrument that is missing can enter, NEVER when none is or there is none."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if not limits[HAS_TASTE] or (limits[NEEDED] & ~numbers[HEARD]) == 0:
        return NEVER
    last = last_entrance(limits)
    barline = next_barline(limits, numbers[TICK])
    while barline <= last and not can_sound(b, rules, rows, barline):  # notes of a primer may last
        barline += limits[BAR_TICKS]
    return barline if barline <= last else NEVER


@njit(cache=True, nogil=True)
def is_entrance(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether instruments that are missing enter at `tick`: at barlines from the second bar on, if there is one."""
    limits = rules.limits[b]
    if not limits[HAS_TASTE] or (limits[NEEDED] & ~rows.numbers[b, HEARD]) == 0:
        return False
    first = limits[BAR_TICKS] if limits[TOTAL_TICKS] > limits[BAR_TICKS] else 0
    return tick % limits[BAR_TICKS] == 0 and tick >= first


@njit(cache=True, nogil=True)
def can_enter(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether a missing instrument could be the next note at `tick`."""
    missing = rules.limits[b, NEEDED] & ~rows.numbers[b, HEARD]
    is_same = tick == rows.numbers[b, TICK] and rows.numbers[b, EVENT] > 0
    lowest = rows.before[b, INSTRUMENT] + 1 if is_same else DRUM_INSTRUMENT
    is_full = num_sounding(b, rows, tick) >= max_sounding(b, rules, rows, tick)
    for value in range(lowest, rules.serves.shape[1]):
        if rules.serves[b, value] & missing and (value == DRUM_INSTRUMENT or not is_full):
            return True
    return False


@njit(cache=True, nogil=True)
def may_rest(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether a rest may lead to `tick`, MAX_SHIFT after the event before."""
    limits, numbers = rules.limits[b], rows.numbers[b]
    if numbers[IS_CLOSED] or not limits[HAS_TASTE]:
        return tick < limits[TOTAL_TICKS]
    if tick >= limits[TOTAL_TICKS] or tick >= limits[FINAL_START]:
        return False
    if is_entrance(b, rules, rows, tick) and can_sound(b, rules, rows, tick):
        return False
    return tick < silence_ends(limits, numbers)


@njit(cache=True, nogil=True)
def silence_ends(limits: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> int:
    """The last tick at which something must begin again."""
    return numbers[SILENT_FROM] + SILENCE_BARS * limits[BAR_TICKS] if limits[HAS_TASTE] else NEVER
