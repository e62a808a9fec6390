"""Masks of orders, against ones derived by hand, and orders that no mask could meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.constraints import GRAMMAR, make_rules, make_timeline
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.constraints.rules import Rules, can_transpose, set_row, stack_rules, transposed_rules
from lstm_core.orders.constraints.timeline import NEVER, Assignment, Timeline
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.note_events import DRUM_INSTRUMENT, FIRST_DRUM, FIRST_PITCH, FIRST_PROGRAM

BODY, DOMINANT, FINAL = range(3)  # the spans of a track that ends


def order_of(**fields: Any) -> TrackOrder:
    return TrackOrder(**{"duration_s": 16.0, "bpm": 120.0, **fields})


def rules_of(**fields: Any) -> Rules:
    return make_rules(order_of(**fields), plan_track(order_of(**fields)))


def timeline_of(**fields: Any) -> Timeline:
    return make_timeline(Assignment(order=order_of(**fields), plan=plan_track(order_of(**fields))))


def pitches(rules: Rules, span: int) -> list[int]:
    mask = rules.spans[0, span]["mask"]
    return [int(value) - FIRST_PITCH for value in np.flatnonzero(rules.pitches[0, mask, 0, :FIRST_DRUM])]


def test_pitches_of_each_span() -> None:
    rules = rules_of(key="D minor", pitch_low=60, pitch_high=74)
    assert pitches(rules, BODY) == [60, 62, 64, 65, 67, 69, 70, 72, 74]
    assert pitches(rules, DOMINANT) == [60, 64, 67, 69, 72]  # A, C, E, G: no C#, which is not in the scale
    assert pitches(rules, FINAL) == [62, 65, 69, 74]
    assert rules.max_pitch[0, rules.spans["mask"][0, :3], 0].tolist() == [75, 73, 75]
    assert rules.pitches[..., FIRST_DRUM:].all() and not rules.pitches[..., 0].any()
    assert rules.spans["start"][0].tolist() == [0, 7 * 96 - 48, 7 * 96, NEVER]
    assert rules.spans["stop"][0].tolist() == [7 * 96 - 48, 7 * 96, 8 * 96, NEVER]
    assert pitches(rules_of(key="D minor", scale="harmonic minor", pitch_low=60, pitch_high=62), DOMINANT) == [61]
    free = rules_of(key="free", pitch_low=60, pitch_high=62)
    assert [pitches(free, span) for span in range(2)] == [[60, 61, 62]] * 2  # without a key there is no dominant
    assert rules_of(loop=True).spans["start"][0].tolist() == [0, NEVER]


def test_a_range_without_a_dominant_uses_the_scale() -> None:
    rules = rules_of(key="C", pitch_low=60, pitch_high=60)
    assert pitches(rules, DOMINANT) == pitches(rules, BODY) == [60]


def test_instruments_and_what_they_serve() -> None:
    rules = rules_of(instruments=("drums", "strings", "40"))
    allowed = [DRUM_INSTRUMENT, *range(FIRST_PROGRAM + 40, FIRST_PROGRAM + 48)]
    assert np.flatnonzero(rules.instruments[0, 0]).tolist() == allowed
    assert rules.serves[0, allowed].tolist() == [1, 6, 2, 2, 2, 2, 2, 2, 2]
    anything = rules_of()
    assert np.flatnonzero(anything.instruments[0, 0]).tolist() == list(range(DRUM_INSTRUMENT, FIRST_PROGRAM + 128))
    assert not anything.serves.any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "C", "pitch_low": 61, "pitch_high": 61}, "pitches 61 to 61 hold no note of C. Widen"),
        (
            {"key": "C", "pitch_low": 62, "pitch_high": 63},
            "hold no note of the tonic chord of C, on which a track ends",
        ),
        ({"key": "F#", "scale": "blues", "pitch_low": 62, "pitch_high": 63}, "hold no note of F# blues"),
        (
            {"instruments": tuple("12345678"), "polyphony": 1, "duration_s": 8.0},
            "8 instruments cannot all play in 4 bars",
        ),
        ({"instruments": ("1", "2", "3"), "polyphony": 2, "duration_s": 2.0, "loop": True}, "place for 2"),
    ],
)
def test_what_no_mask_can_meet_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        rules_of(**fields)
    assert message in str(raised.value)


def test_spans_are_cut_where_they_change_and_lie_side_by_side() -> None:
    timeline = timeline_of(loop=True)
    for bar in range(1600 // 200):
        timeline = timeline.within(bar * 96, bar * 96 + 48, lambda span: span.limited(polyphony=2))
    assert [span.start_tick for span in timeline.spans] == [48 * half for half in range(16)]
    assert [span.limits.polyphony for span in timeline.spans] == [2, 24] * 8
    assert timeline.span_at(47).limits.polyphony == 2 and timeline.span_at(48).limits.polyphony == 24
    assert timeline.within(500, 500, lambda span: span.limited(polyphony=9)) is timeline


def test_limits_of_polyphony_hold_for_drums_neither_way() -> None:
    assert rules_of(polyphony=3).spans["polyphony"][0, :3].tolist() == [3, 3, 3]
    rules_of(
        instruments=("drums", "1", "2"), polyphony=1, duration_s=8.0
    )  # two barlines and a first note that may be a drum
    assert scale_of(TrackOrder(), plan_track(TrackOrder(key="A minor"))) == {9, 11, 0, 2, 4, 5, 7}


def test_rows_are_stacked_and_replaced_as_they_are() -> None:
    rows = [rules_of(key="C", seed=5), rules_of(key="A minor", seed=2**62, instruments=("drums",), loop=True)]
    swapped = stack_rules(rows)
    for b in range(2):
        swapped = set_row(swapped, b, rows[1 - b])
    assert swapped.spans["start"].tolist() == [[0, *[NEVER] * 3], [0, 7 * 96 - 48, 7 * 96, NEVER]]
    for batch, order in ((stack_rules(rows), rows), (swapped, rows[::-1])):
        assert batch.seed.tolist() == [int(row.seed[0]) for row in order]
        for b, row in enumerate(order):
            for table, part in zip(batch, row, strict=True):
                assert (table[b][tuple(slice(size) for size in part.shape[1:])] == part[0]).all()


def test_a_row_that_needs_wider_tables_gets_them() -> None:
    narrow = stack_rules([rules_of(loop=True)] * 2)
    wide = set_row(narrow, 1, rules_of(key="C", instruments=("piano", "bass")))
    assert wide.spans["start"].tolist() == [[0, *[NEVER] * 3], [0, 7 * 96 - 48, 7 * 96, NEVER]]
    assert wide.entrances["tick"].tolist() == [[NEVER] * 8, [*range(96, 96 * 8, 96), NEVER]]


def test_a_transposed_row_moves_its_pitches_and_no_drums() -> None:
    rules = rules_of(key="C", pitch_low=60, pitch_high=67)
    moved = transposed_rules(rules, -5)
    assert pitches(moved, BODY) == [pitch - 5 for pitch in pitches(rules, BODY)] == [55, 57, 59, 60, 62]
    assert (moved.pitches[..., FIRST_DRUM:] == rules.pitches[..., FIRST_DRUM:]).all()
    assert moved.max_pitch[0, 0, 0] == 63


def test_a_row_is_not_moved_where_its_notes_would_fall_out_of_midi() -> None:
    """A locked pitch below 0 used to come to the model as a value that its table does not have."""
    assert can_transpose(rules_of(key="C", pitch_low=0, pitch_high=5, loop=True), -5)
    assert not can_transpose(rules_of(key="C", pitch_low=0, pitch_high=4, loop=True), -5)
    primer = np.array([[0, FIRST_PROGRAM, FIRST_PITCH + 4, 24, 8]], dtype=np.uint8)
    rules = make_rules(order_of(), plan_track(order_of()), primer=primer)
    assert can_transpose(rules, -4) and not can_transpose(rules, -5) and can_transpose(rules, 6)


def test_without_constraints_everything_may_begin() -> None:
    order = order_of(loop=True, pitch_low=60, pitch_high=62, polyphony=2)
    rules = make_rules(order, plan_track(order), constraints=GRAMMAR)
    assert pitches(rules, 0) == list(range(128)) and rules.spans[0, 0]["polyphony"] == 32
    assert rules.spans[0, 0]["longest_silence"] == NEVER and not rules.track[0]["starts_at_once"]
