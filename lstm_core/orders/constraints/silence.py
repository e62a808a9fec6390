"""A track begins at once and is never silent for long."""

from __future__ import annotations

from dataclasses import replace

from lstm_core.orders.constraints.timeline import Assignment, Timeline

SILENCE_BARS = 2  # the longest silence


def limit_silence(timeline: Timeline, assignment: Assignment) -> Timeline:
    """A note on the first tick, and no silence of more than SILENCE_BARS."""
    longest = SILENCE_BARS * assignment.plan.meter.bar_ticks
    return replace(timeline.everywhere(lambda span: span.limited(longest_silence=longest)), starts_at_once=True)
