"""One step of B rows of plans, stream by stream: the choice among what each may choose. Compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.plans.contents import allow_content
from lstm_core.engine.plans.ensembles import allow_parts
from lstm_core.engine.plans.forms import allow_form
from lstm_core.engine.plans.rules import FREE, Bytes
from lstm_core.engine.plans.tables import SEED, WANTED, Ensembles, RuleTables
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, random_word
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.representations.plan.events import (
    ACTIVE,
    ACTIVE_MORE,
    END_PARTS,
    FIRST,
    HALF,
    SECOND,
    STREAMS,
)
from lstm_core.representations.plan.layout import (
    Ints,
)
from lstm_core.representations.plan.steps import (
    CONTENT,
    FINISHED,
    FORM,
    PART,
    PARTS,
    PHASE,
    PlanRows,
)

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)


@njit(cache=True, nogil=True)
def choose_plans(
    stream: int,
    logits: npt.NDArray[np.int32],
    offered: Bytes,
    tables: RuleTables,
    ensembles: Ensembles,
    rows: PlanRows,
    event: Ints,
) -> bool:
    """Sets event[:, stream] of every row that is not finished; False if rules left nothing to choose."""
    size = _SIZES[stream]
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.int64)
    for b in range(logits.shape[0]):
        phase = rows.numbers[b, PHASE]
        if phase == 0 or phase == FINISHED:
            continue
        allowed[:] = 0
        if phase == PARTS:
            allow_parts(b, stream, tables, ensembles, rows, event[b], allowed)
        elif phase == FORM:
            allow_form(b, stream, tables, rows, event[b], allowed)
        else:
            allow_content(b, stream, tables, ensembles, rows, event[b], allowed)
        word = random_word(tables.numbers[b, SEED], ensembles.steps[b], stream)
        drawn = draw(
            logits[b, :size], allowed[:size], offered[b, :size], tables.sharp[b, stream],
            tables.top_p[b, stream], word, scratch,
        )  # fmt: skip
        if drawn < 0:
            return False
        event[b, stream] = drawn
    return True


@borrowing
def note_choice(b: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints) -> None:
    """Remembers what the event of a row, not yet passed, chose."""
    ensembles.steps[b] += 1
    phase = rows.numbers[b, PHASE]
    if phase == PARTS and event[FIRST] != END_PARTS:
        part = rows.numbers[b, PART]
        ensembles.roles[b, part], ensembles.programs[b, part] = event[FIRST], event[SECOND]
        ensembles.serves[b, part] = FREE
        for earlier in range(part):
            if ensembles.programs[b, earlier] == event[SECOND]:
                ensembles.serves[b, part] = ensembles.serves[b, earlier]
                return
        for i in range(tables.numbers[b, WANTED]):
            if tables.wanted[b, i, event[SECOND]] and not ensembles.is_used[b, i]:
                ensembles.is_used[b, i] = 1
                ensembles.serves[b, part] = i
                break
    elif phase == CONTENT:
        ensembles.played[b] |= event[ACTIVE] | event[ACTIVE_MORE] << HALF
