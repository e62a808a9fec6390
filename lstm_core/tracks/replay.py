"""The take behind a track of a catalogue, made once more from the order in its record.

A record keeps sections, chords and energy, but not which bars repeat which, nor the part of each note. The same order,
checkpoint and attempt give the same take; whether they did is seen by the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lstm_core.catalogue.records import TrackRecord
from lstm_core.composing.players import load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError, TonemillError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.tracks.gates import score_fingerprint
from lstm_core.tracks.warm_up import compile_player


class ReplayError(TonemillError):
    """The take of a record cannot be made again; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A track of a catalogue as it was planned and played."""

    track: PlannedTrack
    take: Take


def replay(record: TrackRecord, checkpoint: str | Path = "base") -> Replay:
    """The take of a record, note for note.

    Args:
        record: Of a track of a catalogue.
        checkpoint: The run or checkpoint that it was made with, or "base".

    Raises:
        ReplayError: it is another checkpoint, the order had a primer or a melody, or other notes come of it.
        CheckpointError: there is no such checkpoint.
    """
    for field in ("primer", "melody"):
        if record.order.get(f"{field}_sha256"):
            raise ReplayError(f"its order has a {field}, which a record does not hold")
    playable = load_playable(checkpoint)
    made_with = str(record.checkpoint.get("fingerprint"))
    if playable.fingerprint != made_with:
        raise ReplayError(
            f"it was made with the checkpoint {record.checkpoint.get('name')} {made_with[:12]}, {checkpoint} is "
            f"{playable.fingerprint[:12]}. Give the other one with --checkpoint"
        )
    try:
        track = admit(order_from_fields(record.order))
    except OrderError as error:
        raise ReplayError(f"its order is none of this version: {error}") from error
    player = open_player(playable, arithmetic=record.arithmetic.partition("-")[0])
    compile_player(player)
    take = next(player.play([(track, record.attempt)]))
    if score_fingerprint(take.score(track.plan)) != record.score_fingerprint:
        raise ReplayError(
            f"other notes come of its order here: it was made by another version, or on another kind of processor "
            f"({record.arithmetic})"
        )
    return Replay(track=track, take=take)
