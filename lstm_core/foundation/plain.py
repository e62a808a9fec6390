"""Plain values, of TOML, JSON or a table, become dataclasses; errors name the value and what is accepted.

Orders, recipes, the cluster file and the records of a catalogue are read here. A key that a dataclass does not know is
an error with the nearest one beside it; a list becomes a tuple, a whole number where a float is wanted a float, and
nothing else is converted, unless a reader says how its source spells values.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from itertools import repeat
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from cattrs import AttributeValidationNote, BaseValidationError, Converter, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from lstm_core.foundation.old_names import OLD_NAMES, OldNames, with_present_names

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]  # of cattrs: from a plain value and the type that is wanted
Scalar = Callable[[Any], Any]  # from a plain value to one of a type; raises ValueError, KeyError or TypeError
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}
_UNIONS = (Union, types.UnionType)
_CONTAINERS: tuple[Any, ...] = (*_UNIONS, Literal, tuple, list, dict, Mapping)


class PlainError(ValueError):
    """Values that do not make a dataclass; the message names the key, what is wanted and what was found."""


class UnknownKeyError(PlainError):
    """A key that a dataclass does not have; `hint` says which one was meant, or which there are."""

    def __init__(self, key: str, hint: str) -> None:
        super().__init__(f"unknown key {key}. {hint}")
        self.key, self.hint = key, hint


class _NotKnownError(Exception):
    """A key that a dataclass does not have, those that it has, and of these those that were not given."""


class _UnfitError(Exception):
    """What was wanted, in words, and the value that does not fit."""


def nearest(given: str, known: Iterable[str], *, otherwise: str, before: str = "") -> str:
    """A question with the known name that is most like a given one, or `otherwise` where none is like it."""
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f"Did you mean {before}{near[0]}?" if near else otherwise


class PlainReader:
    """Makes dataclasses of plain values.

    Args:
        spelled: How values of a type are spelled in a source, and in words what is wanted, by type; of the others the
            plain value must be of the type itself.
        ignores_unknown: Whether keys that a dataclass does not know are left out; else they are an error.
        old_names: Of renamed fields, accepted with a warning.
    """

    def __init__(
        self,
        spelled: Mapping[Any, tuple[Scalar, str]] | None = None,
        *,
        ignores_unknown: bool = False,
        old_names: OldNames = OLD_NAMES,
    ):
        self._ignores_unknown, self._old_names = ignores_unknown, old_names
        self._converter = converter = Converter()
        converter.register_structure_hook_factory(is_dataclass, self._dataclass_hook)
        converter.register_structure_hook_factory(lambda kind: get_origin(kind) in _CONTAINERS, self._container_hook)
        converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
        for kind in _WORDS:
            converter.register_structure_hook(kind, _strict)
        self._spelled = {kind: _spelled(read, words) for kind, (read, words) in (spelled or {}).items()}
        for kind in self._spelled.keys() & _WORDS.keys():
            converter.register_structure_hook(kind, self._spelled[kind])

    def read(self, cls: type[T], values: Mapping[str, Any], *, prefix: str = "") -> T:
        """A dataclass of the values of its fields; `prefix` stands before keys in messages.

        Raises:
            PlainError: a key is unknown or missing, or a value is not of its field's type; also for a ValueError of
                a dataclass itself. Other errors of a dataclass pass through.
        """
        try:
            return self._converter.structure(values, cls)
        except Exception as error:
            raise _explained(error, prefix) from None

    def _dataclass_hook(self, cls: Any) -> Hook:
        known = tuple(item.name for item in fields(cls) if item.init)
        structure = make_dict_structure_fn(cls, self._converter)

        def read(value: Any, _: Any) -> Any:
            if isinstance(value, cls):
                return value
            if not isinstance(value, Mapping):
                raise _UnfitError("a table", value)
            value = with_present_names(cls, value, old_names=self._old_names)
            if not self._ignores_unknown and (unknown := [key for key in value if key not in known]):
                raise _NotKnownError(unknown[0], known, [key for key in known if key not in value])
            return structure(value, cls)

        return read

    def _container_hook(self, kind: Any) -> Hook:
        if kind in self._spelled:
            return self._spelled[kind]
        origin, arguments = get_origin(kind), get_args(kind)
        kinds = [] if origin is Literal else [item for item in arguments if item not in (Ellipsis, types.NoneType)]
        hooks = [(self._converter.get_structure_hook(item), item) for item in kinds]
        is_fixed = origin is tuple and Ellipsis not in arguments

        def read(value: Any, _: Any) -> Any:
            if origin is Literal or value is None:
                if value in arguments or (value is None and types.NoneType in arguments):
                    return value
            elif origin in _UNIONS and len(hooks) == 1:
                return hooks[0][0](value, hooks[0][1])  # what is wrong inside it is named
            elif origin in _UNIONS:
                if len(hooks) == 1:  # what it says of an inner value is worth more than of the whole
                    return hooks[0][0](value, hooks[0][1])
                for hook, item in hooks:
                    with suppress(_UnfitError, BaseValidationError):
                        return hook(value, item)
            elif origin in (dict, Mapping):
                if isinstance(value, Mapping):
                    return dict(zip(value, _each(repeat(hooks[-1]), value.items()), strict=True))
            elif isinstance(value, list | tuple) and not (is_fixed and len(value) != len(hooks)):
                return origin(_each(hooks if is_fixed else repeat(hooks[0]), enumerate(value)))
            raise _UnfitError(f"a list of {len(hooks)} values" if is_fixed else _spoken(kind), value)

        return read


def _each(hooks: Iterable[tuple[Hook, Any]], items: Iterable[tuple[Any, Any]]) -> list[Any]:
    """The converted values of (place, value); an error notes the place."""
    found: list[Any] = []
    place: Any = None
    try:
        for (hook, kind), (place, value) in zip(hooks, items, strict=False):  # noqa: B007
            found.append(hook(value, kind))
    except Exception as error:
        error.add_note(IterableValidationNote("", place, None))
        raise
    return found


def _strict(value: Any, kind: Any) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise _UnfitError(_WORDS[kind], value)


def _spelled(read: Scalar, words: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        try:
            return read(value)
        except (TypeError, ValueError, KeyError, OverflowError):
            raise _UnfitError(words, value) from None

    return hook


def _spoken(kind: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in _UNIONS:
        return " or ".join(_spoken(option) for option in arguments if option is not types.NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (tuple, list):
        return f"a list, each item {_spoken(arguments[0])}"
    return _WORDS.get(kind, "a table")


def _explained(error: BaseException, prefix: str) -> BaseException:
    """The error to raise for what cattrs raised: its innermost cause, with the way to it in words."""
    way = prefix
    while True:
        for note in reversed(getattr(error, "__notes__", [])):
            if isinstance(note, AttributeValidationNote):
                way += f".{note.name}" if way else note.name
            elif isinstance(note, IterableValidationNote):
                way += f"[{note.index}]" if isinstance(note.index, int) else f".{note.index}"
        if not isinstance(error, BaseValidationError):
            break
        error = error.exceptions[0]
    if isinstance(error, _UnfitError):
        wanted, value = error.args
        return PlainError(f"{way or 'what is read'} is {value!r}, it must be {wanted}.")
    if isinstance(error, _NotKnownError):
        (key, known, others), before = error.args, f"{way}." if way else ""
        otherwise = f"Other keys: {', '.join(others)}."
        return UnknownKeyError(before + key, nearest(key, known, before=before, otherwise=otherwise))
    if isinstance(error, KeyError) and way:
        return PlainError(f"the key {way} is missing.")
    if isinstance(error, ValueError):
        return PlainError(f"{way}: {error}" if way else str(error))
    return error


STRICT = PlainReader()  # for TOML and JSON, whose values have types of their own
