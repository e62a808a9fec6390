"""One step of an integer model as torch operations, for GPUs: three graphs and more, replayed from step to step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

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
from lstm_core.model.integers.weights import (
    COARSE,
    MAX_ACTIVATION,
    IntegerProduct,
    IntegerTable,
    IntegerWeights,
    Ints32,
    Ints64,
)

LEAST_ROWS = 32  # torch._int_mm wants more than 16 rows on CUDA, and sizes that are multiples of 8
_MULTIPLE = 8


class DeviceStep:
    """One step of B rows on a device; the interface is that of step.IntegerStep, and so are the numbers."""

    def __init__(self, weights: IntegerWeights, num_rows: int, device: str) -> None:
        settings = weights.settings
        self.settings, self.num_rows, self.device = settings, num_rows, torch.device(device)
        rows, width, num_streams = max(num_rows, LEAST_ROWS), settings.hidden_size, len(settings.streams)
        self._event_rows, self._event_starts = self._joined(weights.events)
        self._context_rows, self._context_starts = self._joined(weights.contexts)
        self._flag_rows = self._put(weights.flags.rows()).double()  # sums of integers below 2^53 are exact in float64
        self._layers = [_DeviceProduct(product, rows, self.device) for product in weights.layers]
        self._heads = _DeviceProduct(weights.heads, rows, self.device)
        self._outputs = [_DeviceProduct(product, rows, self.device) for product in weights.outputs]
        self._chains = [self._put(table.rows()) for table in weights.chains]
        self._onsets = [self._put(table.rows()) for table in weights.onsets]
        self._unit_factors = [self._put(factors) for factors in weights.unit_factors]
        self._input_factor = weights.input_factor
        self._tanh, self._silu = self._put(tanh_table()), self._put(silu_table())
        self._cells = [self._zeros(rows, width) for _ in self._layers]
        self._seen = self._zeros(rows, settings.head_size * num_streams)
        self._before = self._zeros(rows, num_streams)
        self._moving = self._zeros(rows, len(settings.contexts))
        self._num_moving = 0
        self._flags = torch.zeros(rows, settings.num_flags, dtype=torch.float64, device=self.device)
        self._conditions = self._zeros(rows, width)
        self._values = self._zeros(rows)
        self._onset_contexts = self._zeros(rows, len(self._onsets))
        self._logits = [self._zeros(rows, output.num_outputs) for output in self._outputs]
        self._play: Callable[[], None] | None = None  # captured when the number of moving contexts is known
        self._read = [self._captured(lambda k=k: self._set_logits(k)) for k in range(num_streams)]  # type: ignore[misc]
        self._feed = [self._captured(lambda k=k: self._add_rows(k)) for k in range(num_streams)]  # type: ignore[misc]

    def no_conditions(self) -> Ints32:
        """Conditions of rows that have none: int32 [B, H]."""
        return np.zeros((self.num_rows, self.settings.hidden_size), dtype=np.int32)

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero."""
        for layer, cell in zip(self._layers, self._cells, strict=True):
            layer.inputs[b, self.settings.hidden_size :] = 0
            cell[b] = 0

    def take_rows(self, other: DeviceStep, rows: Ints64) -> None:
        """Copies the state of some rows of another step, as many as this one has."""
        kept, width = torch.from_numpy(rows).to(self.device), self.settings.hidden_size
        for own, others in zip(self._layers, other._layers, strict=True):
            own.inputs[: self.num_rows, width:] = others.inputs[kept, width:]
        for cell, others_cell in zip(self._cells, other._cells, strict=True):
            cell[: self.num_rows] = others_cell[kept]

    def condition_vector(self, contexts: Ints64, flags: npt.NDArray[np.float32]) -> Ints32:
        """See IntegerStep.condition_vector."""
        held = np.flatnonzero(contexts >= 0)
        rows = torch.from_numpy(contexts[held]).to(self.device) + self._context_starts[torch.from_numpy(held)]
        flag_sum = torch.from_numpy(flags).double().to(self.device) @ self._flag_rows
        total = self._context_rows[rows].sum(0) + flag_sum.long()
        found: Ints32 = total.cpu().numpy().astype(np.int32)
        return found

    def advance(
        self, before: Ints64, moving: Ints64, conditions: Ints32, flags: npt.NDArray[np.uint8] | None = None
    ) -> None:
        """One recurrent step; see IntegerStep.advance."""
        n = self.num_rows
        self._before[:n] = torch.from_numpy(before)
        self._moving[:n, : moving.shape[1]] = torch.from_numpy(moving)
        self._conditions[:n] = torch.from_numpy(conditions)
        self._flags[:n] = 0 if flags is None else torch.from_numpy(flags)
        if self._play is None or self._num_moving != moving.shape[1]:
            self._num_moving = moving.shape[1]
            self._play = self._captured(self._advance)
        self._play()

    def logits(self, stream: int) -> Ints32:
        """Logits of head `stream`, then its copy weights: int32 [B, V + L]."""
        self._read[stream]()
        found: Ints32 = self._logits[stream][: self.num_rows].int().cpu().numpy()
        return found

    def feed(self, stream: int, values: Ints64, onset_contexts: Ints64) -> None:
        """Lets the later heads see the values of head `stream`; see IntegerStep.feed."""
        self._values[: self.num_rows] = torch.from_numpy(values)
        if stream == 0 and self._onsets:
            self._onset_contexts[: self.num_rows] = torch.from_numpy(onset_contexts)
        self._feed[stream]()

    def _advance(self) -> None:
        x = self._conditions + self._event_rows[self._before + self._event_starts].sum(1)
        places = self._moving[:, : self._num_moving] + self._context_starts[: self._num_moving]
        x = x + self._context_rows[places].sum(1) + (self._flags @ self._flag_rows).long()
        below = _activation(_scaled(x * self._input_factor))
        width = self.settings.hidden_size
        for layer, cell in zip(self._layers, self._cells, strict=True):
            layer.inputs[:, :width] = below
            i, f, g, o = self._tanh_of(layer()).chunk(4, 1)
            i, f, o = i + ONE, f + ONE, o + ONE
            cell.copy_(((cell * f + 2 * i * g + HALF_CELL) >> CELL_BITS).clamp(-MAX_CELL, MAX_CELL))
            squashed = self._tanh_of((cell + half(CELL_DROPPED)) >> CELL_DROPPED)
            below = _activation((o * squashed + half(HIDDEN_DROPPED)) >> HIDDEN_DROPPED)
            layer.inputs[:, width:] = below
        self._heads.inputs.copy_(below)
        self._seen.copy_(self._heads().clamp(-MAX_SEEN, MAX_SEEN))

    def _set_logits(self, stream: int) -> None:
        head, output = self.settings.head_size, self._outputs[stream]
        seen = self._seen[:, stream * head : (stream + 1) * head]
        index = ((seen + half(SILU_DROPPED)) >> SILU_DROPPED) + SILU_MIDDLE
        units = self._silu[index.clamp(0, len(self._silu) - 1)]
        output.inputs.copy_(_activation(_scaled(units * self._unit_factors[stream])))
        self._logits[stream].copy_(output().clamp(-MAX_LOGIT, MAX_LOGIT))

    def _add_rows(self, stream: int) -> None:
        head = self.settings.head_size
        if stream + 1 < len(self.settings.streams):
            self._seen[:, (stream + 1) * head :] += self._chains[stream][self._values]
        if stream == 0:
            for column, rows in enumerate(self._onsets):
                self._seen[:, head:] += rows[self._onset_contexts[:, column]]

    def _tanh_of(self, index: Tensor) -> Tensor:
        return self._tanh[index.clamp(-TABLE_MIDDLE, TABLE_MIDDLE - 1) + TABLE_MIDDLE]

    def _captured(self, play: Callable[[], None]) -> Callable[[], None]:
        """What does the same as `play`: on CUDA a graph of it, which is launched as one."""
        if self.device.type != "cuda":
            return play
        state = [self._seen, *self._cells, *(layer.inputs for layer in self._layers)]
        kept = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            play()  # what is made at the first call must not be a part of the graph
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            play()
        for tensor, values in zip(state, kept, strict=True):
            tensor.copy_(values)
        return graph.replay

    def _put(self, values: npt.NDArray[np.int32] | npt.NDArray[np.int16]) -> Tensor:
        return torch.from_numpy(values).long().to(self.device)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int64, device=self.device)

    def _joined(self, tables: tuple[IntegerTable, ...]) -> tuple[Tensor, Tensor]:
        width = self.settings.hidden_size
        rows = [torch.zeros(0, width, dtype=torch.int64), *(torch.from_numpy(t.rows()).long() for t in tables)]
        starts = torch.tensor([0, *(len(table.shifts) for table in tables)]).cumsum(0)[: len(tables)]
        return torch.cat(rows).to(self.device), starts.to(self.device)


class _DeviceProduct:
    """A product of bytes of so many rows on a device, in the unit of what follows."""

    def __init__(self, product: IntegerProduct, num_rows: int, device: torch.device) -> None:
        self.num_outputs, self._is_fine = len(product.factor), product.fine is not None
        matrices = [product.weight] if product.fine is None else [product.weight, product.fine]
        num_inputs = product.weight.shape[1]
        self._size = -(-self.num_outputs // _MULTIPLE) * _MULTIPLE
        padding = (0, -num_inputs % _MULTIPLE, 0, self._size - self.num_outputs)
        weight = torch.cat([functional.pad(torch.from_numpy(matrix), padding) for matrix in matrices])
        self._weight = weight.to(device).t()
        self._whole = torch.zeros(num_rows, weight.shape[1], dtype=torch.int8, device=device)
        self.inputs = self._whole[:, :num_inputs]
        self._factor = torch.from_numpy(product.factor).long().to(device)
        self._offset = torch.from_numpy(product.offset).to(device)

    def __call__(self) -> Tensor:
        """int64 [B, outputs]."""
        sums = torch._int_mm(self._whole, self._weight).long()
        coarse = sums[:, : self.num_outputs]
        if self._is_fine:
            coarse = COARSE * coarse + sums[:, self._size : self._size + self.num_outputs]
        return _scaled(coarse * self._factor + self._offset)


def _scaled(sums: Tensor) -> Tensor:
    return (sums + HALF_SCALE) >> SCALE_BITS


def _activation(values: Tensor) -> Tensor:
    return values.clamp(-MAX_ACTIVATION, MAX_ACTIVATION)
