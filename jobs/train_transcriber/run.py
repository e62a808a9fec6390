"""Trains a transcriber on scores that are rendered as it goes, with Ray Train.

    python -m jobs.train_transcriber.run SCORES RUN --recipe jobs/train_transcriber/transcriber.toml
        [--resume] [--set KEY=VALUE]...

SCORES holds a folder for each style with scores in it, as `python -m jobs.demo.bundled_scores` makes them; a fifth of
them, by their names, is never looked at, so that tests can use it. RUN is a local folder. The same training runs
without Ray by lstm_core.transcriber_training.run. `--render N` renders the first N shards of clips and trains nothing:
a second process that works ahead of the trainer. When the notes are learnt, a second network learns the beats from
what the first one finds, in one process (lstm_core.transcriber_training.beat_run); `--beats` does that alone, for the
best transcriber of a run.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from jobs.runtime.local_ray import ray_running
from jobs.runtime.progress import Progress
from jobs.runtime.recipe import RECIPE_NAME, load_recipe, parse_overrides, save_recipe, versions
from jobs.train.workers import absolute, placed, train_on_workers
from lstm_core.foundation.errors import TonemillError, TrainingError
from lstm_core.training.run_state import newest_state
from lstm_core.transcriber_training.beat_run import run_beat_training
from lstm_core.transcriber_training.recipe import FREE, TranscriberRecipe
from lstm_core.transcriber_training.run import (
    TranscriberProgress,
    TranscriberResult,
    run_transcriber_training,
    training_pool,
)

POLL_S = 1.0


def train_transcriber(
    scores: str, run: str, recipe: TranscriberRecipe, *, is_resumed: bool = False, verbose: bool = False
) -> TranscriberResult:
    """What came out of training on all workers of the recipe.

    Raises:
        TrainingError: the run exists already, or would go on with other settings, or the loss became infinite.
    """
    run_uri = absolute(run)
    has_begun = newest_state(run_uri) is not None
    if has_begun and not is_resumed:
        raise TrainingError(f"{run} holds a training run already. Go on with it by --resume, or choose another folder.")
    if has_begun:
        _check_unchanged(run, load_recipe(TranscriberRecipe, Path(run_uri) / RECIPE_NAME), recipe)
    save_recipe(recipe, run_uri)
    with ray_running(num_cpus=recipe.num_workers + 1, verbose=verbose):  # Ray Train's controller is one more actor
        where = placed(recipe.num_workers, recipe.threads_per_worker, recipe.device)
        config = {
            "scores": absolute(scores),
            "run": run_uri,
            "recipe": replace(recipe, device=where.device, threads_per_worker=where.threads),
            "versions": versions(),
        }
        return train_on_workers(_train, config, run_uri, where, _show).result


def _check_unchanged(run: str, saved: TranscriberRecipe, requested: TranscriberRecipe) -> None:
    names = [name for name in TranscriberRecipe.__dataclass_fields__ if name not in FREE]
    if changed := [name for name in names if getattr(saved, name) != getattr(requested, name)]:
        raise TrainingError(
            f"{run} was begun with another {', '.join(changed)}, and cannot go on exactly with a new one. "
            "Leave the setting out, or start another run."
        )


def _train(config: dict[str, Any], report: Callable[[TranscriberProgress], object]) -> TranscriberResult:
    """One worker's part."""
    return run_transcriber_training(
        config["scores"], config["run"], config["recipe"], versions=config["versions"], on_progress=report
    )


def _show(newest: Callable[[], TranscriberProgress | None], stop: threading.Event) -> None:
    """A bar of all steps until `stop`."""
    while (first := newest()) is None:
        if stop.wait(POLL_S):
            return
    with Progress("training", first.num_steps, "steps", done=first.step) as bar:
        is_last = False
        while not is_last:
            is_last = stop.wait(POLL_S)
            if (progress := newest()) is not None:
                onsets = "".join(f", {name} {value:.3f}" for name, value in progress.scores.items() if "onset" in name)
                note = f"loss {progress.loss:.2f}{onsets}, {progress.audio_s_per_s:.0f} s of audio a second"
                bar.advance(max(progress.step - bar.done, 0), note)


def _render_ahead(scores: str, run: str, recipe: TranscriberRecipe, num_shards: int) -> None:
    """Renders the shards that are not there yet."""
    pool = training_pool(Path(scores), Path(recipe.clips_folder or Path(run) / "clips"), recipe)
    with Progress("rendering", num_shards, "shards", done=0) as bar:
        for number in range(num_shards):
            pool.shard(number)
            bar.advance(1, "")


def _learn_beats(scores: str, run: str, recipe: TranscriberRecipe) -> None:
    """Nothing; puts a beat network beside the transcriber of a run."""
    torch.set_num_threads(recipe.threads_per_worker or torch.get_num_threads())
    with Progress("learning beats", recipe.beats.steps, "steps", done=0) as bar:
        run_beat_training(scores, run, recipe, on_step=lambda step, num_steps: bar.advance(1, ""))


def main(arguments: list[str] | None = None) -> None:
    """Trains as the command line says and prints the F1 of the best network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores")
    parser.add_argument("run")
    parser.add_argument("--recipe")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--render", type=int, metavar="N")
    parser.add_argument("--beats", action="store_true", help="only the second part, the beats")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args(arguments)
    try:
        recipe = load_recipe(TranscriberRecipe, options.recipe, parse_overrides(options.set))
        if options.render:
            _render_ahead(options.scores, options.run, recipe, options.render)
            return
        if options.beats:
            _learn_beats(options.scores, options.run, recipe)
            return
        result = train_transcriber(
            options.scores, options.run, recipe, is_resumed=options.resume, verbose=options.verbose
        )
        _learn_beats(options.scores, options.run, recipe)
    except TonemillError as error:
        sys.exit(f"train_transcriber: {error}")
    print(f"{result.step} steps; best at step {result.best_step}: {result.scores}")
    print(f"transcriber: {result.transcriber_uri}")


if __name__ == "__main__":
    main()
