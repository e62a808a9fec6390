"""The instruments of an order play, each of them is audible, and no others play."""

from __future__ import annotations

from dataclasses import replace

from lstm_core.orders.constraints.timeline import Assignment, Timeline


def play_the_requested_instruments(timeline: Timeline, assignment: Assignment) -> Timeline:
    """Those of the order, each of which will play; for an order that names none those of the ensemble."""
    parts = assignment.plan.programs
    programs = [program for part in parts for program in part] or list(assignment.ensemble)
    if not programs:
        return timeline
    return replace(timeline.everywhere(lambda span: span.only_programs(programs)), parts=parts)
