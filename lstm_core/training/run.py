"""A training run: feature blocks become a checkpoint, in a folder from which it resumes after any interruption.

RUN/recipe.toml      what was requested, resolved
RUN/state/           the newest states, see run_state.py
RUN/checkpoint/      the best model so far by validation, averaged weights
RUN/metrics.jsonl    one row per step and one per validation, see metrics.py
RUN/curves.png       the same, drawn

The same code runs alone and in each worker of a torch.distributed process group.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lstm_core.representations.representation import Representation
from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run_result import RunProgress, RunResult, RunSignal
from lstm_core.training.training_run import TrainingRun


def run_training(
    blocks_uri: str | Path,
    run_uri: str | Path,
    recipe: TrainRecipe,
    *,
    versions: dict[str, str] | None = None,
    parent_uri: str = "",
    lease: str = "",
    representation: Representation | None = None,
    on_progress: Callable[[RunProgress], RunSignal | None] = lambda progress: None,
    on_published: Callable[[], object] = lambda: None,
) -> RunResult:
    """Trains until the recipe is fulfilled, resuming from the newest state of the run if there is one.

    Call on every worker.

    Args:
        blocks_uri: Feature blocks.
        run_uri: Folder of the run.
        recipe: What is requested.
        versions: Of the packages, for the checkpoint.
        parent_uri: Where `recipe.init_from` is, if not under that very name.
        lease: Token of the holder of the lease of the run's folder; nothing is stored once another process holds it.
        representation: What is learnt, if it is not the one of the name in the recipe.
        on_progress: Called after each step; the signal that it returns on the first worker holds for all.
        on_published: Called on rank 0, by the thread that stores, when a better checkpoint is stored.

    Raises:
        TrainingError: loss or gradient stopped being finite; the checkpoint stays.
        LeaseError: another process has taken over the run.
        RunStopped: that was requested.
    """
    run = TrainingRun(
        blocks_uri,
        run_uri,
        recipe,
        versions=versions or {},
        parent_uri=parent_uri,
        lease=lease,
        representation=representation,
        on_published=on_published,
    )
    recent: list[tuple[float, int]] = []
    with run:
        while not run.is_finished:
            result = run.advance()
            recent = [*recent, (time.monotonic(), result.num_events)][-20:]
            elapsed = recent[-1][0] - recent[0][0]
            rate = sum(num for _, num in recent[1:]) / elapsed if elapsed > 0 else 0.0
            run.save(on_progress(run.progress(result, rate)) or RunSignal.CONTINUE)
        return run.result()
