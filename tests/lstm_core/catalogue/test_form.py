"""The form of a record, and how it comes from a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lstm_core.catalogue.form import TrackForm, TrackSection, placed_sections
from lstm_core.catalogue.plan_form import form_of_plan
from lstm_core.notes.chord_symbols import parse_chord_sequence
from lstm_core.notes.keys import home_shift, parse_key
from lstm_core.representations.plan.layout import EXACT, MAX_LETTERS, VARIED, chord_value
from tests.lstm_core.catalogue.made_up_forms import made_form, made_plan


def names(form: TrackForm) -> list[str]:
    return [section.name for section in form.sections]


def test_sections_have_letters_and_variants_primes() -> None:
    form = form_of_plan(made_plan("A A' B A A' B' A''", 4), 0)
    assert names(form) == ["A", "A'", "B", "A", "A'", "B'", "A''"]
    assert form.sections[2] == TrackSection(name="B", start_bar=8, num_bars=4)
    assert form.text == "A4 A'4 B4 A4 A'4 B'4 A''4"


def test_one_bar_that_is_no_exact_copy_makes_a_variant() -> None:
    plan = made_plan("A A A", 4)
    plan.relation[6] = VARIED
    assert names(form_of_plan(plan, 0)) == ["A", "A'", "A"]
    plan.relation[10] = VARIED
    assert names(form_of_plan(plan, 0)) == ["A", "A'", "A''"], "varied twice is not the same variation"
    plan.relation[10], plan.source[10] = EXACT, 6
    assert names(form_of_plan(plan, 0)) == ["A", "A'", "A'"], "copies of copies are the same"


def test_a_longer_section_or_one_in_another_order_is_a_variant() -> None:
    plan = made_plan("A A", 4)
    plan.section[4], plan.section[3] = 0, 1
    assert [(section.name, section.num_bars) for section in form_of_plan(plan, 0).sections] == [("A", 3), ("A'", 5)]
    plan = made_plan("A A", 4)
    plan.source[4:8] = (1, 0, 2, 3)
    assert names(form_of_plan(plan, 0)) == ["A", "A'"]


def test_many_variants_have_numbers_and_letters_end() -> None:
    plan = made_plan("A A A A A A A", 1)
    plan.relation[1:] = VARIED
    form = form_of_plan(plan, 0)
    assert names(form) == ["A", "A'", "A''", "A'''", "A''''", "A'5", "A'6"]
    assert form.text == "A1 A'1 A''1 A'''1 A''''1 A'5:1 A'6:1"
    plan = made_plan("A B", 1)
    plan.section[1] = MAX_LETTERS
    assert names(form_of_plan(plan, 0)) == ["A", "P"]


def test_names_of_an_order_stand_for_letters() -> None:
    form = form_of_plan(made_plan("A B A", 4), 0, ["intro", "verse", "outro"])
    assert form.text == "intro4 verse4 outro4"
    with pytest.raises(
        ValueError, match=r"2 names \(A, B\) are given for a plan of 3 sections, which begin with bars 0, 4, 8"
    ):
        form_of_plan(made_plan("A B A", 4), 0, ["A", "B"])


def test_what_comes_before_a_loop_is_called_intro() -> None:
    assert names(form_of_plan(made_plan("A B B C B", 4), 0, loop_start=4)) == ["intro", "A", "A", "B", "A"]
    assert names(form_of_plan(made_plan("A B", 4), 0, loop_start=8)) == ["A", "B"]
    assert names(form_of_plan(made_plan("A B A", 4), 0, loop_start=4)) == ["A", "B", "A"], "it comes again"
    assert names(form_of_plan(made_plan("A B C", 4), 0, loop_start=8)) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("key", "chords"),
    [
        ("A minor", "Am | F/A | C G | Am E7"),
        ("C minor", "Cm | Ab/C | Eb Bb | Cm G7"),
        ("F# minor", "F#m | D/F# | A E | F#m C#7"),
    ],
)
def test_chords_stand_in_the_key_of_the_track(key: str, chords: str) -> None:
    form = form_of_plan(made_plan(), home_shift(parse_key(key)))
    assert form.chords_text(4) == chords
    assert form.slots_per_bar == 2 and len(form.chords) == 64
    read = parse_chord_sequence(form.chords_text())
    assert [symbol.name for bar in read for symbol in bar] == list(form.chords[:16])


def test_short_bars_have_one_chord_each() -> None:
    form = form_of_plan(made_plan(num_slots=1), 0)
    assert (form.slots_per_bar, form.chords[:4]) == (1, ("Am", "F/A", "C", "Am"))
    assert form.chords_text(3) == "Am | F/A | C"


def test_bars_of_one_chord_among_bars_of_two_have_it_twice() -> None:
    plan = made_plan("A", 4)
    plan.num_slots[0] = 1
    assert form_of_plan(plan, 0).chords == ("Am", "Am", "F/A", "F/A", "C", "G", "Am", "E7")


def test_a_slot_without_a_chord_says_so() -> None:
    plan = made_plan("A", 2)
    plan.chord[0], plan.bass[0] = 0, -1
    plan.chord[1], plan.bass[1] = chord_value(2, 0), -1
    assert form_of_plan(plan, 5).chords == ("N.C.", "N.C.", "A", "A")


def test_energy_and_roles() -> None:
    plan = made_plan("A", 4, energy=np.array([0, 3, 7, 7]), active=np.array([0b00111, 0b00010, 0b00111, 0b01000]))
    form = form_of_plan(plan, 0)
    assert form.energy == (0.0, 0.43, 1.0, 1.0)
    assert form.mean_energy == 0.61
    assert form.roles == {
        "melody": ("flute",),
        "harmony": ("string ensemble 1",),
        "bass": ("fingered bass",),
        "drums": ("drums",),
    }, "the guitar plays nowhere"
    assert form.num_parts == 4
    assert all(type(value) is float for value in form.energy), "no numpy in a record"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots_per_bar": 3}, "slots_per_bar is 3, it must be 1 or 2"),
        ({"slots_per_bar": 1}, "64 chords, 1 a bar, do not fit the energy of 32 bars"),
        ({"energy": (1.01,) * 32}, "must lie from 0 to 1"),
        ({"sections": placed_sections(["A"], [31])}, "sections of 31 bars do not fit the energy of 32 bars"),
        ({"sections": placed_sections(["A", "B"], [32, 0])}, "section B has 0 bars from bar 32 on"),
        ({"sections": placed_sections(["A", "B"], [16, 16])[1:]}, "section B has 16 bars from bar 16 on; .* bar 0"),
        ({"sections": (), "chords": (), "energy": ()}, "sections of 0 bars"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(made_form(), **changes)
