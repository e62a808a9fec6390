"""Features of each note's surroundings, compiled: notes that sound with it, that join it, that it repeats."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.elementary.powers import log2_of

ABOVE, GAP_ABOVE, GAP_BELOW, SAME_STRUCK, OTHERS_STRUCK, STEP_BEFORE, STEP_AFTER, LEAP_BEFORE, LEAP_AFTER = range(9)
EQUAL_BEFORE, EQUAL_AFTER, RECURRENCES, NEAR_NOTES, RELATIVE_LENGTH, BAR_NOTES = range(9, 15)
EQUAL_LENGTHS, BEAT_PERIODS, BAR_PERIODS, NUM_SURROUNDINGS = range(15, 19)
_NEVER_GAP = 99.0  # semitones, where there is no neighbour
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
    """Features of the surroundings of each note, in columns ABOVE .. RELATIVE_LENGTH: float64 [N, NUM_SURROUNDINGS].

    Args:
        onset: In order.
        layer: Lines that are examined separately.
        beat: Ticks of a beat where the note stands.
        bar: Ticks of a bar there.
    """
    count = len(onset)
    found = np.zeros((count, NUM_SURROUNDINGS))
    length = end - onset
    longest = length.max() if count else 0
    sums = np.zeros(count + 1)
    sums[1:] = np.cumsum(length)
    for i in range(count):
        _sounding(found[i], i, onset, end, pitch, layer, min(longest, 4 * bar[i]))
        first = np.searchsorted(onset, onset[i] - beat[i])
        stop = np.searchsorted(onset, onset[i] + beat[i], side="right")
        others = sums[stop] - sums[first] - length[i]
        if others > 0.0:
            found[i, RELATIVE_LENGTH] = log2_of(length[i] * (stop - first - 1) / others)
    order = np.argsort(layer, kind="mergesort")  # of each layer in order of onset
    for k in range(count):
        i = order[k]
        m = k - 1
        while m >= 0 and layer[order[m]] == layer[i] and onset[order[m]] >= onset[i] - bar[i]:
            _look(found[i], i, order[m], onset, end, pitch, beat[i], bar[i])
            m -= 1
        m = k + 1
        while m < count and layer[order[m]] == layer[i] and onset[order[m]] <= onset[i] + bar[i]:
            _look(found[i], i, order[m], onset, end, pitch, beat[i], bar[i])
            m += 1
    return found


@njit(cache=True)
def _sounding(
    row: npt.NDArray[np.float64],
    i: int,
    onset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    layer: npt.NDArray[np.int64],
    reach: int,
) -> None:
    """Enters notes that sound when note i begins, begun at most `reach` ticks before, and those that begin with it."""
    row[GAP_ABOVE] = row[GAP_BELOW] = _NEVER_GAP
    first = i
    while first > 0 and onset[first - 1] >= onset[i] - reach:
        first -= 1
    j = first
    while j < len(onset) and onset[j] <= onset[i]:
        if j != i:
            if end[j] > onset[i] + 2:
                if pitch[j] > pitch[i]:
                    row[ABOVE] += 1.0
                    row[GAP_ABOVE] = min(row[GAP_ABOVE], pitch[j] - pitch[i])
                elif pitch[j] < pitch[i]:
                    row[GAP_BELOW] = min(row[GAP_BELOW], pitch[i] - pitch[j])
            if onset[j] == onset[i]:
                if layer[j] == layer[i] and abs(end[j] - end[i]) <= 1:
                    row[SAME_STRUCK] += (pitch[j] - pitch[i]) % 12 != 0  # a line in octaves is one line
                else:
                    row[OTHERS_STRUCK] += 1.0
        j += 1


@njit(cache=True)
def _look(
    row: npt.NDArray[np.float64],
    i: int,
    j: int,
    onset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    pitch: npt.NDArray[np.int64],
    beat: int,
    bar: int,
) -> None:
    """Enters the relation of note j to note i of the same layer, at most a bar away."""
    distance = abs(onset[j] - onset[i])
    if distance == 0:
        return
    interval = abs(pitch[j] - pitch[i])
    is_as_long = abs((end[j] - onset[j]) - (end[i] - onset[i])) <= 1
    row[NEAR_NOTES] += distance <= beat
    row[BAR_NOTES] += 1.0
    row[RECURRENCES] += interval == 0
    if is_as_long:
        row[EQUAL_LENGTHS] += 1.0
        row[BEAT_PERIODS] += distance == beat and interval <= 7
        row[BAR_PERIODS] += distance == bar and interval <= 7
    joins_before = onset[j] < onset[i] and abs(end[j] - onset[i]) <= _JOIN_TICKS
    joins_after = onset[j] > onset[i] and abs(onset[j] - end[i]) <= _JOIN_TICKS
    if joins_before or joins_after:
        shift = 0 if joins_before else 1
        if interval <= 2:
            row[STEP_BEFORE + shift] = 1.0
        if is_as_long:
            row[EQUAL_BEFORE + shift] = 1.0
            if 3 <= interval <= 12:
                row[LEAP_BEFORE + shift] = 1.0


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
    counts: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int64]:
    """Lowest of each note and those of its layer that count and begin within `reach` ticks of it: int64 [N]."""
    low = pitch.copy()
    for i in range(len(onset)):
        j = i - 1
        while j >= 0 and onset[j] > onset[i] - reach[i]:
            if counts[j] and layer[j] == layer[i]:
                low[i] = min(low[i], pitch[j])
            j -= 1
        j = i + 1
        while j < len(onset) and onset[j] < onset[i] + reach[i]:
            if counts[j] and layer[j] == layer[i]:
                low[i] = min(low[i], pitch[j])
            j += 1
    return low


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
