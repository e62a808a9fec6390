"""Rendered audio degraded: reverb, overload, noise. Effects without duration are applied to levels instead."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE, FLOOR_DB, NUM_BINS, SAMPLE_RATE

Mono = npt.NDArray[np.float32]
FULL_DB = 6.0  # the highest level that a byte holds
_STEPS_PER_DB = 255 / (FULL_DB - FLOOR_DB)


def with_reverb(signal: Mono, random: np.random.Generator) -> Mono:
    """The signal with a randomly drawn reverb, of the same length: noise that decays, treble first."""
    decay_s, wet_db, delay_s = random.uniform(0.25, 1.8), random.uniform(-22, -5), random.uniform(0.003, 0.03)
    num_samples = round(decay_s * SAMPLE_RATE)
    time_s = np.arange(num_samples) / SAMPLE_RATE
    noise = random.standard_normal(num_samples) * np.exp(-np.log(10**3) * time_s / decay_s)
    noise[: round(delay_s * SAMPLE_RATE)] = 0.0
    size = scipy.fft.next_fast_len(len(signal) + num_samples, real=True)
    hz = scipy.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    response = scipy.fft.rfft(noise / np.sqrt((noise**2).sum()), size)
    response *= 10 ** (wet_db / 20) / (1 + (hz / random.uniform(2500, 9000)) ** 2) * (hz**2 / (hz**2 + 120.0**2))
    answer = scipy.fft.irfft(scipy.fft.rfft(signal, size) * (1 + response), size)[: len(signal)]
    return np.asarray(answer, dtype=np.float32)


def overdriven(signal: Mono, random: np.random.Generator) -> Mono:
    """The signal through a soft limiter, as loud as before: peaks lose 1 to 12 dB."""
    peak = float(np.abs(signal).max()) + 1e-9
    drive = 10 ** (random.uniform(1, 12) / 20) / peak
    return np.asarray(np.tanh(signal * drive) / drive, dtype=np.float32)


def compressed(signal: Mono, random: np.random.Generator) -> Mono:
    """The signal through a compressor: above a randomly drawn threshold, level rises a half to an eighth as fast."""
    block = SAMPLE_RATE // 200
    power = np.add.reduceat(signal.astype(np.float64) ** 2, np.arange(0, len(signal), block)) / block
    smoothing = float(np.exp(-1 / (200 * random.uniform(0.02, 0.2))))
    smooth = scipy.signal.lfilter([1 - smoothing], [1, -smoothing], power)
    level_db = 10 * np.log10(smooth + 1e-12)
    above_db = np.maximum(level_db - (level_db.max() - random.uniform(6, 20)), 0.0)
    gain_db = -above_db * (1 - 1 / random.uniform(2, 8))
    gains = np.interp(np.arange(len(signal)), np.arange(len(power)) * block, 10 ** (gain_db / 20))
    return np.asarray(signal * gains, dtype=np.float32)


def at_loudness(signal: Mono, level_db: float) -> Mono:
    """The signal at a root mean square of so many dB under full scale; silence stays silence."""
    rms = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))
    return signal if rms < 1e-7 else np.asarray(signal * np.float32(10 ** (level_db / 20) / rms))


def to_bytes(levels_db: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Levels of FLOOR_DB..FULL_DB in steps of 0.42 dB: uint8, same shape."""
    steps: npt.NDArray[np.uint8] = np.clip(np.rint((levels_db - FLOOR_DB) * _STEPS_PER_DB), 0, 255).astype(np.uint8)
    return steps


def to_power(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Squared magnitudes of levels that `to_bytes` gave: float32, same shape."""
    return _POWER_OF_BYTE[levels]


_POWER_OF_BYTE = (10 ** ((np.arange(256) / _STEPS_PER_DB + FLOOR_DB) / 10)).astype(np.float32)
_POWER_OF_BYTE[0] = 0.0


def equaliser_db(random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Gains of a smooth equaliser, a few bends over ten octaves, some with a steep end: float32 [NUM_BINS]."""
    num_knots = int(random.integers(3, 9))
    knots = random.normal(0.0, random.uniform(0.5, 5.0), num_knots)
    place = np.linspace(0, num_knots - 1, NUM_BINS)
    gains = np.interp(place, np.arange(num_knots), knots)
    bins = np.arange(NUM_BINS) / (12 * BINS_PER_SEMITONE)  # octaves
    if random.random() < 0.15:
        gains -= np.clip(random.uniform(0.5, 2.5) - bins, 0, None) * random.uniform(6, 24)  # a small loudspeaker
    if random.random() < 0.2:
        gains -= np.clip(bins - random.uniform(6, 8.5), 0, None) * random.uniform(10, 60)  # a low-pass, a poor codec
    return np.asarray(gains, dtype=np.float32)


def noise_power(num_frames: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Squared magnitudes of steady coloured noise, exponentially distributed: float32 [F, NUM_BINS]."""
    level_db, tilt_db = random.uniform(-95, -48), random.uniform(-1.5, 4.5)  # at the middle; per octave
    octaves = (np.arange(NUM_BINS) - NUM_BINS / 2) / (12 * BINS_PER_SEMITONE)
    mean = 10 ** ((level_db + tilt_db * octaves) / 10)
    return (random.standard_exponential((num_frames, NUM_BINS), dtype=np.float32) * mean).astype(np.float32)
