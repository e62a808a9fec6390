from dataclasses import replace

import numpy as np
import pytest

from lstm_core.foundation.errors import TonemillError
from lstm_core.notes.score import Score, make_notes
from lstm_core.sound.audio import decode
from lstm_core.sound.levelling import LOUDNESS_TOLERANCE_LU
from lstm_core.sound.loudness import integrated_loudness, true_peak_dbtp
from lstm_core.sound.mastering import FamilyMix, Level, Master, MasterSettings, Stems, master
from lstm_core.sound.output_formats import encode
from lstm_core.sound.synth import render_stems
from tests.lstm_core.sounds import bundled_soundfont, ffmpeg_decode, ffmpeg_measures, six_parts

NUM_SAMPLES = 4 * 44100 + 17
MUSIC_END = 3 * 44100


@pytest.fixture(scope="module")
def stems() -> dict[str, np.ndarray]:
    """Two bars of six parts, of which the last beats are cut, and a second for the tail."""
    score = six_parts(2)
    score = replace(score, notes=score.notes[score.notes["onset"] < 144])
    return render_stems(score, bundled_soundfont(), num_samples=NUM_SAMPLES, tail_s=2.0)


def finish(stems: Stems, *, loop: bool = False, seed: int = 1, **settings: object) -> Master:
    return master(
        stems, num_samples=NUM_SAMPLES, loop=loop, seed=seed, settings=MasterSettings(**settings), music_end=MUSIC_END
    )


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(("reverb", "loudness_lufs"), [("none", -23.0), ("studio", -16.0), ("hall", -10.0)])
def test_length_loudness_and_peak_are_as_requested_by_another_programs_measure(
    stems: dict[str, np.ndarray], loop: bool, reverb: str, loudness_lufs: float
) -> None:
    mastered = finish(stems, loop=loop, reverb=reverb, loudness_lufs=loudness_lufs)
    waveform = mastered.waveform
    assert waveform.dtype == np.float32 and waveform.shape == (2, NUM_SAMPLES)
    np.testing.assert_array_equal(waveform * 32768, np.rint(waveform * 32768))
    assert abs(integrated_loudness(waveform, 44100, is_loop=loop) - loudness_lufs) < 0.06
    assert mastered.true_peak_dbtp == true_peak_dbtp(waveform, is_loop=loop) <= -1.0
    loudness, peak = ffmpeg_measures(np.tile(waveform, 2 if loop else 1), 44100)
    assert abs(loudness - loudness_lufs) < 0.2
    assert peak <= -1.0
    if loudness_lufs == -10.0:
        assert mastered.limited_db > 1
    if loudness_lufs == -23.0:
        assert mastered.limited_db == 0


def test_a_track_that_does_not_loop_fades_to_digital_silence(stems: dict[str, np.ndarray]) -> None:
    waveform = finish(stems).waveform
    assert not waveform[:, -1].any()
    assert np.abs(waveform[:, -441:]).max() < 10 ** (-60 / 20)


def test_the_fade_leaves_alone_what_is_played(stems: dict[str, np.ndarray]) -> None:
    settings = MasterSettings(bit_depth=32, format="wav", reverb="none", loudness_lufs=-30)
    longer = {name: np.pad(stem, ((0, 0), (0, 20000))) for name, stem in stems.items()}
    faded, unfaded = (
        master(longer, num_samples=num_samples, loop=False, seed=0, settings=settings, music_end=MUSIC_END).waveform
        for num_samples in (MUSIC_END + 20000, NUM_SAMPLES)
    )
    ratio = faded[:, :MUSIC_END] / np.where(unfaded[:, :MUSIC_END] == 0, 1, unfaded[:, :MUSIC_END])
    loud = np.abs(unfaded[:, :MUSIC_END]) > 1e-4
    assert np.ptp(ratio[loud]) < 1e-3  # one gain, no fade


@pytest.mark.parametrize("reverb", ["none", "hall"])
def test_a_loop_has_no_place_that_differs_from_the_others(reverb: str) -> None:
    """Where a loop is cut makes no difference: mastering a turned loop gives the turned master."""
    random = np.random.default_rng(0)
    noise = {name: random.standard_normal((2, 60001)).astype(np.float32) for name in ("bass", "strings")}
    settings = MasterSettings(reverb=reverb, bit_depth=32, format="wav", loudness_lufs=-16)
    turn = 23456

    def looped(stems: dict[str, np.ndarray]) -> np.ndarray:
        return master(stems, num_samples=60001, loop=True, seed=0, settings=settings).waveform

    turned = looped({name: np.roll(stem, turn, axis=1) for name, stem in noise.items()})
    difference = turned - np.roll(looped(noise), turn, axis=1)
    assert np.abs(difference).max() < 2e-3 * np.abs(turned).max()  # 0.01 dB: blocks begin elsewhere


def test_a_loops_tail_sounds_at_its_start(stems: dict[str, np.ndarray]) -> None:
    """The loop is the second repetition of the piece played twice."""
    settings = MasterSettings(reverb="studio", bit_depth=32, format="wav", loudness_lufs=-30)
    twice = {name: np.zeros((2, stem.shape[1] + NUM_SAMPLES), dtype=np.float32) for name, stem in stems.items()}
    for name, stem in stems.items():
        twice[name][:, : stem.shape[1]] += stem
        twice[name][:, NUM_SAMPLES:] += stem
    loop = master(stems, num_samples=NUM_SAMPLES, loop=True, seed=0, settings=settings).waveform
    long = master(twice, num_samples=2 * NUM_SAMPLES + 44100, loop=False, seed=0, settings=settings).waveform
    second = long[:, NUM_SAMPLES : 2 * NUM_SAMPLES]
    second = second * (np.linalg.norm(loop) / np.linalg.norm(second))
    assert np.abs(second - loop).max() < 1e-3 * np.abs(loop).max()


def test_stems_sum_to_the_master(stems: dict[str, np.ndarray]) -> None:
    mastered = master(
        stems,
        num_samples=NUM_SAMPLES,
        loop=True,
        seed=1,
        settings=MasterSettings(loudness_lufs=-11, bit_depth=24),
        keep_stems=True,
    )
    assert mastered.limited_db > 0.5 and list(mastered.stems) == list(stems)
    np.testing.assert_allclose(sum(mastered.stems.values()), mastered.waveform, atol=3e-6)


def test_stems_get_the_gain_and_limiting_of_other_music_where_that_is_given(stems: dict[str, np.ndarray]) -> None:
    """A bass that is played again leaves the other stems as they were, sample for sample."""
    settings = MasterSettings(loudness_lufs=-11, bit_depth=24)
    name = list(stems)[-1]
    other = {**stems, name: 3.0 * stems[name][:, ::-1]}

    def stems_of(given: dict[str, np.ndarray], level: Level | None = None) -> dict[str, np.ndarray]:
        mastered = master(
            given,
            num_samples=NUM_SAMPLES,
            loop=False,
            seed=1,
            settings=settings,
            keep_stems=True,
            music_end=NUM_SAMPLES - 1000 if level is None else NUM_SAMPLES - 20000,
            level=level,
        )
        assert mastered.loudness_lufs == pytest.approx(-11, abs=LOUDNESS_TOLERANCE_LU)
        return mastered.stems

    before, alone = stems_of(stems), stems_of(other)
    beside = stems_of(other, Level(stems=stems, music_end=NUM_SAMPLES - 1000))
    unchanged = [one for one in stems if one != name]
    assert unchanged and all((beside[one] == before[one]).all() for one in unchanged)
    assert all((alone[one] != before[one]).any() for one in unchanged) and (beside[name] != before[name]).any()


def test_a_seed_decides_the_dither_and_nothing_else(stems: dict[str, np.ndarray]) -> None:
    first, again, other = (finish(stems, seed=seed).waveform for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    steps = (other - first) * 32768
    assert steps.any() and np.abs(steps).max() <= 2
    error = (first - finish(stems, bit_depth=32, format="wav").waveform) * 32768
    audible = np.abs(first).max(axis=0) > 0.01
    assert np.abs(error).max() <= 1.51
    assert np.square(error[:, audible]).mean() == pytest.approx(1 / 4, rel=0.05)  # of triangular dither and rounding
    assert abs(error[:, audible].mean()) < 0.01


def test_pan_and_gain_of_a_family() -> None:
    random = np.random.default_rng(0)
    noise = {"lead": random.standard_normal((2, 44100)).astype(np.float32)}

    def balance(**mix: float) -> float:
        settings = MasterSettings(reverb="none", bit_depth=24, mix={"lead": FamilyMix(**mix)})
        left, right = master(noise, num_samples=44100, loop=True, seed=0, settings=settings).waveform
        return float(10 * np.log10((np.square(left).sum() + 1e-9) / (np.square(right).sum() + 1e-9)))

    assert balance(pan=0.0) == pytest.approx(balance(pan=0.0, gain_db=-6.0), abs=1e-3)
    assert balance(pan=-0.5) - balance(pan=0.0) == pytest.approx(20 * np.log10(1 / np.tan(np.pi / 8)), abs=0.01)
    assert balance(pan=1.0) < -60 and balance(pan=-1.0) > 60


def test_silence_stays_silence() -> None:
    silent = {"piano": np.zeros((2, 50000), dtype=np.float32)}
    for stems in (silent, {}):
        mastered = master(stems, num_samples=44100, loop=False, seed=0, settings=MasterSettings(), keep_stems=True)
        assert mastered.waveform.shape == (2, 44100) and not mastered.waveform.any()
        assert mastered.loudness_lufs == mastered.true_peak_dbtp == -np.inf and list(mastered.stems) == list(stems)


@pytest.mark.parametrize("num_samples", [1, 100, 4410, 22050])
@pytest.mark.parametrize("loop", [False, True])
def test_very_short_tracks(stems: dict[str, np.ndarray], num_samples: int, loop: bool) -> None:
    short = {name: stem[:, : num_samples + 20000] for name, stem in stems.items()}
    mastered = master(short, num_samples=num_samples, loop=loop, seed=0, settings=MasterSettings(loudness_lufs=-20))
    assert mastered.waveform.shape == (2, num_samples) and np.isfinite(mastered.waveform).all()
    if num_samples == 22050:
        assert integrated_loudness(mastered.waveform, 44100, is_loop=loop) == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("loudness_lufs", [-10.0, -9.0, -8.0])
@pytest.mark.parametrize("loop", [False, True])
def test_the_loudest_that_may_be_ordered_is_met(loudness_lufs: float, loop: bool) -> None:
    """Of five tracks at -8 LUFS four ended 0.2 to 0.45 LU too soft: eight steps of the gain were not enough."""
    piano = render_stems(plucked(), bundled_soundfont(), num_samples=NUM_SAMPLES)
    settings = MasterSettings(loudness_lufs=loudness_lufs)
    mastered = master(piano, num_samples=NUM_SAMPLES, loop=loop, seed=0, settings=settings)
    assert mastered.loudness_lufs == pytest.approx(loudness_lufs, abs=LOUDNESS_TOLERANCE_LU)
    assert mastered.true_peak_dbtp <= settings.true_peak_dbtp


def plucked() -> Score:
    """A piano alone, a note after another: high peaks and little between them."""
    return Score(notes=make_notes([(24 * beat, 12, 0, 48 + 5 * beat % 24, 90) for beat in range(32)]))


def test_clicks_end_as_loud_as_they_get() -> None:
    """One sample per second: its peak lies 37 dB over its loudness, more than the limiter gives.

    The gain went up and up, until the high-pass's last trace of each click, at -100 dB, was at -21 LUFS.
    """
    clicks = {"percussive": np.zeros((2, 5 * 44100), dtype=np.float32)}
    clicks["percussive"][:, 22050::44100] = 0.9
    requested = [MasterSettings(reverb="none", loudness_lufs=loudness) for loudness in (-16.0, -8.0)]
    made = [master(clicks, num_samples=5 * 44100, loop=False, seed=0, settings=settings) for settings in requested]
    assert all(mastered.true_peak_dbtp <= -1.0 for mastered in made)
    softer, louder = (mastered.loudness_lufs for mastered in made)
    assert softer == pytest.approx(louder, abs=0.3)
    assert -40 < softer < -36


@pytest.mark.parametrize(("format", "bit_depth"), [("flac", 16), ("flac", 24), ("wav", 16), ("wav", 24), ("wav", 32)])
def test_what_is_delivered_is_what_was_mastered(stems: dict[str, np.ndarray], format: str, bit_depth: int) -> None:
    mastered = finish(stems, format=format, bit_depth=bit_depth)
    data = encode(mastered.waveform, sample_rate=44100, format=format, bit_depth=bit_depth)
    np.testing.assert_array_equal(decode(data)[0], mastered.waveform)
    np.testing.assert_array_equal(ffmpeg_decode(data)[0], mastered.waveform)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reverb": "cave"}, "reverb must be one of none, studio, hall, got 'cave'"),
        ({"loudness_lufs": 0.0}, r"loudness_lufs must be -40..-8, got 0.0"),
        ({"true_peak_dbtp": 1.0}, r"true_peak_dbtp must be -12..0, got 1.0"),
        ({"sample_rate": 8000}, "sample_rate must be 22050..192000 Hz, got 8000"),
        ({"bit_depth": 32}, "format flac with bit_depth 32 is not made"),
        ({"mix": {"drms": FamilyMix()}}, "unknown families drms; there are piano"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TonemillError, match=message):
        MasterSettings(**wrong)


def test_stems_that_do_not_fit_are_refused(stems: dict[str, np.ndarray]) -> None:
    short = {"bass": np.ones((2, 10), dtype=np.float32)}
    with pytest.raises(TonemillError, match=r"stem 'bass' is \(2, 10\), a stereo stem is needed of 20 samples"):
        master(short, num_samples=20, loop=False, seed=0, settings=MasterSettings())
    with pytest.raises(TonemillError, match="must be given all at once"):
        master(iter([]), num_samples=20, loop=False, seed=0, settings=MasterSettings(), keep_stems=True)


def test_stems_that_come_one_by_one_make_the_same_master(stems: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(finish(iter(stems.items())).waveform, finish(stems).waveform)
