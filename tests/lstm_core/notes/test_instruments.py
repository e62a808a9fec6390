"""Names of instruments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.notes.instruments import MAX_PLAYERS, PROGRAM_NAMES, instrument_name, parse_instrument, programs_of
from lstm_core.notes.score import DRUMS, FAMILIES


def test_there_are_128_names_and_each_means_itself() -> None:
    assert len(PROGRAM_NAMES) == 128 == len(set(PROGRAM_NAMES))
    for number in range(128):
        assert programs_of(PROGRAM_NAMES[number].upper()) == (number,) == programs_of(f" {number} ")
        assert instrument_name(number) == PROGRAM_NAMES[number]
    anchors = {0: "acoustic grand piano", 40: "violin", 56: "trumpet", 73: "flute", 105: "banjo", 127: "gunshot"}
    assert {number: instrument_name(number) for number in anchors} == anchors


def test_families_are_eight_programs_each_and_drums_are_drums() -> None:
    found = [programs_of(family) for family in FAMILIES[:16]]
    assert [program for programs in found for program in programs] == list(range(128))
    assert programs_of("strings") == tuple(range(40, 48)) and programs_of("Drums") == (DRUMS,)
    assert instrument_name(DRUMS) == "drums"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("violinn", "Did you mean violin"),
        ("strngs", "strings"),
        ("128", "number 0 to 127"),
        ("²", "family"),
        ("", "family"),
    ],
)
def test_the_nearest_name_is_offered(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        programs_of(name)


@given(st.sampled_from(PROGRAM_NAMES + FAMILIES[:16]), st.integers(1, MAX_PLAYERS))
def test_a_name_may_give_a_number_of_players(name: str, count: int) -> None:
    assert parse_instrument(name) == (programs_of(name), 1)
    assert parse_instrument(f"{name}*{count}") == parse_instrument(f" {name} * {count} ") == (programs_of(name), count)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("strings*0", r'"strings\*0" requests 0 players .*, it must be 1 to 8. Leave the name out for none'),
        ("strings*99", r'it must be 1 to 8. Write, for example, "strings\*8"'),
        ("strings*", r'gives no number of players after the \*. Write, for example, "strings\*3"'),
        ("strings*two", "gives no number of players"),
        ("strings*-1", "gives no number of players"),
        ("strings*²", "gives no number of players"),
        ("drums*2", 'requests 2 drum kits, there is one. Write "drums"'),
        ("strngs*2", "Did you mean strings"),
        ("*2", '"" is no known instrument'),
    ],
)
def test_numbers_of_players_that_are_none(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_instrument(name)
    assert parse_instrument("drums*1") == ((DRUMS,), 1)
