"""Layers of a master: what fades between them reach, what they hold, and how they lie beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from scipy.signal import resample_poly

from lstm_core.notes.score import DRUMS, Score, cut_score
from lstm_core.sound import levelling
from lstm_core.sound.audio import Waveform
from lstm_core.sound.layers.fades import fade_peak_dbtp, fade_peaks
from lstm_core.sound.loops.joining import joined_peak_dbtp
from lstm_core.sound.loudness import tile_peaks, true_peak_dbtp
from lstm_core.sound.mastering import Intro, LayerStems, Master, MasterSettings, master
from lstm_core.sound.synth import END_FADE_S, render_stems
from tests.lstm_core.sounds import bundled_soundfont, ffmpeg_measures, sine, six_parts

RATE = 44100
ADDED = ((48, 89), (33, 0), (DRUMS, 73))  # programs that each layer adds: pads, then bass and piano, then the rest
EQUAL_POWER = [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, np.pi / 2, 5)]
EQUAL_GAIN = [(share, 1 - share) for share in (0.3, 0.6)]
FADES = EQUAL_POWER + EQUAL_GAIN


def rendered(score: Score, num_samples: int, tail_s: float) -> list[dict[str, Waveform]]:
    """Stems of what each layer adds."""
    parts = [Score(notes=score.notes[np.isin(score.notes["program"], own)], tempos=score.tempos) for own in ADDED]
    return [render_stems(part, bundled_soundfont(), num_samples=num_samples, tail_s=tail_s) for part in parts]


def layered(*, loop: bool = True, intro_bars: int = 0, keep_stems: bool = False, **settings: object) -> Master:
    """Four bars of six parts in three layers, a bar of them as an intro if asked for."""
    start, num_samples = 2 * RATE * intro_bars, 8 * RATE
    before, body = cut_score(six_parts(4), 96 * intro_bars)
    added, intros = rendered(body, num_samples - start, 2.0), [{}, {}, {}]
    if intro_bars:
        intros = rendered(before, start, END_FADE_S)
    layers = [LayerStems(stems=stems, intro=intro) for stems, intro in zip(added, intros, strict=True)]
    intro_stems = {name: stem for stems in intros for name, stem in stems.items()}
    return master(
        {name: stem for stems in added for name, stem in stems.items()},
        num_samples=num_samples,
        loop=loop,
        seed=3,
        settings=MasterSettings(**settings),
        keep_stems=keep_stems,
        intro=Intro(stems=intro_stems, num_samples=start) if intro_bars else None,
        layers=layers,
    )


def highest_fade(layers: Sequence[Waveform]) -> float:
    """True peak in dBTP of fades between layers that go round, by another interpolation than ours."""
    around = [np.concatenate([layer[:, -200:], layer, layer[:, :200]], axis=1) for layer in layers]
    fine = [resample_poly(waveform.astype(np.float64), 4, 1, axis=1) for waveform in around]
    peaks = [np.abs(a * one + b * other).max() for one, other in combinations(fine, 2) for a, b in FADES]
    return float(20 * np.log10(max(peaks)))


def test_no_fade_between_two_layers_exceeds_the_true_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limiter that looked at the layers one by one would let fades of equal power clip."""
    made = layered(loudness_lufs=-10.0)
    assert abs(made.loudness_lufs + 10.0) <= 0.2 and len(made.layers) == 3
    assert highest_fade(made.layers) <= -1.0
    assert highest_fade(made.layers) <= fade_peak_dbtp(made.layers, is_loop=True) + 0.1, "which is what the gate bounds"
    halves = [np.sqrt(np.float32(0.5)) * (one + other) for one, other in combinations(made.layers, 2)]
    assert max(ffmpeg_measures(half, RATE)[1] for half in halves) <= -1.0
    monkeypatch.setattr(levelling, "fade_peaks", lambda layers, is_loop: tile_peaks(layers[-1], 0.0, is_loop=is_loop))
    assert highest_fade(layered(loudness_lufs=-10.0).layers) > 0.0


@pytest.mark.parametrize("intro_bars", [0, 1])
def test_layers_hold_the_stems_that_they_are_made_of(intro_bars: int) -> None:
    """In float nothing is rounded: each layer is the sum of its stems, and the last one is the master."""
    made = layered(intro_bars=intro_bars, keep_stems=True, format="wav", bit_depth=32, loudness_lufs=-12.0)
    assert made.limited_db > 0.5
    families = [["ensemble", "pad"], ["bass", "piano"], ["drums", "pipe"]]
    for number, layer in enumerate(made.layers):
        own = [made.stems[name] for added in families[: number + 1] for name in added]
        assert layer.shape == made.waveform.shape == (2, 8 * RATE)
        np.testing.assert_allclose(layer, sum(own), atol=2e-6)
    np.testing.assert_array_equal(made.layers[-1], made.waveform)


def test_layers_of_16_bits_have_noise_of_their_own_and_lie_on_the_grid() -> None:
    made = layered()
    np.testing.assert_array_equal(made.layers[-1], made.waveform)
    for layer in made.layers:
        np.testing.assert_array_equal(layer, np.rint(layer * 32768) / 32768)
    exact = layered(format="wav", bit_depth=32).layers
    noises = [dithered - layer for dithered, layer in zip(made.layers, exact, strict=True)]
    assert max(float(np.abs(noise).max()) for noise in noises) <= 1.6 / 32768
    assert abs(np.corrcoef(noises[0][0], noises[1][0])[0, 1]) < 0.02


def test_a_track_that_ends_fades_in_all_layers_alike() -> None:
    made = layered(loop=False, loudness_lufs=-20.0)
    assert all(not layer[:, -1].any() for layer in made.layers)
    peak = max(true_peak_dbtp(np.sqrt(0.5) * (one + other)) for one, other in combinations(made.layers, 2))
    assert peak <= fade_peak_dbtp(made.layers, is_loop=False) + 0.05 <= -1.0


def test_fades_of_an_intro_are_kept_too() -> None:
    made = layered(intro_bars=1, loudness_lufs=-12.0)
    measured = partial(joined_peak_dbtp, loop_start=2 * RATE)
    assert max(measured(np.sqrt(0.5) * (a + b)) for a, b in combinations(made.layers, 2)) <= -1.0
    assert fade_peak_dbtp(made.layers, is_loop=True, loop_start=2 * RATE) <= -1.0


def test_the_peak_of_a_fade_is_the_root_of_both_squares() -> None:
    """Of two equal layers and a softer one the fade between the equal ones is 3 dB higher than each."""
    one, soft = sine(500.0, 0.2, level=0.5), sine(500.0, 0.2, level=0.1)
    peaks = fade_peaks([one, soft, one], is_loop=False)
    np.testing.assert_allclose(peaks.max(), 0.5 * np.sqrt(2), rtol=1e-3)
    assert abs(fade_peak_dbtp([soft, one], is_loop=False) - 20 * np.log10(np.hypot(0.5, 0.1))) < 0.02
    assert fade_peak_dbtp([np.zeros((2, 500), dtype=np.float32)] * 2, is_loop=True) == -np.inf


def test_a_master_without_layers_has_none() -> None:
    stems = rendered(six_parts(2), 4 * RATE, 1.0)[1]
    made = master(stems, num_samples=4 * RATE, loop=True, seed=1, settings=MasterSettings())
    assert made.layers == ()


def test_silence_has_silent_layers() -> None:
    quiet = {"piano": np.zeros((2, 6 * RATE), dtype=np.float32)}
    layers = [LayerStems(stems=quiet), LayerStems(stems={})]
    made = master(quiet, num_samples=5 * RATE, loop=True, seed=1, settings=MasterSettings(), layers=layers)
    assert len(made.layers) == 2 and not any(layer.any() for layer in made.layers)
