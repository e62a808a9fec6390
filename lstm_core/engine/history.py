"""What the rows of a batch have played."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine import counters
from lstm_core.representations.representation import EventArray, Representation

FIRST_LENGTH = 1024  # events that a row can hold at first


class History:
    """The events of B rows and where each stands."""

    def __init__(self, num_rows: int, representation: Representation) -> None:
        shape = (num_rows, FIRST_LENGTH, len(representation.streams))
        self.events: EventArray = np.zeros(shape, dtype=representation.dtype)  # [B, N, K]
        self.onsets = np.zeros(shape[:2], dtype=np.int64)  # [B, N] ticks, or whatever the chooser counts
        self.counts = np.zeros(num_rows, dtype=np.int64)  # events of the rows that are busy, 0 of the others

    def record(
        self,
        was_busy: npt.NDArray[np.bool_],
        num_events: npt.NDArray[np.int64],
        before: npt.NDArray[np.int64],
        ticks: npt.NDArray[np.int64],
    ) -> None:
        """Appends the newest event, `before` [B, K], of the rows that were busy, and its tick [B]."""
        if num_events.max() > self.events.shape[1]:
            self.events = np.concatenate([self.events, np.zeros_like(self.events)], axis=1)
            self.onsets = np.concatenate([self.onsets, np.zeros_like(self.onsets)], axis=1)
        counters.record(was_busy, num_events, before, ticks, self.events, self.onsets, self.counts)

    def of_row(self, b: int, length: int) -> EventArray:
        """The first events of a row: [length, K], a view."""
        return self.events[b, :length]

    def only(self, kept: npt.NDArray[np.int64]) -> History:
        """A copy of some rows."""
        history = History.__new__(History)
        history.events, history.onsets, history.counts = self.events[kept], self.onsets[kept], self.counts[kept]
        return history
