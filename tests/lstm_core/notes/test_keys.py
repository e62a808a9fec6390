"""Keys and scales by name."""

from __future__ import annotations

import pytest

from lstm_core.notes.keys import (
    KEY_NAMES,
    SCALES,
    has_mode,
    key_in_scale,
    key_name,
    parse_key,
    scale_pitch_classes,
    tonic_chord,
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", 0), ("c major", 0), ("Cm", 12), ("CM", 0), ("Am", 21), ("a minor", 21), ("A min", 21), ("A MINOR", 21),
        ("F# minor", 18), ("F sharp minor", 18), ("F-sharp", 6), ("f♯m", 18), ("Bb", 10), ("BB", 10), ("B", 11),
        ("bb minor", 22), ("B♭ major", 10), ("b-flat", 10), ("AB", 8), ("A b m", 20), ("Gb maj", 6), ("E#", 5),
        ("Cb", 11), (" D  minor ", 14),
    ],
)  # fmt: skip
def test_names_of_keys(text: str, key: int) -> None:
    assert parse_key(text) == key


def test_every_key_has_a_name_that_reads_back() -> None:
    assert [parse_key(key_name(key)) for key in range(24)] == list(range(24))
    assert [key_name(key) for key in (1, 15, 22)] == ["C# major", "Eb minor", "Bb minor"]


@pytest.mark.parametrize("text", ["H sharp", "", "major", "C dorian", "X", "C##", "12", "C minor major", "Do"])
def test_what_is_no_key_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r'is no key. Write a tonic .* "F# minor"'):
        parse_key(text)


def test_scales_stand_on_their_tonic() -> None:
    assert scale_pitch_classes(2, "") == {2, 4, 6, 7, 9, 11, 1}
    assert scale_pitch_classes(21, "") == {9, 11, 0, 2, 4, 5, 7}
    assert scale_pitch_classes(21, "harmonic minor") == {9, 11, 0, 2, 4, 5, 8}
    assert scale_pitch_classes(7, "major pentatonic") == {7, 9, 11, 2, 4}
    assert scale_pitch_classes(0, "blues") == {0, 3, 5, 6, 7, 10}
    assert all(len(scale_pitch_classes(key, name)) == len(steps) for key in range(24) for name, steps in SCALES.items())


def test_a_scale_with_one_third_decides_the_mode() -> None:
    assert key_in_scale(2, "dorian") == 14 and key_in_scale(14, "lydian") == 2
    assert key_in_scale(14, "blues") == 14
    assert [key_in_scale(key, scale) for key in (2, 14) for scale in ("", "chromatic")] == [2, 2, 14, 14]
    assert [has_mode(text) for text in ("D", "Dm", "D major", "F#", "no key")] == [False, True, True, False, False]


def test_last_chords_are_triads_within_the_scale() -> None:
    assert tonic_chord(0, "") == {0, 4, 7} and tonic_chord(21, "") == {9, 0, 4}
    assert tonic_chord(14, "minor pentatonic") == {2, 5, 9}
    for key in range(24):
        for scale in SCALES:
            chord = tonic_chord(key_in_scale(key, scale), scale)
            assert len(chord) == 3 and key % 12 in chord and chord <= scale_pitch_classes(key, scale)
    assert len(set(KEY_NAMES)) == 12
