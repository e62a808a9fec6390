"""Which pitches a part may play at a place: those of scale, range and instrument, of the chord and the bass."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.engine.parts.rules import (
    CHORD_WINS,
    FINAL_BAR,
    HIGH,
    LOW,
    TRANSPOSITION,
    Bytes,
    PartRuleTables,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.notes.instruments import PROGRAM_RANGES
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.representations.parts.events import (
    END,
    FIRST_DRUM,
)
from lstm_core.representations.parts.tables import (
    CELL_TICKS,
    CELLS,
    HERE,
    LAST_PITCH,
    LAST_PLACE,
    PART,
    PartRows,
    PlanTables,
    slot_at,
)
from lstm_core.representations.plan.layout import NO_CHORD, chord_tones

_TONES = chord_tones()
_LAST_DRUM = END - 1
NO_PLACE = -1  # where the bass need not begin
_RANGES = np.array(PROGRAM_RANGES, dtype=np.int64)  # of each program
_HIGHEST_BASS = 47  # the B an octave below middle C


@borrowing
def set_pitches(
    b: int, place: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes, sets: bool
) -> bool:
    """Whether some pitch may begin at a place; with `sets` all of them are marked in `allowed`.

    What is promised least gives way where nothing would be left.
    """
    numbers = rows.numbers[b]
    bar, part = numbers[HERE], numbers[PART]
    role = tables.roles[b, part]
    above = numbers[LAST_PITCH] if place == numbers[LAST_PLACE] else -1
    if role == DRUM:
        first = max(FIRST_DRUM, above + 1)
        if sets:
            for key in range(first, _LAST_DRUM + 1):
                allowed[key] = 1
        return bool(first <= _LAST_DRUM)
    slot = slot_at(b, bar, place, tables)
    chord, bass = tables.chord[b, bar, slot], tables.bass[b, bar, slot]
    is_final = bar == rules.numbers[b, FINAL_BAR]
    is_beat = place % TICKS_PER_QUARTER == 0
    in_chord = chord != NO_CHORD and (is_final or (is_beat and role in (HARMONY, FIGURE)))
    wants_bass = role == BASS and bass >= 0 and (is_final or place == due_place(b, bar, place - 1, tables))
    in_chord = in_chord and not (wants_bass and above < 0)
    floor = -1
    if role in (HARMONY, FIGURE, COUNTER, MELODY) and _starts_slot(b, bar, place, tables):
        lowest = int(rows.lowest[b, bar, min(place // CELL_TICKS, CELLS - 1)])
        floor = lowest if lowest < 255 else -1
    least, most = rules.moved[b, bar, 0], rules.moved[b, bar, 1]
    low, high = max(rules.numbers[b, LOW] + most, above + 1, 0), min(rules.numbers[b, HIGH] + least, FIRST_DRUM - 1)
    program, up = tables.programs[b, part], rules.numbers[b, TRANSPOSITION]
    lowest_of_it, highest_of_it = _RANGES[program, 0] + up + most, _RANGES[program, 1] + up + least
    if role == BASS:
        lowest_of_it = min(lowest_of_it, _HIGHEST_BASS - 12 + up + most)
        highest_of_it = min(highest_of_it, _HIGHEST_BASS + up + least)
    for attempt in range(4):
        some = False
        for pitch in range(low, high + 1):
            if attempt < 2 and not lowest_of_it <= pitch <= highest_of_it:
                continue
            pitch_class = pitch % 12
            fits = rules.pitch_classes[b, pitch_class] == 1
            if rules.numbers[b, CHORD_WINS] and chord != NO_CHORD and _TONES[chord, pitch_class]:
                fits = True
            if attempt < 3 and in_chord:
                fits = fits and _TONES[chord, pitch_class] == 1
            if attempt < 3 and wants_bass and above < 0:
                fits = fits and pitch_class == bass
            if attempt < 1 and pitch <= floor:
                fits = False
            if fits:
                if not sets:
                    return True
                allowed[pitch] = 1
                some = True
        if some or above >= 0:
            return some
    return False


@borrowing
def _starts_slot(b: int, bar: int, place: int, tables: PlanTables) -> bool:
    return bool(place == 0 or (tables.num_slots[b, bar] == 2 and 2 * place == tables.bar_ticks[b, bar]))


@borrowing
def due_place(b: int, bar: int, last_place: int, tables: PlanTables) -> int:
    """The next place after `last_place` at which the bass must begin a note in a bar, -1 for none.

    That is wherever the chord or its bass changes, and at the beginning of a bar that is repeated, where the chord
    before may be another one, or that sounds in another key than the one before.
    """
    before = bar - 1
    if last_place < 0 and _has_chord(b, bar, 0, tables):
        is_same = (
            before >= 0
            and not tables.bass_begins[b, bar]
            and tables.chord[b, before, 1] == tables.chord[b, bar, 0]
            and tables.bass[b, before, 1] == tables.bass[b, bar, 0]
        )
        if not is_same:
            return 0
    middle = tables.bar_ticks[b, bar] // 2
    if tables.num_slots[b, bar] == 2 and last_place < middle and _has_chord(b, bar, 1, tables):
        is_same = (
            tables.chord[b, bar, 0] == tables.chord[b, bar, 1] and tables.bass[b, bar, 0] == tables.bass[b, bar, 1]
        )
        if not is_same:
            return int(middle)
    return NO_PLACE


@borrowing
def _has_chord(b: int, bar: int, slot: int, tables: PlanTables) -> bool:
    return bool(tables.chord[b, bar, slot] != NO_CHORD)
