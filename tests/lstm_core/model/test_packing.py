"""The packed step computes what MusicLSTM computes, and a row does not depend on its neighbours."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lstm_core.foundation.bfloat16 import PackedWeight, has_fast_bf16
from lstm_core.foundation.fixed_point import LOGIT_BITS
from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.model.packing import PackedStep, agreeing_widths
from lstm_core.representations.conditions import NUM_MOVING, Conditions, condition_values, family_flags, note_contexts
from lstm_core.representations.lookback import LAGS, NOTHING, NUM_COMPARED, add_copies
from lstm_core.representations.note_events import STREAMS
from tests.lstm_core.tiny import STYLES, tiny_model

NUM_STEPS = 40


def music(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events [T, K], moving contexts [T, M] and onset positions [T, 1], all random."""
    random = np.random.default_rng(seed)
    events = np.stack([random.integers(0, stream.size, NUM_STEPS) for stream in STREAMS], axis=1)
    sizes = [context.size for context in note_contexts(STYLES)[:NUM_MOVING]]
    moving = np.stack([random.integers(1, size, NUM_STEPS) for size in sizes], axis=1)
    return events, moving, random.integers(1, 193, (NUM_STEPS, 1))


CONDITIONS = Conditions(style="dance", key=14, tempo_bpm=97.0, density=4.0, families=0b1001)


def taught(model: MusicLSTM, seed: int) -> list[np.ndarray]:
    """Logits of MusicLSTM when it is given the events of `music(seed)`: K of [T, V]."""
    events, moving, positions = music(seed)
    fixed = np.concatenate([[3], condition_values(CONDITIONS, STYLES)])
    previous = np.concatenate([np.zeros((1, len(STREAMS)), dtype=np.int64), events[:-1]])
    contexts = np.concatenate([moving, np.tile(fixed, (NUM_STEPS, 1))], axis=1)
    flags = np.tile(family_flags(CONDITIONS.families), (NUM_STEPS, 1))
    recalled = recalled_events(events)
    inputs = Inputs(
        *(torch.from_numpy(part)[None] for part in (events, previous, contexts, flags, positions, recalled))
    )
    with torch.no_grad():
        logits, _ = model.logits(inputs, model.initial_state(1))
    return [part[0].numpy() for part in logits]


def recalled_events(events: np.ndarray) -> np.ndarray:
    """What lags might offer instead of the events: nothing, the very event, or half of it."""
    recalled = np.repeat(events[:, None], len(LAGS), axis=1)
    recalled[::3, 1] = NOTHING
    recalled[::2, 2:, 2:] = 0
    recalled[1::2, 3] = recalled[::2, 3]
    return recalled


def packed(step: PackedStep, rows: list[int], seeds: list[int]) -> list[list[np.ndarray]]:
    """Logits of the packed step with `music(seed)` in each of some rows and noise in the others: [row][K] of [T, V]."""
    given = {row: music(seed) for row, seed in zip(rows, seeds, strict=True)}
    others = [given.get(row, music(1000 + row)) for row in range(step.num_rows)]
    events, moving, positions = (np.stack(parts, axis=1) for parts in zip(*others, strict=True))
    recalled = np.stack([recalled_events(part) for part, _, _ in others], axis=1)
    fixed = np.concatenate([[-1] * NUM_MOVING, [3], condition_values(CONDITIONS, STYLES)])
    conditions = np.tile(step.condition_vector(fixed, family_flags(CONDITIONS.families)), (step.num_rows, 1))
    for row in range(step.num_rows):
        step.reset_row(row)
    found: list[list[list[np.ndarray]]] = [[[] for _ in STREAMS] for _ in rows]
    before = np.zeros_like(events[0])
    offered = np.zeros((step.num_rows, 256), dtype=np.uint8)
    for t in range(NUM_STEPS):
        step.advance(before, moving[t], conditions)
        for k in range(len(STREAMS)):
            logits = step.logits(k)
            add_copies(k, logits, recalled[t], events[t], offered, NUM_COMPARED)
            logits = logits[:, : STREAMS[k].size]
            for i, row in enumerate(rows):
                found[i][k].append(logits[row] / (1 << LOGIT_BITS))
            step.feed(k, events[t][:, k], positions[t])
        before = events[t]
    return [[np.stack(stream) for stream in row] for row in found]


def test_float32_gives_the_logits_of_the_model() -> None:
    model = tiny_model(1)
    step = PackedStep(model, 16, dtype=torch.float32)
    for row, logits in zip((0, 7), packed(step, [0, 7], [5, 6]), strict=True):
        for ours, theirs in zip(logits, taught(model, 5 if row == 0 else 6), strict=True):
            assert np.abs(ours - theirs).max() < 2 * 2.0**-LOGIT_BITS  # logits and copy weights are rounded


def test_bf16_stays_within_its_precision() -> None:
    model = tiny_model(1, hidden_size=64)
    logits = packed(PackedStep(model, 16, dtype=torch.bfloat16), [3], [5])[0]
    for ours, theirs in zip(logits, taught(model, 5), strict=True):
        assert np.abs(ours - theirs).max() < 0.02 * np.abs(theirs).max() + 0.01
        shares = [np.exp(part) / np.exp(part).sum(axis=1, keepdims=True) for part in (ours, theirs)]
        assert np.abs(shares[0] - shares[1]).sum(axis=1).max() / 2 < 0.02  # total variation


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_know_of_its_neighbours_or_its_place(dtype: torch.dtype) -> None:
    model = tiny_model(2)
    step = PackedStep(model, 16, dtype=dtype)
    alone, again = packed(step, [0], [5])[0], packed(step, [11, 2], [5, 9])[0]
    assert all((a == b).all() for a, b in zip(alone, again, strict=True))


def test_widths_that_are_said_to_agree_do() -> None:
    model = tiny_model(2)
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    if agreeing_widths(model, (16, 64), dtype, "cpu") != (16, 64):
        pytest.skip("matrix products of this machine depend on the batch width; the engine uses one width then")
    narrow = packed(PackedStep(model, 16, dtype=dtype), [4], [5])[0]
    wide = packed(PackedStep(model, 64, dtype=dtype), [50], [5])[0]
    assert all((a == b).all() for a, b in zip(narrow, wide, strict=True))


LIMITED = """
import torch
from lstm_core.foundation.bfloat16 import PackedWeight, has_fast_bf16
rows, weight = torch.eye(4), torch.arange(12.0).reshape(3, 4)
product = PackedWeight(weight.bfloat16(), 4)(rows.bfloat16())
print(has_fast_bf16(), torch.equal(product.float(), weight.T))
"""


@pytest.mark.parametrize("limit", ["AVX2", "SSE41"])
def test_bf16_is_not_fast_where_onednn_is_held_to_older_instructions(limit: str) -> None:
    """The CPU has AVX512-BF16 and oneDNN may not use it: it ended in a RuntimeError of _reorder_linear_weight."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": limit}
    found = subprocess.run([sys.executable, "-c", LIMITED], env=environment, capture_output=True, text=True)
    assert found.stdout.split() == ["False", "True"], found.stderr


def test_a_width_that_does_not_agree_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    call = PackedWeight.__call__

    def other_bits_at_4(self: PackedWeight, rows: torch.Tensor) -> torch.Tensor:
        product = call(self, rows)
        return product * 1.5 if len(rows) == 4 else product

    monkeypatch.setattr(PackedWeight, "__call__", other_bits_at_4)
    found = agreeing_widths(tiny_model(2), (4, 64), torch.float32, "cpu")
    assert found == (64,)


def test_a_row_that_is_reset_begins_anew() -> None:
    step = PackedStep(tiny_model(3), 16, dtype=torch.float32)
    first, second = packed(step, [0], [5])[0], packed(step, [0], [5])[0]
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    hidden, cell = step.hidden()
    assert hidden.shape == cell.shape == (2, 16, 32) and float(hidden.abs().max()) > 0
    step.reset_row(3)
    hidden, cell = step.hidden()
    assert not hidden[:, 3].any() and not cell[:, 3].any() and hidden[:, 4].any()
