"""tonemill train: all levels of a composer from one recipe, one after the other, each resumed exactly."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.command_line import main as cli
from jobs.runtime.recipe import save_recipe
from jobs.train import ship_base
from jobs.train.level_run import publish_levels
from jobs.train.run import parsed_level, result_lines, run_train, train_recipe
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.composing.players import load_training_runs
from lstm_core.dataset.corpus_statistics import corpus_statistics
from lstm_core.foundation.errors import BlockError, CheckpointError, TrainingError
from lstm_core.model.checkpoint import find_checkpoint, load_checkpoint, load_runs
from lstm_core.model.composer_checkpoint import LEVELS, load_composer
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.training.recipe import LevelRecipe, ModelSize, TrainRecipe, level_recipes
from lstm_core.training.run import run_training
from lstm_core.training.updates import TrainSettings
from tests.jobs.train.test_run import command, same_weights, timeless, wait_for_step
from tests.lstm_core.block_sets import tiny_recipe, write_tunes


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tunes(tmp_path_factory.mktemp("blocks"), 8, 2, representations=(NOTES, PLAN, PARTS))


def two_levels(steps: int = 3, **changes: object) -> TrainRecipe:
    """A recipe of both levels whose planner is smaller, and trained for two steps."""
    train = TrainSettings(num_lanes=4, window=16, warmup_steps=2, precision="float32")
    plan = LevelRecipe(steps=2, model=ModelSize(hidden_size=16, num_layers=1, head_size=8), train=train)
    return tiny_recipe(**{"representation": "", "steps": steps, "plan": plan, **changes})


@pytest.fixture(scope="module")
def run(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of both levels, trained without Ray, published as workers do it."""
    folder = tmp_path_factory.mktemp("run") / "house"
    recipe = two_levels()
    save_recipe(recipe, folder)
    for level, own in level_recipes(recipe).items():
        save_recipe(own, folder / level)
        own = replace(own, name="house")
        run_training(blocks, folder / level, own, on_published=lambda: publish_levels(str(folder)))
    return folder


@pytest.mark.slow
def test_workers_publish_a_composer_as_soon_as_each_level_has_a_checkpoint(blocks: Path, tmp_path: Path) -> None:
    """And whenever one of them has a better one: composer.json always names what is there."""
    found: list[str | None] = []
    recipe = two_levels(valid_every=1)
    for level, own in level_recipes(recipe).items():
        run_training(blocks, tmp_path / level, own, on_published=lambda: found.append(publish_levels(str(tmp_path))))
        if level == "plan":
            assert found and set(found) == {None} and not (tmp_path / "checkpoint").exists()
    of_parts = [fingerprint for fingerprint in found if fingerprint is not None]
    assert len(set(of_parts)) == len(of_parts) > 1
    composer = load_composer(find_checkpoint(tmp_path))
    assert composer.fingerprint == of_parts[-1]
    assert composer.planner.fingerprint == load_checkpoint(tmp_path / "plan" / "checkpoint").fingerprint
    assert composer.arranger.fingerprint == load_checkpoint(tmp_path / "parts" / "checkpoint").fingerprint


@pytest.mark.slow
def test_a_level_is_killed_and_nothing_is_lost(
    blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 in the second level, then --resume: rows and weights are those of runs that nobody disturbed."""
    recipe = two_levels(steps=30, valid_every=10, checkpoint_every_s=0.0)
    for level, own in level_recipes(recipe).items():
        run_training(blocks, tmp_path / "straight" / level, own)
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    run = tmp_path / "run"
    with command(blocks, run, "--recipe", tmp_path / "requested" / "recipe.toml") as process:
        wait_for_step(run / "parts", 4, process)
        process.send_signal(signal.SIGKILL)
    finished = (run / "plan" / "metrics.jsonl").read_bytes()
    with command(blocks, run, "--resume") as process:
        out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert f"{run}/plan: 2 steps; best at step" in out and f"{run}/parts: 30 steps; best at step" in out
    assert f"checkpoint: {run}/checkpoint; curves: {run}/plan/curves.png, {run}/parts/curves.png" in out
    assert (run / "plan" / "metrics.jsonl").read_bytes() == finished
    for level in LEVELS:
        assert timeless(run / level) == timeless(tmp_path / "straight" / level)
        assert same_weights(run / level, tmp_path / "straight" / level)
        assert (run / level / "recipe.toml").exists()
    composer = load_composer(run / "checkpoint")
    assert composer.planner.facts.name == composer.arranger.facts.name == "run"
    with pytest.raises(SystemExit) as ended:
        cli.main(["inspect", str(run)])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "step 2 of 2, finished" in shown and "step 30 of 30, finished" in shown
    assert composer.fingerprint in shown and "plan-1: " in shown and "parts-1: " in shown


@pytest.mark.slow
def test_a_finished_run_says_so_and_is_not_begun_twice(blocks: Path, run: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds a training run already. Go on with it by --resume"):
        run_train(str(blocks), str(run), two_levels())
    recipe = train_recipe(str(run), None, {}, is_resumed=True)
    trained = run_train(str(blocks), str(run), recipe, is_resumed=True)
    assert list(trained.levels) == ["plan", "parts"] and trained.summary is None
    assert [trained.levels[level].step for level in LEVELS] == [2, 3]
    lines = result_lines(trained, str(run))
    assert len(lines) == 3 and lines[1].startswith(f"{run}/parts: 3 steps; best at step")
    with pytest.raises(TrainingError, match="was begun with another representation, and cannot"):
        train_recipe(str(run), None, {"representation": parsed_level("plan")}, is_resumed=True)


@pytest.mark.slow
def test_each_level_starts_from_its_own_of_a_composer(blocks: Path, run: Path, tmp_path: Path) -> None:
    """Given as the folder of the run, or as that of its checkpoint."""
    parent = load_composer(run / "checkpoint")
    for level, place in (("plan", run), ("parts", run / "checkpoint")):
        own = level_recipes(two_levels(steps=1, init_from=str(place), plan=None))[level]
        run_training(blocks, tmp_path / level, own)
        found = load_checkpoint(tmp_path / level / "checkpoint")
        before = parent.planner if level == "plan" else parent.arranger
        assert found.facts.parents == (before.fingerprint,)
        assert found.model.settings.hidden_size == before.model.settings.hidden_size


@pytest.mark.slow
def test_a_level_alone_is_an_ordinary_run(blocks: Path, run: Path, tmp_path: Path) -> None:
    recipe = train_recipe(
        str(tmp_path), str(run / "recipe.toml"), {"representation": parsed_level("plan")}, is_resumed=False
    )
    assert recipe.model.hidden_size == 16 and recipe.steps == 2
    result = run_training(blocks, tmp_path / "run", recipe)
    assert timeless(tmp_path / "run") == timeless(run / "plan")
    assert load_checkpoint(result.checkpoint_uri).facts.representation == "plan-1"


@pytest.mark.slow
def test_what_cannot_be_started_from_is_said_before_any_work(blocks: Path, run: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    run_training(blocks, notes, tiny_recipe(steps=1))
    with pytest.raises(
        CheckpointError,
        match=r"The level plan cannot start from .*notes: .* trained on events of representation 'notes-1', this run "
        r"learns 'plan-1'\. Start without init_from",
    ):
        run_train(str(blocks), str(tmp_path / "run"), two_levels(init_from=str(notes)))
    with pytest.raises(CheckpointError, match=r"The level parts cannot start from .*plan"):
        run_train(str(blocks), str(tmp_path / "run"), two_levels(init_from=str(run / "plan")))
    with pytest.raises(CheckpointError, match=r"is a composer, with a level for each of .* and none for notes-1"):
        run_train(str(blocks), str(tmp_path / "run"), tiny_recipe(init_from=str(run)))
    with pytest.raises(TrainingError, match="holds a training run already"):
        run_train(str(blocks), str(notes), two_levels())
    assert not (tmp_path / "run").exists()


def test_blocks_without_a_level_are_refused(tmp_path: Path) -> None:
    write_tunes(tmp_path / "blocks", 2, 1)
    with pytest.raises(BlockError, match=r"holds its pieces as notes-1, not as plan-1\. Run tonemill prepare again"):
        run_train(str(tmp_path / "blocks"), str(tmp_path / "run"), two_levels())


@pytest.mark.parametrize(("text", "found"), [("plan", "plan-1"), ("parts", "parts-1"), ("all", "")])
def test_a_level_is_named_on_the_command_line(text: str, found: str) -> None:
    assert parsed_level(text) == found


def test_another_level_is_refused() -> None:
    with pytest.raises(TrainingError, match='--level wants one of plan, parts, all, got "notes"'):
        parsed_level("notes")


@pytest.mark.slow
def test_a_run_is_shipped_as_the_base(blocks: Path, run: Path, tmp_path: Path) -> None:
    """As the integers it is, with statistics of the blocks, recipe and licences, in place of a base of one level."""
    base = tmp_path / "base"
    base.mkdir()
    for name in ("checkpoint.json", "weights-old.safetensors"):
        (base / name).write_text("old")
    fingerprint = ship_base.ship_base(str(run), str(blocks), base=base)
    found, before = load_composer(base), load_composer(run / "checkpoint")
    assert found.fingerprint == fingerprint
    assert {path.name for path in base.iterdir()} == {"composer.json", "plan", "parts", "recipe.toml"}
    assert [len(index.names) for index in load_runs(base / "parts")] == [8] and load_runs(base / "plan") == ()
    assert [len(index.names) for index in load_training_runs(run, before)] == [8]
    for shipped, made in ((found.planner, before.planner), (found.arranger, before.arranger)):
        assert shipped.facts == replace(made.facts, name="base")
        assert list(shipped.facts.licences) == ["CC0"] and shipped.facts.notices == {"CC0": "No rights reserved."}
        assert shipped.integers is not None and made.integers is not None
        stored = shipped.integers.tensors()
        assert all(torch.equal(stored[name], value) for name, value in made.integers.tensors().items())
    assert train_recipe("", str(base / "recipe.toml"), {}, is_resumed=False).plan == two_levels().plan


def test_statistics_of_plans_hold_the_ensembles(blocks: Path) -> None:
    """Programs of the parts of each plan, drums among them, as those of the notes have it."""
    plans, notes = (corpus_statistics(open_blocks(blocks, representation=one)) for one in (PLAN, NOTES))
    assert {style: of["ensembles"] for style, of in plans.items()} == {
        style: of["ensembles"] for style, of in notes.items()
    }
    assert [0, 32, 128] in plans["air"]["ensembles"]
    assert corpus_statistics(open_blocks(blocks, representation=PARTS))["air"]["ensembles"] == []
