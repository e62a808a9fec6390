"""Best paths and cuts by dynamic programming, compiled: lines of notes, states over time, sections, references."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit


@njit(cache=True)
def best_path(
    scores: npt.NDArray[np.float64], changes: npt.NDArray[np.float64], kinds: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """State at each time on the path of greatest sum (Viterbi): int64 [T].

    Args:
        scores: Of each state at each time, float64 [T, states].
        changes: Score of the way from one state to another, float64 [kinds, from, to].
        kinds: Which of `changes` leads to each time, int64 [T].
    """
    num_times, num_states = scores.shape
    came = np.zeros((num_times, num_states), dtype=np.int32)
    total = scores[0].copy()
    reached = np.empty(num_states)
    for t in range(1, num_times):
        change = changes[kinds[t]]
        reached[:] = -np.inf
        for a in range(num_states):
            for b in range(num_states):
                value = total[a] + change[a, b]
                if value > reached[b]:
                    reached[b] = value
                    came[t, b] = a
        for b in range(num_states):
            total[b] = reached[b] + scores[t, b]
    path = np.zeros(num_times, dtype=np.int64)
    path[-1] = int(total.argmax())
    for t in range(num_times - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path


NUM_RESTS = 9  # kinds of rest that best_line distinguishes


@njit(cache=True)
def _rest_kind(beats: float) -> int:
    """Which of NUM_RESTS: overlaps by over 1, 0.3, 0.05 beats; none; rests of up to 1/2, 1, 2, 4 beats; longer."""
    kind = 0
    for bound in (-1.0, -0.3, -0.05, 0.051, 0.55, 1.05, 2.05, 4.0):
        if beats < bound:
            return kind
        kind += 1
    return kind


@njit(cache=True)
def best_line(
    gain: npt.NDArray[np.float64],
    onset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    layer: npt.NDArray[np.int64],
    beat: npt.NDArray[np.int64],
    leaps: npt.NDArray[np.float64],
    rests: npt.NDArray[np.float64],
    switches: npt.NDArray[np.float64],
    reach: int,
) -> npt.NDArray[np.bool_]:
    """Which notes belong to the line, one begun at a time, of greatest sum of notes and transitions: bool [N].

    Args:
        gain: What a note adds; negative where it does not belong to such a line.
        leaps: What a step of so many semitones adds; the last for all wider ones.
        rests: What a rest of each kind between two notes adds.
        switches: What it adds to go from layer to layer, [from, to].
        reach: How many notes back the one before is looked for; a larger distance is a long rest.
    """
    count = len(onset)
    total, came = np.empty(count), np.full(count, -1)
    far, far_note = 0.0, -1  # the best line that ended more than `reach` notes ago
    for i in range(count):
        leaves = i - reach - 1
        if leaves >= 0 and (far_note < 0 or total[leaves] > far):
            far, far_note = total[leaves], leaves
        value, source = 0.0, -1
        if far_note >= 0 and far + rests[NUM_RESTS - 1] > 0.0:
            value, source = far + rests[NUM_RESTS - 1], far_note
        for j in range(max(0, i - reach), i):
            if onset[j] == onset[i]:
                break
            way = total[j] + leaps[min(abs(pitch[i] - pitch[j]), len(leaps) - 1)] + switches[layer[j], layer[i]]
            way += rests[_rest_kind((onset[i] - end[j]) / beat[i])]
            if way > value:
                value, source = way, j
        total[i] = value + gain[i]
        came[i] = source
    is_in = np.zeros(count, dtype=np.bool_)
    at = int(total.argmax()) if count else -1
    if count and total[at] <= 0.0:
        return is_in
    while at >= 0:
        is_in[at] = True
        at = came[at]
    return is_in


_UNLIKE_COST = 1.4  # a bar unlike its source costs more than one that is encoded as new


@njit(cache=True)
def best_sections(
    like: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    length_cost: npt.NDArray[np.float64],
    start_bonus: npt.NDArray[np.float64],
    source_bonus: npt.NDArray[np.float64],
    repeat_cost: float,
    edge_cost: float,
    usual_length: int,
) -> npt.NDArray[np.int64]:
    """Bars at which sections begin in the shortest encoding of the piece, the end included: int64 [sections + 1].

    A section costs `length_cost` of its number of bars less `start_bonus` of its first, and its bars: one each, or,
    where it repeats an earlier stretch that is over when it begins, what they differ by, and `repeat_cost`, less
    `source_bonus` of the bar that the stretch begins with.

    Args:
        like: Likeness of each bar and the one so many before, float64 [bars, lags].
        weight: Of each bar.
        edge_cost: At most that of a section that ends the piece, if it is shorter than `usual_length`, or begins
            it, if it is no longer than half of that.
    """
    bars, lags = like.shape
    longest = len(length_cost) - 1
    sums = np.zeros((lags, bars + 1))
    for lag in range(1, lags):
        for bar in range(bars):
            sums[lag, bar + 1] = sums[lag, bar] + weight[bar] * _UNLIKE_COST * (1.0 - like[bar, lag])
    mass = np.zeros(bars + 1)
    for bar in range(bars):
        mass[bar + 1] = mass[bar] + weight[bar]
    cost, came = np.full(bars + 1, np.inf), np.zeros(bars + 1, dtype=np.int64)
    cost[0] = 0.0
    for stop in range(1, bars + 1):
        for start in range(max(0, stop - longest), stop):
            as_new = mass[stop] - mass[start]
            for lag in range(stop - start, min(start, lags - 1) + 1):
                repeated = sums[lag, stop] - sums[lag, start] + repeat_cost - source_bonus[start - lag]
                as_new = min(as_new, repeated)
            own = length_cost[stop - start]
            is_intro = start == 0 and stop - start <= usual_length // 2
            if is_intro or (stop == bars and stop - start < usual_length):
                own = min(own, edge_cost)
            value = cost[start] + as_new + own - start_bonus[start]
            if value < cost[stop]:
                cost[stop], came[stop] = value, start
    starts = [bars]
    while starts[-1] > 0:
        starts.append(came[starts[-1]])
    return np.array(starts[::-1])


@njit(cache=True)
def best_references(
    points: npt.NDArray[np.float64], shift: npt.NDArray[np.int64], entry: npt.NDArray[np.float64], end_points: float
) -> npt.NDArray[np.int64]:
    """Which way of repeating each bar follows on the path of most points, 0 for none: int64 [bars].

    Args:
        points: What each way gives at each bar, float64 [bars, ways]; way 0 is to be new.
        shift: Semitones of each way at each bar; to go on means the same way and shift.
        entry: Points of beginning a way at a bar, float64 [bars, ways].
        end_points: Points of going from any way to way 0.
    """
    bars, ways = points.shape
    total = points[0] + entry[0]
    came = np.zeros((bars, ways), dtype=np.int32)
    for bar in range(1, bars):
        best = int(total.argmax())
        top = total[best]
        new = np.empty(ways)
        for way in range(ways):
            value, source = top + entry[bar, way], best
            if way == 0 and best != 0:
                value = top + end_points
            if (way == 0 or shift[bar, way] == shift[bar - 1, way]) and total[way] >= value:
                value, source = total[way], way
            new[way] = value + points[bar, way]
            came[bar, way] = source
        total = new
    path = np.zeros(bars, dtype=np.int64)
    path[-1] = int(total.argmax())
    for bar in range(bars - 1, 0, -1):
        path[bar - 1] = came[bar, path[bar]]
    return path
