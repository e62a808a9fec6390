"""A plan as arrays, and how its values are numbered.

Everything stands in the home key: C major or A minor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.references import EXACT, NEW, TRANSPOSED, VARIED
from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.notes.chord_symbols import CHORD_STEPS

Ints = npt.NDArray[np.int64]

MAX_PARTS = 12
MAX_BACK = 255  # bars that a reference reaches back
MAX_LETTERS = 16  # sections with later letters share the last one
NUM_ENERGIES = 8  # steps of energy
ENERGY_EDGES = np.linspace(0.15, 0.75, NUM_ENERGIES - 1)  # energies of analysis/energy.py that begin a new step
NO_CHORD = 0  # value of a slot without a chord; chord r, q is 1 + NUM_QUALITIES r + q
NUM_QUALITIES = len(CHORD_STEPS)
NUM_CHORDS = 1 + 12 * NUM_QUALITIES
NO_SOURCE = -1
PART_ORDER = (MELODY, BASS, DRUM, HARMONY, FIGURE, COUNTER)  # roles in the order in which their parts are written
PART_RANK = tuple(PART_ORDER.index(role) for role in range(len(PART_ORDER)))


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Plan:
    """The plan of a piece of N bars for P parts."""

    roles: Ints  # index into analysis.roles.ROLES: [P]
    programs: Ints  # General MIDI program or DRUMS: [P]
    bar_ticks: Ints  # length of each bar: [N]
    num_slots: Ints  # chords that each bar has, 1 or 2: [N]
    source: Ints  # earlier bar that each repeats, or NO_SOURCE: [N]
    relation: Ints  # NEW, EXACT, TRANSPOSED or VARIED: [N]
    shift: Ints  # semitones above the source of a transposed bar: [N]
    section: Ints  # 1 + letter at the first bar of a section, else 0: [N]
    chord: Ints  # NO_CHORD or 1 + NUM_QUALITIES root + quality of each slot, in bars of one slot twice the same: [N, 2]
    bass: Ints  # pitch class of the lowest line of each slot, -1 without a chord: [N, 2]
    energy: Ints  # 0 to NUM_ENERGIES - 1: [N]
    active: Ints  # bit p: part p plays in the bar: [N]
    copied: Ints  # bit p: part p plays what it played in the source: [N]

    @property
    def num_parts(self) -> int:
        return len(self.roles)

    @property
    def num_bars(self) -> int:
        return len(self.source)

    def letters(self) -> Ints:
        """Letter of the section of each bar, 0 for A: int64 [N]."""
        return np.maximum(self.section[self.section_starts()[self._section_of_bar()]] - 1, 0)

    def section_starts(self) -> Ints:
        """Bars at which sections begin, the first bar among them: int64 [sections]."""
        return np.union1d([0], np.flatnonzero(self.section)).astype(np.int64)

    def bars_into_section(self) -> tuple[Ints, Ints]:
        """Bars before and bars from each bar on in its section: int64 [N] twice."""
        starts = self.section_starts()
        number = self._section_of_bar()
        stops = np.append(starts[1:], self.num_bars)
        bars = np.arange(self.num_bars)
        return bars - starts[number], stops[number] - bars

    def played(self) -> Ints:
        """Part and bar of all that is written note by note, in its order: int64 [cells, 2].

        It is what parts play and do not copy.
        """
        bits = self.active & ~self.copied
        part, bar = np.nonzero(bits[None] >> np.arange(self.num_parts)[:, None] & 1)
        return np.stack([part, bar], axis=1).astype(np.int64)

    def _section_of_bar(self) -> Ints:
        is_start = np.zeros(self.num_bars, dtype=np.int64)
        is_start[self.section_starts()] = 1
        number: Ints = np.cumsum(is_start) - 1
        return number


def chord_value(root: int, quality: int) -> int:
    """Value of a chord."""
    return 1 + NUM_QUALITIES * root + quality


def moved_chord(value: Ints, semitones: Ints | int) -> Ints:
    """Chords that many semitones higher: int64, shape of `value`."""
    root, quality = np.divmod(value - 1, NUM_QUALITIES)
    return np.where(value == NO_CHORD, NO_CHORD, 1 + (root + semitones) % 12 * NUM_QUALITIES + quality)


@lru_cache(maxsize=1)
def chord_tones() -> npt.NDArray[np.uint8]:
    """1 for each pitch class of each chord value, of NO_CHORD for all: uint8 [NUM_CHORDS, 12]."""
    table = np.zeros((NUM_CHORDS, 12), dtype=np.uint8)
    table[NO_CHORD] = 1
    for root in range(12):
        for quality, steps in enumerate(CHORD_STEPS):
            table[chord_value(root, quality), [(root + step) % 12 for step in steps]] = 1
    table.setflags(write=False)
    return table


__all__ = [
    "BASS", "COUNTER", "DRUM", "EXACT", "FIGURE", "HARMONY", "MELODY", "NEW", "TRANSPOSED", "VARIED", "Plan",
    "chord_tones", "chord_value", "moved_chord",
]  # fmt: skip
