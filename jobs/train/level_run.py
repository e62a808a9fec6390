"""One run of `tonemill train` on Ray's workers: of a level of a composer, or of a single representation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jobs.runtime.progress import Progress
from jobs.runtime.recipe import versions
from jobs.train.workers import Outcome, absolute, placed, train_on_workers
from lstm_core import storage
from lstm_core.model.composer_checkpoint import LEVELS, find_level, publish_composer
from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run import run_training
from lstm_core.training.run_length import RATE_STEPS
from lstm_core.training.run_result import CHECKPOINT_NAME, RunProgress, RunResult, RunSignal

POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class LevelRun:
    """A run as its driver knows it."""

    level: str  # empty: the run of a single representation
    uri: str  # of its folder
    recipe: TrainRecipe
    whole_uri: str = ""  # folder of the run of all levels, of which this is one


def publish_levels(run_uri: str) -> str | None:
    """Makes the best checkpoints of the levels of a run its composer's checkpoint; gives back the fingerprint, None
    while there is a level that has none.
    """
    of_levels = {level: storage.join(run_uri, level, CHECKPOINT_NAME) for level in LEVELS}
    return publish_composer(storage.join(run_uri, CHECKPOINT_NAME), of_levels)


def train_level(blocks_uri: str, run: LevelRun, lease: str) -> Outcome[RunResult]:
    """Trains on Ray's workers until the recipe is fulfilled, from the newest state if there is one."""
    recipe = run.recipe
    where = placed(recipe.num_workers, recipe.threads_per_worker, recipe.device)
    config = {
        "blocks_uri": blocks_uri,
        "run_uri": run.uri,
        "whole_uri": run.whole_uri,
        "recipe": replace(recipe, device=where.device, threads_per_worker=where.threads),
        "versions": versions(),
        "lease": lease,
        "parent_uri": _parent_uri(recipe),
    }
    return train_on_workers(_train, config, run.uri, where, partial(_show, run.level))


def _parent_uri(recipe: TrainRecipe) -> str:
    """Where workers find the parent; empty where they know by its name: "base" is in the package of each."""
    if recipe.init_from in ("", "base"):
        return ""
    return absolute(find_level(recipe.init_from, recipe.representation))


def _train(config: dict[str, Any], report: Callable[[RunProgress], RunSignal]) -> RunResult:
    """One worker's part."""
    return run_training(
        config["blocks_uri"],
        config["run_uri"],
        config["recipe"],
        versions=config["versions"],
        parent_uri=config["parent_uri"],
        lease=config["lease"],
        on_progress=report,
        on_published=partial(_publish, config["whole_uri"]),
    )


def _publish(whole_uri: str) -> None:
    if whole_uri:
        publish_levels(whole_uri)


def _show(level: str, newest: Callable[[], RunProgress | None], stop: threading.Event) -> None:
    """Bars until `stop`: one while the rate is measured, then one of all steps."""

    def follow(label: str, num_steps: int, done: int, is_over: Callable[[RunProgress], bool]) -> None:
        with Progress(f"{label} {level}".strip(), num_steps, "steps", done=done) as bar:
            is_last = False
            while not is_last:
                is_last = stop.wait(POLL_S)
                if (progress := newest()) is not None:
                    bar.advance(max(min(progress.step, num_steps) - bar.done, 0), _note(progress))
                    is_last = is_last or is_over(progress)

    while newest() is None:
        if stop.wait(POLL_S):
            return
    if (first := newest()) is not None and first.num_steps is None:
        follow("measuring", RATE_STEPS[1], 0, lambda progress: progress.num_steps is not None)
    while (now := newest()) is not None and now.num_steps is not None and not stop.is_set():
        follow("training", now.num_steps, min(now.step, now.num_steps), partial(_has_other_end, now.num_steps))


def _has_other_end(num_steps: int, progress: RunProgress) -> bool:
    """Whether the end of the run has moved, as it does with the clock."""
    return progress.num_steps != num_steps


def _note(progress: RunProgress) -> str:
    valid = "" if progress.valid_nll is None else f", valid {progress.valid_nll:.3f}"
    return f"{progress.nll:.3f} nats an event{valid}, {progress.events_per_s:,.0f} events/s"
