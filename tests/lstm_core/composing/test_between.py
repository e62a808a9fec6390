"""How a track between two others is put together: bars, players, melodies and loudness of each step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from lstm_core.analysis.roles import DRUM, MELODY
from lstm_core.composing.between.bars import StepBars, step_bars
from lstm_core.composing.between.leading import led
from lstm_core.composing.between.players import chairs_at, paired_parts
from lstm_core.composing.composer import Composer
from lstm_core.composing.players import load_playable, open_player
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

A = TrackOrder(
    duration_s=34.0, bpm=120.0, key="D minor", form="A:4 B:4 A:4 A':4", energy="0.3", polyphony=6, seed=11,
    instruments=("flute", "piano", "bass", "drums"),
)  # fmt: skip
B = TrackOrder(
    duration_s=44.0, bpm=110.0, key="C", form="A:4 A:4 B:4 A:4 C:4", energy="0.8", seed=11,
    instruments=("violin", "piano", "strings", "bass"),
)  # fmt: skip


def played(order: TrackOrder, composer: Composer) -> SourceTrack:
    track = admit(order)
    return source_track(track, next(composer.play([(track, 0)])), 0)


def steps_between(
    sources: tuple[SourceTrack, SourceTrack], composer: Composer, steps: int
) -> list[tuple[PlannedTrack, Take]]:
    """The tracks that lead from one track to another, and their takes."""
    records = [
        SourceRecord(track_id=name, order=one.order, notes=name) for name, one in zip("ab", sources, strict=True)
    ]
    given = {"between": "a > b", "steps": steps, "seed": 3}
    orders = [order_from_fields(row) for row in rows_between(records[0], records[1], given)]
    tracks = [replace(admit(order), source=sources[0], target=sources[1]) for order in orders]
    takes = {take.number: take for take in composer.play([(track, 0) for track in tracks])}
    return [(track, takes[number]) for number, track in enumerate(tracks)]


@cache
def tiny_ends(loop: bool = False) -> tuple[SourceTrack, SourceTrack]:
    first, last = (
        (replace(A, loop=True, duration_s=32.0), replace(B, loop=True, duration_s=480 / 11)) if loop else (A, B)
    )
    return played(first, tiny_composer()), played(last, tiny_composer())


@cache
def tiny_steps(loop: bool = False, steps: int = 5) -> list[tuple[PlannedTrack, Take]]:
    return steps_between(tiny_ends(loop), tiny_composer(), steps)


def apart(track: PlannedTrack, take: Take) -> list[float]:
    """How far a take is from the first track and from the last, in the home key."""
    ends = (track.source, track.target)
    own = in_home_key(take.notes, home_shift(track.plan.key))
    return [distance(own, in_home_key(end.notes, home_shift(end.track_plan.key))) for end in ends if end is not None]


def is_rising(values: list[float]) -> bool:
    return all(one < other for one, other in pairwise(values))


@pytest.mark.parametrize("loop", [False, True])
def test_the_ends_are_the_two_tracks_note_for_note_and_all_gates_are_kept(loop: bool) -> None:
    steps, ends = tiny_steps(loop), tiny_ends(loop)
    for (track, take), end in zip((steps[0], steps[-1]), ends, strict=True):
        assert same_notes(take.notes, end.notes) and track.plan == end.track_plan
        assert take.plan is not None and (take.plan.source == end.plan.source).all()
    for track, take in steps:
        gates = {gate.name: gate for gate in promise_gates(track, take)}
        assert [gate for gate in gates.values() if not gate.is_passed] == []
        assert gates["kept"].value == 1.0 and ("first_apart" in gates) == (track.order.step not in (1, 5))
    loud = [float(take.notes["velocity"].mean()) for _, take in steps]
    assert is_rising(loud)


def test_an_end_with_other_notes_is_held_back() -> None:
    track, take = tiny_steps()[0]
    for notes in (take.notes[1:], np.concatenate([take.notes, tiny_steps()[1][1].notes])):
        (gate,) = [gate for gate in promise_gates(track, replace(take, notes=notes)) if gate.name == "kept"]
        assert not gate.is_passed and gate.value < 1.0


def test_what_is_the_last_tracks_stays_so() -> None:
    first, last = (end.plan for end in tiny_ends())
    for steps in (3, 5, 16):
        found: list[StepBars] = [
            step_bars(step / (steps - 1), first, last, steps=steps, seed=3, is_ending=True)
            for step in range(1, steps - 1)
        ]
        for one, other in pairwise(found):
            in_both = min(len(one.is_last), len(other.is_last)) - 1
            assert (one.is_last[:in_both] <= other.is_last[:in_both]).all() and one.is_last[-1] <= other.is_last[-1]
            assert (one.of_first[:in_both] == other.of_first[:in_both]).all()
        assert found[0].is_last.any() and not found[-1].is_last.all()
        assert all((one.of_first[-1], one.of_last[-1]) == (first.num_bars - 1, last.num_bars - 1) for one in found)


def test_a_melody_stays_with_its_bars() -> None:
    track, take = tiny_steps()[1]
    stays = led(track)
    assert stays is not None and take.plan is not None and track.source is not None
    bars = step_bars(0.25, track.source.plan, tiny_ends()[1].plan, steps=5, seed=3, is_ending=True)
    tunes = np.flatnonzero(take.plan.roles == MELODY)
    assert not stays.is_new[tunes][:, ~bars.is_last].any() and len(tunes) > 0
    assert (take.plan.chord[~bars.is_last] == track.source.plan.chord[bars.of_first[~bars.is_last]]).all()
    assert (take.plan.chord[bars.is_last] == tiny_ends()[1].plan.chord[bars.of_last[bars.is_last]]).all()


def test_players_change_one_at_a_time() -> None:
    first, last = (end.plan for end in tiny_ends())
    pairs = paired_parts(first, last)
    assert len(pairs) == max(first.num_parts, last.num_parts)
    assert sorted(a for a, _ in pairs if a is not None) == list(range(first.num_parts))
    assert sorted(b for _, b in pairs if b is not None) == list(range(last.num_parts))
    seats = [{(chair.parts, chair.program) for chair in chairs_at(t, first, last, 3)} for t in np.linspace(0, 1, 101)]
    changes = [len({parts for parts, _ in one ^ other}) for one, other in pairwise(seats)]
    assert set(changes) == {0, 1} and {program for _, program in seats[0]} == set(first.programs.tolist())
    assert {program for _, program in seats[-1]} == set(last.programs.tolist())
    assert DRUM in first.roles and DRUM not in last.roles  # who has no successor leaves


def test_a_step_depends_on_its_attempt_alone() -> None:
    track, take = tiny_steps()[2]
    (alone,) = tiny_composer().play([(track, 0)])
    (again,) = tiny_composer().play([(track, 1)])
    assert same_notes(alone.notes, take.notes) and not same_notes(again.notes, take.notes)


def test_many_steps_are_between_and_never_at_the_ends() -> None:
    for track, take in tiny_steps(steps=16)[1:-1]:
        assert min(apart(track, take)) > 0.0
        assert [gate.name for gate in promise_gates(track, take) if not gate.is_passed] == []


@pytest.mark.slow
def test_steps_of_real_tracks_leave_the_first_and_come_to_the_last() -> None:
    composer = open_player(load_playable("base"), arithmetic="float32")
    assert isinstance(composer, Composer)
    first = TrackOrder(style="game", key="D minor", bpm=100.0, duration_s=40.0, seed=1)
    last = TrackOrder(style="game", key="D minor", bpm=120.0, duration_s=40.0, seed=2)
    ends = played(first, composer), played(last, composer)
    steps = steps_between(ends, composer, 5)
    distances = np.array([[distance(take.notes, end.notes) for end in ends] for _, take in steps])
    assert is_rising(distances[:, 0].tolist()) and is_rising(distances[::-1, 1].tolist())
    assert distances[0, 0] == 0.0 and distances[-1, 1] == 0.0 and (distances[1:-1] > 0.1).all()
    assert is_rising([track.plan.bpm for track, _ in steps][::2])
