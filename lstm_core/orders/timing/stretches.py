"""Stretches of time that whole bars fill, each at a tempo of its own near that of the track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstm_core.foundation.elementary.powers import log_of
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import TICKS_PER_QUARTER, Meter

_TINY = 1e-9
_NUM_TRIED = 300  # tempos that are tried for a refusal that names one
Filled = list[tuple[int, float]]  # bars and tempo of each stretch


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The time from one hit to the next, or to the end."""

    start_s: float
    stop_s: float
    meter: Meter
    tolerance: float  # share by which its tempo may differ
    num_bars: int | None = None  # that it must have; None: as many as fit
    bpm: float | None = None  # that is asked of it; None: that of the track
    fewest: int = 1  # bars
    more_bars: float = 0.0  # by which its bars last longer than at its tempo
    may_ring: bool = False  # whether its bars may end up to a bar before it does, where the track rings on

    @property
    def one_bar_bpm(self) -> float:
        """The tempo at which one bar fills it."""
        return self.meter.bar_ticks / TICKS_PER_QUARTER * 60.0 / (self.stop_s - self.start_s)

    def filled(self, bpm: float) -> tuple[int, float] | None:
        """The bars that fill it near a tempo, and their own tempo; None if none do."""
        bars = bpm / self.one_bar_bpm - self.more_bars
        count = max(round(bars), self.fewest) if self.num_bars is None else self.num_bars
        own = (count + self.more_bars) * self.one_bar_bpm
        if count >= self.fewest and abs(own / bpm - 1.0) <= self.tolerance + _TINY:
            return count, own
        count = math.floor(bars + _TINY) if self.num_bars is None else self.num_bars
        if self.may_ring and count >= self.fewest and 0.0 <= bars + _TINY - count < 1.0:
            return count, bpm
        return None

    def tempos(self, slowest: float, fastest: float) -> list[tuple[float, float]]:
        """The tempos of the track, from the slowest to the fastest, near which bars fill it: ranges in their order."""
        one, found = self.one_bar_bpm, list[tuple[float, float]]()
        count = self.fewest if self.num_bars is None else self.num_bars
        while count >= self.fewest:
            bars = count + self.more_bars
            low, high = one * bars / (1.0 + self.tolerance), one * bars / (1.0 - self.tolerance)
            if self.may_ring:
                high = max(high, one * (bars + 1.0))
            goes_on = self.num_bars is None and low <= fastest
            if goes_on and one * (bars + 1.0) / (1.0 + self.tolerance) <= high:  # from here on all ranges touch
                goes_on, high = False, fastest
            low, high = max(low * (1.0 + _TINY), slowest), min(high * (1.0 - _TINY), fastest)
            if low <= high:
                found.append((low, high))
            if not goes_on:
                break
            count += 1
        return found

    def near_stops(self, bpm: float) -> list[float]:
        """The seconds nearest to its stop, below and above, at which whole bars after its start can end."""
        bars = math.floor((self.stop_s - self.start_s) / self._bar_s(bpm) - self.more_bars)
        counts = [count for count in (bars, bars + 1) if count >= self.fewest] or [self.fewest]
        found = []
        for count in counts if self.num_bars is None else [self.num_bars]:
            length = (count + self.more_bars) * self._bar_s(bpm)
            longest = self.start_s + length / (1.0 - self.tolerance)
            if longest < self.stop_s:
                found.append(math.floor(1000 * longest) / 1000)
            else:
                found.append(math.ceil(1000 * (self.start_s + length / (1.0 + self.tolerance))) / 1000)
        return found

    def refusal(self, bpm: float, *, is_last: bool, is_loop: bool, is_asked: bool) -> str:
        """Why it cannot be filled near a tempo, and what could be; `is_asked`: another tempo may be."""
        another = ", or order another bpm" if is_asked else ""
        bar = f"{self._bar_s(bpm):.3f} s at {bpm:.4g} bpm in {self.meter}"
        is_short = self.num_bars is None and self.near_stops(bpm)[0] > self.stop_s
        if is_last and is_short:
            bars = f"{self.fewest} bar{'s' if self.fewest > 1 else ''}" + (" for rit" if self.fewest > 1 else "")
            what = f"hits: {self.start_s:g} s is closer to" if self.start_s else "duration_s: the track is closer to"
            return (
                f"{what} the end, {self.stop_s:g} s, than {bars} of {bar}. "
                f"{'Leave it out, or order' if self.start_s else 'Order'} a longer duration_s{another}."
            )
        if is_short and self.near_stops(bpm)[0] - self.start_s <= self._bar_s(bpm):
            return f"hits: {self.start_s:g} and {self.stop_s:g} s are closer than a bar, {bar}. Leave one out{another}."
        whole = "whole bars" if self.num_bars is None else f"the {self.num_bars} bars that the form gives"
        near = " or ".join(f"{second:.3f}" for second in self.near_stops(bpm))
        what = "The loop's end" if is_loop and is_last else "The track's end" if is_last else "hits:"
        return (
            f"{what} {self.stop_s:g} s cannot be met: {whole} after {self.start_s:g} s, each {bar} and moved by "
            f"{100 * self.tolerance:g} % at most, end at {near} s. "
            + (f"Order {near} as duration_s" if is_last else f"Write {near}")
            + f"{another}."
        )

    def _bar_s(self, bpm: float) -> float:
        return self.meter.bar_ticks / TICKS_PER_QUARTER * 60.0 / bpm


def filled_at(stretches: Sequence[Stretch], bpm: float, *, is_loop: bool, is_asked: bool = True) -> Filled:
    """Bars and tempo of each stretch of a track of this tempo; `is_asked`: an order could name another one.

    Raises:
        OrderError: one cannot be filled; the message says at which seconds near by it could.
    """
    if why := _refusal(stretches, bpm, is_loop=is_loop, is_asked=is_asked):
        raise OrderError(why)
    return [one for one in _all_filled(stretches, bpm) if one is not None]


def _refusal(stretches: Sequence[Stretch], bpm: float, *, is_loop: bool, is_asked: bool) -> str:
    """Why the first stretch that cannot be filled cannot; "" where all can."""
    for place, (stretch, one) in enumerate(zip(stretches, _all_filled(stretches, bpm), strict=True), start=1):
        if one is None:
            is_last = place == len(stretches)
            return stretch.refusal(stretch.bpm or bpm, is_last=is_last, is_loop=is_loop, is_asked=is_asked)
    return ""


def filled_near(
    stretches: Sequence[Stretch], bpm: float, slowest: float, fastest: float, *, is_loop: bool
) -> tuple[float, Filled]:
    """The tempo nearest to a given one at which all stretches can be filled, and bars and tempo of each.

    The bars of the last one fill it too, where some tempo allows that.

    Raises:
        OrderError: no tempo from the slowest to the fastest fills all.
    """
    for tried in ([*stretches[:-1], replace(stretches[-1], may_ring=False)], stretches):
        ranges = [(slowest, fastest)]
        for stretch in tried:
            if stretch.bpm is None:
                ranges = _both(ranges, stretch.tempos(slowest, fastest))
        chosen = [min(max(bpm, low), high) for low, high in ranges]
        if chosen:
            nearest = min(chosen, key=lambda one: abs(log_of(one / bpm)))
            return _centred(tried, nearest, filled_at(tried, nearest, is_loop=is_loop))
    near = max(
        np.geomspace(slowest, fastest, _NUM_TRIED).tolist(),
        key=lambda one: (sum(found is not None for found in _all_filled(stretches, one)), -abs(log_of(one / bpm))),
    )
    too_short = [stretch for stretch in stretches if stretch.fewest * stretch.one_bar_bpm > fastest]  # for any tempo
    if too_short:
        near, is_last = fastest, too_short[0] is stretches[-1]
        why = too_short[0].refusal(fastest, is_last=is_last, is_loop=is_loop, is_asked=False)
    else:
        why = _refusal(stretches, near, is_loop=is_loop, is_asked=False)
    raise OrderError(f"No tempo from {slowest:g} to {fastest:g} bpm meets all hits; {near:.4g} comes nearest. {why}")


def _all_filled(stretches: Sequence[Stretch], bpm: float) -> list[tuple[int, float] | None]:
    return [stretch.filled(stretch.bpm or bpm) for stretch in stretches]


def _centred(stretches: Sequence[Stretch], bpm: float, filled: Filled) -> tuple[float, Filled]:
    """The tempo from which those of the stretches differ least, if the same bars fill them near it."""
    own = [tempo for stretch, (_, tempo) in zip(stretches, filled, strict=True) if stretch.bpm is None]
    centre = (min(own) + max(own)) / 2.0 if own else bpm
    return (centre, filled) if _all_filled(stretches, centre) == filled else (bpm, filled)


def _both(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The ranges that two lists of ranges share."""
    pairs = [(max(a[0], b[0]), min(a[1], b[1])) for a in first for b in second]
    return sorted((low, high) for low, high in pairs if low <= high)
