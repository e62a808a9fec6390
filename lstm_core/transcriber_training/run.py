"""A training run of a transcriber: scores become weights, in a folder from which it can go on after any interruption.

RUN/recipe.toml      the requested settings, resolved
RUN/state/           the newest states, see run_state.py
RUN/transcriber/     the best network so far by validation, averaged weights, with thresholds
RUN/clips/           rendered training clips; can be deleted, then they are rendered again
RUN/metrics.jsonl    one row per step and one per validation, see metrics.py; `scores` of a validation are F1
RUN/curves.png       the same, drawn

The same code runs alone and in each worker of a torch.distributed process group.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from lstm_core import storage
from lstm_core.foundation.errors import TrainingError
from lstm_core.sound.soundfont import find_soundfont
from lstm_core.training.curves import curves_png
from lstm_core.training.metrics import MetricsLog, Row
from lstm_core.training.run_state import RunState, load_newest_state, save_state
from lstm_core.transcriber_training.calibration import (
    CLEAN,
    MIX,
    Calibration,
    ValidClip,
    calibrate,
    valid_clip_settings,
    valid_clips,
)
from lstm_core.transcriber_training.clips import ClipPool, ScoresByStyle
from lstm_core.transcriber_training.recipe import TranscriberRecipe
from lstm_core.transcriber_training.training import LOSS_NAMES, TranscriberStep, TranscriberTrainer
from lstm_core.transcriber_training.training_scores import read_training_scores
from lstm_core.transcription.spectrogram import FRAME_RATE
from lstm_core.transcription.transcriber_checkpoint import TranscriberFacts, save_transcriber
from lstm_core.transcription.transcriber_model import TranscriberModel

TRANSCRIBER_NAME, CURVES_NAME = "transcriber", "curves.png"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TranscriberProgress:
    """The progress of a run."""

    step: int
    num_steps: int
    loss: float  # of the last step
    audio_s_per_s: float  # seconds of training audio per second, over all workers
    scores: dict[str, float]  # of the last validation


@dataclass(frozen=True, kw_only=True)
class TranscriberResult:
    """The result of a run."""

    step: int
    best_step: int
    scores: dict[str, float]  # F1 at the best step
    transcriber_uri: str


def run_transcriber_training(
    scores_folder: str | Path,
    run_folder: str | Path,
    recipe: TranscriberRecipe,
    *,
    versions: dict[str, str] | None = None,
    on_progress: Callable[[TranscriberProgress], object] = lambda progress: None,
) -> TranscriberResult:
    """Trains until the recipe is fulfilled, going on from the newest state of the run if there is one.

    Call on every worker. Scores lie in FOLDER/<style>/.

    Raises:
        TrainingError: there are no scores to train on, or the loss stopped being finite; the best network stays.
    """
    run = TranscriberRun(Path(scores_folder), Path(run_folder), recipe, versions=versions or {})
    seconds = recipe.train.num_clips * recipe.train.num_frames / FRAME_RATE
    recent: list[float] = [time.monotonic()]
    with run.metrics:
        while not run.is_finished:
            result = run.advance()
            recent = [*recent, time.monotonic()][-20:]
            rate = seconds * (len(recent) - 1) / max(recent[-1] - recent[0], 1e-6)
            on_progress(
                TranscriberProgress(
                    step=run.trainer.step,
                    num_steps=recipe.steps,
                    loss=sum(result.losses),
                    audio_s_per_s=rate,
                    scores=run.scores,
                )
            )
    return run.result()


class TranscriberRun:
    """One worker's side of a run. Only rank 0 validates and writes."""

    def __init__(
        self, scores_folder: Path, run_folder: Path, recipe: TranscriberRecipe, *, versions: dict[str, str]
    ) -> None:
        self.folder, self.recipe, self.versions = run_folder, recipe, versions
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        if recipe.threads_per_worker:
            torch.set_num_threads(recipe.threads_per_worker)
        device = ("cuda" if torch.cuda.is_available() else "cpu") if recipe.device == "auto" else recipe.device
        torch.manual_seed(recipe.train.seed)
        model = TranscriberModel(recipe.model)
        self._averaged = TranscriberModel(recipe.model).to(device)  # with averaged weights, for validation
        clips_folder = Path(recipe.clips_folder) if recipe.clips_folder else run_folder / "clips"
        self.trainer = TranscriberTrainer(
            model, training_pool(scores_folder, clips_folder, recipe), recipe.train, device=device
        )
        self.valid = _valid_clips(scores_folder, clips_folder, recipe) if self.rank == 0 else []
        self.scores: dict[str, float] = {}
        self.best_step, self.best_scores, self._best = 0, dict[str, float](), -1.0
        found = load_newest_state(run_folder)
        self.metrics = MetricsLog(run_folder, 0 if found is None else found.step, LOSS_NAMES)
        if found is not None:
            self._load(found)
        self._begun_s = self._saved_s = time.monotonic()

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.trainer.step >= self.recipe.steps

    def advance(self) -> TranscriberStep:
        """One step, and what is due after it: validation, publication, a state."""
        result = self.trainer.train_step(self.recipe.steps)
        if not result.is_finite:
            raise TrainingError(
                f"The loss stopped being finite at step {self.trainer.step + 1} ({result.losses}, gradient norm "
                f"{result.gradient_norm:.6g}). The best network until then (step {self.best_step}) is in "
                f"{self.folder / TRANSCRIBER_NAME}. Try a smaller train.learning_rate "
                f"(it was {self.recipe.train.learning_rate:g})."
            )
        if self.rank == 0:
            self._record(result)
        return result

    def result(self) -> TranscriberResult:
        """The result so far."""
        return TranscriberResult(
            step=self.trainer.step,
            best_step=self.best_step,
            scores=self.best_scores,
            transcriber_uri=str(self.folder / TRANSCRIBER_NAME),
        )

    def _record(self, result: TranscriberStep) -> None:
        step, train = self.trainer.step, self.recipe.train
        self.metrics.add(
            {
                "kind": "train",
                "step": step,
                "nll": sum(result.losses),
                "nll_of_stream": result.losses,
                "gradient_norm": result.gradient_norm,
                "learning_rate": result.learning_rate,
                "epoch": round(step * train.num_clips * train.num_frames / FRAME_RATE / 3600, 4),  # hours of audio
                "time_s": round(time.monotonic() - self._begun_s, 3),
            }
        )
        if self.is_finished or step % self.recipe.valid_every == 0:
            self._validate()
        if self.is_finished or time.monotonic() - self._saved_s >= self.recipe.checkpoint_every_s:
            self._save_state()

    def _validate(self) -> None:
        """Validates the averaged weights and publishes them when they are the best so far."""
        weights = self.trainer.averaged_weights()
        self._averaged.load_state_dict(weights)
        found = calibrate(self._averaged, self.valid, self.recipe.train.onset_weight)
        self.scores = found.scores
        value = float(np.mean([score for name, score in found.scores.items() if name.startswith("onset_")]))
        if value > self._best:
            self._best, self.best_step, self.best_scores = value, self.trainer.step, found.scores
            self._publish(weights, found)
        row: Row = {"kind": "valid", "step": self.trainer.step, "nll": sum(found.losses)}
        row |= {"nll_of_stream": found.losses, "scores": found.scores}
        self.metrics.add(row | {"best_step": self.best_step})
        _log.info("step %d: %s", self.trainer.step, found.scores)

    def _publish(self, weights: dict[str, torch.Tensor], found: Calibration) -> None:
        facts = TranscriberFacts(
            step=self.trainer.step,
            scores=found.scores,
            licences=self.recipe.licences,
            recipe=_published(self.recipe),
            versions=self.versions,
        )
        save_transcriber(self.folder / TRANSCRIBER_NAME, self.recipe.model, weights, found.thresholds, facts)

    def _save_state(self) -> None:
        self.metrics.write()
        title = f"{storage.name_of(self.folder)}: step {self.trainer.step} of {self.recipe.steps}"
        storage.write_bytes(self.folder / CURVES_NAME, curves_png(self.metrics.rows, LOSS_NAMES, title))
        facts = {"best": self._best, "best_step": self.best_step, "best_scores": self.best_scores}
        state = RunState(step=self.trainer.step, tensors=self.trainer.state_tensors(), facts=facts)
        save_state(self.folder, state, keep=self.recipe.keep)
        self._saved_s = time.monotonic()

    def _load(self, state: RunState) -> None:
        self.trainer.load_state_tensors(state.tensors)
        self._best = state.facts.get("best", -1.0)
        self.best_step = state.facts.get("best_step", 0)
        self.best_scores = state.facts.get("best_scores", {})
        _log.info("going on from step %d", state.step)


def _published(recipe: TranscriberRecipe) -> dict[str, Any]:
    """The recipe for other machines: files by their names, without local paths."""
    described = asdict(recipe)
    described["soundfonts"] = [storage.name_of(uri) for uri in recipe.soundfonts]
    described["valid_soundfont"] = storage.name_of(recipe.valid_soundfont) if recipe.valid_soundfont else ""
    del described["clips_folder"]
    return described


def training_pool(scores_folder: Path, clips_folder: Path, recipe: TranscriberRecipe) -> ClipPool:
    """The training clips of a run; another process may render ahead with the same pool."""
    soundfonts = [find_soundfont(uri) for uri in recipe.soundfonts or ("",)]
    return ClipPool(clips_folder, recipe.clips, lambda: read_training_scores(scores_folder, "train"), soundfonts)


def _valid_clips(scores_folder: Path, clips_folder: Path, recipe: TranscriberRecipe) -> list[ValidClip]:
    """Clean clips and mixes of the validation scores; where no score has drums, clean ones alone."""
    soundfont = find_soundfont(recipe.valid_soundfont or (*recipe.soundfonts, "")[0])
    mix_style = recipe.valid.mix_style

    def chosen(kind: str) -> ScoresByStyle:
        scores = read_training_scores(scores_folder, "valid")
        return {style: pieces for style, pieces in scores.items() if (style == mix_style) == (kind == MIX)}

    clips: list[ValidClip] = []
    for kind in (CLEAN, MIX) if (scores_folder / mix_style).is_dir() else (CLEAN,):
        settings = valid_clip_settings(recipe.valid, kind)
        clips += valid_clips(ClipPool(clips_folder, settings, partial(chosen, kind), [soundfont]), kind)
    return clips
