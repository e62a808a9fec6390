"""What the job refuses before Ray starts, and that its recipe can be read."""

from pathlib import Path

import pytest

from jobs.runtime.recipe import load_recipe, save_recipe
from jobs.train_transcriber.run import main, train_transcriber
from lstm_core.foundation.errors import TrainingError
from lstm_core.training.run_state import RunState, save_state
from lstm_core.transcriber_training.beat_training import BeatTrainSettings
from lstm_core.transcriber_training.recipe import TranscriberRecipe

ROOT = Path(__file__).resolve().parents[3]


def test_the_recipe_that_comes_along_is_read():
    recipe = load_recipe(TranscriberRecipe, ROOT / "jobs" / "train_transcriber" / "transcriber.toml")
    assert recipe.steps > 10_000 and recipe.clips.style_weights["game"] > 1
    assert recipe.beats.clips.style_weights["game"] > 1
    assert recipe.beats.clips.render == BeatTrainSettings().clips.render  # a table of a recipe starts from plain clips


def test_a_begun_run_is_not_begun_again_nor_changed(tmp_path: Path):
    run, recipe = tmp_path / "run", TranscriberRecipe()
    save_recipe(recipe, run)
    save_state(run, RunState(step=3, tensors={}, facts={}), keep=1)
    with pytest.raises(TrainingError, match="--resume"):
        train_transcriber("scores", str(run), recipe)
    changed = load_recipe(TranscriberRecipe, None, {"train.learning_rate": 0.1, "steps": 7})
    with pytest.raises(TrainingError, match="another train, and cannot go on"):
        train_transcriber("scores", str(run), changed, is_resumed=True)


def test_user_errors_are_reported_in_a_line(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"unknown key train\.learning_rat"):
        main([str(tmp_path), str(tmp_path / "run"), "--set", "train.learning_rat=1"])
