"""All gradients of a model in one buffer: set to zero, added up over workers, scaled and clipped in one go each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lstm_core.training.worker_group import WorkerGroup


class FlatGradients:
    """The gradient of each parameter is a view of one buffer, which ends in `num_more` sums that travel along."""

    def __init__(self, parameters: Sequence[nn.Parameter], num_more: int) -> None:
        size = sum(p.numel() for p in parameters)
        self._buffer = torch.zeros(size + num_more, device=parameters[0].device)
        self._gradients, self._more = self._buffer[:size], self._buffer[size:]
        offset = 0
        for parameter in parameters:
            parameter.grad = self._buffer[offset : offset + parameter.numel()].view_as(parameter)
            offset += parameter.numel()

    def clear(self) -> None:
        """Before the backward pass, which adds to them."""
        self._buffer.zero_()

    def reduce(self, more: Tensor, group: WorkerGroup) -> list[float]:
        """Adds everything up over the workers and returns the sums of `more`, [num_more]."""
        self._more.copy_(more)
        group.add_up(self._buffer)
        return list(self._more.tolist())

    def scale_and_clip(self, scale: float, largest_norm: float) -> float:
        """Multiplies the gradients and returns their norm after that; a norm above the largest is scaled down to it."""
        norm = float(self._gradients.norm()) * scale
        self._gradients.mul_(scale * min(1.0, largest_norm / (norm + 1e-12)))
        return norm
