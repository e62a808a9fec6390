"""The rows of tables as tracks, and seeds for rows that have none or request the same as others."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder, derived_seed, order_digest, order_from_fields
from lstm_core.orders.order_rows import present_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.sources.reader import SourceReader
from lstm_core.orders.timing.bridge_row import bridged, check_joined

MAX_SHOWN_ERRORS = 8  # shown of one order
MAX_TRACKS = 200_000  # of one order


@dataclass(frozen=True, kw_only=True)
class FreeSpace:
    """What the tracks of an order may take; an order that takes more is refused before all of it is planned."""

    free_bytes: float | None = None  # on the disk; None: unlimited
    taken_bytes: Callable[[], float] = lambda: 0.0  # by tracks that are there; called only where free_bytes is too few

    def check(self, num_tracks: int, size_bytes: float) -> None:
        """Raises StorageError for tracks for which there is not enough space."""
        if num_tracks == 0 or self.free_bytes is None or size_bytes <= self.free_bytes:
            return
        if size_bytes > (enough_for := self.free_bytes + self.taken_bytes()):
            raise StorageError(
                f"The order's {num_tracks:,} tracks take about {_spoken(size_bytes)} or more, the free space is "
                f"{_spoken(max(enough_for, 0))}. Free some space, order less, or use a catalogue in s3://."
            )


UNLIMITED = FreeSpace()


def _spoken(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def checked_rows(
    rows: Iterator[dict[str, Any]], folder: str, primers: PrimerReader, sources: SourceReader, space: FreeSpace
) -> tuple[PlannedTrack, ...]:
    """The tracks of rows, every one checked to be possible.

    Raises:
        OrderError: there is none, or some cannot be met; the first errors are named.
        StorageError: there is not enough free space for them.
    """
    tracks: list[PlannedTrack] = []
    seedless: list[int] = []
    errors: list[str] = []
    reported: set[str] = set()
    known: dict[str, PlannedTrack] = {}
    size_bytes = 0.0
    for number, row in enumerate(rows, start=1):
        try:
            rows_of = sources.rows(present_fields(row, reported), folder)
            planned = [
                _row_track(values, folder, primers, known, sources, has_seed="seed" in row) for values in rows_of
            ]
        except OrderError as error:
            errors.append(f"row {number}: {error}")
            continue
        for track in planned:
            if "seed" not in row:
                seedless.append(len(tracks))
            tracks.append(track)
            if track.order.name:
                known.setdefault(track.order.name, track)
            size_bytes += estimated_size_bytes(track.order)
        space.check(len(tracks), size_bytes)
        check_num_tracks(len(tracks) + len(errors))
    if errors:
        more = f"\n... and {len(errors) - MAX_SHOWN_ERRORS} more" if len(errors) > MAX_SHOWN_ERRORS else ""
        raise OrderError(
            f"{len(errors)} of the order's rows cannot be met; nothing was made.\n"
            + "\n".join(errors[:MAX_SHOWN_ERRORS])
            + more
        )
    check_num_tracks(len(tracks))
    for place, again in _repetitions([tracks[place].order for place in seedless]):
        order = tracks[seedless[place]].order
        tracks[seedless[place]] = admit(replace(order, seed=_seed_of(replace(order, seed=0), again)), primers)
    return distinct_tracks(tracks, primers, known)


def _row_track(
    values: Mapping[str, Any],
    folder: str,
    primers: PrimerReader,
    known: Mapping[str, PlannedTrack],
    sources: SourceReader,
    *,
    has_seed: bool,
) -> PlannedTrack:
    """The track of a row of a table."""
    order = primers.pin(order_from_fields(values), folder)
    order = bridged(order, known, sources.finder(order.catalogue, folder))
    return admit(order if has_seed else replace(order, seed=_seed_of(order, 0)), primers)


def _seed_of(order: TrackOrder, again: int) -> int:
    """A seed from the row alone, so that the order of the rows does not matter; all tracks of a row have the same."""
    if order.between:
        order = TrackOrder(between=order.between, steps=order.steps, between_notes=order.between_notes)
    return track_seed(int(order_digest(order)[:12], 16), again)


def _repetitions(tracks: Sequence[TrackOrder]) -> Iterator[tuple[int, int]]:
    """Places of tracks that request exactly the same as others, and the number of the repetition, from 1, by name."""
    same: dict[str, list[int]] = defaultdict(list)
    for place, track in enumerate(tracks):
        same[order_digest(track)].append(place)
    for places in same.values():
        for again, place in enumerate(sorted(places, key=lambda place: tracks[place].name)):
            if again:
                yield place, again


def distinct_tracks(
    tracks: list[PlannedTrack], primers: PrimerReader, known: Mapping[str, PlannedTrack]
) -> tuple[PlannedTrack, ...]:
    """The tracks with derived seeds for those that request exactly the same as one before.

    Raises:
        OrderError: a bridge joins one of these.
    """
    distinct = list(tracks)
    for place, again in _repetitions([track.order for track in tracks]):
        order = tracks[place].order
        distinct[place] = admit(replace(order, seed=derived_seed(order.seed, 1_000_000 + again)), primers)
    check_joined(distinct, known)
    return tuple(distinct)


def track_seed(*parts: int) -> int:
    """A seed that depends on some numbers alone."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big") >> 1


def check_num_tracks(count: int) -> None:
    """Raises OrderError for no tracks, and for more than an order holds."""
    if count == 0:
        raise OrderError("The order requests 0 tracks. Request at least 1.")
    if count > MAX_TRACKS:
        raise OrderError(
            f"The order requests {count:,} tracks, an order holds at most {MAX_TRACKS:,}. Split it into several."
        )
