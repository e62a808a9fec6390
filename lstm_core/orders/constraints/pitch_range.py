"""Melodic notes lie between the lowest and the highest pitch of the order."""

from __future__ import annotations

from lstm_core.orders.constraints.timeline import Assignment, Timeline


def keep_to_the_range(timeline: Timeline, assignment: Assignment) -> Timeline:
    """Pitches from pitch_low to pitch_high everywhere."""
    pitches = range(assignment.order.pitch_low, assignment.order.pitch_high + 1)
    return timeline.everywhere(lambda span: span.only_pitches(pitches))
