import numpy as np
import pyloudnorm
import pytest
from scipy import signal

from lstm_core.sound import loudness
from lstm_core.sound.loudness import TILE_SAMPLES, integrated_loudness, tile_peaks, true_peak_dbtp
from tests.lstm_core.sounds import ffmpeg_measures, sine


def music(seconds: float, sample_rate: int, seed: int = 0) -> np.ndarray:
    """Band-limited noise under decaying beats, some of them silent: the gates have something to do."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((2, round(seconds * sample_rate)))
    noise = signal.sosfilt(signal.butter(2, [60, 7000], "band", fs=sample_rate, output="sos"), noise, axis=1)
    beat = round(0.5 * sample_rate)
    beats = random.choice([0.0, 0.02, 0.3, 1.0], noise.shape[1] // beat + 1)
    envelope = np.concatenate([level * np.exp(-np.linspace(0, 5, beat)) for level in beats])[: noise.shape[1]]
    return (0.3 * noise * envelope).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_loudness_is_that_of_two_other_meters(sample_rate: int) -> None:
    waveform = music(8, sample_rate)
    found = integrated_loudness(waveform, sample_rate)
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    assert found == pytest.approx(meter.integrated_loudness(waveform.T.astype(np.float64)), abs=0.001)
    assert found == pytest.approx(ffmpeg_measures(waveform, sample_rate)[0], abs=0.02)


def test_the_reference_tone_of_the_standard() -> None:
    """BS.1770: a sine of 997 Hz at full scale in one channel measures -3.01 LUFS."""
    tone = sine(997, 5, level=1.0, sample_rate=48000)
    tone[1] = 0
    assert integrated_loudness(tone, 48000) == pytest.approx(-3.01, abs=0.01)
    assert integrated_loudness(tone[:1], 48000) == pytest.approx(-3.01, abs=0.01)


def test_silence_is_minus_infinity_and_a_short_sound_is_one_block() -> None:
    assert integrated_loudness(np.zeros((2, 44100), dtype=np.float32), 44100) == -np.inf
    assert integrated_loudness(sine(440, 3, level=1e-5), 44100) == -np.inf
    assert integrated_loudness(np.zeros((2, 0), dtype=np.float32), 44100) == -np.inf
    short, long = (integrated_loudness(sine(1000, seconds), 44100) for seconds in (0.2, 5.0))
    assert short == pytest.approx(long, abs=0.2)


def test_a_loop_measures_as_if_it_played_for_ever() -> None:
    waveform = music(4, 44100)
    hop = 4410
    as_loop = integrated_loudness(waveform, 44100, is_loop=True)
    rotated = integrated_loudness(np.roll(waveform, 7 * hop, axis=1), 44100, is_loop=True)
    assert rotated == pytest.approx(as_loop, abs=1e-9)
    assert integrated_loudness(np.tile(waveform, 30), 44100) == pytest.approx(as_loop, abs=0.05)
    tiny = waveform[:, 30000:38000]
    assert integrated_loudness(np.tile(tiny, 60), 44100) == pytest.approx(
        integrated_loudness(tiny, 44100, is_loop=True), abs=0.05
    )


def test_true_peak_lies_between_samples() -> None:
    """A quarter-rate sine sampled at 45 degrees shows samples 3 dB under its peak."""
    at = np.arange(44100)
    wave = np.sin(2 * np.pi * at / 4 + np.pi / 4) * signal.windows.tukey(44100, 0.1)
    waveform = np.stack([0.5 * wave, 0.25 * wave]).astype(np.float32)
    assert np.abs(waveform).max() == pytest.approx(0.5 * np.sqrt(0.5), abs=1e-4)
    assert true_peak_dbtp(waveform) == pytest.approx(20 * np.log10(0.5), abs=0.02)
    assert true_peak_dbtp(np.zeros((2, 1000), dtype=np.float32)) == -np.inf


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_loop", [False, True])
def test_looking_only_where_it_can_be_finds_the_true_peak(seed: int, is_loop: bool) -> None:
    """The same filters everywhere, without any bound, find no higher peak."""
    num_samples = 5000 + 13 * seed
    waveform = np.random.default_rng(seed).standard_normal((2, num_samples)).astype(np.float32)
    if seed == 3:
        waveform[:, 0] = 9  # a peak on the very first sample, whose neighbours are at the end of a loop
    filters, _ = loudness._interpolators()
    half = loudness.TAPS_PER_PHASE // 2
    between = [np.zeros(num_samples)]
    for mode in ("constant", "wrap") if is_loop else ("constant",):
        padded = np.pad(waveform, ((0, 0), (half - 1, half)), mode=mode)
        between += [np.abs(np.stack([np.correlate(c, f, "valid") for f in filters])).max(axis=0) for c in padded]
    everywhere = np.maximum(np.max(between, axis=0), np.abs(waveform).max(axis=0))
    expected = 20 * np.log10(everywhere.max())
    assert true_peak_dbtp(waveform, is_loop=is_loop) == pytest.approx(expected, abs=1e-4)
    tiles = np.maximum.reduceat(everywhere, np.arange(0, num_samples, TILE_SAMPLES))
    found = tile_peaks(waveform, 2.5, is_loop=is_loop)
    np.testing.assert_allclose(found[tiles > 2.5], tiles[tiles > 2.5], rtol=1e-5)
    assert (found <= tiles * (1 + 1e-5)).all()


def test_true_peak_is_that_of_ffmpeg() -> None:
    for seed in range(3):
        waveform = music(3, 44100, seed)
        assert true_peak_dbtp(waveform) == pytest.approx(ffmpeg_measures(waveform, 44100)[1], abs=0.1)
