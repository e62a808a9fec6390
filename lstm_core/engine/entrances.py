"""How requested instruments that have not played yet enter: at barlines, one of them at each at least. Compiled.

Until all are in, no note is held over a barline at which one may enter, so that as many can enter
as the polyphony allows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.onsets import can_sound, max_sounding, num_sounding, span_at
from lstm_core.engine.rows import ENTRANCE, EVENT, NEW_TICK, PLAYED, TICK, Rows
from lstm_core.foundation.compiling import borrowing
from lstm_core.orders.constraints.rules import Rules
from lstm_core.orders.constraints.timeline import NEVER
from lstm_core.orders.order import MAX_INSTRUMENTS
from lstm_core.representations.note_events import DRUM_INSTRUMENT, INSTRUMENT


@borrowing
def missing_bits(b: int, rules: Rules, rows: Rows) -> int:
    """Bits of the requested instruments that have not played yet."""
    return rules.track[b]["needed"] & ~rows.numbers[b, PLAYED]


@borrowing
def is_entrance(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether instruments that are missing may enter at `tick`, which is not before the row's own."""
    missing = missing_bits(b, rules, rows)
    if missing == 0:
        return False
    entrance = rules.entrances[b, _entrance_from(b, rules, rows, tick)]
    return entrance["tick"] == tick and entrance["bits"] & missing != 0


@borrowing
def entrance_after(b: int, rules: Rules, rows: Rows) -> int:
    """The next barline at which a missing instrument can enter, NEVER when none is missing or no such barline left."""
    missing = missing_bits(b, rules, rows)
    if missing == 0:
        return NEVER
    i = _entrance_from(b, rules, rows, rows.numbers[b, TICK] + 1)
    while True:
        tick = rules.entrances[b, i]["tick"]
        if tick == NEVER:
            return NEVER
        # Notes of a primer may last over it.
        if rules.entrances[b, i]["bits"] & missing and can_sound(b, rules, rows, tick, span_at(b, rules, rows, tick)):
            return tick
        i += 1


@borrowing
def barline_kept_free(b: int, rules: Rules, rows: Rows, tick: int) -> int:
    """The first barline after `tick` at which a missing instrument may enter, NEVER when none is missing."""
    if missing_bits(b, rules, rows) == 0:
        return NEVER
    return rules.entrances[b, _entrance_from(b, rules, rows, tick + 1)]["tick"]


@borrowing
def can_enter(b: int, rules: Rules, rows: Rows, tick: int, z: int) -> bool:
    """Whether a missing instrument could be the next note at `tick`."""
    missing = missing_bits(b, rules, rows)
    is_same = tick == rows.numbers[b, TICK] and rows.numbers[b, EVENT] > 0
    lowest = rows.before[b, INSTRUMENT] + 1 if is_same else DRUM_INSTRUMENT
    is_full = num_sounding(b, rows, tick) >= max_sounding(b, rules, rows, z)
    mask = rules.spans[b, z]["mask"]
    for value in range(lowest, rules.serves.shape[1]):
        is_missing = rules.serves[b, value] & missing and rules.instruments[b, mask, value]
        if is_missing and (value == DRUM_INSTRUMENT or not is_full):
            return True
    return False


@borrowing
def keep_missing(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> bool:
    """Reduces the allowed instruments, uint8 [V], to those that are missing; returns whether any is left.

    When one of the missing has fewer barlines to come than instruments are missing, all enter at this one, and the one
    whose programs end first comes first: an onset is written in ascending order, and so all find a place in it.
    """
    missing = missing_bits(b, rules, rows)
    size = rules.serves.shape[1]
    entering, num_missing, first_end, first = 0, 0, size, 0
    for value in range(DRUM_INSTRUMENT, size):
        if allowed[value]:
            entering |= rules.serves[b, value] & missing
    if entering == 0:
        return False
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
    kept = first if _is_urgent(b, rules, rows, missing, num_missing) else entering
    for value in range(DRUM_INSTRUMENT, size):
        if not rules.serves[b, value] & kept:
            allowed[value] = 0
    return True


@borrowing
def _is_urgent(b: int, rules: Rules, rows: Rows, missing: int, num_missing: int) -> bool:
    """Whether one of the missing has fewer barlines from NEW_TICK on than instruments are missing."""
    start = _entrance_from(b, rules, rows, rows.numbers[b, NEW_TICK])
    for bit in range(MAX_INSTRUMENTS):
        if missing >> bit & 1:
            i, count = start, 0
            while count < num_missing and rules.entrances[b, i]["tick"] != NEVER:
                count += rules.entrances[b, i]["bits"] >> bit & 1
                i += 1
            if count < num_missing:
                return True
    return False


@borrowing
def _entrance_from(b: int, rules: Rules, rows: Rows, tick: int) -> int:
    """Number of the first entrance that is not before `tick`."""
    i = rows.numbers[b, ENTRANCE]
    while rules.entrances[b, i]["tick"] < tick:
        i += 1
    return i
