"""What is it worth to a model of parts to know the other parts ahead?

    python -m benchmarks.infilling BLOCKS [--checkpoint base]

Of each validation piece of BLOCKS each part in turn but drums is removed and predicted again: once in the order of the
plan, where it hears the parts before it, and once after all others, as it is written where those are locked.

    infill_part_without   nats an event of removed parts in the order of the plan
    infill_part_with      the same after all others
    infill_part_gain      share by which the latter is lower
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.report import print_metric
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.composing.players import load_playable
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.notes.score import DRUMS
from lstm_core.representations.parts.events import BAR, PLACE, with_parts
from lstm_core.representations.parts.parts import PARTS, plan_of_parts
from lstm_core.representations.plan.events import spell_plan
from lstm_core.representations.plan.plan import plan_of_piece
from lstm_core.representations.representation import Piece, Reading

FEWEST_EVENTS, MOST_EVENTS = 20, 6_000  # of a part that is removed, of a piece


Floats = npt.NDArray[np.float64]


@torch.no_grad()
def nats_of_part(model: MusicLSTM, piece: Piece, reading: Reading, parts: list[int], part: int) -> Floats:
    """Nats of each note of a part in a piece whose parts are written in this order: float64 [notes]."""
    assert piece.given is not None
    plan = plan_of_piece(piece.given, piece)
    events, plan = with_parts(piece.events, plan, parts), plan_of_parts(plan, parts)
    arrays = PARTS.piece_arrays(replace(piece, events=events, given=spell_plan(plan)), reading)
    previous = np.concatenate([np.zeros((1, arrays.events.shape[1]), dtype=np.int64), arrays.events[:-1]])
    values = (arrays.events, previous, *arrays[1:])
    inputs = Inputs(*(torch.from_numpy(np.ascontiguousarray(value))[None] for value in values))
    nll, _ = model(inputs, model.initial_state(1))
    is_bar = arrays.events[:, PLACE] == BAR
    of_event = np.append(plan.played()[:, 0], -1)[np.cumsum(is_bar) - 1]
    found: Floats = nll[0].sum(dim=-1).double().numpy()[(of_event == parts.index(part)) & ~is_bar]
    return found


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks")
    parser.add_argument("--checkpoint", default="base")
    options = parser.parse_args()
    checkpoint = load_playable(options.checkpoint)
    if not isinstance(checkpoint, ComposerCheckpoint):
        raise CheckpointError(f"{options.checkpoint} is no composer: there are no parts to remove.")
    model, facts = checkpoint.arranger.model.float(), checkpoint.arranger.facts
    reading = Reading(styles=facts.styles, home_key=facts.home_key)
    blocks = open_blocks(options.blocks, verify=False, representation=PARTS.name)
    sums, num_events, num_parts = np.zeros(2), 0, 0
    for number in range(blocks.num_pieces("valid")):
        piece = blocks.piece("valid", number)
        assert piece.given is not None
        plan = plan_of_piece(piece.given, piece)
        if plan.num_parts < 2 or len(piece.events) > MOST_EVENTS:
            continue
        order = list(range(plan.num_parts))
        for part in order:
            without = nats_of_part(model, piece, reading, order, part)
            if plan.programs[part] == DRUMS or len(without) < FEWEST_EVENTS:
                continue
            others_first = [*(other for other in order if other != part), part]
            sums += without.sum(), nats_of_part(model, piece, reading, others_first, part).sum()
            num_events, num_parts = num_events + len(without), num_parts + 1
    facts_of_run = {"parts": num_parts, "events": num_events}
    print_metric("infill_part_without", sums[0] / num_events, "nats", **facts_of_run)
    print_metric("infill_part_with", sums[1] / num_events, "nats", **facts_of_run)
    print_metric("infill_part_gain", 1.0 - sums[1] / sums[0], "share", **facts_of_run)


if __name__ == "__main__":
    main()
