"""tonemill train: feature blocks become a checkpoint, with Ray Train, and the run is summed up.

A run of all levels of a composer is one run for each, one after the other, and their best checkpoints together:

RUN/recipe.toml     what was requested, resolved
RUN/plan/           an ordinary run, of plan-1; see lstm_core/training/run.py
RUN/parts/          an ordinary run, of parts-1
RUN/checkpoint/     both, from the moment that each has a checkpoint
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from jobs.runtime.local_ray import ray_running
from jobs.runtime.recipe import RECIPE_NAME, load_recipe, save_recipe
from jobs.runtime.summary import RunSummary, prices_of_environment, summarise, summary_lines, write_summary
from jobs.train.level_run import LevelRun, publish_levels, train_level
from jobs.train.workers import RAY_TRAIN_SETTINGS, Outcome, absolute
from lstm_core import storage
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.blocks.stored_representations import check_holds
from lstm_core.foundation.errors import CheckpointError, TrainingError
from lstm_core.model.composer_checkpoint import LEVELS, find_level
from lstm_core.representations.notes import NOTES
from lstm_core.representations.table import representation_named
from lstm_core.storage.lease import Lease
from lstm_core.training.metrics import read_metrics
from lstm_core.training.recipe import TrainRecipe, changed_settings, level_recipes, with_levels
from lstm_core.training.run_result import CHECKPOINT_NAME, RunResult, finished_result
from lstm_core.training.run_state import newest_state
from lstm_core.training.training_run import CURVES_NAME, nothing_to_train_on

LEASE_S = 12.0  # without a sign of life of the driver another one, elsewhere, may go on with its run
ALL_LEVELS = "all"


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What came out of a run, and what this part of it took."""

    levels: dict[str, RunResult]  # by level; the one of a single representation is under ""
    checkpoint_uri: str
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
    runs = _runs_of(run_uri, recipe)
    _check_given(blocks, blocks_uri, runs)
    with Lease(run_uri, expires_after_s=LEASE_S) as lease:
        begun_steps = _begun_steps(run_uri)
        if begun_steps and not is_resumed:
            raise TrainingError(
                f"{run} holds a training run already. Go on with it by --resume, or choose another folder."
            )
        results = {one.level: found for one in runs if (found := finished_result(one.uri)) is not None}
        if len(results) == len(runs):
            return TrainResult(levels=results, checkpoint_uri=_published(run_uri, runs))
        if not begun_steps:
            save_recipe(recipe, run_uri)
        for name, value in RAY_TRAIN_SETTINGS.items():
            os.environ.setdefault(name, value)
        num_cpus = recipe.worker_range[1] + 1  # Ray Train's controller is one more actor
        outcomes: dict[str, Outcome[RunResult]] = {}
        with ray_running(num_cpus=max(num_cpus, 2), verbose=verbose):
            for one in runs:
                if one.level not in results:
                    with _lease_of(one, run_uri, lease) as token:
                        outcomes[one.level] = train_level(blocks_uri, one, token)
                    results[one.level] = outcomes[one.level].result
        checkpoint_uri = _published(run_uri, runs)
        begun = {one.level: begun_steps.get(one.uri, 0) for one in runs}
        summary = _summary(run_uri, runs, outcomes, begun, time.perf_counter() - start)
        return TrainResult(
            levels={one.level: results[one.level] for one in runs},
            checkpoint_uri=checkpoint_uri,
            summary=summary,
            summary_uri=write_summary(run_uri, summary),
        )


def train_recipe(run: str, path: str | None, overrides: Mapping[str, object], *, is_resumed: bool) -> TrainRecipe:
    """The recipe of a file with overrides; for a run that goes on, the one that it was begun with.

    Raises:
        TrainingError: a run that goes on was given another value of something that decides its numbers.
    """
    saved_uri = storage.join(run, RECIPE_NAME)
    if not is_resumed or not storage.exists(saved_uri):
        return load_recipe(TrainRecipe, path, overrides, resolve=with_levels)
    # Recipes that name no representation were saved when there was one default: notes.
    saved = load_recipe(
        TrainRecipe, saved_uri, resolve=lambda values: with_levels({"representation": NOTES.name, **values})
    )
    requested = load_recipe(
        TrainRecipe,
        path or saved_uri,
        overrides,
        resolve=lambda values: with_levels({"representation": saved.representation, **values}),
    )
    if changed := changed_settings(saved, requested):
        raise TrainingError(
            f"{run} was begun with another {', '.join(changed)}, and cannot go on exactly with a new one. "
            "Leave the setting out, or start another run with --init-from."
        )
    return requested


def parsed_level(text: str) -> str:
    """The representation of a recipe for the value of --level.

    Raises:
        TrainingError: it is something else.
    """
    if text not in (*LEVELS, ALL_LEVELS):
        raise TrainingError(f'--level wants one of {", ".join(LEVELS)}, {ALL_LEVELS}, got "{text}"')
    return LEVELS.get(text, "")


def result_lines(trained: TrainResult, run: str) -> list[str]:
    """Lines that say what came out, one for each level, against the baselines, and what it took."""
    curves = ", ".join(storage.join(run, *filter(None, [level]), CURVES_NAME) for level in trained.levels)
    return [
        *(_result_line(result, level, run) for level, result in trained.levels.items()),
        *summary_lines(trained.summary),
        f"checkpoint: {trained.checkpoint_uri}; curves: {curves}"
        + (f"; the run itself: {trained.summary_uri}" if trained.summary else ""),
    ]


def _result_line(result: RunResult, level: str, run: str) -> str:
    uri = storage.join(run, level) if level else run
    kind = "validation" if result.is_validated else "training (there were no validation pieces)"
    rows = [row for row in read_metrics(uri) if row["kind"] == "baselines"]
    against = "".join(f", {name} {sum(row[name]):.3f}" for row in rows[:1] for name in ("unigram", "bigram"))
    return (
        f"{uri}: {result.step} steps; best at step {result.best_step}: {result.best_nll:.3f} nats an event on "
        f"{kind}{against}"
    )


def _runs_of(run_uri: str, recipe: TrainRecipe) -> list[LevelRun]:
    """The runs that a recipe asks for, in the order in which they are made."""
    return [
        LevelRun(
            level=level,
            uri=storage.join(run_uri, level) if level else run_uri,
            recipe=replace(own, name=recipe.name or storage.name_of(run_uri)) if level else own,
            whole_uri=run_uri if level else "",
        )
        for level, own in level_recipes(recipe).items()
    ]


def _check_given(blocks: str, blocks_uri: str, runs: list[LevelRun]) -> None:
    """Raises what is wrong with the blocks or the parent before any work."""
    index = read_index(blocks_uri)
    for one in runs:
        name = one.recipe.representation
        stored = check_holds(index.representations, representation_named(name), blocks)
        if stored.num_pieces["train"] == 0:
            raise TrainingError(nothing_to_train_on(blocks, name))
        if one.recipe.init_from:
            try:
                find_level(one.recipe.init_from, name)
            except CheckpointError as error:
                if not one.level:
                    raise
                parent = one.recipe.init_from
                raise CheckpointError(f"The level {one.level} cannot start from {parent}: {error}") from error


def _begun_steps(run_uri: str) -> dict[str, int]:
    """Step of the newest state of each run that a folder holds, of a single representation or of levels, by its URI."""
    places = [run_uri, *(storage.join(run_uri, level) for level in LEVELS)]
    return {uri: found[0] for uri in places if (found := newest_state(uri)) is not None}


@contextmanager
def _lease_of(run: LevelRun, whole_uri: str, lease: Lease) -> Iterator[str]:
    """The token by which workers store in the folder of a run; a level has a recipe and a lease of its own."""
    if run.uri == whole_uri:
        yield lease.token
        return
    with Lease(run.uri, expires_after_s=LEASE_S) as own:
        if newest_state(run.uri) is None:
            save_recipe(run.recipe, run.uri)
        yield own.token


def _published(run_uri: str, runs: list[LevelRun]) -> str:
    """Folder of the run's checkpoint, complete also where the last worker was killed before it published."""
    if runs[0].level:
        publish_levels(run_uri)
    return storage.join(run_uri, CHECKPOINT_NAME)


def _summary(
    run_uri: str,
    runs: list[LevelRun],
    outcomes: Mapping[str, Outcome[RunResult]],
    begun: Mapping[str, int],
    wall_s: float,
) -> RunSummary:
    """What was done since the states of the steps `begun`, by level, and what it cost.

    Steps that were done again after workers died count once. Processor time is that of the workers alone, all their
    threads; Outcome says which machines are meant.
    """
    done = [one for one in runs if one.level in outcomes]
    rows = [
        row
        for one in done
        for row in read_metrics(one.uri)
        if row["kind"] == "train" and row["step"] > begun[one.level]
    ]
    return summarise(
        "train",
        storage.name_of(run_uri),
        wall_s=wall_s,
        cpu_s={one.level or "train": outcomes[one.level].cpu_s for one in done},
        units={"steps": len(rows), "events": sum(row["num_events"] for row in rows)},
        retries=sum(len(outcome.restarts) for outcome in outcomes.values()),
        nodes=outcomes[done[-1].level].nodes,
    )
