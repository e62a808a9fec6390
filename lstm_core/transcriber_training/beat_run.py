"""The second part of a training run of a transcriber: a beat network is trained for its best network.

RUN/transcriber/         input: the network that transcribes notes; output: the same with a beat network
RUN/beat_clips/          rendered training clips; can be deleted
RUN/transcribed-STEP/    the output of the network of that step for these clips; can be deleted
RUN/beats.jsonl          losses, one row per hundred steps
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from lstm_core import storage
from lstm_core.sound.soundfont import find_soundfont
from lstm_core.transcriber_training.beat_training import train_beats, transcribed_clips
from lstm_core.transcriber_training.clips import ClipPool
from lstm_core.transcriber_training.recipe import TranscriberRecipe
from lstm_core.transcriber_training.run import TRANSCRIBER_NAME
from lstm_core.transcriber_training.training_scores import read_training_scores
from lstm_core.transcription.beats.network import BeatNetwork
from lstm_core.transcription.transcriber import fused
from lstm_core.transcription.transcriber_checkpoint import load_transcriber, save_transcriber

LOSSES_NAME = "beats.jsonl"
ROW_EVERY = 100  # steps
_log = logging.getLogger(__name__)


def run_beat_training(
    scores_folder: str | Path,
    run_folder: str | Path,
    recipe: TranscriberRecipe,
    *,
    on_step: Callable[[int, int], None] = lambda step, num_steps: None,
) -> str:
    """Trains a beat network for the transcriber of a run, stores it with it, and returns the folder of both.

    One process; earlier renders and transcriptions are used again, the training itself starts from the beginning.
    `on_step` is called with the step and the number of steps.

    Raises:
        TrainingError: there are no scores to learn from.
        CheckpointError: the run has no transcriber yet.
    """
    run, settings = Path(run_folder), recipe.beats
    uri = run / TRANSCRIBER_NAME
    checkpoint = load_transcriber(uri)
    clips = transcribed_clips(
        run / f"transcribed-{checkpoint.facts.step:07d}",
        fused(checkpoint.model).in_fast_order(),
        beat_pool(Path(scores_folder), run / "beat_clips", recipe),
        settings,
    )
    torch.manual_seed(settings.seed)
    network = BeatNetwork(recipe.beat_network, recipe.model.rhythm_size)
    rows: list[str] = []
    recent: list[list[float]] = []

    def note(step: int, losses: list[float]) -> None:
        recent.append(losses)
        if step % ROW_EVERY == 0 or step == settings.steps:
            beats, tempo = np.mean(recent, axis=0).round(5).tolist()
            rows.append(json.dumps({"step": step, "beats": beats, "tempo": tempo}))
            recent.clear()
        on_step(step, settings.steps)

    train_beats(network, clips, settings, note)
    storage.write_bytes(run / LOSSES_NAME, ("\n".join(rows) + "\n").encode())
    trained_as = checkpoint.facts.recipe | {"beats": asdict(settings), "beat_network": asdict(recipe.beat_network)}
    facts = replace(checkpoint.facts, recipe=trained_as)
    model = checkpoint.model
    save_transcriber(uri, model.settings, model.state_dict(), checkpoint.thresholds, facts, network)
    _log.info("a beat network of %d steps is in %s", settings.steps, uri)
    return str(uri)


def beat_pool(scores_folder: Path, clips_folder: Path, recipe: TranscriberRecipe) -> ClipPool:
    """The clips that a beat network is trained on: long ones, of one piece each."""
    soundfonts = [find_soundfont(uri) for uri in recipe.soundfonts or ("",)]
    return ClipPool(clips_folder, recipe.beats.clips, lambda: read_training_scores(scores_folder, "train"), soundfonts)
