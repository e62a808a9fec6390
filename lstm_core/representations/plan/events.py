"""Plans <-> K parallel integer streams.

The events of a plan are, in this order:

    PART      one for each part: role, program; after the last one END_PARTS
    FORM      one for each bar: which bar it repeats, how, and which section begins
    CONTENT   one for each bar that is not the same as its source: chords, energy, who plays, who copies the source

Bars that repeat their source as it is, or transposed, have the content of that source.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.notes.score import Meter, bar_starts
from lstm_core.representations.plan.layout import (
    EXACT,
    MAX_BACK,
    MAX_LETTERS,
    MAX_PARTS,
    NEW,
    NO_CHORD,
    NO_SOURCE,
    NUM_CHORDS,
    NUM_ENERGIES,
    NUM_QUALITIES,
    TRANSPOSED,
    VARIED,
    Ints,
    Plan,
    moved_chord,
)
from lstm_core.representations.representation import EventArray, Stream

REPRESENTATION = "plan-1"  # a change of anything below is a new representation

END_PARTS = 6  # value of the first stream after the last part; below it are roles
FIRST_BACK = 7  # a bar that repeats none; one that repeats the bar before is FIRST_BACK + 1
FIRST_CHORD = FIRST_BACK + MAX_BACK + 1  # of the first stream
FIRST_RELATION = 129  # of the second stream, after the programs: new, exact, varied, transposed by -12, ..., 12
NUM_RELATIONS = 3 + 25
FIRST_SECOND_CHORD = FIRST_RELATION + NUM_RELATIONS  # the same as the first, then the values of chords
FIRST_BASS = 1 + MAX_LETTERS  # of the third stream, after the sections: semitones of the bass above the root
HALF = 6  # parts that one stream of bits holds
_BITS = (1 << HALF) - 1

STREAMS = (
    Stream("first", FIRST_CHORD + NUM_CHORDS),
    Stream("second", FIRST_SECOND_CHORD + 1 + NUM_CHORDS),
    Stream("third", FIRST_BASS + 12),
    Stream("second_bass", 12),
    Stream("energy", NUM_ENERGIES),
    Stream("active", 1 << HALF),
    Stream("active_more", 1 << HALF),
    Stream("copied", 1 << HALF),
    Stream("copied_more", 1 << HALF),
)
FIRST, SECOND, THIRD, SECOND_BASS, ENERGY, ACTIVE, ACTIVE_MORE, COPIED, COPIED_MORE = range(len(STREAMS))
assert MAX_PARTS == 2 * HALF

# Codes of relations, from FIRST_RELATION on: transposed by s semitones is NO_SHIFT_CODE + s.
NEW_CODE, EXACT_CODE, VARIED_CODE, FIRST_TRANSPOSED_CODE = range(4)
NO_SHIFT_CODE = FIRST_TRANSPOSED_CODE + 12
_CODE_OF_RELATION = {NEW: NEW_CODE, EXACT: EXACT_CODE, VARIED: VARIED_CODE}
_RELATION_OF_CODE = (NEW, EXACT, VARIED)


def spell_plan(plan: Plan) -> EventArray:
    """Events of a plan: uint16 [T, 9]."""
    rows: list[tuple[int, ...]] = [
        (int(role), int(program)) for role, program in zip(plan.roles, plan.programs, strict=True)
    ]
    rows.append((END_PARTS,))
    for bar in range(plan.num_bars):
        relation = int(plan.relation[bar])
        code = _CODE_OF_RELATION.get(relation, NO_SHIFT_CODE + int(plan.shift[bar]))
        back = 0 if plan.source[bar] == NO_SOURCE else bar - int(plan.source[bar])
        rows.append((FIRST_BACK + back, FIRST_RELATION + code, int(plan.section[bar])))
    for bar in np.flatnonzero((plan.relation == NEW) | (plan.relation == VARIED)).tolist():
        rows.append(_content(plan, bar))
    events = np.zeros((len(rows), len(STREAMS)), dtype=np.uint16)
    for row, values in zip(events, rows, strict=True):
        row[: len(values)] = values
    return events


def read_plan(events: EventArray, bar_ticks: Ints, num_slots: Ints) -> Plan:
    """The plan that events spell, for bars of these lengths and numbers of chords: int64 [N] each.

    Raises:
        ValueError: the events are no plan of so many bars.
    """
    table = events.astype(np.int64)
    num_bars = len(bar_ticks)
    ends = np.flatnonzero(table[:, FIRST] == END_PARTS)
    if len(ends) != 1 or len(table) < ends[0] + 1 + num_bars:
        raise ValueError(f"these events are no plan of {num_bars} bars")
    parts, form = table[: ends[0]], table[ends[0] + 1 : ends[0] + 1 + num_bars]
    contents = table[ends[0] + 1 + num_bars :]
    back, code = form[:, FIRST] - FIRST_BACK, form[:, SECOND] - FIRST_RELATION
    bars = np.arange(num_bars)
    if (back < 0).any() or (back > bars).any() or (code < 0).any() or (code >= NUM_RELATIONS).any():
        raise ValueError("these events are no plan: a bar refers to no earlier bar")
    is_moved = code >= FIRST_TRANSPOSED_CODE
    relation = np.where(is_moved, TRANSPOSED, np.array(_RELATION_OF_CODE)[np.where(is_moved, 0, code)])
    plan = Plan(
        roles=parts[:, FIRST],
        programs=parts[:, SECOND],
        bar_ticks=bar_ticks,
        num_slots=num_slots,
        source=np.where(back == 0, NO_SOURCE, bars - back),
        relation=relation,
        shift=np.where(is_moved, code - NO_SHIFT_CODE, 0),
        section=form[:, THIRD],
        chord=np.zeros((num_bars, 2), dtype=np.int64),
        bass=np.full((num_bars, 2), -1, dtype=np.int64),
        energy=np.zeros(num_bars, dtype=np.int64),
        active=np.zeros(num_bars, dtype=np.int64),
        copied=np.zeros(num_bars, dtype=np.int64),
    )
    written = np.flatnonzero((relation == NEW) | (relation == VARIED))
    if len(written) != len(contents):
        raise ValueError(f"these events are no plan: {len(contents)} bars have a content, {len(written)} need one")
    for bar, row in zip(written.tolist(), contents, strict=True):
        _set_content(plan, bar, row)
    return with_repeats(plan)


def with_repeats(plan: Plan) -> Plan:
    """The plan in which each bar that repeats its source as it is, or transposed, has the content of that source."""
    chord, bass, energy = plan.chord.copy(), plan.bass.copy(), plan.energy.copy()
    active, copied = plan.active.copy(), plan.copied.copy()
    for bar in np.flatnonzero((plan.relation == EXACT) | (plan.relation == TRANSPOSED)).tolist():
        source, up = int(plan.source[bar]), int(plan.shift[bar])
        chord[bar] = moved_chord(chord[source], up)
        bass[bar] = np.where(bass[source] < 0, -1, (bass[source] + up) % 12)
        energy[bar] = energy[source]
        active[bar] = copied[bar] = active[source]
    return replace(plan, chord=chord, bass=bass, energy=energy, active=active, copied=copied)


def content_of(plan: Plan) -> Ints:
    """The content of every bar as an event, also of those that have none of their own: int64 [N, 9]."""
    return np.array([_content(plan, bar) for bar in range(plan.num_bars)], dtype=np.int64).reshape(-1, len(STREAMS))


def num_bars_of(events: EventArray) -> int:
    """Bars of the plan that events spell."""
    first = events[:, FIRST]
    return int(((first >= FIRST_BACK) & (first < FIRST_CHORD)).sum())


def bars_of(meters: tuple[Meter, ...], num_bars: int) -> tuple[Ints, Ints]:
    """Lengths of the first bars, and how many chords each has: int64 [N] twice; see analysis/grid.py."""
    end_tick = meters[-1].tick + num_bars * meters[-1].bar_ticks
    barlines = bar_starts(meters, end_tick)[: num_bars + 1]
    bar_ticks = np.diff(barlines)
    starts = np.array([meter.tick for meter in meters])
    which = np.searchsorted(starts, barlines[:-1], side="right") - 1
    slots = np.array([slots_per_bar(meter) for meter in meters])[which]
    whole = np.array([meter.bar_ticks for meter in meters])[which] == bar_ticks
    return bar_ticks.astype(np.int64), np.where(whole, slots, 1).astype(np.int64)


def _content(plan: Plan, bar: int) -> tuple[int, ...]:
    (first, second), (low_1, low_2) = plan.chord[bar].tolist(), plan.bass[bar].tolist()
    is_same = first == second and low_1 == low_2
    active, copied = int(plan.active[bar]), int(plan.copied[bar])
    return (
        FIRST_CHORD + first,
        FIRST_SECOND_CHORD + (0 if is_same else 1 + second),
        FIRST_BASS + _above(first, low_1),
        0 if is_same else _above(second, low_2),
        int(plan.energy[bar]),
        active & _BITS,
        active >> HALF,
        copied & _BITS,
        copied >> HALF,
    )


def _above(chord: int, bass: int) -> int:
    """Semitones of the bass above the root of a chord, 0 without a chord."""
    return 0 if chord == NO_CHORD or bass < 0 else (bass - (chord - 1) // NUM_QUALITIES) % 12


def _set_content(plan: Plan, bar: int, row: Ints) -> None:
    first, second = int(row[FIRST]) - FIRST_CHORD, int(row[SECOND]) - FIRST_SECOND_CHORD
    if first < 0 or second < 0:
        raise ValueError(f"these events are no plan: bar {bar} has no chord")
    above_1, above_2 = int(row[THIRD]) - FIRST_BASS, int(row[SECOND_BASS])
    if second == 0:
        second, above_2 = first + 1, above_1
    for slot, (chord, above) in enumerate(((first, above_1), (second - 1, above_2))):
        plan.chord[bar, slot] = chord
        plan.bass[bar, slot] = -1 if chord == NO_CHORD else ((chord - 1) // NUM_QUALITIES + above) % 12
    plan.energy[bar] = row[ENERGY]
    plan.active[bar] = row[ACTIVE] | row[ACTIVE_MORE] << HALF
    plan.copied[bar] = row[COPIED] | row[COPIED_MORE] << HALF
