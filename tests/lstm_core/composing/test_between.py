"""Tracks that lead from one track to another: the ends exact, each step nearer, whatever the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lstm_core.composing.take import Take
from lstm_core.notes.keys import home_shift
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.between import rows_between
from lstm_core.orders.sources.reader import SourceRecord
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import distance, in_home_key, source_track
from tests.lstm_core.composing.tiny_composer import same_notes, tiny_composer

PLAYERS = ("flute", "piano", "bass", "drums")
LOOPS = (
    TrackOrder(duration_s=32.0, bpm=120.0, key="D", form="A:4 B:4 A:4 A':4", loop=True, instruments=PLAYERS, seed=4),
    TrackOrder(duration_s=36.0, bpm=160.0, key="B minor", form="A:8 B:8 A:8", loop=True, seed=5),
)
ENDING = (
    TrackOrder(duration_s=24.0, bpm=120.0, key="C", form="A:4 B:4 A", seed=6),
    TrackOrder(duration_s=24.0, bpm=96.0, key="C", form="A B", seed=7, instruments=("violin", "cello")),
)
STEPS = 5


Walk = tuple[list[SourceTrack], list[PlannedTrack], list[Take]]


def walk(orders: tuple[TrackOrder, TrackOrder], seed: int = 1) -> Walk:
    """The two tracks, and the tracks from one to the other with their takes."""
    planned = [admit(order) for order in orders]
    takes = {take.number: take for take in tiny_composer().play([(track, 0) for track in planned])}
    ends = [source_track(track, takes[number], 0) for number, track in enumerate(planned)]
    first, last = (
        SourceRecord(track_id=f"{number}" * 24, order=order, notes=f"n{number}") for number, order in enumerate(orders)
    )
    given = {"between": [first.track_id, last.track_id], "steps": STEPS, "seed": seed}
    rows = [order_from_fields(row) for row in rows_between(first, last, given)]
    tracks = [replace(admit(row), source=ends[0], target=ends[1]) for row in rows]
    made = {take.number: take for take in tiny_composer().play([(track, 0) for track in tracks])}
    return ends, tracks, [made[number] for number in range(STEPS)]


@pytest.mark.parametrize("orders", [LOOPS, ENDING], ids=["loops", "ending"])
def test_each_step_is_nearer_to_the_last_track_and_the_ends_are_the_two(orders: tuple[TrackOrder, TrackOrder]) -> None:
    ends, tracks, takes = walk(orders)
    assert same_notes(takes[0].notes, ends[0].notes) and same_notes(takes[-1].notes, ends[1].notes)
    own = [in_home_key(take.notes, home_shift(track.plan.key)) for track, take in zip(tracks, takes, strict=True)]
    from_first, from_last = ([distance(notes, own[end]) for notes in own] for end in (0, -1))
    assert from_first[0] == from_last[-1] == 0.0
    assert from_first == sorted(from_first) and from_last == sorted(from_last, reverse=True)
    assert 0.0 < from_first[1] < from_first[-1] and 0.0 < from_last[-2] < from_last[0]


@pytest.mark.parametrize("orders", [LOOPS, ENDING], ids=["loops", "ending"])
def test_every_step_keeps_its_promises(orders: tuple[TrackOrder, TrackOrder]) -> None:
    _, tracks, takes = walk(orders, seed=2)
    for track, take in zip(tracks, takes, strict=True):
        gates = promise_gates(track, take)
        assert [gate.name for gate in gates if not gate.is_passed] == [], track.order.step
        assert {"kept"} <= {gate.name for gate in gates}
        assert take.plan is not None and take.plan.num_bars == track.plan.num_bars


def test_a_step_depends_on_the_seed_and_on_nothing_beside_it() -> None:
    _, tracks, takes = walk(LOOPS)
    (alone,) = tiny_composer().play([(tracks[2], 0)])
    assert same_notes(alone.notes, takes[2].notes)
    _, _, others = walk(LOOPS, seed=9)
    assert same_notes(others[0].notes, takes[0].notes) and not same_notes(others[2].notes, takes[2].notes)
