"""An order: a TOML file of a few lines for many tracks, or a CSV or Parquet table with a row for each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_core import storage
from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.plain import nearest
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.drawing import draw_value, is_choice
from lstm_core.orders.order import MAX_DURATION_S, TrackOrder, order_from_fields
from lstm_core.orders.order_rows import csv_rows, parquet_rows, parse_toml, present_fields
from lstm_core.orders.order_tables import (
    UNLIMITED,
    FreeSpace,
    check_num_tracks,
    checked_rows,
    distinct_tracks,
    track_seed,
)
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.sources.between import num_steps, without_others
from lstm_core.orders.sources.reader import SourceReader
from lstm_core.orders.sources.transitions import check_table, joined_places
from lstm_core.orders.timing.bridge import BRIDGE_TAIL_S
from lstm_core.orders.timing.bridge_row import bridged, without_decided

MAX_DRAWS = 24  # tries at values from ranges before an order counts as one that cannot be met
_FIELDS = tuple(field.name for field in fields(TrackOrder))
_TOP_KEYS = ("name", "count", "seed", "track", "group")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a customer requests: the tracks, each with its own seed, and planned."""

    name: str
    planned: tuple[PlannedTrack, ...]
    cut_lists: frozenset[str] = frozenset()  # URIs of the files that its rows name for their hits
    joined: tuple[tuple[int, ...], ...] = ()  # places of tracks between each two of which a bridge is made

    @property
    def tracks(self) -> tuple[TrackOrder, ...]:
        """The order row of each track."""
        return tuple(track.order for track in self.planned)


def read_order(uri: str | Path, *, space: FreeSpace = UNLIMITED, catalogue: str = "") -> Order:
    """The tracks of an order file (.toml, .csv, .parquet), every one checked to be possible.

    `catalogue` is that of the tracks that they start from; without it what these are is not looked up.

    Raises:
        OrderError: the file is malformed, requests no tracks, or some rows cannot be met; the first errors are named.
        StorageError: there is not enough free space for it.
    """
    data, name = storage.read_bytes(uri), storage.name_of(uri)
    stem, _, suffix = name.rpartition(".")
    folder = storage.absolute(uri).rpartition("/")[0]
    if suffix == "toml":
        values = parse_toml(data, name)
        return expand_order(values, default_name=stem, folder=folder, space=space, catalogue=catalogue)
    if suffix in ("csv", "parquet"):
        rows = csv_rows(data, name) if suffix == "csv" else parquet_rows(data, name)
        with PrimerReader() as primers:
            planned = checked_rows(rows, folder, primers, SourceReader(catalogue), space)
            check_table(planned)
            return Order(name=stem, planned=planned, cut_lists=frozenset(primers.cut_lists))
    raise OrderError(f"{name}: an order is a .toml, .csv or .parquet file.")


def expand_order(
    values: Mapping[str, Any],
    *,
    default_name: str,
    folder: str = "",
    space: FreeSpace = UNLIMITED,
    catalogue: str = "",
) -> Order:
    """The tracks of an order in TOML form.

    At the top: name, seed, count, and a table [track] of settings; or several tables [[group]], each with its own count
    and settings on top of those of [track]. A setting is a value, a list to draw from (for instruments, ensemble,
    roles lists of lists, for energy of curves, for hits of lists), or a range {min, max} with an optional step; for
    chords, ensemble, roles and what changes with sections also a table of them. Files are relative to `folder`.
    """
    groups, common = _groups(values)
    name, seed = values.get("name", default_name), values.get("seed", 0)
    if not isinstance(name, str) or not name.strip():
        raise OrderError(f"name is {name!r}, it must be a text.")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 1 << 63:
        raise OrderError(f"seed is {seed!r}, it must be a whole number from 0 up.")
    counts = [_count(group) for group in groups]
    check_num_tracks(sum(counts))
    reported: set[str] = set()
    common = present_fields(common, reported)
    settings_of = [
        {
            **_common_of(common, group),
            **present_fields({key: value for key, value in group.items() if key != "count"}, reported),
        }
        for group in groups
    ]
    for settings in settings_of:
        for field in settings:
            if field not in _FIELDS:
                order_from_fields({field: ""})  # says which field was meant
    least = sum(count * _least_bytes(settings) for count, settings in zip(counts, settings_of, strict=True))
    space.check(sum(counts), least)
    num_tracks = sum(count * num_steps(settings) for count, settings in zip(counts, settings_of, strict=True))
    check_num_tracks(num_tracks)
    num_digits = max(3, len(str(num_tracks)))
    tracks: list[PlannedTrack] = []
    made_of_group: list[int] = []
    known: dict[str, PlannedTrack] = {}
    sources = SourceReader(catalogue)
    with PrimerReader() as primers:
        for number, (settings, count) in enumerate(zip(settings_of, counts, strict=True)):
            for index in range(count):
                random = np.random.Generator(np.random.Philox(key=[seed, (number << 40) + index]))
                stem = settings.get("name", name)
                titles = [f"{stem}-{len(tracks) + 1 + i:0{num_digits}d}" for i in range(num_steps(settings))]
                fixed = {"seed": track_seed(seed, number, index), "name": titles[0]}
                drawn = _drawn(settings, fixed, random, folder, primers, known, sources)
                for title, track in zip(titles, drawn, strict=False):  # fewer where the number of steps is drawn
                    tracks.append(replace(track, order=replace(track.order, name=title)))
                    known[title] = tracks[-1]
                    known.setdefault(str(settings.get("name", title)), tracks[-1])
            made_of_group.append(len(tracks) - sum(made_of_group))
        space.check(len(tracks), sum(estimated_size_bytes(track.order) for track in tracks))
        planned = distinct_tracks(tracks, primers, known)
        return Order(
            name=name,
            planned=planned,
            cut_lists=frozenset(primers.cut_lists),
            joined=joined_places(planned, made_of_group),
        )


def _common_of(common: Mapping[str, Any], group: Mapping[str, Any]) -> Mapping[str, Any]:
    """What holds for all tracks, as far as it means anything to a group whose tracks other tracks decide."""
    if "bridge" in group:
        return without_decided(common, group["bridge"])
    return without_others(common) if "between" in group else common


def _groups(values: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The tables [[group]] of an order, an empty one if there are none, and the table [track]."""
    for key in values:
        if key not in _TOP_KEYS:
            near = difflib.get_close_matches(key, [*_TOP_KEYS, *_FIELDS], n=1, cutoff=0.5)
            if near and near[0] in _FIELDS:
                raise OrderError(f'"{key}" at the top of an order: settings of tracks go into the table [track].')
            hint = nearest(key, _TOP_KEYS, otherwise=f"Known are {', '.join(_TOP_KEYS)}.")
            raise OrderError(f'An order has no key "{key}". {hint}')
    groups, common = values.get("group", [{"count": values.get("count", 1)}]), values.get("track", {})
    if "group" in values and "count" in values:
        raise OrderError("count at the top does not go with [[group]]: each group has its own count.")
    if not isinstance(common, Mapping):
        raise OrderError("track must be a table: [track].")
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise OrderError("group must be a list of tables: [[group]].")
    return groups, common


def _least_bytes(settings: Mapping[str, Any]) -> float:
    """About the least number of bytes of a track of a group, judged by its shortest duration alone.

    Where that is another file's or another track's, it is not known before the row is read: 0.
    """
    is_open = any(settings.get(field) for field in ("melody", "from", "from_track", "between"))
    length = BRIDGE_TAIL_S if settings.get("bridge") else 0.0 if is_open else TrackOrder.duration_s
    duration = settings.get("duration_s", length)
    values = [duration.get("min")] if isinstance(duration, Mapping) else duration
    numbers = [value for value in (values if isinstance(values, list) else [values]) if isinstance(value, int | float)]
    shortest = min(numbers, default=0.0)
    return estimated_size_bytes(TrackOrder(duration_s=shortest)) if 0.1 <= shortest <= MAX_DURATION_S else 0.0


def _drawn(
    settings: Mapping[str, Any],
    fixed: Mapping[str, Any],
    random: np.random.Generator,
    folder: str,
    primers: PrimerReader,
    known: Mapping[str, PlannedTrack],
    sources: SourceReader,
) -> list[PlannedTrack]:
    """One track of a group: its settings, on top of a seed and a name; several that lead from one track to another.

    If there are choices, values are drawn again until they can be met together.
    """
    refusal: OrderError | None = None
    for _ in range(MAX_DRAWS if any(is_choice(key, value) for key, value in settings.items()) else 1):
        try:
            values = {key: draw_value(key, value, random) for key, value in settings.items() if key != "name"}
            values = {**fixed, **values, "name": fixed["name"]}
            orders = [primers.pin(order_from_fields(row), folder) for row in sources.rows(values, folder)]
            return [admit(bridged(one, known, sources.finder(one.catalogue, folder)), primers) for one in orders]
        except OrderError as error:
            refusal = error
    raise OrderError(f"{fixed['name']}: {refusal}") from refusal


def _count(group: Mapping[str, Any]) -> int:
    count = group.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise OrderError(f"count is {count!r}, it must be a whole number.")
    return count
