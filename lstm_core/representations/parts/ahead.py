"""What a part is told of what comes: bars of its own that are given, and the pitch classes that are heard ahead."""

from __future__ import annotations

from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.parts.tables import (
    AHEAD,
    BARS_AHEAD,
    CELL,
    CELL_TICKS,
    ECHO,
    FIRST_AHEAD,
    GIVEN_HERE,
    GROUPS,
    HERE,
    PART,
    Bytes,
    PartRows,
    PlanTables,
)

CELLS_TOLD = 24  # of the bar whose onsets the model is told
CHROMA = GROUPS * CELLS_TOLD  # flag of pitch class 0, which sounds in the cell of the event before
HALF_BAR, NEXT_HALF_BAR = CHROMA + 12, CHROMA + 24  # of pitch class 0, which sounds in this half bar, in the next
NUM_FLAGS = NEXT_HALF_BAR + 12


@borrowing
def look_ahead(b: int, tables: PlanTables, rows: PartRows) -> None:
    """Finds the given bars of its part that row b is told of, where a bar begins."""
    numbers = rows.numbers[b]
    cell, part, bar = numbers[CELL], numbers[PART], numbers[HERE]
    rows.ahead[b] = -1
    numbers[AHEAD] = GIVEN_HERE if rows.given_of_cell[b, cell, 0] >= 0 else 0
    for later in range(cell + 1, tables.num_cells[b]):
        if tables.cells[b, later, 0] != part:
            break
        if rows.given_of_cell[b, later, 0] < 0:
            continue
        then = tables.cells[b, later, 1]
        if numbers[AHEAD] == 0:
            numbers[AHEAD] = min(then - bar, GIVEN_HERE - 1)
        for number in range(len(BARS_AHEAD)):
            if then - bar == BARS_AHEAD[number]:
                rows.ahead[b, number] = later
        if rows.ahead[b, ECHO - FIRST_AHEAD] < 0 and tables.source[b, then] == bar:
            rows.ahead[b, ECHO - FIRST_AHEAD] = later


@borrowing
def tell_half_bars(b: int, bar: int, cell: int, tables: PlanTables, rows: PartRows, flags: Bytes) -> None:
    """Sets the flags of what is heard in the half bar of a cell and in the next half bar, flags [F]."""
    cells = tables.bar_ticks[b, bar] // CELL_TICKS
    half = (cells + 1) // 2
    if cell < half:
        _tell_span(b, bar, 0, half, rows, flags[HALF_BAR:NEXT_HALF_BAR])
        _tell_span(b, bar, half, cells, rows, flags[NEXT_HALF_BAR:])
        return
    _tell_span(b, bar, half, cells, rows, flags[HALF_BAR:NEXT_HALF_BAR])
    if bar + 1 < tables.num_bars[b]:
        _tell_span(b, bar + 1, 0, (tables.bar_ticks[b, bar + 1] // CELL_TICKS + 1) // 2, rows, flags[NEXT_HALF_BAR:])


@borrowing
def _tell_span(b: int, bar: int, start: int, stop: int, rows: PartRows, flags: Bytes) -> None:
    """Sets flags, [12], of the pitch classes that are heard in some cells of a bar."""
    for pitch_class in range(12):
        for cell in range(start, stop):
            if rows.sounding[b, pitch_class, bar, cell]:
                flags[pitch_class] = 1
                break
