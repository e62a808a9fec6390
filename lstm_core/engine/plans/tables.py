"""The rules and the ensembles of the rows of a batch of plans, as compiled code reads them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstm_core.engine.plans.rules import FREE, NUM_PROGRAMS, NUM_ROLES, Bytes, PlanRules
from lstm_core.foundation.fixed_point import share, sharpness
from lstm_core.representations.plan.events import (
    STREAMS,
)
from lstm_core.representations.plan.layout import (
    MAX_PARTS,
    NUM_CHORDS,
    Ints,
)


class RuleTables(NamedTuple):
    """The rules of B rows; see PlanRules."""

    num_slots: Ints  # [B, N]
    programs: Bytes  # [B, NUM_PROGRAMS]
    wanted: Bytes  # [B, I, NUM_PROGRAMS]
    most_of_program: Ints  # [B, NUM_PROGRAMS]
    numbers: Ints  # [B, NUM_COLUMNS], by the names below
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
    sharp: Ints  # [B, K], see fixed_point.sharpness
    top_p: Ints  # [B, K] in the unit of shares


WANTED, ONLY_WANTED, FEWEST, MOST, ROLES, FEWEST_ROLES, SEED, MAY_YIELD, REQUIRED, MORE_PARTS, NUM_COLUMNS = range(11)


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
        np.full((num_rows, NUM_PROGRAMS), MAX_PARTS, dtype=np.int64),
        np.zeros((num_rows, NUM_COLUMNS), dtype=np.int64),
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
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
    )


def set_rules(tables: RuleTables, b: int, rules: PlanRules) -> None:
    """Puts rules into row b."""
    n, num_wanted = rules.num_bars, len(rules.wanted)
    tables.num_slots[b, :n], tables.programs[b] = rules.num_slots, rules.programs
    tables.wanted[b] = 0
    tables.wanted[b, :num_wanted] = rules.wanted
    tables.most_of_program[b] = MAX_PARTS if rules.most_of_program is None else rules.most_of_program
    tables.numbers[b] = (
        num_wanted, rules.only_wanted, max(rules.fewest_parts, num_wanted, 1), max(rules.most_parts, num_wanted),
        rules.roles, rules.fewest_roles,  rules.seed,
        rules.may_yield, rules.required_roles & rules.roles, rules.more_parts,
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
    tables.sharp[b] = [sharpness(float(temperature)) for temperature in rules.temperature]
    tables.top_p[b] = [share(float(top_p)) for top_p in rules.top_p]


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
