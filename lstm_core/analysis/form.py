"""The form of a piece: phrases, sections with letters, and which earlier bar each bar repeats, and how.

Bars are compared with all earlier ones (the lower half of the self-similarity matrix of Foote, "Visualizing music and
audio using self-similarity", 1999, by lag). Sections are the cut of the piece that tells it most briefly when a stretch
may be told as a repeat of an earlier one: minimum description length, as in Paulus and Klapuri, "Music structure
analysis using a probabilistic fitness measure and a greedy search algorithm", IEEE TASLP 17 (2009). References are the
path of most likeness through lags that pays for each change of lag, so they run along diagonals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.analysis import kernels as k
from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.notes import DRUMS, NoteArray

RELATIONS = ("new", "exact", "transposed", "varied")
NEW, EXACT, TRANSPOSED, VARIED = range(4)
NO_SOURCE = -1

MAX_LAG = 512  # bars back that a bar is compared with
PLACE_TICKS = 3  # a thirty-second: onsets so near count as one
EXACT_LIKENESS = 0.95  # of onsets, pitches and programs, from which on a bar is the same again
SAME_LETTER = 0.5  # mean likeness from which on two sections bear one letter
_BEGINNING_SHARE = 0.67  # of it that the first half has: a section is known by how it begins, many end alike

# What it costs to tell a section of so many bars; bars of new music cost one each.
_LENGTH_COST = np.full(17, 3.4)
_LENGTH_COST[[1, 2, 3, 4, 5, 6, 7, 8]] = (3.5, 3.0, 3.1, 2.5, 2.9, 2.5, 2.7, 1.2)
_LENGTH_COST[[9, 10, 12, 16]] = (2.8, 2.6, 2.4, 2.7)
_LAST_COST = 1.9  # at most, for the section that ends the piece, however long
_REPEAT_COST, _KNOWN_SOURCE = 0.4, 0.5  # of telling a section as a repeat; less where the source begins a section
_NOVELTY_BONUS = 2.0  # for a section to begin where the texture changes throughout
_NOVELTY_BARS = 4
_RUN_BONUS, _SOURCE_BONUS, _SHORTEST_RUN = 0.8, 0.5, 4  # where a run of so many bars begins, and its source
_SAME_AGAIN = 0.6  # mean likeness of a stretch that comes again

_EXPECTED = 0.4  # likeness from which on a bar gains by being told as a repeat
_BEGIN, _LEAVE = -0.7, -0.4  # points of beginning and ending a reference
_AT_SECTION, _FROM_SECTION = 0.35, 0.25  # back for beginning it with a section, and at the beginning of one
_TRANSPOSED_SHARE = 0.9  # of its likeness a transposed bar counts
_LAG_BONUS = {16: 0.06, 8: 0.06, 4: 0.05, 2: 0.03, 1: 0.0}  # a loop of one bar is told by phrases

_PHRASE_COST = {1: 1.6, 2: 0.7, 3: 0.7, 4: 0.0, 5: 0.6, 6: 0.8, 7: 1.2, 8: 0.9}
_REST_BONUS = 0.8  # for a phrase to begin after a rest or long note of the melody


@dataclass(frozen=True, kw_only=True)
class Section:
    start_bar: int
    num_bars: int
    letter: int  # 0 for A, 1 for B, ...
    variant: int  # 0 as it was first, 1 for the first that differs, ...; equal ones share a number

    @property
    def name(self) -> str:
        """Such as A, B', A''."""
        letter = chr(ord("A") + self.letter) if self.letter < 26 else f"Z{self.letter - 25}"
        return letter + ("'" * self.variant if self.variant < 4 else f"'{self.variant}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    sections: tuple[Section, ...]
    phrase_starts: Ints  # bars, sections' first bars among them: int64 [phrases]
    source_bar: Ints  # earlier bar that each repeats, or NO_SOURCE: int64 [bars]
    relation: Ints  # index into RELATIONS: int64 [bars]
    transposition: Ints  # semitones above the source: int64 [bars]
    similarity: Floats  # 0..1, to the source, transposed where it is: float64 [bars]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Likeness:
    """All by bar and lag: [bars, lags]."""

    plain: Floats
    moved: Floats
    shift: Ints

    @property
    def either(self) -> Floats:
        """The better of both."""
        return np.maximum(self.plain, _TRANSPOSED_SHARE * self.moved)


def find_form(notes: NoteArray, is_melody: Bools, grid: Grid) -> Form:
    """Form of a piece from all its notes and which of them are the melody."""
    likeness, weight = _compare_bars(notes, is_melody, grid)
    pickup = _pickup_bars(notes, grid)
    bonus = _NOVELTY_BONUS * _novelty(notes, is_melody, grid) + _run_bonus(likeness)
    starts = _section_starts(likeness, weight, bonus, pickup)
    source, transposed = _references(likeness, starts)
    phrase_starts = _phrase_starts(starts, _rests(notes, is_melody, grid), pickup)
    relation, similarity, transposition = _relations(notes, grid, likeness, source, transposed)
    return Form(
        sections=_label(likeness, weight, starts, pickup),
        phrase_starts=phrase_starts,
        source_bar=source,
        relation=relation,
        transposition=transposition,
        similarity=similarity,
    )


def _compare_bars(notes: NoteArray, is_melody: Bools, grid: Grid) -> tuple[_Likeness, Floats]:
    """Likeness of all bars, and what each weighs: a bar in which nothing begins next to nothing."""
    onset = notes["onset"].astype(np.int64)
    bar = grid.bar_of(onset)
    place = (onset - grid.barlines[bar] + PLACE_TICKS // 2) // PLACE_TICKS
    kind = np.where(notes["program"] == DRUMS, 2, np.where(is_melody, 0, 1))
    rows = np.stack([bar, place, kind // 2, notes["pitch"].astype(np.int64)])
    _, one = np.unique(rows, axis=1, return_index=True)  # of a pitch doubled in another program one counts
    one = np.sort(one)
    order = one[np.lexsort((place[one], bar[one]))]
    first = np.searchsorted(bar[order], np.arange(grid.num_bars + 1))
    max_lag = min(max(grid.num_bars - 1, 1), MAX_LAG)
    plain, moved, shift, _ = k.bar_likeness(
        first, place[order], notes["pitch"][order].astype(np.int64), kind[order], max_lag
    )
    weight = np.where(np.diff(first) > 0, 1.0, 0.1)
    likeness = _Likeness(plain=plain.astype(np.float64), moved=moved.astype(np.float64), shift=shift.astype(np.int64))
    return likeness, weight


def _pickup_bars(notes: NoteArray, grid: Grid) -> int:
    """1 where the first bar holds nothing but an upbeat in its second half, else 0."""
    if grid.num_bars < 3 or len(notes) == 0:
        return 0
    return int(notes["onset"].min() >= (grid.barlines[0] + grid.barlines[1]) / 2)


def _novelty(notes: NoteArray, is_melody: Bools, grid: Grid) -> Floats:
    """How much the texture changes at the beginning of each bar, 0..1, at its peaks: float64 [bars].

    Compared are the means of a few bars before and after (the checkerboard of Foote, ICME 2000): which programs play,
    how dense, whether there are drums and a melody.
    """
    bar = grid.bar_of(notes["onset"].astype(np.int64))
    programs, which = np.unique(notes["program"], return_inverse=True)
    counts = np.bincount(bar * len(programs) + which, minlength=grid.num_bars * len(programs))
    plays = (counts.reshape(grid.num_bars, -1) > 0).astype(np.float64)
    quarters = np.diff(grid.barlines) / 24.0
    density = np.log2(1.0 + np.bincount(bar, minlength=grid.num_bars) / quarters)
    sings = np.bincount(bar[is_melody], minlength=grid.num_bars) > 0
    features = np.column_stack([plays / np.sqrt(len(programs)) * 1.5, density / 3.0, 0.5 * sings])
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


def _run_bonus(likeness: _Likeness) -> Floats:
    """For a section to begin where a run of references begins, and where its source does: float64 [bars]."""
    source, _ = _references(likeness, np.array([0, len(likeness.plain)]))
    lag = np.where(source == NO_SOURCE, 0, np.arange(len(source)) - source)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(lag)) + 1, [len(lag)]])
    bonus = np.zeros(len(source))
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if source[start] != NO_SOURCE and stop - start >= _SHORTEST_RUN:
            bonus[start] = max(bonus[start], _RUN_BONUS)
            bonus[source[start]] = max(bonus[source[start]], _SOURCE_BONUS)
    return bonus


def _section_starts(likeness: _Likeness, weight: Floats, bonus: Floats, pickup: int) -> Ints:
    """Bars at which sections begin, and the end: int64 [sections + 1]. A pickup goes with the first."""
    like = likeness.either[pickup:]
    source = np.zeros(len(like))
    starts = np.array([0, len(like)])
    for _ in range(2):  # once more, with what sections begin with known
        starts = k.best_sections(like, weight[pickup:], _LENGTH_COST, bonus[pickup:], source, _REPEAT_COST, _LAST_COST)
        source = np.zeros(len(like))
        source[starts[:-1]] = _KNOWN_SOURCE
    starts = _merged(starts, like) + pickup
    starts[0] = 0
    return starts


def _merged(starts: Ints, like: Floats) -> Ints:
    """The same cut without those within a stretch that comes again as one section, and never in parts: int64."""
    begins, ends = starts[:-1].tolist(), starts[1:].tolist()
    whole: set[tuple[int, int]] = set()
    for begin, end in zip(begins, ends, strict=True):
        for first in begins:
            stop = first + end - begin
            if stop <= begin and stop in ends and begin - first < like.shape[1] and like[begin:end, begin - first].mean() >= _SAME_AGAIN:
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


def _references(likeness: _Likeness, starts: Ints) -> tuple[Ints, Bools]:
    """Source of each bar or NO_SOURCE, and whether it is transposed: int64 and bool [bars]."""
    bars, lags = likeness.plain.shape
    lag = np.arange(lags)
    bar = np.arange(bars)[:, None]
    bonus = np.zeros(lags)
    for step, points in _LAG_BONUS.items():
        bonus[lag % step == 0] = np.maximum(bonus[lag % step == 0], points)
    is_past = (lag[None] >= 1) & (lag[None] <= bar)
    plain = np.where(is_past, likeness.plain - _EXPECTED + bonus, -9.0)
    moved = np.where(is_past, _TRANSPOSED_SHARE * likeness.moved - _EXPECTED + bonus, -9.0)
    is_start = np.zeros(bars, dtype=bool)
    is_start[starts[:-1]] = True
    from_start = is_start[np.maximum(bar - lag[None], 0)]
    entry = _BEGIN + _AT_SECTION * is_start[:, None] + _FROM_SECTION * from_start + 1e-4 * lag[None] / lags
    points = np.concatenate([np.zeros((bars, 1)), plain[:, 1:], moved[:, 1:]], axis=1)
    entry = np.concatenate([np.zeros((bars, 1)), entry[:, 1:], entry[:, 1:]], axis=1)
    no_shift = np.zeros((bars, lags), dtype=np.int64)
    shift = np.concatenate([no_shift, likeness.shift[:, 1:]], axis=1)
    way = k.best_references(points, shift, entry, _LEAVE)
    transposed = way >= lags
    back = np.where(transposed, way - lags + 1, way)
    source = np.where(way > 0, np.arange(bars) - back, NO_SOURCE)
    return source, transposed


def _relations(
    notes: NoteArray, grid: Grid, likeness: _Likeness, source: Ints, transposed: Bools
) -> tuple[Ints, Floats, Ints]:
    """Relation, similarity and transposition of each bar to its source: [bars] each."""
    rows = np.flatnonzero(source != NO_SOURCE)
    back = rows - source[rows]
    relation = np.full(grid.num_bars, NEW, dtype=np.int64)
    similarity = np.zeros(grid.num_bars)
    transposition = np.zeros(grid.num_bars, dtype=np.int64)
    shift = np.where(transposed[rows], likeness.shift[rows, back], 0)
    transposition[rows] = shift
    similarity[rows] = np.where(transposed[rows], likeness.moved[rows, back], likeness.plain[rows, back])
    contents = _bar_contents(notes, grid)
    for bar, up in zip(rows.tolist(), shift.tolist(), strict=True):
        here, there = contents[bar], contents[int(source[bar])]
        if up:
            there = frozenset((p, g, pitch + up * (g != DRUMS)) for p, g, pitch in there)
        same = len(here & there) / max(len(here | there), 1) if here or there else 1.0
        relation[bar] = VARIED if same < EXACT_LIKENESS else TRANSPOSED if up else EXACT
    return relation, similarity, transposition


def _bar_contents(notes: NoteArray, grid: Grid) -> list[frozenset[tuple[int, int, int]]]:
    """Of each bar what begins in it: (place, program, pitch)."""
    onset = notes["onset"].astype(np.int64)
    bar = grid.bar_of(onset)
    place = (onset - grid.barlines[bar] + PLACE_TICKS // 2) // PLACE_TICKS
    rows = list(zip(place.tolist(), notes["program"].tolist(), notes["pitch"].tolist(), strict=True))
    first = np.searchsorted(bar, np.arange(grid.num_bars + 1)).tolist()
    return [frozenset(rows[a:b]) for a, b in zip(first[:-1], first[1:], strict=True)]


def _label(likeness: _Likeness, weight: Floats, starts: Ints, pickup: int) -> tuple[Section, ...]:
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
    likeness: _Likeness, weight: Floats, start: int, num_bars: int, source: int, source_bars: int
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
    whole = (size / max(num_bars, source_bars)) ** 0.5
    return whole * max(plain, min(moved, EXACT_LIKENESS - 0.01))


def _rests(notes: NoteArray, is_melody: Bools, grid: Grid) -> Floats:
    """How much a phrase of the melody is over before each bar, 0..1: float64 [bars].

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
