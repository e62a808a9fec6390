"""Conditions that differ from bar to bar: of plans and parts whose sections change mode or meter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.model.packing import RowConditions

Ints = npt.NDArray[np.int64]


class BarConditions:
    """The conditions of B rows, in each bar of those that have some of their own there."""

    def __init__(self, num_rows: int, num_moving: int, num_flags: int) -> None:
        self.of_bars: dict[int, Ints] = {}  # [N, C] by row, of those whose conditions change
        self.told: list[Ints] = [np.zeros(0, dtype=np.int64)] * num_rows  # [C]
        self.num_moving, self.num_flags = num_moving, num_flags

    def start(self, b: int, conditions: Ints) -> RowConditions:
        """Begins row b with conditions [C] of a whole piece, or [N, C] of its bars; returns those of the first bar."""
        self.of_bars.pop(b, None)
        if conditions.ndim == 1:
            return self._telling(b, conditions)
        self.of_bars[b] = conditions
        return self._telling(b, conditions[0])

    def renewed(self, bars: Ints) -> list[tuple[int, RowConditions]]:
        """The rows whose conditions are others than they were told, now that they stand in `bars`, int64 [B]."""
        found = []
        for b, of_bars in self.of_bars.items():
            now = of_bars[min(max(int(bars[b]), 0), len(of_bars) - 1)]
            if not np.array_equal(now, self.told[b]):
                found.append((b, self._telling(b, now)))
        return found

    def only(self, kept: Ints) -> BarConditions:
        """A copy of some rows."""
        copy = BarConditions(len(kept), self.num_moving, self.num_flags)
        copy.told = [self.told[b] for b in kept.tolist()]
        copy.of_bars = {at: self.of_bars[b] for at, b in enumerate(kept.tolist()) if b in self.of_bars}
        return copy

    def _telling(self, b: int, conditions: Ints) -> RowConditions:
        self.told[b] = conditions
        contexts = np.concatenate([np.full(self.num_moving, -1), conditions])
        return RowConditions(contexts, np.zeros(self.num_flags, dtype=np.float32))
