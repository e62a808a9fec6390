"""What models are told of tracks whose sections differ in mode or meter, bar by bar."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.changes.keys import keys_of_bars
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.conditions import meter_value
from lstm_core.representations.plan.layout import Ints
from lstm_core.representations.plan.plan import METER, MODE


def conditions_of_bars(conditions: Ints, order: TrackOrder, plan: TrackPlan) -> Ints:
    """The conditions of a track, int64 [4], or, where its sections differ in one, those of each bar: int64 [N, 4]."""
    found = np.tile(conditions, (plan.num_bars, 1))
    keys = keys_of_bars(order, plan)
    if keys is not None:
        found[:, MODE] = 1 + keys // 12
    if plan.section_meters:
        found[:, METER] = np.repeat([meter_value(meter) for meter in plan.section_meters], plan.section_bars)
    return conditions if (found == conditions).all() else found
