"""Bars that were removed from people's pieces and written anew, measured bar by bar beside people's bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.removed_bars import GAP_BARS, gap_of, given_plan, pieces_of
from lstm_core.blocks.feature_blocks import BlockSet
from lstm_core.engine.engine import Engine
from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.engine.parts.rules import PartRules
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray
from lstm_core.representations.parts.events import BAR, PLACE, read_parts
from lstm_core.representations.plan.layout import Plan, chord_tones
from lstm_core.representations.plan.plan import conditions_of_piece, plan_of_piece
from lstm_core.representations.representation import EventArray, Piece, Reading

FEWEST_BARS = 200  # of a style, for a range of its own
POLYPHONY, TOP_P, SEED = 64, 0.95, 7
_ALL = ""  # style of the ranges of all pieces

Table = npt.NDArray[np.float64]  # [bars, values]
Filled = tuple[Piece, int, EventArray, Plan]  # piece, first bar of the gap, events and plan


def filled(engine: Engine, gaps: Sequence[tuple[Piece, int]], reading: Reading) -> Iterator[Filled]:
    """The pieces with the bars from a number on written anew by the engine, all others given."""
    requests = []
    for number, (piece, first) in enumerate(gaps):
        gap = gap_of(piece.events, plan_of_piece(given_plan(piece), piece), first)
        events = gap.events.astype(np.int64)
        spans = list(pairwise(np.flatnonzero(events[:, PLACE] == BAR).tolist()))
        cells = [(int(part), int(bar)) for part, bar in gap.plan.played()]
        locked = {
            cell: events[start:stop]
            for cell, (start, stop), is_open in zip(cells, spans, gap.is_open, strict=True)
            if not is_open
        }
        rules = PartRules(locked=locked, seed=SEED + number, polyphony=POLYPHONY)
        requests.append(PartRequest(plan=gap.plan, rules=rules, conditions=conditions_of_piece(piece, reading)))
    for made in engine.generate(requests):
        piece, first = gaps[made.number]
        yield piece, first, made.events, requests[made.number].plan


def people_ranges(blocks: BlockSet) -> Mapping[str, tuple[Table, Table]]:
    """5th and 95th percentiles of the values of people's bars, by style; under "" those of all.

    They are of the pieces whose bars are removed, so that of those about nine in ten values lie within.
    """
    values: dict[str, list[Table]] = defaultdict(list)
    for _, piece, plan in pieces_of(blocks):
        own = bar_values(read_parts(piece.events, plan), plan, range(1, plan.num_bars))
        for style in {piece.style, _ALL}:
            values[style].append(own)
    found = {}
    for style, tables in values.items():
        table = np.concatenate(tables)
        if len(table) >= FEWEST_BARS or style == _ALL:
            low, high = np.percentile(table, [5, 95], axis=0)
            found[style] = low, high
    return found


def inside(pieces: Iterator[Filled] | Sequence[Filled], ranges: Mapping[str, tuple[Table, Table]]) -> float:
    """Share of the values of the bars in gaps within the ranges of their style."""
    met = []
    for piece, first, events, plan in pieces:
        low, high = ranges.get(piece.style, ranges[_ALL])
        values = bar_values(read_parts(events, plan), plan, range(first, first + GAP_BARS))
        met.append((values >= low) & (values <= high))
    return float(np.concatenate(met).mean())


def bar_values(notes: NoteArray, plan: Plan, bars: range) -> Table:
    """Values of some bars, those without pitched notes left out: float64 [bars, 10].

    Notes, onsets and instruments, lowest, mean and highest pitch, notes that sound together, quarters that a note
    lasts, share of pitch classes of the plan's chords, likeness to the bar before.
    """
    barlines = np.concatenate([[0], np.cumsum(plan.bar_ticks)])
    of_bar = np.searchsorted(barlines, notes["onset"], side="right") - 1
    rows = []
    for bar in bars:
        own = notes[of_bar == bar]
        pitched = own[own["program"] != DRUMS]
        if len(pitched) == 0:
            continue
        before = notes[of_bar == bar - 1]
        rows.append(_values(own, pitched, before, plan, bar, barlines))
    return np.array(rows, dtype=np.float64).reshape(-1, 10)


def _values(
    own: NoteArray, pitched: NoteArray, before: NoteArray, plan: Plan, bar: int, barlines: npt.NDArray[np.int64]
) -> list[float]:
    ticks = pitched["duration"].astype(np.float64)
    here, there = _places(own, int(barlines[bar])), _places(before, int(barlines[bar - 1]))
    tones = chord_classes(plan, bar)
    return [
        len(pitched),
        len(np.unique(own["onset"])),
        len(np.unique(own["program"])),
        float(pitched["pitch"].min()),
        float(pitched["pitch"].mean()),
        float(pitched["pitch"].max()),
        float(ticks.sum() / plan.bar_ticks[bar]),
        float(ticks.mean() / TICKS_PER_QUARTER),
        float(np.isin(pitched["pitch"] % 12, tones).mean()) if len(tones) else 1.0,
        len(here & there) / max(len(here | there), 1),
    ]


def _places(notes: NoteArray, barline: int) -> set[tuple[int, int]]:
    return set(zip((notes["onset"] - barline).tolist(), notes["pitch"].tolist(), strict=True))


def chord_classes(plan: Plan, bar: int) -> list[int]:
    """Pitch classes of the chords of a bar, [] where it has none."""
    return np.flatnonzero(chord_tones()[plan.chord[bar]].any(axis=0)).tolist()
