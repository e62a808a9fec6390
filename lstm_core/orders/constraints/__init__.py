"""What an order forbids and requires, one file per constraint: the rows of CONSTRAINTS, applied in their order.

A constraint is a function of the timeline so far and of the assignment that returns the timeline with spans changed
(which pitches, which instruments, which limits) or notes locked. To add one, write it in a file of this folder and
name it in CONSTRAINTS. It raises OrderError where the order cannot be met.
"""

from __future__ import annotations

from collections.abc import Callable

from lstm_core.orders.constraints.compilation import compile_timeline
from lstm_core.orders.constraints.ending import end_on_the_tonic
from lstm_core.orders.constraints.key import keep_to_the_key
from lstm_core.orders.constraints.pitch_range import keep_to_the_range
from lstm_core.orders.constraints.polyphony import limit_polyphony
from lstm_core.orders.constraints.primer import begin_with_the_primer
from lstm_core.orders.constraints.requested_instruments import play_the_requested_instruments
from lstm_core.orders.constraints.rules import Rules
from lstm_core.orders.constraints.silence import limit_silence
from lstm_core.orders.constraints.timeline import Assignment, Timeline, empty_timeline
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import EventArray

Constraint = Callable[[Timeline, Assignment], Timeline]

CONSTRAINTS: tuple[Constraint, ...] = (
    play_the_requested_instruments,
    limit_polyphony,
    limit_silence,
    keep_to_the_range,
    keep_to_the_key,
    end_on_the_tonic,
    begin_with_the_primer,
)
GRAMMAR: tuple[Constraint, ...] = ()  # no constraint: whatever the grammar of events allows


def make_timeline(assignment: Assignment, constraints: tuple[Constraint, ...] = CONSTRAINTS) -> Timeline:
    """The timeline of a track after all constraints.

    Raises:
        OrderError: the order cannot be met; the message says why.
    """
    timeline = empty_timeline(assignment.plan)
    for constrain in constraints:
        timeline = constrain(timeline, assignment)
    return timeline


def make_rules(
    order: TrackOrder,
    plan: TrackPlan,
    *,
    primer: EventArray | None = None,
    ensemble: tuple[int, ...] = (),
    constraints: tuple[Constraint, ...] = CONSTRAINTS,
) -> Rules:
    """What the engine obeys for an order: rules of one row.

    Raises:
        OrderError: nothing that the order allows could be played; the message says why.
    """
    assignment = Assignment(order=order, plan=plan, primer=primer, ensemble=ensemble)
    timeline = make_timeline(assignment, constraints)
    return compile_timeline(timeline, temperature=order.temperature, top_p=order.top_p, seed=order.seed)
