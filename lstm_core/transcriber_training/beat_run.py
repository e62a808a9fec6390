"""The second part of a training run of a transcriber: its best network is given one that hears beats.

RUN/transcriber/         the network that hears notes goes in, and comes out with a beat network beside it
RUN/beat_clips/          what is learnt from, rendered; can be deleted
RUN/heard-STEP/          the same as the network of that step hears it; can be deleted
RUN/beats.jsonl          losses, a row for every hundred steps
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
    """Trains a beat network for the transcriber of a run, puts it beside that, and gives the folder of both.

    One process; what was rendered or heard before is used again, the training itself begins anew. `on_step` is told
    the step and the number of steps.

    Raises:
        TrainingError: there are no scores to learn from.
        CheckpointError: the run has no transcriber yet.
    """
    run, settings = Path(run_folder), recipe.beats
    uri = run / TRANSCRIBER_NAME
    checkpoint = load_transcriber(uri)
    clips = transcribed_clips(
        run / f"heard-{checkpoint.facts.step:07d}",
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
    told = checkpoint.facts.recipe | {"beats": asdict(settings), "beat_network": asdict(recipe.beat_network)}
    facts = replace(checkpoint.facts, recipe=told)
    model = checkpoint.model
    save_transcriber(uri, model.settings, model.state_dict(), checkpoint.thresholds, facts, network)
    _log.info("a beat network of %d steps is in %s", settings.steps, uri)
    return str(uri)


def beat_pool(scores_folder: Path, clips_folder: Path, recipe: TranscriberRecipe) -> ClipPool:
    """The clips that a beat network learns from: long ones, of one piece each."""
    soundfonts = [find_soundfont(uri) for uri in recipe.soundfonts or ("",)]
    return ClipPool(clips_folder, recipe.beats.clips, lambda: read_training_scores(scores_folder, "train"), soundfonts)
