"""Transitions: which tracks of an order are joined, what their rows hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.ideas import order_of_ideas
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, order_digest, order_fields
from lstm_core.orders.order_file import Order, expand_order, read_order
from lstm_core.orders.sources.made_tracks import made_track
from lstm_core.orders.sources.transitions import transition, transitions_of_layers
from tests.lstm_core.orders.made_up_tracks import CAVE, FOREST, LAYERED, made_content

DM, INTO = "Dm Dm Bb Bb C C Gm/Bb A7", "F#m F#m D D A A E E"


def order_of(*groups: dict[str, Any], **common: Any) -> Order:
    return expand_order(
        {"group": list(groups), "track": {"duration_s": 20.0, "meter": "4/4", **common}}, default_name="x"
    )


def test_tracks_of_one_group_are_joined() -> None:
    order = order_of({"count": 3, "transitions": True}, {"count": 2}, {"count": 2, "transitions": True})
    assert order.joined == ((0, 1, 2), (5, 6))
    assert order_of({"count": 2}, {"layers": 2, "transitions": True}).joined == ()
    everywhere = order_of({"name": "a", "count": 2}, {"name": "way", "bridge": ["a-001", "a-002"]}, transitions=True)
    assert everywhere.joined == ((0, 1),) and not everywhere.tracks[2].transitions
    takes = order_of_ideas({"transitions": "true"}, title="x", seed=3, num_takes=4)
    assert takes.joined == ((0, 1, 2, 3),)


def test_a_track_stays_the_same_track_beside_its_transitions() -> None:
    order = TrackOrder(seed=3)
    assert order_digest(replace(order, transitions=True, bridge_bars=4)) == order_digest(order)
    assert "transitions" not in order_fields(order) and order_fields(replace(order, transitions=True))["transitions"]


def test_the_rows_between_tracks() -> None:
    forest, cave = (made_track(made_content(name, chords)) for name, chords in ((FOREST, DM), (CAVE, INTO)))
    there, back = transition(forest, cave, 2), transition(cave, forest, 3)
    assert (there.name, back.name) == ("wood-001-to-002", "wood-002-to-001")
    assert there.bridge == f"{FOREST} > {CAVE}" and there.chords == "A: A7; B: Abm7b5 C#7 |"
    assert (there.bridge_bars, back.bridge_bars, there.loudness_lufs) == (2, 3, -18.0) and there.seed != back.seed
    assert transition(forest, replace(cave, name="cave"), 1).name == "wood-001-to-cave"


def test_the_rows_between_layers() -> None:
    """Neighbours, up and down; as loud as the louder one of both, within what an order may request."""
    track = made_track(made_content(FOREST, DM, **LAYERED))
    rows = {row.name: row for row in transitions_of_layers(track)}
    assert list(rows) == [
        f"wood-001-layer-{one}-to-{two}" for one, two in permutations((1, 2, 3), 2) if abs(one - two) < 2
    ]
    assert [row.loudness_lufs for row in rows.values()] == [-20.1, -20.1, -40.0, -40.0]
    up = rows["wood-001-layer-1-to-2"]
    assert up.bridge == f"{FOREST}/layer-1 > {FOREST}/layer-2" and up.bridge_bars == 1 and up.bpm == 96.0
    assert up.instruments == ("string ensemble 1", "drums") and len({row.seed for row in rows.values()}) == 4
    fast = transitions_of_layers(made_track(made_content(FOREST, DM, bpm=200.0, **LAYERED)))
    assert fast[0].bridge_bars == 2, "a bar of 1.2 s is too short"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([{"count": 9, "transitions": True}], "transitions is true in a group of 9 tracks, at most 8 are joined"),
        ([{"transitions": True}], "its group has one track, and x-001 has no layers: there is nothing to lead to"),
        ([{"count": 6, "transitions": True, "meter": ["4/4", "3/4"]}], "Tracks that are joined must be in one meter"),
        ([{"count": 2, "transitions": True, "bridge_bars": 5}], "bridge_bars is 5, it must be 1 to 4"),
        ([{"count": 2, "transitions": True, "bridge_bpm": 90}], "bridge_bpm is given, but no bridge"),
    ],
)
def test_what_cannot_be_joined_is_refused(groups: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        order_of(*groups)
    assert message in str(raised.value)


def test_rows_of_a_table_are_in_no_group(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,transitions,layers,duration_s\na,yes,2,20\n")
    order = read_order(tmp_path / "a.csv")
    assert order.joined == () and order.tracks[0].transitions
    (tmp_path / "a.csv").write_text("name,transitions\na,yes\nb,yes\n")
    with pytest.raises(OrderError, match="rows of a table are in no group, and a has no layers"):
        read_order(tmp_path / "a.csv")
