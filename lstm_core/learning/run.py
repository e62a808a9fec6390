"""A training run: feature blocks become a checkpoint, in a folder from which it can go on after any interruption.

RUN/recipe.toml      what was asked, resolved
RUN/state/           the newest states, see run_state.py
RUN/checkpoint/      the best model so far by validation, averaged weights
RUN/metrics.jsonl    one row a step and one a validation, see metrics.py
RUN/curves.png       the same, drawn

The same code runs alone and in each worker of a torch.distributed process group.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from lstm_core import storage
from lstm_core.blocks import BlockSet, open_blocks
from lstm_core.checkpoint import save_checkpoint
from lstm_core.corpora.pieces import NotePieces
from lstm_core.errors import TrainingError
from lstm_core.learning.baselines import fit_baselines
from lstm_core.learning.curves import curves_png
from lstm_core.learning.initial_model import initial_model
from lstm_core.learning.metrics import MetricsLog, Row
from lstm_core.learning.run_length import RunLength
from lstm_core.learning.run_state import RunState, load_state, newest_state, save_state
from lstm_core.learning.train_recipe import TrainRecipe
from lstm_core.training import StepResult, Trainer

CHECKPOINT_NAME, CURVES_NAME = "checkpoint", "curves.png"
UNSETTLED = 1_000_000_000  # length of the schedule while it is unknown: only the warm-up is seen
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """What a run says of itself while it goes."""

    step: int
    num_steps: int | None  # None: not settled yet
    nll: float  # nats per event of the last step
    events_per_s: float  # of the last steps, over all workers
    valid_nll: float | None


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came out of a run."""

    step: int
    best_step: int
    best_nll: float
    is_validated: bool  # False: there was nothing to validate on and `best_nll` is of the training pieces
    checkpoint_uri: str


def run_training(
    blocks_uri: str | Path,
    run_uri: str | Path,
    recipe: TrainRecipe,
    *,
    versions: dict[str, str] | None = None,
    parent_uri: str = "",
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> RunResult:
    """Trains until the recipe is fulfilled, going on from the newest state of the run if there is one.

    Call on every worker. `parent_uri` is where `recipe.init_from` is, if not under that very name.

    Raises:
        TrainingError: loss or gradient stopped being finite; the checkpoint stays.
    """
    run = TrainingRun(blocks_uri, run_uri, recipe, versions=versions or {}, parent_uri=parent_uri)
    recent: list[tuple[float, int]] = []
    while not run.is_finished:
        result = run.advance()
        recent = [*recent, (time.monotonic(), result.num_events)][-20:]
        elapsed = recent[-1][0] - recent[0][0]
        rate = sum(num for _, num in recent[1:]) / elapsed if elapsed > 0 else 0.0
        step, valid_nll = run.trainer.step, run.valid_nll
        on_progress(
            RunProgress(
                step=step, num_steps=run.length.num_steps, nll=result.nll, events_per_s=rate, valid_nll=valid_nll
            )
        )
    return run.result()


def finished_result(run_uri: str | Path) -> RunResult | None:
    """What came out of a run that is at its end; None of any other."""
    found = newest_state(run_uri)
    if found is None or found[0] != found[1]["num_steps"]:
        return None
    step, facts = found
    return RunResult(
        step=step,
        best_step=facts["best_step"],
        best_nll=facts["best_nll"],
        is_validated=facts.get("is_validated", True),
        checkpoint_uri=storage.join(run_uri, CHECKPOINT_NAME),
    )


class TrainingRun:
    """One worker's side of a run. Only rank 0 writes."""

    def __init__(
        self,
        blocks_uri: str | Path,
        run_uri: str | Path,
        recipe: TrainRecipe,
        *,
        versions: dict[str, str],
        parent_uri: str = "",
    ) -> None:
        self.run_uri, self.recipe = str(run_uri), recipe
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        if recipe.threads_per_worker:
            torch.set_num_threads(recipe.threads_per_worker)
        self.blocks = open_blocks(blocks_uri)
        if self.blocks.num_pieces("train") == 0:
            raise TrainingError(f"{blocks_uri} holds no training pieces. Prepare a corpus with at least one piece.")
        self.device = torch.device(_device(recipe.device))
        state = self._newest_state()
        facts = {} if state is None else state.facts
        self._begun_s = self._saved_s = time.monotonic()
        self.length = RunLength(recipe, facts, agreed=self._agreed, begun_s=self._begun_s)
        self.best_nll: float = facts.get("best_nll", float("inf"))
        self.best_step: int = facts.get("best_step", 0)
        self.valid_nll: float | None = None
        name = recipe.name or storage.name_of(run_uri)
        model, self.facts = initial_model(self.blocks, recipe, name=name, versions=versions, parent_uri=parent_uri)
        styles, seed = self.facts.styles, recipe.train.seed
        self.valid = NotePieces(self.blocks, "valid", styles, home_key=self.facts.home_key)
        self.valid_indices = _validation_pieces(self.blocks, recipe.valid_events, seed)
        pieces = NotePieces(
            self.blocks, "train", styles, seed=seed, augment=recipe.augment, home_key=self.facts.home_key
        )
        self.trainer = Trainer(model, pieces, recipe.train, device=self.device)
        names = [stream.name for stream in model.settings.streams]
        self.metrics = MetricsLog(run_uri, 0 if state is None else state.step, names)
        self._elapsed_before_s: float = facts.get("elapsed_s", 0.0)
        self._valid_s = 0.0
        if state is None:
            self._start()
        else:
            self.trainer.load_state_tensors(state.tensors)
            _log.info("going on from step %d", state.step)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.length.num_steps is not None and self.trainer.step >= self.length.num_steps

    def advance(self) -> StepResult:
        """One step, and what is due after it: validation, publication, a state."""
        result = self.trainer.train_step(self.length.num_steps or UNSETTLED)
        if not result.is_finite:
            self._stop(result)
        self.metrics.add(self._row(result))
        if not self.length.is_settled:
            self.length.settle(self.trainer.step, time.monotonic(), self._valid_s)
        if self.is_finished or (
            self.length.valid_every is not None and self.trainer.step % self.length.valid_every == 0
        ):
            self._validate()
        is_due = time.monotonic() - self._saved_s >= self.recipe.checkpoint_every_s
        if self.length.num_steps is not None and (self._agreed(is_due) or self.is_finished):
            self._save_state()
        return result

    def result(self) -> RunResult:
        """What came out so far."""
        return RunResult(
            step=self.trainer.step,
            best_step=self.best_step,
            best_nll=self.best_nll,
            is_validated=bool(self.valid_indices),
            checkpoint_uri=storage.join(self.run_uri, CHECKPOINT_NAME),
        )

    def _newest_state(self) -> RunState | None:
        """The state that rank 0 found, on all workers."""
        found = newest_state(self.run_uri) if self.rank == 0 else None
        step = int(self._agreed(-1 if found is None else found[0]))
        if step < 0:
            return None
        state = load_state(self.run_uri, step)
        trained_on = state.facts.get("corpus_fingerprint", self.blocks.index.fingerprint)
        if trained_on != self.blocks.index.fingerprint:
            raise TrainingError(
                f"{self.run_uri} was begun on blocks of fingerprint {trained_on}, these have "
                f"{self.blocks.index.fingerprint}. Give the same blocks, or start another run with "
                f"--init-from {self.run_uri}."
            )
        return state

    def _start(self) -> None:
        """Baselines, and the first validation, which also tells how long one takes."""
        if self.rank == 0:
            baselines = fit_baselines(self.blocks, self.valid_indices)
            self.metrics.add({"kind": "baselines", "step": 0, **asdict(baselines)})
        if self.valid_indices:
            start = time.monotonic()
            self._validate()
            self._valid_s = time.monotonic() - start

    def _validate(self) -> None:
        """Validates the averaged weights and publishes them when they are the best so far."""
        row: Row = {"kind": "valid", "step": self.trainer.step}
        if self.valid_indices:
            found = self.trainer.evaluate(self.valid, self.valid_indices)
            nll = self.valid_nll = found.nll
            row |= {"nll": nll, "nll_of_stream": found.nll_of_stream, "num_events": found.num_events}
        else:
            nll = self.metrics.mean_train_nll(self.length.valid_every or 1)
            row |= {"nll": None, "train_nll": nll}
        if nll < self.best_nll:
            self.best_nll, self.best_step = nll, self.trainer.step
            self._publish()
        self.metrics.add(row | {"best_step": self.best_step})
        if self.rank == 0:
            self.metrics.write()

    def _publish(self) -> None:
        if self.rank != 0:
            return
        valid_nll = self.best_nll if self.valid_indices else None
        facts = replace(self.facts, step=self.trainer.step, valid_nll=valid_nll)
        uri = storage.join(self.run_uri, CHECKPOINT_NAME)
        with self.trainer.averaged_weights():
            save_checkpoint(uri, self.trainer.model, facts, dtype=torch.float32)

    def _save_state(self) -> None:
        tensors = self.trainer.state_tensors()
        facts: dict[str, Any] = {
            "num_steps": self.length.num_steps,
            "valid_every": self.length.valid_every,
            "best_nll": self.best_nll,
            "best_step": self.best_step,
            "is_validated": bool(self.valid_indices),
            "corpus_fingerprint": self.blocks.index.fingerprint,
            "elapsed_s": self._elapsed_s(),
        }
        if self.rank == 0:
            self.metrics.write()
            picture = curves_png(self.metrics.rows, self.metrics.stream_names, self._title())
            storage.write_bytes(storage.join(self.run_uri, CURVES_NAME), picture)
            state = RunState(step=self.trainer.step, tensors=tensors, facts=facts)
            save_state(self.run_uri, state, keep=self.recipe.keep)
        self._saved_s = time.monotonic()

    def _title(self) -> str:
        num_pieces = self.blocks.num_pieces("train")
        return f"{self.facts.name}: step {self.trainer.step} of {self.length.num_steps}, {num_pieces:,} training pieces"

    def _row(self, result: StepResult) -> Row:
        return {
            "kind": "train",
            "step": self.trainer.step,
            "nll": result.nll,
            "nll_of_stream": result.nll_of_stream,
            "num_events": result.num_events,
            "gradient_norm": result.gradient_norm,
            "learning_rate": result.learning_rate,
            "epoch": round(self.trainer.lanes.epochs(), 4),
            "time_s": round(self._elapsed_s(), 3),
        }

    def _elapsed_s(self) -> float:
        return self._elapsed_before_s + time.monotonic() - self._begun_s

    def _stop(self, result: StepResult) -> None:
        names = [self.blocks.piece("train", piece).piece_id for piece in result.suspects[:8]]
        more = f" and {len(result.suspects) - 8} more" if len(result.suspects) > 8 else ""
        raise TrainingError(
            f"Loss or gradient stopped being finite at step {self.trainer.step + 1} (nats {result.nll:.6g}, gradient "
            f"norm {result.gradient_norm:.6g}), on pieces {', '.join(names)}{more}. The best checkpoint until then "
            f"(step {self.best_step}) is in {storage.join(self.run_uri, CHECKPOINT_NAME)}. "
            f"Try a smaller train.learning_rate (it was {self.recipe.train.learning_rate:g})."
        )

    def _agreed(self, value: float) -> float:
        """The value of rank 0, on all workers."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return value
        device = "cpu" if dist.get_backend() == "gloo" else self.device
        shared = torch.tensor([float(value)], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared.item())


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _validation_pieces(blocks: BlockSet, num_events: int, seed: int) -> Sequence[int]:
    """Numbers of validation pieces of about `num_events` events, at least one if there is any; the longest first.

    So no lane is left alone with a long piece at the end.
    """
    order = np.random.Generator(np.random.Philox(key=[seed, 2**63])).permutation(blocks.num_pieces("valid"))
    chosen: list[tuple[int, int]] = []
    for piece in order:
        if sum(length for length, _ in chosen) >= num_events:
            break
        chosen.append((len(blocks.piece("valid", int(piece)).events), int(piece)))
    return [piece for _, piece in sorted(chosen, key=lambda pair: (-pair[0], pair[1]))]
