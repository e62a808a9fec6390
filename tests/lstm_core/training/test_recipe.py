"""A recipe of all levels: which settings each of them gets, and what is refused."""

from __future__ import annotations

import pytest

from lstm_core.foundation.plain import STRICT, PlainError
from lstm_core.training.recipe import (
    LevelRecipe,
    ModelSize,
    TrainRecipe,
    changed_settings,
    level_recipes,
    with_levels,
)
from lstm_core.training.updates import TrainSettings


def read(**values: object) -> TrainRecipe:
    """The recipe of a file with these values."""
    return STRICT.read(TrainRecipe, with_levels(values))


def test_without_any_settings_each_level_has_its_own() -> None:
    plan, parts = (level_recipes(read(minutes=100.0))[level] for level in ("plan", "parts"))
    assert (plan.representation, parts.representation) == ("plan-1", "parts-1")
    assert plan.model == ModelSize(hidden_size=256, head_size=96, dropout=0.3)
    assert parts.model == ModelSize(hidden_size=384, head_size=192, dropout=0.2)
    assert (plan.train.num_lanes, plan.train.window) == (48, 96)
    assert (parts.train.num_lanes, parts.train.window) == (64, 128)
    assert (plan.minutes, parts.minutes) == pytest.approx((15.0, 85.0))
    assert plan.plan is None and level_recipes(plan) == {"": plan}


def test_a_table_of_a_level_stands_before_the_common_one_and_that_before_the_default() -> None:
    found = level_recipes(
        read(
            steps=9,
            model={"hidden_size": 32, "num_layers": 1},
            plan={"steps": 3, "model": {"hidden_size": 16}},
            parts={"train": {"seed": 5}, "augment": {"thinned_share": 0.5}},
        )
    )
    assert found["plan"].model == ModelSize(hidden_size=16, num_layers=1, head_size=96, dropout=0.3)
    assert found["parts"].model == ModelSize(hidden_size=32, num_layers=1, head_size=192, dropout=0.2)
    assert (found["plan"].train.seed, found["parts"].train.seed) == (1, 5)
    assert (found["plan"].augment.thinned_share, found["parts"].augment.thinned_share) == (0.0, 0.5)
    assert (found["plan"].steps, found["parts"].steps) == (3, 9)


def test_one_level_alone_has_its_own_settings() -> None:
    found = read(representation="plan-1", model={"num_layers": 1}, plan={"steps": 3, "train": {"seed": 5}})
    assert found.model == ModelSize(hidden_size=256, num_layers=1, head_size=96, dropout=0.3)
    assert (found.steps, found.train.seed, found.train.num_lanes) == (3, 5, 48)
    assert found.plan is None and found.parts is None
    assert read(representation="notes-1") == TrainRecipe(representation="notes-1")


def test_in_code_a_level_without_its_own_has_what_all_have() -> None:
    small, own = ModelSize(hidden_size=32), LevelRecipe(share=1.0, train=TrainSettings(seed=3))
    found = level_recipes(TrainRecipe(model=small, minutes=10.0, parts=own))
    assert found["plan"].model == small and found["parts"].model == ModelSize()
    assert found["parts"].train.seed == 3
    assert found["plan"].minutes + found["parts"].minutes == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"plan": {"model": {"size": 3}}}, r"unknown key plan\.model\.size"),
        ({"plan": {"model": 3}}, r"plan\.model is 3, it must be a table"),
        ({"plan": 3}, "plan is 3, it must be a table"),
        ({"parts": {"share": 0.0}}, r"parts: share is 0\.0, it must be above 0"),
        ({"parts": {"steps": 0}}, "parts: steps is 0, it must be above 0"),
        (
            {"parts": {"train": {"num_lanes": 1}}, "num_workers": 2},
            r"parts\.train\.num_lanes is 1, too few for num_workers",
        ),
        ({"representation": "notes-1", "plan": {}}, "The tables plan.train are for a run of all levels"),
        ({"repeats": {"game": 0}}, r"repeats is \{'game': 0\}, each number must be at least 1"),
        ({"repeats": {"game": 1.5}}, r"repeats\.game is 1\.5, it must be a whole number"),
    ],
)
def test_what_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(PlainError, match=message):
        read(**values)


def test_repeats_are_a_table_of_styles() -> None:
    found = read(repeats={"game": 3, "film": 2})
    assert found.repeats == {"game": 3, "film": 2}
    assert all(one.repeats == found.repeats for one in level_recipes(found).values())
    assert changed_settings(found, read(repeats={"game": 3})) == ["repeats"]
