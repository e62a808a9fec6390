"""Names of instruments."""

from __future__ import annotations

import pytest

from lstm_core.notes.instruments import PROGRAM_NAMES, instrument_name, programs_of
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
