"""One step after another: schedule, exact state, workers that share a batch, losses that stop being finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.model.music_lstm import ModelSettings, MusicLSTM, State
from lstm_core.representations.representation import PieceArrays, Stream
from lstm_core.training.evaluation import start_state
from lstm_core.training.updates import Trainer, TrainSettings, learning_rate_at
from tests.lstm_core.workers import run_workers

STREAMS = (Stream("step", 4), Stream("pitch", 6))


class Scales:
    """Pieces that climb: piece i starts at pitch i and has 3 + 2 i events."""

    def __len__(self) -> int:
        return 7

    def load(self, index: int, epoch: int) -> PieceArrays:
        length = 3 + 2 * index
        events = np.stack([np.arange(length) % 4, (index + np.arange(length)) % 6], axis=1)
        nothing = np.zeros((length, 0, 2), dtype=np.int64)
        no_flags = np.zeros(0, dtype=np.float32)
        return PieceArrays(events, np.full((length, 1), 1), no_flags, np.zeros((length, 1), np.int64), nothing)


def tiny_trainer(*, dropout: float = 0.0, **changes: object) -> Trainer:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    values = {"num_lanes": 4, "window": 6, "warmup_steps": 2, "precision": "float32", "learning_rate": 0.01} | changes
    settings = ModelSettings(
        streams=STREAMS,
        contexts=(Stream("given", 2),),
        onset_contexts=(Stream("position", 3),),
        hidden_size=16,
        num_layers=2,
        head_size=8,
        dropout=dropout,
    )
    return Trainer(MusicLSTM(settings), Scales(), TrainSettings(**values))  # type: ignore[arg-type]


def test_the_schedule_is_a_function_of_the_step() -> None:
    settings = TrainSettings(learning_rate=0.1, final_learning_rate=0.2, warmup_steps=4)
    rates = [learning_rate_at(step, 104, settings) for step in (0, 1, 3, 4, 54, 104, 200)]
    assert rates == pytest.approx([0.025, 0.05, 0.1, 0.1, 0.06, 0.02, 0.02])


def test_weight_decay_is_of_matrices_and_never_of_tables() -> None:
    """Where no gradient comes a step leaves a table as it is and shrinks a matrix by rate times decay.

    Tables of chosen values and of onset positions were decayed, because their names do not say "embedding": a row
    that is seldom drawn faded between two of its turns.
    """
    trainer = tiny_trainer(weight_decay=0.5, learning_rate=0.01)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.gradients.clear()
    trainer.optimizer.step()
    shrunk = {
        name: float((p.detach() / before[name]).mean()) for name, p in trainer.model.named_parameters() if p.ndim == 2
    }
    tables = {name for name in shrunk if name.startswith(("event_emb", "context_emb", "chains", "onset_embeddings"))}
    assert len(tables) == 2 + 1 + 1 + 1 and len(shrunk) == len(tables) + 4 + 1 + 2
    assert shrunk == pytest.approx({name: 1.0 if name in tables else 0.995 for name in shrunk}, abs=1e-6)
    for name, p in trainer.model.named_parameters():
        assert p.ndim == 2 or torch.equal(p, before[name])


def test_it_learns_what_can_be_known() -> None:
    trainer = tiny_trainer(learning_rate=0.03)
    before = trainer.evaluate(Scales(), range(7))
    for _ in range(100):
        trainer.train_step(100)
    after = trainer.evaluate(Scales(), range(7))
    assert before.nll == pytest.approx(np.log(4) + np.log(6), abs=0.1)
    assert after.nll < 0.6  # only the first pitch of a piece cannot be known
    assert sum(after.nll_of_stream) == pytest.approx(after.nll) and after.num_events == sum(3 + 2 * i for i in range(7))


def test_evaluation_does_not_depend_on_lanes_and_leaves_the_weights() -> None:
    trainer = tiny_trainer()
    for _ in range(3):
        trainer.train_step(10)
    weights = [p.detach().clone() for p in trainer.parameters]
    values = [trainer.evaluate(Scales(), range(7), num_lanes=n).nll_of_stream for n in (1, 3, 32)]
    assert values[0] == pytest.approx(values[1], rel=1e-6) and values[0] == pytest.approx(values[2], rel=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(weights, trainer.parameters, strict=True))
    with trainer.averaged_weights():
        assert not all(torch.equal(a, b) for a, b in zip(weights, trainer.parameters, strict=True))
    assert trainer.evaluate(Scales(), []).num_events == 0


@pytest.mark.parametrize(("dropout", "precision"), [(0.3, "float32"), (0.3, "bf16")])
def test_loaded_state_goes_on_bit_for_bit(dropout: float, precision: str) -> None:
    straight, saved = (tiny_trainer(dropout=dropout, precision=precision) for _ in range(2))
    losses = [straight.train_step(12).nll for _ in range(12)]
    assert [saved.train_step(12).nll for _ in range(5)] == losses[:5]
    tensors = {name: tensor.clone() for name, tensor in saved.state_tensors().items()}
    fresh = tiny_trainer(dropout=dropout, precision=precision)
    fresh.load_state_tensors(tensors)
    assert [fresh.train_step(12).nll for _ in range(7)] == losses[5:]
    ends = straight.state_tensors(), fresh.state_tensors()
    assert ends[0].keys() == ends[1].keys() and all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_piece_starts_from_nothing() -> None:
    state = State(torch.ones(2, 3, 4), torch.full((2, 3, 4), 2.0))
    fresh = start_state(state, torch.tensor([True, False, True]))
    assert fresh.hidden[:, [0, 2]].abs().sum() == 0 and fresh.cell[:, [0, 2]].abs().sum() == 0
    assert torch.equal(fresh.hidden[:, 1], state.hidden[:, 1]) and torch.equal(fresh.cell[:, 1], state.cell[:, 1])


def test_what_is_not_finite_changes_no_weight_and_names_its_pieces() -> None:
    trainer = tiny_trainer()
    while not (trainer.lanes.positions()[:, 1] > 0).any():
        trainer.train_step(10)
    lane = int(np.flatnonzero(trainer.lanes.positions()[:, 1] > 0)[0])  # in the middle of a piece: its state counts
    trainer.state.hidden[:, lane] = float("nan")
    step, before = trainer.step, [p.detach().clone() for p in trainer.parameters]
    average = [a.clone() for a in trainer.average]
    result = trainer.train_step(10)
    assert not result.is_finite and result.suspects == [result.pieces[lane]] and trainer.step == step
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(average, trainer.average, strict=True))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match='precision is "int8"'):
        TrainSettings(precision="int8")
    with pytest.raises(ValueError, match="window is 0, it must be above 0"):
        TrainSettings(window=0)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63 - 1])
def test_a_seed_of_more_than_32_bits_is_refused(seed: int) -> None:
    """Such a seed ended the first step of a run with "Overflow when unpacking long long"."""
    with pytest.raises(ValueError, match=f"seed is {seed}, it must be a whole number from 0 to 4294967295"):
        TrainSettings(seed=seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_of_32_bits_trains(seed: int) -> None:
    assert np.isfinite(tiny_trainer(dropout=0.3, seed=seed).train_step(8).nll)


WORKER = """
from tests.lstm_core.training.test_updates import tiny_trainer
trainer = tiny_trainer(dropout=0.3)
results = [trainer.train_step(8) for _ in range(8)]
tensors = trainer.state_tensors()
if rank == 0:
    found = {"losses": [r.nll for r in results], "norms": [r.gradient_norm for r in results],
             "events": [r.num_events for r in results], "batches": [r.batch for r in results], "tensors": tensors}
    torch.save(found, arguments[0])
"""


@pytest.mark.slow
def test_three_workers_are_one(tmp_path: Path) -> None:
    """Same losses, gradients and weights but for rounding; the very same batches and positions. Shares: 1, 1, 2."""
    trainer = tiny_trainer(dropout=0.3)
    results = [trainer.train_step(8) for _ in range(8)]
    run_workers(WORKER, tmp_path, [str(tmp_path / "all.pt")], world_size=3)
    three = torch.load(tmp_path / "all.pt", weights_only=True)
    assert three["batches"] == [result.batch for result in results] and len(set(three["batches"])) == 8
    assert three["events"] == [result.num_events for result in results]
    assert three["losses"] == pytest.approx([result.nll for result in results], rel=1e-5)
    assert three["norms"] == pytest.approx([result.gradient_norm for result in results], rel=1e-4)
    one = trainer.state_tensors()
    assert torch.equal(three["tensors"]["lanes.positions"], one["lanes.positions"])
    for name, tensor in one.items():
        assert torch.allclose(three["tensors"][name].float(), tensor.float(), atol=1e-5), name
