"""The content of order files: TOML, and rows of CSV and Parquet."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.old_names import OldNameError, with_present_names
from lstm_core.orders.order import TrackOrder


def present_fields(values: Mapping[str, Any], reported: set[str]) -> Mapping[str, Any]:
    """The fields of a row or table under their present names; warns of each old name that is not in `reported` yet.

    Raises:
        OrderError: a field is given under its old name and under its present one.
    """
    try:
        return with_present_names(TrackOrder, values, reported=reported)
    except OldNameError as error:
        raise OrderError(str(error)) from error


def parse_toml(data: bytes, name: str) -> dict[str, Any]:
    """The content of a TOML file."""
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OrderError(f"{name} is not TOML: {error}") from error


def csv_rows(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file with a header; empty cells are left out."""
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        for row in reader:
            if None in row:
                raise OrderError(f"{name}: row {reader.line_num} has more values than the header has names.")
            yield {key.strip(): value.strip() for key, value in row.items() if value is not None and value.strip()}
    except UnicodeDecodeError as error:
        raise OrderError(f"{name} is not UTF-8 text: {error}") from error
    except csv.Error as error:
        raise OrderError(f"{name} is not a CSV table: {error}") from error


def parquet_rows(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file; nulls and NaN are left out."""
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise OrderError(f"{name} is not a Parquet file: {error}") from error
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            yield {key: value for key, value in row.items() if value is not None and value == value}
