"""Weights of an earlier version of a representation, in a model of the present one: what is new begins as zeros.

A representation may come to tell a model more: further contexts, flags and lags. What its events mean stays the same. A
model that learnt without them plays as it did, note for note, and can be trained further with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lstm_core.model.music_lstm import ModelSettings
from lstm_core.representations.representation import Representation, Stream


def widened(
    settings: ModelSettings, weights: dict[str, Tensor], representation: Representation, styles: tuple[str, ...]
) -> tuple[ModelSettings, dict[str, Tensor]]:
    """Settings and weights of a model that is told all that `representation` tells; the same if it is already.

    A model that is told something else than the representation told earlier is returned as it is.
    """
    contexts = representation.contexts(styles)
    places = _places(settings.contexts, contexts)
    is_less = settings.num_flags <= representation.num_flags and settings.num_lags <= representation.num_lags
    if places is None or not is_less or settings.onset_contexts != representation.onset_contexts:
        return settings, weights
    num_flags, num_lags = representation.num_flags, representation.num_lags
    wider = replace(settings, contexts=contexts, num_flags=num_flags, num_lags=num_lags)
    if wider == settings:
        return settings, weights
    found = {name: tensor for name, tensor in weights.items() if not name.startswith("context_embeddings.")}
    for number, context in enumerate(contexts):
        name = f"context_embeddings.{number}.weight"
        rows = torch.zeros(context.size, settings.hidden_size)
        found[name] = rows if places[number] < 0 else weights[f"context_embeddings.{places[number]}.weight"]
    if num_flags > 0:
        flags = weights.get("flags.weight", torch.zeros(settings.hidden_size, 0))
        found["flags.weight"] = _with_zeros(flags, 1, num_flags - settings.num_flags)
    for number in range(len(settings.streams)):
        for name in (f"outputs.{number}.weight", f"outputs.{number}.bias"):
            found[name] = _with_zeros(weights[name], 0, num_lags - settings.num_lags)
    return wider, found


def _places(earlier: Sequence[Stream], now: Sequence[Stream]) -> list[int] | None:
    """Number of each context among the earlier ones, -1 for new ones; None if one of those is gone or moved."""
    known = [context for context in now if context in earlier]
    if known != list(earlier):
        return None
    return [earlier.index(context) if context in earlier else -1 for context in now]


def _with_zeros(tensor: Tensor, dim: int, count: int) -> Tensor:
    shape = list(tensor.shape)
    shape[dim] = count
    return torch.cat([tensor, torch.zeros(shape)], dim=dim)
