"""The plans of a batch of rows, and where each row stands in its parts, as compiled code reads and writes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.parts.events import (
    BAR,
    STREAMS,
)
from lstm_core.representations.plan.layout import (
    MAX_LETTERS,
    MAX_PARTS,
    NO_SOURCE,
    Ints,
    Plan,
)

Bytes = npt.NDArray[np.uint8]

CELL_TICKS = 6  # of the grid: a sixteenth
CELLS = BAR // CELL_TICKS  # of the longest bar
GROUPS = 4  # melody, bass, drums, other parts
LAGS = (1, 2, 4)  # bars back whose notes may be copied as they are
MOVED_LAG, SOURCE, MOVED_SOURCE = 3, 4, 5  # the bar before moved with the chords, the source, the source moved
FIRST_AHEAD = 6  # lags of bars that are given
BARS_AHEAD = (1, 2, 4)
ECHO = FIRST_AHEAD + len(BARS_AHEAD)  # the first given bar whose source this one is
BESIDE = ECHO + 1  # the same bar of the part that is most like this one
NUM_LAGS = BESIDE + 1
NUM_AHEAD = BESIDE - FIRST_AHEAD
NOTHING = -1
MAX_PARTS_HEARD = 4  # the notes of so many parts at their fullest are remembered
_K = len(STREAMS)
_TAKEN = ("bar_ticks", "num_slots", "source", "relation", "shift", "chord", "bass", "energy", "active", "copied")


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
    bass_begins: (
        Ints  # [B, N] 1 for bars with which the bass begins: a later one repeats them, or they sound in another key
    )


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
    AHEAD,  # bars until the next one of this part that is given, 0 for none, GIVEN_HERE where this one is
    NUM_HEARD,  # notes in `all_notes`
    PARTNER,  # part that this one is most like, of those that play in this bar, -1 for none
    NUM_COLUMNS,
) = range(18)

GIVEN_HERE = 9  # of AHEAD; bars that are farther than 8 count as 8


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
    scratch: Ints  # [B, K]
    given: Ints  # [B, G, K] events of written bars that are given, and heard by all parts from the beginning
    given_of_cell: Ints  # [B, C, 2] first of those of each written bar, its BAR, and the one after the last; -1: none
    ahead: Ints  # [B, NUM_AHEAD] written bars, all given, that the lags from FIRST_AHEAD on offer; -1 for none
    all_notes: Bytes  # [B, H, K] of all parts, those that are given first
    notes_of: Ints  # [B, MAX_PARTS, N, 2] first of those of each part in each bar, and the one after the last
    likeness: Ints  # [B, MAX_PARTS] how much of what this part plays each other part has too, 0 to 255
    interval: Ints  # [B, MAX_PARTS] semitones from each other part to this one


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
    tables.bass_begins[b, plan.source[plan.source != NO_SOURCE]] = 1
    cells = plan.played()
    tables.cells[b, : len(cells)], tables.num_cells[b] = cells, len(cells)


def make_part_rows(num_rows: int, num_bars: int, num_notes: int, num_cells: int, num_given: int = 0) -> PartRows:
    """Rows before their first event: `num_notes` is the most that a part may have, `num_given` events are given."""
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
        np.zeros((num_rows, _K), dtype=np.int64),
        np.zeros((num_rows, num_given, _K), dtype=np.int64),
        np.full((num_rows, num_cells, 2), -1, dtype=np.int64),
        np.full((num_rows, NUM_AHEAD), -1, dtype=np.int64),
        np.zeros((num_rows, MAX_PARTS_HEARD * num_notes, _K), dtype=np.uint8),
        np.zeros((num_rows, MAX_PARTS, num_bars, 2), dtype=np.int64),
        np.zeros((num_rows, MAX_PARTS), dtype=np.int64),
        np.zeros((num_rows, MAX_PARTS), dtype=np.int64),
    )


def start_part_row(rows: PartRows, b: int) -> None:
    """Puts a row before the first event of a piece."""
    for part in rows:
        part[b] = 0
    rows.recalled[b], rows.bar_events[b], rows.lowest[b] = NOTHING, NOTHING, 255
    rows.given_of_cell[b], rows.ahead[b] = -1, -1
    for column in (CELL, PART, LAST_PLACE, PARTNER):
        rows.numbers[b, column] = -1


@borrowing
def slot_at(b: int, bar: int, place: int, tables: PlanTables) -> int:
    """The chord of a bar that holds at a place: 0 or 1."""
    return 1 if tables.num_slots[b, bar] == 2 and 2 * place >= tables.bar_ticks[b, bar] else 0
