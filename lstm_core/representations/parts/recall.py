"""What the next event of a part would be if it went on as in other bars: in the bars before and in the plan's source.

Each lag offers the next note after the place and pitch of the last one, and at the end of its bar the event that begins
the next. Two lags offer the notes moved with the root of the chord, so that a figure follows the harmony. The lags from
FIRST_AHEAD on offer bars of the part that are given and come later; the last one what the part most like this one has.
"""

from __future__ import annotations

import numpy as np

from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.parts.events import (
    FIRST_DRUM,
    PITCH,
    PLACE,
    STREAMS,
)
from lstm_core.representations.parts.tables import (
    BESIDE,
    CELL,
    ECHO,
    FIRST_AHEAD,
    HERE,
    LAGS,
    LAST_PITCH,
    LAST_PLACE,
    MOVED_LAG,
    MOVED_SOURCE,
    NOTHING,
    NUM_AHEAD,
    PART,
    PARTNER,
    SOURCE,
    Bytes,
    PartRows,
    PlanTables,
    slot_at,
)
from lstm_core.representations.plan.layout import (
    NO_CHORD,
    NUM_QUALITIES,
    Ints,
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
    for lag in range(FIRST_AHEAD):
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
        rows.agreements[b, lag] = _agreement(b, lag, rows)
    for number in range(NUM_AHEAD):
        if rows.ahead[b, number] >= 0:
            _recall_given(b, number, next_bar, tables, rows)
    if numbers[PARTNER] >= 0:
        _recall_partner(b, next_bar, rows)


@borrowing
def _agreement(b: int, lag: int, rows: PartRows) -> int:
    return int(1 + rows.scores[b, lag] * NUM_AGREEMENTS // (FULL_SCORE + 1))


@borrowing
def _recall_given(b: int, number: int, next_bar: int, tables: PlanTables, rows: PartRows) -> None:
    """Sets what a given bar ahead offers: its next note, and at its end the BAR of the given bar after it, if any."""
    lag, cell = FIRST_AHEAD + number, rows.ahead[b, number]
    first, stop = rows.given_of_cell[b, cell, 0], rows.given_of_cell[b, cell, 1]
    moved = -tables.shift[b, tables.cells[b, cell, 1]] if lag == ECHO else 0
    offered = rows.recalled[b, lag]
    if not _next_note(b, rows.given[b, first + 1 : stop], moved, rows, offered):
        after = cell + 1
        if next_bar < 0 or after >= tables.num_cells[b] or rows.given_of_cell[b, after, 0] < 0:
            return
        is_next = tables.cells[b, after, 0] == rows.numbers[b, PART]
        if not is_next or tables.cells[b, after, 1] - tables.cells[b, cell, 1] != next_bar - rows.numbers[b, HERE]:
            return
        for k in range(_K):
            offered[k] = rows.given[b, rows.given_of_cell[b, after, 0], k]
    rows.agreements[b, lag] = _agreement(b, lag, rows)


@borrowing
def _recall_partner(b: int, next_bar: int, rows: PartRows) -> None:
    """Sets what the part most like this one offers: its next note in this bar, and at the end a bar like this one."""
    numbers = rows.numbers[b]
    span = rows.notes_of[b, numbers[PARTNER], numbers[HERE]]
    offered = rows.recalled[b, BESIDE]
    if not _next_note(b, rows.all_notes[b, span[0] : span[1]], rows.interval[b, numbers[PARTNER]], rows, offered):
        if next_bar < 0:
            return
        for k in range(_K):
            offered[k] = rows.bar_events[b, numbers[HERE], k]
    rows.agreements[b, BESIDE] = _agreement(b, BESIDE, rows)


@borrowing
def _next_note(b: int, notes: Ints | Bytes, moved: int, rows: PartRows, offered: Ints) -> bool:
    """Sets `offered` to the first of some notes [n, K] after the last one of row b, moved by semitones, if any."""
    last_place, last_pitch = rows.numbers[b, LAST_PLACE], rows.numbers[b, LAST_PITCH]
    for i in range(len(notes)):
        place, pitch = np.int64(notes[i, PLACE]), np.int64(notes[i, PITCH])
        if place < last_place:
            continue
        if pitch < FIRST_DRUM:
            pitch += moved
            if not 0 <= pitch < FIRST_DRUM:
                continue
        if place > last_place or pitch > last_pitch:
            for k in range(_K):
                offered[k] = notes[i, k]
            offered[PITCH] = pitch
            return True
    return False


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
