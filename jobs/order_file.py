"""An order: a TOML file of a few lines for many tracks, or a CSV or Parquet table with a row for each."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_core import storage
from lstm_core.errors import OrderError
from lstm_core.order import TrackOrder, derived_seed, order_digest, order_from_fields
from lstm_core.production import check_order

MAX_MISTAKES = 8  # shown of one order
MAX_DRAWS = 24  # tries at values from ranges before an order counts as one that cannot be met
_FIELDS = tuple(field.name for field in fields(TrackOrder))
_TOP_KEYS = ("name", "count", "seed", "track", "group")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a customer asks for: the tracks, each with a seed of its own."""

    name: str
    tracks: tuple[TrackOrder, ...]


def read_order(uri: str | Path) -> Order:
    """The tracks of an order file (.toml, .csv, .parquet), every one checked to be possible.

    Raises:
        OrderError: the file is malformed, asks for no tracks, or some rows cannot be met; the first mistakes are named.
    """
    data, name = storage.read_bytes(uri), storage.name_of(uri)
    stem, _, suffix = name.rpartition(".")
    if suffix == "toml":
        return expand_order(_parse_toml(data, name), default_name=stem)
    if suffix in ("csv", "parquet"):
        rows = _csv_rows(data, name) if suffix == "csv" else _parquet_rows(data, name)
        return Order(name=stem, tracks=_checked(stem, rows))
    raise OrderError(f"{name}: an order is a .toml, .csv or .parquet file.")


def expand_order(values: Mapping[str, Any], *, default_name: str) -> Order:
    """The tracks of an order in TOML form.

    At the top: name, seed, count, and a table [track] of wishes; or several tables [[group]], each with its own count
    and wishes on top of those of [track]. A wish is a value, a list to draw from (for instruments a list of lists),
    or a range {min, max} with an optional step.
    """
    for key in values:
        if key not in _TOP_KEYS:
            near = difflib.get_close_matches(key, [*_TOP_KEYS, *_FIELDS], n=1, cutoff=0.5)
            if near and near[0] in _FIELDS:
                raise OrderError(f'"{key}" at the top of an order: wishes stand in the table [track].')
            raise OrderError(
                f'An order has no key "{key}". '
                + (f"Did you mean {near[0]}?" if near else f"Known are {', '.join(_TOP_KEYS)}.")
            )
    name, seed = str(values.get("name", default_name)), values.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise OrderError(f"seed is {seed!r}, it must be a whole number from 0 up.")
    groups = values.get("group", [{"count": values.get("count", 1)}])
    common = values.get("track", {})
    if not isinstance(groups, list) or not isinstance(common, Mapping):
        raise OrderError("[track] is a table and [[group]] a list of tables.")
    counts = [_count(group) for group in groups]
    if sum(counts) == 0:
        raise OrderError("The order asks for 0 tracks. Set count to at least 1.")
    tracks = []
    for number, (group, count) in enumerate(zip(groups, counts, strict=True)):
        wishes = {**common, **{key: value for key, value in group.items() if key != "count"}}
        for wish in wishes:
            if wish not in _FIELDS:
                order_from_fields({wish: None})  # says which field was meant
        for index in range(count):
            random = np.random.Generator(np.random.Philox(key=[seed, (number << 40) + index]))
            title = f"{wishes.get('name', name)}-{len(tracks) + 1:0{max(3, len(str(sum(counts))))}d}"
            tracks.append(_drawn(wishes, title, random, _track_seed(seed, number, index)))
    return Order(name=name, tracks=_distinct(tracks))


def _drawn(wishes: Mapping[str, Any], title: str, random: np.random.Generator, seed: int) -> TrackOrder:
    """One track of a group. Where ranges leave room, values are drawn again until they can be met together."""
    has_choice = any(isinstance(value, list | Mapping) for key, value in wishes.items() if key != "instruments")
    mistake: OrderError | None = None
    for _ in range(MAX_DRAWS if has_choice else 1):
        values = {key: _draw(key, value, random) for key, value in wishes.items() if key != "name"}
        try:
            order = order_from_fields({"seed": seed, **values, "name": title})
            check_order(order)
        except OrderError as error:
            mistake = error
            continue
        return order
    raise OrderError(f"{title}: {mistake}") from mistake


def _draw(key: str, value: Any, random: np.random.Generator) -> Any:
    if isinstance(value, Mapping):
        if not {"min", "max"} <= set(value) <= {"min", "max", "step"} or not value["min"] <= value["max"]:
            raise OrderError(f"{key} is {dict(value)}: a range is {{ min = ..., max = ..., step = ... }}, min up to max.")
        low, high, step = value["min"], value["max"], value.get("step", 0)
        if isinstance(low, int) and isinstance(high, int) and not step:
            step = 1
        if not step:
            return float(random.uniform(low, high))
        return low + step * int(random.integers(0, int((high - low) / step + 1e-9) + 1))
    if key == "instruments":
        is_choice = isinstance(value, list) and value and all(isinstance(item, list) for item in value)
        return value[int(random.integers(len(value)))] if is_choice else value
    if isinstance(value, list):
        if not value:
            raise OrderError(f"{key} is an empty list: there is nothing to draw from.")
        return value[int(random.integers(len(value)))]
    return value


def _count(group: Mapping[str, Any]) -> int:
    count = group.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise OrderError(f"count is {count!r}, it must be a whole number.")
    return count


def _track_seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big") >> 1


def _checked(stem: str, rows: Iterator[dict[str, Any]]) -> tuple[TrackOrder, ...]:
    tracks: list[TrackOrder] = []
    mistakes: list[str] = []
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        try:
            order = order_from_fields(row)
            if not row.get("seed") and row.get("seed") != 0:
                # From the wishes alone, so that the order of the rows does not matter.
                digest = order_digest(order)
                order = replace(order, seed=_track_seed(int(digest[:12], 16), seen[digest]))
                seen[digest] += 1
            check_order(order)
            tracks.append(order)
        except OrderError as error:
            mistakes.append(f"row {number}: {error}")
    if mistakes:
        more = f"\n... and {len(mistakes) - MAX_MISTAKES} more" if len(mistakes) > MAX_MISTAKES else ""
        raise OrderError(
            f"{len(mistakes)} of the order's rows cannot be met; nothing was made.\n"
            + "\n".join(mistakes[:MAX_MISTAKES])
            + more
        )
    if not tracks:
        raise OrderError("The order asks for 0 tracks: the table has no rows.")
    return _distinct(tracks)


def _distinct(tracks: list[TrackOrder]) -> tuple[TrackOrder, ...]:
    """The tracks with seeds derived for those that ask for exactly the same as one before."""
    seen: Counter[str] = Counter()
    distinct = []
    for track in tracks:
        digest = order_digest(track)
        again = seen[digest]
        seen[digest] += 1
        distinct.append(replace(track, seed=derived_seed(track.seed, 1_000_000 + again)) if again else track)
    return tuple(distinct)


def _parse_toml(data: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OrderError(f"{name} is not TOML: {error}") from error


def _csv_rows(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OrderError(f"{name} is not UTF-8 text: {error}") from error
    for row in csv.DictReader(io.StringIO(text)):
        if None in row:
            raise OrderError(f"{name}: a row has more values than the header has names: {row[None]}")
        yield {key.strip(): value.strip() for key, value in row.items() if value is not None and value.strip()}


def _parquet_rows(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise OrderError(f"{name} is not a Parquet file: {error}") from error
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            yield {key: value for key, value in row.items() if value is not None}
