"""Where in its bar the next note of a part may begin, and whether the bar may end."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import BASS, DRUM
from lstm_core.engine.parts.durations import num_sounding
from lstm_core.engine.parts.pitches import NO_PLACE, due_place, set_pitches
from lstm_core.engine.parts.rules import (
    FINAL_BAR,
    POLYPHONY,
    Bytes,
    PartRuleTables,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.notes.score import DRUMS
from lstm_core.representations.parts.events import (
    BAR,
    END,
)
from lstm_core.representations.parts.tables import (
    CELL,
    CELL_TICKS,
    CELLS,
    HERE,
    IN_BAR,
    LAST_PITCH,
    LAST_PLACE,
    PART,
    TOGETHER,
    PartRows,
    PlanTables,
)

_LAST_DRUM = END - 1
MAX_IN_BAR = 96
_MOST_TOGETHER = np.array([3, 3, 8, 5, 2, 6])  # notes of one part at a time, by role


@borrowing
def allow_places(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> None:
    numbers = rows.numbers[b]
    if numbers[CELL] < 0 or rows.given_of_cell[b, numbers[CELL], 0] >= 0:  # all of a locked bar has come
        allowed[BAR] = 1
        return
    bar, last = numbers[HERE], numbers[LAST_PLACE]
    role = tables.roles[b, numbers[PART]]
    bar_ticks = tables.bar_ticks[b, bar]
    stop = 1 if bar == rules.numbers[b, FINAL_BAR] else bar_ticks
    must = NO_PLACE
    if role == BASS:
        must = due_place(b, bar, last, tables)
        if must >= 0:
            stop = min(stop, must + 1)
    if last < 0 and rules.begins[b, numbers[CELL]] and _is_free(b, bar, 0, rules, tables, rows):
        must, stop = 0, 1
    some = False
    if numbers[IN_BAR] < MAX_IN_BAR:
        if (
            last >= 0
            and last < stop
            and numbers[TOGETHER] < _MOST_TOGETHER[role]
            and _may_add(b, rules, tables, rows, allowed)
        ):
            allowed[last] = 1
        for place in range(last + 1, stop):
            if (place % 3 == 0 or place % 4 == 0) and _is_free(b, bar, place, rules, tables, rows):
                allowed[place] = 1
                some = True
    if must >= 0 and must < stop:
        allowed[must] = 1
    elif numbers[IN_BAR] > 0 or not some:
        allowed[BAR] = 1


@borrowing
def _may_add(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> bool:
    """Whether a higher note may begin with the one before."""
    numbers = rows.numbers[b]
    if tables.roles[b, numbers[PART]] == DRUM:
        return bool(numbers[LAST_PITCH] < _LAST_DRUM)
    place = numbers[LAST_PLACE]
    return bool(
        _is_free(b, numbers[HERE], place, rules, tables, rows)
        and set_pitches(b, place, rules, tables, rows, allowed, False)
    )


@borrowing
def _is_free(b: int, bar: int, place: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows) -> bool:
    """Whether one more melodic note may sound at a place."""
    if rules.numbers[b, POLYPHONY] >= 32 or tables.programs[b, rows.numbers[b, PART]] == DRUMS:
        return True
    return bool(num_sounding(b, bar, min(place // CELL_TICKS, CELLS - 1), rows) < rules.numbers[b, POLYPHONY])
