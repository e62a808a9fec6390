"""The moving contexts of rows in play, and their history. Compiled: a step of one row takes 0.4 ms.

Numba keeps compiled code on disk and sees a change of its own file alone, so column numbers of other files are
arguments here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit

Integers = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def set_moving(
    ticks: Integers,
    bar_ticks: Integers,
    num_bars: Integers,
    agreements: Integers,
    max_positions: int,
    max_bars: int,
    moving: Integers,
) -> None:
    """Sets the contexts that change from step to step, moving [B, M]: position, bars played, bars left, agreements."""
    for b in range(len(ticks)):
        bar = ticks[b] // bar_ticks[b]
        moving[b, 0] = 1 + min(ticks[b] - bar * bar_ticks[b], max_positions - 1)
        moving[b, 1] = 1 + min(bar, max_bars - 1)
        moving[b, 2] = 1 + min(num_bars[b] - bar, max_bars - 1)
        for lag in range(agreements.shape[1]):
            moving[b, 3 + lag] = agreements[b, lag]


@njit(cache=True, nogil=True)
def set_onset_positions(new_ticks: Integers, bar_ticks: Integers, max_positions: int, positions: Integers) -> None:
    """Sets the position in the bar at which each row's event will stand, positions [B]."""
    for b in range(len(new_ticks)):
        positions[b] = 1 + min(new_ticks[b] % bar_ticks[b], max_positions - 1)


@njit(cache=True, nogil=True)
def record(
    was_busy: npt.NDArray[np.bool_],
    num_events: Integers,
    before: Integers,
    ticks: Integers,
    history: npt.NDArray[np.uint8],
    onsets: Integers,
    counts: Integers,
) -> None:
    """Appends the event before, [B, K], to the history [B, N, K] of busy rows and its tick to onsets [B, N].

    Sets counts [B] to the events that a busy row has, 0 for the others.
    """
    for b in range(len(num_events)):
        counts[b] = 0
        if was_busy[b]:
            counts[b] = num_events[b]
            onsets[b, num_events[b] - 1] = ticks[b]
            for k in range(before.shape[1]):
                history[b, num_events[b] - 1, k] = before[b, k]
