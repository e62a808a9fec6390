"""The order in which parts are written: those that are given come first, so that all others hear them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.notes.score import NoteArray
from lstm_core.representations.parts.parts import plan_of_parts
from lstm_core.representations.plan.layout import Ints, Plan


def writing_order(plan: Plan, locked: Mapping[tuple[int, int], Ints]) -> list[int]:
    """The parts of a plan, those first of which every bar that is written is locked."""
    of_part: dict[int, list[bool]] = {part: [] for part in range(plan.num_parts)}
    for part, bar in plan.played().tolist():
        of_part[part].append((part, bar) in locked)
    return sorted(of_part, key=lambda part: (not (of_part[part] and all(of_part[part])), part))


def in_order(request: PartRequest, parts: Sequence[int]) -> PartRequest:
    """The request whose plan has its parts in this order."""
    rules, order = request.rules, list(parts)
    place = {part: at for at, part in enumerate(order)}
    return replace(
        request,
        plan=plan_of_parts(request.plan, order),
        rules=replace(
            rules,
            locked={(place[part], bar): events for (part, bar), events in rules.locked.items()},
            textures=None if rules.textures is None else rules.textures[order],
            held=None if rules.held is None else rules.held[order],
        ),
    )


def in_plan_order(notes: NoteArray, parts: Sequence[int]) -> NoteArray:
    """Notes whose part is a place in an order, with the numbers of the parts instead."""
    renamed = notes.copy()
    renamed["part"] = np.array(parts)[notes["part"]]
    return renamed
