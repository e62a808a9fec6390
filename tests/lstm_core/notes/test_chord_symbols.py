"""Chord symbols: what their spellings mean, and sequences of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.notes.chord_symbols import (
    CHORD_STEPS,
    MAX_CHORD_BARS,
    NO_CHORD,
    QUALITIES,
    ChordSymbol,
    chord_name,
    parse_chord,
    parse_chord_sequence,
)
from tests.properties import share

SPELLINGS = {
    "maj": "C CM Cmaj CMaj Cmajor C6 C69 C6/9 Cmaj6 Cadd9 C(add9) Cadd2 Cadd11 C(b5)",
    "min": "Cm Cmin CMin Cminor Cmi C- C−  Cm6 Cm6/9 Cmadd9 Cm(add9) Cm(maj7) CmM7 CminMaj7 C-Δ7",
    "dim": "Cdim C° Co Cmb5 Cm(b5) C°maj7",
    "aug": "C+ Caug C(#5) C+7 C7+ C7#5 C7(#5) C7♯5 Cmaj7#5 Caug7 C9#5 C7+5",
    "sus2": "Csus2 C7sus2 Csus2add4 Cmaj7sus2",
    "sus4": "Csus Csus4 C7sus4 C9sus C13sus4 CSUS4",
    "7": "C7 C9 C11 C13 C7b9 C7#9 C7♭9 C7(b9,#11) C7-9 C7b5 Calt C7alt",
    "maj7": "Cmaj7 CMaj7 CMAJ7 Cma7 CM7 CΔ CΔ7 C△7 C^7 Cmaj9 CM9 Cmaj13 Cmaj7#11",
    "min7": "Cm7 Cmin7 Cmi7 C-7 Cm9 Cm11 Cm13 C-9 Cm7add11",
    "m7b5": "Cm7b5 Cm7(b5) C-7b5 Cm7-5 Cmin7b5 Cø Cø7 CØ Chalf-dim7 Cm9b5",
    "dim7": "Cdim7 C°7 Co7 Cdim9",
    "5": "C5 Cno3 C(no3) Comit3",
}
chords = st.builds(
    ChordSymbol,
    root=st.integers(0, 11),
    quality=st.integers(0, len(QUALITIES) - 1),
    bass=st.integers(0, 11),
)


@pytest.mark.parametrize("quality", QUALITIES)
def test_spellings_of_each_quality(quality: str) -> None:
    for symbol in SPELLINGS[quality].split():
        assert parse_chord(symbol) == ChordSymbol(0, QUALITIES.index(quality), 0), symbol
        moved = f"F#{symbol[1:]}/A"
        assert parse_chord(moved) == ChordSymbol(6, QUALITIES.index(quality), 9), moved


def test_roots_and_basses() -> None:
    roots = {"C": 0, "B#": 0, "Db": 1, "C♯": 1, "E♭": 3, "Fb": 4, "E#": 5, "Gb": 6, "A": 9, "Bb": 10, "Cb": 11}
    assert {name: parse_chord(name).root for name in roots} == roots
    assert parse_chord(" Dm7/G ") == ChordSymbol(2, QUALITIES.index("min7"), 7)
    assert parse_chord("C6/9/E") == ChordSymbol(0, 0, 4) and parse_chord("Bb5") == ChordSymbol(10, 11, 10)
    assert parse_chord("N.C.") == parse_chord("NC") == ChordSymbol(NO_CHORD, NO_CHORD, NO_CHORD)


@given(chords)
def test_a_name_reads_back(chord: ChordSymbol) -> None:
    assert parse_chord(chord.name) == chord
    assert chord.name == chord_name(chord.root, chord.quality, chord.bass)
    assert chord.pitch_classes == {(chord.root + step) % 12 for step in CHORD_STEPS[chord.quality]}


def test_no_chord_has_a_name_and_no_tones() -> None:
    none = parse_chord("N.C.")
    assert none.name == "N.C." and none.pitch_classes == frozenset()


@pytest.mark.parametrize(
    ("symbol", "hint"),
    [
        ("H7", r'"H7" is no known chord symbol\. Did you mean G7, F7'),
        ("am", r"Did you mean Am\? Roots are capital letters"),
        ("Cmaj8", r"Did you mean Cmaj9, Cmaj7"),
        ("Csus24", r"Did you mean Csus4, Csus2"),
        ("Gm7b6", r"Did you mean Gm7b5"),
        ("C/H", r"Did you mean C/E"),
        ("Cm5", r"Did you mean Cm"),
        ("Amm", r"Did you mean Am"),
        ("C##", r"Did you mean C#"),
        ("", r"Write a root \(A to G, # or b\) and one of m, dim"),
        ("?!", r"such as Am, F#m7 or C/E"),
    ],
)
def test_unknown_symbols_are_refused_with_the_nearest(symbol: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_chord(symbol)


@given(st.text(alphabet="ACbmaj7su/°ø#+-(%|", max_size=8) | st.text(max_size=6))
@share(0.3)
def test_any_text_is_a_chord_with_a_name_or_an_error_that_says_what_to_write(text: str) -> None:
    try:
        chord = parse_chord(text)
    except ValueError as error:
        assert "Did you mean" in str(error) or "Write a root" in str(error)
    else:
        assert parse_chord(chord.name) == chord


def names(text: str) -> list[tuple[str, str]]:
    return [(first.name, second.name) for first, second in parse_chord_sequence(text)]


def test_sequences() -> None:
    assert names("Am F C G") == [("Am", "Am"), ("F", "F"), ("C", "C"), ("G", "G")]
    assert names("Am F | C G/B | % | Dm") == [("Am", "F"), ("C", "G/B"), ("C", "G/B"), ("Dm", "Dm")]
    assert names("| Am | F || G |") == [("Am", "Am"), ("F", "F"), ("G", "G")]
    assert names("Am % F") == [("Am", "Am"), ("Am", "Am"), ("F", "F")]
    assert names("Am - F, C7(b9, #11)") == [("Am", "Am"), ("F", "F"), ("C7", "C7")]
    assert names("C\nN.C.") == [("C", "C"), ("N.C.", "N.C.")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There are no chords"),
        (" | | ", "There are no chords"),
        ("% Am", 'first bar of the chords is "%"'),
        ("| % | Am", 'first bar of the chords is "%"'),
        ("Am | % F", 'Bar 2 of the chords is "% F"'),
        ("Am | | F", "Bar 2 of the chords is empty"),
        ("Am F C | G", r'Bar 1 of the chords holds 3 chords \("Am F C"\)'),
        ("Am Fq", '"Fq" is no known chord symbol. Did you mean F'),
        ("C " * (MAX_CHORD_BARS + 1), "chords for 1001 bars"),
    ],
)
def test_sequences_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_chord_sequence(text)


@given(st.lists(st.tuples(chords, chords), min_size=1, max_size=12))
def test_a_sequence_with_barlines_reads_back(bars: list[tuple[ChordSymbol, ChordSymbol]]) -> None:
    assert parse_chord_sequence(" | ".join(f"{first.name} {second.name}" for first, second in bars) + " |") == bars
    assert parse_chord_sequence(" ".join(first.name for first, _ in bars)) == [(first, first) for first, _ in bars]
