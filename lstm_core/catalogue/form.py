"""The form of a track as its record keeps it: sections, chords, energy, and who plays which role."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

BARS_OF_TEXT = 8  # bars whose chords a table shows


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackSection:
    name: str  # such as A, A', intro
    start_bar: int
    num_bars: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackForm:
    """What was planned for each bar of a track.

    Raises:
        ValueError: sections, chords and energy are not of the same bars.
    """

    sections: tuple[TrackSection, ...]  # one after the other, from the first bar to the last
    chords: tuple[str, ...]  # such as Am, F/A, N.C., in the key of the track: slots_per_bar of each bar
    slots_per_bar: int  # 2 for a chord each half bar, 1 where bars are too short for two
    energy: tuple[float, ...]  # of each bar, 0 for the calmest to 1 for the strongest
    roles: dict[str, tuple[str, ...]]  # an instrument for each part, by the part's role

    def __post_init__(self) -> None:
        num_bars = len(self.energy)
        if self.slots_per_bar not in (1, 2):
            raise ValueError(f"slots_per_bar is {self.slots_per_bar}, it must be 1 or 2.")
        if len(self.chords) != num_bars * self.slots_per_bar:
            raise ValueError(
                f"{len(self.chords)} chords, {self.slots_per_bar} a bar, do not fit the energy of {num_bars} bars."
            )
        if not all(0.0 <= value <= 1.0 for value in self.energy):
            raise ValueError("the energy of a bar must lie from 0 to 1.")
        stop = 0
        for section in self.sections:
            if section.start_bar != stop or section.num_bars < 1:
                raise ValueError(
                    f"section {section.name} has {section.num_bars} bars from bar {section.start_bar} on; "
                    f"it must have some, and begin with bar {stop} where the one before it ends."
                )
            stop += section.num_bars
        if stop != num_bars or num_bars == 0:
            raise ValueError(f"sections of {stop} bars do not fit the energy of {num_bars} bars.")
        # A hundred thousand records have a hundred names of chords: each is held once.
        object.__setattr__(self, "chords", tuple(map(sys.intern, self.chords)))

    @property
    def num_bars(self) -> int:
        return len(self.energy)

    @property
    def text(self) -> str:
        """Sections with their bars, such as "A8 A'8 B8 A8"; a ":" stands between where a name ends in a digit."""
        return " ".join(
            f"{section.name}{':' if section.name[-1:].isdigit() else ''}{section.num_bars}" for section in self.sections
        )

    @property
    def mean_energy(self) -> float:
        """Energy in the mean of all bars, two decimals."""
        return round(sum(self.energy) / self.num_bars, 2)

    @property
    def num_parts(self) -> int:
        return sum(map(len, self.roles.values()))

    def bar_chords(self, num_bars: int | None = None) -> list[tuple[str, ...]]:
        """The chords of each bar, or of the first bars: one of a bar that does not change it."""
        step = self.slots_per_bar
        halves = zip(self.chords[::step], self.chords[step - 1 :: step], strict=True)
        return [(first,) if first == second else (first, second) for first, second in islice(halves, num_bars)]

    def chords_text(self, num_bars: int = BARS_OF_TEXT) -> str:
        """The chords of the first bars as orders write them, such as "Am | F C/E | G"."""
        return " | ".join(" ".join(bar) for bar in self.bar_chords(num_bars))

    def to_plain(self) -> dict[str, Any]:
        """The form as JSON has it."""
        return {
            "sections": [
                {"name": section.name, "start_bar": section.start_bar, "num_bars": section.num_bars}
                for section in self.sections
            ],
            "chords": list(self.chords),
            "slots_per_bar": self.slots_per_bar,
            "energy": list(self.energy),
            "roles": {role: list(names) for role, names in self.roles.items()},
        }


def placed_sections(names: Sequence[str], num_bars: Sequence[int]) -> tuple[TrackSection, ...]:
    """Sections of these names and bars, one after the other."""
    sections, start = [], 0
    for name, count in zip(names, num_bars, strict=True):
        sections.append(TrackSection(name=name, start_bar=start, num_bars=count))
        start += count
    return tuple(sections)
