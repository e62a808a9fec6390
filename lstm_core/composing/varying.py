"""Variations of a track: which cells are written anew, more of them the farther the variation is from it.

The cells of a smaller `vary` are among those of a greater one of the same seed: figures first, then the rest of the
accompaniment, the bass and at last the melody, and of each the ends of phrases first. Form and chords stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.analysis.grid import Bools
from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.orders.order import TrackOrder, drawn_number
from lstm_core.representations.plan.layout import NUM_ENERGIES, Plan

OTHER_MANNERS = 0.5  # `vary` above which the manners of the parts are drawn anew
OTHER_ENERGY = 0.75  # `vary` above which sections are louder or softer
_TURN = {FIGURE: 0, HARMONY: 1, COUNTER: 1, DRUM: 1, BASS: 2, MELODY: 3}  # in which roles are written anew
_ENERGY_STEPS = (-2, -1, 1, 2)


def varied_cells(plan: Plan, order: TrackOrder) -> Bools:
    """The cells of a plan that a variation writes anew, with all that copy them: bool [P, N]."""
    vary = order.vary or 0.0
    into, _ = plan.bars_into_section()
    written = plan.played().tolist()
    num_copies = _num_copies(plan)
    ranked = sorted(
        written,
        key=lambda cell: (
            _TURN[int(plan.roles[cell[0]])],
            -(int(into[cell[1]]) % 4),
            drawn_number("vary", order.seed, *cell),
        ),
    )
    total, sofar = sum(num_copies[part, bar] for part, bar in written), 0
    is_new = np.zeros((plan.num_parts, plan.num_bars), dtype=bool)
    for part, bar in ranked:
        if sofar >= vary * total:
            break
        is_new[part, bar] = True
        sofar += num_copies[part, bar]
    for bar in range(plan.num_bars):
        for part in range(plan.num_parts):
            if plan.copied[bar] >> part & 1:
                is_new[part, bar] = is_new[part, plan.source[bar]]
    return is_new


def varied_plan(plan: Plan, order: TrackOrder) -> Plan:
    """The plan of a variation: far from the track its sections are louder and softer, where no order says how loud."""
    if (order.vary or 0.0) <= OTHER_ENERGY or order.energy:
        return plan
    steps = np.array([_ENERGY_STEPS[drawn_number("energy", order.seed, letter) % 4] for letter in range(32)])
    return replace(plan, energy=np.clip(plan.energy + steps[plan.letters()], 0, NUM_ENERGIES - 1))


def has_other_manners(order: TrackOrder) -> bool:
    """Whether the parts of a variation play in other manners than those of its track."""
    return (order.vary or 0.0) > OTHER_MANNERS


def _num_copies(plan: Plan) -> dict[tuple[int, int], int]:
    """How often each written cell sounds, with all that copy it."""
    origin: dict[tuple[int, int], tuple[int, int]] = {}
    count: dict[tuple[int, int], int] = {}
    for bar in range(plan.num_bars):
        for part in range(plan.num_parts):
            if plan.active[bar] >> part & 1:
                is_copy = plan.copied[bar] >> part & 1
                cell = (part, bar)
                origin[cell] = origin.get((part, int(plan.source[bar])), cell) if is_copy else cell
                count[origin[cell]] = count.get(origin[cell], 0) + 1
    return count
