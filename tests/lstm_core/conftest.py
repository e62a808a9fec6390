"""Builders and laws that several test files share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lstm_core.notes.limits import MAX_BPM, MAX_NOTE_TICKS, MAX_NOTES, MIN_BPM
from lstm_core.notes.score import DRUMS, Score


def check_laws(score: Score) -> None:
    """Asserts what every Score promises, and what every reader promises besides."""
    notes = score.notes
    assert 0 < len(notes) <= MAX_NOTES
    assert notes["onset"].min() >= 0
    assert notes["duration"].min() >= 1 and notes["duration"].max() <= MAX_NOTE_TICKS
    assert notes["pitch"].max() <= 127 and notes["program"].max() <= DRUMS
    assert notes["velocity"].min() >= 1 and notes["velocity"].max() <= 127
    drums_first = np.where(notes["program"] == DRUMS, -1, notes["program"].astype(int))
    triples = list(zip(notes["onset"].tolist(), drums_first.tolist(), notes["pitch"].tolist(), strict=True))
    assert triples == sorted(set(triples))
    voice = notes["program"].astype(int) * 128 + notes["pitch"]
    order = np.lexsort((notes["onset"], voice))
    ends = (notes["onset"] + notes["duration"])[order][:-1]
    same_voice = np.diff(voice[order]) == 0
    assert (ends[same_voice] <= notes["onset"][order][1:][same_voice]).all()
    for rows in (score.tempos, score.meters):
        ticks = [row.tick for row in rows]
        assert ticks[0] == 0 and ticks == sorted(set(ticks)) and (len(ticks) == 1 or ticks[-1] < score.end_tick)
    assert all(MIN_BPM <= tempo.bpm <= MAX_BPM for tempo in score.tempos)
    assert all(meter.denominator & (meter.denominator - 1) == 0 and meter.numerator >= 1 for meter in score.meters)


@pytest.fixture
def assert_lawful() -> Callable[[Score], None]:
    return check_laws
