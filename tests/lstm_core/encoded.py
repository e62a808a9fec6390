"""Files of every codec, made from waveforms with FFmpeg."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Format:
    container: str
    codec: str
    sample_format: str
    bit_rate: int | None = None
    rate: int = 44100
    options: tuple[tuple[str, str], ...] = ()


FORMATS = {
    "wav": Format(container="wav", codec="pcm_s16le", sample_format="s16"),
    "wav24": Format(container="wav", codec="pcm_s24le", sample_format="s32"),
    "wav_float": Format(container="wav", codec="pcm_f32le", sample_format="flt"),
    "aiff": Format(container="aiff", codec="pcm_s16be", sample_format="s16"),
    "flac": Format(container="flac", codec="flac", sample_format="s16"),
    "mp3": Format(container="mp3", codec="libmp3lame", sample_format="fltp", bit_rate=128_000),
    "vorbis": Format(
        container="ogg", codec="vorbis", sample_format="fltp", bit_rate=128_000, options=(("strict", "-2"),)
    ),
    "opus": Format(container="ogg", codec="libopus", sample_format="flt", bit_rate=96_000, rate=48000),
    "m4a": Format(container="ipod", codec="aac", sample_format="fltp", bit_rate=128_000),
    "alac": Format(container="ipod", codec="alac", sample_format="s16p"),
    "wma": Format(container="asf", codec="wmav2", sample_format="fltp", bit_rate=128_000),
}


def encode(
    waveform: np.ndarray,
    name: str,
    *,
    sample_rate: int | None = None,
    bit_rate: int | None = None,
    layout: str | None = None,
    tags: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file of float32 [C, S] in the named format; its rate is the waveform's, Opus must be given 48 kHz."""
    form = FORMATS[name]
    rate = sample_rate or form.rate
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(waveform)]
    target = io.BytesIO()
    with av.open(target, "w", format=form.container, options=options or {}) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(form.codec, rate=rate, options=dict(form.options))
        stream.codec_context.layout = layout
        stream.codec_context.format = form.sample_format
        if bit_rate or form.bit_rate:
            stream.codec_context.bit_rate = bit_rate or form.bit_rate
        resampler = av.AudioResampler(format=form.sample_format, layout=layout, rate=rate)
        for first in range(0, waveform.shape[1], 65536):
            part = np.ascontiguousarray(waveform[:, first : first + 65536].T, dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return target.getvalue()
