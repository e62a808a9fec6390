"""What walks through a piece note by note or state by state, compiled."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


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


ABOVE, GAP_ABOVE, GAP_BELOW, SAME_STRUCK, OTHERS_STRUCK, STEP_BEFORE, STEP_AFTER, LEAP_BEFORE, LEAP_AFTER = range(9)
EQUAL_BEFORE, EQUAL_AFTER, RECURRENCES, NEAR_NOTES, RELATIVE_LENGTH, BAR_NOTES = range(9, 15)
EQUAL_LENGTHS, BEAT_PERIODS, BAR_PERIODS, NUM_SURROUNDINGS = range(15, 19)
_NEVER_GAP = 99.0  # semitones to a neighbour that there is none of
_JOIN_TICKS = 3  # a note whose end is so near the next one's onset goes on into it


@njit(cache=True)
def surroundings(
    onset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    layer: npt.NDArray[np.int64],
    beat: npt.NDArray[np.int64],
    bar: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """What stands around each note, in columns ABOVE .. RELATIVE_LENGTH: float64 [N, NUM_SURROUNDINGS].

    Args:
        onset: In order.
        layer: Lines that are looked at by themselves.
        beat: Ticks of a beat where the note stands.
        bar: Ticks of a bar there.
    """
    count = len(onset)
    found = np.zeros((count, NUM_SURROUNDINGS))
    longest = np.int64(0)
    for i in range(count):
        longest = max(longest, end[i] - onset[i])
    for i in range(count):
        row = found[i]
        row[GAP_ABOVE] = row[GAP_BELOW] = _NEVER_GAP
        length = end[i] - onset[i]
        total, near = 0.0, 0
        reach = min(longest, 4 * bar[i])
        j = i - 1
        while j >= 0 and onset[j] >= onset[i] - max(bar[i], reach):
            _look(row, i, j, onset, end, pitch, layer, beat[i], bar[i])
            if onset[j] >= onset[i] - beat[i]:
                total += end[j] - onset[j]
                near += 1
            j -= 1
        j = i + 1
        while j < count and onset[j] <= onset[i] + bar[i]:
            _look(row, i, j, onset, end, pitch, layer, beat[i], bar[i])
            if onset[j] <= onset[i] + beat[i]:
                total += end[j] - onset[j]
                near += 1
            j += 1
        row[RELATIVE_LENGTH] = np.log2(length * max(near, 1) / total) if total > 0.0 else 0.0
    return found


@njit(cache=True)
def _look(
    row: npt.NDArray[np.float64],
    i: int,
    j: int,
    onset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    layer: npt.NDArray[np.int64],
    beat: int,
    bar: int,
) -> None:
    """Enters what note j is to note i."""
    interval = pitch[j] - pitch[i]
    is_same = layer[i] == layer[j]
    length_differs = abs((end[j] - onset[j]) - (end[i] - onset[i])) > 1
    if onset[j] <= onset[i] and end[j] > onset[i] + 2:  # sounds when i begins
        if interval > 0:
            row[ABOVE] += 1.0
            row[GAP_ABOVE] = min(row[GAP_ABOVE], interval)
        elif interval < 0:
            row[GAP_BELOW] = min(row[GAP_BELOW], -interval)
    if onset[j] == onset[i]:
        if is_same and not length_differs:
            row[SAME_STRUCK] += interval % 12 != 0  # a line in octaves is one line
        else:
            row[OTHERS_STRUCK] += 1.0
        return
    if not is_same:
        return
    if abs(onset[j] - onset[i]) <= beat:
        row[NEAR_NOTES] += 1.0
    distance = abs(onset[j] - onset[i])
    if distance <= bar:
        row[BAR_NOTES] += 1.0
        if interval == 0:
            row[RECURRENCES] += 1.0
        if not length_differs:
            row[EQUAL_LENGTHS] += 1.0
            if distance == beat and abs(interval) <= 7:
                row[BEAT_PERIODS] += 1.0
            if distance == bar and abs(interval) <= 7:
                row[BAR_PERIODS] += 1.0
    joins_before = onset[j] < onset[i] and abs(end[j] - onset[i]) <= _JOIN_TICKS
    joins_after = onset[j] > onset[i] and abs(onset[j] - end[i]) <= _JOIN_TICKS
    if joins_before or joins_after:
        shift = 0 if joins_before else 1
        if abs(interval) <= 2:
            row[STEP_BEFORE + shift] = 1.0
        if not length_differs:
            row[EQUAL_BEFORE + shift] = 1.0
            if 3 <= abs(interval) <= 12:
                row[LEAP_BEFORE + shift] = 1.0


NUM_RESTS = 9  # kinds of rest that best_line tells apart


@njit(cache=True)
def _rest_kind(beats: float) -> int:
    """Which of NUM_RESTS: overlaps by more than a beat, three tenths, a twentieth; none; up to 1/2, 1, 2, 4 beats; more."""
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
    """Which notes are of the line, one begun at a time, of greatest sum of notes and of ways between them: bool [N].

    Args:
        gain: What a note adds; negative where it is no part of such a line.
        leaps: What a step of so many semitones adds; the last for all wider ones.
        rests: What a rest of each kind between two notes adds.
        switches: What it adds to go from layer to layer, [from, to].
        reach: How many notes back the one before is looked for; beyond lies a long rest.
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


@njit(cache=True)
def highest(
    onset: npt.NDArray[np.int64], end: npt.NDArray[np.int64], pitch: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Highest pitch that sounds at each tick, -1 in silence: int64 [ticks + 1]."""
    high = np.full(int(end.max()) + 1 if len(end) else 1, -1)
    for i in range(len(onset)):
        for tick in range(onset[i], end[i]):
            high[tick] = max(high[tick], pitch[i])
    return high


@njit(cache=True)
def lowest_within(
    onset: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    layer: npt.NDArray[np.int64],
    reach: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Lowest pitch that the layer of each note begins within `reach` ticks before or after it: int64 [N]."""
    low = pitch.copy()
    for i in range(len(onset)):
        j = i - 1
        while j >= 0 and onset[j] > onset[i] - reach[i]:
            if layer[j] == layer[i]:
                low[i] = min(low[i], pitch[j])
            j -= 1
        j = i + 1
        while j < len(onset) and onset[j] < onset[i] + reach[i]:
            if layer[j] == layer[i]:
                low[i] = min(low[i], pitch[j])
            j += 1
    return low


@njit(cache=True)
def bar_likeness(
    first: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    max_lag: int,
) -> tuple[
    npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int8], npt.NDArray[np.float32]
]:
    """How alike each bar is to each earlier one: as it stands, transposed, by how much, and in rhythm alone.

    Likeness is the Jaccard index of (place in the bar, pitch), the mean of that of the melody and that of all pitched
    notes where there is a melody; drums count a seventh where there are any. Two empty bars are alike.

    Args:
        first: Where the notes of each bar begin, int64 [bars + 1]. Of a bar they stand in order of place.
        place: Where in the bar each note begins.
        kind: 0 for the melody, 1 for other pitched notes, 2 for drums.
        max_lag: Bars back that are looked at.

    Returns:
        Likeness, likeness transposed, semitones (later minus earlier), rhythm: [bars, max_lag + 1], by lag.
    """
    bars = len(first) - 1
    plain = np.zeros((bars, max_lag + 1), dtype=np.float32)
    moved = np.zeros((bars, max_lag + 1), dtype=np.float32)
    shift = np.zeros((bars, max_lag + 1), dtype=np.int8)
    rhythm = np.zeros((bars, max_lag + 1), dtype=np.float32)
    sizes = np.zeros((bars, 3))
    for bar in range(bars):
        for n in range(first[bar], first[bar + 1]):
            sizes[bar, kind[n]] += 1.0
    both = np.zeros((3, 25))  # notes in common by kind and semitones up from -12; in row 1 those of melody as well
    for bar in range(bars):
        for lag in range(1, min(bar, max_lag) + 1):
            other = bar - lag
            both[:] = 0.0
            a, b = first[bar], first[other]
            places, shared = 0, 0
            while a < first[bar + 1] or b < first[other + 1]:
                at = np.int64(1 << 60)
                if a < first[bar + 1]:
                    at = place[a]
                if b < first[other + 1]:
                    at = min(at, place[b])
                a_stop, b_stop = a, b
                a_pitched, b_pitched = False, False
                while a_stop < first[bar + 1] and place[a_stop] == at:
                    a_pitched = a_pitched or kind[a_stop] < 2
                    a_stop += 1
                while b_stop < first[other + 1] and place[b_stop] == at:
                    b_pitched = b_pitched or kind[b_stop] < 2
                    b_stop += 1
                places += a_pitched or b_pitched
                shared += a_pitched and b_pitched
                for i in range(a, a_stop):
                    for j in range(b, b_stop):
                        up = pitch[i] - pitch[j] + 12
                        if kind[i] == 2 or kind[j] == 2:
                            if kind[i] == kind[j] and up == 12:
                                both[2, 12] += 1.0
                        elif 0 <= up < 25:
                            both[1, up] += 1.0
                            if kind[i] == 0 and kind[j] == 0:
                                both[0, up] += 1.0
                a, b = a_stop, b_stop
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
            rhythm[bar, lag] = shared / places if places else 0.0
    return plain, moved, shift, rhythm


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
    return value


@njit(cache=True)
def best_sections(
    like: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    length_cost: npt.NDArray[np.float64],
    start_bonus: npt.NDArray[np.float64],
    source_bonus: npt.NDArray[np.float64],
    repeat_cost: float,
    last_cost: float,
) -> npt.NDArray[np.int64]:
    """Bars at which sections begin so that the piece is told most briefly, the end included: int64 [sections + 1].

    A section costs `length_cost` of its number of bars less `start_bonus` of its first, and its bars: one each, or,
    where it repeats an earlier stretch that is over when it begins, what they differ by, and `repeat_cost`, less
    `source_bonus` of the bar that the stretch begins with.

    Args:
        like: Likeness of each bar and the one so many before, float64 [bars, lags]. weight: Of each bar.
    """
    bars, lags = like.shape
    longest = len(length_cost) - 1
    sums = np.zeros((lags, bars + 1))
    for lag in range(1, lags):
        for bar in range(bars):
            sums[lag, bar + 1] = sums[lag, bar] + weight[bar] * (1.0 - like[bar, lag])
    mass = np.zeros(bars + 1)
    for bar in range(bars):
        mass[bar + 1] = mass[bar] + weight[bar]
    cost, came = np.full(bars + 1, np.inf), np.zeros(bars + 1, dtype=np.int64)
    cost[0] = 0.0
    for stop in range(1, bars + 1):
        for start in range(max(0, stop - longest), stop):
            told = mass[stop] - mass[start]
            for lag in range(stop - start, min(start, lags - 1) + 1):
                repeated = sums[lag, stop] - sums[lag, start] + repeat_cost - source_bonus[start - lag]
                told = min(told, repeated)
            own = length_cost[stop - start]
            if stop == bars:
                own = min(own, last_cost)
            value = cost[start] + told + own - start_bonus[start]
            if value < cost[stop]:
                cost[stop], came[stop] = value, start
    starts = [bars]
    while starts[-1] > 0:
        starts.append(came[starts[-1]])
    return np.array(starts[::-1])


@njit(cache=True)
def best_references(
    points: npt.NDArray[np.float64], shift: npt.NDArray[np.int64], entry: npt.NDArray[np.float64], leave: float
) -> npt.NDArray[np.int64]:
    """Which way of repeating each bar follows on the path of most points, 0 for none: int64 [bars].

    Args:
        points: What each way gives at each bar, float64 [bars, ways]; way 0 is to be new.
        shift: Semitones of each way at each bar; to go on means the same way and shift.
        entry: Points of beginning a way at a bar, float64 [bars, ways].
        leave: Points of going from any way to way 0.
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
                value = top + leave
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


@njit(cache=True)
def has_octave(
    onset: npt.NDArray[np.int64], pitch: npt.NDArray[np.int64], line: npt.NDArray[np.int64], is_same: bool
) -> npt.NDArray[np.bool_]:
    """Whether the line of each note (or, not `is_same`, another) begins a note an octave above with it: bool [N]."""
    found = np.zeros(len(onset), dtype=np.bool_)
    for i in range(len(onset)):
        j = i
        while j > 0 and onset[j - 1] == onset[i]:
            j -= 1
        while j < len(onset) and onset[j] == onset[i]:
            found[i] = found[i] or (pitch[j] == pitch[i] + 12 and (line[j] == line[i]) == is_same)
            j += 1
    return found
