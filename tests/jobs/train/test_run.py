"""tonemill train: what Ray Train adds changes no number, and nothing that dies loses any."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.command_line import main as cli
from jobs.runtime.recipe import save_recipe
from jobs.train.run import run_train, train_recipe
from lstm_core.foundation.errors import BlockError, CheckpointError, TrainingError
from lstm_core.model.checkpoint import load_checkpoint
from lstm_core.training.metrics import CLOCKS, read_metrics
from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run import run_training
from lstm_core.training.run_state import newest_state
from lstm_core.training.updates import TrainSettings
from tests.lstm_core.block_sets import tiny_recipe, write_tunes
from tests.ray_nodes import descendants

STEPS = 30


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tunes(tmp_path_factory.mktemp("blocks"))


@contextmanager
def command(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`tonemill train` in a process of its own, which does not outlive the block."""
    line = [sys.executable, "-m", "jobs.command_line.main", "train", *map(str, arguments)]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_step(run: Path, step: int, process: subprocess.Popen[str], timeout_s: float = 250.0) -> None:
    end = time.monotonic() + timeout_s
    while ((found := newest_state(run)) is None or found[0] < step) and time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    assert found is not None and step <= found[0] < STEPS


def timeless(run: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in read_metrics(run)]


def same_weights(one: Path, two: Path) -> bool:
    ours, theirs = (load_checkpoint(run / "checkpoint").model.state_dict() for run in (one, two))
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_a_run_is_not_begun_twice(blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_training(blocks, tmp_path, tiny_recipe(steps=2))
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", str(blocks), str(tmp_path), "--set", "representation=notes-1"])
    assert ended.value.code == 2
    assert "holds a training run already. Go on with it by --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_finished_run_says_so(blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_recipe(tiny_recipe(steps=2), tmp_path)
    run_training(blocks, tmp_path, tiny_recipe(steps=2))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", str(blocks), str(tmp_path), "--resume"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "2 steps; best at step 2" in out and "bigram" in out and "checkpoint" in out
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    assert not (tmp_path / "summaries").exists()
    with pytest.raises(SystemExit):
        cli.main(["inspect", str(tmp_path)])
    out = capsys.readouterr().out
    assert "step 2 of 2, finished" in out and "sha256" in out and "unigram" in out


def test_a_run_goes_on_with_its_own_recipe(tmp_path: Path) -> None:
    begun = tiny_recipe(num_workers=1)
    save_recipe(begun, tmp_path)
    assert train_recipe(str(tmp_path), None, {}, is_resumed=True) == begun
    more = train_recipe(str(tmp_path), None, {"num_workers": 2, "minutes": 3.0}, is_resumed=True)
    assert more == replace(begun, num_workers=2, minutes=3.0)
    with pytest.raises(TrainingError, match="begun with another steps, train, and cannot go on exactly"):
        train_recipe(str(tmp_path), None, {"steps": 40, "train.learning_rate": 0.1}, is_resumed=True)
    new = train_recipe(str(tmp_path / "new"), None, {"steps": 40, "representation": "notes-1"}, is_resumed=True)
    assert new == TrainRecipe(steps=40, representation="notes-1")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"init_from": "/nowhere"}, CheckpointError, "There is no checkpoint in /nowhere"),
        ({}, BlockError, "no finished set of feature blocks"),
    ],
)
def test_what_is_missing_is_reported_before_ray_starts(
    blocks: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    given = blocks if changes else tmp_path
    with pytest.raises(error, match=message):
        run_train(str(given), str(tmp_path / "run"), tiny_recipe(**changes))
    assert not (tmp_path / "run").exists()


def summary_of(run: Path) -> dict[str, Any]:
    """The summary of a run that is at its end: of its last steps, in no more time than the cores had."""
    report: dict[str, Any] = json.loads((run / "summaries" / "run.train.json").read_text())
    events = [row["num_events"] for row in read_metrics(run) if row["kind"] == "train"]
    assert report["units"]["events"] == sum(events[-report["units"]["steps"] :])
    assert 0 < report["cpu_s"]["train"] <= report["wall_s"] * (os.cpu_count() or 1) + 0.5
    assert report["nodes"]["by_kind"] == {"head": 1} and report["cost"]["currency"] == "EUR"
    assert report["cost"]["total"] == pytest.approx(report["wall_s"] / 1000)
    assert report["cost"]["per_million_events"] == pytest.approx(1e3 * report["wall_s"] / report["units"]["events"])
    return report


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that costs a thousandth of a euro a second."""
    monkeypatch.setenv("TONEMILL_PRICES", '{"currency": "EUR", "head": 3.6}')


@pytest.mark.slow
def test_the_driver_is_killed_and_nothing_is_lost(blocks: Path, tmp_path: Path, prices: None) -> None:
    """kill -9, then --resume: rows and weights are those of a run without Ray that nobody disturbed."""
    recipe = tiny_recipe(steps=STEPS, valid_every=10, checkpoint_every_s=0.0)
    run_training(blocks, tmp_path / "straight", recipe)
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    with command(blocks, tmp_path / "run", "--recipe", tmp_path / "requested" / "recipe.toml") as process:
        wait_for_step(tmp_path / "run", 4, process)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "summaries").exists()
    with command(blocks, tmp_path / "run", "--resume") as process:
        out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert f"{STEPS} steps; best at step" in out
    assert timeless(tmp_path / "run") == timeless(tmp_path / "straight")
    assert same_weights(tmp_path / "run", tmp_path / "straight")
    if (tmp_path / "run" / "summaries").exists():  # else workers that outlived their driver came to the end before
        assert 0 < summary_of(tmp_path / "run")["units"]["steps"] <= STEPS - 4
    assert (tmp_path / "run" / "recipe.toml").exists() and (tmp_path / "run" / "curves.png").exists()


@pytest.mark.slow
def test_a_worker_is_killed_and_the_run_goes_on(blocks: Path, tmp_path: Path, prices: None) -> None:
    recipe = tiny_recipe(steps=STEPS, valid_every=10, checkpoint_every_s=0.0, num_workers=2)
    straight = run_training(blocks, tmp_path / "straight", replace(recipe, num_workers=1))
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    with command(blocks, tmp_path / "run", "--recipe", tmp_path / "requested" / "recipe.toml") as process:
        wait_for_step(tmp_path / "run", 4, process)
        workers = [pid for pid, name in descendants(process.pid) if name == "ray::RayTrainWorker"]
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert f"best at step {straight.best_step}" in out
    one, two = ([row for row in read_metrics(tmp_path / name) if "nll" in row] for name in ("straight", "run"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    assert [row["nll"] for row in two] == pytest.approx([row["nll"] for row in one], rel=1e-4)
    report = summary_of(tmp_path / "run")
    assert report["units"]["steps"] == STEPS and 1 <= report["retries"] <= 3
    assert f"train run: {STEPS} steps, " in out and f"cost: total {report['cost']['total']:.6f} EUR" in out


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_run_at_once(ray_cluster: None, blocks: Path, tmp_path: Path) -> None:
    settings = TrainSettings(num_lanes=8, window=16, warmup_steps=1, learning_rate=1e30, precision="float32")
    with pytest.raises(TrainingError, match=r"stopped being finite at step [2-5] .* on pieces 0{16}"):
        run_train(str(blocks), str(tmp_path), tiny_recipe(train=settings))
    model = load_checkpoint(tmp_path / "checkpoint").model
    assert all(weight.isfinite().all() for weight in model.state_dict().values())
