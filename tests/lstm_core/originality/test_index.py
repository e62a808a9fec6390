"""Copies are found, all of them; what is none is not; bytes are the same and are checked."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from lstm_core.foundation.errors import CheckpointError
from lstm_core.originality.index import OriginalityIndex, build_index, from_bytes
from lstm_core.originality.lines import voice_lines
from lstm_core.originality.runs import RUN_NOTES, has_content, line_steps
from lstm_core.originality.seeds import shared_runs
from tests.lstm_core.originality.melodies import joined, random_melody, score_of

NUM_PIECES, PIECE_NOTES = 60, 150
PIECES = [(f"piece {i}", score_of(*random_melody(i, PIECE_NOTES))) for i in range(NUM_PIECES)]
TIGHT_BYTES = 47_000  # as few bits for a run as in the base corpus


@pytest.fixture(scope="module")
def index() -> OriginalityIndex:
    return build_index(PIECES)


@pytest.fixture(scope="module")
def tight() -> OriginalityIndex:
    return build_index(PIECES, most_bytes=TIGHT_BYTES)


def planted(seed: int, num_notes: int) -> tuple[np.ndarray, np.ndarray, int]:
    """A new melody with so many notes of a piece inside, transposed and in other note values; and where they begin."""
    random = np.random.default_rng(seed)
    first, before = int(random.integers(0, PIECE_NOTES - num_notes)), int(random.integers(1, 40))
    onset, pitch = random_melody(seed % NUM_PIECES, PIECE_NOTES)
    own_onset, own_pitch = random_melody(10_000 + seed, 80)
    gaps = np.diff(own_onset, prepend=0)
    copied = np.diff(onset[first : first + num_notes]) * int(random.integers(1, 4))
    up = int(random.integers(-12, 13))
    all_gaps = np.concatenate([gaps[:before], [7], copied, [11], gaps[before:]])
    line = pitch[first : first + num_notes] + up
    pitches = np.concatenate([own_pitch[:before], line, [line[-1] + 25], own_pitch[before:]])
    pitches[before - 1] = line[0] - 25  # leaps that no melody here has: the copy ends where it should
    return np.cumsum(all_gaps), pitches, before


@pytest.mark.parametrize("num_notes", [12, 13, 14, 15, 16, 21, 40])
def test_every_planted_copy_is_found_with_its_length_and_place(index: OriginalityIndex, num_notes: int) -> None:
    num_checked = 0
    for seed in range(40):
        onset, pitch, first = planted(seed, num_notes)
        (line,) = voice_lines(score_of(onset, pitch))
        content = np.flatnonzero(has_content(line_steps(line))[first : first + num_notes - RUN_NOTES + 1])
        shared = index.longest_shared_run(score_of(onset, pitch))
        if len(content) == num_notes - RUN_NOTES + 1:
            num_checked += 1
            assert (shared.num_notes, shared.first_note, shared.onset_tick) == (num_notes, first, onset[first]), seed
    assert num_checked >= 30


def test_eleven_notes_are_no_copy(index: OriginalityIndex) -> None:
    assert {index.longest_shared_run(score_of(*planted(seed, 11)[:2])).num_notes for seed in range(40)} == {0}


def test_a_copy_above_or_below_chords_of_its_own_part_is_found(index: OriginalityIndex) -> None:
    onset, pitch = (values[20:50] for values in random_melody(7, PIECE_NOTES))
    above = joined(score_of(onset, pitch + 12), score_of(onset, pitch * 0 + 50), score_of(onset, pitch * 0 + 45))
    below = joined(score_of(onset, pitch - 24), score_of(onset, pitch * 0 + 100))
    found = [index.longest_shared_run(score) for score in (above, below)]
    assert [shared.num_notes for shared in found] == [30, 30]
    assert [shared.line is not None and shared.line.is_lowest for shared in found] == [False, True]


def test_no_run_of_the_corpus_is_missed_with_few_bits(tight: OriginalityIndex) -> None:
    assert len(tight.to_bytes()) <= TIGHT_BYTES * 1.02 and tight.code_bits < 8
    for _, score in PIECES:
        for line in voice_lines(score):
            steps = line_steps(line)
            found = shared_runs(steps, tight.seeds, tight.codes, tight.key_bits, tight.code_bits)
            assert (found == has_content(steps)).all()


def test_random_melodies_share_nothing_but_at_the_stated_rate(index: OriginalityIndex) -> None:
    assert index.false_positive_rate < 1e-12
    loose = build_index(PIECES, most_bytes=1)  # of the fewest bits
    assert 1e-5 < loose.false_positive_rate < 1e-4
    fewer = replace(
        loose, seeds=loose.seeds >> np.uint64(5), key_bits=loose.key_bits - 5
    )  # so that some can be counted
    num_runs = num_found = 0
    for seed in range(500):
        score = score_of(*random_melody(50_000 + seed, 400))
        assert index.longest_shared_run(score).num_notes == 0
        (line,) = voice_lines(score)
        steps = line_steps(line)
        found = shared_runs(steps, fewer.seeds, fewer.codes, fewer.key_bits, fewer.code_bits)
        num_runs, num_found = num_runs + int(has_content(steps).sum()), num_found + int(found.sum())
    assert num_found == pytest.approx(num_runs * fewer.false_positive_rate, rel=0.3)


def test_the_nearest_piece_of_a_copy_is_its_source(index: OriginalityIndex) -> None:
    named = [index.nearest_piece(score_of(*planted(seed, 40)[:2])) for seed in range(40)]
    assert [name for name, _ in named] == [f"piece {seed}" for seed in range(40)]
    assert all(0.2 < similarity < 0.5 for _, similarity in named)  # 40 notes of 121
    assert index.nearest_piece(PIECES[3][1]) == ("piece 3", 1.0)
    assert index.nearest_piece(score_of(np.arange(3) * 24, np.array([60, 62, 64]))) == ("", 0.0)


def test_bytes_are_the_same_again_and_hold_everything(tight: OriginalityIndex) -> None:
    data = tight.to_bytes()
    assert build_index(PIECES, most_bytes=TIGHT_BYTES).to_bytes() == data
    again = from_bytes(data)
    assert again.to_bytes() == data
    assert (again.names, again.key_bits, again.code_bits) == (tight.names, tight.key_bits, tight.code_bits)
    assert (again.seeds == tight.seeds).all() and (again.codes == tight.codes).all()
    assert again.nearest_piece(PIECES[5][1]) == tight.nearest_piece(PIECES[5][1])


def test_an_index_of_nothing_finds_nothing() -> None:
    empty = from_bytes(build_index([]).to_bytes())
    assert empty.longest_shared_run(PIECES[0][1]).num_notes == 0
    assert empty.nearest_piece(PIECES[0][1]) == ("", 0.0)


@pytest.mark.parametrize("place", [48, 60, 3_000, -1])
def test_altered_bytes_are_refused(tight: OriginalityIndex, place: int) -> None:
    data = bytearray(tight.to_bytes())
    data[place] ^= 4
    with pytest.raises(CheckpointError, match=r"runs\.index was cut short or altered.*Copy the checkpoint again"):
        from_bytes(bytes(data), name="runs.index")


def test_other_and_short_bytes_are_refused(tight: OriginalityIndex) -> None:
    with pytest.raises(CheckpointError, match=r"runs\.index begins with b'PK"):
        from_bytes(b"PK\3\4" + bytes(100), name="runs.index")
    for size in (20, 200, -1):
        with pytest.raises(CheckpointError, match="cut short"):
            from_bytes(tight.to_bytes()[:size])


def test_a_track_of_a_minute_takes_milliseconds(index: OriginalityIndex) -> None:
    scores = [score_of(*random_melody(seed, 300), program=program) for seed, program in enumerate((0, 24, 33, 48, 73))]
    track = joined(*scores)
    assert len(track.notes) == 1500
    index.longest_shared_run(track)
    durations = []
    for _ in range(5):
        start = time.thread_time()
        index.longest_shared_run(track)
        durations.append(time.thread_time() - start)
    assert min(durations) < 0.005
