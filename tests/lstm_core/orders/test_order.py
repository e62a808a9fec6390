"""Order rows: what is possible in itself, and their identity."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, derived_seed, order_digest, order_fields, order_from_fields, parse_meter


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration_s": 0.0}, "duration_s is 0, it must be 0.1 to 3600 s"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"bpm": 500.0}, "bpm is 500, it must be 30 to 300"),
        ({"bpm": -1.0}, "bpm is -1"),
        ({"polyphony": 0}, "polyphony is 0"),
        ({"pitch_low": 70, "pitch_high": 60}, "pitch_low is 70, above pitch_high, which is 60"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"loudness_lufs": 0.0}, "loudness_lufs is 0"),
        ({"sample_rate": 22050}, "44100 or 48000"),
        ({"format": "mp3"}, "format mp3 with bit_depth 16 is not made. There is flac: 16, 24 bit; wav: 16, 24, 32 bit"),
        ({"format": "flac", "bit_depth": 32}, "bit_depth 32 is not made"),
        ({"key": "H sharp"}, '"H sharp" is no key'),
        ({"scale": "jazz"}, 'scale is "jazz", it must be one of major, minor'),
        ({"key": "C major", "scale": "blues"}, 'scale "blues" does not go with the key "C major"'),
        ({"key": "free", "scale": "blues"}, "a scale needs a tonic"),
        ({"reverb": "cave"}, 'reverb is "cave", it must be one of none, studio, hall'),
        ({"meter": "4/3"}, 'meter is "4/3", it must be a fraction'),
        ({"meter": "24/8"}, "a bar longer than two of 4/4"),
        ({"instruments": ("pino",)}, "Did you mean piano"),
        ({"instruments": ("piano",) * 33}, "33 names, at most 32"),
        ({"exact_tempo": True}, "exact_tempo is true, but no bpm is given"),
        ({"instruments": ("strings*8", "piano*8", "harp*8", "organ*8", "bass")}, "33 names, at most 32"),
        ({"instruments": ("strings*0",)}, "requests 0 players"),
        ({"form": "A A' B X8"}, '"X8" is no section'),
        ({"form": "A:8 A:4"}, "sections of one letter are equally long"),
        ({"form": "A " * 201}, "at most 200"),
        ({"form": "intro A", "loop": True}, "set loop_start = 4"),
        ({"form": "A", "loop": True, "loop_start": 4}, "The form holds A alone, and loop_start is 4"),
        ({"form": "intro A", "loop_start": 4}, "loop_start is 4, but loop is false: nothing goes round"),
        ({"loop": True, "loop_start": -1}, "loop_start is -1, it must be 0 to 999 bars"),
        ({"variation": 1.5}, "variation is 1.5, it must be 0 to 1"),
        ({"variation": float("nan")}, "variation is nan"),
        ({"chords": "Am H7"}, 'chords: "H7" is no known chord symbol. Did you mean G7'),
        ({"chords": "A: Am; B: F", "form": "A"}, "the form has no section B"),
        ({"chords": "A: Am"}, "chords.A is given, but no form"),
        ({"energy": "0.2 nan"}, "point 2 of energy is nan"),
        ({"ensemble": "strngs"}, 'ensemble: "strngs" is no known instrument. Did you mean strings'),
        ({"ensemble": "strings", "instruments": ("bass",)}, "instruments and ensemble both name who plays"),
        ({"roles": "bass, no melody"}, "some are named and others excluded"),
        ({"layers": 1}, "layers is 1, it must be 2 to 5 files, or left out"),
        ({"layers": 6}, "layers is 6, it must be 2 to 5"),
        ({"layers": 3, "duration_s": 301.0}, "layers are made of tracks of up to 300 s. Request a shorter track"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
    ],
)
def test_impossible_values_are_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        TrackOrder(**fields)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"durations": 3}, 'An order has no field "durations". Did you mean duration_s?'),
        ({"zzz": 3}, "Other keys: name, style"),
        ({"duration_s": "long"}, "duration_s is 'long', it must be a number"),
        ({"polyphony": 2.5}, "polyphony is 2.5, it must be a whole number"),
        ({"polyphony": float("inf")}, "it must be a whole number"),
        ({"loop": "maybe"}, "loop is 'maybe', it must be true or false"),
        ({"loop": 2}, "it must be true or false"),
        ({"loop_start": True}, "loop_start is True, it must be a whole number"),
        ({"loop_start": "true"}, "loop_start is 'true', it must be a whole number"),
        ({"instruments": 5}, "instruments is 5, it must be a list of names"),
        ({"bpm": [90]}, "bpm is [90], it must be a number"),
        ({"bpm.A": 90}, 'An order has no field "bpm.A". Did you mean bpm?'),
        ({"variation": "much"}, "variation is 'much', it must be a number"),
        ({"energy": {}}, 'energy is "{}"'),
        ({"energy": True}, 'energy is "True"'),
        ({"energy": [0.5, float("nan")]}, "point 2 of energy is nan"),
        ({"chords.A": 3}, "chords.A is 3, it must be a text"),
    ],
)
def test_fields_of_the_wrong_kind_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        order_from_fields(fields)
    assert message in str(raised.value)


def test_text_of_a_table_becomes_the_order_that_it_spells() -> None:
    row = {"duration_s": "61.3", "loop": "Yes", "polyphony": "3", "instruments": "piano; bass|drums,", "seed": "7"}
    order = TrackOrder(duration_s=61.3, loop=True, polyphony=3, instruments=("piano", "bass", "drums"), seed=7)
    assert order_from_fields(row) == order
    assert order_from_fields({"bpm": float("nan"), "key": None, "seed": 2**62 + 1}) == TrackOrder(seed=2**62 + 1)
    assert order_from_fields(json.loads(json.dumps(order_fields(order)))) == order


def test_identity_is_every_field_but_the_name() -> None:
    order = TrackOrder(name="a", seed=3)
    assert order_digest(order) == order_digest(replace(order, name="b"))
    changes = {"seed": 4, "bpm": 90.0, "key": "C", "instruments": ("piano",), "loop": True, "stems": True}
    digests = {order_digest(replace(order, **{name: value})) for name, value in changes.items()}
    assert len(digests | {order_digest(order)}) == len(changes) + 1


def test_a_digest_is_the_one_of_earlier_versions() -> None:
    """`reverb` was called `room` when the ids of tracks were first made of digests: renamed there, every id changes."""
    order = TrackOrder(name="a", seed=3, reverb="hall")
    assert order_digest(order) == "69728850f91eaa998dd67497230e7457462577c5469d5ba5ab70f45f744fad72"
    assert order_digest(order) != order_digest(replace(order, reverb="none"))


def test_a_primer_counts_by_its_bytes_and_not_by_its_place() -> None:
    order = TrackOrder(primer="/a/x.mid", primer_sha256="1" * 64)
    assert order_digest(order) == order_digest(replace(order, primer="/b/y.mid"))
    assert order_digest(order) != order_digest(replace(order, primer_sha256="2" * 64))
    assert order_digest(TrackOrder(primer="/a/x.mid")) != order_digest(TrackOrder(primer="/b/y.mid"))


def test_a_row_that_uses_no_later_field_stays_as_it_was() -> None:
    """Records and digests of the first catalogues know no form: with one in them every track would be made again."""
    later = {
        "form": "A B", "variation": 0.0, "chords": "Am", "energy": "rise", "ensemble": "piano", "roles": "bass",
        "loop_start": 4, "layers": 3,
    }  # fmt: skip
    order = TrackOrder(name="a", seed=3, reverb="hall", loop=True)
    assert not later.keys() & order_fields(order).keys()
    for name, value in later.items():
        used = replace(order, **{name: value})
        assert order_fields(used)[name] == value and order_digest(used) != order_digest(order)
        assert order_from_fields(json.loads(json.dumps(order_fields(used)))) == used


def test_a_chord_outside_the_scale_is_accepted() -> None:
    """The chord wins: whoever writes it wants it."""
    order = TrackOrder(key="C major", chords="C F#7 Bbm C")
    assert order_from_fields(order_fields(order)) == order


def test_seeds_of_attempts_are_fixed_and_differ() -> None:
    assert derived_seed(5, 0) == 5
    seeds = {derived_seed(seed, attempt) for seed in range(20) for attempt in range(4)}
    assert len(seeds) == 80 and all(0 <= seed < 2**63 for seed in seeds)
    assert derived_seed(5, 1) == 6144019695931137320


def test_meters() -> None:
    ticks = {"4/4": 96, "3/4": 72, "6/8": 72, "2/16": 12, "8/4": 192, "12/8": 144, " 5 / 4 ": 120, "1/16": 6}
    assert {text: parse_meter(text).bar_ticks for text in ticks} == ticks
    for text in ("0/4", "4", "4/32", "9/4", "-3/4", "25/16", "four"):
        with pytest.raises(OrderError, match="meter is"):
            parse_meter(text)
