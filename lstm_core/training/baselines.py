"""What a model must beat: how often each value occurs, and how often it follows the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.blocks.feature_blocks import BlockSet

MAX_EVENTS = 5_000_000  # counts of more would not be seen in the third decimal


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Nats per event and stream, K of them each, on the validation pieces."""

    unigram: list[float]
    bigram: list[float]


def fit_baselines(blocks: BlockSet, valid_indices: Sequence[int]) -> Baselines:
    """Unigram and bigram tables of each stream by itself, with add-one smoothing, counted over the training pieces.

    Before the first event of a piece stands a value that no event has. Without validation pieces they are measured on
    the training pieces.
    """
    sizes = [stream.size for stream in blocks.representation.streams]
    unigrams = [np.ones(size) for size in sizes]
    bigrams = [np.ones((size + 1, size)) for size in sizes]
    num_events = 0
    for number in range(blocks.num_pieces("train")):
        events = blocks.piece("train", number).events.astype(np.int64)
        num_events += len(events)
        for k, size in enumerate(sizes):
            unigrams[k] += np.bincount(events[:, k], minlength=size)
            pairs = _previous(events[:, k], size) * size + events[:, k]
            bigrams[k] += np.bincount(pairs, minlength=(size + 1) * size).reshape(size + 1, size)
        if num_events >= MAX_EVENTS:
            break
    one = [-np.log(table / table.sum()) for table in unigrams]
    two = [-np.log(table / table.sum(axis=1, keepdims=True)) for table in bigrams]
    split, indices = ("valid", list(valid_indices)) if valid_indices else ("train", range(blocks.num_pieces("train")))
    sums, count = np.zeros((2, len(sizes))), 0
    for number in indices:
        events = blocks.piece(split, number).events.astype(np.int64)
        count += len(events)
        for k, size in enumerate(sizes):
            sums[0, k] += one[k][events[:, k]].sum()
            sums[1, k] += two[k][_previous(events[:, k], size), events[:, k]].sum()
    unigram, bigram = (sums / max(count, 1)).tolist()
    return Baselines(unigram=unigram, bigram=bigram)


def _previous(values: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """The value before each, `size` before the first: int64 [T]."""
    return np.concatenate([np.array([size], dtype=np.int64), values[:-1]])
