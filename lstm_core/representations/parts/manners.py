"""How each part of a piece plays, as a short text: its textures, and whether it holds notes through its pauses.

Statistics of a corpus keep these manners beside the schemes of plans, and parts of tracks keep to those of a part like
them. They hold no note.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER
from lstm_core.representations.note_events import DURATIONS
from lstm_core.representations.parts.events import (
    BAR,
    DURATION,
    FIRST_TEXTURE,
    NUM_TEXTURES,
    PITCH,
    PLACE,
)
from lstm_core.representations.plan.events import num_bars_of, read_plan
from lstm_core.representations.plan.layout import MAX_PARTS, Ints, Plan
from lstm_core.representations.representation import EventArray

LONGEST_PAUSE = 3  # bars in which a part begins no note: it may be a note or a chord of two or four bars
_BAR_TICKS = 4 * TICKS_PER_QUARTER


@dataclass(frozen=True, kw_only=True, eq=False)
class Manners:
    """The manners of P parts."""

    textures: Ints  # bits of the textures that each has, 0 of one that copies all it plays: [P]
    held: Ints  # percent of its short pauses through which it holds notes: [P]

    def of_parts(self, parts: list[int]) -> Manners:
        """Those of some of the parts."""
        return Manners(textures=self.textures[parts], held=self.held[parts])


def pauses(plan: Plan) -> Ints:
    """Bars of the pause that follows each bar that a part plays, 0 if it is none or is long: int64 [parts, bars]."""
    plays = (plan.active >> np.arange(plan.num_parts)[:, None] & 1).astype(bool)
    length = np.zeros(plays.shape, dtype=np.int64)
    for part in range(plan.num_parts):
        starts = np.flatnonzero(plays[part])
        length[part, starts] = np.diff(starts, append=plan.num_bars) - 1
    length[length > LONGEST_PAUSE] = 0
    return length


def manners_of_events(events: EventArray, given: EventArray | None) -> str:
    """The manners of each part: "1c:80 8:0", textures in hexadecimal.

    Args:
        events: of the parts.
        given: of their plan.
    """
    if given is None:
        raise ValueError("parts have manners by their plan, and it is missing")
    bar_ticks = np.full(num_bars_of(given), _BAR_TICKS)  # events do not tell the meter, and it hardly matters here
    plan = read_plan(given, bar_ticks, np.full_like(bar_ticks, 2))
    table = events.astype(np.int64)
    starts = np.flatnonzero(table[:, PLACE] == BAR)
    cells, length = plan.played(), pauses(plan)
    bits = np.zeros(plan.num_parts, dtype=np.int64)
    counts, held = np.zeros(plan.num_parts), np.zeros(plan.num_parts)
    for (part, bar), start, stop in zip(cells.tolist(), starts, starts[1:], strict=False):
        bits[part] |= 1 << (table[start, PITCH] - FIRST_TEXTURE)
        if length[part, bar] and plan.programs[part] != DRUMS:
            ends = table[start + 1 : stop, PLACE] + DURATIONS[table[start + 1 : stop, DURATION]]
            counts[part] += 1
            held[part] += ends.max() >= 1.5 * _BAR_TICKS
    percent = np.rint(100 * held / np.maximum(counts, 1)).astype(int)
    return " ".join(f"{textures:x}:{share}" for textures, share in zip(bits.tolist(), percent.tolist(), strict=True))


def read_manners(text: str) -> Manners:
    """The manners of a text.

    Raises:
        ValueError: the text holds none.
    """
    words = [word.split(":") for word in text.split()]
    if not 1 <= len(words) <= MAX_PARTS or any(len(word) != 2 for word in words):
        raise ValueError(f'"{text[:60]}" are no manners of parts')
    textures = np.array([int(word[0], 16) for word in words], dtype=np.int64)
    held = np.array([int(word[1]) for word in words], dtype=np.int64)
    if (textures < 0).any() or (textures >> NUM_TEXTURES).any() or (held < 0).any() or (held > 100).any():
        raise ValueError(f'"{text[:60]}" are no manners of parts')
    return Manners(textures=textures, held=held)
