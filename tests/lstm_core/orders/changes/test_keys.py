"""Keys of sections, against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import key_name, num_sharps, parse_key
from lstm_core.orders.admission import admit
from lstm_core.orders.changes.keys import shift_near, spread_of
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.plan import plan_track

ORDER = TrackOrder(duration_s=32.0, bpm=120.0, form="A:4 A':4 B:4 A:4", key="C", loop=True)


def names(**fields: Any) -> list[str]:
    """The key of each section of ORDER with these fields."""
    plan = plan_track(replace(ORDER, **fields))
    return [key_name(key).replace(" major", "") for key in plan.section_keys or (plan.key,)]


def test_a_key_holds_up_to_the_next_section_that_has_one() -> None:
    assert names(key_changes="B: D") == ["C", "C", "D", "D"]
    assert names(key_changes="A': +3; B: -1") == ["C", "Eb", "B", "B"]
    assert names(key_changes="A': +3; A: +0") == ["C", "Eb", "Eb", "C"]
    assert names(key_changes="B: +0") == ["C"]
    assert names(key="A minor", key_changes="B: C; A: +0")[2:] == ["C minor", "A minor"], "a tonic keeps the mode"
    assert names(key="A minor", key_changes="B: C major; A: +0")[2:] == ["C", "A minor"]
    assert names(key="", key_changes="A: Bb minor; B: -2") == ["Bb minor"] * 2 + ["Ab minor", "Bb minor"]
    assert names(key="C", scale="dorian", key_changes="B: D")[2] == "D minor"


def test_keys_are_spelt_in_one_way_and_an_order_without_them_stays_what_it_was() -> None:
    spelt = [
        order_from_fields({"form": "A B C", "key": "C", **row})
        for row in ({"key_changes": "B: D, C: 2"}, {"key_changes.B": "D", "key_changes.C": 2.0})
    ]
    assert [order.key_changes for order in spelt] == ["B: D; C: +2"] * 2
    assert order_digest(spelt[0]) == order_digest(spelt[1]) != order_digest(replace(spelt[0], key_changes=""))
    assert "key_changes" not in order_fields(ORDER)


def test_music_is_moved_the_shorter_way() -> None:
    """Up to six semitones up and five down, wherever the first key lies."""
    for first in (0, -6, 5):
        moved = [first - shift_near((-first + up) % 12, first) for up in range(12)]
        assert moved == [0, 1, 2, 3, 4, 5, 6, -5, -4, -3, -2, -1]
    assert spread_of([parse_key("G"), parse_key("F#")], parse_key("C")) == (-5, 6)
    assert spread_of([parse_key("A minor")], parse_key("C")) == (0, 0), "the same notes"


def test_the_bars_at_which_keys_begin_are_known() -> None:
    changes = plan_track(replace(ORDER, key_changes="B: G; A: C")).keys
    assert [(change.tick // 96, key_name(change.key)) for change in changes] == [
        (0, "C major"),
        (8, "G major"),
        (12, "C major"),
    ]
    assert plan_track(ORDER).keys == ()
    signatures = {"C": 0, "A minor": 0, "G": 1, "F": -1, "F#": 6, "Eb minor": 6, "C#": -5, "Bb minor": -5}
    assert {name: num_sharps(parse_key(name)) for name in signatures} == signatures


def test_a_drawn_key_is_that_of_the_first_chords() -> None:
    order = replace(ORDER, key="", chords="A: D G A D; B: F# B C# F#", key_changes="B: F#; A: +0")
    assert names(**{"key": "", "chords": order.chords, "key_changes": order.key_changes}) == ["D", "D", "F#", "D"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key_changes": "C: D"}, r"key_changes\.C is given, but the form has no section C"),
        ({"key_changes": "B: D", "form": ""}, r"key_changes\.B is given, but no form\. Write one"),
        ({"key_changes": "D"}, r'key_changes gives D without a section\. Write .*"B: D"'),
        ({"key_changes": "B: H"}, r'key_changes\.B: "H" is no key\. Write a tonic'),
        ({"key_changes": "B: +12"}, r'"\+12" must be -11 to \+11 semitones'),
        ({"key_changes": "B: 2.5"}, r'"2\.5" must be -11 to'),
        ({"key_changes": "B: D", "key": "free"}, r'key_changes is "B: D", but key is "free"'),
        ({"key_changes": "A: D"}, r"key is C, but key_changes lets the first section, A, begin in D\. Leave one"),
        ({"key_changes": "A: +2"}, r'lets the first section, A, begin \+2 semitones .* Write "\+0"'),
        ({"key_changes": "B: D minor", "scale": "major"}, r'key_changes\.B is "D minor", but scale is "major"'),
        ({"key_changes": "B: D minor"}, r"puts A into C major and A into D minor.*Use another letter"),
        ({"key_changes": "B: D", "from_track": "a1"}, r'key_changes is "B: D", but from is given'),
        ({"key_changes": "B: D", "primer": "a.mid"}, r"but primer is given"),
        ({"key_changes": "A: D", "form": "stinger", "duration_s": 2.0, "loop": False}, r"key_changes does not go with"),
        ({"key_changes": "B: D", "bridge": "a > b", "loop": False}, r"key_changes does not go with a bridge"),
        ({"key_changes": "B: +6", "pitch_low": 60, "pitch_high": 77}, r"leave no octave for music that .* be 18 apart"),
    ],
)
def test_keys_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        admit(replace(ORDER, **fields))
