"""What may be chosen of the form of a plan: which bar each bar repeats, how, and where sections begin."""

from __future__ import annotations

from lstm_core.engine.plans.rules import FREE, Bytes
from lstm_core.engine.plans.tables import MAY_YIELD, RuleTables
from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.plan.events import (
    EXACT_CODE,
    FIRST,
    FIRST_BACK,
    FIRST_RELATION,
    NEW_CODE,
    SECOND,
    THIRD,
    VARIED_CODE,
)
from lstm_core.representations.plan.layout import (
    MAX_BACK,
    MAX_LETTERS,
    Ints,
)
from lstm_core.representations.plan.steps import (
    BAR,
    NUM_LETTERS,
    PlanRows,
)


@borrowing
def allow_form(b: int, stream: int, tables: RuleTables, rows: PlanRows, event: Ints, allowed: Bytes) -> None:
    """Sets what FORM may be. No bar repeats another transposed: notes would leave scale, chords and range."""
    bar = rows.numbers[b, BAR]
    forced = tables.form[b, bar, stream] if stream <= THIRD else FREE
    if stream == FIRST:
        if forced != FREE:
            allowed[FIRST_BACK + forced] = 1
            return
        allowed[FIRST_BACK] = 1
        for back in range(1, min(bar - tables.nearest[b, bar], MAX_BACK) + 1):
            allowed[FIRST_BACK + back] = 1
    elif stream == SECOND:
        back = event[FIRST] - FIRST_BACK
        if forced != FREE and (forced == NEW_CODE or not tables.numbers[b, MAY_YIELD]):
            allowed[FIRST_RELATION + forced] = 1
        elif forced != FREE:
            whole = forced == EXACT_CODE and _may_be_whole(b, bar, bar - back, tables)
            allowed[FIRST_RELATION + (EXACT_CODE if whole else VARIED_CODE)] = 1
        elif back == 0:
            allowed[FIRST_RELATION + NEW_CODE] = 1
        else:
            allowed[FIRST_RELATION + VARIED_CODE] = 1
            if _may_be_whole(b, bar, bar - back, tables):
                allowed[FIRST_RELATION + EXACT_CODE] = 1
    elif stream == THIRD:
        if forced != FREE:
            allowed[forced] = 1
        elif bar == 0:
            allowed[1] = 1
        else:
            for section in range(min(rows.numbers[b, NUM_LETTERS] + 1, MAX_LETTERS) + 1):
                allowed[section] = 1
    else:
        allowed[0] = 1


@borrowing
def _may_be_whole(b: int, bar: int, source: int, tables: RuleTables) -> bool:
    """Whether a bar may be the same as another as a whole: only if what is requested of both is the same."""
    if tables.has_content[b, bar] or _differs(tables.energy[b, bar], tables.energy[b, source]):
        return False
    same = tables.roles_in_bar[b, bar] == tables.roles_in_bar[b, source]
    same = same and tables.wanted_in_bar[b, bar] == tables.wanted_in_bar[b, source]
    for slot in range(2):
        same = same and not _differs(tables.chord[b, bar, slot], tables.chord[b, source, slot])
        same = same and not _differs(tables.bass[b, bar, slot], tables.bass[b, source, slot])
    return bool(same)


@borrowing
def _differs(wanted: int, of_source: int) -> bool:
    """Whether a value is wanted that the source need not have."""
    return wanted != FREE and wanted != of_source
