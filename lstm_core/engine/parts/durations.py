"""How long a note of a part may be, and how many notes sound at a place."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import DRUM
from lstm_core.engine.parts.rules import (
    FINAL_BAR,
    FINAL_HOLD,
    POLYPHONY,
    Bytes,
    PartRuleTables,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.note_events import DURATIONS
from lstm_core.representations.parts.events import (
    CHORD_EDGES,
    FIRST_TEXTURE,
    PITCH,
    PLACE,
)
from lstm_core.representations.parts.tables import (
    CELL,
    CELL_TICKS,
    CELLS,
    HERE,
    PART,
    TEXTURE,
    PartRows,
    PlanTables,
    slot_at,
)
from lstm_core.representations.plan.layout import NO_CHORD, Ints, chord_tones

_TONES = chord_tones()
_DURATIONS = DURATIONS.astype(np.int64)


@borrowing
def allow_durations(
    b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, event: Ints, allowed: Bytes
) -> None:
    """Sets how long the note may be: within the piece, and through the pause of its part if it is held so long."""
    numbers = rows.numbers[b]
    bar, place = numbers[HERE], event[PLACE]
    role = tables.roles[b, numbers[PART]]
    longest = ticks_left(b, bar, place, rules, tables)
    shortest = 0
    if rules.held[b, numbers[CELL]] > 0 and numbers[TEXTURE] < FIRST_TEXTURE + 1 + len(CHORD_EDGES):
        shortest = _ticks_held(b, bar, place, event[PITCH] % 12, rules.held[b, numbers[CELL]], tables)
    if rules.numbers[b, POLYPHONY] < 32 and role != DRUM:
        longest = min(longest, _ticks_free(b, bar, place, longest, rules, tables, rows))
    last = 1
    for value in range(1, len(_DURATIONS)):
        if _DURATIONS[value] <= longest:
            last = value
            if _DURATIONS[value] >= shortest:
                allowed[value] = 1
    allowed[last] = 1


@borrowing
def ticks_left(b: int, bar: int, place: int, rules: PartRuleTables, tables: PlanTables) -> int:
    """Ticks from a place to where the notes of the piece end."""
    final = rules.numbers[b, FINAL_BAR]
    if bar == final:
        return int(rules.numbers[b, FINAL_HOLD])
    total = -place
    for later in range(bar, tables.num_bars[b] if final < 0 else final):
        total += tables.bar_ticks[b, later]
        if total > _DURATIONS[-1]:
            break
    return int(total)


@borrowing
def _ticks_held(b: int, bar: int, place: int, pitch_class: int, num_bars: int, tables: PlanTables) -> int:
    """Ticks from a place through so many bars more, or until a chord lacks the pitch class."""
    ticks = -place
    for held in range(bar, min(bar + num_bars + 1, tables.num_bars[b])):
        ticks += tables.bar_ticks[b, held]
    return int(min(ticks, _ticks_of_chord(b, bar, place, pitch_class, ticks, tables)))


@borrowing
def _ticks_of_chord(b: int, bar: int, place: int, pitch_class: int, longest: int, tables: PlanTables) -> int:
    """Ticks from a place to the next chord that lacks a pitch class."""
    slot = slot_at(b, bar, place, tables)
    ticks = -place
    if slot == 1:
        ticks += tables.bar_ticks[b, bar] // 2
    while ticks < longest:
        two = tables.num_slots[b, bar] == 2
        ticks += tables.bar_ticks[b, bar] // 2 if two else tables.bar_ticks[b, bar]
        if two and slot == 0:
            slot = 1
        else:
            slot = 0
            bar += 1
            if bar >= tables.num_bars[b]:
                return int(ticks)
        chord = tables.chord[b, bar, slot]
        if chord != NO_CHORD and not _TONES[chord, pitch_class]:
            return int(ticks)
    return int(longest)


@borrowing
def _ticks_free(
    b: int, bar: int, place: int, longest: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows
) -> int:
    """Ticks from a place for which one more note may sound."""
    cell = min(place // CELL_TICKS, CELLS - 1)
    ticks = -(place % CELL_TICKS)
    while ticks < longest:
        if bar >= tables.num_bars[b] or num_sounding(b, bar, cell, rows) >= rules.numbers[b, POLYPHONY]:
            break
        ticks += CELL_TICKS
        cell += 1
        if cell * CELL_TICKS >= tables.bar_ticks[b, bar]:
            bar += 1
            cell = 0
    return int(ticks)


@borrowing
def num_sounding(b: int, bar: int, cell: int, rows: PartRows) -> int:
    total = 0
    for pitch_class in range(12):
        total += int(rows.sounding[b, pitch_class, bar, cell])
    return total
