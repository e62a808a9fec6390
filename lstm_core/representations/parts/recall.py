"""What the next event of a part would be if it went on as in other bars: in the bars before and in the plan's source.

Each lag offers the next note after the place and pitch of the last one, and at the end of its bar the event that begins
the next. Two lags offer the notes moved with the root of the chord, so that a figure follows the harmony.
"""

from __future__ import annotations

from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.parts.events import (
    FIRST_DRUM,
    PITCH,
    PLACE,
    STREAMS,
)
from lstm_core.representations.parts.tables import (
    CELL,
    HERE,
    LAGS,
    LAST_PITCH,
    LAST_PLACE,
    MOVED_LAG,
    MOVED_SOURCE,
    NOTHING,
    NUM_LAGS,
    PART,
    SOURCE,
    PartRows,
    PlanTables,
    slot_at,
)
from lstm_core.representations.plan.layout import (
    NO_CHORD,
    NUM_QUALITIES,
)

NUM_AGREEMENTS = 8
FULL_SCORE, DECAY_BITS = 255, 2
_K = len(STREAMS)


@borrowing
def recall(b: int, tables: PlanTables, rows: PartRows) -> None:
    """Sets what each lag offers as the next event of row b."""
    numbers = rows.numbers[b]
    rows.recalled[b] = NOTHING
    rows.agreements[b] = 0
    if numbers[CELL] < 0:
        return
    bar, cell, part = numbers[HERE], numbers[CELL], numbers[PART]
    next_bar = -1
    if cell + 1 < tables.num_cells[b] and tables.cells[b, cell + 1, 0] == part:
        next_bar = tables.cells[b, cell + 1, 1]
    for lag in range(NUM_LAGS):
        source = _bar_of_lag(b, lag, bar, tables)
        if source < 0 or rows.bar_events[b, source, 0] == NOTHING:
            continue
        offered = rows.recalled[b, lag]
        found = False
        for i in range(rows.first[b, source], rows.first[b, source + 1]):
            place, pitch = rows.notes[b, i, PLACE], rows.notes[b, i, PITCH]
            if place < numbers[LAST_PLACE]:
                continue
            if pitch < FIRST_DRUM:
                pitch += _interval(b, lag, place, bar, source, tables)
                if not 0 <= pitch < FIRST_DRUM:
                    continue
            if place > numbers[LAST_PLACE] or pitch > numbers[LAST_PITCH]:
                for k in range(_K):
                    offered[k] = rows.notes[b, i, k]
                offered[PITCH] = pitch
                found = True
                break
        if not found:
            if next_bar < 0:
                continue
            after = _bar_of_lag(b, lag, next_bar, tables)
            if after < 0 or after > bar or rows.bar_events[b, after, 0] == NOTHING:
                after = bar
            for k in range(_K):
                offered[k] = rows.bar_events[b, after, k]
        rows.agreements[b, lag] = 1 + rows.scores[b, lag] * NUM_AGREEMENTS // (FULL_SCORE + 1)


@borrowing
def _bar_of_lag(b: int, lag: int, bar: int, tables: PlanTables) -> int:
    """The bar that a lag offers for a bar, below 0 for none."""
    if lag >= SOURCE:
        return int(tables.source[b, bar])
    return int(bar - (LAGS[lag] if lag < MOVED_LAG else 1))


@borrowing
def _interval(b: int, lag: int, place: int, bar: int, source: int, tables: PlanTables) -> int:
    """Semitones, -5 to 6, by which a note at a place of the source is moved: from its chord to the one here."""
    if lag == SOURCE:
        return int(tables.shift[b, bar])
    if lag != MOVED_LAG and lag != MOVED_SOURCE:
        return 0
    here = tables.chord[b, bar, slot_at(b, bar, place, tables)]
    there = tables.chord[b, source, slot_at(b, source, place, tables)]
    if here == NO_CHORD or there == NO_CHORD:
        return 0
    return int(((here - 1) // NUM_QUALITIES - (there - 1) // NUM_QUALITIES + 5) % 12 - 5)
