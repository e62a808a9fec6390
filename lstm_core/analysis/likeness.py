"""How alike each bar is to each earlier one: the lower half of a self-similarity matrix, by lag.

The matrix is that of Foote, "Visualizing music and audio using self-similarity", ACM Multimedia 1999, of symbols.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.foundation.compiling import njit
from lstm_core.notes.score import DRUMS, NoteArray

MAX_LAG = 256  # bars back that a bar is compared with
PLACE_TICKS = 3  # a thirty-second: onsets so near count as one
TRANSPOSED_SHARE = 0.9  # of its likeness a transposed bar counts


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """All by bar and lag: [bars, lags]."""

    plain: Floats
    moved: Floats
    shift: Ints

    @property
    def either(self) -> Floats:
        """The better of both."""
        return np.maximum(self.plain, TRANSPOSED_SHARE * self.moved)


def compare_bars(notes: NoteArray, is_melody: Bools, grid: Grid) -> tuple[Likeness, Floats]:
    """Likeness of all bars, and what each weighs: a bar in which nothing begins next to nothing."""
    onset = notes["onset"].astype(np.int64)
    bar = grid.bar_of(onset)
    place = (onset - grid.barlines[bar] + PLACE_TICKS // 2) // PLACE_TICKS
    kind = np.where(notes["program"] == DRUMS, 2, np.where(is_melody, 0, 1))
    rows = np.stack([bar, place, kind // 2, notes["pitch"].astype(np.int64)])
    _, one = np.unique(rows, axis=1, return_index=True)  # of a pitch doubled in another program one counts
    one = np.sort(one)
    order = one[np.lexsort((place[one], bar[one]))]
    first = np.searchsorted(bar[order], np.arange(grid.num_bars + 1))
    max_lag = min(max(grid.num_bars - 1, 1), MAX_LAG)
    plain, moved, shift = _bar_likeness(
        first, place[order], notes["pitch"][order].astype(np.int64), kind[order], max_lag
    )
    weight = np.where(np.diff(first) > 0, 1.0, 0.1)
    likeness = Likeness(plain=plain.astype(np.float64), moved=moved.astype(np.float64), shift=shift.astype(np.int64))
    return likeness, weight


@njit(cache=True)
def _bar_likeness(
    first: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    max_lag: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """How alike each bar is to each earlier one: as it stands, transposed, and by how much.

    Likeness is the Jaccard index of (place in the bar, pitch), the mean of that of the melody and that of all pitched
    notes where there is a melody; drums count a seventh where there are any. Two empty bars are alike.

    Args:
        first: Where the notes of each bar begin, int64 [bars + 1]. Of a bar they stand in order of place.
        place: Where in the bar each note begins.
        kind: 0 for the melody, 1 for other pitched notes, 2 for drums.
        max_lag: Bars back that are looked at.

    Returns:
        Likeness, likeness transposed, semitones (later minus earlier): [bars, max_lag + 1], by lag.
    """
    bars = len(first) - 1
    plain = np.zeros((bars, max_lag + 1), dtype=np.float32)
    moved = np.zeros((bars, max_lag + 1), dtype=np.float32)
    shift = np.zeros((bars, max_lag + 1), dtype=np.int8)
    sizes = np.zeros((bars, 3))
    for bar in range(bars):
        for n in range(first[bar], first[bar + 1]):
            sizes[bar, kind[n]] += 1.0
    both = np.zeros((3, 25))
    for bar in range(bars):
        for lag in range(1, min(bar, max_lag) + 1):
            other = bar - lag
            _count_common(both, first, place, pitch, kind, bar, other)
            best, best_up = 0.0, 0
            for up in range(25):
                if both[1, up] > 0.0 or up == 12:
                    value = _likeness(both, up, sizes[bar], sizes[other])
                    if up == 12:
                        plain[bar, lag] = value
                    elif value > best:
                        best, best_up = value, up - 12
            moved[bar, lag] = best
            shift[bar, lag] = best_up
    return plain, moved, shift


@njit(cache=True)
def _count_common(
    both: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    bar: int,
    other: int,
) -> None:
    """Counts notes in common of two bars by kind and semitones up from -12, those of the melody also in row 1."""
    both[:] = 0.0
    b = first[other]
    for i in range(first[bar], first[bar + 1]):
        while b < first[other + 1] and place[b] < place[i]:
            b += 1
        j = b
        while j < first[other + 1] and place[j] == place[i]:
            up = pitch[i] - pitch[j] + 12
            if kind[i] == 2 or kind[j] == 2:
                both[2, 12] += kind[i] == kind[j] and up == 12
            elif 0 <= up < 25:
                both[1, up] += 1.0
                both[0, up] += kind[i] == 0 and kind[j] == 0
            j += 1


@njit(cache=True)
def _likeness(
    both: npt.NDArray[np.float64], up: int, size: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> float:
    pitched, other_pitched = size[0] + size[1], other[0] + other[1]
    drums = both[2, 12] / max(size[2] + other[2] - both[2, 12], 1.0)
    if pitched + other_pitched == 0.0:
        return drums if size[2] + other[2] > 0.0 else 1.0
    value = both[1, up] / max(pitched + other_pitched - both[1, up], 1.0)
    if size[0] + other[0] > 0.0:
        value = (value + both[0, up] / max(size[0] + other[0] - both[0, up], 1.0)) / 2.0
    if size[2] + other[2] > 0.0:
        value = (6.0 * value + drums) / 7.0
    return float(value)
