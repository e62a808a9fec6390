"""Tracks that accompany a tune: it stands as it is, chords fit it, bars repeat where it does; of any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_core.composing.accompanying import TUNE_PART, with_tune
from lstm_core.composing.players import check_accompanies
from lstm_core.composing.take import Take
from lstm_core.composing.voices import most_together
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.planned import PlannedTrack
from lstm_core.originality.index import build_index
from lstm_core.representations.plan.layout import EXACT, NEW, NO_CHORD, VARIED, chord_tones
from lstm_core.tracks.finishing import own_music
from lstm_core.tracks.originals import EarlierTracks, Originals
from lstm_core.tracks.promises import promise_gates
from tests.lstm_core.composing.tiny_composer import tiny_checkpoint, tiny_composer
from tests.lstm_core.orders.tunes import A_PART, TUNE, order_with, rows_of, write_tune


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    return write_tune(tmp_path / "tune.mid", rows_of(TUNE))


def taken(path: Path, **fields: Any) -> tuple[PlannedTrack, Take]:
    """The first take of an order with a melody."""
    track = admit(order_with(path, **{"seed": 3, **fields}))
    (take,) = tiny_composer().play([(track, 0)])
    return track, take


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"style": "game", "loop": True},
        {"key": "E", "instruments": ["violin", "piano", "bass"], "duration_s": 60},
        {"instruments": ["piano"], "polyphony": 3},
        {"energy": "rise", "duration_s": 75},
        {"chords": "C E7 | Am F", "roles": "no drums"},
        {"key": "free", "loop": True},
        {"instruments": ["flute"]},
    ],
)
def test_the_tune_stands_note_for_note_and_every_promise_is_kept(tune: Path, fields: dict[str, Any]) -> None:
    track, take = taken(tune, **fields)
    assert track.tune is not None and take.plan is not None
    own = take.notes[take.notes["part"] == TUNE_PART]
    given = track.tune.all_notes(96)
    for name in ("onset", "duration", "pitch", "program"):
        assert (own[name] == given[name]).all()
    gates = {gate.name: gate for gate in promise_gates(track, take)}
    assert [gate for gate in gates.values() if not gate.is_passed] == []
    assert gates["melody_kept"].value == 1.0
    assert most_together(take.notes) <= track.order.polyphony


def test_a_note_more_or_less_is_noticed(tune: Path) -> None:
    track, take = taken(tune)
    for change in ("pitch", "duration", "onset"):
        notes = take.notes.copy()
        at = int(np.flatnonzero(notes["part"] == TUNE_PART)[3])
        notes[change][at] += 1
        (gate,) = [one for one in promise_gates(track, replace(take, notes=notes)) if one.name == "melody_kept"]
        assert not gate.is_passed and 0.9 < gate.value < 1.0


def test_chords_have_the_notes_on_which_half_bars_begin(tune: Path) -> None:
    track, take = taken(tune, loop=True)
    assert take.plan is not None and track.tune is not None
    tones, chord = chord_tones(), take.plan.chord
    fits = [
        tones[chord[note["onset"] // 96, note["onset"] % 96 // 48], note["pitch"] % 12] == 1
        for note in track.tune.notes
        if note["onset"] % 48 == 0
    ]
    assert len(fits) == 23 and all(fits) and (chord != NO_CHORD).all()


def test_the_accompaniment_repeats_where_the_tune_does_and_is_varied_when_it_comes_again(tune: Path) -> None:
    track, take = taken(tune, loop=True, duration_s=48, variation=0.5)
    plan = take.plan
    assert plan is not None and track.tune is not None and track.tune.num_times == 2
    assert (plan.source[4:8] == np.arange(4)).all() and (plan.relation[4:8] == EXACT).all()
    assert (plan.relation[:4] == NEW).all() and (plan.relation[8:11] != EXACT).all()
    again = plan.relation[12:]
    assert (plan.source[12:] == np.arange(12)).all() and sorted(again.tolist()) == [EXACT] * 6 + [VARIED] * 6
    assert plan.section[12] == plan.section[0] > 0
    bars = [take.notes[take.notes["onset"] // 96 == bar] for bar in (0, 4)]
    assert (bars[0]["pitch"] == bars[1]["pitch"]).all()


def test_bars_that_are_left_over_are_the_end_without_the_tune(tune: Path) -> None:
    track, take = taken(tune, loop=True, duration_s=32)
    plan = take.plan
    assert plan is not None and plan.num_bars == 16
    assert not (plan.active[12:] & 1).any() and (plan.relation[12:] == VARIED).all()
    assert (plan.source[12:] == np.arange(8, 12)).all() and (plan.chord[12:] == plan.chord[8:12]).all()
    assert (take.notes["onset"] >= 12 * 96).any()
    assert all(gate.is_passed for gate in promise_gates(track, take))


def test_the_last_chord_falls_on_the_last_note_of_a_tune_that_comes_to_rest(tune: Path) -> None:
    track, take = taken(tune)
    last = take.notes[take.notes["onset"] >= 11 * 96]
    assert track.plan.final_bar == 11 and (last["onset"] == 11 * 96).all() and len(last) > 1
    assert (last["duration"][last["part"] == TUNE_PART] == 96).all()


def test_other_notes_give_way_to_the_tune(tune: Path) -> None:
    track, take = taken(tune, instruments=["piano"], loop=True)
    assert track.tune is not None and take.plan is not None and take.plan.num_parts > 1
    rows = [(0, 12, 0, 60, 70), (24, 24, 0, 64, 70), (40, 20, 0, 67, 70), (96, 24, 0, 65, 70), (0, 96, 0, 40, 70)]
    others = make_notes(rows)
    others["part"] = 1
    notes = with_tune(others, track, track.tune, take.plan)
    left = notes[notes["part"] == 1]
    assert [(int(note["onset"]), int(note["duration"]), int(note["pitch"])) for note in left] == [
        (0, 96, 40),
        (40, 8, 67),
    ]


def test_originality_is_judged_without_the_tune(tune: Path) -> None:
    track, take = taken(tune, loop=True)
    score = take.score(track.plan)
    assert track.tune is not None
    known = replace(score, notes=track.tune.notes)
    originals = Originals(runs=(build_index([("known", known)]),), earlier=EarlierTracks())
    whole, own = originals.compare(score), originals.compare(score, own=own_music(track, score))
    assert whole.shared is not None and whole.shared.num_notes >= 12
    assert own.shared is not None and own.shared.num_notes == 0


def test_a_checkpoint_without_plans_is_refused(tune: Path) -> None:
    order = order_with(tune)
    check_accompanies(tiny_checkpoint(), [order])
    with pytest.raises(OrderError, match="writes notes without a plan and cannot accompany melody"):
        check_accompanies(tiny_checkpoint().arranger, [order])


def test_an_upbeat_of_the_next_time_stands_in_the_last_bar(tmp_path: Path) -> None:
    path = write_tune(tmp_path / "up.mid", rows_of(f". . . 4 | {A_PART} | 0 - - ."))
    track, take = taken(path, loop=True, duration_s=22)
    assert track.tune is not None and track.tune.num_times == 2 and take.plan is not None
    assert take.plan.relation[10] != EXACT  # the first time ends with the upbeat, the second without
    assert all(gate.is_passed for gate in promise_gates(track, take))


@pytest.mark.parametrize(
    "fields", [{"instruments": ["flute"]}, {"polyphony": 2}, {"roles": "melody, bass", "energy": "arc"}]
)
def test_bars_in_which_a_tune_rests_and_few_others_play(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A varied bar in which nobody plays left nothing to choose, and of a bass's two notes the lower one was cut."""
    rows = rows_of(f"{A_PART} | . . . . | . . . . | {A_PART} | 0 - - -")
    path = write_tune(tmp_path / "rests.mid", rows)
    for seed in range(3):
        track, take = taken(path, seed=seed, duration_s=60, **fields)
        assert [gate for gate in promise_gates(track, take) if not gate.is_passed] == []
