"""What stands around each note of a piece, compiled: what sounds with it, what joins it, what it repeats."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

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
            if onset[j] < onset[i] - bar[i] and end[j] <= onset[i] + 2:
                j -= 1
                continue
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
