"""A run is one TOML recipe, read into frozen dataclasses and saved, resolved, beside what it made.

A dataclass inside a recipe is a table of the TOML file. Keys that the dataclass does not know are errors. The
table [made_with] of a saved recipe names versions; it is left out when the recipe is read again.
"""

from __future__ import annotations

import dataclasses
import platform
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from lstm_core import storage
from lstm_core.foundation.errors import RecipeError
from lstm_core.foundation.plain import STRICT, PlainError
from lstm_core.foundation.toml_text import toml_key, toml_value

RECIPE_NAME = "recipe.toml"
_MADE_WITH = "made_with"
_PACKAGES = ("tonemill", "ray", "torch", "numpy", "pyarrow", "symusic", "music21")
R = TypeVar("R")


def load_recipe(
    cls: type[R],
    path: str | Path | None,
    overrides: Mapping[str, object] | None = None,
    *,
    resolve: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> R:
    """A recipe of dataclass `cls` from a TOML file or URI (None: all defaults), with dotted keys overridden.

    `resolve` adds what follows from the values of the file and the overrides. RecipeError names the key, what was found
    and what is wanted.
    """
    source = "the command line" if path is None else str(path)
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(storage.read_bytes(path).decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path} is not TOML: {error}") from error
    values.pop(_MADE_WITH, None)
    for key, value in (overrides or {}).items():
        _put(values, key, value)
    try:
        return STRICT.read(cls, resolve(values))
    except PlainError as error:
        raise RecipeError(f"{source}: {error}") from error


def parse_overrides(assignments: Iterable[str]) -> dict[str, object]:
    """Overrides from the KEY=VALUE of a command line; a value is TOML, or else text."""
    overrides: dict[str, object] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set wants KEY=VALUE, got {assignment!r}")
        try:
            overrides[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            overrides[key.strip()] = text
    return overrides


def save_recipe(recipe: object, folder_uri: str | Path, name: str = RECIPE_NAME) -> None:
    """Stores every resolved value of a recipe, with the versions that it ran with, in a folder."""
    storage.write_bytes(storage.join(folder_uri, name), to_toml(recipe).encode())


def to_toml(recipe: object) -> str:
    """A recipe dataclass as TOML, with the table [made_with]. A value of None is left out: it is the default."""
    tables = {"": recipe_values(recipe), _MADE_WITH: versions()}
    lines: list[str] = []
    for table, values in tables.items():
        _write_table(lines, table, values)
    return "\n".join(lines).lstrip("\n") + "\n"


def recipe_values(recipe: object) -> dict[str, Any]:
    """The values of a recipe dataclass as plain dictionaries, lists and scalars."""
    if not dataclasses.is_dataclass(recipe) or isinstance(recipe, type):
        raise TypeError(f"a recipe is an instance of a dataclass, not {recipe!r}")
    return dataclasses.asdict(recipe)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a run computes, by name."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _put(values: dict[str, Any], dotted_key: str, value: object) -> None:
    *tables, key = dotted_key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise RecipeError(f"{dotted_key}: {table} is a value, not a table")
    values[key] = value


def _write_table(lines: list[str], name: str, values: Mapping[str, Any]) -> None:
    if name:
        lines.append(f"\n[{name}]")
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    for key, value in values.items():
        if key not in tables and value is not None:
            lines.append(f"{toml_key(key)} = {toml_value(value)}")
    for key, value in tables.items():
        _write_table(lines, f"{name}.{toml_key(key)}" if name else toml_key(key), value)
