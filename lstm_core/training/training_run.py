"""One worker's side of a training run: steps, validation, publication and saved states."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.dataset.training_runs import kept_index
from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import TrainingError
from lstm_core.model.checkpoint import load_runs, save_checkpoint
from lstm_core.model.composer_checkpoint import find_level
from lstm_core.originality.index import OriginalityIndex
from lstm_core.representations.representation import Representation
from lstm_core.storage.lease import check_holder
from lstm_core.training.baselines import fit_baselines
from lstm_core.training.curves import curves_png
from lstm_core.training.evaluation import quantised_on, validation_pieces
from lstm_core.training.initial_model import initial_model
from lstm_core.training.metrics import MetricsLog, Row
from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run_length import RunLength
from lstm_core.training.run_result import CHECKPOINT_NAME, RunProgress, RunResult, RunSignal, RunStopped
from lstm_core.training.run_state import RunState, load_newest_state, load_state, save_state
from lstm_core.training.run_writer import RunWriter
from lstm_core.training.updates import StepResult, Trainer
from lstm_core.training.worker_group import WorkerGroup

CURVES_NAME = "curves.png"
CURVES_EVERY_S = 15.0  # drawing takes about a second, which all workers wait for
UNSETTLED = 1_000_000_000  # length of the schedule while it is unknown: only the warm-up shows
_log = logging.getLogger(__name__)


class TrainingRun(Closing):
    """One worker's side of a run. Only rank 0 writes, in the background; close it to wait for that."""

    def __init__(
        self,
        blocks_uri: str | Path,
        run_uri: str | Path,
        recipe: TrainRecipe,
        *,
        versions: dict[str, str],
        parent_uri: str = "",
        lease: str = "",
        representation: Representation | None = None,
        on_published: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_published = on_published
        self._clock = clock
        self.run_uri, self.recipe, self._lease = str(run_uri), recipe, lease
        if recipe.threads_per_worker:
            torch.set_num_threads(recipe.threads_per_worker)
        self.blocks = open_blocks(blocks_uri, representation=representation or recipe.representation)
        if self.blocks.num_pieces("train") == 0:
            raise TrainingError(nothing_to_train_on(blocks_uri, self.blocks.representation.name))
        self.device = torch.device(_device(recipe.device))
        self.group = WorkerGroup(self.device)
        self.writer = RunWriter()
        state = self._newest_state()
        facts = {} if state is None else state.facts
        self._begun_s = self._saved_s = self._drawn_s = self._clock()
        self.saved_step = step = 0 if state is None else state.step
        self._elapsed_before_s: float = facts.get("elapsed_s", 0.0)
        self.length = RunLength(
            recipe,
            facts,
            agreed=self.group.agreed,
            begun_s=self._begun_s,
            begun_step=step,
            spent_s=self._elapsed_before_s,
        )
        self.best_nll: float = facts.get("best_nll", float("inf"))
        self.best_step: int = facts.get("best_step", 0)
        self.valid_nll: float | None = None
        name = recipe.name or storage.name_of(run_uri)
        model, self.facts = initial_model(self.blocks, recipe, name=name, versions=versions, parent_uri=parent_uri)
        self._runs: tuple[OriginalityIndex, ...] | None = None  # of the training pieces, once it is wanted
        self._parent_runs: tuple[OriginalityIndex, ...] = ()
        if recipe.init_from and self.group.rank == 0:
            self._parent_runs = load_runs(parent_uri or find_level(recipe.init_from, recipe.representation))
        styles, seed = self.facts.styles, recipe.train.seed
        self.valid = SplitPieces(self.blocks, "valid", styles, home_key=self.facts.home_key)
        self.valid_indices = validation_pieces(self.blocks, recipe.valid_events, seed)
        self.pieces = SplitPieces(
            self.blocks,
            "train",
            styles,
            seed=seed,
            augment=recipe.augment,
            home_key=self.facts.home_key,
            repeats=recipe.repeats,
        )
        self.trainer = Trainer(model, self.pieces, recipe.train, device=self.device)
        names = [stream.name for stream in model.settings.streams]
        self.metrics = MetricsLog(run_uri, step, names)
        if state is None:
            self._start()
        else:
            self.trainer.load_state_tensors(state.tensors)
            _log.info("resuming from step %d", state.step)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.length.num_steps is not None and self.trainer.step >= self.length.num_steps

    def advance(self) -> StepResult:
        """One step, and what is due after it: validation and publication."""
        result = self.trainer.train_step(
            self.length.schedule_steps or UNSETTLED, self.length.position(self.trainer.step)
        )
        if not result.is_finite:
            self._stop(result)
        self.metrics.add(self._row(result))
        self.length.take_step(self.trainer.step, self._clock())
        if self.is_finished or (
            self.length.valid_every is not None and self.trainer.step % self.length.valid_every == 0
        ):
            self._validate()
        return result

    def save(self, signal: RunSignal = RunSignal.CONTINUE) -> None:
        """Stores a state if one is due or requested on the first worker; waits for it only if nothing comes after.

        Raises:
            RunStopped: that was requested.
        """
        is_due = self._clock() - self._saved_s >= self.recipe.checkpoint_every_s and self.writer.is_idle
        signal = RunSignal(int(self.group.agreed(max(signal, RunSignal.SAVE if is_due else RunSignal.CONTINUE))))
        if signal != RunSignal.CONTINUE or self.is_finished:
            self._save_state()
        if signal == RunSignal.STOP or self.is_finished:
            self.writer.wait()
            self.group.agreed(0)  # the others stay until it is stored
        if signal == RunSignal.STOP and not self.is_finished:
            raise RunStopped(f"stopped after step {self.trainer.step}")

    def close(self) -> None:
        """Ends the threads that store, once they have; an earlier error is the one that is raised."""
        self.writer.close()
        self.metrics.close()

    def progress(self, result: StepResult, events_per_s: float) -> RunProgress:
        """Where the run is after a step."""
        return RunProgress(
            step=self.trainer.step,
            num_steps=self.length.num_steps,
            nll=result.nll,
            events_per_s=events_per_s,
            valid_nll=self.valid_nll,
            saved_step=self.saved_step,
            num_workers=self.group.world_size,
            wait_s=result.wait_s,
        )

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
        """The newest state, as rank 0 finds it, on all workers."""
        state = load_newest_state(self.run_uri) if self.group.rank == 0 else None
        step = int(self.group.agreed(-1 if state is None else state.step))
        if step < 0:
            return None
        state = state or load_state(self.run_uri, step)
        trained_on = state.facts.get("corpus_fingerprint", self.blocks.index.fingerprint)
        if trained_on != self.blocks.index.fingerprint:
            raise TrainingError(
                f"{self.run_uri} was started on blocks of fingerprint {trained_on}, these have "
                f"{self.blocks.index.fingerprint}. Give the same blocks, or start another run with "
                f"--init-from {self.run_uri}."
            )
        return state

    def _start(self) -> None:
        """Baselines, and the first validation, which also measures how long one takes, with its drawing."""
        self._drawn_s = -math.inf
        if self.group.rank == 0:
            curves_png([], self.metrics.stream_names, "")  # what draws takes seconds to import: not at the end of a run
            baselines = fit_baselines(self.blocks, self.valid_indices)
            self.metrics.add({"kind": "baselines", "step": 0, **asdict(baselines)})
        if self.valid_indices:
            self._validate()

    def _validate(self) -> None:
        """Validates the averaged weights and publishes them when they are the best so far."""
        start_s = self._clock()
        self._judge()
        self._draw_curves()
        self.length.take_validation(self._clock() - start_s)

    def _judge(self) -> None:
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

    def _draw_curves(self) -> None:
        if self.group.rank == 0:
            if self.is_finished or self._clock() - self._drawn_s > CURVES_EVERY_S:
                picture = curves_png(self.metrics.rows, self.metrics.stream_names, self._title())
                self.writer.write(lambda: self._store_curves(picture))
                self._drawn_s = self._clock()
            self.writer.write(self.metrics.prepared())

    def _publish(self) -> None:
        if self.group.rank != 0:
            return
        valid_nll = self.best_nll if self.valid_indices else None
        facts = replace(self.facts, step=self.trainer.step, valid_nll=valid_nll)
        uri = storage.join(self.run_uri, CHECKPOINT_NAME)
        with self.trainer.averaged_weights():
            model = copy.deepcopy(self.trainer.model)

        def store() -> None:
            self._check_lease()
            save_checkpoint(uri, quantised_on(model, self.blocks, facts), facts, runs=self._training_runs())
            self._on_published()

        self.writer.write(store)

    def _training_runs(self) -> tuple[OriginalityIndex, ...]:
        """Indexes of the pieces that the parent and this model are trained on; called by the thread that stores.

        The own one is built when the first checkpoint is stored: steps go on meanwhile.
        """
        if self._runs is None:
            own = kept_index(self.blocks, self.run_uri)
            self._runs = self._parent_runs if own is None else (*self._parent_runs, own)
        return self._runs

    def _save_state(self) -> None:
        self._saved_s = self._clock()
        tensors = self.trainer.state_tensors()
        if self.group.rank != 0:
            return
        facts: dict[str, Any] = {
            **self.length.facts,
            "best_nll": self.best_nll,
            "best_step": self.best_step,
            "is_validated": bool(self.valid_indices),
            "corpus_fingerprint": self.blocks.index.fingerprint,
            "elapsed_s": self._elapsed_s(),
        }
        state = RunState(step=self.trainer.step, tensors=tensors, facts=facts)

        def store() -> None:
            self._check_lease()
            save_state(self.run_uri, state, keep=self.recipe.keep)
            self.saved_step = state.step

        self.writer.write(self.metrics.prepared())  # the rows of a state are there before it
        self.writer.write(store)

    def _store_curves(self, picture: bytes) -> None:
        storage.write_bytes(storage.join(self.run_uri, CURVES_NAME), picture)

    def _check_lease(self) -> None:
        if self._lease:
            check_holder(self.run_uri, self._lease)

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
            "batch": result.batch,
            "num_workers": self.group.world_size,
            "gradient_norm": result.gradient_norm,
            "learning_rate": result.learning_rate,
            "epoch": round(self.trainer.lanes.epochs(), 4),
            "time_s": round(self._elapsed_s(), 3),
            "cpu_s": round(time.process_time(), 3),
            "sync_s": round(result.sync_s, 4),
        }

    def _elapsed_s(self) -> float:
        return self._elapsed_before_s + self._clock() - self._begun_s

    def _stop(self, result: StepResult) -> None:
        names = [self.blocks.piece("train", int(self.pieces.numbers[piece])).piece_id for piece in result.suspects[:8]]
        more = f" and {len(result.suspects) - 8} more" if len(result.suspects) > 8 else ""
        raise TrainingError(
            f"Loss or gradient stopped being finite at step {self.trainer.step + 1} (nats {result.nll:.6g}, gradient "
            f"norm {result.gradient_norm:.6g}), on pieces {', '.join(names)}{more}. The best checkpoint until then "
            f"(step {self.best_step}) is in {storage.join(self.run_uri, CHECKPOINT_NAME)}. "
            f"Try a smaller train.learning_rate (it was {self.recipe.train.learning_rate:g})."
        )


def nothing_to_train_on(blocks_uri: str | Path, representation: str) -> str:
    """The message about a block set without training pieces."""
    return (
        f"{blocks_uri} holds no training pieces of representation {representation}. "
        "Prepare a corpus with at least one piece that it can spell."
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
