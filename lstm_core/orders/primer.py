"""A MIDI file that a track goes on from: its first bars, as events that the engine is made to play."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lstm_core import storage
from lstm_core.foundation.errors import OrderError, ScoreError, StorageError
from lstm_core.notes.midi import read_midi
from lstm_core.notes.score import Score
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import (
    DURATION,
    DURATIONS,
    END,
    INSTRUMENT,
    EventArray,
    encode_score,
    event_onsets,
)

PRIMER_SHARE = 0.5  # of a track's bars that a primer may fill at most


def pin_primer(order: TrackOrder, folder: str) -> TrackOrder:
    """The order with the absolute URI of its primer, which may be told relative to `folder`, and the hash of its bytes.

    Raises:
        OrderError: there is no such file, or it is not the one whose hash the order names.
    """
    if not order.primer:
        return order
    local = storage.local_path(order.primer)
    is_relative = local is not None and not local.is_absolute()
    uri = storage.absolute(storage.join(folder, order.primer) if is_relative and folder else order.primer)
    sha256 = hashlib.sha256(_bytes(uri)).hexdigest()
    if order.primer_sha256 not in ("", sha256):
        raise OrderError(f"primer {uri} is not the file that primer_sha256 names: its sha256 is {sha256}.")
    return replace(order, primer=uri, primer_sha256=sha256)


def read_primer(order: TrackOrder, plan: TrackPlan) -> EventArray | None:
    """Events of the bars of a primer that the track goes on from, None without a primer.

    Raises:
        OrderError: the primer is no MIDI file, of another meter, without notes, or not the one that was pinned.
    """
    if not order.primer:
        return None
    read = _pinned_score if order.primer_sha256 else _score
    score = read(order.primer, order.primer_sha256)
    if str(score.meters[0]) != str(plan.meter):
        raise OrderError(f"primer {order.primer} is in {score.meters[0]}, the order asks for {plan.meter}.")
    bar_ticks = plan.meter.bar_ticks
    end = min([score.end_tick, *(meter.tick for meter in score.meters[1:])])
    num_bars = min(-(-end // bar_ticks), int(plan.num_bars * PRIMER_SHARE))
    if num_bars < 1:
        raise OrderError(
            f"primer {order.primer}: a track of {plan.num_bars} bars is too short to go on from it. Ask for more."
        )
    stop = num_bars * bar_ticks
    notes = score.notes[score.notes["onset"] < stop].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["onset"])
    events: EventArray = encode_score(Score(notes=notes, meters=(plan.meter,)))
    onsets = event_onsets(events)
    events, onsets = events[onsets < stop], onsets[onsets < stop]
    events = events[events[:, INSTRUMENT] != END]
    if not (events[:, DURATION] > 0).any():
        raise OrderError(f"primer {order.primer} has no note in its first {num_bars} bars. Use another one.")
    # The nearest duration of the stream may be a little longer than the note.
    over = onsets[: len(events)] + DURATIONS[events[:, DURATION]] > stop
    events[over, DURATION] -= 1
    return np.asarray(events)


@lru_cache(maxsize=16)
def _pinned_score(uri: str, sha256: str) -> Score:
    return _score(uri, sha256)


def _score(uri: str, sha256: str) -> Score:
    data = _bytes(uri)
    if sha256 not in ("", hashlib.sha256(data).hexdigest()):
        raise OrderError(f"primer {uri} was changed since the order was read. Run the order again.")
    try:
        return read_midi(data)
    except ScoreError as error:
        raise OrderError(f"primer {uri}: {error}") from error


def _bytes(uri: str) -> bytes:
    try:
        return storage.read_bytes(uri)
    except StorageError as error:
        raise OrderError(f"The primer cannot be read. {error}") from error
