"""The bound of notes that sound together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.composing.voices import at_most_together, most_together
from lstm_core.notes.score import DRUMS, make_notes

ROWS = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(1, 30), st.sampled_from([0, 33, 73, DRUMS]), st.integers(36, 60), st.just(80)
    ),
    max_size=40,
)


ROLES = np.array([0])  # all notes are of one part


def counted(notes: np.ndarray) -> int:
    """Most melodic notes in any tick, tick by tick."""
    melodic = notes[notes["program"] != DRUMS]
    ticks = np.arange(80)[:, None]
    return int(
        ((melodic["onset"] <= ticks) & (ticks < melodic["onset"] + melodic["duration"])).sum(axis=1).max(initial=0)
    )


@given(ROWS, st.integers(1, 6))
def test_no_more_sound_together(rows: list[tuple[int, int, int, int, int]], polyphony: int) -> None:
    notes = make_notes(rows)
    limited = at_most_together(notes, polyphony, ROLES)
    assert most_together(notes) == counted(notes) and counted(limited) <= polyphony
    assert (limited["program"] == DRUMS).sum() == (notes["program"] == DRUMS).sum()
    if counted(notes) <= polyphony:
        assert limited.tobytes() == notes.tobytes()
    onsets = {int(tick): int((notes["onset"][notes["program"] != DRUMS] == tick).sum()) for tick in notes["onset"]}
    for tick, count in onsets.items():  # only what begins together beyond the bound is left out
        assert (limited["onset"][limited["program"] != DRUMS] == tick).sum() == min(count, polyphony)


def test_the_bass_and_the_top_stay() -> None:
    notes = make_notes([(0, 24, 73, pitch, 80) for pitch in (60, 64, 67)] + [(0, 24, 33, 36, 80)])
    notes["part"] = notes["program"] == 33
    left = at_most_together(notes, 2, np.array([0, 4]))
    assert left["pitch"].tolist() == [36, 67]
