"""The records of the tracks that orders start from: what an order leaves out is as in the track's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lstm_core import storage
from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.orders.order import TrackOrder, order_fields, order_from_fields
from lstm_core.orders.sources.asked import REMADE_FIELDS, SOURCE_FIELDS, SPELLED, between_ids
from lstm_core.orders.sources.between import SOUND_FIELDS, rows_between, unread_rows
from lstm_core.orders.sources.made_tracks import MadeTrack, made_track
from lstm_core.orders.sources.rearranged import rearranged

_OWN = (  # never taken from a track
    *("name", "seed", "primer", "primer_sha256", "melody", "melody_sha256", "melody_notes", "transitions"),
    *(*SOURCE_FIELDS, *SPELLED.values()),
)
_OPEN = frozenset((*_OWN, *SOUND_FIELDS, "temperature", "top_p"))  # may differ where a part of a track is made again


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """What an order needs to know of the track that it starts from."""

    track_id: str
    order: TrackOrder
    notes: str  # fingerprint of its notes


class SourceReader:
    """Completes order rows that start from a track, and finds tracks to be joined; each record is read once.

    Args:
        catalogue: Of tracks for which a row names none, "": rows are left as they are until the catalogue is known.
    """

    def __init__(self, catalogue: str = "") -> None:
        self._catalogue = storage.absolute(catalogue) if catalogue else ""
        self._records: dict[tuple[str, str], SourceRecord] = {}
        self._made: dict[tuple[str, str], MadeTrack] = {}

    def rows(self, values: Mapping[str, Any], folder: str) -> list[Mapping[str, Any]]:
        """The rows that a row becomes, each as `completed` gives it: several where it leads from one track to another.

        Raises:
            OrderError: there is no such track, its record is damaged, or the row says what the tracks decide.
        """
        given = {key: value for key, value in values.items() if value is not None and value == value and value != ""}
        if not given.get("between"):
            return [self.completed(values, folder)]
        asked = order_from_fields({key: given[key] for key in ("between", "steps", "step") if key in given})
        ids = between_ids(asked.between)
        given |= {"steps": asked.steps, "step": asked.step}  # as numbers: tables have text
        named = str(given.get("catalogue", ""))
        catalogue = storage.absolute(named, folder) if named else self._catalogue
        if not catalogue:
            return unread_rows(given)
        given["catalogue"] = "" if catalogue == self._catalogue else catalogue
        first, last = (self._record(catalogue, track_id, "between names") for track_id in ids)
        return rows_between(first, last, given)

    def completed(self, values: Mapping[str, Any], folder: str) -> Mapping[str, Any]:
        """The values of a row with those of the track that it starts from, where it says nothing else.

        Args:
            values: Of a row, plain; other rows are returned as they are.
            folder: That a catalogue in the row may be relative to.

        Raises:
            OrderError: there is no such track, its record is damaged, or the row changes what must stay.
        """
        given = {
            key: value
            for key, value in values.items()
            if value is not None and value == value and not (key in REMADE_FIELDS and value in ("", [], ()))
        }
        track_id = str(given.get("from", given.get("from_track", ""))).strip()
        own, named = {key.partition(".")[0] for key in given}, str(given.get("catalogue", ""))
        catalogue = storage.absolute(named, folder) if named else self._catalogue
        if not track_id or not catalogue:
            return values
        order_from_fields({"from": track_id})  # an id that is none is refused before it becomes a path
        source = self._record(catalogue, track_id, "from is")
        if given.get("from_notes", source.notes) != source.notes:
            raise OrderError(f"from is {track_id}, but that track was made anew since. Leave from_notes out.")
        kept = {key: value for key, value in order_fields(source.order).items() if key not in own and key not in _OWN}
        pinned = {
            "from_notes": source.notes,
            "from_seed": source.order.plan_seed,
            "catalogue": "" if catalogue == self._catalogue else catalogue,
        }
        if not own & set(REMADE_FIELDS):
            return order_fields(rearranged(source.order, track_id, kept, {**given, **pinned}))
        completed = {**kept, **given, **pinned}
        _check_remade(source, order_from_fields(completed), own)
        return completed

    def finder(self, catalogue: str, folder: str) -> Callable[[str], MadeTrack | None]:
        """Finds tracks that a bridge names by their ids; None where it is not known in which catalogue.

        It raises OrderError where there is no such track, or its record is damaged or knows no chords.

        Args:
            catalogue: That the row names, "": the one that is made.
            folder: That it may be relative to.
        """
        place = storage.absolute(catalogue, folder) if catalogue else self._catalogue

        def made(track_id: str) -> MadeTrack | None:
            if not place:
                return None
            if (place, track_id) not in self._made:
                self._made[place, track_id] = _read_made(place, track_id)
            return self._made[place, track_id]

        return made

    def _record(self, catalogue: str, track_id: str, said: str) -> SourceRecord:
        key = (catalogue, track_id)
        if key not in self._records:
            self._records[key] = _read(catalogue, track_id, f"{said} {track_id}")
        return self._records[key]


def _read(catalogue: str, track_id: str, said: str) -> SourceRecord:
    """The record of a track, which an order names as `said`."""
    uri = storage.join(catalogue, "tracks", track_id, "track.json")
    try:
        content = json.loads(storage.read_bytes(uri))
        fields, notes, form = dict(content["order"]), str(content["score_fingerprint"]), content.get("form")
        if content["track_id"] != track_id:
            raise ValueError(f"it is that of {content['track_id']}")
    except storage.MissingError as error:
        raise OrderError(
            f"{said}: the catalogue {catalogue} has no such track. Write the name of one of its folders "
            "under tracks/, or name another catalogue."
        ) from error
    except StorageError as error:
        raise OrderError(f"{said}, whose record cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OrderError(f"{said}, whose record is damaged ({error}). Make that track again.") from error
    if fields.get("primer_sha256"):
        raise OrderError(f"{said}, which continues a primer, and its record does not hold that.")
    if fields.get("melody_sha256"):
        raise OrderError(f"{said}, which accompanies a melody, and its record does not hold that.")
    if fields.get("bridge"):
        raise OrderError(f"{said}, a bridge between two other tracks. Name one of these.")
    for name, what in (("key_changes", "key"), ("meter_changes", "meter")):
        if fields.get(name):
            raise OrderError(f"{said}, whose sections are in several {what}s. Name one in one {what}.")
    if form is None:
        raise OrderError(f"{said}, which was made without a plan: nothing can start from it.")
    try:
        order = order_from_fields(fields)
    except OrderError as error:
        raise OrderError(f"{said}, whose order is none of this version: {error}") from error
    return SourceRecord(track_id=track_id, order=order, notes=notes)


def _read_made(catalogue: str, track_id: str) -> MadeTrack:
    uri = storage.join(catalogue, "tracks", track_id, "track.json")
    try:
        content = json.loads(storage.read_bytes(uri))
        track = made_track(content)
        if track.track_id != track_id:
            raise ValueError(f"it is that of {track.track_id}")
    except storage.MissingError as error:
        raise OrderError(
            f"bridge names track {track_id}: the catalogue {catalogue} has no such track. Write the name of one of its "
            "folders under tracks/, or name another catalogue."
        ) from error
    except StorageError as error:
        raise OrderError(f"bridge names track {track_id}, whose record cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise OrderError(
            f"bridge names track {track_id}, whose record is damaged ({error}). Make that track again."
        ) from error
    return track


def _check_remade(source: SourceRecord, order: TrackOrder, own: set[str]) -> None:
    """Raises OrderError for an order that changes what would have to stay where something is made again."""
    asked = [name for name in REMADE_FIELDS if name in own]
    for name in sorted(own - _OPEN):
        value, before = getattr(order, name, None), getattr(source.order, name, None)
        if value != before:
            raise OrderError(
                f"{name} is {value!r}, but {asked[0]} makes only something of track {source.track_id} again, which has "
                f"{before!r}: the rest stays. Leave {name} out."
            )
