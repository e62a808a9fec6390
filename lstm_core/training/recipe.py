"""The recipe of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lstm_core.model.composer_checkpoint import LEVELS
from lstm_core.representations.representation import AugmentSettings
from lstm_core.training.updates import TrainSettings


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """Size of a new model; a fine-tuned one keeps its own, but for the dropout."""

    hidden_size: int = 512
    num_layers: int = 2
    head_size: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_layers", "head_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} is {getattr(self, name)}, it must be at least 1")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"model.dropout is {self.dropout}, it must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class LevelRecipe:
    """What a level of a composer has of its own."""

    share: float = 1.0  # of the minutes; the shares of all levels together are the whole
    steps: int | None = None  # None: those of the recipe
    model: ModelSize = field(default_factory=ModelSize)
    train: TrainSettings = field(default_factory=TrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        for name in ("share", "steps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, it must be above 0")


SHARES = {"plan": 0.15, "parts": 0.85}
# Where neither the recipe's tables of a level nor the common ones say something else. Plans are short: a larger planner
# learns them by heart.
OF_LEVELS: dict[str, dict[str, dict[str, Any]]] = {
    "plan": {
        "model": {"hidden_size": 256, "head_size": 96, "dropout": 0.3},
        "train": {"num_lanes": 48, "window": 96},
    },
    "parts": {
        "model": {"hidden_size": 384, "head_size": 192, "dropout": 0.2},
        "train": {"num_lanes": 64, "window": 128},
    },
}
_TABLES = ("model", "train", "augment")  # that a level may have for itself


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """One training run."""

    name: str = ""  # of the checkpoint; empty: that of the run's folder
    representation: str = ""  # of those that the blocks hold, the one to learn; empty: all levels of a composer
    minutes: float = 10.0  # of training, in wall time from its first step; the number of steps follows from the rate
    steps: int | None = None  # optimiser updates, instead of `minutes`
    # Learn all pieces in C major or A minor and let the engine transpose; a fine-tuned model keeps its own setting.
    home_key: bool = True
    init_from: str = ""  # checkpoint, run or "base" to start from; empty: random weights
    num_workers: int | tuple[int, int] = 1  # or the fewest to continue with and the most there may be
    threads_per_worker: int | None = None  # None: all cores, shared
    device: str = "auto"  # or "cpu", "cuda"
    checkpoint_every_s: float = 120.0  # seconds between states
    keep: int = 2  # states
    valid_every: int | None = None  # steps; None: often enough for a curve, without taking much time
    valid_events: int = 60_000  # of the validation pieces, about; whole pieces, chosen by the seed
    model: ModelSize = field(default_factory=ModelSize)
    # How many times the pieces of a style come in one pass, of others once: {game = 3}. Each is varied in its own way.
    repeats: dict[str, int] = field(default_factory=dict)
    train: TrainSettings = field(default_factory=TrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    plan: LevelRecipe | None = None  # of a run of all levels; None: the tables above hold for this level too
    parts: LevelRecipe | None = None

    def __post_init__(self) -> None:
        for name in ("minutes", "steps", "threads_per_worker", "keep", "valid_every", "valid_events"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, it must be above 0")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f'device is "{self.device}", it must be "auto", "cpu" or "cuda"')
        if any(times < 1 for times in self.repeats.values()):
            raise ValueError(f"repeats is {self.repeats}, each number must be at least 1")
        fewest, most = self.worker_range
        if not 1 <= fewest <= most:
            raise ValueError(f"num_workers is {self.num_workers}, it must be above 0, or [fewest, most]")
        levels = {f"{level}.train": own.train for level in LEVELS if (own := getattr(self, level)) is not None}
        for name, settings in {"train": self.train, **levels}.items():
            if settings.num_lanes < most:
                raise ValueError(f"{name}.num_lanes is {settings.num_lanes}, too few for num_workers, {most}")
        if self.representation and levels:
            raise ValueError(
                f"representation is {self.representation!r}, so there is one model. The tables {', '.join(levels)} are "
                "for a run of all levels: leave them out."
            )

    @property
    def worker_range(self) -> tuple[int, int]:
        """The fewest workers and the most."""
        return (self.num_workers, self.num_workers) if isinstance(self.num_workers, int) else self.num_workers


def level_recipes(recipe: TrainRecipe) -> dict[str, TrainRecipe]:
    """The recipes of the runs that a recipe asks for: by level, or one under "" where it names a representation."""
    if recipe.representation:
        return {"": recipe}
    owns = {level: getattr(recipe, level) or _like_all(recipe, level) for level in LEVELS}
    all_shares = sum(own.share for own in owns.values())
    return {
        level: replace(
            recipe,
            representation=LEVELS[level],
            minutes=recipe.minutes * own.share / all_shares,
            steps=own.steps or recipe.steps,
            model=own.model,
            train=own.train,
            augment=own.augment,
            plan=None,
            parts=None,
        )
        for level, own in owns.items()
    }


def with_levels(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe file in which each level has its settings in full: its own, where it has none the common
    ones, then OF_LEVELS. Where the file names the representation of a level, that level's are the common ones.
    """
    representation = values.get("representation", "")
    if not representation:
        return {**values, **{level: _of_level(values, level) for level in LEVELS}}
    level = next((level for level, name in LEVELS.items() if name == representation), None)
    if level is None or not isinstance(own := _of_level(values, level), Mapping):
        return dict(values)
    common = {name: value for name, value in values.items() if name not in LEVELS}
    return {**common, **{name: value for name, value in own.items() if name != "share"}}


def _of_level(values: Mapping[str, Any], level: str) -> Any:
    own = values.get(level, {})
    if not isinstance(own, Mapping):
        return own  # for the reader to refuse
    return {"share": SHARES[level], **own, **_merged(values, level, own)}


def _merged(values: Mapping[str, Any], level: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a level; what is no table is left for the reader to refuse."""
    found: dict[str, Any] = {}
    for name in _TABLES:
        tables = [OF_LEVELS[level].get(name, {}), values.get(name, {}), own.get(name, {})]
        wrong = [table for table in tables if not isinstance(table, Mapping)]
        found[name] = wrong[0] if wrong else {key: value for table in tables for key, value in table.items()}
    return found


def _like_all(recipe: TrainRecipe, level: str) -> LevelRecipe:
    return LevelRecipe(share=SHARES[level], model=recipe.model, train=recipe.train, augment=recipe.augment)


# Settings that may change when a run is resumed: none of them decides a number (its minutes stay those of the start).
FREE = ("minutes", "num_workers", "threads_per_worker", "device", "checkpoint_every_s", "keep")


def changed_settings(saved: TrainRecipe, requested: TrainRecipe) -> list[str]:
    """Names of the settings that a run cannot be resumed with, because they differ from those it was started with.

    Of another representation, all of whose settings may differ, nothing but that.
    """
    if saved.representation != requested.representation:
        return ["representation"]
    return [name for name in TrainRecipe.__dataclass_fields__ if _differs(saved, requested, name)]


def _differs(saved: TrainRecipe, requested: TrainRecipe, name: str) -> bool:
    return name not in FREE and getattr(saved, name) != getattr(requested, name)
