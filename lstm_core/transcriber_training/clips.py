"""Clips to train a transcriber on: rendered once, kept as shards on disk, and varied each time they are used.

A shard is a pure function of the settings and its number, and a batch of the settings and the step: the pool of shards
that batches are drawn from grows with the steps, and a missing shard is rendered by the first process that needs it. So
training can go on exactly where it stopped, and another process may render ahead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from lstm_core.notes.score import Score
from lstm_core.sound.soundfont import SoundFont
from lstm_core.transcriber_training.codecs import CODECS, through_codec
from lstm_core.transcriber_training.realism import (
    at_loudness,
    compressed,
    equaliser_db,
    noise_power,
    overdriven,
    to_bytes,
    to_power,
    with_reverb,
)
from lstm_core.transcriber_training.renders import Render, RenderSettings, draw_performance, render
from lstm_core.transcriber_training.targets import (
    SOUNDED_DRUM_DTYPE,
    SOUNDED_NOTE_DTYPE,
    Sounded,
    Targets,
    frame_targets,
)
from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE, FLOOR_DB, FRAME_RATE, NUM_BINS, Spectrogram

FORMAT = 2  # of a shard; raise it when the same settings render something else
LOUDNESS_DB = -20.0  # root mean square of a rendered mix


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """What clips are made of and how they are varied."""

    seed: int = 1
    clips_per_shard: int = 32
    first_shards: int = 4  # in the pool at step 0
    steps_per_shard: int = 50  # after so many steps the pool holds one more
    most_shards: int = 400
    style_weights: dict[str, float] = field(default_factory=dict)  # by folder of scores; 1 where none is named
    rooms: float = 0.5  # share of renders with reverb
    overdrive: float = 0.12
    compression: float = 0.12
    codecs: float = 0.12
    shift_bins: int = 7  # at most, up or down; three are a semitone
    shift_drum_bins: int = 3
    without_drums: float = 0.3  # share of clips whose drums are left out
    borrows_drums: float = 0.6  # share of clips without drums that get those of another; the beat is then unknown
    render: RenderSettings = field(default_factory=RenderSettings)

    def __post_init__(self) -> None:
        for name in ("clips_per_shard", "first_shards", "steps_per_shard", "most_shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")

    def pool_size(self, step: int) -> int:
        """Number of shards that the batch of a step is drawn from."""
        return min(self.first_shards + step // self.steps_per_shard, self.most_shards)


_COUNTS = {
    "notes": "num_notes",
    "drum_hits": "num_drum_hits",
    "beats_s": "num_beats",
    "downbeats_s": "num_downbeats",
}  # tables of a shard's events, and the tables of how many each clip has
_TABLES = (*_COUNTS, *_COUNTS.values(), "has_beat")


class ClipBatch(NamedTuple):
    levels: Tensor  # float32 [B, F, NUM_BINS] in dB
    targets: list[Targets]  # B of them


ScoresByStyle = Mapping[str, Sequence[Score]]


class ClipPool:
    """The shards of one folder, rendered when they are first needed.

    Args:
        folder: where shards are kept.
        scores: called when something is to be rendered; returns scores by style.
        soundfonts: of all renders, one drawn for each clip.
    """

    def __init__(
        self, folder: Path, settings: ClipSettings, scores: Callable[[], ScoresByStyle], soundfonts: Sequence[SoundFont]
    ) -> None:
        self.folder, self.settings, self.soundfonts = folder, settings, list(soundfonts)
        self._scores, self._loaded = scores, dict[str, list[Score]]()
        self._spectrogram = Spectrogram()
        said = [FORMAT, asdict(settings.render), settings.seed, settings.clips_per_shard, settings.style_weights]
        said += [
            settings.rooms,
            settings.overdrive,
            settings.compression,
            settings.codecs,
            [soundfont.sha256 for soundfont in soundfonts],
        ]
        self._key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
        self._open = lru_cache(maxsize=256)(_Shard)

    def shard_path(self, number: int) -> Path:
        """Where a shard is or will be."""
        return self.folder / f"clips-{self._key}-{number:05d}.safetensors"

    def shard(self, number: int) -> _Shard:
        """A shard, rendered now if it is missing; that takes seconds per minute of audio."""
        path = self.shard_path(number)
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.part")
            save_file(self._rendered_shard(number), partial)
            partial.replace(path)
        return self._open(path)

    def batch(self, step: int, rows: Sequence[int], num_frames: int) -> ClipBatch:
        """Clips of a step; `rows` says which of the step's, so that workers can share them."""
        levels, targets = [], []
        for row in rows:
            random = np.random.Generator(np.random.Philox(key=[self.settings.seed << 32 | row, step]))
            shard = self.shard(int(random.integers(self.settings.pool_size(step))))
            clip = shard.clip(int(random.integers(shard.num_clips)), num_frames, random)
            is_bare = len(clip.sounded.drums) == 0 and len(shard.with_drums) > 0
            if is_bare and random.random() < self.settings.borrows_drums:
                other = shard.clip(int(random.choice(shard.with_drums)), num_frames, random)
                clip = with_drums_of(clip, other)
            changed, wanted = varied(clip, self.settings, random)
            levels.append(changed)
            targets.append(wanted)
        return ClipBatch(torch.stack(levels), targets)

    def _rendered_shard(self, number: int) -> dict[str, npt.NDArray[np.generic]]:
        if not self._loaded:
            self._loaded = {style: list(scores) for style, scores in self._scores().items()}
        random = np.random.Generator(np.random.Philox(key=[self.settings.seed, number]))
        renders = [self._rendered_clip(random) for _ in range(self.settings.clips_per_shard)]
        with torch.inference_mode():
            levels = [
                np.stack([to_bytes(self._spectrogram(torch.from_numpy(mono[None]))[0].numpy()) for mono in pair])
                for pair in ((r.melodic, r.drums) for r in renders)
            ]
        return {"levels": np.stack(levels), **_event_tables([r.sounded for r in renders])}

    def _rendered_clip(self, random: np.random.Generator) -> Render:
        styles = sorted(self._loaded)
        weights = np.array([self.settings.style_weights.get(style, 1.0) for style in styles])
        style = styles[int(random.choice(len(styles), p=weights / weights.sum()))]
        performance = draw_performance(self._loaded[style], self.settings.render, random)
        soundfont = self.soundfonts[int(random.integers(len(self.soundfonts)))]
        result = render(performance, soundfont, self.settings.render, random)
        melodic, drums = result.melodic, result.drums
        if random.random() < self.settings.overdrive:
            melodic = overdriven(melodic, random)
        if random.random() < self.settings.rooms:
            melodic = with_reverb(melodic, random)
            drums = with_reverb(drums, random) if random.random() < 0.5 else drums
        if random.random() < self.settings.compression:
            melodic, drums = compressed(melodic, random), compressed(drums, random)
        if random.random() < self.settings.codecs:
            codec = CODECS[int(random.integers(len(CODECS)))]
            melodic, drums = through_codec(melodic, codec), through_codec(drums, codec)
        melodic = at_loudness(melodic, LOUDNESS_DB)
        return Render(melodic=melodic, drums=at_loudness(drums, LOUDNESS_DB - 4), sounded=result.sounded)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A stretch of a render."""

    melodic: npt.NDArray[np.uint8]  # [F, NUM_BINS], of realism.to_bytes
    drums: npt.NDArray[np.uint8]  # [F, NUM_BINS]
    sounded: Sounded  # of the whole render
    first_frame: int


class _Shard:
    """An open shard; its levels stay on disk."""

    def __init__(self, path: Path) -> None:
        file: Any = safe_open(path, framework="numpy")
        self._tables: dict[str, Any] = {name: file.get_tensor(name) for name in _TABLES}
        self._levels = file.get_slice("levels")
        self.num_clips, _, self.num_frames, _ = self._levels.get_shape()
        self.with_drums = np.flatnonzero(self._tables["num_drum_hits"])  # numbers of the clips that have any

    def clip(self, number: int, num_frames: int, random: np.random.Generator) -> Clip:
        """A stretch of a clip that begins at a random frame."""
        first = int(random.integers(max(self.num_frames - num_frames, 0) + 1))
        levels = self._levels[number, :, first : first + num_frames]
        return Clip(melodic=levels[0], drums=levels[1], sounded=self.sounded(number), first_frame=first)

    def sounded(self, number: int) -> Sounded:
        """What sounds in a clip."""
        return Sounded(
            notes=self._rows("notes", number).view(SOUNDED_NOTE_DTYPE)[:, 0],
            drums=self._rows("drum_hits", number).view(SOUNDED_DRUM_DTYPE)[:, 0],
            beats_s=self._rows("beats_s", number),
            downbeats_s=self._rows("downbeats_s", number),
            has_beat=bool(self._tables["has_beat"][number]),
        )

    def _rows(self, name: str, number: int) -> npt.NDArray[Any]:
        counts = self._tables[_COUNTS[name]]
        first = int(counts[:number].sum())
        return np.ascontiguousarray(self._tables[name][first : first + int(counts[number])])


def _event_tables(sounded: Sequence[Sounded]) -> dict[str, npt.NDArray[np.generic]]:
    """All events of a shard, one clip after another, and how many each has. Rows of records are kept as bytes."""
    notes, hits = [s.notes for s in sounded], [s.drums for s in sounded]
    return {
        "notes": np.concatenate(notes).view(np.uint8).reshape(-1, SOUNDED_NOTE_DTYPE.itemsize),
        "num_notes": np.array([len(n) for n in notes]),
        "drum_hits": np.concatenate(hits).view(np.uint8).reshape(-1, SOUNDED_DRUM_DTYPE.itemsize),
        "num_drum_hits": np.array([len(h) for h in hits]),
        "beats_s": np.concatenate([s.beats_s for s in sounded]).astype(np.float32),
        "num_beats": np.array([len(s.beats_s) for s in sounded]),
        "downbeats_s": np.concatenate([s.downbeats_s for s in sounded]).astype(np.float32),
        "num_downbeats": np.array([len(s.downbeats_s) for s in sounded]),
        "has_beat": np.array([s.has_beat for s in sounded], dtype=np.uint8),
    }


def with_drums_of(clip: Clip, other: Clip) -> Clip:
    """A clip with the drums of another in the place of its own; its beats are unknown."""
    hits = other.sounded.drums.copy()
    hits["onset_s"] += (clip.first_frame - other.first_frame) / FRAME_RATE
    return replace(clip, drums=other.drums, sounded=replace(clip.sounded, drums=hits, has_beat=False))


def varied(clip: Clip, settings: ClipSettings, random: np.random.Generator) -> tuple[Tensor, Targets]:
    """Levels in dB, float32 [F, NUM_BINS], and targets of a clip: transposed, detuned, equalised, mixed, in noise."""
    shift = int(random.integers(-settings.shift_bins, settings.shift_bins + 1))
    semitones = round(shift / BINS_PER_SEMITONE)
    num_frames = len(clip.melodic)
    gain_db = equaliser_db(random) + np.float32(random.normal(-2, 6))
    power = _shifted(to_power(clip.melodic), shift) * 10 ** (gain_db / 10)
    sounded = clip.sounded
    if random.random() >= settings.without_drums:
        drums_db = equaliser_db(random) + np.float32(random.normal(0, 5)) + gain_db.mean()
        moved_by = int(random.integers(-settings.shift_drum_bins, settings.shift_drum_bins + 1))
        power += _shifted(to_power(clip.drums), moved_by) * 10 ** (drums_db / 10)
        hits = sounded.drums
    else:
        hits = sounded.drums[:0]
    if random.random() < 0.7:
        power += noise_power(num_frames, random)
    levels = 10 * torch.log10(torch.from_numpy(power.astype(np.float32)) + 10 ** (FLOOR_DB / 10))
    notes = sounded.notes.copy()
    notes["pitch"] = np.clip(notes["pitch"].astype(np.int64) + semitones, 0, 127)
    return levels, frame_targets(replace(sounded, notes=notes, drums=hits), clip.first_frame, num_frames)


def _shifted(power: npt.NDArray[np.float32], shift: int) -> npt.NDArray[np.float32]:
    """The same, `shift` bins higher."""
    moved = np.zeros_like(power)
    if shift >= 0:
        moved[:, shift:] = power[:, : NUM_BINS - shift]
    else:
        moved[:, :shift] = power[:, -shift:]
    return moved


def stacked(targets: Sequence[Targets]) -> tuple[Tensor, ...]:
    """Fields of the targets of a batch as tensors: float32 [B, F, ...], the last one has_beat float32 [B]."""
    fields = [torch.from_numpy(np.stack([getattr(t, name) for t in targets])) for name in Targets._fields[:-1]]
    return (*fields, torch.tensor([float(t.has_beat) for t in targets]))
