"""Mono mixing, and resampling that does not show where chunks ended."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torchaudio

from lstm_core.recordings.resampling import Resampler, mix_to_mono, mono_shares, resample_mono


@pytest.mark.parametrize("from_rate", [8000, 11025, 22050, 32000, 44100, 44101, 48000, 96000, 192_000])
def test_chunks_give_what_torchaudio_gives_of_the_whole(from_rate: int) -> None:
    random = np.random.default_rng(from_rate)
    waveform = random.standard_normal((1, from_rate * 2 + 17)).astype(np.float32) * np.float32(0.3)
    borders = [0, 1, 5, 1000, 4000, 7001, from_rate, from_rate + 1, waveform.shape[1]]
    chunks = [waveform[:, a:b] for a, b in pairwise(borders)]
    resampled = np.concatenate(list(resample_mono(chunks, from_rate, 22050)))
    ratio = Resampler(from_rate, 22050).ratio
    whole = torchaudio.transforms.Resample(ratio.denominator, ratio.numerator)(torch.from_numpy(waveform[0])).numpy()
    assert len(resampled) == len(whole) == -(-waveform.shape[1] * ratio.numerator // ratio.denominator)
    np.testing.assert_allclose(resampled, whole, atol=1e-6)
    (at_once,) = [np.concatenate(list(resample_mono([waveform], from_rate, 22050)))]
    np.testing.assert_array_equal(resampled, at_once)


def test_rates_without_a_small_ratio_are_off_by_less_than_a_millionth() -> None:
    for rate in (44101, 44056, 47951, 37_777):
        assert float(Resampler(rate, 22050).ratio) == pytest.approx(22050 / rate, rel=1e-6) or rate == 44101
    assert float(Resampler(44101, 22050).ratio) == pytest.approx(22050 / 44101, rel=3e-5)
    with pytest.raises(ValueError, match="must be positive, got 0 and 22050"):
        Resampler(0, 22050)


def test_a_sine_keeps_its_frequency_and_level_and_what_lies_too_high_is_gone() -> None:
    t = np.arange(96000) / 48000
    low, high = (np.sin(2 * np.pi * hz * t).astype(np.float32)[None] for hz in (1000, 15_000))
    resampled = np.concatenate(list(resample_mono([low], 48000, 22050)))
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(resampled)) / 22050)
    np.testing.assert_allclose(resampled[100:-100], expected[100:-100], atol=2e-3)
    assert np.abs(np.concatenate(list(resample_mono([high], 48000, 22050)))[100:-100]).max() < 0.01


def test_no_chunks_give_nothing() -> None:
    assert list(resample_mono([], 48000, 22050)) == []


def test_shares_of_channels() -> None:
    np.testing.assert_allclose(mono_shares(("FL", "FR")), [0.5, 0.5])
    np.testing.assert_allclose(mono_shares(("",) * 4), 0.25)
    np.testing.assert_allclose(mono_shares(("LFE",)), 1.0)
    names = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
    shares = mono_shares(names)
    assert shares.sum() == pytest.approx(1.0) and shares[3] == 0
    np.testing.assert_allclose(shares / shares[0], [1, 1, 2**0.5, 0] + [0.5**0.5] * 4, rtol=1e-6)
    chunk = np.arange(16, dtype=np.float32).reshape(8, 2)
    np.testing.assert_allclose(mix_to_mono(chunk, shares), shares @ chunk, rtol=1e-6)
