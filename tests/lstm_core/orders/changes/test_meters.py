"""Meters of sections, against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.orders.sections import sections_of
from lstm_core.orders.timing.course import TEMPO_TOLERANCE

LOOP = TrackOrder(duration_s=22.0, bpm=120.0, form="A:4 B:4 A:4", meter_changes="B: 3/4; A: 4/4", loop=True)


def end_s(plan: TrackPlan, bar: int | None = None) -> float:
    """The second at which a bar begins, or the last one ends."""
    score = Take(notes=make_notes([(0, 24, 0, 60, 60)])).score(plan)
    return float(score.seconds(np.array([plan.tick_of(plan.num_bars if bar is None else bar)]))[0])


def test_bars_are_as_long_as_their_meter_says() -> None:
    plan = plan_track(LOOP)
    assert [(meter.tick, str(meter)) for meter in plan.meters] == [(0, "4/4"), (384, "3/4"), (672, "4/4")]
    assert plan.bar_ticks.tolist() == [96] * 4 + [72] * 4 + [96] * 4 and plan.total_ticks == 1056
    assert plan.barlines.tolist() == [plan.tick_of(bar) for bar in range(13)]
    assert plan.bars_at(np.array([0, 383, 384, 455, 456, 1055, 1056])).tolist() == [0, 3, 4, 4, 5, 11, 11]
    assert (plan.bpm, end_s(plan)) == (pytest.approx(120.0), pytest.approx(22.0))
    assert [(one.spec.name, one.start) for one in sections_of(LOOP, plan)] == [("A", 0), ("B", 4), ("A", 8)]
    steady = plan_track(replace(LOOP, meter_changes="B: 4/4", duration_s=24.0))
    assert (steady.section_meters, str(steady.meters[0]), steady.total_ticks) == ((), "4/4", 12 * 96)


def test_a_meter_holds_up_to_the_next_section_that_has_one() -> None:
    order = replace(LOOP, form="A B C D", meter="6/8", meter_changes="B: 5/4; D: 7/8", duration_s=60.0)
    assert list(map(str, plan_track(order).section_meters)) == ["6/8", "5/4", "5/4", "7/8"]
    assert str(plan_track(replace(LOOP, form="A B", meter_changes="A: 3/4; B: 2/4")).meter) == "3/4"
    spelt = order_from_fields({"form": "A B C", "meter_changes.B": "3/4", "meter_changes.C": "4/4"})
    assert spelt.meter_changes == "B: 3/4; C: 4/4"
    assert order_digest(spelt) != order_digest(replace(spelt, meter_changes=""))
    assert "meter_changes" not in order_fields(replace(LOOP, meter_changes=""))


@pytest.mark.parametrize("meter", ["2/4", "3/4", "6/8", "2/2", "3/8", "9/8", "12/8", "6/4", "3/2", "5/4", "7/8", "4/2"])
def test_sections_without_bars_fill_the_length_in_any_meter(meter: str) -> None:
    for seed, is_loop in ((0, True), (1, False)):
        order = TrackOrder(
            duration_s=61.7, form="A B A", meter_changes=f"B: {meter}; A: 4/4", loop=is_loop, seed=seed, bpm=110.0
        )
        plan = admit(order).plan
        assert abs(plan.bpm / 110.0 - 1.0) <= TEMPO_TOLERANCE
        assert end_s(plan) == pytest.approx(61.7) if is_loop else end_s(plan, plan.final_bar) <= 60.7
        assert plan.section_bars[0] <= plan.section_bars[2] and sum(plan.section_bars) == plan.num_bars


def test_tempos_and_slowing_go_with_meters() -> None:
    order = replace(LOOP, meter_changes="B: 3/4", form="A:4 B:8", tempo_changes="B: 90", duration_s=24.0, loop=False)
    plan = plan_track(replace(order, rit=0.3, duration_s=26.0, bpm=0.0))
    slowed = [tempo.tick for tempo in plan.tempos if tempo.tick > 384]
    assert plan.final_bar is not None
    final = plan.tick_of(plan.final_bar)
    assert slowed == list(range(final - 144, final, 24)) and plan.tempos[1].tick == 384
    assert end_s(plan_track(order), 4) == pytest.approx(8.0)
    with pytest.raises(OrderError, match=r"last sections are too short for rit"):
        plan_track(replace(order, form="A:10 B:2", rit=0.3, bpm=0.0))


def test_hits_fall_on_sections_of_any_meter() -> None:
    order = replace(LOOP, hits="8 14.1", bpm=0.0)
    plan = plan_track(order)
    assert plan.hit_bars == (4, 8)
    assert [end_s(plan, bar) for bar in plan.hit_bars] == pytest.approx([8.0, 14.1])


def test_chords_of_half_bars_go_where_bars_have_two() -> None:
    admit(replace(LOOP, chords="A: Am F | C G; B: C G"))
    with pytest.raises(OrderError, match=r"a bar of 3/4 has one chord, chords gives one C and G"):
        admit(replace(LOOP, chords="A: Am F; B: C G |"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"meter_changes": "C: 3/4"}, r"meter_changes\.C is given, but the form has no section C"),
        ({"meter_changes": "B: 3/4", "form": ""}, r"meter_changes\.B is given, but no form"),
        ({"meter_changes": "3/4"}, r'meter_changes gives 3/4 without a section\. .*"B: 3/4"'),
        ({"meter_changes": "B: 3/5"}, r'meter_changes\.B: meter is "3/5", it must be a fraction'),
        ({"meter_changes": "B: 24/8"}, r"a bar longer than two of 4/4 is not supported"),
        ({"meter_changes": "B: 3/4"}, r'puts A into 4/4 and A into 3/4: .*Write "A: 4/4" too'),
        ({"meter_changes": "A: 3/4; B: 4/4", "meter": "6/8"}, r"meter is 6/8, but .* begin in 3/4\. Leave one"),
        ({"from_track": "a1"}, r'meter_changes is "B: 3/4; A: 4/4", but from is given'),
        ({"primer": "a.mid"}, r"but primer is given"),
        ({"form": "stinger", "duration_s": 2.0, "loop": False}, r"meter_changes does not go with a stinger"),
        ({"bridge": "a > b", "loop": False}, r"meter_changes does not go with a bridge"),
        ({"duration_s": 25.0}, r"in 4/4, 3/4, moved .* do not fill 25 s: they last 22\.000 s"),
    ],
)
def test_meters_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        admit(replace(LOOP, **fields))
