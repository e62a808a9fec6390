"""The LSTM layer of bfloat16 on a CPU is as near to float32 as torch's own, in values, state and gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstm_core.model.window_lstm import window_lstm

NUM_LANES, NUM_STEPS, WIDTH, NUM_INPUTS = 3, 40, 64, 48


def layer() -> nn.LSTM:
    torch.manual_seed(1)
    return nn.LSTM(NUM_INPUTS, WIDTH, batch_first=True)


def weights_of(lstm: nn.LSTM) -> list[Tensor]:
    return [lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0]


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(NUM_LANES, NUM_STEPS, NUM_INPUTS, generator=generator, requires_grad=True)
    hidden, cell = (torch.randn(NUM_LANES, WIDTH, generator=generator) / 2 for _ in range(2))
    return x, hidden, cell, torch.randn(NUM_LANES, NUM_STEPS, WIDTH, generator=generator)


def ours(lstm: nn.LSTM) -> list[Tensor]:
    x, hidden, cell, target = inputs()
    y, last_hidden, last_cell = window_lstm(x, hidden, cell, weights_of(lstm))
    (y.float() * target).sum().backward()
    return [y.float(), last_hidden, last_cell, x.grad, *(w.grad for w in weights_of(lstm))]  # type: ignore[list-item]


def of_torch(lstm: nn.LSTM, *, is_bf16: bool) -> list[Tensor]:
    x, hidden, cell, target = inputs()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
        y, (last_hidden, last_cell) = lstm(x, (hidden[None], cell[None]))
    (y.float() * target).sum().backward()
    found = [y.float(), last_hidden[0].float(), last_cell[0].float(), x.grad, *(w.grad for w in weights_of(lstm))]
    return found  # type: ignore[return-value]


def distance(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).detach().norm() / exact.detach().norm())


def test_values_and_gradients_are_as_near_to_float32_as_those_of_torch() -> None:
    exact = of_torch(layer(), is_bf16=False)
    for own, theirs, right in zip(ours(layer()), of_torch(layer(), is_bf16=True), exact, strict=True):
        assert own.shape == right.shape
        assert distance(own, right) < max(1.5 * distance(theirs, right), 0.005)


def test_a_window_in_two_parts_is_the_whole_window() -> None:
    lstm = layer()
    x, hidden, cell, _ = inputs()
    with torch.no_grad():
        whole, last_hidden, last_cell = window_lstm(x, hidden, cell, weights_of(lstm))
        first, *state = window_lstm(x[:, :17], hidden, cell, weights_of(lstm))
        second, *state = window_lstm(x[:, 17:], *state, weights_of(lstm))
    assert torch.equal(torch.cat([first, second], dim=1), whole)
    assert torch.equal(state[0], last_hidden) and torch.equal(state[1], last_cell)
