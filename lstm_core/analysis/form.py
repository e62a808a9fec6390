"""The form of a piece: phrases, sections with letters, and which earlier bar each bar repeats, and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.analysis.likeness import compare_bars
from lstm_core.analysis.references import describe_references, find_references
from lstm_core.analysis.sections import Section, label_sections, section_starts
from lstm_core.notes.score import NoteArray

_PHRASE_COST = {1: 1.6, 2: 0.7, 3: 0.7, 4: 0.0, 5: 0.6, 6: 0.8, 7: 1.2, 8: 0.9}
_REST_BONUS = 0.8  # for a phrase to begin after a rest or long note of the melody


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    sections: tuple[Section, ...]
    phrase_starts: Ints  # bars, sections' first bars among them: int64 [phrases]
    source_bar: Ints  # earlier bar that each repeats, or NO_SOURCE: int64 [bars]
    relation: Ints  # index into RELATIONS: int64 [bars]
    transposition: Ints  # semitones above the source: int64 [bars]
    similarity: Floats  # 0..1, to the source, transposed where it is: float64 [bars]


def find_form(notes: NoteArray, is_melody: Bools, grid: Grid) -> Form:
    """Form of a piece from all its notes and which of them are the melody."""
    likeness, weight = compare_bars(notes, is_melody, grid)
    pickup = _pickup_bars(notes, grid)
    starts = section_starts(notes, is_melody, grid, likeness, weight, pickup)
    source, transposed = find_references(likeness, starts)
    phrase_starts = _phrase_starts(starts, _rests(notes, is_melody, grid), pickup)
    relation, similarity, transposition = describe_references(notes, grid, likeness, source, transposed)
    return Form(
        sections=label_sections(likeness, weight, starts, pickup),
        phrase_starts=phrase_starts,
        source_bar=source,
        relation=relation,
        transposition=transposition,
        similarity=similarity,
    )


def _pickup_bars(notes: NoteArray, grid: Grid) -> int:
    """1 where the first bar holds nothing but an upbeat in its second half, else 0."""
    if grid.num_bars < 3 or len(notes) == 0:
        return 0
    return int(notes["onset"].min() >= (grid.barlines[0] + grid.barlines[1]) / 2)


def _rests(notes: NoteArray, is_melody: Bools, grid: Grid) -> Floats:
    """How clearly a phrase of the melody ends before each bar, 0..1: float64 [bars].

    The time from the last onset before the barline (an upbeat of a beat apart) to the next one, in halves of a bar.
    """
    found = np.zeros(grid.num_bars)
    onset = np.sort(notes["onset"][is_melody].astype(np.int64))
    if len(onset) < 2:
        return found
    gaps = np.diff(onset)
    bar_ticks = np.diff(grid.barlines)
    for bar in range(1, grid.num_bars):
        line = grid.barlines[bar]
        near = (onset[1:] > line - bar_ticks[bar - 1] // 2) & (onset[1:] <= line + grid.bar_beats[bar])
        if near.any():
            found[bar] = min(float(gaps[near].max()) / bar_ticks[bar - 1] * 2.0, 1.0)
    return found


def _phrase_starts(starts: Ints, rests: Floats, pickup: int) -> Ints:
    """First bars of phrases: each section cut into phrases of about four bars, by preference after rests: int64."""
    found: list[int] = []
    for number, (start, stop) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        begin = start + (pickup if number == 0 else 0)
        size = stop - begin
        cost, came = [0.0] + [np.inf] * size, [0] * (size + 1)
        for end in range(1, size + 1):
            for length in range(1, min(end, 8) + 1):
                at = end - length
                value = cost[at] + _PHRASE_COST[length] - (_REST_BONUS * float(rests[begin + at]) if at else 0.0)
                if value < cost[end]:
                    cost[end], came[end] = value, at
        cuts, at = [], size
        while at > 0:
            at = came[at]
            cuts.append(begin + at)
        cuts[-1] = start
        found += cuts[::-1]
    return np.array(found, dtype=np.int64)
