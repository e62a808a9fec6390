"""The bars of a piece and the slots of its chords, and how notes lie in either.

A bar of 4/4, 2/2, 6/8, 12/8, 6/4 or 4/2 has two slots, one of 2/4, 3/4, 3/8, 9/8, 5/4 or 7/8 has one: a bar is halved
where its beats can be and a half still is a quarter and a half long. A bar that a change of meter cuts short has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Score, bar_starts

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SHORTEST_HALVED = 3 * TICKS_PER_QUARTER  # ticks of a bar that has two slots


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Grid:
    barlines: Ints  # ticks, the closing one included: int64 [bars + 1]
    bar_beats: Ints  # ticks of a beat of each bar: int64 [bars]
    slots: Ints  # ticks at which slots begin, and the last ends: int64 [slots + 1]
    slot_bar: Ints  # bar of each slot: int64 [slots]

    @property
    def num_bars(self) -> int:
        return len(self.barlines) - 1

    @property
    def num_slots(self) -> int:
        return len(self.slots) - 1

    def bar_of(self, ticks: Ints) -> Ints:
        """Bar of each tick: int64, shape of `ticks`."""
        return np.clip(np.searchsorted(self.barlines, ticks, side="right") - 1, 0, self.num_bars - 1)

    def slot_of(self, ticks: Ints) -> Ints:
        """Slot of each tick: int64, shape of `ticks`."""
        return np.clip(np.searchsorted(self.slots, ticks, side="right") - 1, 0, self.num_slots - 1)


def slots_per_bar(meter: Meter) -> int:
    """How many chords a bar of a meter is given: 2 or 1."""
    return 2 if meter.numerator % 2 == 0 and meter.bar_ticks >= SHORTEST_HALVED else 1


def beat_ticks(meter: Meter) -> int:
    """Ticks of a beat: three of the denominator in 6/8, 9/8 and 12/8, else one."""
    unit = max(1, 4 * TICKS_PER_QUARTER // meter.denominator)
    return 3 * unit if meter.denominator >= 8 and meter.numerator > 3 and meter.numerator % 3 == 0 else unit


def make_grid(score: Score) -> Grid:
    """The bars and slots of a score."""
    barlines = bar_starts(score.meters, score.end_tick)
    starts = np.array([meter.tick for meter in score.meters])
    meter_of_bar = np.maximum(np.searchsorted(starts, barlines[:-1], side="right") - 1, 0).tolist()
    slots: list[int] = []
    slot_bar: list[int] = []
    for bar, ((start, stop), number) in enumerate(zip(pairwise(barlines.tolist()), meter_of_bar, strict=True)):
        meter = score.meters[number]
        is_halved = slots_per_bar(meter) == 2 and stop - start == meter.bar_ticks
        slots += [start, start + (stop - start) // 2] if is_halved else [start]
        slot_bar += [bar] * (1 + is_halved)
    return Grid(
        barlines=barlines,
        bar_beats=np.array([beat_ticks(score.meters[number]) for number in meter_of_bar], dtype=np.int64),
        slots=np.array([*slots, barlines[-1]], dtype=np.int64),
        slot_bar=np.array(slot_bar, dtype=np.int64),
    )


def spread(onset: Ints, end: Ints, bounds: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows (note, span, ticks shared) for each span between `bounds` in which a note sounds: int64 [rows] each."""
    first = np.searchsorted(bounds, onset, side="right") - 1
    last = np.minimum(np.searchsorted(bounds, end, side="left") - 1, len(bounds) - 2)
    counts = np.maximum(last - first + 1, 1)
    note = np.repeat(np.arange(len(onset)), counts)
    span = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + first[note]
    shared = np.minimum(end[note], bounds[span + 1]) - np.maximum(onset[note], bounds[span])
    return note, span, shared
