"""Fields by section: tables, columns and texts, and what they mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY, ROLES
from lstm_core.orders.form_text import parse_form
from lstm_core.orders.section_fields import (
    check_chords,
    check_sections,
    fold_fields,
    for_section,
    parse_roles,
    section_chords,
    section_ensembles,
    section_roles,
    split_sections,
)


def test_tables_columns_and_texts_are_the_same() -> None:
    text = "C; A: Am F; B': G"
    for values in (
        {"chords": "C; A: Am F; B': G"},
        {"chords": "B': G ; A: Am   F; C"},
        {"chords": {"A": "Am F", "B'": "G", "all": "C"}},
        {"chords.B’": "G", "chords.A": "Am F", "chords": "C"},
        {"chords.A": "Am F", "chords": {"all": "C", "B'": "G", "D": None}},
    ):
        assert fold_fields(values) == {"chords": text}
    for lists in (
        {"roles": ["no melody", "no drums"]},
        {"roles": "no melody; no drums"},
        {"roles": "no melody,no drums,"},
    ):
        assert fold_fields(lists) == {"roles": "no melody, no drums"}
    assert fold_fields({"ensemble": {"A": ["strings*3", "bass"], "B": "piano|bass"}}) == {
        "ensemble": "A: strings*3, bass; B: piano, bass"
    }
    assert fold_fields({"energy": [0.2, 1], "form": " A  B ", "bpm": 90}) == {
        "energy": "0.2 1.0",
        "form": "A B",
        "bpm": 90,
    }
    assert fold_fields({"bpm.A": 3}) == {"bpm.A": 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chords.A": "Am", "chords": {"A": "F"}}, "chords is given twice for section A"),
        ({"chords": {"all": "C"}, "chords.all": "F"}, "chords is given twice for the whole track"),
        ({"chords": ["Am", "F"]}, "chords is ['Am', 'F'], it must be a text"),
        ({"chords.A": 3}, "chords.A is 3, it must be a text"),
        ({"ensemble.A": 3}, "ensemble.A is 3, it must be a list of names"),
        ({"roles": [["bass"]]}, "it must be a list of names"),
        ({"chords.A": "B: Am"}, "is the value of one section and names none itself"),
        ({"chords.A": "Am; F"}, "between bars stands |, not a semicolon"),
        ({"chords.A8": "Am"}, 'chords.A8: "A8" is no section'),
        ({"chords": {"A:8": "Am"}}, "They stand in the form alone: write A"),
        ({"energy": []}, "energy is an empty list"),
    ],
)
def test_values_that_cannot_be_folded(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        fold_fields(values)
    assert message in str(raised.value)


def test_texts_by_section() -> None:
    assert split_sections("") == {} and split_sections(" Am F ") == {"": "Am F"}
    assert split_sections("A: Am ; C; B': F") == {"A": "Am", "": "C", "B'": "F"}
    for text, message in (("A: ", "is empty"), ("A: Am; A: F", "two values for section A"), ("A: Am; F; G", "without")):
        with pytest.raises(ValueError, match=message):
            split_sections(text)


def test_a_section_has_its_own_value_or_that_of_its_letter_or_of_the_track() -> None:
    form = parse_form("intro A A' A'' B")
    values = {"": "track", "A": "letter", "A'": "own"}
    assert [for_section(values, section) for section in form] == ["track", "letter", "own", "letter", "track"]
    assert for_section({"B": 1}, form[0]) is None


def test_values_of_sections() -> None:
    chords = section_chords("A: Am F; B: C | D E")
    assert [len(bars) for bars in chords.values()] == [2, 2] and chords["B"][1][1].name == "E"
    ensembles = section_ensembles("piano; A: strings*3, bass")
    assert ensembles == {"": ((tuple(range(8)), 1),), "A": ((tuple(range(40, 48)), 3), (tuple(range(32, 40)), 1))}
    assert section_roles("A: bass; B: no melody") == {"A": {BASS}, "B": {COUNTER, HARMONY, FIGURE, BASS, DRUM}}
    with pytest.raises(ValueError, match=r'^chords.B: "H7" is no known chord symbol. Did you mean G7'):
        section_chords("A: Am; B: H7")
    with pytest.raises(ValueError, match=r"^ensemble: there are 33 players, it must be 1 to 32"):
        section_ensembles("violin*8, viola*8, cello*8, harp*8, bass")
    with pytest.raises(ValueError, match=r"^ensemble.A: there are 0 players"):
        section_ensembles("A: ,")


def test_roles() -> None:
    everything = set(range(len(ROLES)))
    assert parse_roles("melody, bass") == parse_roles(["Melody", "bass"]) == parse_roles("lead|bass") == {MELODY, BASS}
    assert parse_roles("no melody") == parse_roles("-melody") == parse_roles("- melody") == everything - {MELODY}
    assert parse_roles("-melody, no counter melody") == everything - {MELODY, COUNTER}
    assert parse_roles("counter; pads; arpeggio; drum; percussion") == {COUNTER, HARMONY, FIGURE, DRUM}
    assert parse_roles("all") == everything


@given(st.sets(st.sampled_from(ROLES), min_size=1, max_size=len(ROLES) - 1))
def test_naming_roles_and_excluding_the_others_is_the_same(names: set[str]) -> None:
    assert parse_roles(sorted(names)) == parse_roles(", ".join(f"no {name}" for name in {*ROLES} - names))
    assert {ROLES[role] for role in parse_roles(sorted(names))} == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No roles are named"),
        ("melodie", '"melodie" is no role. Did you mean melody?'),
        ("tuba solo", "Roles are melody, counter-melody, harmony, figure, bass, drums"),
        ("bass, no melody", "some are named and others excluded"),
        (", ".join(f"-{name}" for name in ROLES), "none is left that sounds"),
    ],
)
def test_roles_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_roles(text)
    assert message in str(raised.value)


def test_values_of_sections_that_the_form_does_not_have() -> None:
    form = parse_form("intro A A'")
    check_sections("chords", ("", "A", "A'", "intro"), form)
    with pytest.raises(ValueError, match=r"chords.B is given, but the form has no section B. It has intro, A, A'"):
        check_sections("chords", ("B",), form)
    with pytest.raises(ValueError, match=r"roles.A is given, but no form"):
        check_sections("roles", ("A",), ())


def test_chords_longer_than_their_section() -> None:
    form = parse_form("intro A A'")
    check_chords(section_chords("A: C F G C; C C C C C C C C"), form, (2, 4, 4))
    with pytest.raises(ValueError, match=r"chords.A holds 4 bars, section A has 3. Write at most 3"):
        check_chords(section_chords("A: C F G C"), form, (2, 3, 4))
