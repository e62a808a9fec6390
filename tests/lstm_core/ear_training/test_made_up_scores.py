"""Pieces made up by rule are lawful, varied and always the same."""

from collections.abc import Callable

import numpy as np

from lstm_core.ear_training.made_up_scores import made_up_scores
from lstm_core.hearing.felt_beats import felt_beats
from lstm_core.notes import Score


def test_pieces_are_lawful_varied_and_always_the_same(assert_lawful: Callable[[Score], None]) -> None:
    pieces, again = made_up_scores(1, 60), made_up_scores(1, 60)
    for piece, other in zip(pieces, again, strict=True):
        assert_lawful(piece)
        assert (piece.notes == other.notes).all() and piece.tempos == other.tempos
    assert {str(piece.meters[0]) for piece in pieces} == {"3/4", "4/4", "2/4", "6/8"}
    waltzes = [piece.tempos[0].bpm for piece in pieces if str(piece.meters[0]) == "3/4"]
    assert min(waltzes) < 100 < 170 < max(waltzes) and len(waltzes) > 10
    assert (made_up_scores(2, 1)[0].notes["pitch"][:8] != pieces[0].notes["pitch"][:8]).any()


def test_bars_begin_with_a_note() -> None:
    for piece in made_up_scores(3, 20):
        ticks, places = felt_beats(piece)
        onsets = np.unique(piece.notes["onset"])
        assert np.isin(ticks[places == 0][:-1], onsets).mean() > 0.95  # the tune may go on after the last bass
