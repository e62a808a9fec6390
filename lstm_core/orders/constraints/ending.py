"""A track that is no loop ends: on its last barline stands a chord of the tonic, before it the dominant."""

from __future__ import annotations

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import scale_pitch_classes, tonic_chord
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.orders.constraints.timeline import NEVER, Assignment, Span, Timeline
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import FIRST_DRUM

_DOMINANT_SEVENTH = (7, 10, 11, 2, 5)  # semitones above the tonic, with the third of either mode


def end_on_the_tonic(timeline: Timeline, assignment: Assignment) -> Timeline:
    """Two spans at the end: about half a bar of the dominant, where the range has it, and one chord of the tonic.

    Raises:
        OrderError: the chord of the tonic has no note within the range of the order.
    """
    order, plan = assignment.order, assignment.plan
    if plan.final_bar is None:
        return timeline
    final = plan.tick_of(plan.final_bar)
    hold = plan.final_hold_ticks
    timeline = timeline.everywhere(lambda span: span.limited(ends_by=final))
    timeline = timeline.within(
        final,
        timeline.total_ticks,
        lambda span: span.limited(
            chord_at=final, longest_ticks=hold, shortest_ticks=min(hold, TICKS_PER_QUARTER), ends_by=NEVER
        ),
    )
    if plan.key is None:
        return timeline
    dominant, tonic = _dominant_seventh(plan.key, order.scale), tonic_chord(plan.key, order.scale)
    timeline = timeline.within(final - _half_bar(plan), final, lambda span: _narrowed(span, dominant))
    timeline = timeline.within(final, timeline.total_ticks, lambda span: span.only_pitch_classes(tonic))
    if timeline.has_melodic() and not timeline.span_at(final).pitches[:, :FIRST_DRUM].any():
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} hold no note of the tonic chord of "
            f"{order.key or 'the key'}, on which a track ends. Widen pitch_low and pitch_high, or request a loop."
        )
    return timeline


def _dominant_seventh(key: int, scale: str) -> frozenset[int]:
    """Its pitch classes that the scale has, those of the scale where it has none."""
    classes = scale_pitch_classes(key, scale)
    return frozenset((key % 12 + step) % 12 for step in _DOMINANT_SEVENTH) & classes or classes


def _narrowed(span: Span, classes: frozenset[int]) -> Span:
    kept = span.only_pitch_classes(classes)
    return kept if kept.pitches[:, :FIRST_DRUM].any() else span


def _half_bar(plan: TrackPlan) -> int:
    return plan.meter.bar_ticks // 2 if plan.meter.numerator % 3 else plan.meter.bar_ticks // 3
