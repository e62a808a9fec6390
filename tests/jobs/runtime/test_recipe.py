"""Recipes: what is written is read, and errors are named with the right key beside them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from jobs.prepare.run import PrepareRecipe
from jobs.runtime.recipe import load_recipe, parse_overrides, save_recipe, to_toml
from lstm_core.foundation.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Reverb:
    size_m: float = 4.0
    kind: Literal["hall", "plate"] = "hall"

    def __post_init__(self) -> None:
        if self.size_m <= 0:
            raise ValueError(f"size_m is {self.size_m}, it must be more than 0")


@dataclass(frozen=True, kw_only=True)
class Show:
    title: str
    count: int = 3
    is_live: bool = False
    gains_db: tuple[float, ...] = (0.0, -3.0)
    window: tuple[int, int] = (1, 2)
    limit: int | None = None
    names: dict[str, str] = field(default_factory=dict)
    reverb: Reverb = field(default_factory=Reverb)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "show.toml"
    path.write_text(text)
    return path


def test_values_of_every_kind_are_read(tmp_path: Path) -> None:
    text = (
        'title = "A"\ncount = 5\nis_live = true\ngains_db = [1, -2.5]\nwindow = [3, 4]\nlimit = 7\n'
        '[names]\n"two words" = "x"\n[reverb]\nsize_m = 9\nkind = "plate"\n'
    )
    assert load_recipe(Show, toml(tmp_path, text)) == Show(
        title="A",
        count=5,
        is_live=True,
        gains_db=(1.0, -2.5),
        window=(3, 4),
        limit=7,
        names={"two words": "x"},
        reverb=Reverb(size_m=9.0, kind="plate"),
    )
    assert isinstance(load_recipe(Show, toml(tmp_path, text)).reverb.size_m, float)


def test_overrides_go_before_the_file_also_inside_tables(tmp_path: Path) -> None:
    overrides = parse_overrides(["reverb.size_m=2", "title=No quotes needed", "gains_db=[1.5]", 'names.a="b"'])
    loaded = load_recipe(Show, toml(tmp_path, 'title = "A"\ncount = 5\n[reverb]\nsize_m = 9\n'), overrides)
    assert loaded == Show(
        title="No quotes needed", count=5, gains_db=(1.5,), names={"a": "b"}, reverb=Reverb(size_m=2.0)
    )


def test_a_saved_recipe_is_the_same_again_and_names_versions(tmp_path: Path) -> None:
    show = Show(title='quote " slash \\ é\n\x7f', names={"two words": "x", "": "y"}, reverb=Reverb(size_m=0.1))
    save_recipe(show, tmp_path)
    path = tmp_path / "recipe.toml"
    assert load_recipe(Show, path) == show
    made_with = tomllib.loads(path.read_text())["made_with"]
    assert {"python", "ray", "torch", "tonemill"} <= set(made_with)
    assert to_toml(show) == path.read_text()


def test_the_recipe_of_prepare_survives_a_round_trip(tmp_path: Path) -> None:
    recipe = load_recipe(PrepareRecipe, None, {"split.valid_share": 0.1, "limits.timeout_s": 5})
    assert recipe.split.valid_share == 0.1 and recipe.limits.timeout_s == 5.0
    save_recipe(recipe, tmp_path)
    assert load_recipe(PrepareRecipe, tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('title = "A"\ncuont = 5', r"show\.toml: unknown key cuont\. Did you mean count\?"),
        ('title = "A"\n[reverb]\nsize = 5', r"unknown key reverb\.size\. Did you mean reverb\.size_m\?"),
        ('title = "A"\nzzzz = 5', r"unknown key zzzz\. Other keys: count, is_live"),
        ('title = "A"\ncount = "5"', r"count is '5', it must be a whole number"),
        ('title = "A"\ncount = true', r"count is True, it must be a whole number"),
        ('title = "A"\ncount = 1.5', r"count is 1\.5, it must be a whole number"),
        ('title = "A"\nis_live = 1', r"is_live is 1, it must be true or false"),
        ('title = "A"\ngains_db = ["x"]', r"gains_db\[0\] is 'x', it must be a number"),
        ('title = "A"\nwindow = [1]', r"window is \[1\], it must be a list of 2 values"),
        ('title = "A"\nlimit = "x"', r"limit is 'x', it must be a whole number"),
        ('title = "A"\nreverb = 3', r"reverb is 3, it must be a table"),
        ('title = "A"\n[reverb]\nkind = "cave"', r"reverb\.kind is 'cave', it must be one of 'hall', 'plate'"),
        ('title = "A"\n[reverb]\nsize_m = -1', r"show\.toml: reverb: size_m is -1\.0, it must be more than 0"),
        ("count = 5", r"the key title is missing"),
        ("count = ", r"show\.toml is not TOML"),
    ],
)
def test_user_errors_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(Show, toml(tmp_path, text))


def test_overrides_without_a_value_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"--set wants KEY=VALUE, got 'count'"):
        parse_overrides(["count"])
    with pytest.raises(RecipeError, match=r"count\.x: count is a value, not a table"):
        load_recipe(Show, None, {"title": "A", "count": 1, "count.x": 2})
