"""One step of B rows of plans, stream by stream: the choice among what each may choose. Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import DRUM, MELODY
from lstm_core.engine.plans.rules import FREE, NUM_PROGRAMS, NUM_ROLES, Bytes, PlanRules
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, uniform
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.notes.score import DRUMS
from lstm_core.representations.plan.events import (
    ACTIVE,
    ACTIVE_MORE,
    COPIED,
    COPIED_MORE,
    END_PARTS,
    ENERGY,
    FIRST,
    FIRST_BACK,
    FIRST_BASS,
    FIRST_CHORD,
    FIRST_RELATION,
    FIRST_SECOND_CHORD,
    HALF,
    NUM_RELATIONS,
    SECOND,
    SECOND_BASS,
    STREAMS,
    THIRD,
)
from lstm_core.representations.plan.layout import (
    MAX_BACK,
    MAX_LETTERS,
    MAX_PARTS,
    NO_CHORD,
    NUM_CHORDS,
    NUM_ENERGIES,
    NUM_QUALITIES,
    PART_RANK,
    Ints,
)
from lstm_core.representations.plan.steps import (
    BAR,
    CONTENT,
    FINISHED,
    FORM,
    NUM_BARS,
    NUM_LETTERS,
    PART,
    PARTS,
    PHASE,
    PlanRows,
)

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)
_RANK = np.array(PART_RANK, dtype=np.int64)
_NEW, _EXACT, _VARIED, _NO_SHIFT = 0, 1, 2, 15  # codes of relations


class RuleTables(NamedTuple):
    """The rules of B rows; see PlanRules."""

    num_slots: Ints  # [B, N]
    programs: Bytes  # [B, NUM_PROGRAMS]
    wanted: Bytes  # [B, I, NUM_PROGRAMS]
    numbers: Ints  # [B, 10], by the names below
    form: Ints  # [B, N, 3]
    chord: Ints  # [B, N, 2]
    bass: Ints  # [B, N, 2]
    energy: Ints  # [B, N]
    roles_in_bar: Ints  # [B, N]
    must_play: Ints  # [B, N]
    fewest_active: Ints  # [B, N]
    most_active: Ints  # [B, N]
    nearest: Ints  # [B, N]
    has_content: Bytes  # [B, N]
    same_chords: Bytes  # [B, N]
    wanted_in_bar: Ints  # [B, N]
    parts: Ints  # [B, MAX_PARTS, 2]
    active: Ints  # [B, N]
    copied: Ints  # [B, N]
    chords: Bytes  # [B, NUM_CHORDS]
    pitch_classes: Bytes  # [B, 12]
    temperature: npt.NDArray[np.float64]  # [B, K]
    top_p: npt.NDArray[np.float64]  # [B, K]


WANTED, ONLY_WANTED, FEWEST, MOST, ROLES, FEWEST_ROLES, MAY_TRANSPOSE, SEED, MAY_YIELD, REQUIRED = range(10)


class Ensembles(NamedTuple):
    """The parts that B rows have chosen."""

    roles: Ints  # [B, MAX_PARTS]
    programs: Ints  # [B, MAX_PARTS]
    is_used: Bytes  # [B, I] 1 for wanted instruments that some part plays
    serves: Ints  # [B, MAX_PARTS] the wanted instrument that each part is, FREE for none
    played: Ints  # [B] bits of the parts that have played in some bar
    steps: Ints  # [B] events so far


def make_rule_tables(num_rows: int, num_bars: int, num_wanted: int) -> RuleTables:
    """Tables without rules."""
    n = num_bars
    return RuleTables(
        np.ones((num_rows, n), dtype=np.int64),
        np.ones((num_rows, NUM_PROGRAMS), dtype=np.uint8),
        np.zeros((num_rows, num_wanted, NUM_PROGRAMS), dtype=np.uint8),
        np.zeros((num_rows, 10), dtype=np.int64),
        np.full((num_rows, n, 3), FREE, dtype=np.int64),
        np.full((num_rows, n, 2), FREE, dtype=np.int64),
        np.full((num_rows, n, 2), FREE, dtype=np.int64),
        np.full((num_rows, n), FREE, dtype=np.int64),
        np.full((num_rows, n), (1 << NUM_ROLES) - 1, dtype=np.int64),
        np.zeros((num_rows, n), dtype=np.int64),
        np.zeros((num_rows, n), dtype=np.int64),
        np.full((num_rows, n), 100, dtype=np.int64),
        np.zeros((num_rows, n), dtype=np.int64),
        np.zeros((num_rows, n), dtype=np.uint8),
        np.zeros((num_rows, n), dtype=np.uint8),
        np.full((num_rows, n), -1, dtype=np.int64),
        np.full((num_rows, MAX_PARTS, 2), FREE, dtype=np.int64),
        np.full((num_rows, n), FREE, dtype=np.int64),
        np.full((num_rows, n), FREE, dtype=np.int64),
        np.ones((num_rows, NUM_CHORDS), dtype=np.uint8),
        np.ones((num_rows, 12), dtype=np.uint8),
        np.ones((num_rows, len(STREAMS))),
        np.ones((num_rows, len(STREAMS))),
    )


def set_rules(tables: RuleTables, b: int, rules: PlanRules) -> None:
    """Puts rules into row b."""
    n, num_wanted = rules.num_bars, len(rules.wanted)
    tables.num_slots[b, :n], tables.programs[b] = rules.num_slots, rules.programs
    tables.wanted[b] = 0
    tables.wanted[b, :num_wanted] = rules.wanted
    tables.numbers[b] = (
        num_wanted, rules.only_wanted, max(rules.fewest_parts, num_wanted, 1), max(rules.most_parts, num_wanted),
        rules.roles, rules.fewest_roles, rules.may_transpose, rules.seed,
        rules.may_yield, rules.required_roles & rules.roles,
    )  # fmt: skip
    for column, values in enumerate((rules.back, rules.relation, rules.section)):
        tables.form[b, :n, column] = FREE if values is None else values
    for table, given, otherwise in (
        (tables.chord, rules.chord, FREE),
        (tables.bass, rules.bass, FREE),
        (tables.energy, rules.energy, FREE),
        (tables.roles_in_bar, rules.roles_in_bar, (1 << NUM_ROLES) - 1),
        (tables.must_play, rules.must_play, 0),
        (tables.fewest_active, rules.fewest_active, 0),
        (tables.most_active, rules.most_active, 100),
        (tables.nearest, rules.nearest, 0),
        (tables.has_content, rules.has_content, 0),
        (tables.same_chords, rules.same_chords, 0),
        (tables.wanted_in_bar, rules.wanted_in_bar, -1),
        (tables.active, rules.active, FREE),
        (tables.copied, rules.copied, FREE),
    ):
        table[b, :n] = otherwise if given is None else given
    tables.parts[b] = FREE
    if rules.parts is not None:
        tables.parts[b, : len(rules.parts)] = rules.parts
    tables.chords[b], tables.pitch_classes[b] = rules.chords, rules.pitch_classes
    tables.temperature[b], tables.top_p[b] = rules.temperature, rules.top_p


def make_ensembles(num_rows: int, num_wanted: int) -> Ensembles:
    """Rows without parts."""
    shape = (num_rows, MAX_PARTS)
    return Ensembles(
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros((num_rows, num_wanted), dtype=np.uint8),
        np.full(shape, FREE, dtype=np.int64),
        np.zeros(num_rows, dtype=np.int64),
        np.zeros(num_rows, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def choose_plans(
    stream: int,
    logits: npt.NDArray[np.float32],
    offered: Bytes,
    tables: RuleTables,
    ensembles: Ensembles,
    rows: PlanRows,
    event: Ints,
) -> bool:
    """Sets event[:, stream] of every row that is not finished; False if rules left nothing to choose."""
    size = _SIZES[stream]
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.float64)
    for b in range(logits.shape[0]):
        phase = rows.numbers[b, PHASE]
        if phase == 0 or phase == FINISHED:
            continue
        allowed[:] = 0
        if phase == PARTS:
            _allow_parts(b, stream, tables, ensembles, rows, event[b], allowed)
        elif phase == FORM:
            _allow_form(b, stream, tables, rows, event[b], allowed)
        else:
            _allow_content(b, stream, tables, ensembles, rows, event[b], allowed)
        number = uniform(tables.numbers[b, SEED], ensembles.steps[b], stream)
        drawn = draw(
            logits[b, :size], allowed[:size], offered[b, :size], tables.temperature[b, stream],
            tables.top_p[b, stream], number, scratch,
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


@borrowing
def _has_program(b: int, num_parts: int, program: int, ensembles: Ensembles) -> bool:
    for part in range(num_parts):  # noqa: SIM110 (numba compiles no generators)
        if ensembles.programs[b, part] == program:
            return True
    return False


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
        if is_due and not _of_role(b, required, num_parts, ensembles):
            return False
    if role != DRUM and waits_for_drums and tables.numbers[b, MOST] - num_parts <= 1:
        return False
    for program in range(NUM_PROGRAMS):  # noqa: SIM110
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
    is_known = _has_program(b, num_parts, program, ensembles)
    if tables.numbers[b, MOST] - num_parts <= num_left:
        return serves and not is_known
    if tables.numbers[b, ONLY_WANTED]:
        return serves or is_known
    return True


@borrowing
def _allow_parts(
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
def _allow_form(b: int, stream: int, tables: RuleTables, rows: PlanRows, event: Ints, allowed: Bytes) -> None:
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
        if forced != FREE and (forced == _NEW or not tables.numbers[b, MAY_YIELD]):
            allowed[FIRST_RELATION + forced] = 1
        elif forced != FREE:
            whole = _may_be_whole(b, bar, bar - back, tables)
            whole = whole and (forced == _EXACT or tables.numbers[b, MAY_TRANSPOSE] == 1)
            allowed[FIRST_RELATION + (forced if whole else _VARIED)] = 1
        elif back == 0:
            allowed[FIRST_RELATION + _NEW] = 1
        else:
            allowed[FIRST_RELATION + _VARIED] = 1
            if not _may_be_whole(b, bar, bar - back, tables):
                return
            allowed[FIRST_RELATION + _EXACT] = 1
            if tables.numbers[b, MAY_TRANSPOSE]:
                for code in range(3, NUM_RELATIONS):
                    allowed[FIRST_RELATION + code] = 1 if code != _NO_SHIFT else 0
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
def _allow_bass(b: int, first: int, chord: int, tables: RuleTables, allowed: Bytes) -> None:
    """Sets which semitones above the root of a chord the bass may have, from allowed[first] on."""
    allowed[first] = 1
    if chord == NO_CHORD:
        return
    for above in range(1, 12):
        if tables.pitch_classes[b, ((chord - 1) // NUM_QUALITIES + above) % 12]:
            allowed[first + above] = 1


@borrowing
def _allow_content(
    b: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    bar = rows.numbers[b, BAR]
    if stream <= SECOND_BASS and tables.same_chords[b, bar] and rows.form[b, bar, 0] > 0:
        allowed[rows.contents[b, bar - rows.form[b, bar, 0], stream]] = 1
    elif stream == FIRST:
        if tables.chord[b, bar, 0] != FREE:
            allowed[FIRST_CHORD + tables.chord[b, bar, 0]] = 1
        else:
            _allow_chords(b, FIRST_CHORD, tables, allowed)
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
        _allow_active(b, bar, stream, tables, ensembles, rows, event, allowed)
    else:
        _allow_copied(b, bar, stream, tables, ensembles, rows, event, allowed)


@borrowing
def _allow_active(
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
                of_role = _of_role(b, role, num_parts, ensembles) & may
                if of_role and not (total | rest) & of_role:
                    is_enough = False
        if is_enough:
            allowed[bits] = 1
            some = True
    if not some:  # numbers of parts give way to parts that must play
        for bits in range(1 << HALF):
            if not (bits << offset) & ~may and not (must >> offset & ((1 << HALF) - 1)) & ~bits:
                allowed[bits] = 1


@borrowing
def _of_role(b: int, role: int, num_parts: int, ensembles: Ensembles) -> int:
    """Bits of the parts of a role."""
    bits = 0
    for part in range(num_parts):
        if ensembles.roles[b, part] == role:
            bits |= 1 << part
    return bits


@borrowing
def _is_last_chance(b: int, bar: int, role: int, serves: int, tables: RuleTables, rows: PlanRows) -> bool:
    """Whether no later bar with a content of its own may have a part of this role and wanted instrument."""
    for later in range(bar + 1, rows.numbers[b, NUM_BARS]):
        code = rows.form[b, later, 1]
        is_wanted = serves < 0 or tables.wanted_in_bar[b, later] >> serves & 1
        if code in (_NEW, _VARIED) and tables.roles_in_bar[b, later] >> role & 1 and is_wanted:
            return False
    return True


@borrowing
def _allow_copied(
    b: int, bar: int, stream: int, tables: RuleTables, ensembles: Ensembles, rows: PlanRows, event: Ints, allowed: Bytes
) -> None:
    """Sets which parts may copy the source: some that play in both, and harmony only under the same chords."""
    if rows.form[b, bar, 1] != _VARIED:
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
        if not is_whole:
            allowed[bits] = 1
