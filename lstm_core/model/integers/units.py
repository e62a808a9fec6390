"""What the integers of a step count, and the shifts between their units: one place for all that compute a step."""

from __future__ import annotations

from lstm_core.foundation.fixed_point import (
    INDEX_BITS,
    LOGIT_BITS,
    REACH,
    SCALE_BITS,
    SILU_INDEX_BITS,
    SILU_REACH,
    SQUASHED_BITS,
)

CELL_BITS, HIDDEN_BITS = 16, 7  # cells are in the unit 2^-16, hidden vectors in 2^-7
MAX_CELL, MAX_SEEN, MAX_LOGIT = 1 << 28, 1 << 26, 1 << 24

HALF_SCALE = 1 << (SCALE_BITS - 1)  # rounds what is brought to another unit by a factor
HALF_CELL = 1 << (CELL_BITS - 1)  # rounds a cell
ONE = 1 << SQUASHED_BITS  # tanh(x / 2) + ONE is the sigmoid of x in the unit 2^-16

TABLE_MIDDLE = REACH << INDEX_BITS  # place of 0 in the table of tanh
CELL_DROPPED = CELL_BITS - INDEX_BITS  # bits from a cell to a place in it
HIDDEN_DROPPED = 2 * SQUASHED_BITS + 1 - HIDDEN_BITS  # bits from a sigmoid by a tanh to a hidden vector
SILU_MIDDLE = SILU_REACH << SILU_INDEX_BITS
SILU_DROPPED = LOGIT_BITS - SILU_INDEX_BITS


def half(dropped: int) -> int:
    """What is added before so many bits are dropped, so that it rounds to the nearest."""
    return 1 << (dropped - 1)
