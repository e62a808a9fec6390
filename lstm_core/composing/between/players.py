"""Who plays in a track between two others: players of the first give way to players of the last, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.notes.score import family_of
from lstm_core.orders.order import drawn_number
from lstm_core.representations.plan.layout import PART_RANK, Plan

_TURN = {FIGURE: 0, HARMONY: 1, MELODY: 2, COUNTER: 3, DRUM: 3, BASS: 4}  # in which roles change hands
Pair = tuple[int | None, int | None]  # a part of the first track and the one of the last that takes its place
Names = tuple[int, int]  # role and program


@dataclass(frozen=True, kw_only=True)
class Chair:
    """A part of a track between two others."""

    parts: Pair
    role: int
    program: int


def chairs_at(t: float, first: Plan, last: Plan, seed: int) -> list[Chair]:
    """The parts of a track at a share `t` of the way, in the order of a plan."""
    plans, pairs = (first, last), paired_parts(first, last)
    changing = [pair for pair in pairs if None in pair or _names(first, pair[0]) != _names(last, pair[1])]
    order = sorted(changing, key=lambda pair: (_turn(pair, plans), drawn_number("player", seed, *pair)))
    changed = {pair for place, pair in enumerate(order) if (place + 0.5) / len(order) <= t}
    found = []
    for pair in pairs:
        side = int(pair in changed)
        part = pair[side]
        if part is not None:
            role, program = _names(plans[side], part)
            found.append(Chair(parts=pair, role=role, program=program))
    return sorted(found, key=lambda chair: PART_RANK[chair.role])


def paired_parts(first: Plan, last: Plan) -> list[Pair]:
    """Each part of either plan once, with the one of the other that is most like it; None where none is left."""
    left = [list(range(first.num_parts)), list(range(last.num_parts))]
    likenesses: tuple[Callable[[Names, Names], bool], ...] = (
        lambda a, b: a == b,
        lambda a, b: a[0] == b[0] and family_of(a[1]) == family_of(b[1]),
        lambda a, b: a[0] == b[0],
        lambda a, b: family_of(a[1]) == family_of(b[1]),
        lambda a, b: True,
    )
    pairs: list[Pair] = []
    for is_alike in likenesses:
        for a in list(left[0]):
            b = next((b for b in left[1] if is_alike(_names(first, a), _names(last, b))), None)
            if b is not None:
                pairs.append((a, b))
                left[0].remove(a)
                left[1].remove(b)
    return [*pairs, *((a, None) for a in left[0]), *((None, b) for b in left[1])]


def _names(plan: Plan, part: int | None) -> Names:
    assert part is not None
    return int(plan.roles[part]), int(plan.programs[part])


def _turn(pair: Pair, plans: tuple[Plan, Plan]) -> int:
    side = int(pair[0] is None)
    return _TURN[_names(plans[side], pair[side])[0]]
