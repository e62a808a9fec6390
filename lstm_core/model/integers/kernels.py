"""The loops of an integer step, compiled. What they compute is said in definition.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.fixed_point import (
    INDEX_BITS,
    LOGIT_BITS,
    REACH,
    SCALE_BITS,
    SILU_INDEX_BITS,
    SILU_REACH,
    SQUASHED_BITS,
)
from lstm_core.model.integers.definition import CELL_BITS, MAX_CELL
from lstm_core.model.integers.weights import COARSE, MAX_ACTIVATION, Bytes, Ints16, Ints32, Ints64

_HALF_SCALE = 1 << (SCALE_BITS - 1)
_MIDDLE = REACH << INDEX_BITS
_LAST = 2 * _MIDDLE - 1
_CELL_DROPPED = CELL_BITS - INDEX_BITS
_HALF_CELL = 1 << (_CELL_DROPPED - 1)
_HIDDEN_DROPPED = 2 * SQUASHED_BITS + 1 - 7
_HALF_HIDDEN = 1 << (_HIDDEN_DROPPED - 1)
_SILU_DROPPED = LOGIT_BITS - SILU_INDEX_BITS
_HALF_SILU = 1 << (_SILU_DROPPED - 1)
_SILU_MIDDLE = SILU_REACH << SILU_INDEX_BITS
_SILU_LAST = 2 * _SILU_MIDDLE - 1
_ONE = 1 << SQUASHED_BITS
_AT_ONCE = 4  # rows that are added in one pass over the sums


@njit(cache=True, nogil=True)
def embed(
    conditions: Ints32,
    rows: Ints16,
    before: Ints64,
    event_starts: Ints64,
    moving: Ints64,
    context_starts: Ints64,
    flags: Any,
    first_flag: int,
    factor: int,
    out: Bytes,
) -> None:
    """Sets the first columns of out [B, 2 H] to the inputs of the first layer: what conditions [B, H] and the rows of
    events, contexts and flags add up to. rows: [R, H], those of flags from `first_flag` on, and zeros last.
    """
    width, zeros = rows.shape[1], len(rows) - 1
    chosen = np.empty(before.shape[1] + moving.shape[1] + flags.shape[1] + _AT_ONCE, dtype=np.int64)
    sums = np.empty(width, dtype=np.int32)
    for b in range(out.shape[0]):
        count = 0
        for k in range(before.shape[1]):
            chosen[count] = event_starts[k] + before[b, k]
            count += 1
        for m in range(moving.shape[1]):
            chosen[count] = context_starts[m] + moving[b, m]
            count += 1
        for flag in range(flags.shape[1]):
            chosen[count] = first_flag + flag
            count += 1 if flags[b, flag] else 0
        chosen[count : count + _AT_ONCE] = zeros
        sums[:] = conditions[b]
        for first in range(0, count, _AT_ONCE):
            row_0, row_1 = rows[chosen[first]], rows[chosen[first + 1]]
            row_2, row_3 = rows[chosen[first + 2]], rows[chosen[first + 3]]
            for i in range(width):
                sums[i] += np.int32(row_0[i]) + np.int32(row_1[i]) + np.int32(row_2[i]) + np.int32(row_3[i])
        out_row = out[b]
        for i in range(width):
            value: Any = (np.int64(sums[i]) * factor + _HALF_SCALE) >> SCALE_BITS
            out_row[i] = min(max(value, -MAX_ACTIVATION), MAX_ACTIVATION)


@njit(cache=True, nogil=True)
def lstm_cell(
    sums: Ints32, factor: Ints32, offset: Ints64, tanh: Ints32, cell: Ints32, own: Bytes, above: Bytes, above_start: int
) -> None:
    """From the sums of the gates i, f, g, o, int32 [B, 4 H], sets cell [B, H] and the hidden vector: in the last
    columns of `own` [B, 2 H], and from `above_start` on in the inputs of what comes above. offset: with the half that
    rounds.
    """
    width = cell.shape[1]
    places, gates = np.empty(4 * width, dtype=np.int32), np.empty(4 * width, dtype=np.int32)
    for b in range(cell.shape[0]):  # short loops: the compiler works on many values at once in all but the look-ups
        row, row_cell = sums[b], cell[b]
        own_row, above_row = own[b, width:], above[b, above_start : above_start + width]
        for j in range(4 * width):
            value: Any = (np.int64(row[j]) * np.int64(factor[j]) + offset[j]) >> SCALE_BITS
            places[j] = min(max(value, -_MIDDLE), _MIDDLE - 1) + _MIDDLE
        for j in range(4 * width):
            gates[j] = tanh[places[j]]
        for h in range(width):
            i, f = np.int64(gates[h]) + _ONE, np.int64(gates[width + h]) + _ONE
            g = np.int64(gates[2 * width + h])
            c = (np.int64(row_cell[h]) * f + 2 * i * g + (1 << (CELL_BITS - 1))) >> CELL_BITS
            row_cell[h] = min(max(c, -MAX_CELL), MAX_CELL)
        for h in range(width):
            value = (np.int64(row_cell[h]) + _HALF_CELL) >> _CELL_DROPPED
            places[h] = min(max(value, -_MIDDLE), _MIDDLE - 1) + _MIDDLE
        for h in range(width):
            gates[h] = tanh[places[h]]
        for h in range(width):
            o = np.int64(gates[3 * width + h]) + _ONE
            value = (o * np.int64(gates[h]) + _HALF_HIDDEN) >> _HIDDEN_DROPPED
            own_row[h] = min(max(value, -MAX_ACTIVATION), MAX_ACTIVATION)
        above_row[:] = own_row


@njit(cache=True, nogil=True)
def scale(sums: Ints32, factor: Ints32, offset: Ints64, most: int, out: Ints32) -> None:
    """Sets out [B, N] to the sums in the unit of the factors, at most `most` in size."""
    for b in range(sums.shape[0]):
        row, out_row = sums[b], out[b]
        for j in range(len(factor)):
            value: Any = (np.int64(row[j]) * np.int64(factor[j]) + offset[j]) >> SCALE_BITS
            out_row[j] = min(max(value, -most), most)


@njit(cache=True, nogil=True)
def scale_fine(sums: Ints32, factor: Ints32, offset: Ints64, most: int, out: Ints32) -> None:
    """The same of sums of coarse weights and then, in columns of their own, of fine ones: int32 [B, 2 N]."""
    size = len(factor)
    for b in range(sums.shape[0]):
        coarse, fine, out_row = sums[b, :size], sums[b, size:], out[b]
        for j in range(size):
            total = COARSE * np.int64(coarse[j]) + np.int64(fine[j])
            value: Any = (total * np.int64(factor[j]) + offset[j]) >> SCALE_BITS
            out_row[j] = min(max(value, -most), most)


@njit(cache=True, nogil=True)
def head_units(seen: Ints32, start: int, silu: Ints32, factors: Ints32, out: Bytes) -> None:
    """Sets out [B, head size] to the activations of a head that sees the columns of `seen` from `start` on."""
    size = len(factors)
    places, units = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    for b in range(seen.shape[0]):
        row, out_row = seen[b, start : start + size], out[b]
        for j in range(size):
            value: Any = (np.int64(row[j]) + _HALF_SILU) >> _SILU_DROPPED
            places[j] = min(max(value, -_SILU_MIDDLE), _SILU_MIDDLE - 1) + _SILU_MIDDLE
        for j in range(size):
            units[j] = silu[places[j]]
        for j in range(size):
            value = (np.int64(units[j]) * np.int64(factors[j]) + _HALF_SCALE) >> SCALE_BITS
            out_row[j] = min(max(value, -MAX_ACTIVATION), MAX_ACTIVATION)


@njit(cache=True, nogil=True)
def add_rows(seen: Ints32, start: int, rows: Ints16, values: Ints64) -> None:
    """Adds the row of each value, int64 [B], to the columns of seen [B, N] from `start` on."""
    for b in range(seen.shape[0]):
        row, added = seen[b, start:], rows[values[b]]
        for j in range(rows.shape[1]):
            row[j] += added[j]
