"""Forms of pieces as short texts: what statistics of a corpus keep, and what plans of tracks begin from.

A form is which bar each bar repeats, and how, and where sections begin: rows (bars back, code of the relation,
section) as in the FORM events of a plan.
"""

from __future__ import annotations

import numpy as np

from lstm_core.representations.plan.events import (
    EXACT_CODE,
    FIRST,
    FIRST_BACK,
    FIRST_CHORD,
    FIRST_RELATION,
    NUM_RELATIONS,
    SECOND,
    THIRD,
    VARIED_CODE,
)
from lstm_core.representations.plan.layout import Ints
from lstm_core.representations.representation import EventArray

LONGEST_FORM = 160  # bars of a piece that its text keeps


def form_of_events(events: EventArray) -> str:
    """The form of a plan as text: for each stretch of equal rows "section,back,code,bars", with spaces between."""
    table = events.astype(np.int64)
    rows = table[(table[:, FIRST] >= FIRST_BACK) & (table[:, FIRST] < FIRST_CHORD)][:LONGEST_FORM]
    words: list[list[int]] = []
    for row in rows:
        values = [int(row[THIRD]), int(row[FIRST]) - FIRST_BACK, int(row[SECOND]) - FIRST_RELATION]
        if words and values[0] == 0 and words[-1][1:3] == values[1:]:
            words[-1][3] += 1
        else:
            words.append([*values, 1])
    return " ".join(",".join(map(str, word)) for word in words)


def read_form(text: str) -> Ints:
    """The rows (bars back, code, section) of a form: int64 [bars, 3].

    Raises:
        ValueError: the text is no form.
    """
    rows: list[tuple[int, int, int]] = []
    for word in text.split():
        section, back, code, count = map(int, word.split(","))
        if section < 0 or not 0 <= code < NUM_RELATIONS or count < 1 or back < 0:
            raise ValueError(f'"{word}" is no stretch of a form')
        rows += [(back, code, section if i == 0 else 0) for i in range(count)]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    if (table[:, 0] > np.arange(len(table))).any():
        raise ValueError("a bar of this form repeats one before the first")
    return table


def fitted_form(form: Ints, num_bars: int) -> Ints:
    """A form of so many bars: the first of a longer one, and of a shorter one again and again, varied at each turn."""
    turns = -(-num_bars // len(form))
    tables = [form]
    for _ in range(1, turns):
        again = form.copy()
        again[:, 0] = len(form)
        again[:, 1] = np.where(form[:, 1] == EXACT_CODE, EXACT_CODE, VARIED_CODE)
        tables.append(again)
    fitted: Ints = np.concatenate(tables)[:num_bars]
    return fitted
