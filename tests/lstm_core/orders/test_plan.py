"""Bars, tempo and key of an order, against cases derived by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import scale_pitch_classes, tonic_chord
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import MIN_TAIL_S, TEMPO_TOLERANCE, plan_track
from tests.properties import share


@pytest.mark.parametrize(
    ("fields", "num_samples", "bpm", "num_bars", "final_bar", "hold"),
    [
        # 60 s at 120 are 30 bars of 2 s; the last chord begins at 58 s and is held two quarters, 59 s
        ({"duration_s": 60.0, "bpm": 120.0}, 2646000, 120.0, 30, 29, 48),
        ({"duration_s": 60.0, "bpm": 120.0, "loop": True}, 2646000, 120.0, 30, None, 0),
        # 61.3 s at 120 are 30.65 bars; 31 are played a little faster
        ({"duration_s": 61.3, "bpm": 120.0}, 2703330, 120.0 * 31 / 30.65, 31, 30, 24),
        ({"duration_s": 61.3, "bpm": 120.0, "loop": True}, 2703330, 120.0 * 31 / 30.65, 31, None, 0),
        # kept exactly, 30 whole bars fit and the last rings on
        ({"duration_s": 61.3, "bpm": 120.0, "exact_tempo": True}, 2703330, 120.0, 30, 29, 48),
        # 11 s are 5.5 bars, too far from 5 and 6
        ({"duration_s": 11.0, "bpm": 120.0}, 485100, 120.0, 5, 4, 48),
        ({"duration_s": 30.0, "bpm": 96.0, "meter": "3/4"}, 1323000, 96.0, 16, 15, 24),
        ({"duration_s": 30.0, "bpm": 96.0, "meter": "6/8", "loop": True}, 1323000, 96.0, 16, None, 0),
        ({"duration_s": 1800.0, "bpm": 100.0, "sample_rate": 48000}, 86400000, 100.0, 750, 749, 48),
        # bars of half a second: the last chord moves forward until a second is left after a quarter of 0.25 s
        ({"duration_s": 10.0, "bpm": 240.0, "meter": "2/4"}, 441000, 240.0, 18, 17, 24),
        ({"duration_s": 0.5, "bpm": 240.0, "meter": "2/4", "loop": True}, 22050, 240.0, 1, None, 0),
        ({"duration_s": 0.5, "bpm": 240.0, "meter": "1/4"}, 22050, 240.0, 2, 1, 24),
        # a tempo that was not requested becomes what two bars need
        ({"duration_s": 2.0}, 88200, 240.0, 2, 1, 24),
        # a bar that is shorter than a quarter is held whole
        ({"duration_s": 20.0, "bpm": 60.0, "meter": "2/16"}, 882000, 60.0, 38, 37, 12),
    ],
)
def test_plans_worked_out_by_hand(
    fields: dict, num_samples: int, bpm: float, num_bars: int, final_bar: int | None, hold: int
) -> None:
    plan = plan_track(TrackOrder(**fields))
    assert plan.num_samples == num_samples
    assert plan.bpm == pytest.approx(bpm, rel=1e-12)
    assert (plan.num_bars, plan.final_bar, plan.final_hold_ticks) == (num_bars, final_bar, hold)


def test_a_loop_after_an_intro_has_a_bar_at_least() -> None:
    order = TrackOrder(duration_s=10.0, bpm=120.0, loop=True, loop_start=4)
    assert plan_track(order).num_bars == 5
    with pytest.raises(OrderError, match=r"a loop after an intro of 5 bars needs at least 6 bars, 12\.00 s"):
        plan_track(replace(order, loop_start=5))
    with pytest.raises(OrderError, match=r"a loop after an intro of 4 bars needs at least 5 bars, 10\.00 s"):
        plan_track(replace(order, duration_s=9.0))
    with pytest.raises(OrderError, match=r"would be 4\.98 bars, .* Request 10\.000 s, or 120\.48 bpm"):
        plan_track(replace(order, duration_s=9.96, exact_tempo=True))
    assert plan_track(replace(order, bpm=0.0, duration_s=4.0)).num_bars == 5, "a tempo that is free follows"


def test_a_loop_that_does_not_fit_names_both_lengths_and_both_tempos() -> None:
    with pytest.raises(OrderError) as raised:
        plan_track(TrackOrder(duration_s=11.0, bpm=120.0, loop=True))
    assert "would be 5.50 bars" in str(raised.value)
    assert "10.000 or 12.000 s" in str(raised.value) and "109.09 or 130.91 bpm" in str(raised.value)
    for length in (10.0, 12.0):
        plan_track(TrackOrder(duration_s=length, bpm=120.0, loop=True))
    for bpm in (109.09, 130.91):
        assert plan_track(TrackOrder(duration_s=11.0, bpm=bpm, loop=True)).bpm == pytest.approx(bpm, rel=1e-3)
    with pytest.raises(OrderError, match=r"exactly 120 bpm in 4/4 would be 30\.65 bars"):
        plan_track(TrackOrder(duration_s=61.3, bpm=120.0, loop=True, exact_tempo=True))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration_s": 0.5, "bpm": 120.0}, "at 120 bpm in 4/4 a track that ends needs at least 2 bars, 4.00 s"),
        (
            {"duration_s": 0.5, "bpm": 120.0, "loop": True},
            "a loop needs at least 1 bar, 2.00 s. Request that, or a higher",
        ),
        ({"duration_s": 0.5}, "even at 300 bpm in 4/4 a track that ends needs at least 2 bars, 1.60 s"),
        ({"duration_s": 3.9, "bpm": 120.0, "exact_tempo": True}, "at least 2 bars, 4.00 s"),
    ],
)
def test_what_is_too_short_says_what_would_do(fields: dict, message: str) -> None:
    with pytest.raises(OrderError) as raised:
        plan_track(TrackOrder(**fields))
    assert message in str(raised.value)


METERS = ("4/4", "3/4", "6/8", "2/16", "1/4", "8/4", "7/8", "12/8", "2/4")


@share(3)
@given(
    st.floats(0.1, 1800.0),
    st.one_of(st.just(0.0), st.floats(30.0, 300.0)),
    st.sampled_from(METERS),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**63 - 1),
)
def test_laws_of_plans(duration_s: float, bpm: float, meter: str, loop: bool, exact: bool, seed: int) -> None:
    order = TrackOrder(
        duration_s=duration_s,
        bpm=bpm,
        meter=meter,
        loop=loop,
        exact_tempo=exact and bpm > 0,
        seed=seed,
        sample_rate=48000,
    )
    try:
        plan = plan_track(order)
    except OrderError:
        return
    assert plan.num_samples == round(duration_s * 48000)
    assert not bpm or abs(plan.bpm / bpm - 1.0) <= TEMPO_TOLERANCE + 1e-9
    assert not order.exact_tempo or plan.bpm == bpm
    bar_s = plan.meter.bar_ticks / 24 * 60.0 / plan.bpm
    if loop:
        assert round(plan.num_bars * bar_s * 48000) == plan.num_samples
        return
    assert plan.final_bar is not None and plan.num_bars == plan.final_bar + 1 >= 2
    tick_s = 60.0 / plan.bpm / 24
    unit = min(24, plan.meter.bar_ticks)
    assert unit <= plan.final_hold_ticks <= max(unit, plan.meter.bar_ticks)
    tail_s = duration_s - plan.final_bar * bar_s - plan.final_hold_ticks * tick_s
    could_be_s = duration_s - bar_s - unit * tick_s  # with the last chord as early and short as can be
    assert tail_s >= min(MIN_TAIL_S, could_be_s) - 1e-6


def test_keys_that_are_drawn_fit_the_range() -> None:
    keys = [plan_track(TrackOrder(seed=seed)).key for seed in range(2000)]
    counts = np.bincount(keys, minlength=24)
    assert counts.min() > 50 and counts.max() < 120  # 83 each on average
    for seed in range(60):
        key = plan_track(TrackOrder(seed=seed, pitch_low=60, pitch_high=64)).key
        assert key is not None
        assert len(scale_pitch_classes(key, "") & {0, 1, 2, 3, 4}) >= 3 and tonic_chord(key, "") & {0, 1, 2, 3, 4}
        blue = plan_track(TrackOrder(seed=seed, scale="blues")).key
        assert blue is not None and blue >= 12
    assert plan_track(TrackOrder(key="D", scale="dorian")).key == 14
    assert plan_track(TrackOrder(key="free")).key is None


def test_a_form_with_all_its_bars_gives_the_tempo() -> None:
    """Drawn tempos would refuse nearly every such form."""
    plan = plan_track(TrackOrder(duration_s=60.0, form="intro:4 A:8 A:8 B:8 outro:4", seed=3))
    assert (plan.num_bars, plan.bpm) == (32, 128.0)
    loop = TrackOrder(duration_s=30.0, form="A:6 B:6", meter="3/4", loop=True)
    assert (plan_track(loop).num_bars, plan_track(loop).bpm) == (12, 72.0)
    drawn = plan_track(TrackOrder(duration_s=60.0, seed=3))
    for form in ("", "A:8 B", "A:8 B:8 " * 12):  # none, not all, and only at 384 bpm
        assert plan_track(TrackOrder(duration_s=60.0, form=form, seed=3)) == drawn
    assert plan_track(TrackOrder(duration_s=60.0, bpm=100.0, form="A:16 B:9")).bpm == 100.0


def test_players_are_planned_one_by_one() -> None:
    plan = plan_track(TrackOrder(instruments=("strings*3", "flute", "drums")))
    assert plan.programs == (tuple(range(40, 48)),) * 3 + ((73,), (128,))
