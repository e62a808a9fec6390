"""One step of B rows of parts, stream by stream: the choice among what each may choose. Compiled.

What is promised is masked: the bass has its note of the plan whenever the chord changes, harmony and figures play tones
of the chord on beats, pitches keep to scale and range, and the last chord is the last.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.parts.bars import allow_bar
from lstm_core.engine.parts.durations import allow_durations
from lstm_core.engine.parts.pitches import set_pitches
from lstm_core.engine.parts.places import allow_places
from lstm_core.engine.parts.rules import (
    SEED,
    Bytes,
    PartRuleTables,
)
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, random_word
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.foundation.fixed_point import ALL_SHARES
from lstm_core.representations.parts.events import (
    BAR,
    DURATION,
    PITCH,
    PLACE,
    STREAMS,
)
from lstm_core.representations.parts.tables import CELL, FINISHED, IN_BAR, STEP, PartRows, PlanTables
from lstm_core.representations.plan.layout import Ints

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)


@njit(cache=True, nogil=True)
def choose_parts(
    stream: int,
    logits: npt.NDArray[np.int32],
    offered: Bytes,
    rules: PartRuleTables,
    tables: PlanTables,
    rows: PartRows,
    event: Ints,
) -> bool:
    """Sets event[:, stream] of every row that is not finished; False if rules left nothing to choose."""
    size = _SIZES[stream]
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.int64)
    for b in range(logits.shape[0]):
        if rows.numbers[b, FINISHED] or tables.num_bars[b] == 0:
            continue
        locked = _locked_event(b, stream, rows, event[b])
        if locked >= 0:
            event[b, stream] = rows.given[b, locked, stream]
            continue
        allowed[:] = 0
        if stream == PLACE:
            allow_places(b, rules, tables, rows, allowed)
        elif event[b, PLACE] == BAR:
            allow_bar(b, stream, rules, tables, rows, event[b], allowed)
        elif stream == PITCH:
            set_pitches(b, event[b, PLACE], rules, tables, rows, allowed, True)
        elif stream == DURATION:
            allow_durations(b, rules, tables, rows, event[b], allowed)
        else:
            allowed[1:size] = 1
        word = random_word(rules.numbers[b, SEED], rows.numbers[b, STEP], stream)
        # How dense a bar is is drawn from all that may be: a nucleus would cut off the densest and the sparsest.
        sharp, top_p = rules.sharp[b, stream], rules.top_p[b, stream]
        if stream > PLACE and event[b, PLACE] == BAR:
            top_p = ALL_SHARES
        drawn = draw(logits[b, :size], allowed[:size], offered[b, :size], sharp, top_p, word, scratch)
        if drawn < 0:
            return False
        event[b, stream] = drawn
    return True


@borrowing
def _locked_event(b: int, stream: int, rows: PartRows, event: Ints) -> int:
    """Number of the locked event that comes next in a row, -1 for none."""
    numbers = rows.numbers[b]
    cell, first = numbers[CELL], -1
    if cell >= 0:
        first, stop = rows.given_of_cell[b, cell, 0], rows.given_of_cell[b, cell, 1]
        if first >= 0 and first + 1 + numbers[IN_BAR] < stop:
            return int(first + 1 + numbers[IN_BAR])
    is_over = cell < 0 or first >= 0 or (stream > PLACE and event[PLACE] == BAR)
    if is_over and cell + 1 < rows.given_of_cell.shape[1]:
        return int(rows.given_of_cell[b, cell + 1, 0])
    return -1
