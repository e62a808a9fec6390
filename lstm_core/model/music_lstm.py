"""MusicLSTM: K parallel streams in, one recurrent step per event, K chained heads out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstm_core.model.window_lstm import window_lstm
from lstm_core.representations.representation import Stream

_LSTM_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a MusicLSTM is made of. Value 0 of every context means "not given"."""

    streams: tuple[Stream, ...]  # what an event holds, in the order of the heads
    contexts: tuple[Stream, ...]  # what is known of the next event in advance, one embedding each
    num_flags: int = 0  # yes/no facts of a piece or a step (instrument families), a linear map together
    onset_contexts: tuple[Stream, ...] = ()  # what heads 1.. see besides, once head 0 has chosen the time
    num_lags: int = 0  # earlier places of the piece whose continuation each step may copy; see lookback.py
    num_compared: int = 3  # streams in which an earlier event must agree with what is chosen to offer the next ones
    hidden_size: int = 512
    num_layers: int = 2
    head_size: int = 256  # width of the hidden layer of each head
    dropout: float = 0.1  # of the input of each LSTM layer and of the heads

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_layers", "head_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")
        if not self.streams:
            raise ValueError("a model needs at least one stream")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}, it must be in [0, 1)")


class State(NamedTuple):
    """What the LSTM carries from one window to the next: two float32 [L, B, H]."""

    hidden: Tensor
    cell: Tensor


class Inputs(NamedTuple):
    """One window of B lanes."""

    events: Tensor  # int64 [B, T, K], the values to be predicted
    previous: Tensor  # int64 [B, T, K], the event before each, zeros before the first
    contexts: Tensor  # int64 [B, T, number of contexts]
    flags: Tensor  # float32 [B, T, num_flags], zeros for "not given"
    onset_contexts: Tensor  # int64 [B, T, number of onset contexts]
    recalled: Tensor  # int64 [B, T, num_lags, K], the event that each lag offers, -1 where there is none


class MusicLSTM(nn.Module):
    """The probability of each event given all before it, exactly factorised over the K streams.

    The hidden vector of a step has seen every earlier event and the contexts of this one; head k sees it together
    with the values that heads 0..k-1 chose, so that p(event) is the product of the heads' probabilities.
    """

    def __init__(self, settings: ModelSettings, *, is_initialised: bool = True) -> None:
        """`is_initialised` False: the initial weights are any, as they are about to be loaded."""
        super().__init__()
        self.settings = settings
        width, head = settings.hidden_size, settings.head_size
        self.event_embeddings = nn.ModuleList(nn.Embedding(s.size, width) for s in settings.streams)
        self.context_embeddings = nn.ModuleList(nn.Embedding(c.size, width) for c in settings.contexts)
        self.flags = nn.Linear(settings.num_flags, width, bias=False) if settings.num_flags else None
        self.lstm = nn.LSTM(width, width, settings.num_layers, batch_first=True)
        # All heads read the hidden vector through one matrix; each value already chosen adds a row of a table.
        self.head_hidden = nn.Linear(width, head * len(settings.streams))
        self.chains = nn.ModuleList(
            nn.Embedding(s.size, head * (len(settings.streams) - 1 - k)) for k, s in enumerate(settings.streams[:-1])
        )
        self.onset_embeddings = nn.ModuleList(
            nn.Embedding(c.size, head * (len(settings.streams) - 1)) for c in settings.onset_contexts
        )
        # Besides logits each head gives one copy weight per lag, added to the logit of the value that the lag offers.
        self.outputs = nn.ModuleList(nn.Linear(head, s.size + settings.num_lags) for s in settings.streams)
        if is_initialised:
            self._initialise()

    def initial_state(self, batch_size: int) -> State:
        """The state before the first event of a piece: zeros, float32 [L, B, H] twice."""
        shape = (self.settings.num_layers, batch_size, self.settings.hidden_size)
        device = self.head_hidden.weight.device
        return State(torch.zeros(shape, device=device), torch.zeros(shape, device=device))

    def forward(self, inputs: Inputs, state: State, masks: Tensor | None = None) -> tuple[Tensor, State]:
        """Negative log-likelihood in nats of each value: float32 [B, T, K], and the state after the window.

        `masks` are those of `dropout_masks` for these lanes; None drops nothing.
        """
        logits, state = self.logits(inputs, state, masks)
        nll = [
            functional.cross_entropy(stream.float().flatten(0, 1), inputs.events[..., k].flatten(), reduction="none")
            for k, stream in enumerate(logits)
        ]
        return torch.stack(nll, dim=-1).view(inputs.events.shape), state

    def logits(self, inputs: Inputs, state: State, masks: Tensor | None = None) -> tuple[list[Tensor], State]:
        """Logits of each stream given the true values of the streams before it: K of float [B, T, V], and the state."""
        hidden, state = self.hidden(inputs, state, masks)
        return self.head_logits(hidden, inputs.events, inputs.onset_contexts, inputs.recalled), state

    def hidden(self, inputs: Inputs, state: State, masks: Tensor | None = None) -> tuple[Tensor, State]:
        """The hidden vector of each step: float [B, T, H], and the state after the window."""
        x = self.embedded(inputs)
        hidden, cell = [], []
        for layer in range(self.settings.num_layers):
            below = x if masks is None else x * masks[layer][:, None]
            x, last_hidden, last_cell = self._layer(layer, below, state.hidden[layer], state.cell[layer])
            hidden.append(last_hidden)
            cell.append(last_cell)
        x = x if masks is None else x * masks[-1][:, None]
        return x, State(torch.stack(hidden).float(), torch.stack(cell).float())

    def embedded(self, inputs: Inputs) -> Tensor:
        """What the first layer is given in each step: float [B, T, H]."""
        x = _embed(self.event_embeddings, inputs.previous) + _embed(self.context_embeddings, inputs.contexts)
        return x if self.flags is None else x + self.flags(inputs.flags)

    def _layer(self, layer: int, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One LSTM layer over a window [B, T, inputs]: hidden vectors [B, T, H], and the last state [B, H] twice."""
        weights = [getattr(self.lstm, f"{name}_l{layer}") for name in _LSTM_WEIGHTS]
        is_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if x.device.type == "cpu" and is_bf16:
            return window_lstm(x, hidden, cell, weights)
        y, last_hidden, last_cell = torch.lstm(
            x,
            (hidden[None], cell[None]),
            weights,
            True,  # has biases
            1,  # layers
            0.0,  # dropout
            self.training,
            False,  # bidirectional
            True,  # batch first
        )
        return y, last_hidden[0], last_cell[0]

    def head_logits(self, hidden: Tensor, events: Tensor, onset_contexts: Tensor, recalled: Tensor) -> list[Tensor]:
        """Logits of the chained heads from hidden [B, T, H]: K of float [B, T, V]."""
        units = self.head_units(hidden, events, onset_contexts)
        logits = [output(unit) for output, unit in zip(self.outputs, units, strict=True)]
        if self.settings.num_lags == 0:
            return logits
        return with_copies(logits, events, recalled, self.settings.num_compared)

    def head_units(self, hidden: Tensor, events: Tensor, onset_contexts: Tensor) -> list[Tensor]:
        """The hidden units of the chained heads from hidden [B, T, H]: K of float [B, T, head size]."""
        head, num_streams = self.settings.head_size, len(self.settings.streams)
        seen = list(torch.split(self.head_hidden(hidden), head, dim=-1))
        tables: list[Tensor] = [chain(events[..., k]) for k, chain in enumerate(self.chains)]
        for k, rows in enumerate(tables):
            for later, row in zip(range(k + 1, num_streams), torch.split(rows, head, dim=-1), strict=True):
                seen[later] = seen[later] + row
        if self.onset_embeddings:
            moved = torch.split(_embed(self.onset_embeddings, onset_contexts), head, dim=-1)
            seen[1:] = [z + row for z, row in zip(seen[1:], moved, strict=True)]
        return [functional.silu(z) for z in seen]

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.data.chunk(4):
                    nn.init.orthogonal_(gate)
            elif name.startswith("bias_ih"):
                nn.init.zeros_(parameter)
                parameter.data.chunk(4)[1].fill_(1.0)  # forget gate open: Jozefowicz et al. 2015
            elif name.startswith("bias_hh"):
                nn.init.zeros_(parameter)


def with_copies(logits: Sequence[Tensor], events: Tensor, recalled: Tensor, num_compared: int) -> list[Tensor]:
    """Logits [B, T, V] of heads that end in L copy weights, [B, T, V + L], given the events and what the lags offer.

    The weight of a lag counts where there is an event and the values before, as far as they are compared, are its own.
    """
    agrees = recalled[..., 0] >= 0
    found = []
    for k, stream in enumerate(logits):
        if 0 < k <= num_compared:
            agrees = agrees & (recalled[..., k - 1] == events[..., k - 1, None])
        size = stream.shape[-1] - recalled.shape[-2]
        weights = stream[..., size:] * agrees
        found.append(stream[..., :size].scatter_add(-1, recalled[..., k].clamp(min=0), weights))
    return found


def dropout_masks(settings: ModelSettings, num_lanes: int, seed: int) -> Tensor | None:
    """Factors for the inputs of the LSTM layers and of the heads: float32 [L + 1, B, H], None without dropout.

    One mask per lane for a whole window (Gal and Ghahramani 2016). It depends on `seed` and the lane's number alone.
    """
    if settings.dropout == 0.0:
        return None
    generator = torch.Generator().manual_seed(seed)
    shape = (num_lanes, settings.num_layers + 1, settings.hidden_size)
    kept = torch.rand(shape, generator=generator) >= settings.dropout
    return (kept.float() / (1.0 - settings.dropout)).transpose(0, 1).contiguous()


def num_weights(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _embed(embeddings: nn.ModuleList, values: Tensor) -> Tensor:
    """Sum of the rows that values [..., C] choose, one of each table: float [..., width].

    All tables are read as one: with thirty of them that takes an eighth of the time.
    """
    if len(embeddings) == 0:
        return torch.zeros((), device=values.device)
    tables: list[Tensor] = list(embeddings.parameters())
    sizes = torch.tensor([0, *(len(table) for table in tables[:-1])], device=values.device)
    rows = (values + sizes.cumsum(0)).flatten(0, -2)
    return functional.embedding_bag(rows, torch.cat(tables), mode="sum").view(*values.shape[:-1], -1)
