"""How well a model predicts whole pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.dataset.lanes import PieceSource, sequential_windows
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.model.integers.quantising import quantised
from lstm_core.model.integers.ranges import Ranges, measured_ranges
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.model.music_lstm import Inputs, MusicLSTM, State

_RANGE_LANES, _RANGE_WINDOW, _RANGE_WINDOWS = 40, 64, 3


class Evaluation(NamedTuple):
    nll: float  # nats per event
    nll_of_stream: list[float]  # nats per event, K of them, summing to `nll`
    num_events: int


def start_state(state: State, is_start: Tensor) -> State:
    """The state with the lanes that begin a piece set to zero. is_start: bool [B]."""
    keep = (~is_start).to(state.hidden)[None, :, None]
    return State(state.hidden * keep, state.cell * keep)


@torch.no_grad()
def summed_nll(
    model: MusicLSTM,
    source: PieceSource,
    indices: Sequence[int],
    num_lanes: int,
    window: int,
    autocast: Callable[[], torch.autocast],
) -> list[float]:
    """Nats of each stream over whole pieces, K of them, and the number of events."""
    device = model.head_hidden.weight.device
    sums, count = np.zeros(len(model.settings.streams)), 0.0
    was_training = model.training
    model.eval()
    state: State | None = None
    for batch in sequential_windows(source, indices, num_lanes=num_lanes, window=window):
        state = model.initial_state(len(batch.pieces)) if state is None else start_state(state, batch.is_start)
        with autocast():
            nll, state = model(Inputs(*(t.to(device) for t in batch.inputs)), state)
        is_event = batch.is_event.to(device)
        sums += (nll * is_event[..., None]).sum((0, 1)).double().cpu().numpy()
        count += float(is_event.sum())
    model.train(was_training)
    return [*sums.tolist(), count]


def quantised_on(model: MusicLSTM, blocks: BlockSet, facts: CheckpointFacts) -> IntegerWeights:
    """The integer weights of a model whose ranges are measured on training pieces, read as `facts` say.

    Raises:
        CheckpointError: the weights are too large for integers; see integers.quantising.
    """
    source = SplitPieces(blocks, "train", facts.styles, home_key=facts.home_key)
    return quantised(model, ranges_on_pieces(model, source))


def ranges_on_pieces(model: MusicLSTM, source: PieceSource) -> Ranges:
    """How far the numbers of a model reach on the beginnings of some pieces, spread over all."""
    device = model.head_hidden.weight.device
    indices = range(0, len(source), -(-len(source) // _RANGE_LANES))
    windows = islice(sequential_windows(source, indices, num_lanes=_RANGE_LANES, window=_RANGE_WINDOW), _RANGE_WINDOWS)
    return measured_ranges(
        model, ((Inputs(*(t.to(device) for t in window.inputs)), window.is_start.to(device)) for window in windows)
    )


def validation_pieces(blocks: BlockSet, num_events: int, seed: int) -> Sequence[int]:
    """Numbers of validation pieces of about `num_events` events, at least one if there is any; the longest first.

    So no lane is left alone with a long piece at the end.
    """
    order = np.random.Generator(np.random.Philox(key=[seed, 2**63])).permutation(blocks.num_pieces("valid"))
    chosen: list[tuple[int, int]] = []
    for piece in order:
        if sum(length for length, _ in chosen) >= num_events:
            break
        chosen.append((len(blocks.piece("valid", int(piece)).events), int(piece)))
    return [piece for _, piece in sorted(chosen, key=lambda pair: (-pair[0], pair[1]))]
