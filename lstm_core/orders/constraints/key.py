"""Melodic notes are of the scale of the key."""

from __future__ import annotations

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import SCALES, scale_pitch_classes
from lstm_core.orders.constraints.timeline import Assignment, Timeline
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import FIRST_DRUM


def scale_of(order: TrackOrder, plan: TrackPlan) -> frozenset[int] | None:
    """Pitch classes that a track may use, None where every one is allowed."""
    return None if plan.key is None else scale_pitch_classes(plan.key, order.scale)


def keep_to_the_key(timeline: Timeline, assignment: Assignment) -> Timeline:
    """Pitch classes of the scale everywhere.

    Raises:
        OrderError: the scale has no note within the range of the order.
    """
    order, scale = assignment.order, scale_of(assignment.order, assignment.plan)
    if scale is None:
        return timeline
    kept = timeline.everywhere(lambda span: span.only_pitch_classes(scale))
    if timeline.has_melodic() and not kept.spans[0].pitches[:, :FIRST_DRUM].any():
        name = f"{order.key or 'the key'}{' ' + order.scale if order.scale in SCALES else ''}"
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} hold no note of {name}. Widen pitch_low and pitch_high."
        )
    return kept
