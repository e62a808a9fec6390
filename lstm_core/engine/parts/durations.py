"""How long a note of a part may be, and how many notes sound at a place."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import BASS, DRUM, FIGURE, HARMONY
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
    PITCH,
    PLACE,
)
from lstm_core.representations.parts.tables import CELL_TICKS, CELLS, HERE, PART, PartRows, PlanTables, slot_at
from lstm_core.representations.plan.layout import NO_CHORD, Ints, chord_tones

_TONES = chord_tones()
_DURATIONS = DURATIONS.astype(np.int64)


@borrowing
def allow_durations(
    b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, event: Ints, allowed: Bytes
) -> None:
    """Sets how long the note may be: within the piece, and of accompaniments as long as the chord has its pitch."""
    numbers = rows.numbers[b]
    bar, place = numbers[HERE], event[PLACE]
    role = tables.roles[b, numbers[PART]]
    allowed[1] = 1
    longest = ticks_left(b, bar, place, rules, tables)
    if role in (HARMONY, FIGURE, BASS):
        longest = min(longest, _ticks_of_chord(b, bar, place, event[PITCH] % 12, longest, tables))
    if rules.numbers[b, POLYPHONY] < 32 and role != DRUM:
        longest = min(longest, _ticks_free(b, bar, place, longest, rules, tables, rows))
    for value in range(1, len(_DURATIONS)):
        if _DURATIONS[value] <= longest:
            allowed[value] = 1


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
