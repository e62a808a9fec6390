"""Measures of a recording, each on a signal made for it, and the bounds that refuse."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.quality import QualityMeter, RecordingQuality, check_quality
from lstm_core.sound.loudness import integrated_loudness
from tests.lstm_core.sounds import sine

STEREO = ("FL", "FR")


def measure(
    waveform: np.ndarray, sample_rate: int = 44100, names: tuple[str, ...] = STEREO, chunk: int = 100_000
) -> RecordingQuality:
    meter = QualityMeter(sample_rate, names)
    for first in range(0, waveform.shape[1], chunk):
        meter.add(np.ascontiguousarray(waveform[:, first : first + chunk], dtype=np.float32))
    return meter.finish()


def refusal(waveform: np.ndarray, sample_rate: int = 44100) -> str:
    with pytest.raises(RecordingError) as refused:
        check_quality(measure(waveform, sample_rate))
    assert refused.value.stage == "quality"
    return str(refused.value)


def both(wave: np.ndarray) -> np.ndarray:
    return np.stack([wave, wave]).astype(np.float32)


def noise(seconds: float, slope: float = 0.0) -> np.ndarray:
    """Noise whose power falls by 6 * slope dB per octave, its peak at full scale: float32 [2, S]."""
    size = round(44100 * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(size))
    spectrum[100:] *= (np.arange(100, len(spectrum)) / 100) ** -slope
    spectrum[:100] = 0
    wave = np.fft.irfft(spectrum, size)
    return both(wave / np.abs(wave).max())


def test_a_sine() -> None:
    quality = measure(sine(1000, 5.0))
    check_quality(quality)
    assert quality.duration_s == 5.0
    assert quality.loudness_lufs == integrated_loudness(sine(1000, 5.0), 44100)
    assert quality.sample_peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert quality.brightness_hz == pytest.approx(1000, abs=30)
    assert (quality.silence_share, quality.longest_silence_s, quality.clipped_share) == (0, 0, 0)
    assert quality.dc_offset < 1e-4 and quality.flatness < 0.1 and quality.mono_db == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("chunk", [997, 4410, 65_536])
def test_chunks_change_nothing(chunk: int) -> None:
    waveform = np.clip(np.concatenate([3 * noise(2.0), np.zeros((2, 30_001)), sine(500, 3.0)], axis=1), -1, 1)
    whole, parts = measure(waveform, chunk=10**7), measure(waveform, chunk=chunk)
    for name, value in vars(whole).items():
        assert getattr(parts, name) == pytest.approx(value, rel=1e-6, abs=1e-4), name
    assert parts.loudness_lufs == whole.loudness_lufs == integrated_loudness(waveform.astype(np.float32), 44100)


def test_silence_and_direct_current() -> None:
    assert refusal(np.zeros((2, 88200))) == "is silent: 100.0% of it under -60 dBFS, over 95%"
    dither = both(np.random.default_rng(0).integers(-1, 2, 88200) / 32768)
    assert "is silent: 100.0%" in refusal(dither)
    current = "is direct current alone: a constant 0.300 of full scale, no sound above -60 dBFS"
    assert refusal(np.full((2, 88200), 0.3)) == current
    quality = measure(sine(500, 3.0, level=0.3) + np.float32(0.1))
    assert quality.dc_offset == pytest.approx(0.1, abs=1e-3)
    check_quality(quality)


def test_share_and_length_of_silence() -> None:
    rest = np.zeros((2, 44100 * 2), dtype=np.float32)
    waveform = np.concatenate([sine(500, 3.0), rest, sine(500, 1.0), rest[:, :44100], sine(500, 3.0)], axis=1)
    quality = measure(waveform)
    assert quality.silence_share == pytest.approx(0.3, abs=0.01)
    assert quality.longest_silence_s == pytest.approx(2.0, abs=0.051)
    check_quality(quality)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_noise_of_any_slope_is_refused(slope: float) -> None:
    assert "is noise: spectral flatness 0.5" in refusal(noise(3.0, slope))


def test_clipping_is_counted_in_runs_at_full_scale() -> None:
    loud = np.clip(sine(200, 3.0, level=1.2), -1, 1)
    share = 1 - 2 / np.pi * np.arcsin(1 / 1.2)
    quality = measure(loud)
    assert quality.clipped_share == pytest.approx(share, abs=0.01)
    assert f"is clipped: {quality.clipped_share:.1%} of its samples at full scale, over 5%" == refusal(loud)
    single = sine(200, 3.0)
    single[:, ::100] = 1.0
    single[:, 1::100] = 1.0
    assert measure(single).clipped_share == 0  # two in a row are a peak


def test_channels_that_cancel_are_refused() -> None:
    wave = sine(500, 3.0)
    wave[1] *= -0.99
    assert refusal(wave).startswith("cancels itself: its mono mix lies 4")
    independent = sine(500, 3.0)
    independent[1] = sine(733, 3.0)[0]
    assert measure(independent).mono_db == pytest.approx(-3.0, abs=0.05)


def test_too_short() -> None:
    assert refusal(sine(500, 0.5)) == "lasts 0.500 s, under 1 s"


def test_surround_counts_as_the_recommendation_says_and_low_effects_not_at_all() -> None:
    names = ("FL", "FR", "FC", "LFE", "SL", "SR")
    front = measure(sine(1000, 3.0)[:1], names=("FC",)).loudness_lufs
    for place, extra in ((0, 0.0), (2, 0.0), (4, 1.49), (3, -np.inf)):
        waveform = np.zeros((6, 3 * 44100), dtype=np.float32)
        waveform[place] = sine(1000, 3.0)[0]
        assert measure(waveform, names=names).loudness_lufs == pytest.approx(front + extra, abs=0.01)


@pytest.mark.parametrize("rate", [8000, 22050, 192_000])
def test_rates(rate: int) -> None:
    quality = measure(sine(1000, 3.0, sample_rate=rate), rate)
    check_quality(quality)
    assert quality.loudness_lufs == pytest.approx(-6.02 - 0.0, abs=0.15)
    assert quality.brightness_hz == pytest.approx(1000, rel=0.08)
