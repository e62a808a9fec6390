"""Hits of orders: what is refused, and that bars fall on them, as another reader of the written MIDI hears it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.plan import TEMPO_TOLERANCE, TrackPlan, plan_track
from lstm_core.orders.sections import sections_of
from tests.properties import share

ORDER = TrackOrder(duration_s=30.0, bpm=120.0, hits="10.2 20.0", key="C", seed=5)


def heard(plan: TrackPlan, bars: tuple[int, ...]) -> list[float]:
    """Seconds at which notes on the first beats of bars begin, and the last one ends, as symusic reads the MIDI."""
    ticks = [bar * plan.meter.bar_ticks for bar in bars]
    rows = [(tick, 6, 0, 60, 90) for tick in ticks] + [(0, 6, 1, 62, 90)]
    last = plan.total_ticks
    score = Take(notes=make_notes([*rows, (last - 6, 6, 2, 64, 90)])).score(plan)
    read = symusic.Score.from_midi(write_midi(score), ttype="second")
    played = sorted(note.time for track in read.tracks for note in track.notes if note.pitch == 60)
    return [*played, max(note.time + note.duration for track in read.tracks for note in track.notes)]


def test_stretches_worked_out_by_hand() -> None:
    """Bars of 2 s: 10.2 s are 5.1 of them, 9.8 s 4.9, 10 s 5."""
    plan = plan_track(ORDER)
    assert (plan.bpm, plan.num_bars, plan.hit_bars, plan.section_bars) == (120.0, 15, (5, 10), ())
    assert [tempo.tick for tempo in plan.tempos] == [0, 480, 960]
    assert [tempo.bpm for tempo in plan.tempos] == pytest.approx([1200 / 10.2, 1200 / 9.8, 120.0])
    assert heard(plan, plan.hit_bars) == pytest.approx([10.2, 20.0, 30.0], abs=1e-4)
    assert plan.final_bar == 14 and plan.final_hold_ticks == 48


def test_a_last_stretch_that_bars_do_not_fill_rings_on() -> None:
    """11 s after the hit are 5.5 bars: five are played, and the last chord has the rest."""
    plan = plan_track(replace(ORDER, hits="10", duration_s=21.0))
    assert (plan.tempos, plan.num_bars, plan.final_bar, plan.hit_bars) == ((), 10, 9, (5,))
    with pytest.raises(OrderError, match=r"The loop's end 21 s cannot be met.* end at 20.309 or 21.651 s"):
        plan_track(replace(ORDER, hits="10", duration_s=21.0, loop=True))
    assert plan_track(replace(ORDER, hits="10", duration_s=20.309, loop=True)).num_bars == 10


def test_another_tempo_is_chosen_where_none_is_asked() -> None:
    with pytest.raises(OrderError, match=r"12\.5 s cannot be met: .* end at 12\.371 or 13\.593 s"):
        plan_track(replace(ORDER, hits="12.5"))
    for seed in range(20):
        plan = plan_track(replace(ORDER, hits="12.5", bpm=0.0, seed=seed))
        assert heard(plan, plan.hit_bars)[0] == pytest.approx(12.5, abs=0.001)
        assert all(abs(tempo.bpm / plan.bpm - 1) <= TEMPO_TOLERANCE for tempo in plan.tempos)


@pytest.mark.parametrize("hits", ["12.371", "13.593", "12.371 24.742"])
def test_the_seconds_that_a_refusal_names_can_be_ordered(hits: str) -> None:
    assert plan_track(replace(ORDER, hits=hits)).hit_bars


def test_sections_of_a_form_begin_on_the_hits() -> None:
    order = replace(ORDER, form="A B A'", hits="8 20", duration_s=30.0)
    assert [(one.spec.name, one.start, one.num_bars) for one in sections_of(order, plan_track(order))] == [
        ("A", 0, 4), ("B", 4, 6), ("A'", 10, 5),
    ]  # fmt: skip
    written = replace(order, form="A:4 B C", hits="8.1 20")
    assert plan_track(written).section_bars == (4, 6, 5)
    with pytest.raises(OrderError, match=r"20 s cannot be met: the 4 bars that the form gives after 8.1 s"):
        plan_track(replace(order, form="A:4 B:4 C", hits="8.1 20"))
    free = plan_track(replace(order, bpm=0.0, form="A:4 B:6 C:5"))
    assert free.bpm == pytest.approx(120.0) and free.section_bars == (4, 6, 5)


def test_tempos_of_sections_and_hits_go_together() -> None:
    """8 s at 120 are four bars, 12 s at 160 eight."""
    order = replace(ORDER, form="A B C", hits="8 20", tempo_changes="B: 160; C: 96", duration_s=30.0)
    plan = plan_track(order)
    assert plan.section_bars == (4, 8, 4) and [tempo.bpm for tempo in plan.tempos] == pytest.approx([120, 160, 96])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hits": "31"}, "hits: 31.0 s lies at or after the end of the track, 30 s. Leave it out"),
        ({"hits": "5 30 31"}, "30.0 31.0 s lie at or after the end"),
        ({"hits": "20 10.2"}, "hits: 10.2 s comes after 20 s. Write each once, the earliest first"),
        ({"hits": "10 10"}, "hits: 10 s stands twice"),
        ({"hits": "nan"}, 'hit 1 is "nan", it must be a number of seconds. Write seconds such as'),
        ({"hits": "10 inf"}, 'hit 2 is "inf"'),
        ({"hits": "-1"}, "hit 1 is -1 s, before the beginning"),
        ({"hits": "soon"}, 'hit 1 is "soon", it must be a number'),
        ({"hits": "cut.txt"}, "or the name of an .edl or .csv file"),
        ({"hits": " ".join(f"{i / 10:.1f}" for i in range(1, 202))}, "holds 201 seconds, at most 200"),
        ({"form": "A B"}, "hits holds 2 seconds after the start, the form has 2 sections, of which 1 begin after it"),
        ({"exact_tempo": True}, "exact_tempo is true, but hits move the tempo"),
        ({"hits_fps": "25"}, "hits_fps is 25, but hits names no .edl or .csv file"),
        ({"hits": "a.edl", "hits_fps": "26"}, 'hits_fps is "26", it must be one of 23.976, 24, 25, 29.97'),
        ({"hits": "10 11"}, "hits: 10 and 11 s are closer than a bar, 2.000 s at 120 bpm in 4/4. Leave one out"),
        ({"hits": "1"}, "hits: 0 and 1 s are closer than a bar"),
        (
            {"hits": "29", "duration_s": 30.0, "bpm": 124.137931},
            "hits: 29 s is closer to the end, 30 s, than 1 bar of 1.933 s at 124.1 bpm in 4/4. Leave it",
        ),
        ({"hits": "26", "rit": 0.3}, "hits: 26 s is closer to the end, 30 s, than 3 bars for rit"),
        ({"hits": "10 11", "bpm": 0.0, "duration_s": 12.0, "meter": "8/4"}, "No tempo from 30 to 300 bpm meets all"),
    ],
)
def test_hits_that_cannot_be_met_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        admit(replace(ORDER, **fields))
    assert message in str(raised.value)


def test_a_hit_at_the_start_is_the_start() -> None:
    assert plan_track(replace(ORDER, hits="0 10.2 20")) == plan_track(ORDER)
    assert plan_track(replace(ORDER, hits="0")).hit_bars == ()


def test_spellings_are_one_order_and_no_hits_leave_a_row_as_it_was() -> None:
    for value in ([10.2, 20], "10.2; 20.0", " 10.2,20 ", "[10.2 20]"):
        assert order_from_fields({**order_fields(replace(ORDER, hits="")), "hits": value}) == ORDER
    assert not {"hits", "hits_fps", "tempo_changes", "rit", "fermata"} & order_fields(replace(ORDER, hits="")).keys()
    assert order_fields(ORDER)["hits"] == "10.2 20.0" and order_digest(ORDER) != order_digest(replace(ORDER, hits=""))
    with pytest.raises(OrderError, match="hits is an empty list"):
        order_from_fields({"hits": []})


@share(2)
@given(
    st.floats(40.0, 280.0),
    st.lists(st.tuples(st.integers(1, 14), st.floats(-0.028, 0.028)), min_size=2, max_size=8),
    st.sampled_from(("4/4", "3/4", "6/8", "5/4", "2/4")),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_hits_that_can_be_met_are_met(
    bpm: float, bars: list[tuple[int, float]], meter: str, loop: bool, is_asked: bool, has_form: bool, seed: int
) -> None:
    """Stretches of whole bars, each at a tempo within 3 % of one: none is refused, and all fall where asked."""
    beats, unit = map(int, meter.split("/"))
    lengths = [count * beats * 4 / unit * 60.0 / (bpm * (1.0 + moved)) for count, moved in bars]
    *hits, duration_s = np.cumsum(lengths).round(4).tolist()
    order = TrackOrder(
        duration_s=duration_s,
        bpm=bpm if is_asked else 0.0,
        meter=meter,
        loop=loop,
        hits=" ".join(map(str, hits)),
        form=" ".join("ABCDEFGH"[: len(bars)]) if has_form else "",
        seed=seed,
    )
    plan = plan_track(order)
    *starts, stop = heard(plan, plan.hit_bars)
    assert np.abs(np.array(starts) - hits).max() <= 0.02
    assert all(abs(tempo.bpm / plan.bpm - 1.0) <= TEMPO_TOLERANCE + 1e-9 for tempo in plan.tempos)
    assert not is_asked or len(plan.tempos) < 2 or plan.bpm == bpm
    assert not loop or stop == pytest.approx(duration_s, abs=0.005)
    assert stop <= duration_s + 0.005
    assert not has_form or [one.start for one in sections_of(order, plan)][1:] == list(plan.hit_bars)
