"""A MusicLSTM packed for generation: weights once in the order and precision that one step wants."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor

from lstm_core.model import MusicLSTM

Floats = npt.NDArray[np.float32]
_FAST = {"nnan", "ninf", "nsz", "contract"}  # what lets the compiler use vectors; sums keep their order


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX).

    Measured on an AMD Zen 5 with AVX512-BF16, November 2026: the engine at batch 256 plays 2.9 times as many
    events in bfloat16 as in float32; without the instructions bfloat16 is emulated and slower.
    """
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def arithmetic_of(name: str, device: str) -> torch.dtype:
    """The dtype of matrix products: "bf16", "float32", or "auto", which is bf16 where hardware has it."""
    if name == "auto":
        name = "bf16" if device != "cpu" or has_fast_bf16() else "float32"
    return torch.bfloat16 if name == "bf16" else torch.float32


def is_width_invariant(model: MusicLSTM, widths: tuple[int, ...], dtype: torch.dtype, device: str) -> bool:
    """Whether a row of this machine's matrix products has the same bits at every one of some batch widths."""
    generator = torch.Generator().manual_seed(0)
    settings = model.settings
    shapes = [(4 * settings.hidden_size, 2 * settings.hidden_size)]
    shapes.append((settings.head_size * len(settings.streams), settings.hidden_size))
    shapes += [(stream.size + settings.num_lags, settings.head_size) for stream in settings.streams]
    for num_outputs, num_inputs in shapes:
        weight = torch.randn(num_outputs, num_inputs, generator=generator).to(device, dtype)
        inputs = torch.randn(max(widths), num_inputs, generator=generator).to(device, dtype)
        whole = Product(weight, max(widths))(inputs)
        for width in widths:
            product = Product(weight, width)
            if not torch.equal(torch.cat([product(part) for part in torch.split(inputs, width)]), whole):
                return False
    return True


class Product:
    """inputs W^T of B rows, with W [outputs, inputs] laid out once in the order that the kernel reads it.

    torch lays a bfloat16 matrix out anew for each call: of a product of one row of 1,024 by [2048, 1024] that was
    174 us, and is 63 us without (AMD Zen 5, one thread, November 2026). The bits are the same.
    """

    def __init__(self, weight: Tensor, num_rows: int) -> None:
        self.weight, self.packed = weight, None
        has_kernel = weight.device.type == "cpu" and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        if weight.dtype == torch.bfloat16 and has_kernel and has_fast_bf16():
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, num_rows)

    def __call__(self, inputs: Tensor) -> Tensor:
        if self.packed is None:
            return torch.nn.functional.linear(inputs, self.weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.packed, None, "none", [], "")
        return product


class PackedStep:
    """One step of a MusicLSTM for B rows: embeddings and gates compiled, matrix products by torch.

    The state and everything in between are owned here. Rows never mix: each row of a product depends on that row
    alone, and B is fixed, so that a row's numbers are the same whatever stands beside it.
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
        self.gate_products, self.gate_biases = [], []
        for layer in range(settings.num_layers):
            matrix = torch.cat([weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"]], dim=1)
            self.gate_products.append(Product(matrix.to(device, dtype), num_rows))
            self.gate_biases.append((weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]).numpy())
        self.dtype = dtype
        self.head_product = Product(weights["head_hidden.weight"].to(device, dtype), num_rows)
        self.head_bias = weights["head_hidden.bias"].numpy()
        self.chain_tables = [weights[f"chains.{k}.weight"].numpy().copy() for k in range(num_streams - 1)]
        self.position_table = (
            weights["onset_position.weight"].numpy().copy()
            if settings.num_onset_positions
            else np.zeros((1, head * (num_streams - 1)), dtype=np.float32)
        )
        self.output_products = [
            Product(weights[f"outputs.{k}.weight"].to(device, dtype), num_rows) for k in range(num_streams)
        ]
        self.output_biases = [weights[f"outputs.{k}.bias"].numpy().copy() for k in range(num_streams)]
        # Inputs of a layer's product: [x, hidden] of each row, side by side.
        self.layer_inputs = [
            torch.zeros(num_rows, 2 * width, dtype=dtype, device=device) for _ in range(settings.num_layers)
        ]
        self.top_hidden = torch.zeros(num_rows, width, dtype=dtype, device=device)
        self.cells = [np.zeros((num_rows, width), dtype=np.float32) for _ in range(settings.num_layers)]
        self._x = np.zeros((num_rows, width), dtype=np.float32)
        self._hidden = np.zeros((num_rows, width), dtype=np.float32)
        self._head = np.zeros((num_rows, head), dtype=np.float32)
        self.seen = np.zeros((num_rows, head * num_streams), dtype=np.float32)

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero, as before the first event of a piece."""
        width = self.settings.hidden_size
        for inputs, cell in zip(self.layer_inputs, self.cells, strict=True):
            inputs[b, width:] = 0
            cell[b] = 0

    def condition_vector(self, contexts: npt.NDArray[np.int64], flags: Floats) -> Floats:
        """The part of a row's input that holds for a whole piece: float32 [H] of contexts int64 and flags float32.

        Contexts that change are given as -1 here and by `advance` in each step.
        """
        total = np.zeros(self.settings.hidden_size, dtype=np.float32)
        for column, value in enumerate(contexts):
            if value >= 0:
                total += self.context_tables[self.context_starts[column] + value]
        return total + flags @ self.flag_weights

    def advance(self, before: npt.NDArray[np.int64], moving: npt.NDArray[np.int64], conditions: Floats) -> None:
        """One recurrent step. before: int64 [B, K]; moving: int64 [B, M], the first M contexts; conditions [B, H]."""
        width = self.settings.hidden_size
        _embed(
            self._x, conditions, before, self.event_tables, self.event_starts,
            moving, self.context_tables, self.context_starts,
        )  # fmt: skip
        below = torch.from_numpy(self._x)
        for layer, inputs in enumerate(self.layer_inputs):
            inputs[:, :width] = below
            gates = self.gate_products[layer](inputs).float().cpu().numpy()
            _lstm_cell(gates, self.gate_biases[layer], self.cells[layer], self._hidden)
            below = torch.from_numpy(self._hidden)
            inputs[:, width:] = below
        self.top_hidden.copy_(below)
        seen = self.head_product(self.top_hidden).float().cpu().numpy()
        np.add(seen, self.head_bias, out=self.seen)

    def logits(self, stream: int) -> Floats:
        """Logits of head `stream` given the values told so far, then its copy weights: float32 [B, V + L]."""
        head = self.settings.head_size
        _silu(self.seen, stream * head, self._head)
        inputs = torch.from_numpy(self._head).to(self.device, self.dtype)
        logits = self.output_products[stream](inputs).float().cpu().numpy()
        logits += self.output_biases[stream]
        result: Floats = logits
        return result

    def tell(self, stream: int, values: npt.NDArray[np.int64], onset_positions: npt.NDArray[np.int64]) -> None:
        """Lets the later heads see the values int64 [B] that head `stream` chose, and where they put the onset."""
        head = self.settings.head_size
        if stream + 1 < len(self.settings.streams):
            _add_rows(self.seen, (stream + 1) * head, self.chain_tables[stream], values)
        if stream == 0 and self.settings.num_onset_positions:
            _add_rows(self.seen, head, self.position_table, onset_positions)

    def hidden(self) -> tuple[Tensor, Tensor]:
        """The state (hidden, cell) in float32: [L, B, H] each."""
        width = self.settings.hidden_size
        hidden = torch.stack([inputs[:, width:].float().cpu() for inputs in self.layer_inputs])
        return hidden, torch.stack([torch.from_numpy(cell) for cell in self.cells])


def _joined(weights: dict[str, Tensor], name: str, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Embedding tables one below another, and the row at which each begins."""
    tables = [weights[f"{name}.{k}.weight"].numpy() for k in range(count)]
    starts = np.cumsum([0, *(len(table) for table in tables)])[:-1].astype(np.int64)
    return np.concatenate(tables), starts


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
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


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _tanh(x: Any) -> Any:
    """tanh by Lambert's continued fraction, cut after the ninth level: error at most 4e-5."""
    one = np.float32(1.0)
    x = min(max(x, np.float32(-5.4)), np.float32(5.4))
    y = x * x
    top = x * (np.float32(34459425) + y * (np.float32(4729725) + y * (np.float32(135135) + y * (np.float32(990) + y))))
    low = np.float32(34459425) + y * (
        np.float32(16216200) + y * (np.float32(945945) + y * (np.float32(13860) + y * np.float32(45)))
    )
    return min(max(top / low, -one), one)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _lstm_cell(gates: Floats, bias: Floats, cell: Floats, hidden: Floats) -> None:
    """The LSTM's gates i, f, g, o: float32 [B, 4 H] and bias [4 H]; sets cell and hidden, float32 [B, H]."""
    width, half = cell.shape[1], np.float32(0.5)
    for b in range(cell.shape[0]):
        i_gate, f_gate = gates[b, :width], gates[b, width : 2 * width]
        g_gate, o_gate = gates[b, 2 * width : 3 * width], gates[b, 3 * width :]
        i_bias, f_bias = bias[:width], bias[width : 2 * width]
        g_bias, o_bias = bias[2 * width : 3 * width], bias[3 * width :]
        row_cell, row_hidden = cell[b], hidden[b]
        for h in range(width):
            i = half + half * _tanh(half * (i_gate[h] + i_bias[h]))
            f = half + half * _tanh(half * (f_gate[h] + f_bias[h]))
            g = _tanh(g_gate[h] + g_bias[h])
            o = half + half * _tanh(half * (o_gate[h] + o_bias[h]))
            c = f * row_cell[h] + i * g
            row_cell[h] = c
            row_hidden[h] = o * _tanh(c)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _silu(seen: Floats, start: int, out: Floats) -> None:
    """silu(x) = x sigmoid(x) of a slice of columns. The sigmoid by tanh, beyond +-10.8 by its limits."""
    half = np.float32(0.5)
    for b in range(out.shape[0]):
        row, out_row = seen[b, start : start + out.shape[1]], out[b]
        for h in range(out.shape[1]):
            out_row[h] = row[h] * (half + half * _tanh(half * row[h]))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_rows(seen: Floats, start: int, table: Floats, values: npt.NDArray[np.int64]) -> None:
    """Adds row values[b] of the table to the columns of seen[b] from `start` on."""
    for b in range(seen.shape[0]):
        row, table_row = seen[b, start:], table[values[b]]
        for h in range(table.shape[1]):
            row[h] += table_row[h]
