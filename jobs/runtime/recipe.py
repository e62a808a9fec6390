"""A run is one TOML recipe, read into frozen dataclasses and saved, resolved, beside what it made.

A dataclass inside a recipe is a table of the TOML file. Keys that the dataclass does not know are errors. The
table [made_with] of a saved recipe names versions; it is left out when the recipe is read again.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import platform
import tomllib
import types
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lstm_core import storage
from lstm_core.foundation.errors import RecipeError

RECIPE_NAME = "recipe.toml"
_MADE_WITH = "made_with"
_PACKAGES = ("tonemill", "ray", "torch", "numpy", "pyarrow", "symusic", "music21")
R = TypeVar("R")


def load_recipe(cls: type[R], path: str | Path | None, overrides: Mapping[str, object] | None = None) -> R:
    """A recipe of dataclass `cls` from a TOML file or URI (None: all defaults), with dotted keys overridden.

    RecipeError names the key, what was found and what is wanted.
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
    return _build(cls, values, source, "")


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


def _build(cls: type[R], values: Mapping[str, Any], source: str, prefix: str) -> R:
    hints = get_type_hints(cls)
    names = [item.name for item in dataclasses.fields(cls) if item.init]  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            nearest = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            advice = f"Did you mean {prefix}{nearest[0]}?" if nearest else f"Known keys: {', '.join(names)}."
            raise RecipeError(f"{source}: unknown key {prefix}{key}. {advice}")
    arguments = {key: _convert(value, hints[key], source, prefix + key) for key, value in values.items()}
    missing = [
        item.name
        for item in dataclasses.fields(cls)  # type: ignore[arg-type]
        if item.init
        and item.name not in arguments
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{source}: the key {prefix}{missing[0]} is missing.")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise RecipeError(f"{source}: {error}") from error


def _convert(value: Any, wanted: Any, source: str, key: str) -> Any:
    """`value` as the type `wanted`, or RecipeError."""
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if dataclasses.is_dataclass(value) and isinstance(value, wanted):
            return value
        if isinstance(value, Mapping):
            return _build(wanted, value, source, key + ".")
        raise RecipeError(f"{source}: {key} is a table of settings, got {value!r}")
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        for option in arguments:
            try:
                return _convert(value, option, source, key)
            except RecipeError:
                continue
    elif origin is Literal:
        if value in arguments:
            return value
        raise RecipeError(f"{source}: {key} is one of {', '.join(map(repr, arguments))}, got {value!r}")
    elif origin in (tuple, list) and isinstance(value, list | tuple):
        if origin is tuple and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                raise RecipeError(f"{source}: {key} holds {len(arguments)} values, got {len(value)}")
            return tuple(_convert(v, w, source, key) for v, w in zip(value, arguments, strict=True))
        return origin(_convert(item, arguments[0], source, key) for item in value)
    elif origin is dict and isinstance(value, Mapping):
        return {name: _convert(item, arguments[1], source, f"{key}.{name}") for name, item in value.items()}
    elif wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif (isinstance(wanted, type) and type(value) is wanted) or wanted in (Any, object):
        return value
    raise RecipeError(f"{source}: {key} wants {_spoken(wanted)}, got {value!r}")


def _spoken(wanted: Any) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}
    if get_origin(wanted) in (Union, types.UnionType):
        return " or ".join(_spoken(option) for option in get_args(wanted) if option is not types.NoneType)
    if get_origin(wanted) in (tuple, list):
        return f"a list, each item {_spoken(get_args(wanted)[0])}"
    return words.get(wanted, "a table" if get_origin(wanted) is dict else str(wanted))


def _write_table(lines: list[str], name: str, values: Mapping[str, Any]) -> None:
    if name:
        lines.append(f"\n[{name}]")
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    for key, value in values.items():
        if key not in tables and value is not None:
            lines.append(f"{_key(key)} = {_literal(value)}")
    for key, value in tables.items():
        _write_table(lines, f"{name}.{_key(key)}" if name else _key(key), value)


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else _literal(key)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_literal(v)}" for k, v in value.items()) + " }"
    return repr(value)
