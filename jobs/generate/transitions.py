"""The bridges that an order asks for between its tracks and their layers: rows that follow once the tracks are made.

They are made of the records, so a run that was killed, and knows some of the tracks, asks for the same ones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, permutations

from lstm_core.catalogue.records import TrackRecord
from lstm_core.composing.players import Playable
from lstm_core.foundation.errors import OrderError
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.order_file import Order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.made_tracks import MadeTrack, made_track
from lstm_core.orders.sources.transitions import transition, transitions_of_layers
from lstm_core.orders.timing.bridge import made_ids
from lstm_core.tracks.identity import Provenance, track_id_of

_logger = logging.getLogger(__name__)


class Transitions:
    """What follows the tracks of an order.

    Args:
        order: Which tracks are to be joined.
        named: Its tracks, with their ids.
        provenance: What all is made with.
        there: Transitions that the catalogue held when the run began, by their ids.
    """

    def __init__(
        self, order: Order, named: Sequence[PlannedTrack], provenance: Provenance, there: Mapping[str, TrackRecord]
    ) -> None:
        self._groups = [[named[place] for place in places] for places in order.joined]
        self._layered = [track for track in named if track.order.transitions and track.order.layers]
        self._provenance, self.there = provenance, there
        self._found: dict[str, PlannedTrack] | None = None

    def after(self, records: Mapping[str, TrackRecord]) -> Mapping[str, PlannedTrack]:
        """The bridges by their ids; those of a track that failed, or that cannot be, are left out with a warning.

        Args:
            records: Of all tracks of the order that were made; they are looked at once.
        """
        if self._found is None:
            planned = list(self._planned(records))
            ids = [track_id_of(track.order, self._provenance) for track in planned]
            self._found = {
                track_id: replace(track, track_id=track_id) for track_id, track in zip(ids, planned, strict=True)
            }
        return self._found

    def _planned(self, records: Mapping[str, TrackRecord]) -> Iterator[PlannedTrack]:
        for names, rows in self._rows(records):
            try:
                yield from [admit(row) for row in rows()]
            except OrderError as error:
                _logger.warning("no transitions %s are made: %s", names, error)

    def _rows(self, records: Mapping[str, TrackRecord]) -> Iterator[tuple[str, Callable[[], Sequence[TrackOrder]]]]:
        """What is joined, for a warning, and its rows."""
        asked = {track.track_id: track for track in (*self._layered, *chain.from_iterable(self._groups))}
        made: dict[str, MadeTrack] = {}
        for track_id, track in asked.items():
            if track_id in records:
                made[track_id] = made_track(json.loads(records[track_id].to_json()))
            else:
                _logger.warning("%s failed: no transitions from it or to it are made", track.name)
        for group in self._groups:
            there = [track for track in group if track.track_id in made]
            for first, second in permutations(there, 2):
                ends, bars = (made[first.track_id], made[second.track_id]), first.order.bridge_bars
                yield f"from {first.name} to {second.name}", partial(_transition, *ends, bars)
        for track in self._layered:
            if track.track_id in made:
                layered = made[track.track_id]
                yield f"between the layers of {track.name}", partial(transitions_of_layers, layered)


def _transition(first: MadeTrack, second: MadeTrack, num_bars: int) -> list[TrackOrder]:
    return [transition(first, second, num_bars)]


def check_plans(checkpoint: Playable, order: Order) -> None:
    """Raises OrderError for an order with transitions and a checkpoint that makes no plans, which have the chords."""
    if any(track.transitions for track in order.tracks) and not isinstance(checkpoint, ComposerCheckpoint):
        raise OrderError(
            f"transitions is true, but the checkpoint {checkpoint.facts.name} writes notes without a plan: the chords "
            "of its tracks are unknown. Use base, or a run of the levels plan and parts, or leave transitions out."
        )


def is_transition(record: TrackRecord, track_ids: Mapping[str, object]) -> bool:
    """Whether a track is a bridge between tracks of these ids, or their layers."""
    joined = made_ids(str(record.order.get("bridge", "")))
    return bool(joined) and joined <= track_ids.keys()
