"""What may be chosen of the parts of a plan: roles and programs, so that all that is wanted can still follow."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.roles import DRUM
from lstm_core.engine.plans.rules import FREE, NUM_PROGRAMS, NUM_ROLES, Bytes
from lstm_core.engine.plans.tables import (
    FEWEST,
    FEWEST_ROLES,
    MOST,
    ONLY_WANTED,
    REQUIRED,
    ROLES,
    WANTED,
    Ensembles,
    RuleTables,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.notes.score import DRUMS
from lstm_core.representations.plan.events import (
    END_PARTS,
    FIRST,
    SECOND,
)
from lstm_core.representations.plan.layout import (
    MAX_PARTS,
    PART_RANK,
    Ints,
)
from lstm_core.representations.plan.steps import (
    PART,
    PlanRows,
)

_RANK = np.array(PART_RANK, dtype=np.int64)


@borrowing
def _parts_of(b: int, num_parts: int, program: int, ensembles: Ensembles) -> int:
    count = 0
    for part in range(num_parts):
        count += 1 if ensembles.programs[b, part] == program else 0
    return count


@borrowing
def _may_have_role(b: int, role: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows) -> bool:
    """Whether a part of a role may come next, so that all that is wanted can still follow."""
    num_parts = rows.numbers[b, PART]
    if not tables.numbers[b, ROLES] >> role & 1:
        return False
    if num_parts > 0 and _RANK[role] < _RANK[ensembles.roles[b, num_parts - 1]]:
        return False
    num_left, waits_for_drums = 0, False
    for i in range(tables.numbers[b, WANTED]):
        if not ensembles.is_used[b, i]:
            num_left += 1
            waits_for_drums |= tables.wanted[b, i, DRUMS] == 1
    if waits_for_drums and _RANK[role] > _RANK[DRUM]:
        return False
    for required in range(NUM_ROLES):  # parts come in the order of their ranks: none that is required is passed by
        is_due = tables.numbers[b, REQUIRED] >> required & 1 and _RANK[role] > _RANK[required]
        if is_due and not of_role(b, required, num_parts, ensembles):
            return False
    if role != DRUM and waits_for_drums and tables.numbers[b, MOST] - num_parts <= 1:
        return False
    for program in range(NUM_PROGRAMS):  # noqa: SIM110 (numba compiles no generators)
        if _may_have_program(b, role, program, tables, ensembles, rows):
            return True
    return False


@borrowing
def _may_have_program(
    b: int, role: int, program: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows
) -> bool:
    """Whether the next part, of this role, may be this program."""
    if (program == DRUMS) != (role == DRUM) or not tables.programs[b, program]:
        return False
    num_parts, num_wanted = rows.numbers[b, PART], tables.numbers[b, WANTED]
    for part in range(num_parts):
        if ensembles.roles[b, part] == role and ensembles.programs[b, part] == program:
            return False
    num_left, serves = 0, False
    for i in range(num_wanted):
        if not ensembles.is_used[b, i]:
            num_left += 1
            serves |= tables.wanted[b, i, program] == 1
    count = _parts_of(b, num_parts, program, ensembles)
    if tables.numbers[b, MOST] - num_parts <= num_left:
        return serves and count == 0
    if tables.numbers[b, ONLY_WANTED]:
        return serves or 0 < count < tables.most_of_program[b, program]
    return True


@borrowing
def allow_parts(
    b: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    num_parts = rows.numbers[b, PART]
    if tables.parts[b, 0, 0] != FREE:
        is_over = num_parts == MAX_PARTS or tables.parts[b, num_parts, 0] == FREE
        if stream == FIRST:
            allowed[END_PARTS if is_over else tables.parts[b, num_parts, 0]] = 1
        else:
            allowed[tables.parts[b, num_parts, 1] if stream == SECOND and not is_over else 0] = 1
        return
    if stream == FIRST:
        some = False
        if num_parts < tables.numbers[b, MOST]:
            for role in range(NUM_ROLES):
                if _may_have_role(b, role, tables, ensembles, rows):
                    allowed[role] = 1
                    some = True
        roles, may_end = 0, num_parts >= min(tables.numbers[b, FEWEST], MAX_PARTS)
        for part in range(num_parts):
            roles |= 1 << ensembles.roles[b, part]
        num_roles = 0
        for role in range(NUM_ROLES):
            num_roles += roles >> role & 1
        may_end = may_end and num_roles >= tables.numbers[b, FEWEST_ROLES]
        may_end = may_end and not tables.numbers[b, REQUIRED] & ~roles
        for i in range(tables.numbers[b, WANTED]):
            may_end = may_end and ensembles.is_used[b, i] == 1
        if may_end or not some:
            allowed[END_PARTS] = 1
    elif stream == SECOND and event[FIRST] != END_PARTS:
        for program in range(NUM_PROGRAMS):
            if _may_have_program(b, event[FIRST], program, tables, ensembles, rows):
                allowed[program] = 1
    else:
        allowed[0] = 1


@borrowing
def of_role(b: int, role: int, num_parts: int, ensembles: Ensembles) -> int:
    """Bits of the parts of a role."""
    bits = 0
    for part in range(num_parts):
        if ensembles.roles[b, part] == role:
            bits |= 1 << part
    return bits
