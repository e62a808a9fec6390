"""Where the beats of a score are: what a beat tracker is trained on and compared with."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Score, bar_starts

SLOWEST_BEAT_S = 1.2  # a beat that would last longer is felt in its halves or thirds


def beat_ticks(meter: Meter, quarter_s: float) -> int:
    """Length of a beat in ticks where a quarter lasts so many seconds.

    A dotted quarter in 6/8, 9/8, 12/8 and 3/8, a half over 2, unless it is too slow; an eighth over 8 and 16 otherwise;
    else a quarter.
    """
    if meter.denominator >= 8:
        if meter.numerator % 3 == 0 and quarter_s * 12 / meter.denominator <= SLOWEST_BEAT_S:
            return TICKS_PER_QUARTER * 12 // meter.denominator
        return TICKS_PER_QUARTER // 2
    is_long = meter.denominator <= 2 and 2 * quarter_s <= SLOWEST_BEAT_S
    return TICKS_PER_QUARTER * 2 if is_long else TICKS_PER_QUARTER


def felt_beats(score: Score) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ticks of all beats up to the end of the score, and the place of each in its bar from 0: int64 [n] each."""
    bars = bar_starts(score.meters, score.end_tick)
    starts = [meter.tick for meter in score.meters]
    ticks: list[int] = []
    places: list[int] = []
    for first, stop in pairwise(bars.tolist()):
        meter = score.meters[max(int(np.searchsorted(starts, first, side="right")) - 1, 0)]
        quarter_s = float(np.diff(score.seconds(np.array([first, first + TICKS_PER_QUARTER])))[0])
        own = range(first, stop, beat_ticks(meter, quarter_s))
        ticks.extend(own)
        places.extend(range(len(own)))
    return np.array(ticks, dtype=np.int64), np.array(places, dtype=np.int64)
