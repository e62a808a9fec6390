"""How far the numbers inside a model reach on given pieces: the units of its integers follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lstm_core.model.music_lstm import Inputs, ModelSettings, MusicLSTM, State

LEAST_REACH = 1 / 64  # of a unit that is silent on all pieces: other pieces may wake it
_MADE_UP_LANES, _MADE_UP_EVENTS = 16, 64


@dataclass(frozen=True)
class Ranges:
    """The greatest sizes that were met."""

    inputs: float  # of the inputs of the first layer
    units: tuple[Tensor, ...]  # of each hidden unit of each head: float32 [head_size]


@torch.no_grad()
def measured_ranges(model: MusicLSTM, windows: Iterable[tuple[Inputs, Tensor]]) -> Ranges:
    """How far the numbers of a model reach on windows of some lanes, with the lanes that begin a piece: bool [B]."""
    settings, was_training = model.settings, model.training
    model.eval()
    inputs, state = 0.0, None
    units = [torch.full((settings.head_size,), LEAST_REACH) for _ in settings.streams]
    for window, is_start in windows:
        if state is None:
            state = model.initial_state(len(is_start))
        keep = (~is_start).to(state.hidden)[None, :, None]
        state = State(state.hidden * keep, state.cell * keep)
        inputs = max(inputs, float(model.embedded(window).abs().max()))
        hidden, state = model.hidden(window, state)
        for most, found in zip(units, model.head_units(hidden, window.events, window.onset_contexts), strict=True):
            torch.maximum(most, found.abs().amax((0, 1)).cpu(), out=most)
    model.train(was_training)
    return Ranges(max(inputs, LEAST_REACH), tuple(units))


def made_up_windows(settings: ModelSettings) -> Iterator[tuple[Inputs, Tensor]]:
    """Random events, contexts and flags, the same ones each time, for a model of which no pieces are at hand."""
    random = torch.Generator().manual_seed(0)

    def values(sizes: list[int]) -> Tensor:
        columns = [torch.randint(size, (_MADE_UP_LANES, _MADE_UP_EVENTS), generator=random) for size in sizes]
        return torch.stack(columns, -1) if columns else torch.zeros(_MADE_UP_LANES, _MADE_UP_EVENTS, 0).long()

    events = values([stream.size for stream in settings.streams])
    flags = torch.randint(-1, 2, (_MADE_UP_LANES, _MADE_UP_EVENTS, settings.num_flags), generator=random).float()
    nothing = torch.full((*events.shape[:2], settings.num_lags, events.shape[2]), -1)
    contexts = values([context.size for context in settings.contexts])
    onset_contexts = values([context.size for context in settings.onset_contexts])
    inputs = Inputs(events, events.roll(1, 1), contexts, flags, onset_contexts, nothing)
    yield inputs, torch.ones(_MADE_UP_LANES, dtype=torch.bool)
