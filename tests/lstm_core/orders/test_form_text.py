"""Forms: what their words mean, and how many bars each section gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lstm_core.orders.form_text import MAX_SECTIONS, check_loop_start, fit_form, parse_form


def told(text: str) -> list[tuple[str, int | None]]:
    return [(section.name, section.num_bars) for section in parse_form(text)]


def fitted(text: str, num_bars: int, *, is_loop: bool = False, loop_start: int = 0) -> list[int]:
    bars = fit_form(parse_form(text), num_bars, is_loop=is_loop, loop_start=loop_start)
    check_loop_start(bars, loop_start)
    return bars


def test_forms() -> None:
    assert told("intro A A B A outro") == [(name, None) for name in ("intro", "A", "A", "B", "A", "outro")]
    bars = [("intro", 4), ("A", 8), ("A'", 8), ("B", 8), ("A", 8), ("outro", 4)]
    assert told("intro:4 A:8 A':8 B:8 A:8 outro:4") == bars
    assert told("intro:4 A:8 A' B:8, A Outro:4") == bars
    assert told("A A’ B:2 B''") == [("A", None), ("A'", None), ("B", 2), ("B''", 2)]
    assert told("AABA'") == [("A", None), ("A", None), ("B", None), ("A'", None)]
    assert told("Verse CHORUS verse' bridge") == [("verse", None), ("chorus", None), ("verse'", None), ("bridge", None)]
    sections = parse_form("A A' A'' verse")
    assert [(section.letter, section.variant) for section in sections] == [("A", 0), ("A", 1), ("A", 2), ("verse", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "The form is empty. Write letters"),
        ("a b", r'"a" is no section\. Did you mean A\? Letters are capitals'),
        ("vers A", r'"vers" is no section\. Did you mean verse\?'),
        ("chors:4", r"Did you mean chorus\?"),
        ("A8", r"There are A to Z, intro, outro, verse, chorus, bridge"),
        ("A:x", r'"A:x" is no section'),
        ("A:-4", r'"A:-4" is no section'),
        ("A:0", r'"A:0" 0 bars, it must be 1 to 999'),
        ("A:8 B A:4", "gives A 8 bars and later A 4: sections of one letter are equally long. Use another letter"),
        ("A:8 A':4", "gives A 8 bars and later A' 4"),
        ("A' A", "names A', but no A stands before it"),
        ("A intro", "an intro is section 2. It can only begin"),
        ("outro A", "an outro is section 1. It can only end"),
        ("intro' A", "intro is played once"),
        ("A " * 201, "has 201 sections, at most 200"),
    ],
)
def test_forms_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_form(text)


@pytest.mark.parametrize(
    ("text", "num_bars", "bars"),
    [
        ("A", 7, [7]),
        ("A A B A", 32, [8, 8, 8, 8]),
        ("A A B A", 30, [8, 8, 6, 8]),
        ("A A B A", 33, [8, 8, 8, 9]),
        ("intro A A B outro", 32, [4, 8, 8, 8, 4]),
        ("intro A outro", 8, [2, 4, 2]),
        ("intro A:8 B outro", 24, [4, 8, 8, 4]),
        ("intro A:8 A':8 outro:4", 24, [4, 8, 8, 4]),
        ("intro:4 A:8 B:6", 18, [4, 8, 6]),
        ("A:8 B:8", 17, [8, 9]),
        ("verse chorus verse chorus bridge chorus", 48, [8] * 6),
    ],
)
def test_bars_of_sections(text: str, num_bars: int, bars: list[int]) -> None:
    assert fitted(text, num_bars) == bars


def test_200_sections_fit_where_there_are_bars_for_them() -> None:
    form = parse_form("A B C D " * 50)
    assert fit_form(form, 800) == [4] * MAX_SECTIONS
    with pytest.raises(ValueError, match=r"needs at least 200 bars \(400\.00 s at 120 bpm\), the track has 30"):
        fit_form(form, 30)


def test_loops_have_no_end_and_an_intro_only_before_them() -> None:
    assert fitted("A A B A", 16, is_loop=True) == [4, 4, 4, 4]
    assert fitted("intro A B", 20, is_loop=True, loop_start=4) == [4, 8, 8]
    with pytest.raises(ValueError, match=r"a loop has no end. Leave outro out"):
        fitted("A outro", 16, is_loop=True)
    with pytest.raises(ValueError, match="Leave intro out, or set loop_start = 4: so many bars are played once"):
        fitted("intro A", 16, is_loop=True)
    with pytest.raises(ValueError, match="set loop_start = 6"):
        fitted("intro:6 A", 16, is_loop=True)
    with pytest.raises(ValueError, match="holds intro alone"):
        fitted("intro", 16, is_loop=True, loop_start=4)


@pytest.mark.parametrize(
    ("text", "num_bars", "loop_start", "bars"),
    [
        ("intro:4 A:8 B:8", 20, 4, [4, 8, 8]),
        ("intro:4 A:8 B:8", 20, 12, [4, 8, 8]),  # the intro and A are played once
        ("A B A", 24, 8, [8, 8, 8]),
        ("intro A B", 20, 2, [2, 10, 8]),  # the intro takes what comes before the loop
        ("intro A A", 20, 12, [4, 8, 8]),  # but not where a section begins there as it is
        ("intro A", 9, 8, [8, 1]),
    ],
)
def test_a_loop_after_an_intro_begins_with_a_section(
    text: str, num_bars: int, loop_start: int, bars: list[int]
) -> None:
    assert fitted(text, num_bars, is_loop=True, loop_start=loop_start) == bars


@pytest.mark.parametrize(
    ("text", "num_bars", "loop_start", "message"),
    [
        ("intro:4 A:8 B:8", 20, 8, "loop_start is 8, but no section of the form begins .* after 4, 12. Set loop_start"),
        ("A B", 16, 4, "begin after 8"),
        ("A B", 16, 16, "begin after 8"),
        ("intro A", 8, 8, "begin after 2"),
        ("intro A A", 20, 5, r"\(A\) cannot fill 15 bars: they take multiples of 2. Request 19 bars"),
    ],
)
def test_a_loop_does_not_begin_inside_a_section(text: str, num_bars: int, loop_start: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(text, num_bars, is_loop=True, loop_start=loop_start)


@pytest.mark.parametrize(
    ("text", "num_bars", "is_loop", "message"),
    [
        ("A:8 B:8", 15, False, r"needs at least 16 bars \(32\.00 s at 120 bpm\), the track has 15. .* fewer bars"),
        ("A:8 B", 8, False, r"needs at least 9 bars .* fewer sections"),
        ("A:8 B:8", 18, False, r"has 16 bars \(32\.00 s at 120 bpm\), the track 18. Request a duration_s of 32\.00"),
        ("A:8 B:8", 17, True, r"has 16 bars .*, the track 17"),
        ("A A", 9, True, r"\(A\) cannot fill 9 bars: they take multiples of 2. Request 8 bars .* or 10 bars"),
        ("A A B:3", 10, True, r"cannot fill 7 bars: they take multiples of 2. Request 9 bars .* or 11 bars"),
    ],
)
def test_forms_that_do_not_fit_say_what_they_need(text: str, num_bars: int, is_loop: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(text, num_bars, is_loop=is_loop)


def test_the_message_counts_in_the_tempo_and_meter_of_the_track() -> None:
    with pytest.raises(ValueError, match=r"at least 2 bars \(4\.00 s at 90 bpm\)"):
        fit_form(parse_form("A B"), 1, bpm=90.0, bar_quarters=3.0)


NAMES = ("A", "B", "A'", "C", "verse", "chorus:4", "D:6")


@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=12),
    has_intro=st.booleans(),
    has_outro=st.booleans(),
    num_bars=st.integers(1, 400),
    is_loop=st.booleans(),
)
def test_every_bar_belongs_to_a_section_and_letters_are_equally_long(
    names: list[str], has_intro: bool, has_outro: bool, num_bars: int, is_loop: bool
) -> None:
    assume(names.index("A'") > names.index("A") if {"A", "A'"} <= {*names} else "A'" not in names)
    has_outro = has_outro and not is_loop
    form = parse_form(" ".join(["intro"] * has_intro + names + ["outro"] * has_outro))
    loop_start = min(2, num_bars - 1) if is_loop and has_intro else 0
    try:
        bars = fit_form(form, num_bars, is_loop=is_loop, loop_start=loop_start)
    except ValueError as error:
        if loop_start:
            form = (replace(form[0], num_bars=loop_start), *form[1:])
        least = sum(section.num_bars or 1 for section in form)
        free = {section.letter for section in form if section.num_bars is None}
        assert num_bars < least or not free or (is_loop and "multiples of" in str(error))
        return
    assert sum(bars) == num_bars and min(bars) >= 1
    check_loop_start(bars, loop_start)
    by_letter: dict[str, set[int]] = {}
    for section, count in list(zip(form, bars, strict=True))[:-1]:
        by_letter.setdefault(section.letter, set()).add(count)
        assert section.num_bars in (None, count)
    assert all(len(counts) == 1 for counts in by_letter.values())
    last = by_letter.get(form[-1].letter)
    if last is not None:
        assert bars[-1] == min(last) if is_loop else bars[-1] >= min(last)
