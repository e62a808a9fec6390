"""Pieces of a block set as the trainer reads them, in the representation that the set was opened in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.representations.representation import AugmentSettings, PieceArrays, Reading


class SplitPieces:
    """The pieces of one split. With `augment` the same (index, epoch) always gives the same variation.

    Pieces of a style in `repeats` come so many times in one pass, each time in another variation.
    """

    def __init__(
        self,
        blocks: BlockSet,
        split: str,
        styles: tuple[str, ...],
        *,
        seed: int = 0,
        augment: AugmentSettings | None = None,
        home_key: bool = False,
        repeats: Mapping[str, int] | None = None,
    ) -> None:
        self.blocks, self.split, self.seed = blocks, split, seed
        numbers = np.arange(blocks.num_pieces(split))
        if repeats:
            times = [repeats.get(blocks.style_of(split, int(number)), 1) for number in numbers]
            more = [numbers[np.array(times) > turn] for turn in range(1, max(times, default=1))]
            numbers = np.concatenate([numbers, *more])
        self.numbers = numbers  # of the piece of each index
        self.reading = Reading(styles=styles, home_key=home_key, augment=augment)

    def __len__(self) -> int:
        return len(self.numbers)

    def load(self, index: int, epoch: int) -> PieceArrays:
        """The piece as int64 events with its contexts and flags."""
        reading = self.reading
        if reading.augment is not None:
            random = np.random.Generator(np.random.Philox(key=[self.seed, (index << 32) + epoch]))
            reading = replace(reading, random=random)
        return self.blocks.representation.piece_arrays(self.blocks.piece(self.split, int(self.numbers[index])), reading)
