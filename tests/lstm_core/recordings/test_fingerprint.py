"""Fingerprints find the same recording again across codecs, and no other."""

from __future__ import annotations

import io

import numpy as np
import pytest

from lstm_core.blocks.duplicates import RECORDING_THRESHOLD, group_duplicates, signature
from lstm_core.blocks.signatures import in_file
from lstm_core.foundation.shingles import MAX_SHINGLES, Shingles, jaccard
from lstm_core.recordings.fingerprint import LEAST_WORDS, audio_fingerprint
from lstm_core.recordings.recording import open_recording
from lstm_core.recordings.resampling import resample_mono
from tests.lstm_core.encoded import encode

RATE = 44100


def tune(seed: int, seconds: float = 20.0) -> np.ndarray:
    """Plucked notes with seven partials, three at a time, at random from a scale: float32 [1, S]."""
    random = np.random.default_rng(seed)
    wave = np.zeros(round(RATE * seconds))
    onset = 0.0
    while onset < seconds - 0.7:
        for pitch in random.choice([36, 43, 48, 50, 52, 55, 57, 60, 62, 64, 67, 69, 72, 76], 3, replace=False):
            t = np.arange(round(0.7 * RATE)) / RATE
            hz = 440 * 2 ** ((pitch - 69) / 12)
            first = round(onset * RATE)
            note = sum(np.sin(2 * np.pi * hz * k * t) / k**0.8 for k in range(1, 8)) * np.exp(-5 * t)
            wave[first : first + len(t)] += random.uniform(0.3, 1) * note
        onset += random.choice([0.125, 0.25, 0.5])
    return (0.7 * wave / np.abs(wave).max()).astype(np.float32)[None]


def decoded(data: bytes) -> Shingles:
    with open_recording(io.BytesIO(data)) as recording:
        facts = recording.facts
        return audio_fingerprint(resample_mono(recording.chunks(), facts.sample_rate, 22050), 22050)


def at_rate(waveform: np.ndarray, rate: int) -> np.ndarray:
    return np.concatenate(list(resample_mono([waveform], RATE, rate)))[None]


@pytest.fixture(scope="module")
def versions() -> dict[tuple[int, str], Shingles]:
    found = {}
    for seed in range(3):
        wave = tune(seed)
        files = {
            "wav": encode(wave, "wav"),
            "mp3_64": encode(wave, "mp3", bit_rate=64_000),
            "opus_48": encode(at_rate(wave, 48000), "opus", bit_rate=48_000),
            "aac_96": encode(wave, "m4a", bit_rate=96_000),
            "wma_96": encode(wave, "wma", bit_rate=96_000),
            "22 kHz": encode(at_rate(wave, 22050), "wav", sample_rate=22050),
            "quiet, 37 ms later": encode(0.2 * wave[:, round(0.037 * RATE) :], "flac"),
            "1.2 s later": encode(wave[:, round(1.2 * RATE) :], "mp3", bit_rate=96_000),
        }
        found |= {(seed, name): decoded(data) for name, data in files.items()}
    return found


@pytest.mark.slow
def test_versions_of_one_piece_are_alike_and_pieces_are_not(versions: dict[tuple[int, str], Shingles]) -> None:
    for (seed, name), shingle_set in versions.items():
        for other in range(3):
            likeness = jaccard(versions[other, "wav"], shingle_set)
            if other == seed:
                assert likeness > 0.3, (name, likeness)
            else:
                assert likeness < 0.1, (name, likeness)
    assert 0.1 < RECORDING_THRESHOLD < 0.3


@pytest.mark.slow
def test_duplicates_are_grouped_as_those_of_scores_are(versions: dict[tuple[int, str], Shingles]) -> None:
    keys = list(versions)
    signatures = np.stack([signature(versions[key]) for key in keys])
    groups = group_duplicates(in_file(signatures), lambda i: versions[keys[i]], RECORDING_THRESHOLD)
    assert groups.tolist() == [keys.index((seed, "wav")) for seed, _ in keys]


def test_chunks_change_nothing() -> None:
    wave = tune(5)[0]
    whole = audio_fingerprint([wave], RATE)
    for size in (1009, 50_000):
        parts = audio_fingerprint((wave[i : i + size] for i in range(0, len(wave), size)), RATE)
        np.testing.assert_array_equal(parts, whole)
    assert whole.dtype == np.uint32 and (np.diff(whole.astype(np.int64)) > 0).all()
    assert LEAST_WORDS <= len(whole) <= MAX_SHINGLES


def test_recordings_with_too_little_to_tell_are_alike_only_if_they_are_equal() -> None:
    t = np.arange(RATE * 5) / RATE
    tones = [(0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32) for hz in (440, 441)]
    silence = np.zeros(RATE * 5, dtype=np.float32)
    short = tune(0)[0, :RATE]
    sets = [audio_fingerprint([wave], RATE) for wave in (*tones, silence, short, tones[0])]
    assert [len(s) for s in sets] == [1] * 5
    assert len({int(s[0]) for s in sets}) == 4 and sets[0] == sets[4]
    assert [len(audio_fingerprint([], RATE))] == [1]
