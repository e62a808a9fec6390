"""Probabilities on frames become notes and drum hits: peaks over a threshold, at times between the frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.transcription.spectrogram import FRAME_RATE
from lstm_core.transcription.transcriber_model import FIRST_PITCH, NUM_DRUMS
from lstm_core.transcription.transcription import TRANSCRIBED_DRUM_DTYPE, TRANSCRIBED_NOTE_DTYPE

_SILENT_FRAMES = 2  # in a row end a note
SHORTEST_S = 0.03  # of a note
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Probabilities from which on something counts as detected, chosen on validation data."""

    onset: float = 0.4
    frame: float = 0.4
    drums: tuple[float, ...] = (0.4,) * NUM_DRUMS

    def __post_init__(self) -> None:
        if len(self.drums) != NUM_DRUMS:
            raise ValueError(f"thresholds of drums are {self.drums}, there must be {NUM_DRUMS}")
        for value in (self.onset, self.frame, *self.drums):
            if not 0.0 < value < 1.0:
                raise ValueError(f"a threshold is {value}, it must be above 0 and under 1")


def find_peaks(
    probability: Probabilities, thresholds: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Frame, column and exact place in frames of each peak, by column and time: int64, int64, float64 [N].

    Targets are triangles that fall to half in one frame, so what the two neighbours differ by says where between the
    frames the tip is. Of equal neighbours the first is the peak.

    Args:
        probability: float32 [F, P].
        thresholds: of each column, float32 [P].
    """
    edged = np.pad(probability, ((1, 1), (0, 0)))
    before, after = edged[:-2], edged[2:]
    is_peak = (probability >= thresholds) & (probability > before) & (probability >= after)
    column, frame = np.nonzero(is_peak.T)
    left, right = before[frame, column], after[frame, column]
    lean = np.clip((right - left) / (left + right + np.float32(1e-6)), -0.5, 0.5)
    place = np.asarray(frame + lean, dtype=np.float64)
    return frame.astype(np.int64), column.astype(np.int64), place


def decode_notes(
    onset: Probabilities, frame: Probabilities, velocity: Probabilities, thresholds: Thresholds
) -> npt.NDArray[np.void]:
    """Notes of a whole recording: TRANSCRIBED_NOTE_DTYPE [N]. Arguments: float32 [F, P], 0 to 1."""
    decoder = NoteDecoder(thresholds)
    decoder.push(onset, frame, velocity)
    return decoder.finish()


def decode_drums(drums: Probabilities, velocity: Probabilities, thresholds: Thresholds) -> npt.NDArray[np.void]:
    """Drum hits of a whole recording: TRANSCRIBED_DRUM_DTYPE [N]. Arguments: float32 [F, NUM_DRUMS], 0 to 1."""
    decoder = DrumDecoder(thresholds)
    decoder.push(drums, velocity)
    return decoder.finish()


class NoteDecoder:
    """Notes out of probabilities that come in stretches, as if they had come at once. No note without an onset.

    A note ends where its pitch becomes silent or begins again; what still sounds at the end of a stretch is kept open.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._rest: list[Probabilities] | None = None  # onset, frame, velocity of the last two frames
        self._first = -1  # frame of the recording at which the rest begins
        self._done: list[npt.NDArray[np.void]] = []
        self._open = np.zeros(0, dtype=TRANSCRIBED_NOTE_DTYPE)

    def push(self, onset: Probabilities, frame: Probabilities, velocity: Probabilities) -> None:
        """Takes the next frames: float32 [F, P] each, 0 to 1."""
        stretch = [onset, frame, velocity]
        if self._rest is None:
            self._rest = [np.zeros_like(part[:1]) for part in stretch]  # the frame before the first
        stretch = [np.concatenate(pair) for pair in zip(self._rest, stretch, strict=True)]
        if len(stretch[0]) < 3:
            self._rest = stretch
            return
        self._decode(*stretch)
        self._first += len(stretch[0]) - 2
        self._rest = [part[-2:] for part in stretch]

    def finish(self) -> npt.NDArray[np.void]:
        """All notes, TRANSCRIBED_NOTE_DTYPE [N] in ascending (onset_s, pitch); open notes end with the last frame."""
        if self._rest is not None:
            silence = np.zeros((_SILENT_FRAMES, self._rest[0].shape[1]), dtype=np.float32)
            self.push(silence, silence, silence)
        notes = np.concatenate([np.zeros(0, dtype=TRANSCRIBED_NOTE_DTYPE), *self._done])
        return notes[np.lexsort((notes["pitch"], notes["onset_s"]))]

    def _decode(self, onset: Probabilities, frame: Probabilities, velocity: Probabilities) -> None:
        """Notes whose onset has a frame of the stretch on either side; `_rest` begins at the first of them."""
        num_frames, num_pitches = onset.shape
        at, pitch, place = find_peaks(onset, np.full(num_pitches, self._thresholds.onset, dtype=np.float32))
        is_inner = (at > 0) & (at < num_frames - 1)
        at, pitch, place = at[is_inner], pitch[is_inner], place[is_inner]
        silences = _silences(frame < self._thresholds.frame)
        notes = np.zeros(len(at), dtype=TRANSCRIBED_NOTE_DTYPE)
        notes["onset_s"] = np.maximum((place + self._first) / FRAME_RATE, 0.0)
        notes["pitch"] = pitch + FIRST_PITCH
        notes["velocity"] = np.clip(np.rint(velocity[at, pitch] * 127), 1, 127)
        notes["confidence"] = onset[at, pitch]
        notes = np.concatenate([self._open, notes])
        begin = np.concatenate([np.zeros(len(self._open), dtype=np.int64), at + 1])  # where silence is looked for
        place = np.concatenate([np.full(len(self._open), -1.0), place])
        order = np.lexsort((place, notes["pitch"]))
        notes, begin, place = notes[order], begin[order], place[order]
        ends = silences[begin, notes["pitch"].astype(np.int64) - FIRST_PITCH].astype(np.float64)
        again = np.append(notes["pitch"][1:] == notes["pitch"][:-1], False)[: len(notes)]
        ends[again] = np.minimum(ends, np.append(place[1:], 0.0)[: len(notes)])[again]
        notes["offset_s"] = np.maximum((ends + self._first) / FRAME_RATE, notes["onset_s"] + SHORTEST_S)
        is_open = ends >= num_frames
        self._open = notes[is_open]
        self._done.append(notes[~is_open])


class DrumDecoder:
    """Drum hits out of probabilities that come in stretches, as if they had come at once."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = np.array(thresholds.drums, dtype=np.float32)
        self._rest: list[Probabilities] | None = None
        self._first = -1
        self._done: list[npt.NDArray[np.void]] = []

    def push(self, drums: Probabilities, velocity: Probabilities) -> None:
        """Takes the next frames: float32 [F, NUM_DRUMS] each, 0 to 1."""
        stretch = [drums, velocity]
        if self._rest is None:
            self._rest = [np.zeros_like(part[:1]) for part in stretch]
        drums, velocity = (np.concatenate(pair) for pair in zip(self._rest, stretch, strict=True))
        self._rest = [drums[-2:], velocity[-2:]]
        at, kind, place = find_peaks(drums, self._thresholds)
        is_inner = (at > 0) & (at < len(drums) - 1)
        at, kind, place = at[is_inner], kind[is_inner], place[is_inner]
        hits = np.zeros(len(at), dtype=TRANSCRIBED_DRUM_DTYPE)
        hits["onset_s"] = np.maximum((place + self._first) / FRAME_RATE, 0.0)
        hits["drum"], hits["confidence"] = kind, drums[at, kind]
        hits["velocity"] = np.clip(np.rint(velocity[at, kind] * 127), 1, 127)
        self._done.append(hits)
        self._first += max(len(drums) - 2, 0)

    def finish(self) -> npt.NDArray[np.void]:
        """All hits: TRANSCRIBED_DRUM_DTYPE [N] in ascending (onset_s, drum)."""
        if self._rest is not None:
            nothing = np.zeros((1, NUM_DRUMS), dtype=np.float32)
            self.push(nothing, nothing)
        hits = np.concatenate([np.zeros(0, dtype=TRANSCRIBED_DRUM_DTYPE), *self._done])
        return hits[np.lexsort((hits["drum"], hits["onset_s"]))]


def _silences(is_silent: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first frame at or after each where its column is silent for _SILENT_FRAMES: int64 [F, P], F where none is."""
    num_frames = len(is_silent)
    lasting = is_silent.copy()
    for ahead in range(1, _SILENT_FRAMES):
        lasting[:-ahead] &= is_silent[ahead:]
        lasting[-ahead:] = False  # not known yet
    here = np.where(lasting, np.arange(num_frames)[:, None], num_frames)
    return np.minimum.accumulate(here[::-1], axis=0)[::-1]
