"""Masks of orders, against ones worked out by hand, and orders that no mask could meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.constraints import BODY, DOMINANT, FINAL, POLYPHONY, RowRules, make_rules, scale_of, stack_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.note_events import DRUM_INSTRUMENT, FIRST_DRUM, FIRST_PITCH, FIRST_PROGRAM


def rules_of(**fields: Any) -> RowRules:
    order = TrackOrder(**{"duration_s": 16.0, "bpm": 120.0, **fields})
    return make_rules(order, plan_track(order))


def pitches(rules: RowRules, zone: int) -> list[int]:
    return [int(value) - FIRST_PITCH for value in np.flatnonzero(rules.pitches[zone, :FIRST_DRUM])]


def test_pitches_of_each_zone() -> None:
    rules = rules_of(key="D minor", pitch_low=60, pitch_high=74)
    assert pitches(rules, BODY) == [60, 62, 64, 65, 67, 69, 70, 72, 74]
    assert pitches(rules, DOMINANT) == [60, 64, 67, 69, 72]  # A, C, E, G: no C#, which is not in the scale
    assert pitches(rules, FINAL) == [62, 65, 69, 74]
    assert rules.max_pitch.tolist() == [75, 73, 75]
    assert rules.pitches[:, FIRST_DRUM:].all() and not rules.pitches[:, 0].any()
    assert pitches(rules_of(key="D minor", scale="harmonic minor", pitch_low=60, pitch_high=62), DOMINANT) == [61]
    free = rules_of(key="free", pitch_low=60, pitch_high=62)
    assert [pitches(free, zone) for zone in range(3)] == [[60, 61, 62]] * 3


def test_a_range_without_a_dominant_uses_the_scale() -> None:
    rules = rules_of(key="C", pitch_low=60, pitch_high=60)
    assert pitches(rules, DOMINANT) == pitches(rules, BODY) == [60]


def test_instruments_and_what_they_serve() -> None:
    rules = rules_of(instruments=("drums", "strings", "40"))
    allowed = [DRUM_INSTRUMENT, *range(FIRST_PROGRAM + 40, FIRST_PROGRAM + 48)]
    assert np.flatnonzero(rules.instruments).tolist() == allowed
    assert rules.serves[allowed].tolist() == [1, 6, 2, 2, 2, 2, 2, 2, 2]
    anything = rules_of()
    assert np.flatnonzero(anything.instruments).tolist() == list(range(DRUM_INSTRUMENT, FIRST_PROGRAM + 128))
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
            "8 instruments cannot all be heard in 4 bars",
        ),
        ({"instruments": ("1", "2", "3"), "polyphony": 2, "duration_s": 2.0, "loop": True}, "place for 2"),
    ],
)
def test_what_no_mask_can_meet_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        rules_of(**fields)
    assert message in str(raised.value)


def test_limits_of_polyphony_hold_for_drums_neither_way() -> None:
    assert rules_of(polyphony=3).limits[POLYPHONY] == 3
    rules_of(
        instruments=("drums", "1", "2"), polyphony=1, duration_s=8.0
    )  # two barlines and a first note that may be a drum
    assert scale_of(TrackOrder(), plan_track(TrackOrder(key="A minor"))) == {9, 11, 0, 2, 4, 5, 7}


def test_rows_are_stacked_as_they_are() -> None:
    rows = [rules_of(key="C", seed=5), rules_of(key="A minor", seed=2**62, instruments=("drums",))]
    stacked = stack_rules(rows)
    for b, row in enumerate(rows):
        for name in RowRules._fields:
            if name != "forced":
                assert (getattr(stacked, name)[b] == getattr(row, name)).all()
    assert stacked.num_forced.tolist() == [0, 0]
