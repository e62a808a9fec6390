"""A track of which something is made again: the plan and the notes that stay, and the cells that are written anew.

A cell is a part in a bar. What stays is locked, so that what is written anew is written to it; in the end it stands
there note for note, whatever bounds the new notes have to keep.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lstm_core.analysis.grid import Bools
from lstm_core.analysis.roles import ROLES
from lstm_core.composing.continuing import spelled_cells
from lstm_core.composing.varying import varied_cells, varied_plan
from lstm_core.composing.voices import beside
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.instruments import instrument_name, parse_instrument
from lstm_core.notes.score import DRUMS, NoteArray, tidy
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.asked import is_remade, parse_bars
from lstm_core.representations.plan.from_score import PlannedScore
from lstm_core.representations.plan.layout import NEW, NO_SOURCE, VARIED, Ints, Plan


@dataclass(frozen=True, kw_only=True, eq=False)
class Staying:
    """What a track has of the one that it starts from."""

    plan: Plan  # of the new track
    notes: NoteArray  # that stay, in the key of the track
    is_new: Bools  # cells that are written anew: [P, N]

    def has(self, notes: NoteArray) -> Bools:
        """Which notes of a take stand in cells that stay: bool [N]."""
        bar = np.minimum(notes["onset"] // self.plan.bar_ticks[0], self.plan.num_bars - 1)
        found: Bools = ~self.is_new[notes["part"], bar]
        return found


def staying(track: PlannedTrack) -> Staying | None:
    """What stays of the track that another one starts from; None where nothing is made again of one.

    Raises:
        OrderError: it has no such part, or nothing plays in the bars and parts that are named.
    """
    order, source = track.order, track.source
    if source is None or not is_remade(order):
        return None
    is_new = _named_cells(order, source.plan) if order.vary is None else varied_cells(source.plan, order)
    bar = np.minimum(source.notes["onset"] // source.plan.bar_ticks[0], source.plan.num_bars - 1)
    notes = source.notes[~is_new[source.notes["part"], bar]]
    return Staying(plan=_plan_again(source.plan, is_new, notes, order), notes=notes, is_new=is_new)


def locked_events(stays: Staying, shift: int) -> dict[tuple[int, int], Ints]:
    """Events of each cell that stays and is not copied, BAR first: int64 [n, K] each."""
    notes, plan = stays.notes.copy(), stays.plan
    moved = notes["pitch"] + np.where(notes["program"] == DRUMS, 0, shift)
    notes["pitch"] = np.where(moved < 0, moved + 12, np.where(moved > 127, moved - 12, moved))
    notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    barlines = np.concatenate([[0], np.cumsum(plan.bar_ticks)])
    bar = np.minimum(notes["onset"] // plan.bar_ticks[0], plan.num_bars - 1).astype(np.int64)
    part = notes["part"].astype(np.int64)
    return spelled_cells(PlannedScore(plan=plan, notes=notes, part=part, bar=bar, barlines=barlines, num_left_out=0))


def with_staying(notes: NoteArray, stays: Staying, polyphony: int) -> NoteArray:
    """The notes of a take with those that stay, as they are, in place of all that stands in their cells.

    A new note that has no place beside them is left out, and with it those that copy it.
    """
    new = notes[~stays.has(notes)]
    fitting = beside(new, stays.notes, polyphony, stays.plan.roles)
    written = _written_notes(fitting, stays.plan)
    left_out = Counter(_written_notes(new, stays.plan)) - Counter(written)
    fitting = fitting[[note not in left_out for note in written]]
    return tidy(np.concatenate([stays.notes, fitting]))


def _written_notes(notes: NoteArray, plan: Plan) -> list[tuple[int, ...]]:
    """Part, bar, place and pitch of the note that each note is, or is a copy of."""
    origin = np.tile(np.arange(plan.num_bars), (plan.num_parts, 1))  # bar that each cell is copied from, or its own
    for bar in np.flatnonzero(plan.copied).tolist():
        for part in range(plan.num_parts):
            if plan.copied[bar] >> part & 1:
                origin[part, bar] = origin[part, plan.source[bar]]
    onset, bar_ticks = notes["onset"].astype(np.int64), plan.bar_ticks[0]
    bars = np.minimum(onset // bar_ticks, plan.num_bars - 1)
    columns = (notes["part"], origin[notes["part"], bars], onset % bar_ticks, notes["pitch"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _named_cells(order: TrackOrder, plan: Plan) -> Bools:
    """The cells that an order names in which something plays: bool [P, N].

    Raises:
        OrderError: there is no such part, or none.
    """
    named = np.zeros((plan.num_parts, plan.num_bars), dtype=bool)
    parts = _named_parts(order, plan) if order.parts else list(range(plan.num_parts))
    for bars in parse_bars(order.bars) if order.bars else (range(plan.num_bars),):
        for part in parts:
            named[part, bars.start : bars.stop] = True
    named &= _plays(plan)
    if not named.any():
        raise OrderError(
            f"from is {order.from_track}, in which nothing plays that bars and parts name: "
            f"bars {order.bars or 'all'}, {', '.join(order.parts) or 'all parts'}. Name others."
        )
    return named


def _named_parts(order: TrackOrder, plan: Plan) -> list[int]:
    """Numbers of the parts that an order names, by their role or else by their instrument."""
    roles, found = [ROLES[role] for role in plan.roles.tolist()], set()
    for name in order.parts:
        own = [part for part, role in enumerate(roles) if role == name.strip().lower()]
        if not own:
            try:
                programs = parse_instrument(name)[0]
            except ValueError:
                programs = ()
            own = [part for part, program in enumerate(plan.programs.tolist()) if program in programs]
        if not own:
            there = [
                f"{instrument_name(program)} ({roles[part]})" for part, program in enumerate(plan.programs.tolist())
            ]
            raise OrderError(
                f'parts names "{name}", which track {order.from_track} does not have. It has {", ".join(there)}: write '
                "instruments or roles."
            )
        found.update(own)
    return sorted(found)


def _plays(plan: Plan) -> Bools:
    """Which parts play in which bars: bool [P, N]."""
    found: Bools = plan.active[None] >> np.arange(plan.num_parts)[:, None] & 1 == 1
    return found


def _plan_again(plan: Plan, is_new: Bools, notes: NoteArray, order: TrackOrder) -> Plan:
    """The plan of a track some cells of which are made again: a cell is copied if its source is of its kind.

    So bars that copied a changed one keep what they had, and new ones copy new ones alone.
    """
    bits = np.int64(1) << np.arange(plan.num_parts)[:, None]
    sounds = is_new.copy()  # what stays plays where it has notes: bounds may have taken some
    sounds[notes["part"], np.minimum(notes["onset"] // plan.bar_ticks[0], plan.num_bars - 1)] = True
    source = np.maximum(plan.source, 0)
    copies = plan.copied[None] >> np.arange(plan.num_parts)[:, None] & 1 == 1
    copies &= sounds & (is_new == is_new[:, source]) & sounds[:, source]
    active, copied = (bits * sounds).sum(axis=0), (bits * copies).sum(axis=0)
    is_whole = (copied == active) & (active == active[source]) & (plan.relation != VARIED)
    changed = np.where(copied == 0, NEW, np.where(is_whole, plan.relation, VARIED))
    relation = np.where((active == plan.active) & (copied == plan.copied), plan.relation, changed)
    again = replace(
        plan,
        active=active,
        copied=copied,
        relation=relation,
        source=np.where(relation == NEW, NO_SOURCE, plan.source),
        shift=np.where(relation == NEW, 0, plan.shift),
    )
    return again if order.vary is None else varied_plan(again, order)
