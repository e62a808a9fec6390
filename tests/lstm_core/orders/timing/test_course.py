"""Tempos of sections and slowing to the end, against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.form_text import parse_form
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.orders.sections import sections_of
from lstm_core.orders.timing.course import tempos_of

LOOP = TrackOrder(duration_s=24.0, bpm=120.0, form="A:4 B:4", tempo_changes="B: 60", loop=True)  # 8 s and 16 s
ENDING = TrackOrder(duration_s=60.0, bpm=120.0)


def seconds(plan: TrackPlan, *bars: float) -> list[float]:
    """Seconds at which bars begin."""
    score: Score = Take(notes=make_notes([(0, 24, 0, 60, 60)])).score(plan)
    found: list[float] = score.seconds((np.array(bars) * plan.meter.bar_ticks).astype(np.int64)).tolist()
    return found


def test_a_tempo_holds_from_its_section_on() -> None:
    sections = parse_form("intro A A' B A outro")
    assert tempos_of(sections, "B: 140") == [None, None, None, 140, 140, 140]
    assert tempos_of(sections, "A: 100; B: 140; A': 90") == [None, 100, 90, 140, 100, 100]
    plan = plan_track(LOOP)
    assert (plan.bpm, plan.num_bars, plan.section_bars) == (120.0, 8, (4, 4))
    assert [(tempo.tick, tempo.bpm) for tempo in plan.tempos] == [(0, 120.0), (384, 60.0)]


def test_all_tempos_are_moved_by_one_factor() -> None:
    plan = plan_track(replace(LOOP, duration_s=24.6))
    assert [tempo.bpm for tempo in plan.tempos] == pytest.approx([120 * 24 / 24.6, 60 * 24 / 24.6])
    assert seconds(plan, 8) == pytest.approx([24.6]) and plan.bpm == plan.tempos[0].bpm
    with pytest.raises(OrderError, match=r"do not fill 25 s: they last 24\.000 s\. Order that as duration_s"):
        plan_track(replace(LOOP, duration_s=25.0))
    with pytest.raises(OrderError, match=r"kept exactly, do not fill 24\.1 s"):
        plan_track(replace(LOOP, duration_s=24.1, exact_tempo=True))
    assert plan_track(replace(LOOP, exact_tempo=True)).tempos == plan_track(LOOP).tempos


def test_a_tempo_that_nobody_asks_for_fills_the_length() -> None:
    """16 s of B leave 10 s for four bars of A."""
    plan = plan_track(replace(LOOP, bpm=0.0, duration_s=26.0))
    assert [tempo.bpm for tempo in plan.tempos] == pytest.approx([96.0, 60.0])


def test_sections_without_bars_get_as_many_as_fill_the_length() -> None:
    for seed in range(12):
        order = TrackOrder(duration_s=61.7, form="A B A", tempo_changes="A: 100; B: 140", loop=seed % 2 == 0, seed=seed)
        track = admit(order)
        plan, (a, b, again) = track.plan, sections_of(order, track.plan)
        assert a.num_bars == again.num_bars or not order.loop
        assert sum(one.num_bars for one in (a, b, again)) == plan.num_bars
        factor = plan.tempos[0].bpm / 100.0
        assert abs(factor - 1) <= 0.03 and plan.tempos[1].bpm / 140.0 == pytest.approx(factor)
        assert seconds(plan, plan.num_bars) == pytest.approx([61.7])


@pytest.mark.parametrize("meter", ["4/4", "3/4", "6/8"])
def test_the_last_two_bars_slow_beat_by_beat(meter: str) -> None:
    plan = plan_track(replace(ENDING, rit=0.3, meter=meter))
    beats, final = plan.meter.numerator, plan.final_bar
    assert final is not None and len(plan.tempos) == 1 + 2 * beats  # the last step is the chord's tempo too
    shares = [tempo.bpm / plan.bpm for tempo in plan.tempos[1:]]
    assert shares == pytest.approx([1 - 0.3 * step / (2 * beats) for step in range(1, 2 * beats + 1)])
    bar = plan.meter.bar_ticks
    assert [tempo.tick for tempo in plan.tempos[1:]] == list(range((final - 2) * bar, final * bar, bar // beats))
    assert seconds(plan, final + 1) == pytest.approx([60.0]) and abs(plan.bpm / 120 - 1) <= 0.03


def test_a_fermata_doubles_the_last_chord() -> None:
    plain, held = plan_track(ENDING), plan_track(replace(ENDING, fermata=True))
    assert plain.final_hold_ticks == held.final_hold_ticks == 48 and plain.final_bar is not None
    assert held.final_bar is not None and [round(tempo.bpm, 1) for tempo in held.tempos] == [120.0, 60.0]
    assert np.diff(seconds(plain, plain.final_bar, plain.final_bar + 0.5)) == pytest.approx([1.0])
    assert np.diff(seconds(held, held.final_bar, held.final_bar + 0.5)) == pytest.approx([2.0])
    assert seconds(held, held.final_bar + 1) == pytest.approx([60.0])
    kept = plan_track(replace(ENDING, duration_s=61.0, rit=0.2, exact_tempo=True))
    assert kept.tempos[0].bpm == 120.0 and seconds(kept, kept.num_bars)[0] <= 61.0


def test_slowing_and_tempos_of_sections_fill_the_length_together() -> None:
    order = replace(LOOP, loop=False, rit=0.3, fermata=True, form="A:8 B:8", duration_s=57.0)
    plan = plan_track(order)
    assert seconds(plan, plan.num_bars) == pytest.approx([57.0]) and plan.section_bars == (8, 8)
    assert plan.tempos[-1].bpm == pytest.approx(plan.tempos[1].bpm * 0.7 / 2)


def test_words_for_rit() -> None:
    for value, share in ((True, 0.3), ("true", 0.3), ("0.2", 0.2), (False, 0.0), ("no", 0.0), (0, 0.0)):
        assert order_from_fields({"rit": value}).rit == share
    assert order_from_fields({"fermata": "yes"}).fermata


def test_tables_columns_and_texts_of_tempos_are_the_same() -> None:
    for values in (
        {"tempo_changes": {"B": 140, "A": 100.0}},
        {"tempo_changes.B": "140", "tempo_changes.A": 100.0},
        {"tempo_changes": "B: 140, A: 100"},
        {"tempo_changes": "A: 100.0; B: 140"},
    ):
        assert order_from_fields({"form": "A B", **values}).tempo_changes == "A: 100; B: 140"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rit": 0.7}, "rit is 0.7, it must be 0.05 to 0.5, the share of the tempo that is lost, or true for 0.3"),
        ({"rit": float("nan")}, "rit is nan"),
        ({"rit": 0.3, "loop": True}, "rit is for the end of a track, and a loop has none"),
        ({"fermata": True, "loop": True}, "fermata is for the end of a track, and a loop has none"),
        ({"rit": 0.5, "fermata": True, "bpm": 36.0}, "slow the last chord to 8.9 bpm, at least 10 is written"),
        ({"rit": 0.3, "duration_s": 4.0}, "duration_s: the track is closer to the end, 4 s, than 3 bars for rit of 2"),
        ({"tempo_changes": "B: 140"}, "tempo_changes.B is given, but no form"),
        ({"tempo_changes": "D: 140", "form": "A B"}, "the form has no section D. It has A, B"),
        (
            {"tempo_changes": "140", "form": "A B"},
            'without a section. Write from which section on it holds, such as "B',
        ),
        ({"tempo_changes": "B: quick", "form": "A B"}, 'tempo_changes.B: "quick" is no tempo'),
        ({"tempo_changes": "B: 400", "form": "A B"}, "tempo_changes.B is 400, it must be 30 to 300 bpm"),
        ({"tempo_changes": "B: nan", "form": "A B"}, "tempo_changes.B is nan"),
        ({"tempo_changes": "A: 100", "form": "A B"}, "lets the first section, A, begin at 100. Leave one of them out"),
        ({"tempo_changes": "B: 90", "form": "A B:1", "rit": 0.3, "duration_s": 2.0}, "do not fill 2 s"),
        (
            {"tempo_changes": "B: 90", "form": "A A A B " * 20, "duration_s": 30.0},
            "Sections at 120, 90 bpm, moved together by 3 % at most, do not fill 30 s: they last",
        ),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        admit(TrackOrder(**{"duration_s": 60.0, "bpm": 120.0, **fields}))
    assert message in str(raised.value)


def test_an_intro_before_a_loop_keeps_its_bars_where_the_tempo_changes() -> None:
    changes = "A: 170; B: 70"
    order = TrackOrder(form="intro A B A", duration_s=20.0, loop=True, bpm=90, loop_start=3, tempo_changes=changes)
    starts = [placed.start for placed in sections_of(order, admit(order).plan)]
    assert 3 in starts


def test_hits_leave_a_loop_a_bar() -> None:
    order = TrackOrder(hits="4", duration_s=8.0, bpm=120, loop=True)
    assert admit(replace(order, loop_start=2)).plan.num_bars == 4
    with pytest.raises(OrderError, match="loop_start is 10, but the track has 4 bars"):
        admit(replace(order, loop_start=10))
