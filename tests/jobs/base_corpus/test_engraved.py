"""What a page does not say is filled in, what it says stays, and parts stay apart."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.base_corpus.engraved import played
from lstm_core.notes.midi import read_midi
from tests.jobs.base_corpus.shared_corpora import tune


@pytest.mark.parametrize("bpm", [60.0, 120.0])
def test_defaults_of_the_engraver_are_replaced(bpm: float) -> None:
    score = read_midi(played(tune(bpm=bpm, num_parts=2), program=19))
    assert score.tempos[0].bpm not in (60.0, 120.0) and len(score.tempos) == 1
    assert set(score.notes["program"]) == {19}
    assert len(set(score.notes["velocity"])) > 2, "bars have accents"
    assert [np.count_nonzero(score.notes["part"] == part) for part in np.unique(score.notes["part"])] == [16, 16]
    assert sorted(score.notes["pitch"]) == sorted(read_midi(tune(num_parts=2)).notes["pitch"])


def test_what_the_page_says_stays() -> None:
    before = read_midi(tune(bpm=97.0, program=73))
    after = read_midi(played(tune(bpm=97.0, program=73), program=40))
    assert after.tempos[0].bpm == pytest.approx(97.0, abs=1e-3)
    assert set(after.notes["program"]) == {73}
    for column in ("onset", "duration", "pitch"):
        assert after.notes[column].tolist() == before.notes[column].tolist()


def test_an_ensemble_is_chosen_for_lines_without_an_instrument_and_always_the_same_one() -> None:
    one, two = (played(tune(num_parts=3, pitch=pitch), program=None) for pitch in (60, 64))
    assert one == played(tune(num_parts=3, pitch=60), program=None) != two
    assert read_midi(one).notes["part"].max() > 1


def test_parts_of_one_instrument_that_meet_on_a_pitch_are_one_note() -> None:
    score = read_midi(played(tune(num_parts=2, pitch=60), program=6))
    again = played(tune(num_parts=2, pitch=60), program=6)
    triples = list(zip(score.notes["onset"], score.notes["program"], score.notes["pitch"], strict=True))
    assert len(triples) == len(set(triples)) and read_midi(again).notes.tolist() == score.notes.tolist()
