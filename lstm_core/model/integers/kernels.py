"""The loops of an integer step, compiled. What they compute is said in definition.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.fixed_point import SCALE_BITS
from lstm_core.model.integers.units import (
    CELL_BITS,
    CELL_DROPPED,
    HALF_CELL,
    HALF_SCALE,
    HIDDEN_DROPPED,
    MAX_CELL,
    ONE,
    SILU_DROPPED,
    SILU_MIDDLE,
    TABLE_MIDDLE,
    half,
)
from lstm_core.model.integers.weights import COARSE, MAX_ACTIVATION, Bytes, Ints16, Ints32, Ints64

_HALF_PLACE, _HALF_HIDDEN, _HALF_SILU = half(CELL_DROPPED), half(HIDDEN_DROPPED), half(SILU_DROPPED)
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
            value: Any = (np.int64(sums[i]) * factor + HALF_SCALE) >> SCALE_BITS
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
            places[j] = min(max(value, -TABLE_MIDDLE), TABLE_MIDDLE - 1) + TABLE_MIDDLE
        for j in range(4 * width):
            gates[j] = tanh[places[j]]
        for h in range(width):
            i, f = np.int64(gates[h]) + ONE, np.int64(gates[width + h]) + ONE
            g = np.int64(gates[2 * width + h])
            c = (np.int64(row_cell[h]) * f + 2 * i * g + HALF_CELL) >> CELL_BITS
            row_cell[h] = min(max(c, -MAX_CELL), MAX_CELL)
        for h in range(width):
            value = (np.int64(row_cell[h]) + _HALF_PLACE) >> CELL_DROPPED
            places[h] = min(max(value, -TABLE_MIDDLE), TABLE_MIDDLE - 1) + TABLE_MIDDLE
        for h in range(width):
            gates[h] = tanh[places[h]]
        for h in range(width):
            o = np.int64(gates[3 * width + h]) + ONE
            value = (o * np.int64(gates[h]) + _HALF_HIDDEN) >> HIDDEN_DROPPED
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
            value: Any = (np.int64(row[j]) + _HALF_SILU) >> SILU_DROPPED
            places[j] = min(max(value, -SILU_MIDDLE), SILU_MIDDLE - 1) + SILU_MIDDLE
        for j in range(size):
            units[j] = silu[places[j]]
        for j in range(size):
            value = (np.int64(units[j]) * np.int64(factors[j]) + HALF_SCALE) >> SCALE_BITS
            out_row[j] = min(max(value, -MAX_ACTIVATION), MAX_ACTIVATION)


@njit(cache=True, nogil=True)
def add_rows(seen: Ints32, start: int, rows: Ints16, values: Ints64) -> None:
    """Adds the row of each value, int64 [B], to the columns of seen [B, N] from `start` on."""
    for b in range(seen.shape[0]):
        row, added = seen[b, start:], rows[values[b]]
        for j in range(rows.shape[1]):
            row[j] += added[j]
