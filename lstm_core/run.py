"""A training run: feature blocks become a checkpoint, in a folder from which it can go on after any interruption.

RUN/recipe.toml      what was asked, resolved
RUN/state/           the newest states, see run_state.py
RUN/checkpoint/      the best model so far by validation, averaged weights
RUN/metrics.jsonl    one row a step and one a validation
RUN/curves.png       the same, drawn

The same code runs alone and in each worker of a torch.distributed process group.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from lstm_core import storage
from lstm_core.baselines import Baselines
from lstm_core.blocks import BlockSet, open_blocks
from lstm_core.checkpoint import CheckpointFacts, find_checkpoint, load_checkpoint, save_checkpoint
from lstm_core.conditions import note_contexts
from lstm_core.corpus_statistics import corpus_statistics
from lstm_core.errors import TrainingError
from lstm_core.fine_tuning import continued_model
from lstm_core.model import ModelSettings, MusicLSTM
from lstm_core.notes import FAMILIES
from lstm_core.pieces import AugmentSettings, NotePieces
from lstm_core.run_state import RunState, load_state, newest_step, save_state
from lstm_core.streams import Stream
from lstm_core.training import StepResult, Trainer, TrainSettings

METRICS_NAME, CHECKPOINT_NAME = "metrics.jsonl", "checkpoint"
RATE_STEPS = (4, 24)  # the rate of a run is measured from the first of these steps to the last
VALID_SHARE = 0.06  # of the time of a run, at most, goes to validation
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """Size of a new model; one that is fine-tuned keeps its own, but for the dropout."""

    hidden_size: int = 512
    num_layers: int = 2
    head_size: int = 256
    dropout: float = 0.1


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """One training run."""

    name: str = ""  # of the checkpoint; empty: that of the run's folder
    minutes: float = 10.0  # of training, once it has begun; the number of steps is made from the rate of the first ones
    steps: int | None = None  # optimiser updates, instead of `minutes`
    init_from: str = ""  # checkpoint, run or "base" to start from; empty: random weights
    num_workers: int = 1
    threads_per_worker: int | None = None  # None: all cores, shared
    device: str = "auto"  # or "cpu", "cuda"
    checkpoint_every_s: float = 120.0  # seconds between states
    keep: int = 2  # states
    valid_every: int | None = None  # steps; None: often enough for a curve, within VALID_SHARE of the time
    valid_events: int = 60_000  # of the validation pieces, about; whole pieces, chosen by the seed
    model: ModelSize = field(default_factory=ModelSize)
    train: TrainSettings = field(default_factory=TrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        for name in ("minutes", "steps", "num_workers", "threads_per_worker", "keep", "valid_every", "valid_events"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, it must be above 0")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f'device is "{self.device}", it must be "auto", "cpu" or "cuda"')
        if self.train.num_lanes % self.num_workers:
            raise ValueError(
                f"train.num_lanes is {self.train.num_lanes}, it must be a multiple of num_workers, {self.num_workers}"
            )


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
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> RunResult:
    """Trains until the recipe is fulfilled, going on from the newest state of the run if there is one.

    Call on every worker. Raises TrainingError when loss or gradient stop being finite; the checkpoint stays.
    """
    run = TrainingRun(blocks_uri, run_uri, recipe, versions=versions or {})
    while not run.is_finished:
        result = run.advance()
        on_progress(run.progress(result))
    return run.finish()


class TrainingRun:
    """One worker's side of a run. Only rank 0 writes."""

    def __init__(
        self, blocks_uri: str | Path, run_uri: str | Path, recipe: TrainRecipe, *, versions: dict[str, str]
    ) -> None:
        self.run_uri, self.recipe, self.versions = str(run_uri), recipe, versions
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        if recipe.threads_per_worker:
            torch.set_num_threads(recipe.threads_per_worker)
        self.blocks = open_blocks(blocks_uri)
        if self.blocks.num_pieces("train") == 0:
            raise TrainingError(f"{blocks_uri} holds no training pieces. Prepare a corpus with at least one piece.")
        self.device = torch.device(_device(recipe.device))
        step = self._agreed(-1 if (found := newest_step(run_uri) if self.rank == 0 else None) is None else found)
        state = load_state(run_uri, int(step)) if step >= 0 else None
        self.facts: dict[str, Any] = {} if state is None else state.facts
        model, self.checkpoint_facts = self._model_and_facts()
        self.pieces = NotePieces(
            self.blocks, "train", self.checkpoint_facts.styles, seed=recipe.train.seed, augment=recipe.augment
        )
        self.valid = NotePieces(self.blocks, "valid", self.checkpoint_facts.styles)
        self.valid_indices = _validation_pieces(self.blocks, recipe.valid_events, recipe.train.seed)
        self.trainer = Trainer(model, self.pieces, recipe.train, device=self.device)
        self.rows: list[dict[str, Any]] = []
        self.num_steps: int | None = self.facts.get("num_steps", recipe.steps)
        self.valid_every: int | None = self.facts.get("valid_every", recipe.valid_every)
        self.best_nll: float = self.facts.get("best_nll", float("inf"))
        self.best_step: int = self.facts.get("best_step", 0)
        self.valid_nll: float | None = None
        self._baselines: Baselines | None = None
        if state is not None:
            self.trainer.load_state_tensors(state.tensors)
            self.rows = _read_rows(run_uri, state.step)
            _log.info("going on from step %d", state.step)
        self._begun = self._saved = self._rate_time = time.monotonic()
        self._valid_s = 0.0
        self._recent: list[tuple[float, int]] = []
        if state is None:
            self._start_anew()

    @property
    def is_finished(self) -> bool:
        return self.num_steps is not None and self.trainer.step >= self.num_steps

    def advance(self) -> StepResult:
        """One step, and what is due after it: validation, publication, a state."""
        result = self.trainer.train_step(self.num_steps or 1_000_000_000)
        if not result.is_finite:
            self._stop(result)
        self.rows.append(self._row(result))
        step = self.trainer.step
        if self.num_steps is None or self.valid_every is None:
            self._settle_length()
        if self.is_finished or (self.valid_every is not None and step % self.valid_every == 0):
            self._validate()
        due = time.monotonic() - self._saved >= self.recipe.checkpoint_every_s
        if self.num_steps is not None and (self._agreed(due) or self.is_finished):
            self._save_state()
        return result

    def progress(self, result: StepResult) -> RunProgress:
        """What to show after a step."""
        self._recent = [*self._recent, (time.monotonic(), result.num_events)][-20:]
        elapsed = self._recent[-1][0] - self._recent[0][0]
        events = sum(num for _, num in self._recent[1:])
        return RunProgress(
            step=self.trainer.step,
            num_steps=self.num_steps,
            nll=result.nll,
            events_per_s=events / elapsed if elapsed > 0 else 0.0,
            valid_nll=self.valid_nll,
        )

    def finish(self) -> RunResult:
        """What came out."""
        return RunResult(
            step=self.trainer.step,
            best_step=self.best_step,
            best_nll=self.best_nll,
            is_validated=bool(self.valid_indices),
            checkpoint_uri=storage.join(self.run_uri, CHECKPOINT_NAME),
        )

    def _model_and_facts(self) -> tuple[MusicLSTM, CheckpointFacts]:
        """The model at step 0 (a state may overwrite its weights), and what a checkpoint will say besides the step."""
        recipe, index = self.recipe, self.blocks.index
        streams = tuple(Stream(name, size) for name, size in index.streams)
        facts = CheckpointFacts(
            name=recipe.name or storage.name_of(self.run_uri),
            representation=index.representation,
            styles=index.styles,
            step=0,
            valid_nll=None,
            corpus_fingerprint=index.fingerprint,
            licences=index.licences,
            notices=index.notices,
            recipe=asdict(recipe),
            versions=self.versions,
            statistics=corpus_statistics(self.blocks),
        )
        torch.manual_seed(recipe.train.seed)
        if recipe.init_from:
            parent = load_checkpoint(find_checkpoint(recipe.init_from))
            return continued_model(parent, facts, streams, dropout=recipe.model.dropout, source=recipe.init_from)
        settings = ModelSettings(
            streams=streams,
            contexts=note_contexts(index.styles),
            num_flags=len(FAMILIES),
            num_onset_positions=note_contexts(index.styles)[0].size,
            **asdict(recipe.model),
        )
        return MusicLSTM(settings), facts

    def _start_anew(self) -> None:
        """The first validation, which also tells how long one takes."""
        if self.valid_indices:
            start = time.monotonic()
            self._validate()
            self._valid_s = time.monotonic() - start

    def _settle_length(self) -> None:
        """Fixes the number of steps and how often to validate, the same on all workers."""
        recipe, step, now = self.recipe, self.trainer.step, time.monotonic()
        if step == RATE_STEPS[0]:
            self._rate_time = now
        is_slow = step > RATE_STEPS[0] and now - self._begun > recipe.minutes * 6.0  # a tenth of the time
        first = RATE_STEPS[0]
        if not self._agreed(step >= RATE_STEPS[1] or (is_slow and step >= first + 2) or recipe.steps is not None):
            return
        step_s = (now - self._rate_time) / max(step - first, 1)
        left_s = recipe.minutes * 60.0 - (now - self._begun)
        if self.num_steps is None:
            num_steps = step + int(max(left_s, 0.0) * (1.0 - VALID_SHARE) / max(step_s, 1e-6))
            self.num_steps = int(self._agreed(max(num_steps, step)))
        if self.valid_every is None:
            by_time = VALID_SHARE * recipe.minutes * 60.0 / max(self._valid_s, 1e-3)
            count = 20 if recipe.steps is not None else int(min(max(by_time, 2.0), 40.0))
            self.valid_every = int(self._agreed(max(1, self.num_steps // count)))

    def _validate(self) -> None:
        """Validates the averaged weights and publishes them when they are the best so far."""
        step = self.trainer.step
        row: dict[str, Any] = {"kind": "valid", "step": step}
        if self.valid_indices:
            found = self.trainer.evaluate(self.valid, self.valid_indices)
            nll = self.valid_nll = found.nll
            row |= {"nll": nll, "nll_of_stream": found.nll_of_stream, "num_events": found.num_events}
        else:
            since = [r["nll"] for r in self.rows if r["kind"] == "train" and r["step"] > step - (self.valid_every or 1)]
            nll = sum(since) / max(len(since), 1)
            row |= {"nll": None, "train_nll": nll}
        if nll < self.best_nll:
            self.best_nll, self.best_step = nll, step
            self._publish()
        self.rows.append(row | {"best_step": self.best_step})
        self._write_rows()

    def _publish(self) -> None:
        if self.rank != 0:
            return
        facts = replace(
            self.checkpoint_facts, step=self.trainer.step, valid_nll=self.best_nll if self.valid_indices else None
        )
        with self.trainer.averaged_weights():
            save_checkpoint(storage.join(self.run_uri, CHECKPOINT_NAME), self.trainer.model, facts, dtype=torch.float32)

    def _save_state(self) -> None:
        tensors = self.trainer.state_tensors()
        facts = {
            "num_steps": self.num_steps,
            "valid_every": self.valid_every,
            "best_nll": self.best_nll,
            "best_step": self.best_step,
        }
        if self.rank == 0:
            self._write_rows()
            state = RunState(step=self.trainer.step, tensors=tensors, facts=facts)
            save_state(self.run_uri, state, keep=self.recipe.keep)
        self._saved = time.monotonic()

    def _row(self, result: StepResult) -> dict[str, Any]:
        return {
            "kind": "train",
            "step": self.trainer.step,
            "nll": result.nll,
            "nll_of_stream": result.nll_of_stream,
            "num_events": result.num_events,
            "gradient_norm": result.gradient_norm,
            "learning_rate": result.learning_rate,
            "epoch": round(self.trainer.lanes.epochs(), 4),
            "time_s": round(time.monotonic() - self._begun, 3),
        }

    def _write_rows(self) -> None:
        if self.rank == 0:
            text = "".join(json.dumps(row) + "\n" for row in self.rows)
            storage.write_bytes(storage.join(self.run_uri, METRICS_NAME), text.encode())

    def _stop(self, result: StepResult) -> None:
        names = [self.blocks.piece("train", piece).piece_id for piece in sorted(set(result.pieces))[:8]]
        where = storage.join(self.run_uri, CHECKPOINT_NAME)
        raise TrainingError(
            f"Loss or gradient stopped being finite at step {self.trainer.step + 1} (nats {result.nll}, gradient norm "
            f"{result.gradient_norm}), on pieces {', '.join(names)}. The best checkpoint until then (step "
            f"{self.best_step}) is in {where}. Try a smaller train.learning_rate."
        )

    def _agreed(self, value: float) -> float:
        """The value of rank 0, on all workers."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return value
        device = "cpu" if dist.get_backend() == "gloo" else _device(self.recipe.device)
        shared = torch.tensor([float(value)], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared.item())


def has_state(run_uri: str | Path) -> bool:
    """Whether a run was begun in this folder and can go on."""
    return newest_step(run_uri) is not None


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _validation_pieces(blocks: BlockSet, num_events: int, seed: int) -> list[int]:
    """Numbers of the validation pieces of about `num_events` events together, at least one if there is any."""
    order = np.random.Generator(np.random.Philox(key=[seed, 2**63])).permutation(blocks.num_pieces("valid"))
    chosen: list[int] = []
    total = 0
    for piece in order:
        if total >= num_events:
            break
        chosen.append(int(piece))
        total += len(blocks.piece("valid", int(piece)).events)
    return sorted(chosen)


def _read_rows(run_uri: str | Path, step: int) -> list[dict[str, Any]]:
    """The rows of a run up to a step, so that none doubles when it goes on from there."""
    try:
        lines = storage.read_bytes(storage.join(run_uri, METRICS_NAME)).decode().splitlines()
    except storage.MissingError:
        return []
    return [row for row in map(json.loads, lines) if row["step"] <= step]
