"""Where the beats of a score fall: what a beat tracker is taught and held against."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.notes import TICKS_PER_QUARTER, Meter, Score, bar_starts


def beat_ticks(meter: Meter) -> int:
    """Length of a beat in ticks: three of the meter's units in 6/8, 9/8 and 12/8, else one; so a half note in 2/2."""
    unit = max(2, 4 * TICKS_PER_QUARTER // meter.denominator)
    return 3 * unit if meter.denominator >= 8 and meter.numerator > 3 and meter.numerator % 3 == 0 else unit


def felt_beats(score: Score) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ticks of all beats up to the end of the score, and the place of each in its bar from 0: int64 [n] each."""
    bars = bar_starts(score.meters, score.end_tick)
    starts = [meter.tick for meter in score.meters]
    ticks: list[int] = []
    places: list[int] = []
    for first, stop in pairwise(bars.tolist()):
        meter = score.meters[max(int(np.searchsorted(starts, first, side="right")) - 1, 0)]
        own = range(first, stop, beat_ticks(meter))
        ticks.extend(own)
        places.extend(range(len(own)))
    return np.array(ticks, dtype=np.int64), np.array(places, dtype=np.int64)
