import numpy as np
import pytest

from lstm_core.notes.score import Score, make_notes
from lstm_core.sound.loops.seam import measure_seam
from lstm_core.sound.mastering import MasterSettings, master
from lstm_core.sound.synth import render_stems
from tests.lstm_core.sounds import bundled_soundfont, sine, six_parts

NUM_SAMPLES = 8 * 44100


def is_seamless(waveform: np.ndarray) -> bool:
    return all(measure.at_seam <= measure.bound for measure in measure_seam(waveform, 44100))


@pytest.fixture(scope="module")
def stems() -> dict[str, np.ndarray]:
    return render_stems(six_parts(4), bundled_soundfont(), num_samples=NUM_SAMPLES)


def looped(stems: dict[str, np.ndarray]) -> np.ndarray:
    return master(stems, num_samples=NUM_SAMPLES, loop=True, seed=0, settings=MasterSettings()).waveform


def test_a_loop_with_notes_on_its_first_beat_passes(stems: dict[str, np.ndarray]) -> None:
    assert is_seamless(looped(stems))


def test_a_tail_that_was_cut_off_is_found() -> None:
    """A chord that is held into the seam and not struck again on the other side."""
    rows = [(24 * beat, 22, 0, 60 + beat % 5, 80) for beat in range(1, 12)]
    rows += [(288, 94, 89, pitch, 100) for pitch in (48, 55, 64)]
    stems = render_stems(Score(notes=make_notes(rows)), bundled_soundfont(), num_samples=NUM_SAMPLES)
    assert is_seamless(looped(stems))
    cut = {name: stem[:, :NUM_SAMPLES] for name, stem in stems.items()}
    without_reverb = MasterSettings(reverb="none")
    chopped = master(cut, num_samples=NUM_SAMPLES, loop=True, seed=0, settings=without_reverb).waveform
    ends = np.array([onset + duration for onset, duration, *_ in rows]) * 44100 // 48
    for known in (None, ends):
        _, drop = measure_seam(chopped, 44100, known)
        assert drop.at_seam > 2 * drop.bound


def reed(*, release_s: float, wraps: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A loop of 8 s and where its notes end: soft attacks of 0.1 s, hardly a rest, and three notes that end at once."""
    ends = [2.0, 4.7, 8.0]
    waveform = np.zeros(NUM_SAMPLES + 44100)
    for number, (start, end) in enumerate(zip([0.0, 2.1, 4.8], ends, strict=True)):
        times = np.arange(len(waveform)) / 44100 - start
        level = np.clip(times / 0.1, 0, 1) * np.exp(-np.maximum(times + start - end, 0) * 11 / release_s)
        tones = sum(np.sin(2 * np.pi * 220 * (1 + number / 8) * part * times) / part for part in range(1, 12))
        waveform += 0.2 * level * tones
    looped = waveform[:NUM_SAMPLES].copy()
    if wraps:
        looped[:44100] += waveform[NUM_SAMPLES:]
    both = np.stack([looped, looped]).astype(np.float32)
    return both, np.round(np.array(ends) * 44100).astype(np.int64)


def test_a_note_may_end_at_the_seam_as_abruptly_as_elsewhere() -> None:
    """A clarinet's loop was refused in four takes out of four: the seam's drop was held against onsets alone."""
    waveform, ends = reed(release_s=0.02)
    _, unaware = measure_seam(waveform, 44100)
    assert unaware.at_seam > 2 * unaware.bound
    _, drop = measure_seam(waveform, 44100, ends)
    assert drop.at_seam == unaware.at_seam <= drop.bound


@pytest.mark.parametrize("release_s", [0.3, 1.0])
def test_a_cut_tail_is_found_where_notes_end_gently(release_s: float) -> None:
    waveform, ends = reed(release_s=release_s)
    _, drop = measure_seam(waveform, 44100, ends)
    assert drop.at_seam <= drop.bound
    chopped, _ = reed(release_s=release_s, wraps=False)
    _, drop = measure_seam(chopped, 44100, ends)
    assert drop.at_seam > 2 * drop.bound


def test_note_ends_never_make_the_bound_stricter(stems: dict[str, np.ndarray]) -> None:
    waveform = looped(stems)
    everywhere = np.arange(0, NUM_SAMPLES, 4410)
    jumps, drops = zip(
        *(measure_seam(waveform, 44100, ends) for ends in (None, everywhere, everywhere[:0])), strict=True
    )
    assert jumps[0] == jumps[1] == jumps[2]
    assert drops[0].bound <= drops[1].bound and drops[2] == drops[0]


@pytest.mark.parametrize("level", [0.001, 0.03, 0.3])
def test_a_step_in_the_wave_is_found_at_every_level(level: float) -> None:
    """Half a period too many: as loud as the music, and as soft."""
    whole = sine(441, 4, level=level)
    assert is_seamless(whole)
    jump, _ = measure_seam(whole[:, :-25], 44100)  # ends at its crest
    assert jump.at_seam > 2 * jump.bound


def test_where_a_seamless_loop_is_cut_does_not_matter(stems: dict[str, np.ndarray]) -> None:
    waveform = looped(stems)
    turns = [round(turn * NUM_SAMPLES / 40) for turn in range(40)]
    assert sum(is_seamless(np.roll(waveform, turn, axis=1)) for turn in turns) >= 39


@pytest.mark.parametrize("num_samples", [1, 7, 100, 3000])
def test_tiny_loops_and_silence_have_seams_too(num_samples: int) -> None:
    assert is_seamless(np.zeros((2, num_samples), dtype=np.float32))
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, num_samples)).astype(np.float32)
    assert is_seamless(noise)
