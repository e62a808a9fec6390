"""What a transcriber should find in a rendered score: events in seconds, and the same on spectrogram frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, Score
from lstm_core.transcription.spectrogram import FRAME_RATE
from lstm_core.transcription.transcriber_model import FIRST_PITCH, NUM_BEATS, NUM_DRUMS, NUM_PITCHES
from lstm_core.transcription.transcription import BEAT, CYMBAL, DOWNBEAT, HAT, KICK, SNARE, TOM

SOUNDED_NOTE_DTYPE = np.dtype([("onset_s", "<f4"), ("offset_s", "<f4"), ("pitch", "u1"), ("velocity", "u1")])
SOUNDED_DRUM_DTYPE = np.dtype([("onset_s", "<f4"), ("drum", "u1"), ("velocity", "u1")])
ONSET_REACH = 2.0  # frames from an onset to where its target has fallen to 0: so three frames are above 0
BEAT_REACH = 2.5
_KEYS_OF_DRUM = {
    KICK: (35, 36),
    SNARE: (37, 38, 39, 40),
    HAT: (42, 44, 46),
    TOM: (41, 43, 45, 47, 48, 50),
    CYMBAL: (49, 51, 52, 53, 55, 57, 59),
}  # General MIDI Level 1 percussion; other keys are no drum of a kit
DRUM_OF_KEY = {key: drum for drum, keys in _KEYS_OF_DRUM.items() for key in keys}


@dataclass(frozen=True, kw_only=True)
class Sounded:
    """All events of a stretch of music, in seconds from its start."""

    notes: npt.NDArray[np.void]  # SOUNDED_NOTE_DTYPE [N]; no drums
    drums: npt.NDArray[np.void]  # SOUNDED_DRUM_DTYPE
    beats_s: npt.NDArray[np.float32]
    downbeats_s: npt.NDArray[np.float32]
    has_beat: bool = True  # False: the beats are unknown, so they are left out of the loss


class Targets(NamedTuple):
    """Targets of each frame, float32; onsets and beats are soft: 1 at the exact time, less beside it."""

    onset: npt.NDArray[np.float32]  # [F, NUM_PITCHES]
    frame: npt.NDArray[np.float32]  # [F, NUM_PITCHES], 1 while a note lasts
    velocity: npt.NDArray[np.float32]  # [F, NUM_PITCHES], 0..1 where an onset is
    drums: npt.NDArray[np.float32]  # [F, NUM_DRUMS]
    drum_velocity: npt.NDArray[np.float32]  # [F, NUM_DRUMS]
    beats: npt.NDArray[np.float32]  # [F, NUM_BEATS]
    has_beat: bool


def sounded_drums(score: Score, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    """Hits of kick, snare, hat, tom and cymbal: SOUNDED_DRUM_DTYPE. seconds: onsets of all notes, float64 [N]."""
    drum = np.array([DRUM_OF_KEY.get(key, NUM_DRUMS) for key in range(128)])[score.notes["pitch"]]
    is_hit = (score.notes["program"] == DRUMS) & (drum < NUM_DRUMS)
    hits = np.zeros(int(is_hit.sum()), dtype=SOUNDED_DRUM_DTYPE)
    hits["onset_s"], hits["drum"], hits["velocity"] = seconds[is_hit], drum[is_hit], score.notes["velocity"][is_hit]
    return hits


def frame_targets(sounded: Sounded, first_frame: float, num_frames: int) -> Targets:
    """Targets of the frames from `first_frame` (at first_frame / FRAME_RATE seconds) on."""
    onset, frame, velocity = (np.zeros((num_frames, NUM_PITCHES), dtype=np.float32) for _ in range(3))
    notes = sounded.notes
    column = notes["pitch"].astype(np.int64) - FIRST_PITCH
    is_inside = (column >= 0) & (column < NUM_PITCHES)
    notes, column = notes[is_inside], column[is_inside]
    starts = notes["onset_s"].astype(np.float64) * FRAME_RATE - first_frame
    stops = notes["offset_s"].astype(np.float64) * FRAME_RATE - first_frame
    _put_peaks(onset, velocity, starts, column, notes["velocity"], ONSET_REACH)
    for start, stop, pitch in zip(starts, stops, column, strict=True):
        frame[max(0, round(start)) : max(0, round(stop), round(start) + 1), pitch] = 1.0
    drums, drum_velocity = (np.zeros((num_frames, NUM_DRUMS), dtype=np.float32) for _ in range(2))
    hits = sounded.drums
    at = hits["onset_s"].astype(np.float64) * FRAME_RATE - first_frame
    _put_peaks(drums, drum_velocity, at, hits["drum"].astype(np.int64), hits["velocity"], ONSET_REACH)
    beats = np.zeros((num_frames, NUM_BEATS), dtype=np.float32)
    for kind, times_s in ((BEAT, sounded.beats_s), (DOWNBEAT, sounded.downbeats_s)):
        at = times_s.astype(np.float64) * FRAME_RATE - first_frame
        _put_peaks(beats, None, at, np.full(len(at), kind), np.full(len(at), 127), BEAT_REACH)
    return Targets(onset, frame, velocity, drums, drum_velocity, beats, sounded.has_beat)


def _put_peaks(
    peaks: npt.NDArray[np.float32],
    velocities: npt.NDArray[np.float32] | None,
    at: npt.NDArray[np.float64],
    column: npt.NDArray[np.int64],
    velocity: npt.NDArray[np.integer],
    reach: float,
) -> None:
    """Adds a triangle of height 1 around each time, in frames, and the velocity under it."""
    for offset in range(-int(reach), int(reach) + 2):
        frame = np.floor(at).astype(np.int64) + offset
        height = (1.0 - np.abs(frame - at) / reach).astype(np.float32)
        is_seen = (frame >= 0) & (frame < len(peaks)) & (height > 0)
        where = frame[is_seen], column[is_seen]
        np.maximum.at(peaks, where, height[is_seen])
        if velocities is not None:
            np.maximum.at(velocities, where, (velocity[is_seen] / np.float32(127)).astype(np.float32))
