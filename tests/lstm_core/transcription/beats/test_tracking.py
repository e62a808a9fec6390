"""Beats are tracked in activations made from known beat times, and held against those."""

from __future__ import annotations

import mir_eval
import numpy as np
import numpy.typing as npt
import pytest

from lstm_core.transcription.beats.network import TEMPI_BPM
from lstm_core.transcription.beats.tracking import Beats, BeatSettings, track_beats
from tests.lstm_core.imperfect_transcription import activations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def played(
    bpm: float, num_beats: int, meter: int, *, seed: int, drift: float = 0.0, pickup: int = 0
) -> tuple[Floats, Ints]:
    """Times and places of beats whose tempo swings by a share, each beat 10 ms astray."""
    random = np.random.default_rng(seed)
    index = np.arange(num_beats)
    intervals = 60.0 / bpm * (1.0 + drift * np.sin(index / 20.0))
    times_s = 1.0 + np.cumsum(intervals) - intervals[0] + random.normal(0.0, 0.008, num_beats)
    return times_s, (index - pickup) % meter


def tracked(
    times_s: Floats, places: Ints, *, seed: int, frame_rate: float = 62.5, missing: float = 0.1, extra: float = 0.3
) -> Beats:
    found = activations(
        times_s,
        places,
        duration_s=float(times_s[-1]) + 2.0,
        random=np.random.default_rng(seed),
        frame_rate=frame_rate,
        missing=missing,
        extra=extra,
        noise=0.04,
    )
    return track_beats(found, frame_rate)


@pytest.mark.parametrize("meter", [2, 3, 4])
@pytest.mark.parametrize("bpm", [58.0, 84.0, 121.0, 167.0, 208.0])
def test_beats_survive_noise_missing_and_extra_peaks_and_drift(meter: int, bpm: float) -> None:
    """Every tenth beat missing, a third as many false ones, tempo swinging by 8 %."""
    times_s, places = played(bpm, 140, meter, seed=meter, drift=0.08, pickup=1)
    beats = tracked(times_s, places, seed=int(bpm))
    assert beats.has_beat and beats.meter == meter
    assert mir_eval.beat.f_measure(times_s, beats.times_s) > 0.95
    assert mir_eval.beat.f_measure(times_s[places == 0], beats.times_s[beats.places == 0]) > 0.95
    assert beats.bpm == pytest.approx(60.0 / np.median(np.diff(times_s)), rel=0.02)


@pytest.mark.parametrize("frame_rate", [31.25, 50.0, 86.1, 100.0])
def test_the_frame_rate_does_not_matter(frame_rate: float) -> None:
    times_s, places = played(132.0, 120, 4, seed=1)
    beats = tracked(times_s, places, seed=2, frame_rate=frame_rate)
    assert mir_eval.beat.f_measure(times_s, beats.times_s) > 0.97
    assert beats.meter == 4 and beats.bpm == pytest.approx(132.0, rel=0.02)


def test_a_long_piece_is_tracked_across_segments() -> None:
    """Ten minutes are several segments: no beat is lost or doubled, and no bar broken, where they meet."""
    times_s, places = played(118.0, 1180, 3, seed=5, drift=0.05)
    beats = tracked(times_s, places, seed=6, extra=0.1)
    assert len(beats.times_s) == pytest.approx(1180, abs=2)
    assert np.diff(beats.times_s).min() > 0.35 and np.diff(beats.times_s).max() < 0.68
    assert (np.diff(beats.places) % 3 == 1).all()
    assert mir_eval.beat.f_measure(times_s[places == 0], beats.times_s[beats.places == 0]) > 0.98


def test_a_pause_is_bridged_or_restarted() -> None:
    first, places = played(120.0, 64, 4, seed=7)
    times_s = np.concatenate([first, first + first[-1] + 60.0])
    beats = tracked(times_s, np.concatenate([places, places]), seed=8, missing=0.0, extra=0.0)
    for start, stop in ((0.0, first[-1] + 0.3), (first[-1] + 60.0, times_s[-1] + 1.0)):
        inside = times_s[(times_s >= start) & (times_s <= stop)]
        found = beats.times_s[(beats.times_s >= start) & (beats.times_s <= stop)]
        assert (
            mir_eval.beat.f_measure(
                inside,
                found,
            )
            > 0.95
        )


def test_a_change_of_tempo_is_followed() -> None:
    """A new section at another tempo from one bar to the next."""
    slow, fast = 60.0 / 90.0 * np.arange(48), 60.0 / 140.0 * np.arange(1, 81)
    times_s = 0.5 + np.concatenate([slow, slow[-1] + fast])
    beats = tracked(times_s, np.arange(128) % 4, seed=9, missing=0.0, extra=0.05)
    assert beats.has_beat and mir_eval.beat.f_measure(times_s, beats.times_s) > 0.95


@pytest.mark.parametrize("height", [0.25, 0.3])
def test_a_steady_beat_may_be_faint(height: float) -> None:
    """A network that is young or unsure never says more than 0.25 or 0.3, but says it at the right times."""
    times_s, places = played(124.0, 120, 4, seed=1)
    found = activations(times_s, places, duration_s=62.0, random=np.random.default_rng(2), missing=0.1, extra=0.1)
    beats = track_beats(height * found, 62.5)
    assert beats.has_beat and beats.strength < 0.46
    assert mir_eval.beat.f_measure(times_s, beats.times_s) > 0.95


@pytest.mark.parametrize("bpm", [76.0, 152.0])
def test_the_transcribed_tempo_decides_between_a_beat_and_its_half(bpm: float) -> None:
    """Beats and what lies half-way between them are equally loud."""
    times_s, places = played(152.0, 120, 4, seed=3)
    found = activations(times_s, 0 * places + 1, duration_s=50.0, random=np.random.default_rng(4))
    tempo = np.exp(-0.5 * ((np.arange(len(TEMPI_BPM)) - np.abs(TEMPI_BPM - bpm).argmin()) / 2.0) ** 2)
    beats = track_beats(found, 62.5, tempo=np.tile(tempo / tempo.sum(), (50, 1)).astype(np.float32))
    assert beats.has_beat and beats.bpm == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_noise_has_no_beat(noise: float) -> None:
    random = np.random.default_rng(1)
    beats = track_beats(np.abs(random.normal(0.0, noise, (6000, 2))).clip(0, 1).astype(np.float32), 62.5)
    assert not beats.has_beat and beats.strength < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_peaks_at_random_have_no_beat(seed: int) -> None:
    times_s = np.sort(np.random.default_rng(seed).uniform(0.0, 100.0, 200))
    assert not tracked(times_s, np.arange(200) % 4, seed=seed, missing=0.0, extra=0.0).has_beat


def test_rubato_is_recognised_by_its_unsteadiness() -> None:
    """Clear beats whose tempo wanders by a fifth from bar to bar; the same beats played evenly are steady."""
    random = np.random.default_rng(3)
    wander = np.zeros(200)
    for i in range(1, 200):
        wander[i] = 0.8 * wander[i - 1] + random.normal(0.0, 0.22)
    free = tracked(np.cumsum(0.5 * np.exp(np.clip(wander, -0.6, 0.8))), np.arange(200) % 4, seed=4, missing=0, extra=0)
    even = tracked(0.5 * np.arange(1, 201), np.arange(200) % 4, seed=4, missing=0, extra=0)
    assert not free.has_beat and free.unsteadiness > 0.085
    assert even.has_beat and even.unsteadiness < 0.02


def test_equal_input_equal_beats() -> None:
    times_s, places = played(101.0, 60, 4, seed=1)
    one, two = (tracked(times_s, places, seed=2) for _ in range(2))
    assert np.array_equal(one.times_s, two.times_s) and one.strength == two.strength


@pytest.mark.parametrize("num_frames", [0, 1, 5, 40])
def test_hardly_any_frames(num_frames: int) -> None:
    beats = track_beats(np.full((num_frames, 2), 0.5, dtype=np.float32), 62.5)
    assert not beats.has_beat


def test_impossible_settings_and_shapes() -> None:
    with pytest.raises(ValueError, match="tempi go from 100"):
        BeatSettings(min_bpm=100.0, max_bpm=90.0)
    with pytest.raises(ValueError, match=r"\[F, 2\], got an array of shape \(5,\)"):
        track_beats(np.zeros(5, dtype=np.float32), 62.5)
