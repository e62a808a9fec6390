"""No more melodic notes sound together than the order says."""

from __future__ import annotations

from lstm_core.orders.constraints.timeline import MAX_SOUNDING, Assignment, Timeline


def limit_polyphony(timeline: Timeline, assignment: Assignment) -> Timeline:
    """The polyphony of the order everywhere."""
    polyphony = min(assignment.order.polyphony, MAX_SOUNDING)
    return timeline.everywhere(lambda span: span.limited(polyphony=polyphony))
