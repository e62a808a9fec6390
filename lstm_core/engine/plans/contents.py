"""What may be chosen of the content of a bar: chords, basses, energy, who plays and who copies."""

from __future__ import annotations

from lstm_core.analysis.roles import DRUM, MELODY
from lstm_core.engine.plans.ensembles import of_role
from lstm_core.engine.plans.rules import FREE, NUM_ROLES, OTHER_CHORDS, SAME_CHORDS, Bytes
from lstm_core.engine.plans.tables import Ensembles, RuleTables
from lstm_core.foundation.compiling import borrowing
from lstm_core.representations.plan.events import (
    ACTIVE,
    ACTIVE_MORE,
    COPIED,
    COPIED_MORE,
    ENERGY,
    FIRST,
    FIRST_BASS,
    FIRST_CHORD,
    FIRST_SECOND_CHORD,
    HALF,
    NEW_CODE,
    SECOND,
    SECOND_BASS,
    THIRD,
    VARIED_CODE,
)
from lstm_core.representations.plan.layout import (
    NO_CHORD,
    NUM_CHORDS,
    NUM_ENERGIES,
    NUM_QUALITIES,
    Ints,
)
from lstm_core.representations.plan.steps import (
    BAR,
    NUM_BARS,
    PART,
    PlanRows,
)


@borrowing
def _allow_chords(b: int, first: int, tables: RuleTables, allowed: Bytes) -> None:
    """Sets what may be chosen of the chords from allowed[first] on."""
    some = False
    for chord in range(1, NUM_CHORDS):
        if tables.chords[b, chord]:
            allowed[first + chord] = 1
            some = True
    if not some:
        allowed[first + NO_CHORD] = 1


@borrowing
def _leave_out(value: int, allowed: Bytes) -> None:
    """Leaves one value out, if another one is left."""
    some = False
    for other in range(len(allowed)):
        some = some or (other != value and allowed[other] == 1)
    if some:
        allowed[value] = 0


@borrowing
def _allow_bass(b: int, first: int, chord: int, tables: RuleTables, allowed: Bytes) -> None:
    """Sets which semitones above the root of a chord the bass may have, from allowed[first] on."""
    allowed[first] = 1
    if chord == NO_CHORD:
        return
    for above in range(1, 12):
        if tables.pitch_classes[b, ((chord - 1) // NUM_QUALITIES + above) % 12]:
            allowed[first + above] = 1


@borrowing
def allow_content(
    b: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    bar = rows.numbers[b, BAR]
    back = rows.form[b, bar, 0]
    if stream <= SECOND_BASS and tables.same_chords[b, bar] == SAME_CHORDS and back > 0:
        allowed[rows.contents[b, bar - back, stream]] = 1
    elif stream == FIRST:
        if tables.chord[b, bar, 0] != FREE:
            allowed[FIRST_CHORD + tables.chord[b, bar, 0]] = 1
        else:
            _allow_chords(b, FIRST_CHORD, tables, allowed)
            if tables.same_chords[b, bar] == OTHER_CHORDS and back > 0 and tables.num_slots[b, bar] < 2:
                _leave_out(rows.contents[b, bar - back, FIRST], allowed)
    elif stream == SECOND:
        forced = tables.chord[b, bar, 1]
        first = event[FIRST] - FIRST_CHORD
        if tables.num_slots[b, bar] < 2 or (forced == first and tables.bass[b, bar, 0] == tables.bass[b, bar, 1]):
            allowed[FIRST_SECOND_CHORD] = 1
        elif forced != FREE:
            allowed[FIRST_SECOND_CHORD + 1 + forced] = 1
        else:
            allowed[FIRST_SECOND_CHORD] = 1
            _allow_chords(b, FIRST_SECOND_CHORD + 1, tables, allowed)
            is_other = tables.same_chords[b, bar] == OTHER_CHORDS and back > 0
            if is_other and event[FIRST] == rows.contents[b, bar - back, FIRST]:
                _leave_out(rows.contents[b, bar - back, SECOND], allowed)
    elif stream == THIRD:
        if tables.bass[b, bar, 0] != FREE:
            allowed[FIRST_BASS + tables.bass[b, bar, 0]] = 1
        else:
            _allow_bass(b, FIRST_BASS, event[FIRST] - FIRST_CHORD, tables, allowed)
    elif stream == SECOND_BASS:
        if event[SECOND] == FIRST_SECOND_CHORD:
            allowed[0] = 1
        elif tables.bass[b, bar, 1] != FREE:
            allowed[tables.bass[b, bar, 1]] = 1
        else:
            _allow_bass(b, 0, event[SECOND] - FIRST_SECOND_CHORD - 1, tables, allowed)
    elif stream == ENERGY:
        forced = tables.energy[b, bar]
        for energy in range(NUM_ENERGIES):
            allowed[energy] = 1 if forced in (FREE, energy) else 0
    elif stream in (ACTIVE, ACTIVE_MORE) and tables.active[b, bar] != FREE:
        allowed[tables.active[b, bar] >> (0 if stream == ACTIVE else HALF) & ((1 << HALF) - 1)] = 1
    elif stream in (ACTIVE, ACTIVE_MORE):
        allow_active(b, bar, stream, tables, ensembles, rows, event, allowed)
    else:
        allow_copied(b, bar, stream, tables, ensembles, rows, event, allowed)


@borrowing
def allow_active(
    b: int, bar: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    """Sets which sets of parts may play in a bar: of roles that may, all whose last chance it is, and at least one."""
    num_parts, offset = rows.numbers[b, PART], 0 if stream == ACTIVE else HALF
    may, must = 0, 0
    for part in range(num_parts):
        role = ensembles.roles[b, part]
        serves = ensembles.serves[b, part]
        if tables.roles_in_bar[b, bar] >> role & 1 and (serves < 0 or tables.wanted_in_bar[b, bar] >> serves & 1):
            may |= 1 << part
            if not ensembles.played[b] >> part & 1 and _is_last_chance(b, bar, role, serves, tables, rows):
                must |= 1 << part
    chosen, some = event[ACTIVE] if stream == ACTIVE_MORE else 0, False
    for bits in range(1 << HALF):
        here = bits << offset
        if here & ~may or (must >> offset & ((1 << HALF) - 1)) & ~bits:
            continue
        total = chosen | here
        rest = 0 if stream == ACTIVE_MORE else may >> HALF << HALF  # what may still come
        count, possible, later, due = 0, 0, 0, 0
        for part in range(num_parts):
            count += total >> part & 1
            possible += may >> part & 1
            later += rest >> part & 1
            due += must >> part & 1
        fewest = max((tables.fewest_active[b, bar] * possible + 50) // 100, 1)
        most = max((tables.most_active[b, bar] * possible + 50) // 100, fewest, due)
        is_enough = count + later >= fewest and count <= most
        for role in range(NUM_ROLES):
            if tables.must_play[b, bar] >> role & 1:
                bits_of_role = of_role(b, role, num_parts, ensembles) & may
                if bits_of_role and not (total | rest) & bits_of_role:
                    is_enough = False
        if is_enough:
            allowed[bits] = 1
            some = True
    if not some:  # numbers of parts give way to parts that must play
        for bits in range(1 << HALF):
            if not (bits << offset) & ~may and not (must >> offset & ((1 << HALF) - 1)) & ~bits:
                allowed[bits] = 1


@borrowing
def _is_last_chance(b: int, bar: int, role: int, serves: int, tables: RuleTables, rows: PlanRows) -> bool:
    """Whether no later bar with a content of its own may have a part of this role and wanted instrument."""
    for later in range(bar + 1, rows.numbers[b, NUM_BARS]):
        code = rows.form[b, later, 1]
        is_wanted = serves < 0 or tables.wanted_in_bar[b, later] >> serves & 1
        if code in (NEW_CODE, VARIED_CODE) and tables.roles_in_bar[b, later] >> role & 1 and is_wanted:
            return False
    return True


@borrowing
def allow_copied(
    b: int, bar: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    """Sets which parts may copy the source: some that play in both, and harmony only under the same chords."""
    if rows.form[b, bar, 1] != VARIED_CODE:
        allowed[0] = 1
        return
    source = rows.contents[b, bar - rows.form[b, bar, 0]]
    same = True
    for k in (FIRST, SECOND, THIRD, SECOND_BASS):
        same = same and source[k] == event[k]
    active = event[ACTIVE] | event[ACTIVE_MORE] << HALF
    may = active & (source[ACTIVE] | source[ACTIVE_MORE] << HALF)
    for part in range(rows.numbers[b, PART]):
        role = ensembles.roles[b, part]
        is_tune = role == MELODY and tables.chord[b, bar, 0] == FREE  # tones of given chords may be outside the scale
        if not same and role != DRUM and not is_tune:
            may &= ~(1 << part)
    offset = 0 if stream == COPIED else HALF
    low = (1 << HALF) - 1
    if tables.copied[b, bar] != FREE:
        allowed[(tables.copied[b, bar] & may) >> offset & low] = 1
        return
    for bits in range(1 << HALF):
        if bits << offset & ~may:
            continue
        copied = bits if stream == COPIED else event[COPIED] | bits << HALF
        is_whole = copied == active if stream == COPIED_MORE else active & ~low == 0 and copied == active
        if not is_whole or active == 0:
            allowed[bits] = 1
