"""Agreement of onsets counted by hand."""

import numpy as np
import pytest

from lstm_core.transcriber_training.onset_scores import score_onsets


def score(transcribed, played, **options):
    columns = [
        np.array(column) for rows in (transcribed, played) for column in (list(zip(*rows, strict=True)) or [[], []])
    ]
    return score_onsets(*columns, **options)


def test_near_onsets_of_the_same_pitch_match_once():
    result = score([(1.0, 60), (1.02, 60), (2.0, 62), (3.0, 64)], [(1.03, 60), (2.049, 62), (3.0, 65)])
    assert (result.matched, result.transcribed, result.played) == (2, 4, 3)
    assert result.precision == 0.5 and result.recall == pytest.approx(2 / 3)
    assert result.f1 == pytest.approx(4 / 7)


def test_a_greedy_choice_of_the_nearest_would_match_fewer():
    assert score([(1.00, 60), (1.05, 60)], [(1.04, 60), (1.09, 60)]).matched == 2


def test_beyond_the_tolerance_nothing_matches():
    assert score([(1.0, 60)], [(1.06, 60)]).matched == 0
    assert score([(1.0, 60)], [(1.06, 60)], tolerance_s=0.07).matched == 1


def test_silence_transcribed_as_silence_is_perfect():
    assert score([], []).f1 == 1.0
    assert score([], [(1.0, 60)]).f1 == 0.0
