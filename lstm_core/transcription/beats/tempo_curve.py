"""A tempo map out of beat times: few steady tempi, a new one only where the pace really changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit

Floats = npt.NDArray[np.float64]

MIN_SPREAD_S = 0.02  # of beats about a steady tempo: hands, and the frames of the network
TEMPO_COST = 20.0  # nats: what a further tempo must explain
MIN_CHANGE = 0.02  # share; smaller changes are inaudible
MAX_BARS = 400  # of one tempo before the search starts again, so that its cost grows linearly with length


def tempo_curve(times_s: Floats, bar_beats: npt.NDArray[np.int64]) -> list[tuple[int, float]]:
    """Rows of (beat, beats per minute): the steady tempi that explain beat times best, each from a barline on.

    Least squares with a cost for each tempo, by dynamic programming over barlines (Bellman 1961); neighbours that
    differ by less than MIN_CHANGE are joined.

    Args:
        times_s: Time of each beat in seconds, ascending, float64 [n], n at least 2.
        bar_beats: Beats at which bars begin, ascending, the first 0.
    """
    edges = np.unique(np.concatenate([[0], bar_beats[bar_beats < len(times_s) - 1], [len(times_s) - 1]]))
    bends = np.diff(times_s, 2)
    usual = np.median(np.abs(bends)) / 0.6745 / np.sqrt(6.0) if len(bends) else 0.0  # of noise on single beats
    cuts = _best_cuts(times_s, edges.astype(np.int64), max(float(usual), MIN_SPREAD_S), TEMPO_COST, MAX_BARS)
    segments = [(int(edges[a]), int(edges[b])) for a, b in pairwise(cuts)]
    while len(segments) > 1:
        bpms = np.array([_bpm(times_s, *segment) for segment in segments])
        change = np.abs(np.diff(np.log(bpms)))
        least = int(change.argmin())
        if change[least] >= MIN_CHANGE:
            break
        segments[least : least + 2] = [(segments[least][0], segments[least + 1][1])]
    return [(first, round(_bpm(times_s, first, last), 2)) for first, last in segments]


def _bpm(times_s: Floats, first: int, last: int) -> float:
    """Beats per minute of the straight line through some beats."""
    own = times_s[first : last + 1]
    index = np.arange(len(own)) - (len(own) - 1) / 2.0
    return float(60.0 * (index @ index) / (index @ (own - own.mean())))


@njit(cache=True)
def _best_cuts(times_s: Any, edges: Any, spread_s: float, cost: float, max_bars: int) -> Any:
    """Indices into edges where tempi begin and the last one ends."""
    count = len(edges)
    best = np.full(count, np.inf)
    before = np.zeros(count, dtype=np.int64)
    best[0] = 0.0
    for end in range(1, count):
        n, sum_x, sum_y, sum_xx, sum_xy, sum_yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        beat = edges[end]
        origin = times_s[beat]
        for start in range(end - 1, max(end - 1 - max_bars, -1), -1):
            while beat >= edges[start]:
                x, y = float(beat - edges[end]), times_s[beat] - origin
                n, sum_x, sum_y = n + 1.0, sum_x + x, sum_y + y
                sum_xx, sum_xy, sum_yy = sum_xx + x * x, sum_xy + x * y, sum_yy + y * y
                beat -= 1
            var_x, var_y = sum_xx - sum_x * sum_x / n, sum_yy - sum_y * sum_y / n
            cov = sum_xy - sum_x * sum_y / n
            rest = max(var_y - cov * cov / max(var_x, 1e-12), 0.0)
            total = best[start] + 0.5 * rest / (spread_s * spread_s) + cost
            if total < best[end]:
                best[end], before[end] = total, start
    cuts = [count - 1]
    while cuts[-1] > 0:
        cuts.append(before[cuts[-1]])
    return np.array(cuts[::-1])
