"""One step of an integer model in plain NumPy, in 64 bits throughout: slow, and what every other step must equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.fixed_point import SCALE_BITS, silu_table, tanh_table
from lstm_core.model.integers.units import (
    CELL_BITS,
    CELL_DROPPED,
    HALF_CELL,
    HALF_SCALE,
    HIDDEN_DROPPED,
    MAX_CELL,
    MAX_LOGIT,
    MAX_SEEN,
    ONE,
    SILU_DROPPED,
    SILU_MIDDLE,
    TABLE_MIDDLE,
    half,
)
from lstm_core.model.integers.weights import MAX_ACTIVATION, IntegerProduct, IntegerWeights

Ints = npt.NDArray[np.int64]


class DefinedStep:
    """One step of B rows; the interface is that of packing.PackedStep."""

    def __init__(self, weights: IntegerWeights, num_rows: int) -> None:
        self.settings, self.weights, self.num_rows = weights.settings, weights, num_rows
        shape = (self.settings.num_layers, num_rows, self.settings.hidden_size)
        self.hidden, self.cells = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self._events = [table.rows().astype(np.int64) for table in weights.events]
        self._contexts = [table.rows().astype(np.int64) for table in weights.contexts]
        self._flags = weights.flags.rows().astype(np.int64)
        self._chains = [table.rows().astype(np.int64) for table in weights.chains]
        self._onsets = [table.rows().astype(np.int64) for table in weights.onsets]
        self.seen = np.zeros((num_rows, self.settings.head_size * len(self.settings.streams)), dtype=np.int64)

    def no_conditions(self) -> npt.NDArray[np.int32]:
        """Conditions of rows that have none: int32 [B, H]."""
        return np.zeros((self.num_rows, self.settings.hidden_size), dtype=np.int32)

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero."""
        self.hidden[:, b] = self.cells[:, b] = 0

    def take_rows(self, other: DefinedStep, rows: Ints) -> None:
        """Copies the state of some rows of another step, as many as this one has."""
        self.hidden, self.cells = other.hidden[:, rows], other.cells[:, rows]

    def condition_vector(self, contexts: Ints, flags: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """What contexts that hold for a piece (-1: they move) and flags (-1, 0 or 1) add up to: int32 [H]."""
        total = np.zeros(self.settings.hidden_size, dtype=np.int64)
        for rows, value in zip(self._contexts, contexts, strict=True):
            if value >= 0:
                total += rows[value]
        return (total + flags.astype(np.int64) @ self._flags).astype(np.int32)

    def advance(
        self,
        before: Ints,
        moving: Ints,
        conditions: npt.NDArray[np.int32],
        flags: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """One recurrent step; see PackedStep.advance."""
        weights = self.weights
        x = conditions.astype(np.int64)
        for k, rows in enumerate(self._events):
            x = x + rows[before[:, k]]
        for m in range(moving.shape[1]):
            x = x + self._contexts[m][moving[:, m]]
        if flags is not None:
            x = x + flags.astype(np.int64) @ self._flags
        below = _activation(scaled(x * weights.input_factor))
        for layer, product in enumerate(weights.layers):
            gates = _tanh(_multiplied(product, np.concatenate([below, self.hidden[layer]], axis=1)))
            i, f, g, o = np.split(gates, 4, axis=1)
            i, f, o = i + ONE, f + ONE, o + ONE
            cell = np.clip((self.cells[layer] * f + 2 * i * g + HALF_CELL) >> CELL_BITS, -MAX_CELL, MAX_CELL)
            squashed = _tanh((cell + half(CELL_DROPPED)) >> CELL_DROPPED)
            below = _activation((o * squashed + half(HIDDEN_DROPPED)) >> HIDDEN_DROPPED)
            self.cells[layer], self.hidden[layer] = cell, below
        self.seen = np.clip(_multiplied(weights.heads, below), -MAX_SEEN, MAX_SEEN)

    def logits(self, stream: int) -> npt.NDArray[np.int32]:
        """Logits of head `stream` given the values fed so far, then its copy weights: int32 [B, V + L]."""
        head = self.settings.head_size
        seen = self.seen[:, stream * head : (stream + 1) * head]
        index = ((seen + half(SILU_DROPPED)) >> SILU_DROPPED) + SILU_MIDDLE
        table = silu_table()
        units = table[np.clip(index, 0, len(table) - 1)].astype(np.int64)
        activations = _activation(scaled(units * self.weights.unit_factors[stream]))
        logits = _multiplied(self.weights.outputs[stream], activations)
        return np.clip(logits, -MAX_LOGIT, MAX_LOGIT).astype(np.int32)

    def feed(self, stream: int, values: Ints, onset_contexts: Ints) -> None:
        """Lets the later heads see the values of head `stream`; see PackedStep.feed."""
        head = self.settings.head_size
        if stream + 1 < len(self.settings.streams):
            self.seen[:, (stream + 1) * head :] += self._chains[stream][values]
        if stream == 0:
            for column, rows in enumerate(self._onsets):
                self.seen[:, head:] += rows[onset_contexts[:, column]]


def scaled(sums: Ints) -> Ints:
    """Sums by factors in the unit 2^-SCALE_BITS, to the nearest."""
    return (sums + HALF_SCALE) >> SCALE_BITS


def _multiplied(product: IntegerProduct, activations: Ints) -> Ints:
    sums = activations @ product.whole().T
    return scaled(sums * product.factor + product.offset)


def _activation(values: Ints) -> Ints:
    return np.clip(values, -MAX_ACTIVATION, MAX_ACTIVATION)


def _tanh(index: Ints) -> Ints:
    """tanh, in the unit 2^-15, of values in the unit 2^-8."""
    return tanh_table()[np.clip(index, -TABLE_MIDDLE, TABLE_MIDDLE - 1) + TABLE_MIDDLE].astype(np.int64)
