"""Looking back: what came next at this point of the music some bars ago, and how well that has held lately.

Music repeats itself at a distance of whole bars. A recurrent network can learn that, but not from a few hundred pieces.
So each step is given, for each lag of LAGS, the event that would come next if the music continued as so many bars ago.
The model decides how far to trust it (its copy weights, see model.py). The idea is that of the lookback features
of Magenta's Lookback RNN (Waite, 2016), here for polyphony at any resolution, with a weight that is learnt for each
step instead of labels that stand for "repeat".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.notes.score import Meter
from lstm_core.representations.note_events import (
    INSTRUMENT,
    MAX_SHIFT,
    PITCH,
    REST,
    STREAMS,
    TIME_SHIFT,
    EventArray,
    event_onsets,
)

LAGS = (1, 2, 4, 8, 16)  # bars
NUM_AGREEMENTS = 8  # levels of agreement that are distinguished; 0: nothing to look back to
NUM_COMPARED = 3  # an event agrees with another in the streams before duration and velocity
NOTHING = -1  # in place of every value of an event that is not there

_LAGS = np.array(LAGS, dtype=np.int64)
_FULL, _DECAY_BITS = 255, 2  # agreement: an average over about four events, in integers so that it is exact everywhere


class LookbackRows(NamedTuple):
    """Where B rows look back to."""

    places: npt.NDArray[np.int64]  # [B, L] of the recalled event in the row's history
    scores: npt.NDArray[np.int64]  # [B, L] 0 to 255
    recalled: npt.NDArray[np.int64]  # [B, L, K] the event that each lag offers, NOTHING where there is none
    agreements: npt.NDArray[np.int64]  # [B, L] 0, or 1 to NUM_AGREEMENTS


def make_lookback_rows(num_rows: int) -> LookbackRows:
    """Rows before their first event."""
    shape = (num_rows, len(LAGS))
    rows = LookbackRows(
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.full((*shape, len(STREAMS)), NOTHING, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
    )
    return rows


def start_lookback(rows: LookbackRows, b: int) -> None:
    """Puts a row before the first event of a piece."""
    for part in rows:
        part[b] = NOTHING if part is rows.recalled else 0


def look_back(events: EventArray, meters: tuple[Meter, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What each step of a piece is given: recalled events, int64 [T, L, K], and agreements, int64 [T, L]."""
    onsets = event_onsets(events)
    starts = np.array([meter.tick for meter in meters])
    before = np.concatenate([[0], onsets[:-1]])
    bar_ticks = np.array([meter.bar_ticks for meter in meters])[np.searchsorted(starts, before, side="right") - 1]
    recalled = np.empty((len(events), len(LAGS), len(STREAMS)), dtype=np.int64)
    agreements = np.empty((len(events), len(LAGS)), dtype=np.int64)
    _look_back_all(events, onsets, bar_ticks.astype(np.int64), make_lookback_rows(1), recalled, agreements)
    return recalled, agreements


@njit(cache=True, nogil=True)
def look_back_rows(
    history: EventArray,
    onsets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    bar_ticks: npt.NDArray[np.int64],
    rows: LookbackRows,
) -> None:
    """Advances each row by one event: history [B, N, K], onsets [B, N], of which counts [B] are there."""
    for b in range(len(counts)):
        _look_back_step(b, history[b], onsets[b], counts[b], bar_ticks[b], rows)


@njit(cache=True, nogil=True)
def add_copies(
    stream: int,
    logits: npt.NDArray[np.int32],
    recalled: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
    offered: npt.NDArray[np.uint8],
    num_compared: int,
) -> None:
    """Adds the copy weights, the last L columns of logits [B, V + L], to the values that the lags offer.

    A lag that contradicts the values chosen so far, int64 [B, K], in the first `num_compared` streams offers nothing,
    nor does one of weight 0, which the model has never learnt. Sets offered, uint8 [B, V or more].
    """
    num_lags = recalled.shape[1]
    offered[:] = 0
    first = logits.shape[1] - num_lags
    for b in range(logits.shape[0]):
        for lag in range(num_lags):
            agrees = recalled[b, lag, 0] >= 0
            for earlier in range(min(stream, num_compared)):
                agrees = agrees and recalled[b, lag, earlier] == chosen[b, earlier]
            if agrees:
                logits[b, recalled[b, lag, stream]] += logits[b, first + lag]
                if logits[b, first + lag] != 0:
                    offered[b, recalled[b, lag, stream]] = 1


@njit(cache=True, nogil=True)
def _look_back_all(
    events: EventArray,
    onsets: npt.NDArray[np.int64],
    bar_ticks: npt.NDArray[np.int64],
    row: LookbackRows,
    recalled: npt.NDArray[np.int64],
    agreements: npt.NDArray[np.int64],
) -> None:
    for step in range(len(events)):
        _look_back_step(0, events, onsets, step, bar_ticks[step], row)
        recalled[step] = row.recalled[0]
        agreements[step] = row.agreements[0]


@njit(cache=True, nogil=True)
def _look_back_step(
    b: int,
    events: EventArray,
    onsets: npt.NDArray[np.int64],
    count: int,
    bar_ticks: int,
    rows: LookbackRows,
) -> None:
    """Sets what row b recalls before its event number `count`; only the events before that are read."""
    if count == 0:
        return
    last = events[count - 1]
    tick = onsets[count - 1]
    key = (np.int64(last[INSTRUMENT]) << 8) | np.int64(last[PITCH])
    for lag in range(len(_LAGS)):
        recalled = rows.recalled[b, lag]
        if recalled[TIME_SHIFT] >= 0:
            agrees = True
            for stream in range(NUM_COMPARED):
                agrees = agrees and recalled[stream] == last[stream]
            rows.scores[b, lag] += ((_FULL if agrees else 0) - rows.scores[b, lag]) >> _DECAY_BITS
        then = tick - _LAGS[lag] * bar_ticks
        place = rows.places[b, lag]
        while place > 0 and _is_after(events, onsets, place - 1, then, key):
            place -= 1
        while place < count and not _is_after(events, onsets, place, then, key):
            place += 1
        rows.places[b, lag] = place
        shift = onsets[place] - then if place < count else MAX_SHIFT + 1
        if place == count or (place == 0 and shift > MAX_SHIFT):
            recalled[:] = NOTHING
            rows.agreements[b, lag] = 0
            continue
        if shift > MAX_SHIFT:
            recalled[:] = 0
            recalled[TIME_SHIFT], recalled[INSTRUMENT] = MAX_SHIFT, REST
        else:
            for stream in range(len(recalled)):
                recalled[stream] = events[place, stream]
            recalled[TIME_SHIFT] = shift
        rows.agreements[b, lag] = 1 + rows.scores[b, lag] * NUM_AGREEMENTS // (_FULL + 1)


@njit(cache=True, nogil=True)
def _is_after(events: EventArray, onsets: npt.NDArray[np.int64], place: int, tick: int, key: int) -> bool:
    """Whether an event stands after a tick, or at it after the instrument and pitch of `key`."""
    if onsets[place] != tick:
        return bool(onsets[place] > tick)
    return bool(((np.int64(events[place, INSTRUMENT]) << 8) | np.int64(events[place, PITCH])) > key)
