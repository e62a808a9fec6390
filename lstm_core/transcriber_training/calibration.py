"""How good a transcriber is on clips that it was not trained on, and the thresholds that give the best scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.transcriber_training.clips import ClipPool, ClipSettings, stacked
from lstm_core.transcriber_training.onset_scores import BEAT_TOLERANCE_S, OnsetScore, score_onsets
from lstm_core.transcriber_training.realism import to_power
from lstm_core.transcriber_training.renders import RenderSettings
from lstm_core.transcriber_training.targets import Sounded, frame_targets
from lstm_core.transcriber_training.training import LOSS_NAMES, transcriber_losses
from lstm_core.transcription.note_decoding import Thresholds, decode_drums, decode_notes, find_peaks
from lstm_core.transcription.spectrogram import FLOOR_DB, FRAME_RATE
from lstm_core.transcription.transcriber_model import NUM_DRUMS, TranscriberModel
from lstm_core.transcription.transcription import BEAT, DRUM_NAMES

CLEAN, MIX = "clean", "mix"
_ONSET_GRID = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
_GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
_DRUM_GRID = _GRID[1:]  # at 0.1 a kind that is hardly trained is found three times as often as it is played
_ROWS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class ValidSettings:
    """The validation clips: melodic music of any program without drums, and whole pieces as they are written."""

    seed: int = 7
    num_clean: int = 20
    num_mix: int = 14
    seconds: float = 30.0
    mix_style: str = "game"  # the folder of scores with drums; the others make the clean clips
    clean_weights: dict[str, float] = field(default_factory=dict)  # of the other styles


class ValidClip(NamedTuple):
    kind: str  # CLEAN or MIX
    levels: Tensor  # float32 [F, NUM_BINS] in dB
    sounded: Sounded


class Calibration(NamedTuple):
    losses: list[float]  # in the order of transcriber_training.LOSS_NAMES
    thresholds: Thresholds  # the best of those tried
    scores: dict[str, float]  # F1 of onset_clean, onset_mix, kick, ..., beat, at those thresholds


def valid_clip_settings(settings: ValidSettings, kind: str) -> ClipSettings:
    """How clips of a kind are rendered: one shard, less varied than the training clips."""
    render = RenderSettings(
        seconds=settings.seconds, is_exercise=0.0, adds_drums=0.0, drops_parts=0.0, timing_s=0.004, keeps_program=0.0
    )
    if kind == CLEAN:
        weights, count = settings.clean_weights, settings.num_clean
        render = replace(render, adds_score=0.4)
    else:
        weights, count = {}, settings.num_mix
        render = replace(render, adds_score=0.0, keeps_program=1.0, transpose_by=0, tempo_range=(1.0, 1.0))
    seed = settings.seed + (kind == MIX)
    return ClipSettings(seed=seed, clips_per_shard=count, overdrive=0.0, style_weights=weights, render=render)


def valid_clips(pool: ClipPool, kind: str) -> list[ValidClip]:
    """The clips of a pool's first shard, whole and as rendered; drums sound in MIX alone."""
    shard = pool.shard(0)
    clips = []
    for number in range(shard.num_clips):
        clip = shard.clip(number, shard.num_frames - shard.num_frames % 2, np.random.default_rng(0))
        power = to_power(clip.melodic) + (to_power(clip.drums) if kind == MIX else 0)
        levels = 10 * torch.log10(torch.from_numpy(power) + 10 ** (FLOOR_DB / 10))
        clips.append(ValidClip(kind, levels, clip.sounded))
    return clips


def calibrate(model: TranscriberModel, clips: Sequence[ValidClip], onset_weight: float) -> Calibration:
    """Losses, thresholds that make the best F1 on these clips, and that F1.

    Of onsets it is the mean over clips, of drums that over all hits, as for basic-pitch and for drum transcribers.
    """
    transcribed, losses = _transcribed(model, clips, onset_weight)
    of_onset = {kind: _onset_curve(transcribed, clips, kind) for kind in sorted({clip.kind for clip in clips})}
    onset = _ONSET_GRID[int(np.argmax(np.mean(list(of_onset.values()), axis=0)))]
    scores = {f"onset_{kind}": curve[_ONSET_GRID.index(onset)] for kind, curve in of_onset.items()}
    drums = []
    for drum in range(NUM_DRUMS):
        curve = [_drum_f1(transcribed, clips, drum, threshold) for threshold in _DRUM_GRID]
        drums.append(_DRUM_GRID[int(np.argmax(curve))])
        scores[DRUM_NAMES[drum]] = max(curve)
    frames = [_frame_f1(transcribed, clips, threshold) for threshold in _GRID]
    scores["frame"] = max(frames)
    scores["beat"] = max(_beat_f1(transcribed, clips, threshold) for threshold in _GRID)
    thresholds = Thresholds(onset=onset, frame=_GRID[int(np.argmax(frames))], drums=tuple(drums))
    return Calibration(losses, thresholds, {name: round(float(score), 4) for name, score in scores.items()})


Probabilities = list[npt.NDArray[np.float32]]  # onset, frame, velocity, drums, velocity of drums, beats; 0 to 1


def _transcribed(
    model: TranscriberModel, clips: Sequence[ValidClip], onset_weight: float
) -> tuple[list[Probabilities], list[float]]:
    """The output of the network for clips of equal length, and its mean losses."""
    was_training, device = model.training, model.notes.weight.device
    model.eval()
    transcribed: list[Probabilities] = []
    losses = torch.zeros(len(LOSS_NAMES))
    for first in range(0, len(clips), _ROWS_AT_ONCE):
        rows = clips[first : first + _ROWS_AT_ONCE]
        levels = torch.stack([clip.levels for clip in rows]).to(device)
        targets = stacked([frame_targets(_as_mixed(clip), 0, levels.shape[1]) for clip in rows])
        with torch.inference_mode():
            with torch.autocast(device.type, torch.bfloat16):
                logits = model(levels)
            losses += len(rows) * transcriber_losses(logits, tuple(t.to(device) for t in targets), onset_weight).cpu()
            parts = [torch.sigmoid(part).float().cpu().numpy() for part in logits]
        transcribed += [[part[row] for part in parts] for row in range(len(rows))]
    model.train(was_training)
    return transcribed, (losses / max(len(clips), 1)).tolist()


def _as_mixed(clip: ValidClip) -> Sounded:
    """What sounds in a clip: no drums in a clean one."""
    return clip.sounded if clip.kind == MIX else replace(clip.sounded, drums=clip.sounded.drums[:0])


def _onset_curve(transcribed: list[Probabilities], clips: Sequence[ValidClip], kind: str) -> list[float]:
    """Mean F1 of onsets at each threshold of the grid."""
    curve = []
    for threshold in _ONSET_GRID:
        scores = []
        for parts, clip in zip(transcribed, clips, strict=True):
            if clip.kind == kind:
                found = decode_notes(parts[0], parts[1], parts[2], Thresholds(onset=threshold))
                notes = clip.sounded.notes
                score = score_onsets(found["onset_s"], found["pitch"], notes["onset_s"], notes["pitch"])
                scores.append(score.f1)
        curve.append(float(np.mean(scores)))
    return curve


def _drum_f1(transcribed: list[Probabilities], clips: Sequence[ValidClip], drum: int, threshold: float) -> float:
    total = OnsetScore(0, 0, 0)
    for parts, clip in zip(transcribed, clips, strict=True):
        found = decode_drums(parts[3], parts[4], Thresholds(drums=(threshold,) * NUM_DRUMS))
        played = _as_mixed(clip).drums
        found, played = found[found["drum"] == drum], played[played["drum"] == drum]
        score = score_onsets(found["onset_s"], found["drum"], played["onset_s"], played["drum"])
        total = OnsetScore(*(a + b for a, b in zip(total, score, strict=True)))
    return total.f1


def _frame_f1(transcribed: list[Probabilities], clips: Sequence[ValidClip], threshold: float) -> float:
    both = found = played = 0
    for parts, clip in zip(transcribed, clips, strict=True):
        is_found = parts[1] >= threshold
        is_played = frame_targets(clip.sounded, 0, len(is_found)).frame > 0.5
        both, found, played = both + int((is_found & is_played).sum()), found + is_found.sum(), played + is_played.sum()
    return 2 * both / max(int(found + played), 1)


def _beat_f1(transcribed: list[Probabilities], clips: Sequence[ValidClip], threshold: float) -> float:
    scores = [0.0]
    for parts, clip in zip(transcribed, clips, strict=True):
        beats_s = clip.sounded.beats_s
        if clip.sounded.has_beat and len(beats_s):
            _, kind, place = find_peaks(parts[5][:, BEAT : BEAT + 1], np.array([threshold], dtype=np.float32))
            found_s, same = place / FRAME_RATE, np.zeros(len(beats_s), dtype=np.int64)
            scores.append(score_onsets(found_s, kind, beats_s, same, tolerance_s=BEAT_TOLERANCE_S).f1)
    return float(np.mean(scores[1:])) if len(scores) > 1 else 0.0
