"""What the generation engine is held against: the arranger's model and heads, played by torch in float32.

nn_lstm   torch.nn.LSTM one step at a time at the same batch, the same nucleus drawn with torch; no masks and no copies
reread    the same at batch 1, reading a window of the last REREAD_WINDOW events anew for each event
"""

from __future__ import annotations

import time

import torch

from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.orders.order import TrackOrder

REREAD_WINDOW = 100
TOP_P = TrackOrder().top_p


@torch.inference_mode()
def stepping_rate(model: MusicLSTM, batch: int, seconds: float) -> float:
    """Events per second of processor time of torch.nn.LSTM called for one step at a time."""
    state = model.initial_state(batch)
    previous = torch.zeros(batch, 1, len(model.settings.streams), dtype=torch.int64)
    steps, start = 0, time.thread_time()
    while time.thread_time() < start + seconds:
        hidden, state = model.hidden(_inputs(model, previous), state)
        previous = _drawn(model, hidden)
        steps += 1
    return steps * batch / (time.thread_time() - start)


@torch.inference_mode()
def reread_rate(model: MusicLSTM, seconds: float) -> float:
    """Events per second at batch 1 when each reads the last REREAD_WINDOW events from a zero state."""
    window = torch.zeros(1, REREAD_WINDOW, len(model.settings.streams), dtype=torch.int64)
    steps, start = 0, time.thread_time()
    while time.thread_time() < start + seconds:
        hidden, _ = model.hidden(_inputs(model, window), model.initial_state(1))
        window = torch.cat([window[:, 1:], _drawn(model, hidden[:, -1:])], dim=1)
        steps += 1
    return steps / (time.thread_time() - start)


def _inputs(model: MusicLSTM, previous: torch.Tensor) -> Inputs:
    shape, settings = previous.shape[:2], model.settings
    contexts = torch.zeros(*shape, len(settings.contexts), dtype=torch.int64)
    flags = torch.zeros(*shape, settings.num_flags)
    onsets = torch.zeros(*shape, len(settings.onset_contexts), dtype=torch.int64)
    recalled = torch.full((*shape, settings.num_lags, len(settings.streams)), -1)
    return Inputs(previous, previous, contexts, flags, onsets, recalled)


def _drawn(model: MusicLSTM, hidden: torch.Tensor) -> torch.Tensor:
    """An event for each row, head after head, each seeing the values before: int64 [B, 1, K]."""
    head = model.settings.head_size
    seen = list(model.head_hidden(hidden[:, 0]).split(head, dim=-1))
    values = []
    for k, output in enumerate(model.outputs):
        logits = output(torch.nn.functional.silu(seen[k]))[:, : model.settings.streams[k].size]
        shares, order = logits.softmax(-1).sort(-1, descending=True)
        nucleus = shares * (shares.cumsum(-1) - shares < TOP_P)
        values.append(order.gather(-1, torch.multinomial(nucleus, 1))[:, 0])
        if k < len(model.chains):
            rows = model.chains[k](values[-1]).split(head, dim=-1)
            seen[k + 1 :] = [z + row for z, row in zip(seen[k + 1 :], rows, strict=True)]
    return torch.stack(values, dim=-1)[:, None]
