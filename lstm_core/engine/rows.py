"""Where the rows of a batch stand: numbers that compiled code reads and writes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.orders.constraints.timeline import MAX_SOUNDING
from lstm_core.representations.note_events import STREAMS

# Columns of Rows.numbers
(
    TICK,  # of the event before
    EVENT,  # events so far
    PLAYED,  # bits of the requested instruments that have played
    ONSET_NOTES,  # notes that began at TICK
    IS_CLOSED,  # 1: the last chord has begun
    NUM_SOUNDING,  # melodic notes in `ends` and `voices`
    IS_DONE,
    NEW_TICK,  # of the event being chosen
    SILENT_FROM,  # tick from which nothing sounds, as far as is known
    PEAK,  # most melodic notes that have sounded together
    HIGHEST,  # highest melodic value of the pitch stream so far
    SPAN,  # number of the span of TICK
    NEW_SPAN,  # number of the span of NEW_TICK
    LOCKED,  # locked notes that have been played
    ENTRANCE,  # number of the first entrance that is not before TICK
    REST_BEFORE,  # a rest leads to a tick before this one
    LOCKED_ONLY,  # 1: of the instrument of the locked note that is due only that note may be chosen
    IS_LOCKED,  # 1: the event being chosen is the locked note that is due
    NUM_COLUMNS,
) = range(19)
STUCK = 2  # value of IS_DONE for a row whose rules leave nothing to choose: a defect of the rules, never of an order
LOCKED_VOICE = 1 << 16  # is added to the voice of a locked note


class Rows(NamedTuple):
    """Where B rows stand."""

    numbers: npt.NDArray[np.int64]  # [B, NUM_COLUMNS]
    event: npt.NDArray[np.int64]  # [B, K] the event being chosen, then the one before
    before: npt.NDArray[np.int64]  # [B, K] the event before
    ends: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] ticks at which sounding melodic notes end
    voices: npt.NDArray[np.int64]  # [B, MAX_SOUNDING] what sounds: instrument * 256 + pitch, + LOCKED_VOICE


def make_rows(num_rows: int) -> Rows:
    """Rows that are done, ready to be started."""
    rows = Rows(
        np.zeros((num_rows, NUM_COLUMNS), dtype=np.int64),
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
