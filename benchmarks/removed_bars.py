"""Bars that are removed from people's pieces, to be filled again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.representations.parts.events import with_written
from lstm_core.representations.plan.layout import Plan
from lstm_core.representations.plan.plan import plan_of_piece
from lstm_core.representations.representation import EventArray, Piece

MOST_EVENTS = 6_000  # of a piece
GAP_BARS, MOST_GAPS = 4, 3

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A piece some bars of which are removed; bars that stay and repeat them are written out."""

    events: EventArray
    plan: Plan
    is_open: Bools  # written bars that are removed: [C]
    is_repeat: Bools  # written bars that stay and repeat removed ones: [C]


def gap_of(events: EventArray, plan: Plan, first: int) -> Gap:
    """The piece without the bars from `first` on."""
    removed = np.zeros((plan.num_parts, plan.num_bars), dtype=bool)
    removed[:, first : first + GAP_BARS] = True
    repeats = np.zeros_like(removed)
    copied = plan.copied[None] >> np.arange(plan.num_parts)[:, None] & 1 == 1
    for bar in range(first + GAP_BARS, plan.num_bars):
        source = int(plan.source[bar])
        if source >= 0:
            repeats[:, bar] = copied[:, bar] & (removed[:, source] | repeats[:, source])
    events, plan = with_written(events, plan, repeats)
    part, bar = plan.played().T
    return Gap(events=events, plan=plan, is_open=removed[part, bar], is_repeat=repeats[part, bar])


def pieces_of(blocks: BlockSet) -> Iterator[tuple[int, Piece, Plan]]:
    """The validation pieces that are not too long, with their plans."""
    for number in range(blocks.num_pieces("valid")):
        piece = blocks.piece("valid", number)
        if len(piece.events) <= MOST_EVENTS:
            yield number, piece, plan_of_piece(given_plan(piece), piece)


def gaps_of(number: int, plan: Plan) -> list[int]:
    """First bars of the gaps of a piece: drawn, none before the second bar or without four bars after it."""
    places = np.arange(1, plan.num_bars - 2 * GAP_BARS + 1)
    drawn = np.random.default_rng(number).permutation(places)[:MOST_GAPS]
    return sorted(drawn.tolist())


def given_plan(piece: Piece) -> EventArray:
    """The events of the plan of a piece that was loaded with it."""
    assert piece.given is not None
    return piece.given
