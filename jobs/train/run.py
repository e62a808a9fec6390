"""tonemill train: feature blocks become a checkpoint, with Ray Train, and the run is summed up (run_summary.py)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jobs.runtime.local_ray import ray_running
from jobs.runtime.progress import Progress
from jobs.runtime.recipe import RECIPE_NAME, load_recipe, save_recipe, versions
from jobs.runtime.summary import RunSummary, prices_of_environment, summarise, summary_lines, write_summary
from jobs.train.workers import RAY_TRAIN_SETTINGS, Outcome, absolute, placed, train_on_workers
from lstm_core import storage
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.blocks.stored_representations import check_holds
from lstm_core.foundation.errors import TrainingError
from lstm_core.model.checkpoint import find_checkpoint, read_description
from lstm_core.representations.table import representation_named
from lstm_core.storage.lease import Lease
from lstm_core.training.metrics import read_metrics
from lstm_core.training.recipe import TrainRecipe, changed_settings
from lstm_core.training.run import run_training
from lstm_core.training.run_length import RATE_STEPS
from lstm_core.training.run_result import RunProgress, RunResult, RunSignal, finished_result
from lstm_core.training.run_state import newest_state
from lstm_core.training.training_run import CURVES_NAME, nothing_to_train_on

POLL_S = 0.5
LEASE_S = 12.0  # without a sign of life of the driver another one, elsewhere, may go on with its run


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What came out of a run, and what this part of it took."""

    run: RunResult
    summary: RunSummary | None = None  # what was done and cost since it was begun or gone on with; None: nothing was
    summary_uri: str = ""  # the same as a page


def run_train(
    blocks: str, run: str, recipe: TrainRecipe, *, is_resumed: bool = False, verbose: bool = False
) -> TrainResult:
    """Trains on all workers of the recipe and gives back what came out; a finished run gives that at once.

    Raises:
        TrainingError: the run exists already, or loss or gradient stopped being finite, or it ended too often.
        LeaseError: another program trains this run.
        PriceError: there is a table of prices, and it is none.
    """
    start = time.perf_counter()
    prices_of_environment()  # which are wanted at the end, are refused before any work
    blocks_uri, run_uri = absolute(blocks), absolute(run)
    index = read_index(blocks_uri)
    stored = check_holds(index.representations, representation_named(recipe.representation), blocks)
    if stored.num_pieces["train"] == 0:
        raise TrainingError(nothing_to_train_on(blocks, recipe.representation))
    if recipe.init_from:
        read_description(find_checkpoint(recipe.init_from))
    with Lease(run_uri, expires_after_s=LEASE_S) as lease:
        found = newest_state(run_uri)
        has_begun = found is not None
        if has_begun and not is_resumed:
            raise TrainingError(
                f"{run} holds a training run already. Go on with it by --resume, or choose another folder."
            )
        if has_begun and (result := finished_result(run_uri)) is not None:
            return TrainResult(run=result)
        if not has_begun:
            save_recipe(recipe, run_uri)
        for name, value in RAY_TRAIN_SETTINGS.items():
            os.environ.setdefault(name, value)
        num_cpus = recipe.worker_range[1] + 1  # Ray Train's controller is one more actor
        with ray_running(num_cpus=max(num_cpus, 2), verbose=verbose):
            outcome = _train_with_ray(blocks_uri, run_uri, recipe, lease.token)
        summary = _summary(run_uri, outcome, 0 if found is None else found[0], time.perf_counter() - start)
        return TrainResult(run=outcome.result, summary=summary, summary_uri=write_summary(run_uri, summary))


def train_recipe(run: str, path: str | None, overrides: dict[str, object], *, is_resumed: bool) -> TrainRecipe:
    """The recipe of a file with overrides; for a run that goes on, the one that it was begun with.

    Raises:
        TrainingError: a run that goes on was given another value of something that decides its numbers.
    """
    saved_uri = storage.join(run, RECIPE_NAME)
    if not is_resumed or not storage.exists(saved_uri):
        return load_recipe(TrainRecipe, path, overrides)
    saved = load_recipe(TrainRecipe, saved_uri)
    requested = load_recipe(TrainRecipe, path or saved_uri, overrides)
    if changed := changed_settings(saved, requested):
        raise TrainingError(
            f"{run} was begun with another {', '.join(changed)}, and cannot go on exactly with a new one. "
            "Leave the setting out, or start another run with --init-from."
        )
    return requested


def result_lines(trained: TrainResult, run: str) -> list[str]:
    """Lines that say what came out, against the baselines, and what it took."""
    result = trained.run
    kind = "validation" if result.is_validated else "training (there were no validation pieces)"
    rows = [row for row in read_metrics(run) if row["kind"] == "baselines"]
    against = "".join(f", {name} {sum(row[name]):.3f}" for row in rows[:1] for name in ("unigram", "bigram"))
    return [
        f"{run}: {result.step} steps; best at step {result.best_step}: {result.best_nll:.3f} nats an event on "
        f"{kind}{against}",
        *summary_lines(trained.summary),
        f"checkpoint: {result.checkpoint_uri}; curves: {storage.join(run, CURVES_NAME)}"
        + (f"; the run itself: {trained.summary_uri}" if trained.summary else ""),
    ]


def _summary(run_uri: str, outcome: Outcome[RunResult], begun_step: int, wall_s: float) -> RunSummary:
    """What was done since the state of `begun_step`, and what it cost.

    Steps that were done again after workers died count once. Processor time is that of the workers alone, all their
    threads; Outcome says which machines are meant.
    """
    rows = [row for row in read_metrics(run_uri) if row["kind"] == "train" and row["step"] > begun_step]
    return summarise(
        "train",
        storage.name_of(run_uri),
        wall_s=wall_s,
        cpu_s={"train": outcome.cpu_s},
        units={"steps": len(rows), "events": sum(row["num_events"] for row in rows)},
        retries=len(outcome.restarts),
        nodes=outcome.nodes,
    )


def _train_with_ray(blocks_uri: str, run_uri: str, recipe: TrainRecipe, lease: str) -> Outcome[RunResult]:
    where = placed(recipe.num_workers, recipe.threads_per_worker, recipe.device)
    config = {
        "blocks_uri": blocks_uri,
        "run_uri": run_uri,
        "recipe": replace(recipe, device=where.device, threads_per_worker=where.threads),
        "versions": versions(),
        "lease": lease,
        "parent_uri": _parent_uri(recipe.init_from),
    }
    return train_on_workers(_train, config, run_uri, where, _show)


def _parent_uri(init_from: str) -> str:
    """Where workers find the parent; empty where they know by its name: "base" is in the package of each."""
    return absolute(find_checkpoint(init_from)) if init_from not in ("", "base") else ""


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
    while (now := newest()) is not None and now.num_steps is not None and not stop.is_set():
        follow("training", now.num_steps, min(now.step, now.num_steps), partial(_has_other_end, now.num_steps))


def _has_other_end(num_steps: int, progress: RunProgress) -> bool:
    """Whether the end of the run has moved, as it does with the clock."""
    return progress.num_steps != num_steps


def _note(progress: RunProgress) -> str:
    valid = "" if progress.valid_nll is None else f", valid {progress.valid_nll:.3f}"
    return f"{progress.nll:.3f} nats an event{valid}, {progress.events_per_s:,.0f} events/s"
