"""tonemill train: feature blocks become a checkpoint, with Ray Train."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jobs.local_ray import ray_running
from jobs.progress import Progress
from jobs.recipe import RECIPE_NAME, load_recipe, save_recipe, versions
from jobs.workers import RAY_TRAIN_SETTINGS, absolute, placed, train_on_workers
from lstm_core import storage
from lstm_core.blocks import read_index
from lstm_core.checkpoint import find_checkpoint, read_description
from lstm_core.errors import TrainingError
from lstm_core.learning.metrics import read_metrics
from lstm_core.learning.run import CURVES_NAME, run_training
from lstm_core.learning.run_length import RATE_STEPS
from lstm_core.learning.run_result import RunProgress, RunResult, Wish, finished_result
from lstm_core.learning.run_state import newest_state
from lstm_core.learning.train_recipe import TrainRecipe, changed_settings
from lstm_core.stores.lease import Lease

POLL_S = 0.5
LEASE_S = 12.0  # without a sign of life of the driver another one, elsewhere, may go on with its run


def run_train(
    blocks: str, run: str, recipe: TrainRecipe, *, is_resumed: bool = False, verbose: bool = False
) -> RunResult:
    """Trains on all workers of the recipe and gives back what came out; a finished run gives that at once.

    Raises:
        TrainingError: the run exists already, or loss or gradient stopped being finite, or it ended too often.
        LeaseError: another program trains this run.
    """
    blocks_uri, run_uri = absolute(blocks), absolute(run)
    index = read_index(blocks_uri)
    if index.num_pieces.get("train", 0) == 0:
        raise TrainingError(f"{blocks} holds no training pieces. Prepare a corpus with at least one piece.")
    if recipe.init_from:
        read_description(find_checkpoint(recipe.init_from))
    with Lease(run_uri, expires_after_s=LEASE_S) as lease:
        has_begun = newest_state(run_uri) is not None
        if has_begun and not is_resumed:
            raise TrainingError(
                f"{run} holds a training run already. Go on with it by --resume, or choose another folder."
            )
        if has_begun and (result := finished_result(run_uri)) is not None:
            return result
        if not has_begun:
            save_recipe(recipe, run_uri)
        for name, value in RAY_TRAIN_SETTINGS.items():
            os.environ.setdefault(name, value)
        num_cpus = recipe.worker_range[1] + 1  # Ray Train's controller is one more actor
        with ray_running(num_cpus=max(num_cpus, 2), verbose=verbose):
            return _train_with_ray(blocks_uri, run_uri, recipe, lease.token)


def train_recipe(run: str, path: str | None, overrides: dict[str, object], *, is_resumed: bool) -> TrainRecipe:
    """The recipe of a file with overrides; for a run that goes on, the one that it was begun with.

    Raises:
        TrainingError: a run that goes on is asked to change something that decides its numbers.
    """
    saved_uri = storage.join(run, RECIPE_NAME)
    if not is_resumed or not storage.exists(saved_uri):
        return load_recipe(TrainRecipe, path, overrides)
    saved = load_recipe(TrainRecipe, saved_uri)
    asked = load_recipe(TrainRecipe, path or saved_uri, overrides)
    if changed := changed_settings(saved, asked):
        raise TrainingError(
            f"{run} was begun with another {', '.join(changed)}, and cannot go on exactly with a new one. "
            "Leave the setting out, or start another run with --init-from."
        )
    return asked


def summary(result: RunResult, run: str) -> list[str]:
    """Lines that say what came out, against the baselines."""
    kind = "validation" if result.is_validated else "training (there were no validation pieces)"
    rows = [row for row in read_metrics(run) if row["kind"] == "baselines"]
    against = "".join(f", {name} {sum(row[name]):.3f}" for row in rows[:1] for name in ("unigram", "bigram"))
    return [
        f"{run}: {result.step} steps; best at step {result.best_step}: {result.best_nll:.3f} nats an event on "
        f"{kind}{against}",
        f"checkpoint: {result.checkpoint_uri}; curves: {storage.join(run, CURVES_NAME)}",
    ]


def _train_with_ray(blocks_uri: str, run_uri: str, recipe: TrainRecipe, lease: str) -> RunResult:
    where = placed(recipe.num_workers, recipe.threads_per_worker, recipe.device)
    config = {
        "blocks_uri": blocks_uri,
        "run_uri": run_uri,
        "recipe": replace(recipe, device=where.device, threads_per_worker=where.threads),
        "versions": versions(),
        "lease": lease,
        "parent_uri": absolute(find_checkpoint(recipe.init_from)) if recipe.init_from else "",
    }
    return train_on_workers(_train, config, run_uri, where, _show)


def _train(config: dict[str, Any], tell: Callable[[RunProgress], Wish]) -> RunResult:
    """One worker's part."""
    return run_training(
        config["blocks_uri"],
        config["run_uri"],
        config["recipe"],
        versions=config["versions"],
        parent_uri=config["parent_uri"],
        lease=config["lease"],
        on_progress=tell,
    )


def _show(newest: Callable[[], RunProgress | None], stop: threading.Event) -> None:
    """Bars until `stop`: one while the rate is measured, then one of all steps."""

    def follow(label: str, num_steps: int, done: int, is_over: Callable[[RunProgress], bool]) -> None:
        with Progress(label, num_steps, "steps", done=done) as bar:
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
    if (first := newest()) is not None and first.num_steps is not None:
        follow("training", first.num_steps, first.step, lambda progress: False)


def _note(progress: RunProgress) -> str:
    valid = "" if progress.valid_nll is None else f", valid {progress.valid_nll:.3f}"
    return f"{progress.nll:.3f} nats an event{valid}, {progress.events_per_s:,.0f} events/s"
