"""A run that was interrupted ends as one that was not; what it writes is whole; what it cannot do it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.foundation.errors import CheckpointError, TrainingError
from lstm_core.model.checkpoint import load_checkpoint
from lstm_core.representations.conditions import STYLE
from lstm_core.storage.lease import Lease, LeaseError
from lstm_core.training.metrics import CLOCKS, read_metrics
from lstm_core.training.run import run_training
from lstm_core.training.run_result import RunProgress, RunSignal, RunStopped, finished_result
from lstm_core.training.run_state import load_newest_state, load_state, newest_state, saved_steps
from lstm_core.training.training_run import TrainingRun
from lstm_core.training.updates import TrainSettings
from tests.lstm_core.block_sets import tiny_recipe, write_tunes
from tests.lstm_core.workers import run_workers


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tunes(tmp_path_factory.mktemp("blocks"))


def interrupted(blocks: Path, run: Path, recipe: object, after: int) -> None:
    """A run that saves a state after each step and is given up after `after` of them."""
    every_step = replace(recipe, checkpoint_every_s=0.0)  # type: ignore[type-var]
    begun = TrainingRun(blocks, run, every_step, versions={})  # type: ignore[arg-type]
    for _ in range(after):
        begun.advance()
        begun.writer.wait()  # a state that is due waits for what is still being written
        begun.save()
        begun.writer.wait()


def timeless(run: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in read_metrics(run)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged weights where a run ended, in float32."""
    state = load_newest_state(folder)
    assert state is not None
    return {name: value for name, value in state.tensors.items() if name.startswith("average.")}


@pytest.mark.slow
def test_resumed_is_uninterrupted_bit_for_bit(blocks: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    straight = run_training(blocks, tmp_path / "straight", recipe)
    for after in (3, 2):  # given up twice
        interrupted(blocks, tmp_path / "resumed", recipe, after)
    assert newest_state(tmp_path / "resumed")[0] == 5
    resumed = run_training(blocks, tmp_path / "resumed", recipe)
    assert (resumed.step, resumed.best_step, resumed.best_nll) == (12, straight.best_step, straight.best_nll)
    assert timeless(tmp_path / "resumed") == timeless(tmp_path / "straight")
    names = [row["step"] for row in read_metrics(tmp_path / "resumed") if row["kind"] == "train"]
    assert names == list(range(1, 13))
    one, two = (load_state(tmp_path / name, 12).tensors for name in ("straight", "resumed"))
    assert one.keys() == two.keys() and any(name.startswith("optimizer.") for name in one)
    assert all(torch.equal(one[name], two[name]) for name in one)
    trained, again = weights(tmp_path / "straight"), weights(tmp_path / "resumed")
    assert all(torch.equal(trained[name], again[name]) for name in trained)


def test_it_learns_and_publishes_the_best(blocks: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=60, valid_every=10, train=TrainSettings(num_lanes=8, window=32, precision="float32"))
    result = run_training(blocks, tmp_path, recipe)
    rows = read_metrics(tmp_path)
    valid = {row["step"]: row["nll"] for row in rows if row["kind"] == "valid"}
    assert list(valid) == [0, 10, 20, 30, 40, 50, 60]
    assert result.best_nll == min(valid.values()) == valid[result.best_step] < 0.75 * valid[0]
    checkpoint = load_checkpoint(tmp_path / "checkpoint")
    assert (checkpoint.facts.step, checkpoint.facts.valid_nll) == (result.best_step, result.best_nll)
    index = open_blocks(blocks).index
    assert checkpoint.facts.corpus_fingerprint == index.fingerprint
    assert (checkpoint.facts.styles, checkpoint.facts.licences) == (("air", "march"), {"CC0": 15})
    assert checkpoint.facts.notices == {"CC0": "No rights reserved."}
    statistics = checkpoint.facts.statistics["air"]
    assert statistics["pieces"] == 6 and statistics["meters"] == {"4/4": 1.0}
    assert statistics["tempo_bpm"][2] == 95.0 and statistics["families"]["bass"] == 1.0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert finished_result(tmp_path) == result


@pytest.mark.slow
def test_the_newest_whole_state_is_taken(blocks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    interrupted(blocks, tmp_path, tiny_recipe(), 4)
    assert saved_steps(tmp_path) == [3, 4]
    newest = tmp_path / "state" / "step-0000004" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    assert newest_state(tmp_path)[0] == 3
    assert "step-0000004" in caplog.text and "cut short" in caplog.text
    (tmp_path / "state" / "step-0000004" / "state.json").unlink()
    caplog.clear()
    assert newest_state(tmp_path)[0] == 3
    assert "step-0000004 was not finished" in caplog.text
    result = run_training(blocks, tmp_path, tiny_recipe())
    assert result.step == 12 and saved_steps(tmp_path) == [4, 12]


def test_it_stops_on_request_and_loses_nothing(blocks: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    run_training(blocks, tmp_path / "straight", recipe)
    with pytest.raises(RunStopped, match="after step 5"):
        run_training(
            blocks,
            tmp_path / "left",
            recipe,
            on_progress=lambda progress: RunSignal.STOP if progress.step == 5 else RunSignal.CONTINUE,
        )
    assert newest_state(tmp_path / "left")[0] == 5
    seen: list[int] = []

    def on_progress(progress: RunProgress) -> RunSignal:
        seen.append(progress.saved_step)
        return RunSignal.SAVE if progress.step == 7 else RunSignal.CONTINUE

    run_training(blocks, tmp_path / "left", recipe, on_progress=on_progress)
    assert seen[:2] == [5, 5] and seen[-1] == 7  # stored in the background
    assert timeless(tmp_path / "left") == timeless(tmp_path / "straight")


def test_a_run_that_somebody_else_took_over_stores_nothing(blocks: Path, tmp_path: Path) -> None:
    """A worker that was cut off from its driver comes back when another driver has gone on with the run."""
    with Lease(str(tmp_path)) as lease:
        before = lease.token
    with Lease(str(tmp_path)), pytest.raises(LeaseError, match="has taken it over"):
        run_training(blocks, tmp_path, tiny_recipe(), lease=before)
    assert newest_state(tmp_path) is None and not (tmp_path / "checkpoint").exists()


def test_it_stops_before_the_weights_are_poisoned(blocks: Path, tmp_path: Path) -> None:
    settings = TrainSettings(num_lanes=8, window=16, warmup_steps=1, learning_rate=1e30, precision="float32")
    with pytest.raises(
        TrainingError, match=r"at step [2-5] .* on pieces 0{16}.*checkpoint.*smaller train.learning_rate"
    ):
        run_training(blocks, tmp_path, tiny_recipe(train=settings))
    model = load_checkpoint(tmp_path / "checkpoint").model
    assert all(weight.isfinite().all() for weight in model.state_dict().values())


def test_a_corpus_of_one_piece_is_judged_by_its_training_loss(tmp_path: Path) -> None:
    blocks = write_tunes(tmp_path / "blocks", 1, 0)
    result = run_training(blocks, tmp_path / "run", tiny_recipe())
    rows = read_metrics(tmp_path / "run")
    train = [row["nll"] for row in rows if row["kind"] == "train"]
    judged = [row["train_nll"] for row in rows if row["kind"] == "valid"]
    assert judged == [sum(train[i : i + 4]) / 4 for i in (0, 4, 8)]
    assert not result.is_validated and result.best_nll == min(judged)
    assert load_checkpoint(tmp_path / "run" / "checkpoint").facts.valid_nll is None


def test_minutes_become_steps_that_a_state_keeps(blocks: Path, tmp_path: Path) -> None:
    """The length is settled after the first steps; a resumed run starts with what was decided."""
    recipe = tiny_recipe(steps=None, valid_every=None, minutes=1.0, checkpoint_every_s=0.0)
    with TrainingRun(blocks, tmp_path, recipe, versions={}) as run:
        while run.length.num_steps is None:
            run.advance()
        run.writer.wait()  # a state is due only while nothing else is being stored
        run.save()
        run.writer.wait()
        assert 6 <= run.trainer.step <= 24 and newest_state(tmp_path)[0] == run.trainer.step
        assert run.length.num_steps > run.trainer.step
        assert 2 <= run.length.num_steps // run.length.valid_every <= 41
    with TrainingRun(blocks, tmp_path, replace(recipe, minutes=5.0), versions={}) as again:
        assert again.length.facts == run.length.facts


@pytest.mark.slow
def test_a_run_ends_by_the_clock_with_its_schedule_at_the_end(blocks: Path, tmp_path: Path) -> None:
    """Steps that take five times as long from the 60th on: a run of two minutes took more than seven."""
    now = [1000.0]
    recipe = tiny_recipe(steps=None, valid_every=None, minutes=2.0)
    with TrainingRun(blocks, tmp_path, recipe, versions={}, clock=lambda: now[0]) as run:
        while not run.is_finished:
            now[0] += 0.4 if run.trainer.step < 60 else 2.0
            run.advance()
            run.save()
        assert run.result().step == newest_state(tmp_path)[0] < 120
    assert now[0] - 1000.0 == pytest.approx(120.0, rel=0.05)
    rates = [row["learning_rate"] for row in read_metrics(tmp_path) if row["kind"] == "train"]
    assert rates[-1] == pytest.approx(recipe.train.learning_rate * recipe.train.final_learning_rate, rel=0.2)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert finished_result(tmp_path) == run.result()


BUSY = "import sys, time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.mark.slow
def test_a_real_run_ends_by_the_clock_on_a_machine_that_gets_busy(blocks: Path, tmp_path: Path) -> None:
    """Programs that want all cores begin a third into the run; a run of 3 minutes took 338 s."""
    busy: list[subprocess.Popen[bytes]] = []
    start = time.monotonic()

    def on_progress(progress: RunProgress) -> None:
        if not busy and time.monotonic() - start > 7.0:
            busy.extend(subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1))

    try:
        run_training(
            blocks, tmp_path, tiny_recipe(steps=None, valid_every=None, minutes=20 / 60), on_progress=on_progress
        )
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert busy and time.monotonic() - start == pytest.approx(20.0, abs=5.0)


def test_a_state_is_found_without_reading_its_tensors(
    blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To resume, and to inspect, read and hashed all tensors for two numbers, twice; altered ones are still refused."""
    interrupted(blocks, tmp_path, tiny_recipe(), 4)
    read: list[str] = []
    read_bytes = storage.read_bytes
    monkeypatch.setattr(storage, "read_bytes", lambda uri: (read.append(str(uri)), read_bytes(uri))[1])
    found = newest_state(tmp_path)
    assert found is not None and found[0] == 4 and finished_result(tmp_path) is None
    assert read and all(uri.endswith(".json") for uri in read)
    newest = tmp_path / "state" / "step-0000004" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\xff")
    state = load_newest_state(tmp_path)
    assert state is not None and state.step == 3


def test_the_threads_of_a_run_end_with_it(blocks: Path, tmp_path: Path) -> None:
    """TensorBoard's writer and that of states stayed for as long as the process."""
    before = set(threading.enumerate())
    run_training(blocks, tmp_path, tiny_recipe(steps=2))
    assert set(threading.enumerate()) <= before  # one of an earlier test may end meanwhile


def test_other_blocks_are_refused(blocks: Path, tmp_path: Path) -> None:
    interrupted(blocks, tmp_path / "run", tiny_recipe(), 1)
    other = write_tunes(tmp_path / "blocks", 3, 1)
    with pytest.raises(TrainingError, match="started on blocks of fingerprint"):
        run_training(other, tmp_path / "run", tiny_recipe())


def test_fine_tuning_carries_weights_styles_and_licences_on(blocks: Path, tmp_path: Path) -> None:
    run_training(blocks, tmp_path / "parent", tiny_recipe(steps=2, home_key=False))
    parent = load_checkpoint(tmp_path / "parent" / "checkpoint")
    house = write_tunes(tmp_path / "house", 4, 2, styles=("march", "house"))
    recipe = tiny_recipe(init_from=str(tmp_path / "parent"))
    run = TrainingRun(house, tmp_path / "run", recipe, versions={})
    assert run.facts.styles == ("air", "march", "house") and not run.trainer.lanes.source.reading.home_key
    assert run.facts.parents == (parent.fingerprint,) and run.facts.licences == {"CC0": 21}
    assert sorted(run.facts.statistics) == ["air", "house", "march"]
    known, model = parent.model.state_dict(), run.trainer.model.state_dict()
    name = f"context_embeddings.{STYLE}.weight"
    assert torch.equal(model[name][:3], known[name]) and torch.allclose(model[name][3], known[name][1:].mean(0))
    assert all(torch.equal(model[other], known[other]) for other in known if other != name)
    run_training(house, tmp_path / "run", recipe)
    assert load_checkpoint(tmp_path / "run" / "checkpoint").facts.parents == (parent.fingerprint,)


def test_a_checkpoint_of_other_streams_is_refused(blocks: Path, tmp_path: Path) -> None:
    run_training(blocks, tmp_path / "parent", tiny_recipe(steps=1))
    path = tmp_path / "parent" / "checkpoint" / "checkpoint.json"
    described = json.loads(path.read_text())
    described["model"]["contexts"][1]["size"] += 8
    described["model"]["contexts"][1]["name"] = "phrases"
    path.write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match="not a checkpoint that this version can use"):
        run_training(blocks, tmp_path / "run", tiny_recipe(init_from=str(tmp_path / "parent")))


WORKER = """
from lstm_core.training.run import run_training
from tests.lstm_core.block_sets import tiny_recipe
run_training(arguments[0], arguments[1], tiny_recipe(num_workers=2))
"""


@pytest.mark.slow
def test_two_workers_go_on_where_one_stopped(blocks: Path, tmp_path: Path) -> None:
    """Same batches, same dropout: losses and weights agree but for the order in which numbers are added."""
    straight = run_training(blocks, tmp_path / "one", tiny_recipe())
    interrupted(blocks, tmp_path / "two", tiny_recipe(), 5)
    run_workers(WORKER, tmp_path, [str(blocks), str(tmp_path / "two")])
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert [(row["kind"], row["step"], row.get("num_events")) for row in one] == [
        (row["kind"], row["step"], row.get("num_events")) for row in two
    ]
    assert [row["nll"] for row in two if "nll" in row] == pytest.approx([row["nll"] for row in one if "nll" in row])
    assert newest_state(tmp_path / "two")[1]["best_step"] == straight.best_step
    ours, theirs = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(ours[name], theirs[name], atol=2e-5) for name in ours)
