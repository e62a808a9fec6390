"""An imperfect transcription of a performed score, made from its known beats and notes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, Score
from lstm_core.transcription.beats.felt_beats import felt_beats
from lstm_core.transcription.transcription import TRANSCRIBED_DRUM_DTYPE, TRANSCRIBED_NOTE_DTYPE, Transcription

FRAME_RATE = 62.5
DRUM_OF_KEY = {36: 0, 38: 1, 42: 2, 45: 3, 49: 4}


def activations(
    times_s: npt.NDArray[np.float64],
    places: npt.NDArray[np.int64],
    *,
    duration_s: float,
    random: np.random.Generator,
    frame_rate: float = FRAME_RATE,
    missing: float = 0.0,
    extra: float = 0.0,
    noise: float = 0.02,
) -> npt.NDArray[np.float32]:
    """Beat and downbeat activations, float32 [F, 2], with a share of missing beats and of false ones, and noise."""
    frames = np.arange(int(duration_s * frame_rate) + 1)
    found = np.zeros((len(frames), 2))
    for time_s, place in zip(times_s.tolist(), places.tolist(), strict=True):
        if random.random() >= missing:
            bump = random.uniform(0.5, 0.95) * np.exp(-0.5 * (frames - time_s * frame_rate) ** 2)
            found[:, 0] = np.maximum(found[:, 0], bump)
            found[:, 1] = np.maximum(found[:, 1], bump * (random.uniform(0.4, 1.0) if place == 0 else 0.05))
    for time_s in random.uniform(0.0, duration_s, int(extra * len(times_s))).tolist():
        bump = random.uniform(0.2, 0.6) * np.exp(-0.5 * (frames - time_s * frame_rate) ** 2)
        found[:, 0] = np.maximum(found[:, 0], bump)
    found += np.abs(random.normal(0.0, noise, found.shape))
    return np.clip(found, 0.0, 1.0).astype(np.float32)


def transcribed(score: Score, *, seed: int, jitter_s: float = 0.01, start_s: float = 0.7) -> Transcription:
    """A score as performed and transcribed: onsets astray, notes a little short, beats a little off."""
    random = np.random.Generator(np.random.Philox(key=[seed, 0]))
    notes = score.notes
    onset = score.seconds(notes["onset"].astype(np.int64)) + start_s
    end = score.seconds((notes["onset"] + notes["duration"]).astype(np.int64)) + start_s
    onset = onset + np.clip(random.normal(0.0, jitter_s, len(notes)), -2.5 * jitter_s, 2.5 * jitter_s)
    end = np.maximum(end - 0.02 + random.normal(0.0, jitter_s, len(notes)), onset + 0.03)
    ticks, places = felt_beats(score)
    beats_s = score.seconds(ticks) + start_s + random.normal(0.0, 0.005, len(ticks))
    duration_s = float(end.max()) + 1.0
    is_drum = notes["program"] == DRUMS
    melodic = np.zeros(np.count_nonzero(~is_drum), dtype=TRANSCRIBED_NOTE_DTYPE)
    melodic["onset_s"], melodic["offset_s"] = onset[~is_drum], end[~is_drum]
    melodic["pitch"], melodic["velocity"] = notes["pitch"][~is_drum], notes["velocity"][~is_drum]
    melodic["confidence"] = 0.9
    drums = np.zeros(np.count_nonzero(is_drum), dtype=TRANSCRIBED_DRUM_DTYPE)
    drums["onset_s"], drums["velocity"], drums["confidence"] = onset[is_drum], notes["velocity"][is_drum], 0.9
    drums["drum"] = [DRUM_OF_KEY[key] for key in notes["pitch"][is_drum].tolist()]
    return Transcription(
        notes=melodic[np.lexsort((melodic["pitch"], melodic["onset_s"]))],
        drums=drums[np.lexsort((drums["drum"], drums["onset_s"]))],
        beat_activation=activations(beats_s, places, duration_s=duration_s, random=random, missing=0.03, extra=0.05),
        frame_rate=FRAME_RATE,
        duration_s=duration_s,
    )
