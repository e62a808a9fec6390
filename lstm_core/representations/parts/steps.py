"""What a model of parts is told before each event, the same when it learns and when it writes. Compiled.

A row stands in one part of its plan. It keeps what the part has played, bar by bar, copies included, and on a grid of
sixteenths what all parts so far have played: when something begins, and what sounds.
"""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.grid import Bools
from lstm_core.analysis.roles import BASS, DRUM, MELODY
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.notes.score import DRUMS
from lstm_core.representations.note_events import DURATIONS
from lstm_core.representations.parts.ahead import CELLS_TOLD, CHROMA, NUM_FLAGS, look_ahead, tell_half_bars
from lstm_core.representations.parts.beside import compare_parts, find_partner, remember
from lstm_core.representations.parts.events import (
    BAR,
    DURATION,
    END,
    FIRST_DRUM,
    FIRST_REGISTER,
    FIRST_TEXTURE,
    NUM_REGISTERS,
    NUM_TEXTURES,
    PITCH,
    PLACE,
    STREAMS,
    VELOCITY,
)
from lstm_core.representations.parts.recall import DECAY_BITS, FULL_SCORE, NUM_AGREEMENTS, recall
from lstm_core.representations.parts.tables import (
    AHEAD,
    CELL,
    CELL_TICKS,
    CELLS,
    COUNT,
    FINISHED,
    GIVEN_HERE,
    GROUPS,
    HERE,
    IN_BAR,
    LAST_PITCH,
    LAST_PLACE,
    LOUDNESS,
    NOTHING,
    NUM_LAGS,
    PART,
    REGISTER,
    STEP,
    TEXTURE,
    TOGETHER,
    WRITTEN,
    Bytes,
    PartRows,
    PlanTables,
    make_part_rows,
    make_tables,
    set_plan,
    slot_at,
    start_part_row,
)
from lstm_core.representations.plan.layout import (
    MAX_LETTERS,
    NO_SOURCE,
    NUM_CHORDS,
    NUM_ENERGIES,
    Ints,
    Plan,
)
from lstm_core.representations.representation import Stream

MAX_COUNT, MAX_INTO, MAX_TOGETHER = 24, 16, 8

MOVING = (
    Stream("place", 2 + BAR),
    Stream("role", 7),
    Stream("program", 130),
    Stream("next_role", 7),
    Stream("next_program", 130),
    Stream("chord_1", 1 + NUM_CHORDS),
    Stream("chord_2", 1 + NUM_CHORDS),
    Stream("next_chord_1", 1 + NUM_CHORDS),
    Stream("next_chord_2", 1 + NUM_CHORDS),
    Stream("energy", 1 + NUM_ENERGIES),
    Stream("next_energy", 1 + NUM_ENERGIES),
    Stream("relation", 5),
    Stream("next_relation", 5),
    Stream("into_section", 2 + MAX_INTO),
    Stream("section_left", 2 + MAX_INTO),
    Stream("letter", 1 + MAX_LETTERS),
    Stream("notes_in_bar", 2 + MAX_COUNT),
    Stream("texture", 1 + NUM_TEXTURES),
    Stream("register", 1 + NUM_REGISTERS),
    Stream("roles_in_bar", 1 + 64),
    Stream("roles_written", 1 + 64),
    Stream("ahead", 1 + GIVEN_HERE),
    *(Stream(f"agreement_{lag}", 1 + NUM_AGREEMENTS) for lag in range(NUM_LAGS)),
)
_AHEAD = len(MOVING) - NUM_LAGS - 1
_FIRST_AGREEMENT = len(MOVING) - NUM_LAGS
ONSET_CONTEXTS = (
    Stream("place", 1 + BAR + 1),
    Stream("chord", 1 + NUM_CHORDS),
    Stream("bass", 1 + 13 * 2),
    Stream("melody", 1 + 13 * 2),
    Stream("together", 2 + MAX_TOGETHER),
)
_K = len(STREAMS)
_DURATIONS = DURATIONS.astype(np.int64)
_GROUP_OF_ROLE = np.array([0 if r == MELODY else 1 if r == BASS else 2 if r == DRUM else 3 for r in range(6)])


def part_steps(events: Ints, plan: Plan, num_notes: int, given: Bools | None = None) -> tuple[Ints, Bytes, Ints, Ints]:
    """What each step of a whole piece is told, some written bars of which are `given`, bool [C].

    Returns:
        Moving contexts, int64 [T, M], flags, uint8 [T, F], onset contexts, int64 [T, O], recalled events,
        int64 [T, L, K].
    """
    tables = make_tables(1, plan.num_bars, len(plan.played()) + 1)
    set_plan(tables, 0, plan)
    rows = make_part_rows(1, plan.num_bars, num_notes, len(plan.played()) + 1, 0 if given is None else len(events))
    start_part_row(rows, 0)
    if given is not None:
        barlines = np.flatnonzero(events[:, PLACE] == BAR)
        for cell in np.flatnonzero(given).tolist():
            give(0, cell, events[barlines[cell] : barlines[cell + 1]], tables, rows)
    moving = np.zeros((len(events), len(MOVING)), dtype=np.int64)
    flags = np.zeros((len(events), NUM_FLAGS), dtype=np.uint8)
    onsets = np.zeros((len(events), len(ONSET_CONTEXTS)), dtype=np.int64)
    recalled = np.full((len(events), NUM_LAGS, _K), NOTHING, dtype=np.int64)
    _all_steps(events, tables, rows, moving, flags, onsets, recalled)
    return moving, flags, onsets, recalled


@njit(cache=True, nogil=True)
def _all_steps(
    events: Ints, tables: PlanTables, rows: PartRows, moving: Ints, flags: Bytes, onsets: Ints, recalled: Ints
) -> None:
    for t in range(len(events)):
        tell_parts(0, tables, rows, moving[t], flags[t])
        for lag in range(NUM_LAGS):
            for k in range(_K):
                recalled[t, lag, k] = rows.recalled[0, lag, k]
        tell_onset(0, events[t, PLACE], tables, rows, onsets[t])
        advance_parts(0, events[t], tables, rows)


@borrowing
def tell_parts(b: int, tables: PlanTables, rows: PartRows, moving: Ints, flags: Bytes) -> None:
    """Sets the contexts of row b before its next event, moving [M], and flags [F], and what the lags offer."""
    numbers = rows.numbers[b]
    moving[:] = 0
    flags[:] = 0
    cell, bar, part = numbers[CELL], numbers[HERE], numbers[PART]
    moving[0] = 1 + (BAR if numbers[LAST_PLACE] < 0 else numbers[LAST_PLACE])
    if cell >= 0:
        moving[1] = 1 + tables.roles[b, part]
        moving[2] = 1 + tables.programs[b, part]
        moving[5] = 1 + tables.chord[b, bar, 0]
        moving[6] = 1 + tables.chord[b, bar, 1]
        moving[9] = 1 + tables.energy[b, bar]
        moving[11] = 1 + tables.relation[b, bar]
        moving[16] = 1 + min(numbers[IN_BAR], MAX_COUNT)
        moving[17] = 1 + numbers[TEXTURE] - FIRST_TEXTURE
        moving[18] = 1 + numbers[REGISTER] - FIRST_REGISTER
        moving[19] = 1 + tables.roles_in_bar[b, bar]
        moving[20] = 1 + numbers[WRITTEN]
        moving[_AHEAD] = numbers[AHEAD]
        place = min(max(numbers[LAST_PLACE], 0) // CELL_TICKS, CELLS - 1)
        for group in range(GROUPS):
            for i in range(CELLS_TOLD):
                flags[group * CELLS_TOLD + i] = rows.begun[b, group, bar, i]
        for pitch_class in range(12):
            flags[CHROMA + pitch_class] = 1 if rows.sounding[b, pitch_class, bar, place] else 0
        tell_half_bars(b, bar, place, tables, rows, flags)
    if cell + 1 < tables.num_cells[b]:
        next_part, next_bar = tables.cells[b, cell + 1, 0], tables.cells[b, cell + 1, 1]
        moving[3] = 1 + tables.roles[b, next_part]
        moving[4] = 1 + tables.programs[b, next_part]
        moving[7] = 1 + tables.chord[b, next_bar, 0]
        moving[8] = 1 + tables.chord[b, next_bar, 1]
        moving[10] = 1 + tables.energy[b, next_bar]
        moving[12] = 1 + tables.relation[b, next_bar]
        moving[13] = 1 + min(tables.into[b, next_bar], MAX_INTO)
        moving[14] = 1 + min(tables.left[b, next_bar], MAX_INTO)
        moving[15] = 1 + tables.letter[b, next_bar]
    recall(b, tables, rows)
    for lag in range(NUM_LAGS):
        moving[_FIRST_AGREEMENT + lag] = rows.agreements[b, lag]


@borrowing
def tell_onset(b: int, place: int, tables: PlanTables, rows: PartRows, onset: Ints) -> None:
    """Sets what row b is told of a place that is chosen for its event, onset [O]."""
    numbers = rows.numbers[b]
    onset[:] = 0
    onset[0] = 1 + place
    if place == BAR:
        if numbers[CELL] + 1 < tables.num_cells[b]:
            bar = tables.cells[b, numbers[CELL] + 1, 1]
            onset[1] = 1 + tables.chord[b, bar, 0]
        return
    bar = numbers[HERE]
    slot = slot_at(b, bar, place, tables)
    starts = place == 0 or (slot == 1 and 2 * place == tables.bar_ticks[b, bar])
    onset[1] = 1 + tables.chord[b, bar, slot]
    onset[2] = 1 + (1 + tables.bass[b, bar, slot]) * 2 + (1 if starts else 0)
    cell = min(place // CELL_TICKS, CELLS - 1)
    tune = np.int64(rows.melody[b, bar, cell])
    onset[3] = 1 + (0 if tune == 0 else (1 + (tune - 1) % 12) * 2 + (1 if tune > 12 else 0))
    onset[4] = 1 + min(numbers[TOGETHER], MAX_TOGETHER) if place == numbers[LAST_PLACE] else 1


@borrowing
def advance_parts(b: int, event: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Moves row b past an event [K]."""
    numbers = rows.numbers[b]
    numbers[STEP] += 1
    for lag in range(NUM_LAGS):
        offered = rows.recalled[b, lag]
        if offered[PLACE] >= 0:
            agrees = offered[PLACE] == event[PLACE] and offered[PITCH] == event[PITCH]
            rows.scores[b, lag] += ((FULL_SCORE if agrees else 0) - rows.scores[b, lag]) >> DECAY_BITS
    if event[PLACE] != BAR:
        _add_note(b, numbers[HERE], event, tables, rows)
        if rows.given_of_cell[b, numbers[CELL], 0] < 0:
            _sound(b, numbers[PART], numbers[HERE], event, tables, rows)
        numbers[TOGETHER] = numbers[TOGETHER] + 1 if event[PLACE] == numbers[LAST_PLACE] else 1
        numbers[LAST_PLACE], numbers[LAST_PITCH] = event[PLACE], event[PITCH]
        numbers[IN_BAR] += 1
        return
    numbers[CELL] += 1
    is_over = event[PITCH] == END or numbers[CELL] >= tables.num_cells[b]
    part, bar = numbers[PART], numbers[HERE]
    if part >= 0:
        compare_parts(b, tables, rows)
    next_part = -1 if is_over else tables.cells[b, numbers[CELL], 0]
    if part >= 0 and next_part != part:
        _fill(b, bar + 1, tables.num_bars[b], tables, rows)
    if is_over:
        numbers[FINISHED] = 1
        return
    next_bar = tables.cells[b, numbers[CELL], 1]
    if next_part != part:
        numbers[PART], numbers[COUNT] = next_part, 0
        numbers[WRITTEN] |= 1 << tables.roles[b, next_part]
        rows.scores[b] = rows.likeness[b] = 0
        _fill(b, 0, next_bar, tables, rows)
    else:
        _fill(b, bar + 1, next_bar, tables, rows)
    numbers[HERE] = next_bar
    rows.first[b, next_bar] = numbers[COUNT]
    rows.first[b, next_bar + 1] = numbers[COUNT]
    for k in range(_K):
        rows.bar_events[b, next_bar, k] = event[k]
    numbers[LAST_PLACE], numbers[LAST_PITCH] = -1, -1
    numbers[TOGETHER] = numbers[IN_BAR] = 0
    numbers[TEXTURE], numbers[REGISTER], numbers[LOUDNESS] = event[PITCH], event[DURATION], event[VELOCITY]
    look_ahead(b, tables, rows)
    find_partner(b, tables, rows)


@njit(cache=True, nogil=True)
def give(b: int, cell: int, events: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Gives the events of a written bar, [n, K], BAR first, before anything is written: all parts hear its notes."""
    first = max(0, rows.given_of_cell[b].max())
    rows.given[b, first : first + len(events)] = events
    rows.given_of_cell[b, cell, 0], rows.given_of_cell[b, cell, 1] = first, first + len(events)
    for event in events[1:]:
        _sound(b, tables.cells[b, cell, 0], tables.cells[b, cell, 1], event, tables, rows)


@borrowing
def _fill(b: int, start: int, stop: int, tables: PlanTables, rows: PartRows) -> None:
    """Gives the bars of this part from `start` to `stop` what they copy, or nothing."""
    numbers = rows.numbers[b]
    part = numbers[PART]
    event = rows.scratch[b]
    for bar in range(start, stop):
        rows.first[b, bar] = rows.first[b, bar + 1] = numbers[COUNT]
        rows.bar_events[b, bar] = NOTHING
        source = tables.source[b, bar]
        if not tables.copied[b, bar] >> part & 1 or source == NO_SOURCE:
            continue
        for k in range(_K):
            rows.bar_events[b, bar, k] = rows.bar_events[b, source, k]
        for i in range(rows.first[b, source], rows.first[b, source + 1]):
            for k in range(_K):
                event[k] = rows.notes[b, i, k]
            if event[PITCH] < FIRST_DRUM:
                event[PITCH] += tables.shift[b, bar]
                if not 0 <= event[PITCH] < FIRST_DRUM:
                    continue
            _add_note(b, bar, event, tables, rows)
            _sound(b, part, bar, event, tables, rows)


@borrowing
def _add_note(b: int, bar: int, event: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Remembers a note of a bar of the part that is being written."""
    numbers = rows.numbers[b]
    if numbers[COUNT] < rows.notes.shape[1]:
        for k in range(_K):
            rows.notes[b, numbers[COUNT], k] = event[k]
        numbers[COUNT] += 1
        rows.first[b, bar + 1] = numbers[COUNT]


@borrowing
def _sound(b: int, part: int, bar: int, event: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Lets all parts hear a note of a part in a bar."""
    remember(b, part, bar, event, rows)
    role = tables.roles[b, part]
    cell = min(event[PLACE] // CELL_TICKS, CELLS - 1)
    rows.begun[b, _GROUP_OF_ROLE[role], bar, cell] = 1
    if event[PITCH] >= FIRST_DRUM or tables.programs[b, part] == DRUMS:
        return
    pitch_class = event[PITCH] % 12
    left = _DURATIONS[event[DURATION]] + event[PLACE] % CELL_TICKS
    is_first = True
    while left > 0 and bar < tables.num_bars[b]:
        if rows.sounding[b, pitch_class, bar, cell] < 255:
            rows.sounding[b, pitch_class, bar, cell] += 1
        if role == MELODY:
            rows.melody[b, bar, cell] = 1 + pitch_class + (12 if is_first else 0)
        if role == BASS:
            rows.bass[b, bar, cell] = 1 + pitch_class + (12 if is_first else 0)
            rows.lowest[b, bar, cell] = min(np.int64(rows.lowest[b, bar, cell]), event[PITCH])
        is_first = False
        left -= CELL_TICKS
        cell += 1
        if cell * CELL_TICKS >= tables.bar_ticks[b, bar]:
            bar += 1
            cell = 0
