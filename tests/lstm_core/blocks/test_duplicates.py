"""Near-duplicates: what must not matter does not, what differs differs, and bands find what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.blocks.duplicates import SIGNATURE_SIZE, group_duplicates, shingles, signature
from lstm_core.blocks.signatures import in_file
from lstm_core.foundation.shingles import MAX_SHINGLES, Shingles, jaccard
from lstm_core.notes.score import DRUMS, NoteArray, make_notes


def tune(seed: int, num_notes: int = 200) -> NoteArray:
    """A random melody of program 73 over a bass of program 32."""
    random = np.random.default_rng(seed)
    onsets = np.cumsum(random.choice([6, 12, 24], num_notes))
    melody = 60 + np.cumsum(random.integers(-3, 4, num_notes)) % 24
    rows = [(int(t), 6, 73, int(p), 90) for t, p in zip(onsets, melody, strict=True)]
    rows += [(int(t), 48, 32, int(random.integers(30, 50)), 80) for t in onsets[::4]]
    return make_notes(rows)


def test_key_tempo_instruments_loudness_and_drums_do_not_matter() -> None:
    notes = tune(1)
    expected = shingles(notes)
    assert len(expected) > 200
    other = notes.copy()
    other["pitch"] += 5
    other["onset"] *= 2
    other["program"] += 7
    other["velocity"] = 33
    drums = make_notes([(t, 3, DRUMS, 36, 99) for t in range(0, 2000, 24)])
    np.testing.assert_array_equal(shingles(np.concatenate([drums, other])), expected)


def test_pieces_that_differ_are_far_apart_and_copies_with_changes_near() -> None:
    sets = [shingles(tune(seed)) for seed in range(12)]
    unlike = [jaccard(sets[i], sets[j]) for i in range(12) for j in range(i)]
    assert max(unlike) < 0.05
    notes = tune(1)
    changed = notes.copy()
    changed["pitch"][::40] += 1
    assert jaccard(shingles(notes), shingles(changed)) > 0.6
    assert jaccard(shingles(notes), shingles(notes[: len(notes) * 3 // 4])) > 0.6


def test_pieces_of_drums_alone_and_of_one_note_have_shingles() -> None:
    beat = make_notes([(t, 3, DRUMS, (36, 42, 38)[t // 12 % 3], 99) for t in range(0, 960, 12)])
    other = make_notes([(t, 3, DRUMS, (36, 38, 38)[t // 12 % 3], 99) for t in range(0, 960, 12)])
    assert jaccard(shingles(beat), shingles(beat)) == 1.0
    assert jaccard(shingles(beat), shingles(other)) == 0.0
    for num_notes in (1, 2, 5):
        assert len(shingles(tune(3, num_notes))) >= 1


def test_jaccard_of_sets_by_hand_and_of_cut_ones() -> None:
    left, right = np.arange(0, 60, dtype=np.uint32), np.arange(30, 90, dtype=np.uint32)
    assert jaccard(left, right) == 30 / 90
    random = np.random.default_rng(0)
    pool = np.unique(random.integers(0, 2**32, 60_000, dtype=np.uint32))
    shared, rest = np.split(random.permutation(pool), [20_000])
    full = [np.sort(np.concatenate([shared, half])) for half in np.split(rest[:40_000], 2) if len(half)]
    cut = [one[:MAX_SHINGLES] for one in full]
    exact = len(np.intersect1d(*full)) / len(np.union1d(*full))
    assert jaccard(cut[0], cut[1]) == pytest.approx(exact, abs=0.03)


def test_signatures_agree_as_often_as_sets_overlap() -> None:
    """The share of equal values is an unbiased estimate of the Jaccard index, of variance J (1 - J) / size."""
    random = np.random.default_rng(1)
    errors = []
    for _ in range(40):
        pool = random.integers(0, 2**32, 300, dtype=np.uint32)
        left, right = np.unique(pool[:200]), np.unique(pool[100:])  # a third is shared
        errors.append(np.mean(signature(left) == signature(right)) - 1 / 3)
    spread = np.sqrt(1 / 3 * 2 / 3 / SIGNATURE_SIZE)
    assert abs(np.mean(errors)) < 3 * spread / np.sqrt(40)
    assert np.std(errors) == pytest.approx(spread, rel=0.35)


def test_groups_are_found_whatever_the_order() -> None:
    """Twenty pieces, each with two altered copies, make twenty groups of three, and pairs are read sparingly."""
    sets: list[Shingles] = []
    for seed in range(20):
        for copy in range(3):
            notes = tune(seed).copy()
            notes["pitch"] += copy
            notes["pitch"][copy * 7 :: 50] += min(copy, 1)
            sets.append(shingles(notes))
    order = np.random.default_rng(2).permutation(60)
    loads: list[int] = []

    def load(number: int) -> Shingles:
        loads.append(number)
        return sets[order[number]]

    signatures = np.stack([signature(sets[i]) for i in order])
    groups = group_duplicates(in_file(signatures), load, 0.4)
    assert [order[i] // 3 == order[j] // 3 for i in range(60) for j in range(60)] == [
        groups[i] == groups[j] for i in range(60) for j in range(60)
    ]
    assert all(groups[i] == min(np.flatnonzero(groups == groups[i])) for i in range(60))
    assert len(loads) <= 120


def test_pairs_at_the_threshold_are_mostly_found() -> None:
    """A pair of Jaccard index 0.4 shares one of 42 bands of 3 with probability 1 - (1 - 0.4^3)^42 = 0.94."""
    random = np.random.default_rng(3)
    found = 0
    for _ in range(100):
        pool = np.unique(random.integers(0, 2**32, 500, dtype=np.uint32))
        left, right = np.sort(random.permutation(pool)[:350]), pool
        right = np.union1d(right[~np.isin(right, left)], random.permutation(left)[:200])  # 200 of 500 shared
        pair = [left, right]
        groups = group_duplicates(
            in_file(np.stack([signature(one) for one in pair])), lambda n, pair=pair: pair[n], 0.39
        )
        found += int(groups[1] == groups[0])
    assert 86 <= found <= 100


def test_no_pieces_make_no_groups() -> None:
    none = in_file(np.zeros((0, SIGNATURE_SIZE), dtype=np.uint32))
    assert len(group_duplicates(none, lambda n: np.zeros(0), 0.5)) == 0
