"""Sections of a piece and their letters: the cut with the shortest description.

A stretch may be encoded as a repeat of an earlier one, and then costs what they differ by: minimum description length,
after the fitness of Paulus and Klapuri, "Music structure analysis using a probabilistic fitness measure and a greedy
search algorithm", IEEE TASLP 17 (2009). Boundaries are likelier where the texture changes and where references
begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.analysis.likeness import Likeness
from lstm_core.analysis.paths import best_sections
from lstm_core.analysis.references import EXACT_LIKENESS, NO_SOURCE, find_references
from lstm_core.foundation.elementary.powers import log2
from lstm_core.notes.score import NoteArray

SAME_LETTER = 0.5  # mean likeness from which on two sections bear one letter
_BEGINNING_SHARE = 0.67  # of it that the first half has: a section is known by how it begins, many end alike
# The cost of encoding a section of so many bars; bars of new music cost one each.
_LENGTH_COST = np.full(17, 4.3)
_LENGTH_COST[[1, 2, 3, 4, 5, 6, 7, 8]] = (3.5, 3.0, 3.1, 2.5, 2.9, 2.5, 2.7, 1.2)
_LENGTH_COST[[9, 10, 11, 12, 16]] = (2.8, 3.0, 3.6, 3.6, 3.2)
_USUAL_BARS = 8
_EDGE_COST = 2.1  # at most, for a shorter section that begins or ends the piece
_REPEAT_COST, _KNOWN_SOURCE = 0.4, 0.5  # of encoding a section as a repeat; less where the source begins a section
_NOVELTY_BONUS = 1.2  # for a section to begin where the texture changes throughout
_NOVELTY_BARS = 4
_RUN_BONUS, _SOURCE_BONUS, _SHORTEST_RUN = 0.8, 0.5, 4  # where a run of so many bars begins, and its source
_SAME_AGAIN = 0.6  # mean likeness of a stretch that comes again


@dataclass(frozen=True, kw_only=True)
class Section:
    start_bar: int
    num_bars: int
    letter: int  # 0 for A, 1 for B, ...
    variant: int  # 0 as it was first, 1 for the first that differs, ...; equal ones share a number
    own_name: str = ""  # such as intro, where somebody gave one

    @property
    def name(self) -> str:
        """Such as A, B', A''."""
        if self.own_name:
            return self.own_name
        letter = chr(ord("A") + self.letter) if self.letter < 26 else f"Z{self.letter - 25}"
        return letter + ("'" * self.variant if self.variant < 4 else f"'{self.variant}")


def section_starts(
    notes: NoteArray, is_melody: Bools, grid: Grid, likeness: Likeness, weight: Floats, pickup: int
) -> Ints:
    """Bars at which sections begin, and the end: int64 [sections + 1]. A pickup goes with the first."""
    bonus = _NOVELTY_BONUS * _novelty(notes, is_melody, grid) + _run_bonus(likeness)
    like = likeness.either[pickup:]
    source = np.zeros(len(like))
    starts = np.array([0, len(like)])
    for _ in range(2):  # again, with the beginnings of sections known
        starts = best_sections(
            like, weight[pickup:], _LENGTH_COST, bonus[pickup:], source, _REPEAT_COST, _EDGE_COST, _USUAL_BARS
        )
        source = np.zeros(len(like))
        source[starts[:-1]] = _KNOWN_SOURCE
    starts = _merged(starts, like) + pickup
    starts[0] = 0
    return starts


def _run_bonus(likeness: Likeness) -> Floats:
    """For a section to begin where a run of references begins or is over, and where its source is: float64 [bars]."""
    source, _ = find_references(likeness, np.array([0, len(likeness.plain)]))
    lag = np.where(source == NO_SOURCE, 0, np.arange(len(source)) - source)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(lag)) + 1, [len(lag)]])
    bonus = np.zeros(len(source))
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if source[start] != NO_SOURCE and stop - start >= _SHORTEST_RUN:
            bonus[start] = max(bonus[start], _RUN_BONUS)
            for bar in (source[start], source[stop - 1] + 1, stop):
                if bar < len(bonus):
                    bonus[bar] = max(bonus[bar], _SOURCE_BONUS)
    return bonus


def _novelty(notes: NoteArray, is_melody: Bools, grid: Grid) -> Floats:
    """How much the texture changes at the beginning of each bar, 0..1, at its peaks: float64 [bars].

    Compared are the means of a few bars before and after (the checkerboard of Foote, ICME 2000): which programs play,
    how dense, whether there are drums and a melody.
    """
    bar = grid.bar_of(notes["onset"].astype(np.int64))
    programs, which = np.unique(notes["program"], return_inverse=True)
    counts = np.bincount(bar * len(programs) + which, minlength=grid.num_bars * len(programs))
    plays = (counts.reshape(grid.num_bars, len(programs)) > 0).astype(np.float64)
    quarters = np.diff(grid.barlines) / 24.0
    density = log2(1.0 + np.bincount(bar, minlength=grid.num_bars) / quarters)
    sings = np.bincount(bar[is_melody], minlength=grid.num_bars) > 0
    features = np.column_stack([plays / np.sqrt(max(len(programs), 1)) * 1.5, density / 3.0, 0.5 * sings])
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0)])
    found = np.zeros(grid.num_bars)
    bars = np.arange(1, grid.num_bars)
    low, high = np.maximum(bars - _NOVELTY_BARS, 0), np.minimum(bars + _NOVELTY_BARS, grid.num_bars)
    before = (sums[bars] - sums[low]) / (bars - low)[:, None]
    after = (sums[high] - sums[bars]) / (high - bars)[:, None]
    found[1:] = np.linalg.norm(after - before, axis=1)
    padded = np.pad(found, 1)
    is_peak = (found >= padded[:-2]) & (found >= padded[2:])
    peaks: Floats = np.where(is_peak, np.clip(found - 0.15, 0.0, 1.0), 0.0)
    return peaks


def _merged(starts: Ints, like: Floats) -> Ints:
    """The same cut without those within a stretch that comes again as one section, and never in parts: int64."""
    begins, ends = starts[:-1].tolist(), starts[1:].tolist()
    whole: set[tuple[int, int]] = set()
    for begin, end in zip(begins, ends, strict=True):
        for first in begins:
            stop = first + end - begin
            if (
                stop <= begin
                and stop in ends
                and begin - first < like.shape[1]
                and like[begin:end, begin - first].mean() >= _SAME_AGAIN
            ):
                whole.add((first, stop))
    inner = set()
    for first, stop in whole:
        cuts = [start for start in begins if first < start < stop]
        parts = [(a, b) for a, b in zip([first, *cuts], [*cuts, stop], strict=True)]
        if cuts and not any(part in whole and _comes_after(part, stop, begins, ends, like) for part in parts):
            inner.update(cuts)
    return np.array([start for start in starts.tolist() if start not in inner], dtype=np.int64)


def _comes_after(part: tuple[int, int], after: int, begins: list[int], ends: list[int], like: Floats) -> bool:
    """Whether a section from bar `after` on is this part again."""
    first, stop = part
    return any(
        begin >= after and end - begin == stop - first and like[begin:end, begin - first].mean() >= _SAME_AGAIN
        for begin, end in zip(begins, ends, strict=True)
        if begin - first < like.shape[1]
    )


def label_sections(likeness: Likeness, weight: Floats, starts: Ints, pickup: int) -> tuple[Section, ...]:
    """Sections with their letters: of the earlier sections the most alike gives its own, if alike enough."""
    sections: list[Section] = []
    num_letters = 0
    num_variants: list[int] = []
    for number, (start, stop) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        begin = start + (pickup if number == 0 else 0)
        best, best_index = 0.0, -1
        for index, earlier in enumerate(sections):
            source = earlier.start_bar + (pickup if index == 0 else 0)
            source_bars = earlier.num_bars - (pickup if index == 0 else 0)
            alike = _block_likeness(likeness, weight, begin, stop - begin, source, source_bars)
            if alike > best + 1e-9:
                best, best_index = alike, index
        if best < SAME_LETTER:
            letter, variant = num_letters, 0
            num_letters += 1
            num_variants.append(1)
        else:
            letter = sections[best_index].letter
            variant = sections[best_index].variant
            if best < EXACT_LIKENESS:
                variant = num_variants[letter]
                num_variants[letter] += 1
        sections.append(Section(start_bar=start, num_bars=stop - start, letter=letter, variant=variant))
    return tuple(sections)


def _block_likeness(
    likeness: Likeness, weight: Floats, start: int, num_bars: int, source: int, source_bars: int
) -> float:
    """How alike two sections are from their first bars on, as they stand or by one transposition: 0..1."""
    size, lag = min(num_bars, source_bars), start - source
    if size <= 0 or not 0 < lag < likeness.plain.shape[1]:
        return 0.0
    rows = slice(start, start + size)
    mass = weight[rows] / weight[rows].sum()
    half = (size + 1) // 2
    if half < size:
        mass[:half] *= _BEGINNING_SHARE / mass[:half].sum()
        mass[half:] *= (1.0 - _BEGINNING_SHARE) / mass[half:].sum()
    plain = float((mass * likeness.plain[rows, lag]).sum())
    shift = likeness.shift[rows, lag]
    usual = np.bincount(shift + 12, weights=mass * likeness.moved[rows, lag]).argmax() - 12
    moved = float((mass * np.where(shift == usual, likeness.moved[rows, lag], 0.0)).sum())
    whole = float(np.sqrt(size / max(num_bars, source_bars)))
    return whole * max(plain, min(moved, EXACT_LIKENESS - 0.01))
