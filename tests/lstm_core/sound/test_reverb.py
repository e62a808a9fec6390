import numpy as np
import pytest
from scipy import signal

from lstm_core.sound.reverb import REVERBS, convolve, impulse_response


@pytest.mark.parametrize(("name", "sample_rate"), [("hall", 44100), ("studio", 48000)])
def test_a_reverb_decays_in_its_time_and_faster_in_the_treble(name: str, sample_rate: int) -> None:
    response = impulse_response(name, sample_rate).astype(np.float64)
    np.testing.assert_allclose(np.square(response).sum(axis=1), 1, rtol=1e-5)
    middle_s, treble_s = (_decay_s(response, band, sample_rate) for band in ((600, 1500), (9000, 16000)))
    assert middle_s == pytest.approx(REVERBS[name].decay_s[1], rel=0.2)
    assert treble_s < 0.7 * middle_s


def _decay_s(response: np.ndarray, band: tuple[int, int], sample_rate: int) -> float:
    """Time to -60 dB, from 20 dB of the backward integral (M. Schroeder, 1965)."""
    filtered = signal.sosfiltfilt(signal.butter(4, band, "band", fs=sample_rate, output="sos"), response, axis=1)
    left_over = 10 * np.log10(np.cumsum(np.square(filtered)[:, ::-1], axis=1)[:, ::-1].sum(axis=0))
    start, stop = (np.argmax(left_over < left_over[0] - fallen) for fallen in (5, 25))
    return float(3 * (stop - start) / sample_rate)


@pytest.mark.parametrize("name", sorted(REVERBS))
def test_a_reverb_is_wide_silent_at_first_and_without_bass(name: str) -> None:
    response = impulse_response(name, 44100)
    assert abs(float(response[0] @ response[1])) < 0.15
    delay = round(REVERBS[name].delay_s * 44100)
    assert np.square(response[:, : delay // 2]).sum() < 1e-3
    spectrum = np.square(np.abs(np.fft.rfft(response, axis=1))).mean(axis=0)
    hz = np.fft.rfftfreq(response.shape[1], 1 / 44100)
    assert spectrum[hz < 60].mean() < 0.05 * spectrum[(hz > 500) & (hz < 2000)].mean()


@pytest.mark.parametrize("num_samples", [1, 1000, 100001])
def test_convolution_in_pieces_is_convolution(num_samples: int) -> None:
    random = np.random.default_rng(num_samples)
    dry = random.standard_normal(num_samples).astype(np.float32)
    response = random.standard_normal((2, 9001)).astype(np.float32)
    expected = signal.fftconvolve(dry[None].astype(np.float64), response.astype(np.float64), axes=1)
    found = convolve(dry, response)
    assert found.dtype == np.float32 and found.shape == (2, num_samples + 9000)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.sqrt(num_samples) / 10 + 1e-3)
