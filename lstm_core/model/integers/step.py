"""One step of an integer model on a CPU: products of bytes by torch, all else compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.fixed_point import silu_table, tanh_table
from lstm_core.model.integers import kernels
from lstm_core.model.integers.products import ByteProduct
from lstm_core.model.integers.units import HALF_SCALE, MAX_LOGIT, MAX_SEEN
from lstm_core.model.integers.weights import IntegerProduct, IntegerTable, IntegerWeights, Ints16, Ints32, Ints64


class IntegerStep:
    """One step of B rows; the interface is that of packing.PackedStep, with logits in the unit 2^-LOGIT_BITS.

    The numbers of a row depend on that row alone, and are those of definition.DefinedStep.
    """

    def __init__(self, weights: IntegerWeights, num_rows: int) -> None:
        """
        Raises:
            CheckpointError: torch cannot multiply integers exactly on this machine.
        """
        settings = weights.settings
        self.settings, self.num_rows = settings, num_rows
        width = settings.hidden_size
        self._rows, starts = _joined((*weights.events, *weights.contexts, weights.flags), width)
        self._event_starts, self._context_starts = starts[: len(weights.events)], starts[len(weights.events) : -1]
        self._first_flag, self._input_factor = int(starts[-1]), weights.input_factor
        self._layers = [_Scaled(product, num_rows) for product in weights.layers]
        self._heads = _Scaled(weights.heads, num_rows)
        self._outputs = [_Scaled(product, num_rows) for product in weights.outputs]
        self._unit_factors = weights.unit_factors
        self._chains = [table.rows() for table in weights.chains]
        self._onsets = [table.rows() for table in weights.onsets]
        self._cells = [np.zeros((num_rows, width), dtype=np.int32) for _ in self._layers]
        self._seen = np.zeros((num_rows, settings.head_size * len(settings.streams)), dtype=np.int32)
        self._logits = [np.zeros((num_rows, len(output.factor)), dtype=np.int32) for output in self._outputs]
        self._no_flags = np.zeros((num_rows, 0), dtype=np.uint8)
        self._tanh, self._silu = tanh_table(), silu_table()

    def no_conditions(self) -> Ints32:
        """Conditions of rows that have none: int32 [B, H]."""
        return np.zeros((self.num_rows, self.settings.hidden_size), dtype=np.int32)

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero, as before the first event of a piece."""
        for layer, cell in zip(self._layers, self._cells, strict=True):
            layer.product.inputs[b, self.settings.hidden_size :] = 0
            cell[b] = 0

    def take_rows(self, other: IntegerStep, rows: Ints64) -> None:
        """Copies the state of some rows of a step of another width, as many as this one has."""
        width = self.settings.hidden_size
        for own, others in zip(self._layers, other._layers, strict=True):
            own.product.inputs[:, width:] = others.product.inputs[rows, width:]
        for cell, others_cell in zip(self._cells, other._cells, strict=True):
            cell[:] = others_cell[rows]

    def condition_vector(self, contexts: Ints64, flags: npt.NDArray[np.float32]) -> Ints32:
        """The part of a row's input that holds for a whole piece: int32 [H]; contexts -1 move, flags are -1, 0 or 1."""
        total = np.zeros(self.settings.hidden_size, dtype=np.int32)
        for column, value in enumerate(contexts):
            if value >= 0:
                total += self._rows[self._context_starts[column] + value]
        return total + flags.astype(np.int32) @ self._rows[self._first_flag : -1].astype(np.int32)

    def advance(
        self, before: Ints64, moving: Ints64, conditions: Ints32, flags: npt.NDArray[np.uint8] | None = None
    ) -> None:
        """One recurrent step; see PackedStep.advance."""
        kernels.embed(
            conditions, self._rows, before, self._event_starts, moving, self._context_starts,
            self._no_flags if flags is None else flags, self._first_flag, self._input_factor,
            self._layers[0].product.inputs,
        )  # fmt: skip
        above = [*self._layers[1:], self._heads]
        for layer, cell, next_one in zip(self._layers, self._cells, above, strict=True):
            kernels.lstm_cell(
                layer.product(), layer.factor, layer.offset, self._tanh, cell,
                layer.product.inputs, next_one.product.inputs, 0,
            )  # fmt: skip
        kernels.scale(self._heads.product(), self._heads.factor, self._heads.offset, MAX_SEEN, self._seen)

    def logits(self, stream: int) -> Ints32:
        """Logits of head `stream` given the values fed so far, then its copy weights: int32 [B, V + L].

        They are overwritten by the next step.
        """
        output, found = self._outputs[stream], self._logits[stream]
        factors = self._unit_factors[stream]
        kernels.head_units(self._seen, stream * len(factors), self._silu, factors, output.product.inputs)
        kernels.scale_fine(output.product(), output.factor, output.offset, MAX_LOGIT, found)
        return found

    def feed(self, stream: int, values: Ints64, onset_contexts: Ints64) -> None:
        """Lets the later heads see the values int64 [B] that head `stream` chose, and what is known of the onset they
        put the event at, int64 [B, O].
        """
        head = self.settings.head_size
        if stream + 1 < len(self.settings.streams):
            kernels.add_rows(self._seen, (stream + 1) * head, self._chains[stream], values)
        if stream == 0:
            for column, rows in enumerate(self._onsets):
                kernels.add_rows(self._seen, head, rows, onset_contexts[:, column])


class _Scaled:
    """A product of bytes, and what brings its sums to their unit; the offset with the half that rounds."""

    def __init__(self, product: IntegerProduct, num_rows: int) -> None:
        weight = product.weight if product.fine is None else np.concatenate([product.weight, product.fine])
        self.product = ByteProduct(weight, num_rows)
        self.factor, self.offset = product.factor, product.offset + HALF_SCALE


def _joined(tables: Sequence[IntegerTable], width: int) -> tuple[Ints16, Ints64]:
    """The rows of tables one below another, then a row of zeros; and where each table begins."""
    starts = np.cumsum([0, *(len(table.shifts) for table in tables)])[:-1].astype(np.int64)
    return np.concatenate([*(table.rows() for table in tables), np.zeros((1, width), dtype=np.int16)]), starts
