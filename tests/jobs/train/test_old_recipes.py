"""Runs that an earlier version began: their saved recipes have old names of settings, and they are resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.train.run import train_recipe
from lstm_core.foundation.errors import TrainingError
from lstm_core.representations.representation import AugmentSettings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text("steps = 4\n[augment]\nuntold_share = 0.3\n[made_with]\ntonemill = '0.1.0'\n")
    return folder


def test_a_run_with_old_names_is_resumed(run: Path, tmp_path: Path) -> None:
    assert train_recipe(str(run), None, {}, is_resumed=True).augment == AugmentSettings(condition_dropout=0.3)
    present = tmp_path / "present.toml"
    present.write_text("steps = 4\n[augment]\ncondition_dropout = 0.3\n")
    assert train_recipe(str(run), str(present), {}, is_resumed=True).augment.condition_dropout == 0.3


def test_another_value_under_the_present_name_is_still_another_value(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("steps = 4\n[augment]\ncondition_dropout = 0.1\n")
    with pytest.raises(TrainingError, match="augment"):
        train_recipe(str(run), str(other), {}, is_resumed=True)
