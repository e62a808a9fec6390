"""Another arrangement of a track keeps its form, its chords and its melody, whatever the weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from lstm_core.composing.rearranging import _moved_chord, _on_grid, _stretched, melody_part
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import CHORD_STEPS
from lstm_core.notes.keys import home_shift, key_name
from lstm_core.notes.score import DRUMS, NoteArray
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_fields, order_from_fields
from lstm_core.orders.plan import plan_track
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.rearranged import rearranged
from lstm_core.representations.plan.layout import Plan, chord_value
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import source_track
from tests.lstm_core.composing.tiny_composer import tiny_composer

ORDER = TrackOrder(duration_s=34.0, bpm=120.0, key="D minor", style="game", seed=4)
NOT_INHERITED = ("name", "seed", "primer", "primer_sha256")


@cache
def made() -> tuple[PlannedTrack, Take]:
    track = admit(ORDER)
    return track, next(tiny_composer().play([(track, 0)]))


def order_with(source: TrackOrder = ORDER, **fields: Any) -> TrackOrder:
    """The order of an arrangement of a track, as it is read."""
    kept = {k: v for k, v in order_fields(source).items() if k not in fields and k not in NOT_INHERITED}
    pinned = {"from": "a1", "from_notes": "n", "from_seed": source.plan_seed, "seed": 9}
    return rearranged(source, "a1", kept, {**fields, **pinned})


def arranged(**fields: Any) -> tuple[PlannedTrack, Take]:
    track, take = made()
    new = replace(admit(order_with(**fields)), source=source_track(track, take, 0))
    return new, next(tiny_composer().play([(new, 0)]))


def melody_of(source: SourceTrack) -> NoteArray:
    part = melody_part(source)
    assert part is not None
    return source.notes[source.notes["part"] == part]


def tune_of(track: PlannedTrack, take: Take) -> tuple[NoteArray, NoteArray]:
    """The melody of the source of an arrangement, and that of its take."""
    assert track.source is not None and take.plan is not None
    part = int(np.flatnonzero(take.plan.roles == 0)[0])
    return melody_of(track.source), take.notes[take.notes["part"] == part]


def broken(track: PlannedTrack, take: Take) -> list[str]:
    return [gate.name for gate in promise_gates(track, take) if not gate.is_passed]


def same_form(one: Plan, other: Plan) -> bool:
    return all((getattr(one, name) == getattr(other, name)).all() for name in ("source", "relation", "section"))


@pytest.mark.parametrize(
    "fields",
    [
        {"bpm": 151.0},
        {"key": "F# minor"},
        {"key": "Bb major"},
        {"meter": "3/4"},
        {"meter": "5/4", "key": "C"},
        {"style": "song"},
        {"instruments": ["violin", "piano", "bass"]},
        {"duration_s": 50.0},
        {"scale": "dorian"},
    ],
)
def test_form_chords_and_melody_stay(fields: dict[str, Any]) -> None:
    track, take = arranged(**fields)
    assert track.source is not None and take.plan is not None and broken(track, take) == []
    before, now = track.source.plan, take.plan
    assert (track.plan.num_bars, track.plan.final_bar) == (track.source.track_plan.num_bars, 16)
    assert same_form(before, now)
    if not {"key", "meter"} & fields.keys():
        assert (before.chord[:-1] == now.chord[:-1]).all()
        assert (before.bass[:-1] == now.bass[:-1]).all() or "scale" in fields
    melody, tune = tune_of(track, take)
    assert len(tune) > 20 and len(melody) - len(tune) <= (4 if "meter" in fields else 0)  # that fall on each other
    assert "kept" in {gate.name for gate in promise_gates(track, take)}


def test_a_melody_is_moved_with_the_key_and_to_the_player_that_has_it() -> None:
    track, take = arranged(key="F# minor", instruments=["violin", "piano", "bass"])
    melody, tune = tune_of(track, take)
    apart = np.unique(tune["pitch"].astype(int) - melody["pitch"])
    assert len(apart) == 1 and apart[0] % 12 == 4
    assert (tune["onset"] == melody["onset"]).all() and (tune["velocity"] == melody["velocity"]).all()
    assert set(tune["program"].tolist()) <= {40, *range(8)} | set(range(32, 40))
    major, _ = arranged(key="D major")
    assert key_name(major.plan.key or 0) == "D major"
    _, tune = tune_of(*arranged(key="D major"))
    steps = np.unique((tune["pitch"].astype(int) - melody["pitch"]) % 12).tolist()
    assert set(steps) <= {0, 1}  # thirds, sixths and sevenths are raised


def test_the_players_stay_where_nobody_else_is_named() -> None:
    track, take = arranged(bpm=150.0)
    assert track.source is not None and take.plan is not None
    assert (take.plan.programs == track.source.plan.programs).all()
    assert (take.plan.active == track.source.plan.active).all()
    other, song = arranged(instruments=["violin", "piano", "bass"])
    assert song.plan is not None and DRUMS not in song.plan.programs and other.order.style == "game"


def test_bars_stay_bars_in_another_meter() -> None:
    places = np.array([0, 24, 36, 48, 72, 84, 96, 120])
    assert _stretched(places, 96, 72).tolist() == [0, 24, 36, 48, 60, 66, 72, 96]  # two last beats are one
    assert _stretched(places[:6], 96, 120).tolist() == [0, 24, 36, 48, 72, 96]
    assert _stretched(places, 96, 48).tolist() == [0, 12, 18, 24, 36, 42, 48, 60]
    assert _on_grid(np.array([5, 7, 10, 11, 13])).tolist() == [6, 6, 9, 12, 12]
    track, take = arranged(meter="3/4")
    melody, tune = tune_of(track, take)
    assert (
        np.bincount(melody["onset"] // 96).astype(bool).tolist()
        == np.bincount(tune["onset"] // 72).astype(bool).tolist()
    )


def test_chords_are_of_the_other_mode() -> None:
    def named(root: int, *steps: int) -> int:
        return chord_value(root, CHORD_STEPS.index(steps))

    minor, major = (0, 3, 7), (0, 4, 7)
    to_major = [(named(9, *minor), named(0, *major)), (named(2, *minor), named(5, *major))]
    to_major += [(named(5, *major), named(9, *minor)), (named(7, *major), named(7, *major))]
    assert [_moved_chord(before, True, False) for before, _ in to_major] == [after for _, after in to_major]
    assert _moved_chord(named(0, *major), False, True) == named(9, *minor)
    assert _moved_chord(named(5, *major), True, True) == named(5, *major)


def test_a_length_follows_from_the_tempo_or_the_tempo_from_a_length() -> None:
    before = plan_track(ORDER)
    for bpm in (61.0, 97.3, 144.0, 240.0):
        order = order_with(bpm=bpm)
        made_of = plan_track(order)
        assert (made_of.num_bars, made_of.final_bar, home_shift(made_of.key)) == (17, 16, home_shift(before.key))
        assert order.duration_s == pytest.approx(34.0 * 120.0 / bpm, abs=4.1 * 60 / bpm)
    assert order_with(duration_s=51.0).bpm == pytest.approx(80.0)
    loop = replace(ORDER, loop=True, duration_s=32.0)
    assert order_with(loop, meter="3/4").duration_s == 24.0
    drawn = replace(ORDER, key="", bpm=0.0)
    assert order_with(drawn, style="song").key == key_name(plan_track(drawn).key or 0)
    assert order_from_fields(order_fields(order_with(bpm=97.0))) == order_with(bpm=97.0)


@pytest.mark.parametrize(
    ("source", "fields", "message"),
    [
        ({}, {}, "nothing says what is made again. Write bars"),
        ({}, {"bpm": 120.0}, "nothing says what is made again"),
        ({}, {"bpm": 90.0, "form": "A B"}, "form is 'A B', but an arrangement of track a1 keeps its form"),
        ({}, {"key": "C", "loop": True}, "loop is True, but an arrangement"),
        ({}, {"duration_s": 5.0}, "fill it at 816 bpm, it must be 30 to 300"),
        ({}, {"bpm": 90.0, "duration_s": 20.0}, "17 bars of track a1 take about 45.333 s"),
        ({}, {"key": "free"}, 'key is "free", but the chords of track a1 are moved to a key'),
        ({"key": "free"}, {"key": "C"}, "is in no key that it could be moved from"),
        ({"hits": "8.1 14"}, {"bpm": 140.0}, "has hits, which hold at its own tempo"),
    ],
)
def test_what_is_no_arrangement_is_refused(source: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        order_with(replace(ORDER, **source), **fields)


def test_a_melody_needs_somebody_who_plays_it() -> None:
    with pytest.raises(OrderError, match="instruments are drums alone"):
        arranged(instruments=["drums"])


def test_inherited_fields_give_way_to_those_that_replace_them() -> None:
    source = replace(ORDER, ensemble="flute, bass", chords="Dm A7", scale="harmonic minor", exact_tempo=False)
    assert order_with(source, instruments=["piano"]).ensemble == ""
    moved = order_with(source, key="C")
    assert (moved.chords, moved.scale, moved.ensemble) == ("", "", "flute, bass")
    assert order_with(source, bpm=90.0).chords == "Dm A7" and order_with(source, meter="3/4").chords == ""


def test_another_energy_moves_the_melody_too() -> None:
    """It kept the loudness that it had in the track."""
    track, soft = arranged(bpm=150.0, energy="0.1")
    _, loud = arranged(bpm=150.0, energy="0.9")
    tunes = [tune_of(track, take)[1]["velocity"].astype(int) for take in (soft, loud)]
    assert np.median(tunes[1] - tunes[0]) > 30 and broken(track, soft) == []
    _, same = arranged(bpm=150.0)
    melody, tune = tune_of(track, same)
    assert (melody["velocity"] == tune["velocity"]).all()
