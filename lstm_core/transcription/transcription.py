"""The output of a transcriber for one recording: times in seconds, before there is any beat grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

KICK, SNARE, HAT, TOM, CYMBAL = range(5)
DRUM_NAMES = ("kick", "snare", "hat", "tom", "cymbal")
BEAT, DOWNBEAT = 0, 1  # columns of Transcription.beat_activation

TRANSCRIBED_NOTE_DTYPE = np.dtype(
    [("onset_s", "f8"), ("offset_s", "f8"), ("pitch", "u1"), ("velocity", "u1"), ("confidence", "f4")]
)
TRANSCRIBED_DRUM_DTYPE = np.dtype([("onset_s", "f8"), ("drum", "u1"), ("velocity", "u1"), ("confidence", "f4")])


@dataclass(frozen=True, kw_only=True)
class Transcription:
    """Notes, drum hits and beat activations of one recording."""

    notes: npt.NDArray[np.void]  # TRANSCRIBED_NOTE_DTYPE, in ascending (onset_s, pitch); confidence 0 to 1
    drums: npt.NDArray[np.void]  # TRANSCRIBED_DRUM_DTYPE, in ascending (onset_s, drum)
    beat_activation: npt.NDArray[np.float32]  # [F, 2] probability that a beat, a downbeat falls on the frame
    frame_rate: float  # frames per second; frame f is centred on f / frame_rate seconds
    duration_s: float
    tempo_activation: npt.NDArray[np.float32] | None = None  # [seconds, beat_network.NUM_TEMPI] probabilities
