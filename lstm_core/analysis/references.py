"""Which earlier bar each bar repeats, and how: runs along the diagonals of the self-similarity of bars.

The path of most likeness through lags pays for each change of lag, so that references hold for whole phrases.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.analysis.likeness import PLACE_TICKS, TRANSPOSED_SHARE, Likeness
from lstm_core.analysis.paths import best_references
from lstm_core.notes.score import DRUMS, NoteArray

RELATIONS = ("new", "exact", "transposed", "varied")
NEW, EXACT, TRANSPOSED, VARIED = range(4)
NO_SOURCE = -1
EXACT_LIKENESS = 0.95  # of onsets, pitches and programs, from which on a bar is the same again
_EXPECTED = 0.4  # likeness from which on a bar gains by being encoded as a repeat
_BEGIN, _LEAVE = -0.7, -0.4  # points of beginning and ending a reference
_AT_SECTION, _FROM_SECTION = 0.35, 0.25  # back for beginning it with a section, and at the beginning of one
_LAG_BONUS = {16: 0.06, 8: 0.06, 4: 0.05, 2: 0.03, 1: 0.0}  # a loop of one bar is encoded by phrases


def find_references(likeness: Likeness, starts: Ints) -> tuple[Ints, Bools]:
    """Source of each bar or NO_SOURCE, and whether it is transposed: int64 and bool [bars]."""
    bars, lags = likeness.plain.shape
    lag = np.arange(lags)
    bar = np.arange(bars)[:, None]
    bonus = np.zeros(lags)
    for step, more in _LAG_BONUS.items():
        bonus[lag % step == 0] = np.maximum(bonus[lag % step == 0], more)
    is_past = (lag[None] >= 1) & (lag[None] <= bar)
    plain = np.where(is_past, likeness.plain - _EXPECTED + bonus, -9.0)
    moved = np.where(is_past, TRANSPOSED_SHARE * likeness.moved - _EXPECTED + bonus, -9.0)
    is_start = np.zeros(bars, dtype=bool)
    is_start[starts[:-1]] = True
    from_start = is_start[np.maximum(bar - lag[None], 0)]
    entry = _BEGIN + _AT_SECTION * is_start[:, None] + _FROM_SECTION * from_start + 1e-4 * lag[None] / lags
    points = np.concatenate([np.zeros((bars, 1)), plain[:, 1:], moved[:, 1:]], axis=1)
    entry = np.concatenate([np.zeros((bars, 1)), entry[:, 1:], entry[:, 1:]], axis=1)
    no_shift = np.zeros((bars, lags), dtype=np.int64)
    shift = np.concatenate([no_shift, likeness.shift[:, 1:]], axis=1)
    way = best_references(points, shift, entry, _LEAVE)
    transposed = way >= lags
    back = np.where(transposed, way - lags + 1, way)
    source = np.where(way > 0, np.arange(bars) - back, NO_SOURCE)
    return source, transposed


def describe_references(
    notes: NoteArray, grid: Grid, likeness: Likeness, source: Ints, transposed: Bools
) -> tuple[Ints, Floats, Ints]:
    """Relation, similarity and transposition of each bar to its source: [bars] each."""
    rows = np.flatnonzero(source != NO_SOURCE)
    back = rows - source[rows]
    relation = np.full(grid.num_bars, NEW, dtype=np.int64)
    similarity = np.zeros(grid.num_bars)
    transposition = np.zeros(grid.num_bars, dtype=np.int64)
    shift = np.where(transposed[rows], likeness.shift[rows, back], 0)
    transposition[rows] = shift
    similarity[rows] = np.where(transposed[rows], likeness.moved[rows, back], likeness.plain[rows, back])
    contents = _bar_contents(notes, grid)
    for bar, up in zip(rows.tolist(), shift.tolist(), strict=True):
        here, there = contents[bar], contents[int(source[bar])]
        if up:
            there = frozenset((p, g, pitch + up * (g != DRUMS)) for p, g, pitch in there)
        same = len(here & there) / max(len(here | there), 1) if here or there else 1.0
        relation[bar] = VARIED if same < EXACT_LIKENESS else TRANSPOSED if up else EXACT
    return relation, similarity, transposition


def _bar_contents(notes: NoteArray, grid: Grid) -> list[frozenset[tuple[int, int, int]]]:
    """Of each bar what begins in it: (place, program, pitch)."""
    onset = notes["onset"].astype(np.int64)
    bar = grid.bar_of(onset)
    place = (onset - grid.barlines[bar] + PLACE_TICKS // 2) // PLACE_TICKS
    rows = list(zip(place.tolist(), notes["program"].tolist(), notes["pitch"].tolist(), strict=True))
    first = np.searchsorted(bar, np.arange(grid.num_bars + 1)).tolist()
    return [frozenset(rows[a:b]) for a, b in pairwise(first)]
