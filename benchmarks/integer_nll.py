"""What a model loses by integers: nats an event of validation pieces, against float32 on the same pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.report import print_metric
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset.lanes import PieceSource, sequential_windows
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.foundation.errors import CheckpointError
from lstm_core.foundation.fixed_point import LOGIT_BITS
from lstm_core.model.checkpoint import Checkpoint
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.model.integers.step import IntegerStep
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.model.music_lstm import Inputs, with_copies
from lstm_core.training.evaluation import Evaluation, summed_nll, validation_pieces

TARGET_NATS = 0.005
NUM_LANES, WINDOW, NUM_EVENTS = 64, 64, 100_000


def print_nll(composer: ComposerCheckpoint, before: ComposerCheckpoint, blocks: str) -> None:
    """Prints for each level what its integers lose against the float weights of `before`.

    Raises:
        CheckpointError: a level has no integers, or `before` is of another model.
    """
    levels = {"plan": (composer.planner, before.planner), "parts": (composer.arranger, before.arranger)}
    for level, (checkpoint, floats) in levels.items():
        if checkpoint.integers is None or checkpoint.integers.settings != floats.model.settings:
            raise CheckpointError(f"The {level} of {floats.facts.name} are not those that the integers were made of.")
        integers, of_floats, num_pieces = evaluated(checkpoint, checkpoint.integers, floats, blocks)
        print_metric(
            f"engine_int8_nll_{level}",
            integers.nll - of_floats.nll,
            "nats an event",
            against={"target": TARGET_NATS},
            int8=round(integers.nll, 5),
            float32=round(of_floats.nll, 5),
            floats="what the integers stand for" if floats.integers is not None else "before they became integers",
            pieces=num_pieces,
            events=integers.num_events,
        )


def evaluated(
    checkpoint: Checkpoint, integers: IntegerWeights, floats: Checkpoint, blocks: str
) -> tuple[Evaluation, Evaluation, int]:
    """How well integers and floats predict the same validation pieces, and how many pieces that are."""
    facts = checkpoint.facts
    of_blocks = open_blocks(blocks, verify=False, representation=facts.representation)
    source = SplitPieces(of_blocks, "valid", facts.styles, home_key=facts.home_key)
    pieces = validation_pieces(of_blocks, NUM_EVENTS, seed=0)
    sums = summed_nll(floats.model, source, pieces, NUM_LANES, WINDOW, lambda: torch.autocast("cpu", enabled=False))
    return nll_of_integers(integers, source, pieces), _mean(sums), len(pieces)


@torch.inference_mode()
def nll_of_integers(integers: IntegerWeights, source: PieceSource, indices: Sequence[int]) -> Evaluation:
    """The same as evaluation.summed_nll, of integers: their logits, with copies, by a softmax in floats."""
    settings, num_lanes = integers.settings, min(NUM_LANES, len(indices))
    step = IntegerStep(integers, num_lanes)
    sums, count = np.zeros(len(settings.streams)), 0.0
    for batch in sequential_windows(source, indices, num_lanes=num_lanes, window=WINDOW):
        for b in np.flatnonzero(batch.is_start.numpy()).tolist():
            step.reset_row(b)
        events, logits = batch.inputs.events, logits_of_window(step, batch.inputs)
        if settings.num_lags:
            logits = with_copies(logits, events, batch.inputs.recalled, settings.num_compared)
        for k, of_stream in enumerate(logits):
            nll = functional.cross_entropy(of_stream.transpose(1, 2), events[..., k], reduction="none")  # [B, V, T]
            sums[k] += float((nll * batch.is_event).sum())
        count += float(batch.is_event.sum())
    return _mean([*sums.tolist(), count])


def logits_of_window(step: IntegerStep, inputs: Inputs) -> list[Tensor]:
    """Logits of a window of events that are given, each head's with its copy weights: K of float64 [B, T, V + L]."""
    events, previous, contexts, onsets = (
        np.ascontiguousarray(values.numpy().swapaxes(0, 1))  # [T, B, ...]
        for values in (inputs.events, inputs.previous, inputs.contexts, inputs.onset_contexts)
    )
    flags = inputs.flags.numpy().swapaxes(0, 1)
    assert bool(np.isin(flags, (0.0, 1.0)).all()), "flags of a composer's levels are 0 or 1"
    found: list[list[Tensor]] = [[] for _ in step.settings.streams]
    nothing = step.no_conditions()
    for t in range(len(events)):
        step.advance(previous[t], contexts[t], nothing, np.ascontiguousarray(flags[t], dtype=np.uint8))
        for k, of_stream in enumerate(found):
            of_stream.append(torch.from_numpy(step.logits(k)) / 2.0**LOGIT_BITS)
            step.feed(k, np.ascontiguousarray(events[t, :, k]), onsets[t])
    return [torch.stack(of_stream, dim=1).double() for of_stream in found]


def _mean(sums: Sequence[float]) -> Evaluation:
    """Sums of each stream and the number of events as what an event has in the mean."""
    *of_streams, count = sums
    means = [total / max(count, 1.0) for total in of_streams]
    return Evaluation(sum(means), means, round(count))
