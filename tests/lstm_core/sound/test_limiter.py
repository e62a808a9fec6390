import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.sound.limiter import ATTACK_S, RELEASE_S, apply_gain, limiting_gain
from lstm_core.sound.loudness import TILE_SAMPLES
from tests.properties import share


@share(0.6)
@given(
    peaks=st.lists(st.floats(0.0, 4.0, width=32), min_size=1, max_size=300),
    ceiling=st.floats(0.1, 1.0),
    is_loop=st.booleans(),
)
def test_no_tile_comes_out_over_the_ceiling(peaks: list[float], ceiling: float, is_loop: bool) -> None:
    tiles = np.array(peaks, dtype=np.float32)
    gain = limiting_gain(tiles, ceiling, 44100, is_loop=is_loop)
    if gain is None:
        assert tiles.max() <= ceiling
        return
    assert gain.max() <= 1 and gain.min() > 0
    assert (tiles * np.maximum(gain[:-1], gain[1:]) <= ceiling * (1 + 1e-5)).all()
    if is_loop:
        assert gain[0] == gain[-1]


def test_only_the_surroundings_of_a_peak_are_touched() -> None:
    tiles = np.full(2000, 0.5, dtype=np.float32)
    tiles[1000] = 1.0
    gain = limiting_gain(tiles, 0.8, 44100, is_loop=False)
    before, after = ATTACK_S * 44100 / TILE_SAMPLES, 8 * RELEASE_S * 44100 / TILE_SAMPLES
    assert gain is not None
    np.testing.assert_allclose(gain[1000:1002], 0.8, atol=1e-6)
    np.testing.assert_array_equal(gain[: int(1000 - before - 2)], 1)
    np.testing.assert_allclose(gain[int(1001 + after) :], 1, atol=1e-3)
    assert np.abs(np.diff(gain)).max() < 0.06  # dB by dB, not at once


def test_a_loop_is_limited_over_its_seam() -> None:
    """Turning a loop round turns its gains round."""
    tiles = np.full(1500, 0.5, dtype=np.float32)
    tiles[[3, 700]] = 1.2, 0.9
    gain = limiting_gain(tiles, 0.8, 44100, is_loop=True)
    turned = limiting_gain(np.roll(tiles, 500), 0.8, 44100, is_loop=True)
    assert gain is not None and turned is not None
    np.testing.assert_allclose(np.roll(gain[:-1], 500), turned[:-1], atol=1e-6)


def test_gain_runs_linearly_between_the_borders_of_tiles() -> None:
    waveform = np.ones((2, 2 * TILE_SAMPLES + 10), dtype=np.float32)
    borders = np.array([1.0, 0.5, 0.75, 0.25], dtype=np.float32)
    at = np.array([0, TILE_SAMPLES, 2 * TILE_SAMPLES, 2 * TILE_SAMPLES + 10])
    expected = 2 * np.interp(np.arange(waveform.shape[1]), at, borders)
    np.testing.assert_allclose(apply_gain(waveform, 2.0, borders), np.stack([expected] * 2), rtol=1e-5)
    np.testing.assert_array_equal(apply_gain(waveform, 2.0, None), 2 * waveform)
