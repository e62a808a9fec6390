"""Audio through a lossy codec and back, at the same sample positions: most recordings were compressed at some time."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from lstm_core.transcription.spectrogram import SAMPLE_RATE

_LONGEST_DELAY = 8192  # samples that encoders and decoders put before the sound, at most


class Codec(NamedTuple):
    container: str
    encoder: str
    bit_rate: int
    sample_rate: int


CODECS = (
    Codec("mp3", "libmp3lame", 48_000, 44_100),
    Codec("mp3", "libmp3lame", 96_000, 44_100),
    Codec("mp4", "aac", 48_000, 44_100),
    Codec("ogg", "libopus", 32_000, 48_000),
    Codec("ogg", "libopus", 64_000, 48_000),
)  # of one channel: half of what stereo has


def through_codec(signal: npt.NDArray[np.float32], codec: Codec) -> npt.NDArray[np.float32]:
    """A mono signal at SAMPLE_RATE as it comes back from a file of this codec: the same number of samples, in place.

    What the codec puts before the sound is found by correlation and taken away again.
    """
    if float(np.abs(signal).max(initial=0.0)) < 1e-6:
        return signal
    peak = max(1.0, float(np.abs(signal).max()))  # full scale is the most that a file holds
    raised = scipy.signal.resample_poly(signal / peak, codec.sample_rate // 150, SAMPLE_RATE // 150)
    decoded = _decoded(_encoded(raised.astype(np.float32), codec))
    back = scipy.signal.resample_poly(decoded, SAMPLE_RATE // 150, codec.sample_rate // 150) * peak
    delay = _delay(signal, back)
    back = np.pad(back, (max(-delay, 0), len(signal) + _LONGEST_DELAY))
    return np.asarray(back[max(delay, 0) :][: len(signal)], dtype=np.float32)


def _encoded(signal: npt.NDArray[np.float32], codec: Codec) -> bytes:
    import av  # only the making of training material needs it

    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream: Any = container.add_stream(codec.encoder, rate=codec.sample_rate, layout="mono")
        stream.bit_rate = codec.bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(signal[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = codec.sample_rate, 0
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=codec.sample_rate)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def _decoded(data: bytes) -> npt.NDArray[np.float32]:
    import av

    parts = []
    with av.open(io.BytesIO(data), "r") as container:
        resampler = av.AudioResampler(format="fltp", layout="mono")
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def _delay(signal: npt.NDArray[np.float32], back: npt.NDArray[np.float32]) -> int:
    """Samples by which `back` is late, by the highest of their correlation."""
    size = scipy.fft.next_fast_len(len(signal) + len(back), real=True)
    product = scipy.fft.rfft(back, size) * np.conj(scipy.fft.rfft(signal, size))
    correlation = scipy.fft.irfft(product, size)
    lags = np.concatenate([correlation[: _LONGEST_DELAY + 1], correlation[-_LONGEST_DELAY:]])
    at = int(np.argmax(lags))
    return at if at <= _LONGEST_DELAY else at - len(lags)
