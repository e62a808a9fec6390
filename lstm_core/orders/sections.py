"""The sections of an order's form with the bars that they get in its track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.orders.form_text import SectionSpec, check_loop_start, fit_form, parse_form
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan


@dataclass(frozen=True, kw_only=True)
class PlacedSection:
    """A section of an order's form with its bars."""

    spec: SectionSpec
    start: int
    num_bars: int

    @property
    def bars(self) -> slice:
        return slice(self.start, self.start + self.num_bars)


def sections_of(order: TrackOrder, plan: TrackPlan) -> tuple[PlacedSection, ...]:
    """The sections of the form that an order asks for; () without one.

    Raises:
        ValueError: the form does not fit the bars of the track, or the loop begins with no section of it; the message
            says what would.
    """
    if not order.form:
        return ()
    specs = parse_form(order.form)
    counts = [*plan.section_bars] or fit_form(
        specs,
        plan.num_bars,
        is_loop=order.loop,
        loop_start=order.loop_start,
        bpm=plan.bpm,
        bar_quarters=plan.meter.bar_ticks / TICKS_PER_QUARTER,
    )
    check_loop_start(counts, order.loop_start)
    starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    return tuple(
        PlacedSection(spec=spec, start=start, num_bars=count)
        for spec, start, count in zip(specs, starts[:-1], counts, strict=True)
    )
