import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.orders.track_key import FEWEST_PITCHES
from lstm_core.originality.index import SharedRun
from lstm_core.sound.mastering import MasterSettings, master
from lstm_core.sound.output_formats import encode
from lstm_core.sound.synth import render_stems
from lstm_core.tracks.gates import (
    LONGEST_SILENCE_BARS,
    TAKES_DIFFER_LU,
    GateResult,
    audio_gates,
    is_out_of_reach,
    longest_flat_top,
    originality_gate,
    score_fingerprint,
    score_gates,
)
from tests.lstm_core.sounds import MAJOR, bundled_soundfont, sine, six_parts

SETTINGS = MasterSettings()
NUM_SAMPLES = 5 * 44100
C_MAJOR = frozenset(MAJOR)


def failures(results: list[GateResult]) -> set[str]:
    return {result.name for result in results if not result.is_passed}


@pytest.fixture(scope="module")
def stems() -> dict[str, np.ndarray]:
    return render_stems(six_parts(2), bundled_soundfont(), num_samples=NUM_SAMPLES)


def mastered(stems: dict[str, np.ndarray], *, loop: bool) -> np.ndarray:
    num_samples = 4 * 44100 if loop else NUM_SAMPLES
    return master(stems, num_samples=num_samples, loop=loop, seed=0, settings=SETTINGS, music_end=4 * 44100).waveform


def gates_of(waveform: np.ndarray, *, loop: bool = False, num_samples: int | None = None) -> list[GateResult]:
    data = encode(waveform, sample_rate=44100)
    return audio_gates(data, num_samples=num_samples or waveform.shape[1], loop=loop, settings=SETTINGS)


@pytest.mark.parametrize("loop", [False, True])
def test_a_sound_track_passes_every_gate(stems: dict[str, np.ndarray], loop: bool) -> None:
    results = gates_of(mastered(stems, loop=loop), loop=loop)
    assert failures(results) == set()
    names = ["decodes", "length", "sample_rate", "heard", "clipping", "loudness", "true_peak"]
    assert [result.name for result in results] == [*names, *(["seam_jump", "seam_drop"] if loop else ["ending"])]
    assert all(np.isfinite(result.value) and np.isfinite(result.bound) for result in results)
    json.dumps([asdict(result) for result in results], allow_nan=False)


@pytest.mark.parametrize("loop", [False, True])
def test_a_master_is_believed_of_its_own_samples_alone(stems: dict[str, np.ndarray], loop: bool) -> None:
    num_samples = 4 * 44100
    made = master(stems, num_samples=num_samples, loop=loop, seed=0, settings=SETTINGS, music_end=num_samples)
    data = encode(made.waveform, sample_rate=44100)
    measured = audio_gates(data, num_samples=num_samples, loop=loop, settings=SETTINGS)
    given = [made, replace(made, waveform=made.waveform * np.float32(0.5), true_peak_dbtp=-90.0)]
    for one in given:
        assert audio_gates(data, num_samples=num_samples, loop=loop, settings=SETTINGS, mastered=one) == measured
    believed = audio_gates(
        data, num_samples=num_samples, loop=loop, settings=SETTINGS, mastered=replace(made, true_peak_dbtp=-90.0)
    )
    assert {result.name: result.value for result in believed}["true_peak"] == -90.0


def test_every_fault_of_the_audio_fails_its_gate(stems: dict[str, np.ndarray]) -> None:
    good = mastered(stems, loop=False)
    assert failures(gates_of(good, num_samples=NUM_SAMPLES + 1)) == {"length"}
    assert failures(gates_of(good * 0.95)) == {"loudness"}
    assert failures(gates_of(good[:, : 3 * 44100])) >= {"ending"}
    assert failures(gates_of(np.zeros_like(good))) == {"heard", "loudness"}
    clipped = gates_of(np.clip(good * 8, -1, 1))
    assert failures(clipped) >= {"clipping", "loudness", "true_peak"}
    wrong_rate = encode(good, sample_rate=48000)
    assert "sample_rate" in failures(audio_gates(wrong_rate, num_samples=NUM_SAMPLES, loop=False, settings=SETTINGS))
    for broken in (b"", b"noise", encode(good, sample_rate=44100)[:10000]):
        results = audio_gates(broken, num_samples=NUM_SAMPLES, loop=False, settings=SETTINGS)
        assert results == [GateResult("decodes", False, 0.0, 1.0)]


def test_a_loop_that_does_not_loop_fails(stems: dict[str, np.ndarray]) -> None:
    good = mastered(stems, loop=True)
    assert failures(gates_of(good[:, :-5000], loop=True)) & {"seam_jump", "seam_drop"}


def test_only_a_loudness_far_away_is_out_of_reach_of_other_takes(stems: dict[str, np.ndarray]) -> None:
    """Four takes were made of an order that none of them could meet."""
    good = mastered(stems, loop=False)
    for missing_lu, is_out in ((0.0, False), (TAKES_DIFFER_LU - 0.3, False), (TAKES_DIFFER_LU + 0.3, True)):
        assert is_out_of_reach(gates_of(good * 10 ** (-missing_lu / 20))) is is_out
    assert not is_out_of_reach(gates_of(np.zeros_like(good))), "another take need not be silent"
    assert not is_out_of_reach([])


def test_flat_tops_are_counted_by_neighbours() -> None:
    waveform = np.array([[0, 0.5, 0.5, 0.5, 0], [0, 1, 1, 0, 1]], dtype=np.float32)
    assert longest_flat_top(waveform) == 2
    assert longest_flat_top(-waveform) == 2
    assert longest_flat_top(0.9 * waveform) == 0
    assert longest_flat_top(np.clip(sine(100, 1, level=2.0), -1, 1)) > 50


def song(rows: list[tuple[int, int, int, int, int]]) -> Score:
    return Score(notes=make_notes(rows))


def gates_of_song(score: Score, num_bars: int, key: frozenset[int] | None = C_MAJOR) -> set[str]:
    return failures(score_gates(score, key_pitch_classes=key, num_bars=num_bars, bar_ticks=96))


def test_a_sound_score_passes() -> None:
    assert gates_of_song(six_parts(16), 16) == set()


def test_every_fault_of_a_score_fails_its_gate() -> None:
    score = six_parts(16)
    assert gates_of_song(score, 16, frozenset({0, 2, 4, 5, 7, 9})) == {"in_key"}
    assert gates_of_song(song([(96 * bar, 96, 0, 60 + bar % 2, 80) for bar in range(8)]), 8, None) == {"pitches"}
    stuck = [(12 * i, 12, 0, 60 if i % 8 else 64 + i % 5, 80) for i in range(128)]
    assert gates_of_song(song(stuck), 16, None) == {"one_pitch"}
    again = [(96 * bar + 24 * beat, 24, 0, 60 + 2 * beat, 80) for bar in range(16) for beat in range(4)]
    assert gates_of_song(song(again), 16, None) == {"distinct_bars"}
    gap = score.notes[(score.notes["onset"] < 96 * 6) | (score.notes["onset"] >= 96 * 8.5)]
    assert gates_of_song(Score(notes=gap), 16) == {"silence"}
    sparse = [(192 * i, 90, 0, 60 + (2 * i) % 12, 80) for i in range(8)]
    assert gates_of_song(song(sparse), 16, None) == {"bars_with_notes"}
    assert gates_of_song(song([]), 16) == {"one_pitch", "pitches", "distinct_bars", "silence", "bars_with_notes"}


def test_values_are_what_they_say() -> None:
    rows = [(0, 48, 0, 60, 80), (48, 48, 0, 61, 80), (96, 24, 0, 60, 80), (384, 96, 0, 67, 80)]
    results = score_gates(song(rows), key_pitch_classes=C_MAJOR, num_bars=5, bar_ticks=96)
    values = {result.name: result.value for result in results}
    assert values["in_key"] == 0.75 and values["one_pitch"] == 0.5 and values["pitches"] == FEWEST_PITCHES
    assert values["distinct_bars"] == 3 and values["bars_with_notes"] == 3 / 5
    assert values["silence"] == (384 - 120) / 96 > LONGEST_SILENCE_BARS


def test_drums_alone_need_no_pitches_and_held_chords_no_onsets() -> None:
    drums = [(24 * i, 6, DRUMS, 36 + 2 * (i % 2) + (i // 16) % 3, 90) for i in range(64)]
    assert gates_of_song(song(drums), 16) == set()
    held = [(384 * i, 384, 48, pitch + i, 70) for i in range(4) for pitch in (48, 55, 64)]
    assert gates_of_song(song(held), 16, None) == set()


def test_a_fingerprint_is_of_the_notes_but_not_of_their_loudness() -> None:
    score, louder = six_parts(4), six_parts(4)
    louder.notes["velocity"] += 5
    louder.notes["part"] += 1
    assert score_fingerprint(score) == score_fingerprint(louder)
    assert len(score_fingerprint(score)) == 64
    for name in ("onset", "duration", "program", "pitch"):
        other = six_parts(4)
        other.notes[name][-1] += 1
        assert score_fingerprint(other) != score_fingerprint(score)


@pytest.mark.parametrize(("num_notes", "is_passed"), [(0, True), (12, False), (40, False)])
def test_a_run_of_twelve_notes_of_the_corpus_fails(num_notes: int, is_passed: bool) -> None:
    assert originality_gate(SharedRun(num_notes=num_notes)) == GateResult("original", is_passed, num_notes, 11.0)
