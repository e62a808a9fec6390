"""A track that continues a primer: its plan begins with the primer's, and the primer's notes are locked."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.engine.plans.rules import FREE, PlanRules
from lstm_core.notes.score import DRUMS, Meter
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.note_events import decode_events
from lstm_core.representations.parts.events import BAR, PLACE, spell_parts
from lstm_core.representations.plan.events import FIRST_BASS, SECOND_BASS, THIRD, content_of
from lstm_core.representations.plan.from_score import PlannedScore, is_played, planned_note_for_note
from lstm_core.representations.plan.layout import MAX_PARTS, Ints

BASSES = range(32, 40)  # General MIDI programs whose usual role is the bass


def primer_of(track: PlannedTrack, shift: int) -> PlannedScore | None:
    """Plan and parts of the primer of a track, moved by so many semitones; None without one."""
    if track.primer is None:
        return None
    meter = Meter(tick=0, numerator=track.plan.meter.numerator, denominator=track.plan.meter.denominator)
    return planned_note_for_note(decode_events(track.primer, meters=(meter,)), shift)


def continuing(rules: PlanRules, track: PlannedTrack, shift: int) -> PlanRules:
    """The rules of a plan that begins with that of the track's primer; the same ones where it has none.

    Players that the order names and the primer lacks come after those of the primer, and enter when it is over.
    """
    primer = primer_of(track, shift)
    if primer is None:
        return rules
    plan, n = primer.plan, rules.num_bars
    bars = slice(0, plan.num_bars)

    def begun(values: Ints | None, first: Ints) -> Ints:
        table = np.full((n, *first.shape[1:]), FREE) if values is None else values.copy()
        table[bars] = first
        return table

    content = content_of(plan)
    bass = np.stack([content[:, THIRD] - FIRST_BASS, content[:, SECOND_BASS]], axis=1)
    same = (plan.chord[:, 0] == plan.chord[:, 1]) & (plan.bass[:, 0] == plan.bass[:, 1])
    bass[same, 1] = bass[same, 0]
    nothing = np.zeros(plan.num_bars, dtype=np.int64)
    return replace(
        rules,
        parts=np.concatenate([np.stack([plan.roles, plan.programs], axis=1), _entering(rules, plan.programs)]),
        back=begun(rules.back, nothing),
        relation=begun(rules.relation, nothing),
        section=begun(rules.section, plan.section),
        chord=begun(rules.chord, plan.chord),
        bass=begun(rules.bass, bass),
        energy=begun(rules.energy, plan.energy),
        active=begun(None, plan.active),
        copied=begun(None, nothing),
    )


def _entering(rules: PlanRules, programs: Ints) -> Ints:
    """Role and program of the parts of players that are wanted and that no program of a primer is: int64 [n, 2]."""
    left, parts = programs.tolist(), []
    for row in rules.wanted.astype(bool):
        found = next((program for program in left if row[program]), None)
        if found is not None:
            left.remove(found)
            continue
        program = int(np.flatnonzero(row)[0])
        usual = DRUM if program == DRUMS else BASS if program in BASSES else HARMONY
        possible = [role for role in (usual, HARMONY, FIGURE, COUNTER, BASS, MELODY) if rules.roles >> role & 1]
        parts.append((possible[0] if possible else usual, program))
    return np.array(parts[: MAX_PARTS - len(programs)], dtype=np.int64).reshape(-1, 2)


def primer_events(track: PlannedTrack, shift: int) -> dict[tuple[int, int], Ints]:
    """Events of each part and bar of the primer, BAR first: int64 [n, K] each."""
    primer = primer_of(track, shift)
    return {} if primer is None else spelled_cells(primer)


def spelled_cells(planned: PlannedScore) -> dict[tuple[int, int], Ints]:
    """Events of each part and bar of some music that is written and not copied, BAR first: int64 [n, K] each."""
    plan, written = planned.plan, is_played(planned)
    if not written.any():
        return {}
    events = spell_parts(planned).astype(np.int64)
    starts = np.flatnonzero(events[:, PLACE] == BAR).tolist()
    cells = np.unique(planned.part[written].astype(np.int64) * plan.num_bars + planned.bar[written]).tolist()
    return {
        divmod(cell, plan.num_bars): events[start:stop]
        for cell, (start, stop) in zip(cells, pairwise(starts), strict=True)
    }
