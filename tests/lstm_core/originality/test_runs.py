"""Hashes of runs, and which runs have content."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.originality.lines import voice_lines
from lstm_core.originality.runs import RUN_NOTES, has_content, line_steps, run_hashes
from tests.lstm_core.originality.melodies import random_melody, score_of


def hashes_of(onset: np.ndarray, pitch: np.ndarray) -> list[int]:
    (line,) = voice_lines(score_of(onset, pitch))
    found: list[int] = run_hashes(line_steps(line), RUN_NOTES).tolist()
    return found


@pytest.mark.parametrize(("stretch", "up", "later"), [(1, 5, 0), (2, 0, 7), (3, -9, 48), (4, 12, 1)])
def test_key_tempo_note_values_and_place_do_not_matter(stretch: int, up: int, later: int) -> None:
    onset, pitch = random_melody(1, 40)
    assert hashes_of(stretch * onset + later, pitch + up) == hashes_of(onset, pitch)


def test_one_other_pitch_changes_the_runs_that_hold_it_and_no_others() -> None:
    onset, pitch = random_melody(2, 60)
    other = pitch.copy()
    other[30] += 1
    differ = np.flatnonzero(np.array(hashes_of(onset, pitch)) != np.array(hashes_of(onset, other)))
    assert differ.tolist() == list(range(30 - RUN_NOTES + 1, 31))


def test_one_duration_twice_as_long_changes_runs_around_it() -> None:
    onset, pitch = random_melody(3, 60)
    gaps = np.diff(onset, prepend=0)
    gaps[30] *= 2
    differ = np.flatnonzero(np.array(hashes_of(onset, pitch)) != np.array(hashes_of(np.cumsum(gaps), pitch)))
    # A run that begins with that step has no ratio for it, but one for the next; one that ends with it has.
    assert differ.tolist() == list(range(30 - RUN_NOTES + 1, 30))


@pytest.mark.parametrize(
    "steps",
    [[0], [2, 2, 1, 2, 2, 2, 1], [4, 3, -3, -4], [7, -7], [4, 3, 5, -4, -8], [2, 1, -1, -2]],
    ids=["repeated", "scale", "arpeggio", "fifths", "wide arpeggio", "turn"],
)
def test_patterns_of_one_rhythm_have_no_content(steps: list[int]) -> None:
    pitch = np.clip(40 + np.cumsum(np.resize(steps, 24)), 0, 127)
    (line,) = voice_lines(score_of(np.arange(24) * 12, pitch))
    assert not has_content(line_steps(line)).any()


def test_a_melody_has_content() -> None:
    (line,) = voice_lines(score_of(*random_melody(4, 200)))
    assert has_content(line_steps(line)).mean() > 0.95


def test_a_line_shorter_than_a_run_has_none() -> None:
    (line,) = voice_lines(score_of(*random_melody(5, RUN_NOTES - 1)))
    assert len(run_hashes(line_steps(line), RUN_NOTES)) == len(has_content(line_steps(line))) == 0
