"""Whether sections begin on the seconds that an order gives."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.take import Take
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.hits import HIT_TOLERANCE_S, parse_hits
from lstm_core.tracks.gates import GateResult


def hit_gates(track: PlannedTrack, take: Take, *, primer_bars: int = 0) -> list[GateResult]:
    """`hits`, the most seconds between a hit and what is to fall on it; none without hits.

    That is the bar of the hit in the written score, the nearest section of the take's plan, and the nearest onset of a
    note. In the bars of a primer, and where there is no plan, it is the bar alone.
    """
    hits = np.array(parse_hits(track.order.hits))
    if len(hits) == 0:
        return []
    score, barlines = take.score(track.plan), track.plan.barlines
    bars = np.array(track.plan.hit_bars)
    apart = np.abs(score.seconds(barlines[bars]) - hits)
    if take.plan is not None:
        judged = bars >= primer_bars
        for ticks in (barlines[take.plan.section_starts()], np.unique(take.notes["onset"]).astype(np.int64)):
            nearest = np.abs(score.seconds(ticks)[None] - hits[:, None]).min(axis=1, initial=track.order.duration_s)
            apart = np.maximum(apart, np.where(judged, nearest, 0.0))
    worst = float(apart.max())
    return [GateResult("hits", worst <= HIT_TOLERANCE_S, worst, HIT_TOLERANCE_S)]
