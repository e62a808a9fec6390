"""Where the rows of a batch stand: numbers that compiled code reads and writes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.orders.constraints import MAX_SOUNDING
from lstm_core.representations.note_events import STREAMS

# Columns of Rows.numbers
TICK, EVENT, HEARD, ONSET_NOTES, IS_CLOSED, NUM_SOUNDING, IS_DONE, NEW_TICK, SILENT_FROM, PEAK, HIGHEST = range(11)
STUCK = 2  # value of IS_DONE for a row whose rules left nothing to choose: a defect of the rules, never of an order


class Rows(NamedTuple):
    """Where B rows stand."""

    numbers: npt.NDArray[np.int64]  # [B, 11]
    event: npt.NDArray[np.int64]  # [B, K] the event being chosen, then the one before
    before: npt.NDArray[np.int64]  # [B, K] the event before
    ends: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] ticks at which sounding melodic notes end
    voices: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] what sounds: instrument * 256 + pitch


def make_rows(num_rows: int) -> Rows:
    """Rows that are done, ready to be started."""
    rows = Rows(
        np.zeros((num_rows, 11), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, MAX_SOUNDING), dtype=np.int64),
        np.zeros((num_rows, MAX_SOUNDING), dtype=np.int64),
    )
    rows.numbers[:, IS_DONE] = 1
    return rows


def start_row(rows: Rows, b: int) -> None:
    """Puts a row at the beginning of a piece."""
    for part in rows:
        part[b] = 0
