"""The beat network trains on whole clips; outputs of the first network are kept, so that a step is cheap."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from lstm_core.transcriber_training.clips import ClipPool, ClipSettings, varied
from lstm_core.transcriber_training.renders import RenderSettings
from lstm_core.transcriber_training.targets import Sounded
from lstm_core.transcription.beats.network import (
    NUM_TEMPI,
    STEP_RATE,
    TEMPI_BPM,
    BeatLogits,
    BeatNetwork,
    beat_features,
)
from lstm_core.transcription.transcriber_model import FRAMES_PER_STEP, NUM_DRUMS, NUM_PITCHES, TranscriberModel

TEMPO_SPREAD = 1.0  # of the soft target about the true tempo, in steps of TEMPI_BPM
FEWEST_BEATS = 5  # of a clip that is used for training
_log = logging.getLogger(__name__)


def _beat_clips() -> ClipSettings:
    """Long clips of one piece each, whose beats are known, some of them in a tempo that wavers."""
    render = RenderSettings(
        seconds=48.0, tempo_range=(0.72, 1.4), drops_parts=0.25, adds_score=0.0, adds_drums=0.3, is_exercise=0.0,
        wavers=0.35, waver_by=0.05,
    )  # fmt: skip
    return ClipSettings(seed=3, render=render)


@dataclass(frozen=True, kw_only=True)
class BeatTrainSettings:
    """How a beat network is trained."""

    num_shards: int = 40  # of clips
    variants: int = 1  # of each clip: equalised, detuned and mixed anew
    steps: int = 900  # optimiser updates
    num_clips: int = 12  # of a batch
    num_steps: int = 900  # of a clip in a batch, STEP_RATE per second
    learning_rate: float = 2e-3  # after the warm-up; from the middle on it falls to 0
    warmup_steps: int = 50
    weight_decay: float = 0.02
    gradient_clip: float = 1.0
    tempo_weight: float = 0.05  # of the cross-entropy of tempo beside those of beats and downbeats
    hides: float = 0.1  # share of clips in which a part of the input is left out: rhythm branch, pitches or drums
    seed: int = 1
    clips: ClipSettings = field(default_factory=_beat_clips)

    def __post_init__(self) -> None:
        for name in ("num_shards", "variants", "steps", "num_clips", "num_steps", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be above 0")


class TranscribedClips(NamedTuple):
    """Output of the first network for some clips, and their beats."""

    features: npt.NDArray[np.float16]  # [n, steps, num_features]
    beats: npt.NDArray[np.uint8]  # [n, FRAMES_PER_STEP * steps, NUM_BEATS] targets times 255
    tempo: npt.NDArray[np.float32]  # [n, steps] beats per minute
    has_beat: npt.NDArray[np.bool_]  # [n]


def transcribe_clips(model: TranscriberModel, pool: ClipPool, number: int, seed: int) -> TranscribedClips:
    """The output of a model in evaluation mode for the clips of one shard, varied by `seed`."""
    shard = pool.shard(number)
    num_frames = shard.num_frames - shard.num_frames % FRAMES_PER_STEP
    features, beats, tempi, has_beat = [], [], [], []
    for clip_number in range(shard.num_clips):
        random = np.random.Generator(np.random.Philox(key=[seed, number << 16 | clip_number]))
        clip = shard.clip(clip_number, num_frames, random)
        levels, targets = varied(clip, pool.settings, random)
        device = model.notes.weight.device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            found = beat_features(model(levels[None].to(device)))[0]
        features.append(found.cpu().numpy().astype(np.float16))
        beats.append(np.rint(targets.beats * 255).astype(np.uint8))
        tempi.append(local_tempo(clip.sounded, num_frames // FRAMES_PER_STEP))
        has_beat.append(targets.has_beat and len(clip.sounded.beats_s) >= FEWEST_BEATS)
    return TranscribedClips(np.stack(features), np.stack(beats), np.stack(tempi), np.array(has_beat))


def local_tempo(sounded: Sounded, num_steps: int) -> npt.NDArray[np.float32]:
    """Beats per minute about each step: float32 [num_steps]; 0 where there are no two beats."""
    beats_s = np.asarray(sounded.beats_s, dtype=np.float64)
    if len(beats_s) < 2:
        return np.zeros(num_steps, dtype=np.float32)
    middles, bpm = (beats_s[1:] + beats_s[:-1]) / 2, 60.0 / np.maximum(np.diff(beats_s), 0.05)
    return np.interp(np.arange(num_steps) / STEP_RATE, middles, bpm).astype(np.float32)


def tempo_targets(bpm: Tensor) -> Tensor:
    """Probabilities of TEMPI_BPM about some tempi: float32 [..., NUM_TEMPI]. Beyond the ends they count as the ends."""
    place = torch.log(bpm.clamp(min=1.0) / TEMPI_BPM[0]) / np.log(TEMPI_BPM[1] / TEMPI_BPM[0])
    far = torch.arange(NUM_TEMPI) - place.clamp(0, NUM_TEMPI - 1)[..., None]
    return torch.softmax(-0.5 * (far / TEMPO_SPREAD) ** 2, dim=-1)


def beat_losses(logits: BeatLogits, beats: Tensor, bpm: Tensor) -> Tensor:
    """Cross-entropies of beats and downbeats together, and of tempo: float32 [2]."""
    of_beats = cross_entropy(logits.beats, beats, reduction="none").sum(-1).mean()
    of_tempo = -(tempo_targets(bpm) * torch.log_softmax(logits.tempo, dim=-1)).sum(-1).mean()
    return torch.stack([of_beats, of_tempo])


class BeatTrainer:
    """A beat network in training. Deterministic: the same clips and settings give the same weights."""

    def __init__(self, network: BeatNetwork, clips: list[TranscribedClips], settings: BeatTrainSettings) -> None:
        self.network, self.settings, self.step = network, settings, 0
        self.clips = clips
        self.places = [(i, j) for i, some in enumerate(clips) for j in np.flatnonzero(some.has_beat).tolist()]
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
        )

    def train_step(self) -> list[float]:
        """Makes one optimiser update and returns the losses of beats and tempo."""
        settings = self.settings
        warm = (self.step + 1) / max(settings.warmup_steps, 1)
        left = 2.0 * (settings.steps - self.step) / settings.steps
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, warm, left)
        features, beats, bpm = self._batch()
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(features)
        losses = beat_losses(logits, beats, bpm)
        self.optimizer.zero_grad()
        torch.autograd.backward(losses[0] + settings.tempo_weight * losses[1])
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.gradient_clip)
        self.optimizer.step()
        self.step += 1
        return [float(loss) for loss in losses.detach()]

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, steps, num_features], targets of beats [B, F, NUM_BEATS], tempo [B, steps]."""
        settings = self.settings
        random = np.random.Generator(np.random.Philox(key=[settings.seed, self.step]))
        rows: list[tuple[Any, ...]] = []
        for place in random.integers(len(self.places), size=settings.num_clips).tolist():
            shard, clip = self.places[place]
            some = self.clips[shard]
            total = some.tempo.shape[1]
            length = min(settings.num_steps, total)
            first = int(random.integers(total - length + 1))
            features = some.features[clip, first : first + length].astype(np.float32)
            if random.random() < settings.hides:
                hidden = (slice(2 * NUM_PITCHES), slice(2 * NUM_PITCHES, 2 * NUM_PITCHES + NUM_DRUMS),
                          slice(2 * NUM_PITCHES + NUM_DRUMS, None))[int(random.integers(3))]  # fmt: skip
                features[:, hidden] = 0.0
            frames = slice(FRAMES_PER_STEP * first, FRAMES_PER_STEP * (first + length))
            beats = some.beats[clip, frames].astype(np.float32) / 255
            rows.append((features, beats, some.tempo[clip, first : first + length]))
        stacked = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
        return stacked[0], stacked[1], stacked[2]


def transcribed_clips(
    folder: Path, model: TranscriberModel, pool: ClipPool, settings: BeatTrainSettings
) -> list[TranscribedClips]:
    """The output of a model for all training clips; one file in `folder` per shard and variant."""
    model.eval()
    found = []
    for variant in range(settings.variants):
        for number in range(settings.num_shards):
            path = folder / f"transcribed-{variant}-{number:05d}.safetensors"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".part")
                save_file(transcribe_clips(model, pool, number, settings.seed << 8 | variant)._asdict(), partial)
                partial.replace(path)
            file: Any = safe_open(path, framework="numpy")
            found.append(TranscribedClips(*(file.get_tensor(name) for name in TranscribedClips._fields)))
    return found


def train_beats(
    network: BeatNetwork,
    clips: list[TranscribedClips],
    settings: BeatTrainSettings,
    on_step: Callable[[int, list[float]], None] = lambda step, losses: None,
) -> None:
    """Trains the network in place and leaves it in evaluation mode."""
    trainer = BeatTrainer(network, clips, settings)
    while trainer.step < settings.steps:
        losses = trainer.train_step()
        on_step(trainer.step, losses)
    network.eval()
