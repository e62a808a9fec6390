"""Known sounds in the right bins at the right times."""

import math

import pytest
import torch

from lstm_core.transcription.spectrogram import (
    BINS_PER_SEMITONE,
    FLOOR_DB,
    HOP_LENGTH,
    LOWEST_PITCH,
    NUM_BINS,
    SAMPLE_RATE,
    Spectrogram,
    bin_pitches,
)


def sine(pitch: float, seconds: float, level: float = 1.0) -> torch.Tensor:
    hz = 440.0 * 2 ** ((pitch - 69) / 12)
    return (level * torch.sin(2 * math.pi * hz * torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE))[None]


def bin_of(pitch: int) -> int:
    return (pitch - LOWEST_PITCH) * BINS_PER_SEMITONE + 1


@pytest.mark.parametrize("pitch", [28, 40, 47, 48, 60, 71, 72, 88, 95, 96, 108])
def test_a_sine_of_full_scale_is_0_db_in_its_own_bin(pitch):
    levels = Spectrogram()(sine(pitch, 2.0))[0, 50]
    assert levels.argmax() == bin_of(pitch)
    assert levels.max() == pytest.approx(0.0, abs=0.3)
    apart = (torch.arange(NUM_BINS) - bin_of(pitch)).abs() > 9
    assert levels[apart].max() < -25


def test_bins_are_thirds_of_semitones():
    assert bin_pitches()[bin_of(69)] == 69
    third = Spectrogram()(sine(69 + 1 / 3, 2.0))[0, 50]
    assert third.argmax() == bin_of(69) + 1


def test_half_the_amplitude_is_6_db_less_and_silence_is_the_floor():
    spectrogram = Spectrogram()
    whole, half = (spectrogram(sine(69, 1.0, level))[0, 25, bin_of(69)] for level in (1.0, 0.5))
    assert float(whole - half) == pytest.approx(6.02, abs=0.01)
    assert spectrogram(torch.zeros(1, SAMPLE_RATE)).max() == pytest.approx(FLOOR_DB, abs=1e-3)


@pytest.mark.parametrize("frame", [20, 33])
def test_a_click_is_in_its_frame_at_all_pitches(frame):
    waveform = torch.zeros(1, SAMPLE_RATE)
    waveform[0, frame * HOP_LENGTH] = 1.0
    levels = Spectrogram()(waveform)[0]
    for pitch in (30, 60, 80, 100, 120):
        assert abs(int(levels[:, bin_of(pitch)].argmax()) - frame) <= (1 if pitch < 48 else 0)


def test_a_stretch_of_frames_is_the_same_as_that_part_of_all():
    torch.manual_seed(0)
    waveform = 0.1 * torch.randn(1, 4 * SAMPLE_RATE)
    spectrogram = Spectrogram()
    whole = spectrogram(waveform)
    assert whole.shape == (1, 200, NUM_BINS)
    first = 64 * HOP_LENGTH  # a multiple of 16 samples
    part = spectrogram(waveform, first=first, num_frames=50)
    torch.testing.assert_close(part, whole[:, 64:114], atol=2e-3, rtol=0)
