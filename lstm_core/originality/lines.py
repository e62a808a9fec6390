"""The lines that a listener can follow in a score: of each part its top, and of a part with chords its bottom too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, NoteArray, Score

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Line:
    """One note after another of one part of a score."""

    program: int
    part: int
    is_lowest: bool  # the lowest note at each onset; else the highest
    onset: Ints  # ticks, ascending without repeats: int64 [M]
    pitch: Ints  # int64 [M]


def voice_lines(score: Score) -> list[Line]:
    """The lines of each pair of program and part but drums, in their order: the highest note at each onset.

    Where a part has chords, the lowest note at each onset is a line too. Notes inside chords belong to no line.
    """
    notes = score.notes[score.notes["program"] != DRUMS]
    player = notes["program"].astype(np.int64) * 256 + notes["part"]
    lines = []
    for number in np.unique(player).tolist():
        own = notes[player == number]
        highest = _line(own, number, is_lowest=False)
        lines.append(highest)
        if len(highest.onset) < len(own):
            lines.append(_line(own, number, is_lowest=True))
    return lines


def _line(notes: NoteArray, player: int, *, is_lowest: bool) -> Line:
    pitch, onset = notes["pitch"].astype(np.int64), notes["onset"].astype(np.int64)
    order = np.lexsort((pitch if is_lowest else -pitch, onset))
    onset, pitch = onset[order], pitch[order]
    first = np.flatnonzero(np.diff(onset, prepend=-1))
    program, part = divmod(player, 256)
    return Line(program=program, part=part, is_lowest=is_lowest, onset=onset[first], pitch=pitch[first])
