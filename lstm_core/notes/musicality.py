"""Measures of a piece that distinguish kinds of music, and the similarity of two sets of pieces in them.

The measures are those in use for symbolic music: pitch-class entropy and groove consistency as in Wu and Yang, "The
Jazz Transformer on the front line", ISMIR 2020; scale consistency as in Mogren, "C-RNN-GAN", 2016; the rest are plain
counts. Two sets are compared by the overlapped area of their distributions of a measure: Yang and Lerch, "On the
evaluation of generative models in music", Neural Computing and Applications 32 (2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray, Score, bar_starts

GROOVE_TICKS = TICKS_PER_QUARTER // 4  # onsets are rounded down to a sixteenth for groove consistency
_MAJOR_SCALE = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11)).astype(np.float64)
_SCALES = np.array([np.roll(_MAJOR_SCALE, tonic) for tonic in range(12)])  # natural minor scales are among them
_POINTS_PER_BANDWIDTH, _MIN_POINTS, _MAX_POINTS = 8, 512, 8192  # at which densities are compared
_GRID_MARGIN = 4.0  # bandwidths beyond the outermost values; the rest is under 1e-4 of the area


@dataclass(frozen=True, kw_only=True)
class Musicality:
    """One value per piece; nan where a measure does not apply, such as entropy of a piece of drums."""

    pitch_class_entropy: float  # bits, 0 to log2(12): of the histogram of pitch classes, each note once
    scale_consistency: float  # share of the notes that lie in the major scale that holds most of them
    groove_consistency: float  # 1 - share of sixteenths of a bar at which it and its neighbour differ in having onsets
    polyphony: float  # melodic notes that sound at once, averaged over the time when any does
    note_density: float  # notes per quarter, drums included
    pitch_range: float  # semitones from the lowest to the highest melodic note
    repeated_bars: float  # share of the bars with onsets whose notes are those of an earlier bar


MEASURES = tuple(field.name for field in fields(Musicality))


def musicality(score: Score) -> Musicality:
    """The measures of a score that holds at least one note."""
    melodic = score.notes[score.notes["program"] != DRUMS]
    description = describe(score)
    has_pitch = len(melodic) > 0
    return Musicality(
        pitch_class_entropy=pitch_class_entropy(melodic) if has_pitch else float("nan"),
        scale_consistency=scale_consistency(melodic) if has_pitch else float("nan"),
        groove_consistency=groove_consistency(score),
        polyphony=description.polyphony_mean if has_pitch else float("nan"),
        note_density=description.density,
        pitch_range=float(int(melodic["pitch"].max()) - int(melodic["pitch"].min())) if has_pitch else float("nan"),
        repeated_bars=repeated_bars(score),
    )


def pitch_class_entropy(melodic: NoteArray) -> float:
    """Entropy in bits of the pitch classes of one or more melodic notes."""
    counts = np.bincount(melodic["pitch"] % 12, minlength=12)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # of one class 0.0, not -0.0


def scale_consistency(melodic: NoteArray) -> float:
    """Greatest share of one or more melodic notes that lies in one major (or natural minor) scale."""
    counts = np.bincount(melodic["pitch"] % 12, minlength=12)
    return float((_SCALES @ counts).max() / counts.sum())


def groove_consistency(score: Score) -> float:
    """How alike neighbouring bars are in where notes begin, 0 to 1; nan when no two neighbours are of one length."""
    patterns = _bar_patterns(score)
    pairs = [(a, b) for a, b in pairwise(patterns) if len(a) == len(b)]
    if not pairs:
        return float("nan")
    return float(1.0 - np.mean([np.mean(a != b) for a, b in pairs]))


def repeated_bars(score: Score) -> float:
    """Share of the bars with onsets that repeat an earlier one note for note: same places, pitches and programs."""
    notes = score.notes
    barlines = bar_starts(score.meters, score.end_tick)
    bar = np.searchsorted(barlines, notes["onset"], side="right") - 1
    rows = np.stack(
        [notes["onset"] - barlines[bar], notes["program"].astype(np.int64), notes["pitch"].astype(np.int64)], axis=1
    )
    contents = [rows[bar == number].tobytes() for number in np.unique(bar)]  # notes of a bar stand in one fixed order
    return 1.0 - len(set(contents)) / len(contents)


def overlapped_area(first: Sequence[float], second: Sequence[float]) -> float:
    """Area, 0 to 1, that the distributions of two sets of values share: the integral of the lesser density.

    Densities are sums of Gaussians of one bandwidth, by Silverman's rule for all values together. Values that are nan
    are left out; the result is nan when a set is empty.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not len(a) or not len(b):
        return float("nan")
    pooled = np.concatenate([a, b])
    bandwidth = _silverman_bandwidth(pooled)
    if bandwidth == 0.0:
        return 1.0
    margin = _GRID_MARGIN * bandwidth
    low, high = pooled.min() - margin, pooled.max() + margin
    num_points = int(np.clip((high - low) / bandwidth * _POINTS_PER_BANDWIDTH, _MIN_POINTS, _MAX_POINTS))
    grid = np.linspace(low, high, num_points)
    lesser = np.minimum(_density(a, grid, bandwidth), _density(b, grid, bandwidth))
    return float(min(np.trapezoid(lesser, grid), 1.0))


def overlaps(first: Iterable[Musicality], second: Iterable[Musicality]) -> dict[str, float]:
    """Overlapped area of each measure between two sets of pieces, by MEASURES."""
    a, b = list(first), list(second)
    return {name: overlapped_area([getattr(m, name) for m in a], [getattr(m, name) for m in b]) for name in MEASURES}


def mean_overlap(areas: Mapping[str, float]) -> float:
    """Mean of the overlapped areas that are numbers."""
    return float(np.nanmean([areas[name] for name in MEASURES]))


def first_bars(score: Score, num_bars: int) -> Score:
    """The score up to a barline; notes that sound across it are cut there."""
    barlines = bar_starts(score.meters, score.end_tick)
    if num_bars >= len(barlines) - 1:
        return score
    end = int(barlines[num_bars])
    notes = score.notes[score.notes["onset"] < end].copy()
    notes["duration"] = np.minimum(notes["duration"], end - notes["onset"])
    return replace(
        score,
        notes=notes,
        meters=tuple(meter for meter in score.meters if meter.tick < end),
        tempos=tuple(tempo for tempo in score.tempos if tempo.tick < end),
    )


def _bar_patterns(score: Score) -> list[npt.NDArray[np.bool_]]:
    """For each bar from the first to the last with onsets: at which of its sixteenths any note begins."""
    barlines = bar_starts(score.meters, score.end_tick)
    bar = np.searchsorted(barlines, score.notes["onset"], side="right") - 1
    place = (score.notes["onset"] - barlines[bar]) // GROOVE_TICKS
    sizes = np.maximum(np.diff(barlines) // GROOVE_TICKS, 1)
    patterns = [np.zeros(size, dtype=bool) for size in sizes]
    for number in np.unique(bar):
        patterns[number][np.minimum(place[bar == number], sizes[number] - 1)] = True
    return patterns[int(bar.min()) : int(bar.max()) + 1]


def _silverman_bandwidth(values: npt.NDArray[np.float64]) -> float:
    """0.9 min(std, IQR / 1.34) n^(-1/5), with std alone where half of the values are equal: Silverman (1986), 3.31."""
    spread = float(values.std())
    low, high = np.percentile(values, (25, 75))
    if high > low:
        spread = min(spread, float(high - low) / 1.34)
    return float(0.9 * spread * len(values) ** -0.2)


def _density(
    values: npt.NDArray[np.float64], grid: npt.NDArray[np.float64], bandwidth: float
) -> npt.NDArray[np.float64]:
    scaled = (grid[:, None] - values[None, :]) / bandwidth
    density: npt.NDArray[np.float64] = np.exp(-0.5 * scaled**2).mean(axis=1) / (bandwidth * np.sqrt(2.0 * np.pi))
    return density
