from pathlib import Path

import numpy as np
import pytest

from lstm_core.notes.score import DRUMS, Score, Tempo, make_notes
from lstm_core.sound import sfbk, synth
from lstm_core.sound.soundfont import SoundFont, find_soundfont, open_soundfont
from lstm_core.sound.synth import render_stems
from tests.lstm_core.sounds import SAMPLE_RATE, bundled_soundfont, six_parts, write_soundfont

LOOPED_SINE = [(sfbk.SAMPLE_MODES, 1), (sfbk.VOL_RELEASE, -3986), (sfbk.SAMPLE, 0)]  # releases in 0.1 s
FLAT = [(sfbk.VOL_RELEASE, -3986), (sfbk.SAMPLE, 1)]
SECOND = 48  # ticks at 120 bpm


@pytest.fixture
def soundfont(tmp_path: Path) -> SoundFont:
    """Plays the sine for pitches up to 99, direct current from 100 on."""
    low = ([(sfbk.KEY_RANGE, 99 << 8), *LOOPED_SINE], [])
    high = ([(sfbk.KEY_RANGE, 127 << 8 | 100), (sfbk.SCALE_TUNING, 0), (sfbk.ROOT_KEY, 100), *FLAT], [])
    path = write_soundfont(tmp_path / "hand.sf2", [low, high], [([(sfbk.INSTRUMENT, 0)], [])])
    return open_soundfont(path)


def render(soundfont: SoundFont, rows: list[tuple[int, int, int, int, int]], seconds: float = 3.0, **more: object):
    score = Score(notes=make_notes(rows), **more)
    stems = render_stems(score, soundfont, num_samples=round(seconds * SAMPLE_RATE), tail_s=0.5)
    return next(iter(stems.values()))


def frequency(wave: np.ndarray) -> float:
    """Hz of a sine, by the phase that it gains."""
    analytic = np.fft.ifft(np.fft.fft(wave) * (2 * (np.fft.fftfreq(len(wave)) > 0)))
    middle = slice(len(wave) // 4, -len(wave) // 4)
    return float(np.diff(np.unwrap(np.angle(analytic[middle]))).mean() * SAMPLE_RATE / (2 * np.pi))


@pytest.mark.parametrize("pitch", [33, 57, 69, 70, 81, 93])
def test_pitch_is_equal_temperament_of_the_root_key(soundfont: SoundFont, pitch: int) -> None:
    stem = render(soundfont, [(0, 2 * SECOND, 0, pitch, 100)])
    expected = 441 * 2 ** ((pitch - 69) / 12)
    assert frequency(stem[0, 4410 : 4410 + 66150]) == pytest.approx(expected, rel=2e-4)


def test_a_sine_stays_a_sine_over_loops_and_between_samples(soundfont: SoundFont) -> None:
    """Noise and overtones of the interpolation lie 60 dB under a tone a fifth up, through fifteen turns of the loop."""
    stem = render(soundfont, [(0, 5 * SECOND, 0, 76, 127)], seconds=6.0)
    wave = stem[0, SAMPLE_RATE : 4 * SAMPLE_RATE].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    top = spectrum.argmax()
    rest = spectrum.copy()
    rest[top - 6 : top + 7] = 0
    assert 10 * np.log10(rest.sum() / spectrum.sum()) < -60


def test_level_goes_with_the_square_of_velocity(soundfont: SoundFont) -> None:
    levels = [np.abs(render(soundfont, [(0, SECOND, 0, 69, velocity)])).max() for velocity in (127, 64, 32)]
    assert levels[0] == pytest.approx(0.5 * np.sqrt(0.5), rel=0.01)  # half of full scale, in the middle
    assert levels[1] / levels[0] == pytest.approx((64 / 127) ** 2, rel=0.01)
    assert levels[2] / levels[0] == pytest.approx((32 / 127) ** 2, rel=0.01)


def test_notes_stand_on_their_sample_under_every_tempo(soundfont: SoundFont) -> None:
    tempos = (Tempo(tick=0, bpm=120.0), Tempo(tick=48, bpm=60.0))
    score_rows = [(0, 4, 0, 100, 127), (48, 4, 0, 100, 127), (72, 4, 0, 100, 127)]
    stem = render(soundfont, score_rows, tempos=tempos)
    for start_s in (0.0, 1.0, 2.0):
        start = round(start_s * SAMPLE_RATE)
        assert np.abs(stem[:, max(start - 100, 0) : start]).max(initial=0) == 0
        assert np.abs(stem[:, start + 100]).min() > 0.6  # the attack takes a millisecond


def test_a_released_note_falls_by_96_db_in_its_release_time(soundfont: SoundFont) -> None:
    stem = render(soundfont, [(0, 12, 0, 100, 127)])  # a quarter of a second of direct current
    release = round(0.25 * SAMPLE_RATE)
    level = 20 * np.log10(stem[0, [release - 50, release + 2205, release + 4300]] / stem[0, 4410])
    np.testing.assert_allclose(level, [0, -48, -94], atol=2.5)
    assert not stem[:, release + 4500 :].any()


def test_panned_sounds_keep_their_power(tmp_path: Path) -> None:
    for pan, angle in ((-500, 0.0), (-250, np.pi / 8), (0, np.pi / 4), (500, np.pi / 2)):
        zone = ([(sfbk.PAN, pan), *FLAT], [])
        path = write_soundfont(tmp_path / f"{pan}.sf2", [zone], [([(sfbk.INSTRUMENT, 0)], [])])
        left, right = render(open_soundfont(path), [(0, 12, 0, 60, 127)])[:, 4410]
        np.testing.assert_allclose([left, right], [np.cos(angle), np.sin(angle)], atol=1e-3)


def test_a_filter_takes_the_treble(tmp_path: Path) -> None:
    """A low-pass at 441 Hz without resonance takes 3 dB off its own frequency and 24 dB off two octaves above."""
    cutoff = round(1200 * np.log2(441 / 8.176))
    zone = ([(sfbk.FILTER_CUTOFF, cutoff), *LOOPED_SINE], [])
    filtered = open_soundfont(write_soundfont(tmp_path / "dark.sf2", [zone], [([(sfbk.INSTRUMENT, 0)], [])]))
    plain = open_soundfont(write_soundfont(tmp_path / "plain.sf2", [(LOOPED_SINE, [])], [([(sfbk.INSTRUMENT, 0)], [])]))
    for pitch, expected in ((69, -3.0), (93, -24.1), (45, 0.0)):
        rows = [(0, 2 * SECOND, 0, pitch, 127)]
        levels = [np.abs(render(font, rows)[0, 22050:66150]).max() for font in (filtered, plain)]
        assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(expected, abs=0.5)


def test_closed_hats_cut_open_ones(tmp_path: Path) -> None:
    zone = ([(sfbk.EXCLUSIVE_CLASS, 1), (sfbk.SCALE_TUNING, 0), (sfbk.ROOT_KEY, 60), *LOOPED_SINE], [])
    path = write_soundfont(tmp_path / "hats.sf2", [zone], [([(sfbk.INSTRUMENT, 0)], [])], bank=128)
    font = open_soundfont(path)
    alone = render(font, [(0, 2 * SECOND, DRUMS, 46, 127)])
    both = render(font, [(0, 2 * SECOND, DRUMS, 46, 127), (SECOND, 1, DRUMS, 42, 1)])
    np.testing.assert_array_equal(both[:, :SAMPLE_RATE], alone[:, :SAMPLE_RATE])
    after = both[:, SAMPLE_RATE + 8820 :]
    assert np.abs(after).max() < 1e-4 < np.abs(alone[:, SAMPLE_RATE + 8820 : 80000]).max()


def test_stems_are_a_pure_function_of_the_score() -> None:
    """Samples and voices are shared inside a render: neither that nor an earlier one may be audible."""
    soundfont, score = bundled_soundfont(), six_parts(2)
    render_stems(six_parts(1, seed=5), soundfont, num_samples=50000)
    first = render_stems(score, soundfont, num_samples=176400)
    assert list(first) == ["piano", "bass", "ensemble", "pipe", "pad", "drums"]
    for name, stem in render_stems(score, soundfont, num_samples=176400).items():
        assert stem.dtype == np.float32 and stem.shape == (2, 176400 + 4 * 44100)
        assert stem.tobytes() == first[name].tobytes()


def test_voices_that_were_kept_are_those_made_anew() -> None:
    rows = [(24 * step, 20, 4, 40 + 3 * step, 30 + 8 * step) for step in range(10)]
    expected = render(bundled_soundfont(), rows)
    synth._kept_voices.cache_clear()
    render(bundled_soundfont(), [(0, 20, 4, pitch, velocity) for _, _, _, pitch, velocity in rows[7:2:-2]])
    np.testing.assert_array_equal(render(bundled_soundfont(), rows), expected)


def test_notes_add_up(soundfont: SoundFont) -> None:
    """What many equal notes share is made once; the sum must be that of the notes rendered one by one."""
    rows = [(12 * i, 10, 0, 60 + i % 2, 60 + i) for i in range(12)]
    together = render(soundfont, rows)
    apart = sum(render(soundfont, [row]).astype(np.float64) for row in rows)
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_a_note_that_the_end_cuts_short_leaves_the_others_alone(tmp_path: Path) -> None:
    """The next note of its step went on up to 63 frames too far in the recording, and ended in what memory held."""
    zone = ([(sfbk.SCALE_TUNING, 0), *LOOPED_SINE], [])
    path = write_soundfont(tmp_path / "hand.sf2", [zone], [([(sfbk.INSTRUMENT, 0)], [])])
    soundfont = open_soundfont(path)
    rows = [(2 * SECOND, 20 * SECOND, 0, 69, 100), (0, 20 * SECOND, 0, 70, 100)]
    apart = sum(render(soundfont, [row]).astype(np.float64) for row in rows)
    np.testing.assert_allclose(render(soundfont, rows), apart, atol=1e-6)


def test_what_sounds_on_at_the_end_is_faded_and_what_begins_after_it_left_out(soundfont: SoundFont) -> None:
    rows = [(0, 20 * SECOND, 0, 69, 127), (4 * SECOND, SECOND, 0, 100, 127)]
    stem = render(soundfont, rows, seconds=3.0)
    assert stem.shape == (2, round(3.5 * SAMPLE_RATE))
    assert np.abs(stem[:, -2000:-1000]).max() > 0.3 and np.abs(stem[:, -1]).max() < 1e-6
    assert stem.min() > -0.4  # no direct current


def test_a_hole_in_a_preset_is_filled_by_the_nearest_region() -> None:
    """TimGM6mb has no region for E4 of the alto saxophone."""
    timgm = find_soundfont(str(Path(__import__("pretty_midi").__file__).parent / "TimGM6mb.sf2"))
    levels = [np.sqrt(np.square(render(timgm, [(0, SECOND, 65, pitch, 100)])).mean()) for pitch in (63, 64, 65)]
    assert levels[1] == pytest.approx((levels[0] + levels[2]) / 2, rel=0.5)


def test_no_pitch_of_any_program_hangs_or_fails() -> None:
    rows = [(0, 6, program, pitch, 90) for program in range(DRUMS + 1) for pitch in (0, 40, 90, 115, 127)]
    stems = render_stems(Score(notes=make_notes(rows)), bundled_soundfont(), num_samples=4410, tail_s=0.1)
    assert len(stems) == 17
    assert all(np.isfinite(stem).all() and stem.any() for stem in stems.values())


def test_a_score_without_notes_has_no_stems(soundfont: SoundFont) -> None:
    assert render_stems(Score(notes=make_notes([])), soundfont, num_samples=100) == {}
