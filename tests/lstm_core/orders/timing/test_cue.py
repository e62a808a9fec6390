"""Stingers and fanfares: how they fill a few seconds, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.sections import sections_of
from lstm_core.orders.timing.cue import FANFARE_PLAYERS, cue_of, with_cue


def plan_of(form: str, duration_s: float, **fields: Any) -> TrackPlan:
    return admit(TrackOrder(form=form, duration_s=duration_s, key="C", **fields)).plan


def bar_s(plan: TrackPlan) -> float:
    return plan.meter.bar_ticks / 24 * 60 / plan.bpm


def test_a_stinger_is_a_bar_into_a_chord_or_the_chord_alone() -> None:
    two = plan_of("stinger", 2.5)
    assert (two.num_bars, two.final_bar, two.bpm) == (2, 1, pytest.approx(240.0))
    assert two.final_hold_ticks / 24 * 60 / two.bpm == pytest.approx(0.75), "half of the 1.5 s that are left"
    alone = plan_of("stinger", 0.5)
    assert (alone.num_bars, alone.final_bar, alone.final_hold_ticks) == (1, 0, 24) and alone.num_samples == 22050
    assert plan_of("stinger", 2.5, bpm=140.0).num_bars == 1, "a bar of 1.71 s leaves no third for the chord"
    assert plan_of("stinger:1", 5.0).final_bar == 0 and plan_of("stinger:3", 5.0).final_bar == 2


@pytest.mark.parametrize("form", ["stinger", "fanfare", "fanfare:3"])
@pytest.mark.parametrize("meter", ["4/4", "3/4", "2/4", "6/8"])
def test_the_last_chord_has_its_share_of_any_length(form: str, meter: str) -> None:
    for tenths in range(5, 51):
        try:
            plan = plan_of(form, tenths / 10, meter=meter)
        except OrderError as error:
            assert form != "stinger" and "or a stinger" in str(error)
            continue
        assert plan.final_bar == plan.num_bars - 1 and 30.0 <= plan.bpm <= 300.0 and plan.num_bars <= 4
        left = tenths / 10 - plan.final_bar * bar_s(plan)
        assert left >= 0.35 * tenths / 10 - 1e-9
        held = plan.final_hold_ticks / 24 * 60 / plan.bpm
        assert 0.1 <= held <= left * 0.9 and plan.final_hold_ticks <= plan.meter.bar_ticks


def test_a_fanfare_has_brass_and_rises_where_the_order_leaves_it_open() -> None:
    order = admit(TrackOrder(form="Fanfare", duration_s=4.0)).order
    assert order.instruments == FANFARE_PLAYERS and order.energy == "0.7 1.0" and cue_of(order.form) == "fanfare"
    own = TrackOrder(form="fanfare", duration_s=4.0, instruments=("organ",), energy="fall")
    assert admit(own).order == own
    assert admit(TrackOrder(form="stinger", duration_s=2.0)).order.energy == "1.0"
    assert admit(TrackOrder(form="stinger", duration_s=2.0)).order.instruments == ()
    plain = TrackOrder(form="A B", duration_s=30.0)
    assert with_cue(plain) is plain and with_cue(order) == order == order_from_fields(order_fields(order))


def test_a_given_tempo_is_kept_exactly() -> None:
    plan = plan_of("fanfare", 5.0, bpm=133.0)
    assert plan.bpm == 133.0 and plan.num_bars == 2
    assert plan_of("fanfare", 5.0, bpm=200.0).num_bars == 3
    placed = sections_of(TrackOrder(form="fanfare", duration_s=5.0), plan)
    assert [(one.spec.name, one.num_bars) for one in placed] == [("fanfare", 2)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration_s": 6.0}, "duration_s is 6, a stinger lasts 0.5 to 5 s"),
        ({"duration_s": 0.4}, "duration_s is 0.4, a stinger lasts 0.5 to 5 s"),
        ({"loop": True}, "loop is true, but a stinger ends"),
        ({"rit": 0.3}, "rit does not go with a stinger"),
        ({"hits": "1.0"}, "hits does not go with a stinger"),
        ({"form": "stinger:5"}, "The form gives a stinger 5 bars, it has 1 to 4"),
        ({"form": "A stinger"}, 'It is a piece of its own: write form = "stinger"'),
        ({"form": "stingers"}, "Did you mean stinger"),
        ({"form": "fanfare", "duration_s": 1.0}, "a fanfare of 2 bars of 4/4 at 300 bpm lasts 1.23 s or more"),
        ({"form": "fanfare", "duration_s": 2.0, "bpm": 120.0}, "at 120 bpm lasts 3.08 s or more. Request that"),
        ({"form": "fanfare:1"}, "a fanfare of 2 bars"),
        ({"form": "stinger:4"}, "a stinger of 4 bars of 4/4 at 300 bpm lasts 3.69 s or more"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        order = TrackOrder(**({"form": "stinger", "duration_s": 1.2} | fields))
        admit(order)
    assert message in str(raised.value)


def test_what_a_message_advises_is_admitted() -> None:
    assert plan_of("fanfare", 1.24).num_bars == 2 and plan_of("stinger:4", 3.7).num_bars == 4
    assert plan_of("fanfare", 3.08, bpm=120.0).num_bars == 2


def test_cues_in_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[track]\nform = "stinger"\nduration_s = { min = 0.5, max = 5.0 }\n')
    (tmp_path / "a.csv").write_text("form,duration_s\nstinger,0.8\nfanfare,3\n")
    assert read_order(tmp_path / "a.toml").tracks[0].form == "stinger"
    first, second = read_order(tmp_path / "a.csv").planned
    assert (first.plan.num_bars, second.plan.num_bars) == (1, 2)
    again = replace(second.order, name="")
    assert admit(again).plan == second.plan, "a row that was read is read again as it is"
