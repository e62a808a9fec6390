"""Plain values into dataclasses: what is taken as it is, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.plain import STRICT, PlainError, PlainReader, UnknownKeyError, nearest


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float = 1.0
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}, below 0")
        if self.size > 100:
            raise OrderError("size is too large")


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    count: int | tuple[int, int] = 3
    limit: int | None = None
    pair: tuple[int, int] = (1, 2)
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    words: list[str] = field(default_factory=list)
    table: Mapping[str, float] = field(default_factory=dict)
    anything: Any = None
    made: int = field(default=7, init=False)


def test_what_fits_is_taken_and_nothing_is_converted_but_whole_numbers_and_lists() -> None:
    values = {
        "name": "x", "count": [1, 2], "limit": None, "pair": [3, 4], "inner": {"size": 2, "kind": "b"},
        "many": [{"size": 5}], "words": ["u"], "table": {"k": 1}, "anything": {"deep": [1]},
    }  # fmt: skip
    found = STRICT.read(Outer, values)
    assert found == Outer(
        name="x", count=(1, 2), pair=(3, 4), inner=Inner(size=2.0, kind="b"), many=(Inner(size=5.0),), words=["u"],
        table={"k": 1.0}, anything={"deep": [1]},
    )  # fmt: skip
    assert type(found.inner.size) is float and type(found.table["k"]) is float
    assert STRICT.read(Outer, {"name": "x", "inner": Inner(size=3.0)}).inner.size == 3.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "the key name is missing."),
        ({"name": 1}, "name is 1, it must be text in quotes."),
        ({"name": "x", "nmae": 1}, "unknown key nmae. Did you mean name?"),
        ({"name": "x", "made": 1}, "unknown key made. Did you mean name?"),
        ({"name": "x", "inner": {"sise": 1}}, "unknown key inner.sise. Did you mean inner.size?"),
        ({"name": "x", "inner": {"zz": 1, "size": 1}}, "unknown key inner.zz. Other keys: kind."),
        ({"name": "x", "inner": 3}, "inner is 3, it must be a table."),
        ({"name": "x", "inner": {"kind": "c"}}, "inner.kind is 'c', it must be one of 'a', 'b'."),
        ({"name": "x", "inner": {"size": -1}}, "inner: size is -1.0, below 0"),
        ({"name": "x", "many": [{}, {"size": True}]}, "many[1].size is True, it must be a number."),
        ({"name": "x", "many": "ab"}, "many is 'ab', it must be a list, each item a table."),
        ({"name": "x", "pair": [1]}, "pair is [1], it must be a list of 2 values."),
        ({"name": "x", "pair": [1, "2"]}, "pair[1] is '2', it must be a whole number."),
        ({"name": "x", "count": "x"}, "count is 'x', it must be a whole number or a list, each item a whole number."),
        ({"name": "x", "limit": 1.5}, "limit is 1.5, it must be a whole number."),
        ({"name": "x", "table": {"k": "v"}}, "table.k is 'v', it must be a number."),
        ({"name": "x", "table": []}, "table is [], it must be a table."),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PlainError) as raised:
        STRICT.read(Outer, values)
    assert str(raised.value) == message


def test_errors_that_are_no_value_errors_pass_through() -> None:
    with pytest.raises(OrderError, match="size is too large"):
        STRICT.read(Outer, {"name": "x", "inner": {"size": 101}})


def test_a_source_may_spell_values_its_own_way() -> None:
    reader = PlainReader({float: (float, "a number"), tuple[int, int]: (lambda text: tuple(map(int, text)), "digits")})
    assert reader.read(Outer, {"name": "x", "inner": {"size": "2.5"}, "pair": "34"}).pair == (3, 4)
    with pytest.raises(PlainError, match=r"pair is 'ab', it must be digits\."):
        reader.read(Outer, {"name": "x", "pair": "ab"})


def test_unknown_keys_are_left_out_where_later_versions_write_them() -> None:
    assert PlainReader(ignores_unknown=True).read(Outer, {"name": "x", "mood": 1}) == Outer(name="x")
    with pytest.raises(UnknownKeyError) as raised:
        STRICT.read(Outer, {"name": "x", "mood": 1}, prefix="studio")
    assert (raised.value.key, raised.value.hint[:23]) == ("studio.mood", "Other keys: count, limi")


def test_the_nearest_name_is_offered_or_what_there_is() -> None:
    assert nearest("cuont", ["count", "name"], otherwise="None.") == "Did you mean count?"
    assert nearest("q", ["count", "name"], otherwise="None.") == "None."
