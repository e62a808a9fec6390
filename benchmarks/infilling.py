"""What is it worth to a model of parts to know what comes? Bars and parts of people's pieces, removed and filled again.

    python -m benchmarks.infilling BLOCKS [--checkpoint base] [--fills 100]

Of each validation piece of BLOCKS four bars of all parts are removed, at three places at most, and each part but drums.
What was there is predicted given all before it, the plan included, and given all that stays:

    infill_bars_without    nats a note of removed bars, without what comes after them
    infill_bars_with       the same with it, bars among it that repeat removed ones
    infill_bars_gain       share by which the latter is lower
    infill_bars_new_gain   the same where repeats of removed bars are removed too, so that what comes is other music
    infill_part_without    nats a note of removed parts in the order of the plan, where a part hears those before it
    infill_part_with       the same where it hears all others
    infill_part_gain       share by which the latter is lower
    infill_part_alone_gain the same against a part that hears no other

Of the first `--fills` pieces four bars are also written anew by the engine, and measured bar by bar (filled_bars.py):

    infill_bars_inside     share of values of filled bars within the 5th to 95th percentile of people's of the style
    infill_bars_people     the same of the bars that were removed
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.filled_bars import filled, inside, people_ranges
from benchmarks.removed_bars import gap_of, gaps_of, given_plan, pieces_of
from benchmarks.report import print_metric
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.composing.players import load_playable
from lstm_core.engine.engine import Engine
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.notes.score import DRUMS
from lstm_core.representations.parts.events import BAR, PLACE, with_parts
from lstm_core.representations.parts.parts import PARTS, arrays_of_parts, plan_of_parts
from lstm_core.representations.plan.plan import plan_of_piece
from lstm_core.representations.representation import Piece, PieceArrays, Reading

FEWEST_EVENTS = 20  # of a part that is removed

Floats = npt.NDArray[np.float64]


@torch.no_grad()
def nats(model: MusicLSTM, arrays: PieceArrays) -> Floats:
    """Nats of each event of a piece: float64 [T]."""
    previous = np.concatenate([np.zeros((1, arrays.events.shape[1]), dtype=np.int64), arrays.events[:-1]])
    values = (arrays.events, previous, arrays.contexts, arrays.flags, arrays.onset_contexts, arrays.recalled)
    inputs = Inputs(*(torch.from_numpy(np.ascontiguousarray(value))[None] for value in values))
    nll, _ = model(inputs, model.initial_state(1))
    found: Floats = nll[0].sum(dim=-1).double().numpy()
    return found


def nats_of_gap(model: MusicLSTM, piece: Piece, reading: Reading, first: int) -> npt.NDArray[np.float64] | None:
    """Nats of the removed events without what comes, with it, with it but for repeats; and their number: [4]."""
    plan = plan_of_piece(given_plan(piece), piece)
    gap = gap_of(piece.events, plan, first)
    is_bar = gap.events[:, PLACE] == BAR
    is_open = np.append(gap.is_open, False)[np.cumsum(is_bar) - 1] & ~is_bar
    if not is_open.any():
        return None
    given = ~gap.is_open
    found = []
    for cells in (None, given, given & ~gap.is_repeat):
        arrays = arrays_of_parts(piece, gap.events, gap.plan, reading, cells)
        found.append(nats(model, arrays)[is_open].sum())
    return np.array([*found, is_open.sum()])


def nats_of_part(model: MusicLSTM, piece: Piece, reading: Reading, parts: list[int], part: int) -> Floats:
    """Nats of each note of a part in a piece whose parts are written in this order: float64 [notes]."""
    plan = plan_of_piece(given_plan(piece), piece)
    events, plan = with_parts(piece.events, plan, parts), plan_of_parts(plan, parts)
    is_bar = events[:, PLACE] == BAR
    of_event = np.append(plan.played()[:, 0], -1)[np.cumsum(is_bar) - 1]
    own = (of_event == parts.index(part)) & ~is_bar
    return nats(model, arrays_of_parts(piece, events, plan, reading, None))[own]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks")
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--fills", type=int, default=100)
    options = parser.parse_args()
    checkpoint = load_playable(options.checkpoint)
    if not isinstance(checkpoint, ComposerCheckpoint):
        raise CheckpointError(f"{options.checkpoint} is no composer: there are no parts to remove.")
    model, facts = checkpoint.arranger.model.float(), checkpoint.arranger.facts
    reading = Reading(styles=facts.styles, home_key=facts.home_key)
    blocks = open_blocks(options.blocks, verify=False, representation=PARTS.name)
    bars, num_gaps = np.zeros(4), 0
    parts, num_events, num_parts = np.zeros(3), 0, 0
    for number, piece, plan in pieces_of(blocks):
        for first in gaps_of(number, plan):
            if (sums := nats_of_gap(model, piece, reading, first)) is not None:
                bars, num_gaps = bars + sums, num_gaps + 1
        order = list(range(plan.num_parts))
        for part in order if plan.num_parts > 1 else ():
            others = [other for other in order if other != part]
            without = nats_of_part(model, piece, reading, order, part)
            if plan.programs[part] == DRUMS or len(without) < FEWEST_EVENTS:
                continue
            after, alone = (nats_of_part(model, piece, reading, one, part) for one in ([*others, part], [part]))
            parts += without.sum(), after.sum(), alone.sum()
            num_events, num_parts = num_events + len(without), num_parts + 1
    print_metric("infill_bars_without", bars[0] / bars[3], "nats", gaps=num_gaps, notes=int(bars[3]))
    print_metric("infill_bars_with", bars[1] / bars[3], "nats")
    print_metric("infill_bars_gain", 1.0 - bars[1] / bars[0], "share")
    print_metric("infill_bars_new_gain", 1.0 - bars[2] / bars[0], "share")
    print_metric("infill_part_without", parts[0] / num_events, "nats", parts=num_parts, notes=num_events)
    print_metric("infill_part_with", parts[1] / num_events, "nats")
    print_metric("infill_part_gain", 1.0 - parts[1] / parts[0], "share")
    print_metric("infill_part_alone_gain", 1.0 - parts[1] / parts[2], "share")
    chosen = [(piece, gaps_of(number, plan)) for number, piece, plan in pieces_of(blocks)]
    fills = [(piece, gaps[0]) for piece, gaps in chosen if gaps][: options.fills]
    if fills:
        ranges = people_ranges(blocks)
        made = filled(Engine(checkpoint.arranger), fills, reading)
        removed = [(piece, first, piece.events, plan_of_piece(given_plan(piece), piece)) for piece, first in fills]
        for name, found in (("inside", made), ("people", removed)):
            print_metric(f"infill_bars_{name}", inside(found, ranges), "share", fills=len(fills))


if __name__ == "__main__":
    main()
