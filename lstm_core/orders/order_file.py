"""An order: a TOML file of a few lines for many tracks, or a CSV or Parquet table with a row for each."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_core import storage
from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.foundation.plain import nearest
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import MAX_DURATION_S, TrackOrder, derived_seed, order_digest, order_from_fields
from lstm_core.orders.order_rows import csv_rows, parquet_rows, parse_toml, present_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.section_fields import BY_SECTION
from lstm_core.orders.sources.between import num_steps, without_others
from lstm_core.orders.sources.reader import SourceReader
from lstm_core.orders.sources.transitions import check_table, joined_places
from lstm_core.orders.timing.bridge import BRIDGE_TAIL_S
from lstm_core.orders.timing.bridge_row import bridged, check_joined, without_decided

MAX_SHOWN_ERRORS = 8  # shown of one order
MAX_TRACKS = 200_000  # of one order
MAX_DRAWS = 24  # tries at values from ranges before an order counts as one that cannot be met
_FIELDS = tuple(field.name for field in fields(TrackOrder))
_LISTS = (
    "instruments",
    "ensemble",
    "roles",
    "bridge",
    "parts",
    "between",
)  # settings whose value is a list itself: choices are lists of lists
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


@dataclass(frozen=True, kw_only=True)
class FreeSpace:
    """What the tracks of an order may take; an order that takes more is refused before all of it is planned."""

    free_bytes: float | None = None  # on the disk; None: unlimited
    taken_bytes: Callable[[], float] = lambda: 0.0  # by tracks that are there; called only where free_bytes is too few

    def check(self, num_tracks: int, size_bytes: float) -> None:
        """Raises StorageError for tracks for which there is not enough space."""
        if self.free_bytes is None or size_bytes <= self.free_bytes:
            return
        if size_bytes > (enough_for := self.free_bytes + self.taken_bytes()):
            raise StorageError(
                f"The order's {num_tracks:,} tracks take about {_spoken(size_bytes)} or more, the free space is "
                f"{_spoken(max(enough_for, 0))}. Free some space, order less, or use a catalogue in s3://."
            )


UNLIMITED = FreeSpace()


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
            planned = _checked(rows, folder, primers, SourceReader(catalogue), space)
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
    _check_num_tracks(sum(counts))
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
    _check_num_tracks(num_tracks)
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
                fixed = {"seed": _track_seed(seed, number, index), "name": titles[0]}
                drawn = _drawn(settings, fixed, random, folder, primers, known, sources)
                for title, track in zip(titles, drawn, strict=False):  # fewer where the number of steps is drawn
                    tracks.append(replace(track, order=replace(track.order, name=title)))
                    known[title] = tracks[-1]
                    known.setdefault(str(settings.get("name", title)), tracks[-1])
            made_of_group.append(len(tracks) - sum(made_of_group))
        space.check(len(tracks), sum(estimated_size_bytes(track.order) for track in tracks))
        planned = _distinct(tracks, primers, known)
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


def _spoken(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


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


def _check_num_tracks(count: int) -> None:
    if count == 0:
        raise OrderError("The order requests 0 tracks. Request at least 1.")
    if count > MAX_TRACKS:
        raise OrderError(
            f"The order requests {count:,} tracks, an order holds at most {MAX_TRACKS:,}. Split it into several."
        )


def _least_bytes(settings: Mapping[str, Any]) -> float:
    """About the least number of bytes of a track of a group, judged by its shortest duration alone.

    Where that is another file's or another track's, it is not known before the row is read: 0.
    """
    is_open = any(settings.get(field) for field in ("melody", "from", "from_track"))
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
    for _ in range(MAX_DRAWS if any(_is_choice(key, value) for key, value in settings.items()) else 1):
        try:
            values = {key: _draw(key, value, random) for key, value in settings.items() if key != "name"}
            values = {**fixed, **values, "name": fixed["name"]}
            orders = [primers.pin(order_from_fields(row), folder) for row in sources.rows(values, folder)]
            return [admit(bridged(one, known, sources.finder(one.catalogue, folder)), primers) for one in orders]
        except OrderError as error:
            refusal = error
    raise OrderError(f"{fixed['name']}: {refusal}") from refusal


def _is_choice(key: str, value: Any) -> bool:
    if key in BY_SECTION and isinstance(value, Mapping):
        return any(_is_choice(key, part) for part in value.values())
    if key in ("energy", "hits") and isinstance(value, list):
        return not all(isinstance(item, int | float) for item in value)  # numbers are a curve, or seconds
    if key in _LISTS:
        return isinstance(value, list) and len(value) > 0 and all(isinstance(item, list) for item in value)
    return isinstance(value, list | Mapping)


def _draw(key: str, value: Any, random: np.random.Generator) -> Any:
    if key in BY_SECTION and isinstance(value, Mapping):
        return {section: _draw(key, part, random) for section, part in value.items()}
    if isinstance(value, float) and math.isnan(value):
        raise OrderError(f"{key} is nan. Leave it out, or write a value.")
    if isinstance(value, Mapping):
        return _draw_from_range(key, value, random)
    if not _is_choice(key, value):
        return value
    if not value:
        raise OrderError(f"{key} is an empty list: there is nothing to draw from.")
    return value[int(random.integers(len(value)))]


def _draw_from_range(key: str, given: Mapping[str, Any], random: np.random.Generator) -> float:
    numbers = {name: value for name, value in given.items() if isinstance(value, int | float)}
    is_whole = {"min", "max"} <= set(given) <= {"min", "max", "step"} and len(numbers) == len(given)
    if not is_whole or not numbers["min"] <= numbers["max"] or numbers.get("step", 1) <= 0:
        raise OrderError(
            f"{key} is {dict(given)}: a range is {{ min = ..., max = ..., step = ... }}, min up to max, step above 0."
        )
    low, high = numbers["min"], numbers["max"]
    step = numbers.get("step", 1 if isinstance(low, int) and isinstance(high, int) else 0)
    if not step:
        return float(random.uniform(low, high))
    return low + step * int(random.integers(0, int((high - low) / step + 1e-9) + 1))


def _count(group: Mapping[str, Any]) -> int:
    count = group.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise OrderError(f"count is {count!r}, it must be a whole number.")
    return count


def _track_seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big") >> 1


def _checked(
    rows: Iterator[dict[str, Any]], folder: str, primers: PrimerReader, sources: SourceReader, space: FreeSpace
) -> tuple[PlannedTrack, ...]:
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
            known.setdefault(track.order.name, track)
            size_bytes += estimated_size_bytes(track.order)
        space.check(number, size_bytes)
        _check_num_tracks(len(tracks) + len(errors))
    if errors:
        more = f"\n... and {len(errors) - MAX_SHOWN_ERRORS} more" if len(errors) > MAX_SHOWN_ERRORS else ""
        raise OrderError(
            f"{len(errors)} of the order's rows cannot be met; nothing was made.\n"
            + "\n".join(errors[:MAX_SHOWN_ERRORS])
            + more
        )
    _check_num_tracks(len(tracks))
    for place, again in _repetitions([tracks[place].order for place in seedless]):
        order = tracks[seedless[place]].order
        tracks[seedless[place]] = admit(replace(order, seed=_seed_of(replace(order, seed=0), again)), primers)
    return _distinct(tracks, primers, known)


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
    return _track_seed(int(order_digest(order)[:12], 16), again)


def _repetitions(tracks: Sequence[TrackOrder]) -> Iterator[tuple[int, int]]:
    """Places of tracks that request exactly the same as others, and the number of the repetition, from 1, by name."""
    same: dict[str, list[int]] = defaultdict(list)
    for place, track in enumerate(tracks):
        same[order_digest(track)].append(place)
    for places in same.values():
        for again, place in enumerate(sorted(places, key=lambda place: tracks[place].name)):
            if again:
                yield place, again


def _distinct(
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
