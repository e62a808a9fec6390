"""A loop after an intro: the join, the master around it, its measures, and the points in files."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import av
import numpy as np
import pytest

from lstm_core.notes.score import Meter, Score, Tempo, cut_score, make_notes
from lstm_core.sound.audio import Waveform, decode
from lstm_core.sound.levelling import Leveller
from lstm_core.sound.limiter import apply_gain
from lstm_core.sound.loops.joining import JOIN_S, joined, joined_peak_dbtp
from lstm_core.sound.loops.points import LoopPoints, mark_flac
from lstm_core.sound.loops.seam import measure_entry, measure_seam
from lstm_core.sound.loudness import integrated_loudness
from lstm_core.sound.mastering import Intro, Master, MasteringError, MasterSettings, Stems, master
from lstm_core.sound.output_formats import encode
from lstm_core.sound.synth import END_FADE_S, iter_stems, render_stems
from tests.lstm_core.sounds import bundled_soundfont, ffmpeg_measures, sine, six_parts

RATE = 44100
START, END = 2 * RATE, 6 * RATE  # one bar of intro, two of loop
NUM_FADED = round(JOIN_S * RATE)
BOTH = cut_score(six_parts(3), 96)


def rendered(score: Score, num_samples: int, tail_s: float) -> dict[str, Waveform]:
    return render_stems(score, bundled_soundfont(), num_samples=num_samples, tail_s=tail_s)


@pytest.fixture(scope="module")
def intro_stems() -> dict[str, Waveform]:
    return rendered(BOTH[0], START, END_FADE_S)


@pytest.fixture(scope="module")
def loop_stems() -> dict[str, Waveform]:
    return rendered(BOTH[1], END - START, 2.0)


def finish(intro: Stems, loop: Stems, *, keep_stems: bool = False, **settings: object) -> Master:
    return master(
        loop,
        num_samples=END,
        loop=True,
        seed=1,
        settings=MasterSettings(**settings),
        keep_stems=keep_stems,
        intro=Intro(stems=intro, num_samples=START),
    )


def noise(seed: int, num_samples: int, level: float = 0.1) -> Waveform:
    random = np.random.default_rng(seed)
    return (level * random.standard_normal((2, num_samples))).astype(np.float32)


def test_a_score_is_cut_with_the_tempo_and_meter_that_hold_there() -> None:
    notes = make_notes([(0, 200, 0, 60, 80), (96, 24, 0, 62, 80), (240, 24, 0, 64, 80)])
    tempos = (Tempo(tick=0, bpm=60.0), Tempo(tick=48, bpm=120.0), Tempo(tick=144, bpm=90.0))
    meters = (Meter(tick=0, numerator=4, denominator=4), Meter(tick=96, numerator=3, denominator=4))
    before, after = cut_score(Score(notes=notes, tempos=tempos, meters=meters), 96)
    assert before.notes["onset"].tolist() == [0] and before.notes["duration"].tolist() == [200]
    assert after.notes["onset"].tolist() == [0, 144] and notes["onset"].tolist() == [0, 96, 240]
    assert after.tempos == (Tempo(tick=0, bpm=120.0), Tempo(tick=48, bpm=90.0))
    assert after.meters == (Meter(tick=0, numerator=3, denominator=4),)
    whole = Score(notes=notes, tempos=tempos, meters=meters)
    ticks = np.array([96, 130, 144, 200])
    np.testing.assert_allclose(after.seconds(ticks - 96), whole.seconds(ticks) - whole.seconds(np.array([96])))


def test_the_last_of_the_intro_gives_way_to_the_last_of_the_loop() -> None:
    intro, loop = noise(1, 10_000), noise(2, 20_000)
    whole = joined(intro, loop, RATE)
    np.testing.assert_array_equal(whole[:, 10_000:], loop)
    np.testing.assert_array_equal(whole[:, : 10_000 - NUM_FADED], intro[:, :-NUM_FADED])
    np.testing.assert_allclose(whole[:, 9_980:10_000], loop[:, -20:], atol=1e-4)
    one, other = intro[:, -NUM_FADED:], loop[:, -NUM_FADED:]
    between = whole[:, 10_000 - NUM_FADED : 10_000]
    assert (between <= np.maximum(one, other) + 1e-7).all() and (between >= np.minimum(one, other) - 1e-7).all()
    np.testing.assert_array_equal(intro, noise(1, 10_000))


@pytest.mark.parametrize(("num_intro", "num_loop"), [(1, 1), (1, 5000), (5000, 1), (100, 100)])
def test_what_is_shorter_than_the_fade_is_joined_too(num_intro: int, num_loop: int) -> None:
    intro, loop = noise(1, num_intro), noise(2, num_loop)
    whole = joined(intro, loop, RATE)
    assert whole.shape == (2, num_intro + num_loop)
    np.testing.assert_array_equal(whole[:, num_intro:], loop)


@pytest.mark.parametrize("reverb", ["none", "hall"])
def test_after_the_intro_the_loop_is_what_it_is_without_one(
    intro_stems: dict[str, Waveform], loop_stems: dict[str, Waveform], reverb: str
) -> None:
    """Its end rings into its start, and nothing of the intro does: only the gain may differ."""
    settings = MasterSettings(reverb=reverb, bit_depth=32, format="wav", loudness_lufs=-30)
    alone = master(loop_stems, num_samples=END - START, loop=True, seed=0, settings=settings).waveform
    whole = finish(intro_stems, loop_stems, reverb=reverb, bit_depth=32, format="wav", loudness_lufs=-30).waveform
    body = whole[:, START:]
    gain = np.linalg.norm(body) / np.linalg.norm(alone)
    assert np.abs(body - gain * alone).max() < 1e-5 * np.abs(body).max()
    assert 0.5 < gain < 2.0
    ahead = whole[:, START - 40 : START]  # and in the way in its own end sounds
    assert np.abs(ahead - body[:, -40:]).max() < 2e-3 * np.abs(body[:, -40:]).max() + 1e-6


def test_the_limiter_goes_round_with_the_loop() -> None:
    """A peak just after the loop's start lowers its end, and the end of the intro with it; no gain jumps."""
    intro, loop = noise(1, RATE), noise(2, 2 * RATE)
    loop[:, 100:140] *= 12
    leveller = Leveller(loop, integrated_loudness(joined(intro, loop, RATE), RATE), True, RATE, -1.0, intro)
    found = leveller.level(-12.0)
    assert found.borders is not None and found.borders[0] == found.borders[-1] < 0.9
    np.testing.assert_array_equal(found.waveform[:, RATE:], apply_gain(loop, found.gain, found.borders))
    np.testing.assert_allclose(found.waveform[:, RATE - 20 : RATE], found.waveform[:, -20:], rtol=2e-3, atol=1e-5)
    assert joined_peak_dbtp(found.waveform, RATE) <= -1.0


@pytest.mark.parametrize(("reverb", "loudness_lufs"), [("studio", -16.0), ("hall", -10.0)])
def test_loudness_and_peak_are_those_of_the_file(
    intro_stems: dict[str, Waveform], loop_stems: dict[str, Waveform], reverb: str, loudness_lufs: float
) -> None:
    made = finish(intro_stems, loop_stems, reverb=reverb, loudness_lufs=loudness_lufs)
    assert made.waveform.shape == (2, END)
    np.testing.assert_array_equal(made.waveform * 32768, np.rint(made.waveform * 32768))
    assert abs(integrated_loudness(made.waveform, RATE) - loudness_lufs) < 0.06
    loudness, peak = ffmpeg_measures(made.waveform, RATE)
    assert abs(loudness - loudness_lufs) < 0.2 and peak <= -1.0
    assert made.true_peak_dbtp == joined_peak_dbtp(made.waveform, START) <= -1.0
    again = np.concatenate([made.waveform, np.tile(made.waveform[:, START:], 2)], axis=1)
    assert ffmpeg_measures(again, RATE)[1] <= -1.0


def test_neither_the_way_in_nor_the_way_round_clicks(
    intro_stems: dict[str, Waveform], loop_stems: dict[str, Waveform]
) -> None:
    whole = finish(intro_stems, loop_stems, loudness_lufs=-12).waveform
    for measure in (measure_entry(whole, RATE, START), *measure_seam(whole[:, START:], RATE)):
        assert measure.at_seam <= measure.bound


@pytest.mark.parametrize("level", [0.003, 0.3])
def test_an_intro_that_breaks_off_is_found(level: float) -> None:
    """A tone that ends on its crest before one that begins at zero; faded over there is no click."""
    intro, loop = sine(441, 1.0, level=level)[:, :-25], sine(441, 2.0, level=level)
    entry = intro.shape[1]
    assert (cut := measure_entry(np.concatenate([intro, loop], axis=1), RATE, entry)).at_seam > 2 * cut.bound
    assert (good := measure_entry(joined(intro, loop, RATE), RATE, entry)).at_seam <= good.bound


def test_stems_sum_to_the_master(intro_stems: dict[str, Waveform], loop_stems: dict[str, Waveform]) -> None:
    """Families that play in one of the two alone are there as well."""
    intro = {name: stem for name, stem in intro_stems.items() if name != "drums"}
    loop = {name: stem for name, stem in loop_stems.items() if name != "pipe"}
    made = finish(intro, loop, keep_stems=True, loudness_lufs=-11, bit_depth=24)
    assert made.limited_db > 0.5 and set(made.stems) == set(intro) | set(loop)
    np.testing.assert_allclose(sum(made.stems.values()), made.waveform, atol=3e-6)
    assert not made.stems["drums"][:, : START - NUM_FADED].any() and made.stems["drums"][:, START:].any()
    assert not made.stems["pipe"][:, START + 3 * RATE :].any()


def test_stems_one_by_one_give_the_same(loop_stems: dict[str, Waveform]) -> None:
    pairs = [
        iter_stems(score, bundled_soundfont(), num_samples=num_samples, tail_s=tail_s)
        for score, num_samples, tail_s in ((BOTH[0], START, END_FADE_S), (BOTH[1], END - START, 2.0))
    ]
    at_once = finish(rendered(BOTH[0], START, END_FADE_S), loop_stems)
    np.testing.assert_array_equal(finish(*pairs).waveform, at_once.waveform)


def test_an_intro_wants_a_loop_after_it(intro_stems: dict[str, Waveform], loop_stems: dict[str, Waveform]) -> None:
    given = {"num_samples": END, "seed": 0, "settings": MasterSettings()}
    intro = Intro(stems=intro_stems, num_samples=START)
    with pytest.raises(MasteringError, match="88200 samples does not go before no loop"):
        master(loop_stems, loop=False, intro=intro, **given)
    for num_samples in (0, END):
        with pytest.raises(MasteringError, match=f"an intro of {num_samples} samples"):
            master(loop_stems, loop=True, intro=replace(intro, num_samples=num_samples), **given)
    one_by_one = Intro(stems=iter(()), num_samples=START)
    with pytest.raises(MasteringError, match="all at once"):
        master(loop_stems, loop=True, intro=one_by_one, keep_stems=True, **given)


def chunks_of(wav: bytes) -> dict[bytes, bytes]:
    assert wav[:4] == b"RIFF" and struct.unpack_from("<I", wav, 4)[0] == len(wav) - 8
    found, at = {}, 12
    while at < len(wav):
        size = struct.unpack_from("<I", wav, at + 4)[0]
        found[wav[at : at + 4]] = wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found


@pytest.mark.parametrize("bit_depth", [16, 24, 32])
def test_a_wav_says_where_its_loop_is(bit_depth: int) -> None:
    sound = sine(441, 0.1)
    written = {"sample_rate": 48000, "format": "wav", "bit_depth": bit_depth}
    plain, marked = encode(sound, **written), encode(sound, **written, loop_points=LoopPoints(start=1000, end=4410))
    np.testing.assert_array_equal(decode(marked)[0], decode(plain)[0])
    body = chunks_of(marked)[b"smpl"]
    assert struct.unpack("<9I", body[:36])[2:] == (20833, 60, 0, 0, 0, 1, 0)
    assert struct.unpack("<6I", body[36:]) == (0, 0, 1000, 4409, 0, 0)
    assert b"smpl" not in chunks_of(plain)


@pytest.mark.parametrize("bit_depth", [16, 24])
def test_a_flac_says_where_its_loop_is(bit_depth: int) -> None:
    sound, points = sine(441, 0.1), LoopPoints(start=1000, end=4410)
    plain = encode(sound, sample_rate=RATE, bit_depth=bit_depth)
    marked = encode(sound, sample_rate=RATE, bit_depth=bit_depth, loop_points=points)
    np.testing.assert_array_equal(decode(marked)[0], decode(plain)[0])
    twice = mark_flac(marked, RATE, LoopPoints(start=7, end=9))
    for data, start, length in ((marked, "1000", "3410"), (twice, "1000;7", "3410;2")):
        with av.open(io.BytesIO(data)) as file:
            said = {key.upper(): value for key, value in file.metadata.items()}
            assert (said["LOOPSTART"], said["LOOPLENGTH"]) == (start, length)
            assert sum(frame.samples for frame in file.decode(audio=0)) == 4410
