"""Files of many codecs, written with FFmpeg: for tests, benchmarks and synthetic corpora."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from lstm_core.sound.audio import Waveform

_PIECE_SAMPLES = 65536  # given to FFmpeg at a time
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """Settings of FFmpeg for writing a file."""

    container: str
    codec: str
    suffix: str
    sample_format: str
    bit_rate: int | None = None  # of lossy codecs, in bit/s of two channels
    rate: int = 44100  # Hz; the one that Opus wants is 48,000
    options: tuple[tuple[str, str], ...] = ()  # of the codec


FORMATS = {
    "wav": Format(container="wav", codec="pcm_s16le", suffix=".wav", sample_format="s16"),
    "wav24": Format(container="wav", codec="pcm_s24le", suffix=".wav", sample_format="s32"),
    "wav_float": Format(container="wav", codec="pcm_f32le", suffix=".wav", sample_format="flt"),
    "aiff": Format(container="aiff", codec="pcm_s16be", suffix=".aiff", sample_format="s16"),
    "flac": Format(container="flac", codec="flac", suffix=".flac", sample_format="s16"),
    "mp3": Format(
        container="mp3",
        codec="libmp3lame",
        suffix=".mp3",
        sample_format="fltp",
        bit_rate=128_000,
        options=(("compression_level", "7"),),  # 15 ms of processor time per second of stereo; by default 30
    ),
    "vorbis": Format(
        container="ogg",
        codec="vorbis",
        suffix=".ogg",
        sample_format="fltp",
        bit_rate=128_000,
        options=(("strict", "-2"),),
    ),
    "opus": Format(container="ogg", codec="libopus", suffix=".opus", sample_format="flt", bit_rate=96_000, rate=48000),
    "m4a": Format(container="ipod", codec="aac", suffix=".m4a", sample_format="fltp", bit_rate=128_000),
    "alac": Format(container="ipod", codec="alac", suffix=".m4a", sample_format="s16p"),
    "wma": Format(container="asf", codec="wmav2", suffix=".wma", sample_format="fltp", bit_rate=128_000),
}


def encode(
    waveform: Waveform,
    name: str,
    *,
    sample_rate: int | None = None,
    bit_rate: int | None = None,
    layout: str | None = None,
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A file of a waveform; the same input gives the same bytes.

    Args:
        waveform: float32 [C, S].
        name: of FORMATS.
        sample_rate: of the waveform in Hz, else the format's.
        bit_rate: in place of the format's, in bit/s.
        layout: of the channels as FFmpeg names it, else the usual one for C of 1, 2, 6 or 8.
        tags: title, artist, copyright and the like; WAV and M4A keep those alone that they have a name for.
        options: of the container.
    """
    form = FORMATS[name]
    rate, layout = sample_rate or form.rate, layout or _LAYOUTS[len(waveform)]
    target = io.BytesIO()
    # Without bitexact Ogg has a serial number at random, and M4A the time of writing.
    with av.open(target, "w", format=form.container, options={"fflags": "+bitexact", **(options or {})}) as container:
        container.metadata.update(tags or {})
        stream: Any = container.add_stream(form.codec, rate=rate, options=dict(form.options))
        stream.codec_context.layout = layout
        stream.codec_context.format = form.sample_format
        stream.codec_context.thread_count = 1
        if bit_rate or form.bit_rate:
            stream.codec_context.bit_rate = bit_rate or form.bit_rate
        resampler = av.AudioResampler(format=form.sample_format, layout=layout, rate=rate)
        for first in range(0, waveform.shape[1], _PIECE_SAMPLES):
            part = np.ascontiguousarray(waveform[:, first : first + _PIECE_SAMPLES].T, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return target.getvalue()
