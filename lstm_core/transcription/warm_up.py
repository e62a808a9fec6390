"""Two short recordings, so that all code of transcription is compiled before two processes need it at the same time."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from lstm_core.foundation.compiling import compile_once
from lstm_core.sound.output_formats import encode
from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source

_DURATION_S, _BEAT_S = 10.0, 0.5


def compile_transcription(transcriber: RecordingTranscriber) -> None:
    """Compiles what a transcriber needs, or waits for the process that does."""
    compile_once("transcription", lambda: list(transcriber.transcribe_many(_sources())))


def _sources() -> Iterator[Source]:
    """Plucked notes on a beat, in stereo and in mono, at two rates."""
    for sample_rate, num_channels in ((44_100, 2), (48_000, 1)):
        seconds = np.arange(round(_DURATION_S * sample_rate)) / sample_rate
        pitch = 60 + np.array([0, 4, 7, 12])[(seconds / _BEAT_S).astype(np.int64) % 4]
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * seconds) * np.exp(-6 * (seconds % _BEAT_S))
        waveform = np.tile(0.5 * tone, (num_channels, 1)).astype(np.float32)
        yield Source("warm-up.flac", io.BytesIO(encode(waveform, sample_rate=sample_rate)))
