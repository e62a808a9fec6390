"""What a model of parts is told before each event, the same when it learns and when it writes. Compiled.

A row stands in one part of its plan. It keeps what the part has played, bar by bar, copies included, and on a grid of
sixteenths what all parts so far have played: when something begins, and what sounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS, DRUM, MELODY
from lstm_core.foundation.compiling import njit
from lstm_core.notes.score import DRUMS
from lstm_core.representations.note_events import DURATIONS
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
from lstm_core.representations.plan.layout import (
    MAX_LETTERS,
    MAX_PARTS,
    NO_CHORD,
    NO_SOURCE,
    NUM_CHORDS,
    NUM_ENERGIES,
    NUM_QUALITIES,
    Ints,
    Plan,
)
from lstm_core.representations.representation import Stream

Bytes = npt.NDArray[np.uint8]

CELL_TICKS = 6  # of the grid: a sixteenth
CELLS = BAR // CELL_TICKS  # of the longest bar
CELLS_TOLD = 24  # of the bar whose onsets the model is told
GROUPS = 4  # melody, bass, drums, other parts
CHROMA = GROUPS * CELLS_TOLD  # flag of pitch class 0, which sounds in the cell of the event before
NUM_FLAGS = CHROMA + 12
MAX_COUNT, MAX_INTO, MAX_TOGETHER = 24, 16, 8
LAGS = (1, 2, 4)  # bars back whose notes may be copied as they are
MOVED_LAG, SOURCE, MOVED_SOURCE = 3, 4, 5  # the bar before moved with the chords, the source, the source moved
NUM_LAGS = 6
NUM_AGREEMENTS = 8
_FULL, _DECAY_BITS = 255, 2
NOTHING = -1

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
    *(Stream(f"agreement_{lag}", 1 + NUM_AGREEMENTS) for lag in range(NUM_LAGS)),
)
_FIRST_AGREEMENT = len(MOVING) - NUM_LAGS
ONSET_CONTEXTS = (
    Stream("place", 1 + BAR + 1),
    Stream("chord", 1 + NUM_CHORDS),
    Stream("bass", 1 + 13 * 2),
    Stream("melody", 1 + 13 * 2),
    Stream("together", 2 + MAX_TOGETHER),
)
_K = len(STREAMS)
_TAKEN = ("bar_ticks", "num_slots", "source", "relation", "shift", "chord", "bass", "energy", "active", "copied")
_DURATIONS = DURATIONS.astype(np.int64)
_GROUP_OF_ROLE = np.array([0 if r == MELODY else 1 if r == BASS else 2 if r == DRUM else 3 for r in range(6)])


class PlanTables(NamedTuple):
    """The plans of B rows, of at most N bars and C written bars."""

    roles: Ints  # [B, MAX_PARTS]
    programs: Ints  # [B, MAX_PARTS]
    num_bars: Ints  # [B]
    bar_ticks: Ints  # [B, N]
    num_slots: Ints  # [B, N]
    source: Ints  # [B, N]
    relation: Ints  # [B, N]
    shift: Ints  # [B, N]
    letter: Ints  # [B, N]
    into: Ints  # [B, N]
    left: Ints  # [B, N]
    chord: Ints  # [B, N, 2]
    bass: Ints  # [B, N, 2]
    energy: Ints  # [B, N]
    active: Ints  # [B, N]
    copied: Ints  # [B, N]
    roles_in_bar: Ints  # [B, N] bit r: a part of role r plays
    cells: Ints  # [B, C, 2] part and bar of each written bar
    num_cells: Ints  # [B]
    is_source: Ints  # [B, N] 1 for bars that a later one repeats


# Columns of PartRows.numbers
(
    CELL,  # number of the written bar, -1 before the first
    PART,
    HERE,  # bar
    LAST_PLACE,  # of the note before in this bar, -1 before the first
    LAST_PITCH,
    TOGETHER,  # notes at LAST_PLACE
    IN_BAR,  # notes in this bar
    TEXTURE,  # of this bar, as in the pitch stream
    REGISTER,  # of this bar, as in the duration stream
    LOUDNESS,  # of this bar, as in the velocity stream
    WRITTEN,  # bits of the roles whose parts are written, this one's included
    COUNT,  # notes of this part in `notes`
    FINISHED,  # 1 after the end
    STEP,  # events so far
    NUM_COLUMNS,
) = range(15)


class PartRows(NamedTuple):
    """Where B rows stand."""

    numbers: Ints  # [B, NUM_COLUMNS]
    notes: Ints  # [B, M, K] of the part so far, copies included
    first: Ints  # [B, N + 1] where the notes of each bar of the part begin
    bar_events: Ints  # [B, N, K] the BAR of each bar of the part, -1 where there is none
    begun: Bytes  # [B, GROUPS, N, CELLS] 1 where something begins
    sounding: Bytes  # [B, 12, N, CELLS] notes of a pitch class that sound
    melody: Bytes  # [B, N, CELLS] 0, or 1 + pitch class + 12 where it begins
    bass: Bytes  # [B, N, CELLS] the same of the bass
    lowest: Bytes  # [B, N, CELLS] lowest pitch of the bass that sounds, 255 for none
    scores: Ints  # [B, NUM_LAGS] agreement of the lags, 0 to 255
    recalled: Ints  # [B, NUM_LAGS, K] what each offers
    agreements: Ints  # [B, NUM_LAGS]


def make_tables(num_rows: int, num_bars: int, num_cells: int) -> PlanTables:
    """Tables without plans."""

    def zeros(*shape: int) -> Ints:
        return np.zeros((num_rows, *shape), dtype=np.int64)

    n = num_bars
    return PlanTables(
        zeros(MAX_PARTS), zeros(MAX_PARTS), zeros(),
        zeros(n), zeros(n), zeros(n), zeros(n), zeros(n), zeros(n), zeros(n), zeros(n),
        zeros(n, 2), zeros(n, 2), zeros(n), zeros(n), zeros(n), zeros(n), zeros(num_cells, 2), zeros(), zeros(n),
    )  # fmt: skip


def set_plan(tables: PlanTables, b: int, plan: Plan) -> None:
    """Puts a plan into row b."""
    n = plan.num_bars
    for table in tables:
        table[b] = 0
    tables.roles[b, : plan.num_parts], tables.programs[b, : plan.num_parts] = plan.roles, plan.programs
    tables.num_bars[b] = n
    for name in _TAKEN:
        getattr(tables, name)[b, :n] = getattr(plan, name)
    tables.letter[b, :n] = np.minimum(plan.letters(), MAX_LETTERS - 1)
    tables.into[b, :n], tables.left[b, :n] = plan.bars_into_section()
    for part, role in enumerate(plan.roles.tolist()):
        tables.roles_in_bar[b, :n] |= (plan.active >> part & 1) << role
    tables.is_source[b, plan.source[plan.source != NO_SOURCE]] = 1
    cells = plan.played()
    tables.cells[b, : len(cells)], tables.num_cells[b] = cells, len(cells)


def make_part_rows(num_rows: int, num_bars: int, num_notes: int) -> PartRows:
    """Rows before their first event; `num_notes` is the most that a part may have."""
    grid = (num_rows, num_bars, CELLS)
    return PartRows(
        np.zeros((num_rows, NUM_COLUMNS), dtype=np.int64),
        np.zeros((num_rows, num_notes, _K), dtype=np.int64),
        np.zeros((num_rows, num_bars + 1), dtype=np.int64),
        np.zeros((num_rows, num_bars, _K), dtype=np.int64),
        np.zeros((num_rows, GROUPS, num_bars, CELLS), dtype=np.uint8),
        np.zeros((num_rows, 12, num_bars, CELLS), dtype=np.uint8),
        np.zeros(grid, dtype=np.uint8),
        np.zeros(grid, dtype=np.uint8),
        np.zeros(grid, dtype=np.uint8),
        np.zeros((num_rows, NUM_LAGS), dtype=np.int64),
        np.full((num_rows, NUM_LAGS, _K), NOTHING, dtype=np.int64),
        np.zeros((num_rows, NUM_LAGS), dtype=np.int64),
    )


def start_part_row(rows: PartRows, b: int) -> None:
    """Puts a row before the first event of a piece."""
    for part in rows:
        part[b] = 0
    rows.recalled[b], rows.bar_events[b], rows.lowest[b] = NOTHING, NOTHING, 255
    rows.numbers[b, CELL] = rows.numbers[b, PART] = rows.numbers[b, LAST_PLACE] = -1


def part_steps(events: Ints, plan: Plan, num_notes: int) -> tuple[Ints, Bytes, Ints, Ints]:
    """What each step of a whole piece is told.

    Returns:
        Moving contexts, int64 [T, M], flags, uint8 [T, F], onset contexts, int64 [T, O], recalled events,
        int64 [T, L, K].
    """
    tables = make_tables(1, plan.num_bars, len(plan.played()) + 1)
    set_plan(tables, 0, plan)
    rows = make_part_rows(1, plan.num_bars, num_notes)
    start_part_row(rows, 0)
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


@njit(cache=True, nogil=True)
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
        place = min(max(numbers[LAST_PLACE], 0) // CELL_TICKS, CELLS - 1)
        for group in range(GROUPS):
            for i in range(CELLS_TOLD):
                flags[group * CELLS_TOLD + i] = rows.begun[b, group, bar, i]
        for pitch_class in range(12):
            flags[CHROMA + pitch_class] = 1 if rows.sounding[b, pitch_class, bar, place] else 0
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
    _recall(b, tables, rows)
    for lag in range(NUM_LAGS):
        moving[_FIRST_AGREEMENT + lag] = rows.agreements[b, lag]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def slot_at(b: int, bar: int, place: int, tables: PlanTables) -> int:
    """The chord of a bar that holds at a place: 0 or 1."""
    return 1 if tables.num_slots[b, bar] == 2 and 2 * place >= tables.bar_ticks[b, bar] else 0


@njit(cache=True, nogil=True)
def advance_parts(b: int, event: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Moves row b past an event [K]."""
    numbers = rows.numbers[b]
    numbers[STEP] += 1
    for lag in range(NUM_LAGS):
        offered = rows.recalled[b, lag]
        if offered[PLACE] >= 0:
            agrees = offered[PLACE] == event[PLACE] and offered[PITCH] == event[PITCH]
            rows.scores[b, lag] += ((_FULL if agrees else 0) - rows.scores[b, lag]) >> _DECAY_BITS
    if event[PLACE] != BAR:
        _add_note(b, numbers[HERE], event, tables, rows)
        numbers[TOGETHER] = numbers[TOGETHER] + 1 if event[PLACE] == numbers[LAST_PLACE] else 1
        numbers[LAST_PLACE], numbers[LAST_PITCH] = event[PLACE], event[PITCH]
        numbers[IN_BAR] += 1
        return
    numbers[CELL] += 1
    is_over = event[PITCH] == END or numbers[CELL] >= tables.num_cells[b]
    part, bar = numbers[PART], numbers[HERE]
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
        rows.scores[b] = 0
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


@njit(cache=True, nogil=True)
def _fill(b: int, start: int, stop: int, tables: PlanTables, rows: PartRows) -> None:
    """Gives the bars of this part from `start` to `stop` what they copy, or nothing."""
    numbers = rows.numbers[b]
    part = numbers[PART]
    event = np.zeros(_K, dtype=np.int64)
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


@njit(cache=True, nogil=True)
def _add_note(b: int, bar: int, event: Ints, tables: PlanTables, rows: PartRows) -> None:
    """Lets the part that is being written play a note in a bar."""
    numbers = rows.numbers[b]
    if numbers[COUNT] < rows.notes.shape[1]:
        for k in range(_K):
            rows.notes[b, numbers[COUNT], k] = event[k]
        numbers[COUNT] += 1
        rows.first[b, bar + 1] = numbers[COUNT]
    role = tables.roles[b, numbers[PART]]
    cell = min(event[PLACE] // CELL_TICKS, CELLS - 1)
    rows.begun[b, _GROUP_OF_ROLE[role], bar, cell] = 1
    if event[PITCH] >= FIRST_DRUM or tables.programs[b, numbers[PART]] == DRUMS:
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


@njit(cache=True, nogil=True)
def _recall(b: int, tables: PlanTables, rows: PartRows) -> None:
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
        rows.agreements[b, lag] = 1 + rows.scores[b, lag] * NUM_AGREEMENTS // (_FULL + 1)


@njit(cache=True, nogil=True)
def _bar_of_lag(b: int, lag: int, bar: int, tables: PlanTables) -> int:
    """The bar that a lag offers for a bar, below 0 for none."""
    if lag >= SOURCE:
        return int(tables.source[b, bar])
    return int(bar - (LAGS[lag] if lag < MOVED_LAG else 1))


@njit(cache=True, nogil=True)
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
