"""The recipe of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstm_core.representations.notes import NOTES
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
class TrainRecipe:
    """One training run."""

    name: str = ""  # of the checkpoint; empty: that of the run's folder
    representation: str = NOTES.name  # of those that the blocks hold, the one to learn
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
        if self.train.num_lanes < most:
            raise ValueError(f"train.num_lanes is {self.train.num_lanes}, too few for num_workers, {most}")

    @property
    def worker_range(self) -> tuple[int, int]:
        """The fewest workers and the most."""
        return (self.num_workers, self.num_workers) if isinstance(self.num_workers, int) else self.num_workers


# Settings that may change when a run is resumed: none of them decides a number (its minutes stay those of the start).
FREE = ("minutes", "num_workers", "threads_per_worker", "device", "checkpoint_every_s", "keep")


def changed_settings(saved: TrainRecipe, requested: TrainRecipe) -> list[str]:
    """Names of the settings that a run cannot be resumed with, because they differ from those it was started with."""
    return [name for name in TrainRecipe.__dataclass_fields__ if _differs(saved, requested, name)]


def _differs(saved: TrainRecipe, requested: TrainRecipe, name: str) -> bool:
    return name not in FREE and getattr(saved, name) != getattr(requested, name)
