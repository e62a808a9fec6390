"""What is refused before any work, and how large files are taken to be."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.orders.plan import plan_track
from lstm_core.orders.sections import sections_of

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=5)


def test_music_of_two_pitches_is_refused() -> None:
    with pytest.raises(OrderError, match="hold 2 notes of the key, and music of fewer than 3"):
        admit(replace(ORDER, pitch_low=60, pitch_high=62))
    admit(replace(ORDER, pitch_low=60, pitch_high=64))
    admit(replace(ORDER, pitch_low=60, pitch_high=62, instruments=("drums",)))


def test_a_planned_track_is_small_frozen_and_survives_a_trip() -> None:
    track = replace(admit(ORDER), track_id="a1")
    data = pickle.dumps(track)
    assert pickle.loads(data) == track and len(data) < 1500
    assert track.plan == plan_track(ORDER) and track.primer is None and track.name == "a1"
    assert replace(track, order=replace(ORDER, name="n")).name == "n"
    with pytest.raises(FrozenInstanceError):
        track.track_id = "b"  # type: ignore[misc]
    assert [track.seed_of(attempt) for attempt in range(3)] == [5, derived_seed(5, 1), derived_seed(5, 2)]


def test_sizes_follow_the_format() -> None:
    assert estimated_size_bytes(replace(ORDER, format="wav", bit_depth=24)) == 16 * 44100 * 6 + 100_000
    assert estimated_size_bytes(replace(ORDER, stems=True)) == 0.75 * 3 * 16 * 44100 * 4 + 100_000


def test_a_form_that_does_not_fit_the_track_is_refused() -> None:
    """Eight bars of 4/4 at 120 bpm are 16 seconds."""
    admit(replace(ORDER, form="intro A B A outro", chords="A: C F; Am"))
    admit(replace(ORDER, form="A:4 A'", chords="A': C F G C"))
    refusals = {
        r"The form needs at least 9 bars \(18\.00 s at 120 bpm\), the track has 8\. Request a longer": {
            "form": "A " * 9
        },
        r"The form needs at least 200 bars \(400\.00 s": {"form": "A B C D " * 50},
        r"needs at least 12 bars \(24\.00 s .* fewer bars": {"form": "A:8 B:4"},
        r"has 4 bars \(8\.00 s at 120 bpm\), the track 8\. Request a duration_s of 8\.00": {"form": "A:4"},
        r"chords\.A holds 5 bars, section A has 4": {"form": "A A'", "chords": "A: C F G C C"},
        r"chords holds 9 bars, the track has 8": {"chords": "C " * 9},
        r"needs at least 9 bars \(18\.00 s at 90 bpm\)": {"form": "A " * 9, "meter": "3/4", "bpm": 90.0},
    }
    for message, fields in refusals.items():
        with pytest.raises(OrderError, match=message):
            admit(replace(ORDER, **fields))
    with pytest.raises(OrderError, match=r"\(A\) cannot fill 8 bars: they take multiples of 3. Request 6 bars .* or 9"):
        admit(replace(ORDER, form="A A A", loop=True))
    admit(replace(ORDER, form="A A A"))


def test_200_sections_are_admitted_where_they_fit() -> None:
    order = replace(ORDER, duration_s=800.0, form="A B C D " * 50)
    assert admit(order).plan.num_bars == 400


def test_a_bar_that_has_one_chord_is_not_given_two() -> None:
    """The second was left out without a word."""
    order = TrackOrder(chords="Am | F G", meter="3/4", duration_s=30.0)
    with pytest.raises(OrderError, match="a bar of 3/4 has one chord, chords gives one F and G"):
        admit(order)
    assert admit(replace(order, meter="4/4")) and admit(replace(order, chords="Am | F"))


def test_a_loop_after_an_intro_is_admitted_where_a_section_begins() -> None:
    order = replace(ORDER, loop=True, loop_start=4)
    assert admit(order).plan.num_bars == 8
    form = replace(order, form="intro A", chords="intro: Am; A: C F", roles="intro: harmony, bass; A: no drums")
    assert [(one.spec.name, one.start) for one in sections_of(form, admit(form).plan)] == [("intro", 0), ("A", 4)]
    with pytest.raises(OrderError, match=r"loop_start is 4, but no section of the form begins .* after 2, 5"):
        admit(replace(order, form="A:2 B:3 C:3"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instruments": ("piano", "bass")}, "layers is 3, and 2 players are named: each layer adds one at least"),
        ({"instruments": ("drums",)}, "1 player is named"),
        ({"ensemble": "piano"}, "Name 3 or more, drums counting once, or request fewer layers"),
        ({"form": "A B", "ensemble": "A: piano; B: piano, bass"}, "2 players are named"),
    ],
)
def test_fewer_players_than_layers_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        admit(replace(ORDER, layers=3, **fields))


def test_players_enough_for_layers_are_admitted() -> None:
    order = replace(ORDER, layers=3)
    for fields in ({}, {"instruments": ("strings*2", "drums")}, {"form": "A B", "ensemble": "A: piano*2; B: bass"}):
        assert admit(replace(order, **fields)).order.layers == 3
    assert estimated_size_bytes(order) == 0.75 * 4 * 16 * 44100 * 4 + 100_000
