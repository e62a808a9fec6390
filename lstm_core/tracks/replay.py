"""The take behind a track of a catalogue, made once more from the order in its record.

A record keeps sections, chords and energy, but not which bars repeat which, nor the part of each note. The same order,
checkpoint and attempt give the same take; whether they did is seen by the notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lstm_core import storage
from lstm_core.catalogue.folder import RECORD_NAME
from lstm_core.catalogue.records import TRACKS_FOLDER, CatalogueError, TrackRecord
from lstm_core.composing.players import Playable, Player, load_playable, open_player
from lstm_core.composing.remaking import staying
from lstm_core.composing.rules import plan_request
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError, StorageError, TonemillError
from lstm_core.model.arithmetic import INTEGERS
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.asked import between_ids, is_rearranged
from lstm_core.orders.timing.bridge import is_unread
from lstm_core.tracks.gates import score_fingerprint
from lstm_core.tracks.sources import source_track
from lstm_core.tracks.warm_up import compile_player

MOST_GENERATIONS = 100  # of tracks that were made from each other


class ReplayError(TonemillError):
    """The take of a record cannot be made again; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A track of a catalogue as it was planned and played."""

    track: PlannedTrack
    take: Take


def replay(record: TrackRecord, checkpoint: str | Path = "base", catalogue: str = "") -> Replay:
    """The take of a record, note for note.

    Args:
        record: Of a track of a catalogue.
        checkpoint: The run or checkpoint that it was made with, or "base".
        catalogue: That holds the track which it starts from, if it does.

    Raises:
        ReplayError: it is another checkpoint, the order had a primer or a melody, or other notes come of it.
        CheckpointError: there is no such checkpoint.
    """
    return Replayer(load_playable(checkpoint), catalogue, str(checkpoint)).replay(record)


class Replayer:
    """Makes takes of records with one checkpoint again, each track that others start from once.

    Args:
        playable: The checkpoint.
        catalogue: Of tracks for which an order names none.
        name: Of the checkpoint, for messages.
    """

    def __init__(self, playable: Playable, catalogue: str = "", name: str = "the checkpoint") -> None:
        self._playable, self._catalogue, self._name = playable, catalogue, name
        self._players: dict[str, Player] = {}  # by arithmetic
        self._sources: dict[tuple[str, str], SourceTrack] = {}  # by catalogue and track_id
        self._num_open = 0

    def replay(self, record: TrackRecord, catalogue: str | None = None) -> Replay:
        """The take of a record of a catalogue, by default its own, note for note; see the function of this name."""
        for field in ("primer", "melody"):
            if record.order.get(f"{field}_sha256"):
                raise ReplayError(f"its order has a {field}, which a record does not hold")
        made_with = str(record.checkpoint.get("fingerprint"))
        if self._playable.fingerprint != made_with:
            raise ReplayError(
                f"it was made with the checkpoint {record.checkpoint.get('name')} {made_with[:12]}, {self._name} is "
                f"{self._playable.fingerprint[:12]}. Give the other one with --checkpoint"
            )
        try:
            track = admit(order_from_fields(record.order))
        except OrderError as error:
            raise ReplayError(f"its order is none of this version: {error}") from error
        try:
            track = self.with_source(track, catalogue)
        except OrderError as error:
            raise ReplayError(str(error).rstrip(".")) from error
        take = next(self._player(record.arithmetic.partition("-")[0]).play([(track, record.attempt)]))
        if score_fingerprint(take.score(track.plan)) != record.score_fingerprint:
            elsewhere = "" if record.arithmetic == INTEGERS else ", or on another kind of processor"
            raise ReplayError(
                f"other notes come of its order here: it was made by another version{elsewhere} ({record.arithmetic})"
            )
        return Replay(track=track, take=take)

    def with_source(self, track: PlannedTrack, catalogue: str | None = None) -> PlannedTrack:
        """The track with the one that it starts from, or the two, as they were played; the same track without any.

        An order that names no catalogue, or one by its mere name, means that of its own track or one beside it.

        Raises:
            OrderError: that one is not there or cannot be played again, or lacks what the order names.
        """
        order = track.order
        if not order.from_track and not order.between:
            return track
        check_pinned(order)
        place = _placed(order.catalogue, self._catalogue if catalogue is None else catalogue)
        if order.between:
            ends = [self._known(place, track_id, "between names") for track_id in between_ids(order.between)]
            return replace(track, source=ends[0], target=ends[1])
        found = replace(track, source=self._known(place, order.from_track, "from is"))
        staying(found)  # refuses parts that are not there
        if is_rearranged(order):
            plan_request(found, 0, self._playable.facts)  # refuses players of whom nobody has the melody
        return found

    def _known(self, catalogue: str, track_id: str, said: str) -> SourceTrack:
        if (catalogue, track_id) not in self._sources:
            self._sources[catalogue, track_id] = self._source(catalogue, track_id, said)
        return self._sources[catalogue, track_id]

    def _source(self, catalogue: str, track_id: str, said: str) -> SourceTrack:
        if self._num_open >= MOST_GENERATIONS:
            raise OrderError(f"{said} {track_id}, to which more than {MOST_GENERATIONS} tracks lead. Start from one.")
        self._num_open += 1
        try:
            uri = storage.join(catalogue, TRACKS_FOLDER, track_id, RECORD_NAME)
            record = TrackRecord.from_json(storage.read_bytes(uri))
            found = self.replay(record, catalogue)
        except (StorageError, CatalogueError, ReplayError) as error:
            raise OrderError(f"{said} {track_id}, which cannot be played again: {str(error).rstrip('.')}.") from error
        finally:
            self._num_open -= 1
        if found.take.plan is None:
            raise OrderError(f"{said} {track_id}, which was made without a plan: nothing can start from it.")
        return source_track(found.track, found.take, record.attempt)

    def _player(self, arithmetic: str) -> Player:
        if arithmetic not in self._players:
            player = open_player(self._playable, arithmetic=arithmetic)
            compile_player(player)
            self._players[arithmetic] = player
        return self._players[arithmetic]


def _placed(catalogue: str, own: str) -> str:
    """Where a catalogue lies that an order of another one names: a record has its mere name, and it stands beside."""
    if not catalogue or "/" in catalogue:
        return catalogue or own
    return storage.join(own.rpartition("/")[0], catalogue)


def check_pinned(order: TrackOrder) -> None:
    """Raises OrderError for an order whose tracks to start from or to join were not looked up when it was read."""
    if is_unread(order):
        raise OrderError(f"bridge is {order.bridge}, which was not looked up: read the order with its catalogue.")
    if order.between and not (order.between_notes and order.step):
        raise OrderError(f"between is {order.between}, which was not looked up: read the order with its catalogue.")
    if order.from_track and not order.from_notes:
        raise OrderError(f"from is {order.from_track}, which was not looked up: read the order with its catalogue.")
