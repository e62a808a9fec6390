"""A MusicLSTM packed for generation: weights once in the order and precision that one step wants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.foundation.bfloat16 import FAST, Bits, Floats, PackedWeight, bits_of, narrow, tanh, widen
from lstm_core.foundation.compiling import njit
from lstm_core.foundation.fixed_point import LOGIT_BITS
from lstm_core.model.music_lstm import MusicLSTM

_LOGIT = np.float32(1 << LOGIT_BITS)


def agreeing_widths(model: MusicLSTM, widths: tuple[int, ...], dtype: torch.dtype, device: str) -> tuple[int, ...]:
    """The batch widths at which a row of this machine's matrix products has the bits that it has in the
    widest, which is always one of them.
    """
    generator = torch.Generator().manual_seed(0)
    settings = model.settings
    shapes = [(4 * settings.hidden_size, 2 * settings.hidden_size)]
    shapes.append((settings.head_size * len(settings.streams), settings.hidden_size))
    shapes += [(stream.size + settings.num_lags, settings.head_size) for stream in settings.streams]
    found = widths
    for num_outputs, num_inputs in shapes:
        weight = torch.randn(num_outputs, num_inputs, generator=generator).to(device, dtype)
        values = torch.randn(max(widths), num_inputs, generator=generator).numpy()
        whole = _multiplied(weight, values, max(widths))
        found = tuple(width for width in found if np.array_equal(_multiplied(weight, values, width), whole))
    return found


def _multiplied(weight: Tensor, values: Floats, width: int) -> Floats:
    """All rows of values, so many at a time."""
    product = Product(weight, np.zeros(len(weight), dtype=np.float32), width)
    parts = []
    for rows in np.split(values, len(values) // width):
        product.set(rows, 0)
        parts.append(product().copy())
    return np.concatenate(parts)


class Product:
    """inputs W^T + bias of B rows: float32 in and out, the product itself in the dtype of W [outputs, inputs]."""

    def __init__(self, weight: Tensor, bias: Floats, num_rows: int) -> None:
        self.bias, self._product = bias, PackedWeight(weight, num_rows)
        self.inputs = torch.zeros(num_rows, weight.shape[1], dtype=weight.dtype, device=weight.device)
        self.outputs = np.zeros((num_rows, weight.shape[0]), dtype=np.float32)
        self._is_bf16_here = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
        if self._is_bf16_here:
            self._input_bits = bits_of(self.inputs)

    def set(self, values: Floats, column: int) -> None:
        """Sets inputs from `column` on: float32 [B, width]."""
        if self._is_bf16_here:
            _narrow_rows(values, self._input_bits, column)
        else:
            self.inputs[:, column : column + values.shape[1]] = torch.from_numpy(values)

    def __call__(self) -> Floats:
        """The outputs, float32 [B, outputs], which the next call overwrites."""
        result = self._product(self.inputs)
        if self._is_bf16_here:
            _widen_rows(bits_of(result), self.bias, self.outputs)
        else:
            np.add(result.float().cpu().numpy(), self.bias, out=self.outputs)
        return self.outputs


class RowConditions(NamedTuple):
    """What holds for a whole piece in one row."""

    contexts: npt.NDArray[np.int64]  # [C], -1 for those that change, which `PackedStep.advance` is given
    flags: Floats  # [number of flags]


class PackedStep:
    """One step of a MusicLSTM for B rows: embeddings and gates compiled, matrix products by torch.

    The state and everything in between are owned here. Rows never mix: each row of a product depends on that row
    alone, and B is fixed, so that a row's numbers do not depend on the rows beside it.
    """

    def __init__(self, model: MusicLSTM, num_rows: int, *, dtype: torch.dtype, device: str = "cpu") -> None:
        settings = model.settings
        self.settings, self.num_rows, self.device = settings, num_rows, device
        width, head, num_streams = settings.hidden_size, settings.head_size, len(settings.streams)
        weights = {name: p.detach().float() for name, p in model.state_dict().items()}
        self.event_tables, self.event_starts = _joined(weights, "event_embeddings", num_streams)
        self.context_tables, self.context_starts = _joined(weights, "context_embeddings", len(settings.contexts))
        self.flag_weights = (
            weights["flags.weight"].numpy().T.copy() if settings.num_flags else np.zeros((0, width), dtype=np.float32)
        )
        self.gate_products = []  # inputs of a layer's product: [x, hidden] of each row, side by side
        for layer in range(settings.num_layers):
            matrix = torch.cat([weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"]], dim=1)
            bias = (weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]).numpy()
            self.gate_products.append(Product(matrix.to(device, dtype), bias, num_rows))
        self.head_product = self._product(weights, "head_hidden", dtype)
        self.output_products = [self._product(weights, f"outputs.{k}", dtype) for k in range(num_streams)]
        self.chain_tables = [weights[f"chains.{k}.weight"].numpy().copy() for k in range(num_streams - 1)]
        num_onset_contexts = len(settings.onset_contexts)
        self.onset_tables = [weights[f"onset_embeddings.{k}.weight"].numpy() for k in range(num_onset_contexts)]
        self.cells = [np.zeros((num_rows, width), dtype=np.float32) for _ in range(settings.num_layers)]
        self.seen = self.head_product.outputs
        self._x = np.zeros((num_rows, width), dtype=np.float32)
        self._hidden = np.zeros((num_rows, width), dtype=np.float32)
        self._head = np.zeros((num_rows, head), dtype=np.float32)
        self._logits = [np.zeros(product.outputs.shape, dtype=np.int32) for product in self.output_products]

    def _product(self, weights: dict[str, Tensor], name: str, dtype: torch.dtype) -> Product:
        weight = weights[f"{name}.weight"].to(self.device, dtype)
        return Product(weight, weights[f"{name}.bias"].numpy().copy(), self.num_rows)

    def no_conditions(self) -> Floats:
        """Conditions of rows that have none: float32 [B, H]."""
        return np.zeros((self.num_rows, self.settings.hidden_size), dtype=np.float32)

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero, as before the first event of a piece."""
        width = self.settings.hidden_size
        for product, cell in zip(self.gate_products, self.cells, strict=True):
            product.inputs[b, width:] = 0
            cell[b] = 0

    def take_rows(self, other: PackedStep, rows: npt.NDArray[np.int64]) -> None:
        """Copies the state of some rows of a step of another width, as many as this one has."""
        width = self.settings.hidden_size
        for layer, cell in enumerate(self.cells):
            kept = torch.from_numpy(rows).to(self.device)
            self.gate_products[layer].inputs[:, width:] = other.gate_products[layer].inputs[kept, width:]
            cell[:] = other.cells[layer][rows]

    def condition_vector(self, contexts: npt.NDArray[np.int64], flags: Floats) -> Floats:
        """The part of a row's input that holds for a whole piece: float32 [H] of contexts int64 and flags float32.

        Contexts that change are given as -1 here and by `advance` in each step.
        """
        total = np.zeros(self.settings.hidden_size, dtype=np.float32)
        for column, value in enumerate(contexts):
            if value >= 0:
                total += self.context_tables[self.context_starts[column] + value]
        return total + flags @ self.flag_weights

    def advance(
        self,
        before: npt.NDArray[np.int64],
        moving: npt.NDArray[np.int64],
        conditions: Floats,
        flags: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """One recurrent step. before: int64 [B, K]; moving: int64 [B, M], the first M contexts; conditions [B, H].

        flags: uint8 [B, F] of 0 and 1, where they change from step to step.
        """
        width = self.settings.hidden_size
        _embed(
            self._x, conditions, before, self.event_tables, self.event_starts,
            moving, self.context_tables, self.context_starts,
        )  # fmt: skip
        if flags is not None:
            _add_flags(self._x, self.flag_weights, flags)
        below = self._x
        for product, cell in zip(self.gate_products, self.cells, strict=True):
            product.set(below, 0)
            _lstm_cell(product(), cell, self._hidden)
            below = self._hidden
            product.set(below, width)
        self.head_product.set(below, 0)
        self.head_product()

    def logits(self, stream: int) -> npt.NDArray[np.int32]:
        """Logits of head `stream` given the values fed so far, then its copy weights: int32 [B, V + L], in the unit
        2^-LOGIT_BITS.

        They are overwritten by the next step.
        """
        _silu(self.seen, stream * self.settings.head_size, self._head)
        product, logits = self.output_products[stream], self._logits[stream]
        product.set(self._head, 0)
        _to_fixed_point(product(), logits)
        return logits

    def feed(self, stream: int, values: npt.NDArray[np.int64], onset_contexts: npt.NDArray[np.int64]) -> None:
        """Lets the later heads see the values int64 [B] that head `stream` chose, and what is known of the onset they
        put the event at, int64 [B, O].
        """
        head = self.settings.head_size
        if stream + 1 < len(self.settings.streams):
            _add_rows(self.seen, (stream + 1) * head, self.chain_tables[stream], values)
        if stream == 0:
            for column, table in enumerate(self.onset_tables):
                _add_rows(self.seen, head, table, onset_contexts[:, column])

    def hidden(self) -> tuple[Tensor, Tensor]:
        """The state (hidden, cell) in float32: [L, B, H] each."""
        width = self.settings.hidden_size
        hidden = torch.stack([product.inputs[:, width:].float().cpu() for product in self.gate_products])
        return hidden, torch.stack([torch.from_numpy(cell) for cell in self.cells])


def _joined(weights: dict[str, Tensor], name: str, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Embedding tables one below another, and the row at which each begins; of none an empty one."""
    if count == 0:
        return np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=np.int64)
    tables = [weights[f"{name}.{k}.weight"].numpy() for k in range(count)]
    starts = np.cumsum([0, *(len(table) for table in tables)])[:-1].astype(np.int64)
    return np.concatenate(tables), starts


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _embed(
    out: Floats,
    conditions: Floats,
    before: npt.NDArray[np.int64],
    event_tables: Floats,
    event_starts: npt.NDArray[np.int64],
    moving: npt.NDArray[np.int64],
    context_tables: Floats,
    context_starts: npt.NDArray[np.int64],
) -> None:
    width = out.shape[1]
    for b in range(out.shape[0]):
        row = out[b]
        row[:] = conditions[b]
        for k in range(before.shape[1]):
            table_row = event_tables[event_starts[k] + before[b, k]]
            for i in range(width):
                row[i] += table_row[i]
        for m in range(moving.shape[1]):
            table_row = context_tables[context_starts[m] + moving[b, m]]
            for i in range(width):
                row[i] += table_row[i]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _add_flags(out: Floats, weights: Floats, flags: npt.NDArray[np.uint8]) -> None:
    for b in range(out.shape[0]):
        row = out[b]
        for flag in range(flags.shape[1]):
            if flags[b, flag]:
                weight = weights[flag]
                for i in range(len(row)):
                    row[i] += weight[i]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _lstm_cell(gates: Floats, cell: Floats, hidden: Floats) -> None:
    """The LSTM's gates i, f, g, o, float32 [B, 4 H]; sets cell and hidden, float32 [B, H]."""
    width, half = cell.shape[1], np.float32(0.5)
    for b in range(cell.shape[0]):
        i_gate, f_gate = gates[b, :width], gates[b, width : 2 * width]
        g_gate, o_gate = gates[b, 2 * width : 3 * width], gates[b, 3 * width :]
        row_cell, row_hidden = cell[b], hidden[b]
        for h in range(width):
            i = half + half * tanh(half * i_gate[h])
            f = half + half * tanh(half * f_gate[h])
            g = tanh(g_gate[h])
            o = half + half * tanh(half * o_gate[h])
            c = f * row_cell[h] + i * g
            row_cell[h] = c
            row_hidden[h] = o * tanh(c)


@njit(cache=True, nogil=True)
def _narrow_rows(values: Floats, bits: Bits, column: int) -> None:
    """Writes float32 [B, width] as bfloat16 into columns of bits [B, N]."""
    for b in range(values.shape[0]):
        narrow(values[b], bits[b, column : column + values.shape[1]])


@njit(cache=True, nogil=True)
def _widen_rows(bits: Bits, bias: Floats, out: Floats) -> None:
    """Writes bfloat16 [B, N] plus a bias [N] as float32 [B, N]."""
    for b in range(bits.shape[0]):
        row = out[b]
        widen(bits[b], row)
        for i in range(len(row)):
            row[i] += bias[i]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _silu(seen: Floats, start: int, out: Floats) -> None:
    """silu(x) = x sigmoid(x) of a slice of columns. The sigmoid by tanh, beyond +-10.8 by its limits."""
    half = np.float32(0.5)
    for b in range(out.shape[0]):
        row, out_row = seen[b, start : start + out.shape[1]], out[b]
        for h in range(out.shape[1]):
            out_row[h] = row[h] * (half + half * tanh(half * row[h]))


@njit(cache=True, nogil=True)
def _to_fixed_point(logits: Floats, out: npt.NDArray[np.int32]) -> None:
    """Writes float32 [B, N] in the unit 2^-LOGIT_BITS, to the nearest."""
    most = np.float32(1 << 24)
    for b in range(logits.shape[0]):
        row, out_row = logits[b], out[b]
        for i in range(len(row)):
            out_row[i] = np.int32(np.floor(min(max(row[i] * _LOGIT, -most), most) + np.float32(0.5)))


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _add_rows(seen: Floats, start: int, table: Floats, values: npt.NDArray[np.int64]) -> None:
    """Adds row values[b] of the table to the columns of seen[b] from `start` on."""
    for b in range(seen.shape[0]):
        row, table_row = seen[b, start:], table[values[b]]
        for h in range(table.shape[1]):
            row[h] += table_row[h]
