"""Schemes of pieces as short texts: who plays, the form, and in each bar its energy, who plays and who copies.

Statistics of a corpus keep them, and plans of tracks begin from them. A scheme holds nothing of the music itself: no
chord and no note.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lstm_core.notes.score import DRUMS
from lstm_core.representations.plan.events import (
    ACTIVE,
    ACTIVE_MORE,
    COPIED,
    COPIED_MORE,
    END_PARTS,
    ENERGY,
    FIRST,
    HALF,
    NEW_CODE,
    SECOND,
    VARIED_CODE,
    num_bars_of,
)
from lstm_core.representations.plan.forms import fitted_form, form_of_events, read_form
from lstm_core.representations.plan.layout import MAX_PARTS, Ints
from lstm_core.representations.representation import EventArray

OPEN = -1  # a value of a bar that the scheme leaves open
NUM_VALUES = 4  # that it may say of a bar


@dataclass(frozen=True, kw_only=True, eq=False)
class Scheme:
    """The scheme of N bars for P parts."""

    parts: Ints  # role and program of each: [P, 2]
    form: Ints  # bars back, code of the relation, section: [N, 3]
    # Energy, bits of the parts that play, bits of those that copy, 1 if chords are not those of the bar that is varied;
    # OPEN where nothing is said: [N, 4].
    bars: Ints


def scheme_of_events(events: EventArray, given: EventArray | None = None) -> str:
    """The scheme of a plan as text: "role,program ...|FORM|energy,active,copied,moved,bars ..."."""
    table = events.astype(np.int64)
    num_parts = int(np.flatnonzero(table[:, FIRST] == END_PARTS)[0])
    form_text = form_of_events(events)
    form = read_form(form_text)
    contents = table[num_parts + 1 + num_bars_of(events) :]
    written = np.flatnonzero((form[:, 1] == NEW_CODE) | (form[:, 1] == VARIED_CODE))
    pitched = sum(1 << part for part, program in enumerate(table[:num_parts, SECOND].tolist()) if program != DRUMS)
    moved = _moved(form, contents[: len(written), [FIRST, SECOND]], written)
    words: list[list[int]] = []
    for row, is_moved in zip(contents, moved, strict=False):
        active, copied = row[ACTIVE] | row[ACTIVE_MORE] << HALF, row[COPIED] | row[COPIED_MORE] << HALF
        # Where most of the parts are the same the chord is too, however the analysis heard the rest.
        is_other = is_moved and 2 * int(copied & pitched).bit_count() < int(active & pitched).bit_count()
        values = [int(row[ENERGY]), int(active), int(copied), int(is_other)]
        if words and words[-1][:-1] == values:
            words[-1][-1] += 1
        else:
            words.append([*values, 1])
    parts = " ".join(f"{role},{program}" for role, program in table[:num_parts, [FIRST, SECOND]].tolist())
    return "|".join([parts, form_text, " ".join(",".join(map(str, word)) for word in words)])


def _moved(form: Ints, chords: Ints, written: Ints) -> list[bool]:
    """Whether each bar that is written varies one of other chords: of its rows int64 [W, 2]."""
    of_bar = np.zeros((len(form), 2), dtype=np.int64)
    of_bar[written] = chords
    moved = []
    for bar, (back, code, _) in enumerate(form.tolist()):
        if code in (NEW_CODE, VARIED_CODE):
            moved.append(code == VARIED_CODE and bool((of_bar[bar] != of_bar[bar - back]).any()))
        else:
            of_bar[bar] = of_bar[bar - back]
    return moved


def read_scheme(text: str) -> Scheme:
    """The scheme of a text.

    Raises:
        ValueError: the text is no scheme.
    """
    parts_text, form_text, bars_text = text.split("|")
    form = read_form(form_text)
    parts = np.array([[int(value) for value in word.split(",")] for word in parts_text.split()], dtype=np.int64)
    rows: list[list[int]] = []
    for word in bars_text.split():
        *values, count = map(int, word.split(","))
        if len(values) not in (NUM_VALUES - 1, NUM_VALUES):
            raise ValueError(f'"{word}" is no bar of a scheme')
        values += [OPEN] * (NUM_VALUES - len(values))  # earlier versions did not say whether chords are others
        rows += [values] * count
    written = np.flatnonzero((form[:, 1] == NEW_CODE) | (form[:, 1] == VARIED_CODE))
    if len(rows) != len(written) or parts.ndim != 2 or not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(f'"{text[:60]}..." is no scheme')
    bars = np.full((len(form), NUM_VALUES), OPEN, dtype=np.int64)
    bars[written] = np.array(rows, dtype=np.int64).reshape(-1, NUM_VALUES)
    return Scheme(parts=parts, form=form, bars=bars)


def fitted_scheme(scheme: Scheme, num_bars: int) -> Scheme:
    """A scheme of so many bars, see fitted_form; what is repeated again and again is open but for its form."""
    bars = np.full((num_bars, NUM_VALUES), OPEN, dtype=np.int64)
    known = min(num_bars, len(scheme.bars))
    bars[:known] = scheme.bars[:known]
    return replace(scheme, form=fitted_form(scheme.form, num_bars), bars=bars)


def without_programs(scheme: Scheme, left_out: frozenset[int]) -> Scheme | None:
    """A scheme without the parts of some programs; None if some bar is left without any part."""
    kept = [part for part, (_, program) in enumerate(scheme.parts.tolist()) if program not in left_out]
    if len(kept) == len(scheme.parts):
        return scheme
    bars = scheme.bars.copy()
    said = bars[:, 1] != OPEN
    for column in (1, 2):
        bits = np.zeros(len(bars), dtype=np.int64)
        for place, part in enumerate(kept):
            bits |= (scheme.bars[:, column] >> part & 1) << place
        bars[said, column] = bits[said]
    if not kept or (bars[said, 1] == 0).any():
        return None
    return Scheme(parts=scheme.parts[kept], form=scheme.form, bars=bars)
