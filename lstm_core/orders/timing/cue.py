"""Cues, pieces of a few seconds that end: a stinger, one gesture into a chord or that chord alone, or a fanfare."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter
from lstm_core.orders.form_text import FANFARE, STINGER, parse_form

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

SHORTEST_CUE_S, LONGEST_CUE_S = 0.5, 5.0
MOST_CUE_BARS = 4  # the one of the last chord included
ENERGY = {STINGER: "1.0", FANFARE: "0.7 1.0"}  # where the order gives none
FANFARE_PLAYERS = ("trumpet*2", "french horn", "trombone", "tuba", "timpani")
LEAD_SHARE = {STINGER: 0.4, FANFARE: 0.6}  # of the length is played before the last chord, where no tempo is given
CHORD_SHARE = 0.35  # of the length at least is left to the last chord
RING_SHARE = 0.5  # of that it dies away, at most a second
_FANFARE_BPM = 160.0  # that the bars of a fanfare without a tempo are near
_NOT_WITH = ("tempo_changes", "key_changes", "meter_changes", "hits", "rit", "fermata", "primer", "loop_start")


@dataclass(frozen=True, kw_only=True)
class CueBars:
    """How a cue fills its length."""

    bpm: float
    num_bars: int
    hold_ticks: int  # of the last chord, with which the last bar begins


@lru_cache(maxsize=256)
def cue_of(form: str) -> str:
    """STINGER or FANFARE where a form is that, else ""."""
    letter = parse_form(form)[0].letter if form else ""
    return letter if letter in (STINGER, FANFARE) else ""


def check_cue(order: TrackOrder) -> None:
    """Raises ValueError for an order of a cue that asks for what a cue has not."""
    cue = cue_of(order.form)
    if not cue:
        return
    if not SHORTEST_CUE_S <= order.duration_s <= LONGEST_CUE_S:
        raise ValueError(
            f"duration_s is {order.duration_s:g}, a {cue} lasts {SHORTEST_CUE_S:g} to {LONGEST_CUE_S:g} s. Request "
            "that, or a form of letters, such as A B."
        )
    if order.loop:
        raise ValueError(f"loop is true, but a {cue} ends. Leave one of them out.")
    for name in _NOT_WITH:
        if getattr(order, name):
            raise ValueError(f"{name} does not go with a {cue}, which is too short for it. Leave one of them out.")
    bars = parse_form(order.form)[0].num_bars
    if bars is not None and bars > MOST_CUE_BARS:
        raise ValueError(f"The form gives a {cue} {bars} bars, it has 1 to {MOST_CUE_BARS}, the last chord included.")


def with_cue(order: TrackOrder) -> TrackOrder:
    """The order of a cue with what it leaves open: energy, and brass for a fanfare; any other order as it is."""
    cue = cue_of(order.form)
    if not cue:
        return order
    is_open = cue == FANFARE and not (order.instruments or order.ensemble)
    return replace(
        order,
        energy=order.energy or ENERGY[cue],
        instruments=FANFARE_PLAYERS if is_open else order.instruments,
    )


def cue_bars(order: TrackOrder, meter: Meter, *, slowest: float, fastest: float) -> CueBars:
    """The bars of a cue: those before the last chord, and the one that it begins.

    A given tempo is kept exactly. A stinger without the time for a bar before its chord is that chord alone.

    Raises:
        ValueError: its bars do not fit; the message says what would.
    """
    cue, written = cue_of(order.form), parse_form(order.form)[0].num_bars
    bar_quarters, length = meter.bar_ticks / TICKS_PER_QUARTER, order.duration_s

    def bar_s(bpm: float) -> float:
        return bar_quarters * 60.0 / bpm

    most_lead = length * (1.0 - CHORD_SHARE)
    most = math.floor(most_lead / bar_s(order.bpm or fastest) + 1e-9)
    if written is not None:
        num_lead = written - 1
    elif cue == STINGER:
        num_lead = min(most, 1)
    elif order.bpm:
        num_lead = min(max(most, 1), MOST_CUE_BARS - 1)
    else:
        usual = round(LEAD_SHARE[cue] * length / bar_s(_FANFARE_BPM))
        num_lead = min(max(usual, 1), MOST_CUE_BARS - 1)
    fewest = 1 if cue == FANFARE else 0
    if num_lead > most or num_lead < fewest:
        least_s = max(num_lead, fewest) * bar_s(order.bpm or fastest) / (1.0 - CHORD_SHARE)
        raise ValueError(
            f"duration_s is {length:g}: a {cue} of {max(num_lead, fewest) + 1} bars of {meter} at "
            f"{order.bpm or fastest:g} bpm lasts {least_s:.2f} s or more. Request that, fewer bars, a higher bpm"
            f"{' or a stinger' if cue == FANFARE else ''}, or a shorter meter."
        )
    wanted = 60.0 * bar_quarters * num_lead / (LEAD_SHARE[cue] * length) if num_lead else 60.0 * bar_quarters / length
    bpm = order.bpm or min(max(wanted, slowest), fastest)
    left = length - num_lead * bar_s(bpm)
    unit = min(TICKS_PER_QUARTER, meter.bar_ticks)
    num_units = math.floor((left - min(RING_SHARE * left, 1.0)) / (unit / TICKS_PER_QUARTER * 60.0 / bpm) + 1e-9)
    hold = min(max(num_units, 1) * unit, meter.bar_ticks)
    return CueBars(bpm=bpm, num_bars=num_lead + 1, hold_ticks=hold)
