"""Which bar of either track stands where in a track between them, and whose it is.

Both tracks are laid on as many places as the longer one has bars; what the shorter one lacks are its last bars once
more, and the last chord is the last of both. So bars keep their place in all steps, and those that a step has fewer are
left out at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.analysis.grid import Bools, Floats
from lstm_core.orders.order import drawn_number
from lstm_core.orders.sources.between import bars_at
from lstm_core.representations.plan.layout import NEW, Ints, Plan

_PHRASES = (4, 2, 1)  # bars that change hands together at most: the longest of which there are enough


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class StepBars:
    """The bars of a track between two others: int64 [N], float64 [N] and bool [N]."""

    of_first: Ints
    of_last: Ints
    turn: Floats  # share of the way from which on each is the last track's, in all steps that follow
    is_last: Bools  # whose bar it is

    def of(self, side: int) -> Ints:
        """The bar of a track, 0 for the first, that stands in each bar: int64 [N]."""
        return self.of_last if side else self.of_first


def step_bars(t: float, first: Plan, last: Plan, *, steps: int, seed: int, is_ending: bool) -> StepBars:
    """The bars of a track at a share `t` of the way, above 0 and under 1."""
    counts = first.num_bars, last.num_bars
    num_places, tail = max(counts), int(is_ending)
    of_first, of_last = _laid(first, num_places, tail), _laid(last, num_places, tail)
    turn = _turns(of_first, of_last, first, last, steps=steps, seed=seed, is_ending=is_ending)
    left_out = num_places - bars_at(t, *counts)
    places = np.arange(num_places)
    kept = (places < num_places - tail - left_out) | (places >= num_places - tail)
    return StepBars(of_first=of_first[kept], of_last=of_last[kept], turn=turn[kept], is_last=turn[kept] <= t)


def bar_roots(plan: Plan) -> Ints:
    """The first of the bars that each bar repeats, or varies: int64 [N]."""
    roots = np.arange(plan.num_bars)
    for bar in np.flatnonzero(plan.relation != NEW).tolist():
        if plan.source[bar] >= 0:
            roots[bar] = roots[plan.source[bar]]
    return roots


def _laid(plan: Plan, num_places: int, tail: int) -> Ints:
    """The bar of a track that stands in each place: int64 [num_places]."""
    more, head = num_places - plan.num_bars, plan.num_bars - tail
    turn = min(more, head)
    again = head - turn + np.arange(more) % max(turn, 1)
    return np.concatenate([np.arange(head), again, np.arange(head, plan.num_bars)]).astype(np.int64)


def _turns(of_first: Ints, of_last: Ints, first: Plan, last: Plan, *, steps: int, seed: int, is_ending: bool) -> Floats:
    """The share of the way from which on each place is the last track's: float64 [places].

    Phrases turn one after another, those that repeat each other in the first track in a row. The last
    chord turns with the key, half-way.
    """
    starts = _phrase_starts(of_first, of_last, first, last, steps, is_ending=is_ending)
    phrases = np.split(np.arange(len(of_first)), starts[1:])
    turn = np.full(len(of_first), 0.5)
    roots = bar_roots(first)
    turning = phrases[:-1] if is_ending and len(phrases) > 1 else phrases
    order = sorted(turning, key=lambda phrase: (drawn_number("turn", seed, int(roots[of_first[phrase[0]]])), phrase[0]))
    begun = np.cumsum([0, *map(len, order)])
    way = begun[:-1] / max(begun[-2], 1) if len(order) > 1 else np.array([0.5])
    for phrase, share in zip(order, way.tolist(), strict=True):
        turn[phrase] = (0.5 + share * (steps - 2)) / (steps - 1)  # one at the first step, one is left for the last
    return turn


def _phrase_starts(of_first: Ints, of_last: Ints, first: Plan, last: Plan, steps: int, *, is_ending: bool) -> Ints:
    """Places at which phrases begin: at sections of either track, and in between so that there are enough."""
    places = np.arange(len(of_first))
    begins = (places == 0) | (first.section[of_first] > 0) | (last.section[of_last] > 0)
    begins[-1] |= is_ending  # the last chord stands alone
    since = places - np.maximum.accumulate(np.where(begins, places, 0))
    for length in _PHRASES:
        starts = np.flatnonzero(since % length == 0)
        if len(starts) - is_ending >= steps or length == _PHRASES[-1]:
            break
    return starts.astype(np.int64)
