"""Degraded audio keeps its position and its loudness."""

import numpy as np
import pytest

from lstm_core.transcriber_training.codecs import CODECS, Codec, through_codec
from lstm_core.transcriber_training.realism import (
    at_loudness,
    compressed,
    equaliser_db,
    noise_power,
    overdriven,
    to_bytes,
    to_power,
    with_reverb,
)
from lstm_core.transcription.spectrogram import NUM_BINS, SAMPLE_RATE


def plucks() -> np.ndarray:
    """Five decaying tones, one every 0.3 s, louder and louder."""
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    signal = np.zeros_like(time_s)
    for i in range(5):
        since = time_s - 0.2 - 0.3 * i
        tone = np.sin(2 * np.pi * 330 * 1.2**i * since) * np.exp(-12 * np.abs(since))
        signal += np.where(since >= 0, (0.1 + 0.1 * i) * tone, 0)
    return signal.astype(np.float32)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.encoder}-{codec.bit_rate}")
def test_codecs_leave_sound_where_it_was(codec: Codec):
    signal = plucks()
    back = through_codec(signal, codec)
    assert back.shape == signal.shape and back.dtype == np.float32
    correlation = np.correlate(back, signal[1000:-1000], mode="valid")
    assert abs(int(correlation.argmax()) - 1000) <= 2
    assert np.corrcoef(signal, back)[0, 1] > 0.95
    assert not np.array_equal(signal, back)


def test_silence_survives_a_codec():
    assert not through_codec(np.zeros(1000, dtype=np.float32), CODECS[0]).any()


def test_reverb_follows_the_sound_and_never_precedes_it():
    click = np.zeros(SAMPLE_RATE, dtype=np.float32)
    click[5000] = 1.0
    degraded = with_reverb(click, np.random.default_rng(0))
    assert np.abs(degraded[:4990]).max() < 1e-3
    assert degraded[5000] == pytest.approx(1.0, abs=0.05)
    assert (degraded[5100:] ** 2).sum() > 1e-3
    assert np.array_equal(degraded, with_reverb(click, np.random.default_rng(0)))


def test_overdrive_and_compression_bring_loud_and_soft_nearer():
    signal = plucks()
    for degrade in (overdriven, compressed):
        degraded = degrade(signal, np.random.default_rng(1))
        loud, soft = (slice(round(start * SAMPLE_RATE), round((start + 0.3) * SAMPLE_RATE)) for start in (1.4, 0.2))
        before, after = ((x[loud] ** 2).mean() / (x[soft] ** 2).mean() for x in (signal, degraded))
        assert after < 0.9 * before
        assert np.corrcoef(signal, degraded)[0, 1] > 0.8


def test_loudness_is_what_was_requested():
    assert np.sqrt((at_loudness(plucks(), -20.0) ** 2).mean()) == pytest.approx(0.1, rel=1e-4)
    assert not at_loudness(np.zeros(10, dtype=np.float32), -20.0).any()


def test_levels_survive_as_bytes():
    levels = np.linspace(-99.0, 5.0, 500, dtype=np.float32)
    back = 10 * np.log10(to_power(to_bytes(levels)))
    assert np.abs(back - levels).max() < 0.22
    assert to_power(to_bytes(np.array([-120.0, -100.0], dtype=np.float32))).tolist() == [0.0, 0.0]


def test_noise_is_exponential_in_power_and_equalisers_are_smooth():
    power = noise_power(4000, np.random.default_rng(0))
    middle = power[:, NUM_BINS // 2]
    assert middle.std() == pytest.approx(middle.mean(), rel=0.1)
    steps = [np.abs(np.diff(equaliser_db(np.random.default_rng(seed)))).max() for seed in range(50)]
    assert max(steps) < 3.0
