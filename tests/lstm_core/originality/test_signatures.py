"""Signatures: versions of one score are near each other, and a table finds them among many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_core.notes.score import Score
from lstm_core.originality.signatures import NEAR_SHARE, NUM_VALUES, SignatureTable, signature_of
from tests.lstm_core.originality.melodies import random_melody, score_of

ONSET, PITCH = random_melody(1, 200)
SCORE = score_of(ONSET, PITCH)


def shared(left: Score, right: Score) -> float:
    values = [np.frombuffer(bytes.fromhex(signature_of(score) or ""), np.uint8) for score in (left, right)]
    return float((values[0] == values[1]).mean())


def test_key_tempo_and_instrument_change_nothing() -> None:
    signature = signature_of(SCORE)
    assert signature is not None and len(signature) == 2 * NUM_VALUES
    assert signature == signature_of(score_of(2 * ONSET, PITCH + 5, program=0))


def test_the_share_of_equal_values_is_that_of_shared_runs() -> None:
    """A melody and another after it: half of the runs of both are those of the first."""
    onset, pitch = random_melody(2, 200)
    both = score_of(np.concatenate([ONSET, onset + ONSET[-1] + 24]), np.concatenate([PITCH, pitch]))
    assert shared(SCORE, both) == pytest.approx(0.5, abs=0.15)
    assert shared(SCORE, score_of(onset, pitch)) < 0.1
    moved = PITCH.copy()
    moved[50:150:50] += 1
    assert NEAR_SHARE < shared(SCORE, score_of(ONSET, moved)) < 1.0


def test_few_different_runs_have_no_signature() -> None:
    scale = 60 + np.arange(200) % 7
    assert signature_of(score_of(ONSET[:20], PITCH[:20])) is None
    assert signature_of(score_of(12 * np.arange(200), scale)) is None
    drums = replace(SCORE, notes=SCORE.notes[:0])
    assert signature_of(drums) is None


def test_a_table_finds_what_is_near_and_nothing_else() -> None:
    random = np.random.default_rng(3)
    values = random.integers(0, 256, (2_000, NUM_VALUES), dtype=np.uint8)
    values[700] = values[30]
    values[700, :16] += 1  # 0.75 shared
    values[900] = values[30]
    values[900, ::2] += 1  # half shared
    table = SignatureTable([*(row.tobytes().hex() for row in values), None, "of another kind", "00"])
    assert table.near(values[30].tobytes().hex()).tolist() == [30, 700]
    assert table.near(values[900].tobytes().hex()).tolist() == [900]
    assert table.near(None).tolist() == table.near("00").tolist() == []
    assert SignatureTable([]).near(values[0].tobytes().hex()).tolist() == []
