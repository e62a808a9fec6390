"""The compiled integer step is the defined one, at every width, with any weights within the bounds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lstm_core.foundation.errors import CheckpointError
from lstm_core.foundation.fixed_point import SCALE_BITS
from lstm_core.model.integers import products
from lstm_core.model.integers.definition import DefinedStep
from lstm_core.model.integers.device_step import DeviceStep
from lstm_core.model.integers.products import ByteProduct
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.model.integers.step import IntegerStep
from lstm_core.model.integers.units import MAX_LOGIT, MAX_SEEN
from lstm_core.model.integers.weights import (
    COARSE,
    MAX_ACTIVATION,
    MAX_CODE,
    MAX_FACTOR,
    MAX_FINE_INPUTS,
    MAX_INPUTS,
    MAX_OFFSET,
    MAX_SHIFT,
    MAX_WEIGHT,
    IntegerProduct,
    IntegerTable,
    IntegerWeights,
    check_inputs,
)
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM
from lstm_core.representations.representation import Stream

STREAMS = (Stream("first", 30), Stream("second", 9), Stream("third", 70))
NUM_MOVING = 2
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # of the step of torch operations
SETTINGS = ModelSettings(
    streams=STREAMS,
    contexts=(Stream("a", 5), Stream("b", 12), Stream("c", 3)),
    num_flags=4,
    onset_contexts=(Stream("place", 7),),
    num_lags=3,
    hidden_size=24,
    num_layers=2,
    head_size=16,
)


def some_weights(seed: int, scale: float = 1.0) -> IntegerWeights:
    torch.manual_seed(seed)
    model = MusicLSTM(SETTINGS).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(scale)
    return quantised_unseen(model)


def extreme(weights: IntegerWeights, sign: int) -> IntegerWeights:
    """Weights, factors and offsets at their bounds."""

    def product(one: IntegerProduct) -> IntegerProduct:
        weight = np.where(one.weight >= 0, sign * MAX_WEIGHT, MAX_WEIGHT).astype(np.int8)
        factor, offset = np.full_like(one.factor, MAX_FACTOR), np.full_like(one.offset, sign * MAX_OFFSET)
        offset[::3] = 0
        factor[1::2] = 1 << 17
        return IntegerProduct(weight, factor, offset, None if one.fine is None else weight)

    def table(one: IntegerTable) -> IntegerTable:
        codes = np.where(one.codes >= 0, sign * MAX_CODE, -MAX_CODE).astype(np.int8)
        return IntegerTable(codes, np.full_like(one.shifts, MAX_SHIFT))

    return replace(
        weights,
        events=tuple(map(table, weights.events)),
        contexts=tuple(map(table, weights.contexts)),
        flags=table(weights.flags),
        input_factor=MAX_FACTOR,
        layers=tuple(map(product, weights.layers)),
        heads=product(weights.heads),
        unit_factors=tuple(np.full_like(factors, MAX_FACTOR) for factors in weights.unit_factors),
        outputs=tuple(map(product, weights.outputs)),
        chains=tuple(map(table, weights.chains)),
        onsets=tuple(map(table, weights.onsets)),
    )


def played(step: IntegerStep | DefinedStep | DeviceStep, places: list[int], num_steps: int = 12) -> list[np.ndarray]:
    """Logits of all heads of rows that are given random events, each those of its place: [steps * K] of [B, V + L]."""
    given = [np.random.default_rng(place) for place in places]

    def values(sizes: list[int]) -> np.ndarray:
        return np.array([[int(random.integers(size)) for size in sizes] for random in given])

    contexts = np.array([-1] * NUM_MOVING + [2])
    conditions = step.no_conditions()
    for b, random in enumerate(given):
        step.reset_row(b)
        flags = random.integers(-1, 2, SETTINGS.num_flags).astype(np.float32)
        conditions[b] = step.condition_vector(contexts, flags)
    found, before = [], np.zeros((len(places), len(STREAMS)), dtype=np.int64)
    for _ in range(num_steps):
        moving = values([context.size for context in SETTINGS.contexts[:NUM_MOVING]])
        flags_of_step = values([2] * SETTINGS.num_flags).astype(np.uint8)
        events, onsets = values([stream.size for stream in STREAMS]), values([7])
        step.advance(before, moving, conditions, flags_of_step)
        for k in range(len(STREAMS)):
            found.append(step.logits(k).copy())
            step.feed(k, events[:, k], onsets)
        before = events
    return found


@pytest.mark.parametrize("num_rows", [1, 2, 3, 4, 7, 16, 33, 64, 256])
def test_every_width_gives_what_is_defined(num_rows: int) -> None:
    weights, places = some_weights(1, scale=2.0), list(range(num_rows))
    ours, defined = played(IntegerStep(weights, num_rows), places), played(DefinedStep(weights, num_rows), places)
    assert all(np.array_equal(a, b) for a, b in zip(ours, defined, strict=True))
    on_device = played(DeviceStep(weights, num_rows, DEVICE), places)
    assert all(np.array_equal(a, b) for a, b in zip(on_device, defined, strict=True))
    assert len(np.unique(np.concatenate([part.ravel() for part in ours]))) > 50  # they say something


def test_a_row_depends_on_itself_alone() -> None:
    weights = some_weights(2)
    together = played(IntegerStep(weights, 5), [3, 1, 4, 0, 2])
    for row, place in enumerate([3, 1, 4, 0, 2]):
        alone = played(IntegerStep(weights, 1), [place])
        assert all(np.array_equal(one[0], all_[row]) for one, all_ in zip(alone, together, strict=True))


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_at_their_bounds_overflow_nowhere(sign: int) -> None:
    weights = extreme(some_weights(3), sign)
    ours, defined = played(IntegerStep(weights, 6), list(range(6))), played(DefinedStep(weights, 6), list(range(6)))
    assert all(np.array_equal(a, b) for a, b in zip(ours, defined, strict=True))
    on_device = played(DeviceStep(weights, 6, DEVICE), list(range(6)))
    assert all(np.array_equal(a, b) for a, b in zip(on_device, defined, strict=True))
    assert max(int(np.abs(part.astype(np.int64)).max()) for part in ours) == MAX_LOGIT


def test_the_bounds_leave_room_in_the_integers_that_hold_them() -> None:
    """In Python's integers, which have no bounds: what the files of this package claim."""
    for sums in (
        MAX_INPUTS * MAX_ACTIVATION * MAX_WEIGHT,
        MAX_FINE_INPUTS * MAX_ACTIVATION * MAX_WEIGHT * (COARSE + 1),
    ):
        assert sums < 2**31
        assert sums * MAX_FACTOR + MAX_OFFSET + (1 << (SCALE_BITS - 1)) < 2**63
    assert MAX_CODE << MAX_SHIFT < 2**15
    most_tables = 2**15  # of contexts, flags and streams: far more than any model has
    assert most_tables * (MAX_CODE << MAX_SHIFT) < 2**31
    assert 2**31 * MAX_FACTOR + (1 << (SCALE_BITS - 1)) < 2**63
    assert MAX_SEEN + most_tables * (MAX_CODE << MAX_SHIFT) < 2**31
    assert MAX_LOGIT * 127 < 2**31  # a logit and the copy weights of 126 lags


def test_states_move_from_batch_to_batch() -> None:
    weights = some_weights(4)
    kinds: tuple[Callable[[int], Any], ...] = (
        lambda rows: IntegerStep(weights, rows),
        lambda rows: DefinedStep(weights, rows),
        lambda rows: DeviceStep(weights, rows, DEVICE),
    )
    for kind in kinds:
        wide, narrow, alone = kind(8), kind(2), kind(2)
        played(wide, list(range(8)), num_steps=5)
        narrow.take_rows(wide, np.array([6, 1]))
        played(alone, [6, 1], num_steps=5)
        before = np.ones((2, len(STREAMS)), dtype=np.int64)
        moving = np.ones((2, NUM_MOVING), dtype=np.int64)
        for step in (narrow, alone):
            step.advance(before, moving, step.no_conditions())
        assert np.array_equal(narrow.logits(0), alone.logits(0))


def test_without_a_product_of_bytes_floats_give_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    weights = some_weights(5, scale=2.0)
    wanted = played(IntegerStep(weights, 4), [0, 1, 2, 3])
    monkeypatch.setattr(products, "_has_int_mm", lambda: False)
    with caplog.at_level(logging.WARNING):
        found = played(IntegerStep(weights, 4), [0, 1, 2, 3])
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert "no exact product of bytes" in caplog.text


def test_a_product_that_saturates_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As processors without VNNI do with weights beyond 63."""
    weight = some_weights(6).layers[0].weight

    def saturating(inputs: torch.Tensor, weights: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        pairs = inputs.int()[:, :, None] * weights.int()[None]
        pairs = (pairs[:, ::2] + pairs[:, 1::2]).clamp(-(2**13), 2**13)
        return out.copy_(pairs.sum(1))

    product = ByteProduct(weight, 3)
    product.inputs[:] = np.random.default_rng(1).integers(-127, 128, product.inputs.shape)
    wanted = product().copy()
    monkeypatch.setattr(torch, "_int_mm", saturating)
    other = ByteProduct(weight, 3)
    other.inputs[:] = product.inputs
    assert np.array_equal(other(), wanted)
    monkeypatch.setattr(products, "_sums_in_float64", lambda inputs, weight: np.zeros((len(inputs), len(weight))))
    with pytest.raises(CheckpointError, match="multiplies integers wrongly on this processor"):
        ByteProduct(weight, 3)


def test_a_head_that_is_too_wide_for_integers_is_refused_when_it_is_quantised() -> None:
    """Not when its checkpoint is loaded: a training would have been in vain."""
    model = MusicLSTM(replace(SETTINGS, head_size=MAX_FINE_INPUTS + 1, hidden_size=8), is_initialised=False)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    with pytest.raises(CheckpointError, match=r"outputs.0 has 4,130 inputs, integers add up 4,129 at most"):
        quantised_unseen(model)


def test_a_layer_of_thousands_of_units_is_not_too_wide() -> None:
    """The bound of logits, whose weights have two bytes, once stood for all products."""
    check_inputs("layers.0", 10_000, is_fine=False)
    with pytest.raises(CheckpointError, match=r"outputs\.0 has 10,000 inputs"):
        check_inputs("outputs.0", 10_000, is_fine=True)
