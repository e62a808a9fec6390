"""A track that continues a primer begins with its notes and nothing else."""

from __future__ import annotations

from lstm_core.orders.constraints.timeline import LOCKED_FIRST, Assignment, Timeline, notes_of


def begin_with_the_primer(timeline: Timeline, assignment: Assignment) -> Timeline:
    """The primer's notes locked; the engine plays on from the last of them."""
    if assignment.primer is None:
        return timeline
    ticks, events = notes_of(assignment.primer)
    stop = int(ticks[-1]) + 1
    return timeline.with_locked(ticks, events).within(0, stop, lambda span: span.limited(exclusive=LOCKED_FIRST))
