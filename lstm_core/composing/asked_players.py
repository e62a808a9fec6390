"""The players that an order names: the programs that each may be, where they play, and how many roles they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import DRUM
from lstm_core.composing.drawn_schemes import FEWEST_ROLES
from lstm_core.engine.plans.rules import FREE, NUM_PROGRAMS, NUM_ROLES
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.section_fields import for_section, section_ensembles
from lstm_core.orders.sections import PlacedSection, sections_of
from lstm_core.representations.plan.layout import MAX_PARTS, Ints

CHORD_PLAYERS = (*range(8), *range(16, 32), 46, *range(48, 52))  # programs that accompany themselves


def players_of(order: TrackOrder, plan: TrackPlan) -> list[tuple[int, ...]]:
    """The players that an order names, each as the programs that it may be; [] where it names none.

    A player of one program stands before one of a family: a violin is not taken for "strings".

    Raises:
        OrderError: there are more than a plan has parts.
    """
    sections = sections_of(order, plan)
    texts = section_ensembles(order.ensemble)
    players = [tuple(programs) for programs in plan.programs]
    if not sections and "" in texts:
        players = _each(texts[""])
    for placed in sections:
        named = _each(for_section(texts, placed.spec) or ())
        for programs in dict.fromkeys(named):
            players += [programs] * max(named.count(programs) - players.count(programs), 0)
    if len(players) > MAX_PARTS:
        raise OrderError(f"{len(players)} players are asked for, a plan has at most {MAX_PARTS} parts. Name fewer.")
    return sorted(players, key=len)


def _each(players: Iterable[tuple[Sequence[int], int]]) -> list[tuple[int, ...]]:
    """Programs of each single player."""
    return [tuple(programs) for programs, count in players for _ in range(count)]


def wanted_players(
    order: TrackOrder, plan: TrackPlan, sections: tuple[PlacedSection, ...]
) -> tuple[npt.NDArray[np.uint8], Ints]:
    """A row of programs for each player, uint8 [I, NUM_PROGRAMS], and bits of those that each bar may have."""
    players = players_of(order, plan)
    texts = section_ensembles(order.ensemble)
    of_section = [for_section(texts, placed.spec) for placed in sections]
    wanted = np.zeros((len(players), NUM_PROGRAMS), dtype=np.uint8)
    for row, programs in zip(wanted, players, strict=True):
        row[list(programs)] = 1
    in_bar = np.full(plan.num_bars, FREE)
    for placed, named in zip(sections, of_section, strict=True):
        if named is not None:
            left = _each(named)
            bits = 0
            for i, programs in enumerate(players):
                if programs in left:
                    left.remove(programs)
                    bits |= 1 << i
            in_bar[placed.bars] = bits
    return wanted, in_bar


def fewest_roles(wanted: npt.NDArray[np.uint8], roles: int) -> int:
    """Different roles that the parts have at least."""
    num_roles = sum(roles >> role & 1 for role in range(NUM_ROLES))
    if len(wanted) == 0:
        return min(FEWEST_ROLES, num_roles)
    pitched = roles & ~(1 << DRUM)
    num_pitched = sum(pitched >> role & 1 for role in range(NUM_ROLES))
    accompanies = any(row[list(CHORD_PLAYERS)].any() for row in wanted)
    return min(max(2 if accompanies else 1, 1), num_pitched) if num_pitched else 1
