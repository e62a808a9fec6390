"""The integer weights of a MusicLSTM: what they are, how far they may reach, and how they are stored.

A product of a model, gates, heads or logits, is made of 8-bit activations and weights: sums of int8 by int8 are int32,
and `factor` and `offset` bring them to the unit of what follows. Tables of embeddings are added up as they are.

Logits want finer weights than 63 steps: theirs are 64 coarse + fine, two products of bytes.

Nothing overflows, whatever the weights are within the bounds that are checked here: with K inputs a sum is at most
K * 127 * 63 in size, and (64 + 1) times that with fine weights; for the K of MAX_INPUTS and MAX_FINE_INPUTS it is below
2^31, by a factor below 2^31 it is below 2^62, and with an offset of at most 2^61 it stays in 64 bits. Weights are at
most 63 in size, because processors without dot products of bytes (VNNI) add up two products in 16 bits, which
2 * 127 * 127 overflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.music_lstm import ModelSettings

Bytes = npt.NDArray[np.int8]
Ints16 = npt.NDArray[np.int16]
Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]

MAX_ACTIVATION, MAX_WEIGHT = 127, 63
COARSE = 64  # what a coarse weight counts beside a fine one
MAX_FACTOR, MAX_OFFSET = (1 << 31) - 1, 1 << 61
MAX_INPUTS = ((1 << 31) - 1) // (MAX_ACTIVATION * MAX_WEIGHT)
MAX_FINE_INPUTS = MAX_INPUTS // (COARSE + 1)
MAX_CODE, MAX_SHIFT = 127, 8  # of tables: an entry is code << shift


@dataclass(frozen=True)
class IntegerProduct:
    """(weight activations) factor + offset, in the unit 2^-SCALE_BITS of the unit of what follows."""

    weight: Bytes  # [outputs, inputs], at most MAX_WEIGHT in size
    factor: Ints32  # [outputs], 1 or more
    offset: Ints64  # [outputs]
    fine: Bytes | None = None  # [outputs, inputs]: the weights are COARSE weight + fine

    def whole(self) -> Ints64:
        """The weights: int64 [outputs, inputs]."""
        coarse: Ints64 = self.weight.astype(np.int64)
        return coarse if self.fine is None else COARSE * coarse + self.fine


@dataclass(frozen=True)
class IntegerTable:
    """Rows that are added up, in the unit 2^-LOGIT_BITS: codes << shifts."""

    codes: Bytes  # [values, width]
    shifts: Bytes  # [values], 0 to MAX_SHIFT

    def rows(self) -> Ints16:
        """The rows themselves: int16 [values, width]."""
        rows: Ints16 = self.codes.astype(np.int16) << self.shifts.astype(np.int16)[:, None]
        return rows


@dataclass(frozen=True)
class IntegerWeights:
    """All weights of a model. Activations are the inputs of the first layer, hidden vectors (in the unit 2^-7) and
    what the hidden units of the heads give.
    """

    settings: ModelSettings
    events: tuple[IntegerTable, ...]  # of each stream
    contexts: tuple[IntegerTable, ...]
    flags: IntegerTable  # a row for each flag
    input_factor: int  # from the sum of the rows to the inputs of the first layer, in the unit 2^-SCALE_BITS
    layers: tuple[IntegerProduct, ...]  # inputs and hidden vector of a layer to its gates i, f, g, o; i, f, o halved
    heads: IntegerProduct  # to what the hidden units of all heads see
    unit_factors: tuple[Ints32, ...]  # of each head: from silu to activations, [head_size]
    outputs: tuple[IntegerProduct, ...]  # of each head: to logits and copy weights
    chains: tuple[IntegerTable, ...]  # of each head but the last: what its value adds to the later heads
    onsets: tuple[IntegerTable, ...]  # of each onset context: what it adds to all heads but the first

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, to be stored."""
        named: dict[str, npt.NDArray[Any]] = {"input_factor": np.array([self.input_factor], dtype=np.int32)}
        for name, table in self._tables():
            named[f"{name}.codes"], named[f"{name}.shifts"] = table.codes, table.shifts
        for name, product in self._products():
            named[f"{name}.weight"] = product.weight
            if product.fine is not None:
                named[f"{name}.fine"] = product.fine
            named[f"{name}.factor"], named[f"{name}.offset"] = product.factor, product.offset
        for k, factors in enumerate(self.unit_factors):
            named[f"unit_factors.{k}"] = factors
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in named.items()}

    def _tables(self) -> Iterator[tuple[str, IntegerTable]]:
        for name in ("events", "contexts", "chains", "onsets"):
            for k, table in enumerate(getattr(self, name)):
                yield f"{name}.{k}", table
        yield "flags", self.flags

    def _products(self) -> Iterator[tuple[str, IntegerProduct]]:
        for name in ("layers", "outputs"):
            for k, product in enumerate(getattr(self, name)):
                yield f"{name}.{k}", product
        yield "heads", self.heads


def check_inputs(name: str, num_inputs: int, *, is_fine: bool) -> None:
    """Refuses products of so many inputs that their sums could overflow.

    Raises:
        CheckpointError: they are too many.
    """
    most = MAX_FINE_INPUTS if is_fine else MAX_INPUTS
    if num_inputs > most:
        raise CheckpointError(
            f"{name} has {num_inputs:,} inputs, integers add up {most:,} at most. Train a narrower model."
        )


def integer_weights(tensors: Mapping[str, Tensor], settings: ModelSettings) -> IntegerWeights:
    """The integer weights that were stored as `tensors`.

    Raises:
        CheckpointError: one is missing, of another shape or type, or beyond its bounds; the message names it.
    """
    read = _Reader(tensors)
    width, head, num_streams = settings.hidden_size, settings.head_size, len(settings.streams)
    sizes = [stream.size for stream in settings.streams]
    found = IntegerWeights(
        settings=settings,
        events=tuple(read.table(f"events.{k}", size, width) for k, size in enumerate(sizes)),
        contexts=tuple(read.table(f"contexts.{k}", c.size, width) for k, c in enumerate(settings.contexts)),
        flags=read.table("flags", settings.num_flags, width),
        input_factor=int(read.values("input_factor", torch.int32, (1,), 1, MAX_FACTOR)[0]),
        layers=tuple(read.product(f"layers.{k}", 4 * width, 2 * width) for k in range(settings.num_layers)),
        heads=read.product("heads", head * num_streams, width),
        unit_factors=tuple(
            read.values(f"unit_factors.{k}", torch.int32, (head,), 1, MAX_FACTOR) for k in range(num_streams)
        ),
        outputs=tuple(
            read.product(f"outputs.{k}", size + settings.num_lags, head, is_fine=True) for k, size in enumerate(sizes)
        ),
        chains=tuple(
            read.table(f"chains.{k}", size, head * (num_streams - 1 - k)) for k, size in enumerate(sizes[:-1])
        ),
        onsets=tuple(
            read.table(f"onsets.{k}", c.size, head * (num_streams - 1)) for k, c in enumerate(settings.onset_contexts)
        ),
    )
    if read.left:
        raise CheckpointError(f"the integer weights hold {', '.join(sorted(read.left))}, which this model has not")
    return found


class _Reader:
    """Takes tensors by name and checks them."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors, self.left = tensors, set(tensors)

    def values(self, name: str, dtype: torch.dtype, shape: tuple[int, ...], least: int, most: int) -> Any:
        """The numbers of a name: a NumPy array."""
        if name not in self._tensors:
            raise CheckpointError(f"the integer weights {name} are missing")
        self.left.discard(name)
        tensor = self._tensors[name]
        if tensor.dtype != dtype or tuple(tensor.shape) != shape:
            raise CheckpointError(
                f"the integer weights {name} are {tensor.dtype} {list(tensor.shape)}, not {dtype} {list(shape)}"
            )
        values = tensor.numpy()
        if values.size and not least <= int(values.min()) <= int(values.max()) <= most:
            raise CheckpointError(
                f"the integer weights {name} reach from {values.min()} to {values.max()}; they must be {least} to "
                f"{most}"
            )
        return values

    def product(self, name: str, num_outputs: int, num_inputs: int, *, is_fine: bool = False) -> IntegerProduct:
        check_inputs(name, num_inputs, is_fine=is_fine)
        return IntegerProduct(
            self.values(f"{name}.weight", torch.int8, (num_outputs, num_inputs), -MAX_WEIGHT, MAX_WEIGHT),
            self.values(f"{name}.factor", torch.int32, (num_outputs,), 1, MAX_FACTOR),
            self.values(f"{name}.offset", torch.int64, (num_outputs,), -MAX_OFFSET, MAX_OFFSET),
            self.values(f"{name}.fine", torch.int8, (num_outputs, num_inputs), -MAX_WEIGHT, MAX_WEIGHT)
            if is_fine
            else None,
        )

    def table(self, name: str, num_values: int, width: int) -> IntegerTable:
        return IntegerTable(
            self.values(f"{name}.codes", torch.int8, (num_values, width), -MAX_CODE, MAX_CODE),
            self.values(f"{name}.shifts", torch.int8, (num_values,), 0, MAX_SHIFT),
        )
