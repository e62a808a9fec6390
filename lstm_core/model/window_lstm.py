"""One LSTM layer over a window, forward and backward, in bfloat16 on a CPU.

oneDNN's backward pass adds to the gradient of the weights at every step of a window, which reads and writes 8 MB per
step however few lanes there are. Here the steps only make the gradients of the gates; those of the weights are one
product over all steps. A layer of 512, 128 events: 299 ms became 156 at 32 lanes, 445 became 347 at 64, as near to
float32 as before (one thread of an AMD Zen 5 with AVX512-BF16, November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lstm_core.foundation.bfloat16 import FAST, Bits, Floats, PackedWeight, bits_of, narrow, tanh, widen
from lstm_core.foundation.compiling import njit


def window_lstm(x: Tensor, hidden: Tensor, cell: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden vectors of all steps, bfloat16 [B, T, H], and the state after the last, float32 [B, H] twice.

    Gradients flow to `x` and the weights, not to the state.

    Args:
        x: float [B, T, inputs].
        hidden: float32 [B, H] before the first step.
        cell: The same.
        weights: W_ih [4 H, inputs], W_hh [4 H, H] and two biases [4 H], of the gates i, f, g, o.
    """
    w_ih, w_hh, b_ih, b_hh = weights
    y, last_hidden, last_cell = _WindowLSTM.apply(  # type: ignore[no-untyped-call]
        x.bfloat16(), hidden, cell, w_ih.bfloat16(), w_hh.bfloat16(), b_ih.float() + b_hh.float()
    )
    return y, last_hidden, last_cell


class _WindowLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, hidden: Tensor, cell: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        num_lanes, num_steps, _ = x.shape
        x = x.transpose(0, 1).contiguous()  # [T, B, inputs]
        from_x = functional.linear(x, w_ih)  # [T, B, 4 H]
        hiddens = torch.empty(num_steps + 1, *hidden.shape, dtype=torch.bfloat16)  # of each step, the first before it
        cells = torch.empty(num_steps + 1, *cell.shape)
        hiddens[0], cells[0] = hidden, cell
        product = PackedWeight(w_hh, num_lanes)
        bias_values, gates, cell_values, hidden_bits = bias.numpy(), bits_of(from_x), cells.numpy(), bits_of(hiddens)
        for t in range(num_steps):
            from_hidden = bits_of(product(hiddens[t]))
            _step(gates[t], from_hidden, bias_values, cell_values[t], cell_values[t + 1], hidden_bits[t + 1])
        ctx.save_for_backward(x, w_ih, w_hh, from_x, cells, hiddens)
        y, last_hidden, last_cell = hiddens[1:].transpose(0, 1), hiddens[-1].float(), cells[-1].clone()
        ctx.mark_non_differentiable(last_hidden, last_cell)
        return y, last_hidden, last_cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, w_ih, w_hh, gates, cells, hiddens = ctx.saved_tensors
        num_steps, num_lanes, width = gates.shape
        dy = gradients[0].bfloat16().transpose(0, 1).contiguous()  # [T, B, H]
        product = PackedWeight(w_hh.t().contiguous(), num_lanes)
        gate_bits, dy_bits, cell_values = bits_of(gates), bits_of(dy), cells.numpy()
        d_gates = torch.empty_like(gates)
        d_gate_bits = bits_of(d_gates)
        d_hidden = torch.zeros_like(hiddens[0])
        d_cell, d_bias = np.zeros_like(cell_values[0]), np.zeros(width, dtype=np.float32)
        for t in range(num_steps - 1, -1, -1):
            _step_back(
                gate_bits[t], cell_values[t], cell_values[t + 1], dy_bits[t], bits_of(d_hidden), d_cell,
                d_gate_bits[t], d_bias,
            )  # fmt: skip
            d_hidden = product(d_gates[t])
        rows = d_gates.flatten(0, 1)  # [T B, 4 H]
        d_w_ih, d_w_hh = rows.t() @ x.flatten(0, 1), rows.t() @ hiddens[:-1].flatten(0, 1)
        d_x = (rows @ w_ih).view(x.shape).transpose(0, 1)
        return d_x, None, None, d_w_ih, d_w_hh, torch.from_numpy(d_bias)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _step(gates: Bits, from_hidden: Bits, bias: Floats, before: Floats, cell: Floats, hidden: Bits) -> None:
    """Sets cell and hidden [B, H]; `gates` [B, 4 H] hold products of the input before and i, f, g, o after."""
    width, half = cell.shape[1], np.float32(0.5)
    a = np.empty(4 * width, np.float32)
    more, out = np.empty(4 * width, np.float32), np.empty(width, np.float32)
    for b in range(cell.shape[0]):
        widen(gates[b], a)
        widen(from_hidden[b], more)
        for i in range(4 * width):
            a[i] += more[i] + bias[i]
        for i in range(2 * width):
            a[i] = half + half * tanh(half * a[i])
        for i in range(2 * width, 3 * width):
            a[i] = tanh(a[i])
        for i in range(3 * width, 4 * width):
            a[i] = half + half * tanh(half * a[i])
        row, row_before = cell[b], before[b]
        for i in range(width):
            row[i] = a[width + i] * row_before[i] + a[i] * a[2 * width + i]
            out[i] = a[3 * width + i] * tanh(row[i])
        narrow(a, gates[b])
        narrow(out, hidden[b])


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _step_back(
    gates: Bits, before: Floats, cell: Floats, dy: Bits, d_hidden: Bits, d_cell: Floats, d_gates: Bits, d_bias: Floats
) -> None:
    """Sets the gradients of a step's gates [B, 4 H], takes d_cell [B, H] one step back and adds to d_bias [4 H]."""
    width, one = cell.shape[1], np.float32(1.0)
    a, d = np.empty(4 * width, np.float32), np.empty(4 * width, np.float32)
    above, after = np.empty(width, np.float32), np.empty(width, np.float32)
    for b in range(cell.shape[0]):
        widen(gates[b], a)
        widen(dy[b], above)
        widen(d_hidden[b], after)
        row, row_before, row_d_cell = cell[b], before[b], d_cell[b]
        for i in range(width):
            i_gate, f_gate, g_gate, o_gate = a[i], a[width + i], a[2 * width + i], a[3 * width + i]
            d_out, bent = above[i] + after[i], tanh(row[i])
            d_c = row_d_cell[i] + d_out * o_gate * (one - bent * bent)
            d[i] = d_c * g_gate * i_gate * (one - i_gate)
            d[width + i] = d_c * row_before[i] * f_gate * (one - f_gate)
            d[2 * width + i] = d_c * i_gate * (one - g_gate * g_gate)
            d[3 * width + i] = d_out * bent * o_gate * (one - o_gate)
            row_d_cell[i] = d_c * f_gate
        for i in range(4 * width):
            d_bias[i] += d[i]
        narrow(d, d_gates[b])
