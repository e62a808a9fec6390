"""What a model of plans is told before each event, the same when it learns and when it writes. Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.representations.plan.events import (
    ACTIVE,
    COPIED,
    COPIED_MORE,
    END_PARTS,
    FIRST,
    FIRST_BACK,
    FIRST_CHORD,
    FIRST_RELATION,
    FIRST_SECOND_CHORD,
    FIRST_TRANSPOSED_CODE,
    NEW_CODE,
    NO_SHIFT_CODE,
    NUM_RELATIONS,
    SECOND,
    STREAMS,
    THIRD,
    VARIED_CODE,
)
from lstm_core.representations.plan.layout import MAX_LETTERS, MAX_PARTS, NUM_QUALITIES, Ints
from lstm_core.representations.representation import Stream

PARTS, FORM, CONTENT, FINISHED = 1, 2, 3, 4  # phases of a plan
MAX_BARS, MAX_INTO, MAX_BACK_TOLD = 64, 16, 33
LAGS = (1, 2, 4, 8)  # bars back whose content may be copied; the last lag is the source of the bar
NUM_LAGS = len(LAGS) + 1
NOTHING = -1

MOVING = (
    Stream("phase", 4),
    Stream("place", 2 + MAX_BARS),  # parts or bars so far
    Stream("bars_left", 2 + MAX_BARS),
    Stream("place_in_four", 5),
    Stream("num_parts", 2 + MAX_PARTS),
    Stream("into_section", 2 + MAX_INTO),
    Stream("section_left", 2 + MAX_INTO),  # known once the form is
    Stream("letter", 1 + MAX_LETTERS),
    Stream("letters_so_far", 2 + MAX_LETTERS),
    Stream("relation", 1 + NUM_RELATIONS),
    Stream("back", 2 + MAX_BACK_TOLD),
    Stream("next_relation", 1 + NUM_RELATIONS),
)
_K = len(STREAMS)
# Columns of PlanRows.numbers
PHASE, PART, BAR, NUM_BARS, NUM_LETTERS, SECTION_START, LETTER, NUM_COLUMNS = range(8)


class PlanRows(NamedTuple):
    """Where B rows stand in their plans of at most N bars."""

    numbers: Ints  # [B, NUM_COLUMNS]
    form: Ints  # [B, N, 3] of each bar: bars back (0: none), code of the relation, section
    letters: Ints  # [B, N] letter of each bar, once its form is written
    starts: Ints  # [B, N + 1] 1 where a section begins, and after the last bar
    contents: Ints  # [B, N, K] event of each bar's content, as far as it is known


def make_plan_rows(num_rows: int, num_bars: int) -> PlanRows:
    """Rows before their first event."""
    return PlanRows(
        np.zeros((num_rows, NUM_COLUMNS), dtype=np.int64),
        np.zeros((num_rows, num_bars, 3), dtype=np.int64),
        np.zeros((num_rows, num_bars), dtype=np.int64),
        np.zeros((num_rows, num_bars + 1), dtype=np.int64),
        np.zeros((num_rows, num_bars, _K), dtype=np.int64),
    )


def start_plan_row(rows: PlanRows, b: int, num_bars: int) -> None:
    """Puts a row before the first event of a plan."""
    for part in rows:
        part[b] = 0
    rows.numbers[b, PHASE], rows.numbers[b, NUM_BARS] = PARTS, num_bars


def plan_steps(events: Ints, num_bars: int) -> tuple[Ints, Ints]:
    """What each step of a whole plan is told: moving contexts, int64 [T, M], and recalled events, int64 [T, L, K]."""
    rows = make_plan_rows(1, num_bars)
    start_plan_row(rows, 0, num_bars)
    moving = np.zeros((len(events), len(MOVING)), dtype=np.int64)
    recalled = np.full((len(events), NUM_LAGS, _K), NOTHING, dtype=np.int64)
    _all_steps(events, rows, moving, recalled)
    return moving, recalled


@njit(cache=True, nogil=True)
def _all_steps(events: Ints, rows: PlanRows, moving: Ints, recalled: Ints) -> None:
    for t in range(len(events)):
        tell_plan(0, rows, moving[t], recalled[t])
        advance_plan(0, events[t], rows)


@borrowing
def tell_plan(b: int, rows: PlanRows, moving: Ints, recalled: Ints) -> None:
    """Sets what row b is told before its next event: moving [M], recalled [L, K]."""
    numbers = rows.numbers[b]
    moving[:] = 0
    recalled[:] = NOTHING
    phase, bar, num_bars = numbers[PHASE], numbers[BAR], numbers[NUM_BARS]
    if phase == FINISHED:
        return
    moving[0] = phase
    moving[1] = 1 + min(numbers[PART] if phase == PARTS else bar, MAX_BARS)
    moving[2] = 1 + min(num_bars - bar, MAX_BARS)
    if phase == PARTS:
        return
    moving[4] = 1 + numbers[PART]
    moving[8] = 1 + min(numbers[NUM_LETTERS], MAX_LETTERS)
    into = bar - numbers[SECTION_START]
    moving[3] = 1 + into % 4
    moving[5] = 1 + min(into, MAX_INTO)
    if phase == FORM:
        moving[7] = 1 + numbers[LETTER] if bar > 0 else 0
        if bar > 0:
            moving[9] = 1 + rows.form[b, bar - 1, 1]
            moving[10] = 1 + min(rows.form[b, bar - 1, 0], MAX_BACK_TOLD)
        return
    left = 1
    while rows.starts[b, bar + left] == 0:
        left += 1
    moving[6] = 1 + min(left, MAX_INTO)
    moving[7] = 1 + rows.letters[b, bar]
    moving[9] = 1 + rows.form[b, bar, 1]
    moving[10] = 1 + min(rows.form[b, bar, 0], MAX_BACK_TOLD)
    moving[11] = 1 + rows.form[b, bar + 1, 1] if bar + 1 < num_bars else 0
    for lag in range(NUM_LAGS):
        back = rows.form[b, bar, 0] if lag == NUM_LAGS - 1 else LAGS[lag]
        if 0 < back <= bar:
            for k in range(_K):
                recalled[lag, k] = rows.contents[b, bar - back, k]
            if rows.form[b, bar, 1] == 0 or lag < NUM_LAGS - 1:  # copies are of the source alone
                recalled[lag, COPIED] = 0
                recalled[lag, COPIED_MORE] = 0
            else:
                for half in range(2):
                    recalled[lag, COPIED + half] = recalled[lag, ACTIVE + half]


@borrowing
def advance_plan(b: int, event: Ints, rows: PlanRows) -> None:
    """Moves row b past an event [K]."""
    numbers = rows.numbers[b]
    if numbers[PHASE] == PARTS:
        if event[FIRST] == END_PARTS:
            numbers[PHASE] = FORM
        else:
            numbers[PART] += 1
        return
    bar = numbers[BAR]
    if numbers[PHASE] == FORM:
        rows.form[b, bar, 0] = event[FIRST] - FIRST_BACK
        rows.form[b, bar, 1] = event[SECOND] - FIRST_RELATION
        rows.form[b, bar, 2] = event[THIRD]
        if event[THIRD] > 0 or bar == 0:
            numbers[SECTION_START] = bar
            rows.starts[b, bar] = 1
            if event[THIRD] > 0:
                numbers[LETTER] = event[THIRD] - 1
                numbers[NUM_LETTERS] = max(numbers[NUM_LETTERS], event[THIRD])
        rows.letters[b, bar] = numbers[LETTER]
        numbers[BAR] += 1
        if numbers[BAR] == numbers[NUM_BARS]:
            rows.starts[b, numbers[NUM_BARS]] = 1
            numbers[PHASE] = CONTENT
            numbers[BAR] = -1
            _next_content(b, rows)
        return
    for k in range(_K):
        rows.contents[b, bar, k] = event[k]
    _next_content(b, rows)


@borrowing
def _next_content(b: int, rows: PlanRows) -> None:
    """Moves row b to the next bar that has a content of its own, and fills those before it from their sources."""
    numbers = rows.numbers[b]
    numbers[BAR] += 1
    while numbers[BAR] < numbers[NUM_BARS]:
        bar = numbers[BAR]
        if rows.starts[b, bar]:
            numbers[SECTION_START] = bar
        back, code = rows.form[b, bar, 0], rows.form[b, bar, 1]
        if code in (NEW_CODE, VARIED_CODE):
            return
        source, here = rows.contents[b, bar - back], rows.contents[b, bar]
        up = code - NO_SHIFT_CODE if code >= FIRST_TRANSPOSED_CODE else 0
        for k in range(_K):
            here[k] = source[k]
        if source[FIRST] > FIRST_CHORD:
            here[FIRST] = FIRST_CHORD + _moved(source[FIRST] - FIRST_CHORD, up)
        if source[SECOND] > FIRST_SECOND_CHORD + 1:
            here[SECOND] = FIRST_SECOND_CHORD + 1 + _moved(source[SECOND] - FIRST_SECOND_CHORD - 1, up)
        numbers[BAR] += 1
    numbers[PHASE] = FINISHED


@borrowing
def _moved(chord: int, semitones: int) -> int:
    root, quality = (chord - 1) // NUM_QUALITIES, (chord - 1) % NUM_QUALITIES
    return 1 + (root + semitones) % 12 * NUM_QUALITIES + quality
