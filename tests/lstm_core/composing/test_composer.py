"""What a composer of any weights keeps: its promises, and that a take depends on the attempt alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.control import ask
from lstm_core.analysis.roles import BASS, FIGURE, HARMONY, MELODY
from lstm_core.catalogue.plan_form import form_of_plan
from lstm_core.composing.composer import with_energy
from lstm_core.composing.take import Take
from lstm_core.composing.voices import most_together
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sections import sections_of
from lstm_core.representations.note_events import decode_events
from lstm_core.representations.plan.layout import EXACT, VARIED
from lstm_core.tracks.promises import promise_gates
from tests.lstm_core.composing.tiny_composer import STYLES, same_notes, tiny_composer

CHANCE = ("varied_least", "varied_most")  # that a take keeps by chance, and another attempt follows if it does not


def takes_of(tracks: list[PlannedTrack]) -> list[Take]:
    """The first takes of some tracks, in their order."""
    takes = {take.number: take for take in tiny_composer().play([(track, 0) for track in tracks])}
    return [takes[number] for number in range(len(tracks))]


def test_every_promise_is_kept_whatever_the_weights() -> None:
    tracks = ask(40, STYLES, ()).tracks
    for track, take in zip(tracks, takes_of(tracks), strict=True):
        broken = [gate for gate in promise_gates(track, take) if not gate.is_passed and gate.name not in CHANCE]
        assert broken == [], track.order


def test_a_take_depends_on_its_attempt_alone() -> None:
    tracks = ask(6, STYLES, ()).tracks
    together = takes_of(tracks)
    for number in (0, 3, 5):
        (alone,) = tiny_composer().play([(tracks[number], 0)])
        assert same_notes(alone.notes, together[number].notes)
    backwards = takes_of(tracks[::-1])[::-1]
    assert all(same_notes(a.notes, b.notes) for a, b in zip(together, backwards, strict=True))
    (again,) = tiny_composer().play([(tracks[0], 1)])
    assert not same_notes(again.notes, together[0].notes)


def test_sections_of_an_order_come_where_it_says() -> None:
    order = TrackOrder(form="A:4 A':4 B:4 A:4", duration_s=32.0, bpm=120.0, loop=True, seed=4, variation=0.5)
    (take,) = takes_of([admit(order)])
    plan = take.plan
    assert plan is not None
    assert np.flatnonzero(plan.section).tolist() == [0, 4, 8, 12] and plan.letters()[[0, 4, 8, 12]].tolist() == [
        0,
        0,
        1,
        0,
    ]
    assert (plan.relation[12:] == EXACT).all() and (plan.source[12:] == np.arange(4)).all()
    assert sorted(plan.relation[4:8].tolist()) == [EXACT, EXACT, VARIED, VARIED]
    assert not (plan.source[8:12] >= 0).any() or plan.source[8:12].max() >= 8


def test_sections_begin_and_notes_sound_on_hits_whatever_the_weights() -> None:
    order = TrackOrder(duration_s=30.0, bpm=120.0, hits="8.1 14.0 22.1", meter="4/4")
    orders = [
        replace(order, loop=loop, form=form, polyphony=polyphony, seed=seed)
        for seed, (loop, form, polyphony) in enumerate(product((True, False), ("", "A B A' A"), (2, 24)))
    ]
    tracks = [admit(order) for order in orders]
    for track, take in zip(tracks, takes_of(tracks), strict=True):
        assert take.plan is not None and set(track.plan.hit_bars) <= set(take.plan.section_starts().tolist())
        gates = {gate.name: gate for gate in promise_gates(track, take)}
        assert gates["hits"].is_passed and gates["hits"].value < 1e-6 and gates["hits"].bound == 0.02
        apart = np.abs(take.notes["onset"].astype(np.int64) - track.plan.hit_bars[1] * 96)
        silent = replace(take, notes=take.notes[apart > 6])
        (gate,) = [gate for gate in promise_gates(track, silent) if gate.name == "hits"]
        assert not gate.is_passed and gate.value > 0.1


def test_chords_of_an_order_are_played_and_win_over_the_key() -> None:
    order = TrackOrder(
        chords="E7 Am | Bdim C", key="C", duration_s=16.0, bpm=120.0, loop=True, seed=4, instruments=("piano",)
    )
    track = admit(order)
    (take,) = takes_of([track])
    assert take.plan is not None
    roots = (take.plan.chord - 1) // 12
    assert roots[0].tolist() == [4, 9] and roots[1].tolist() == [11, 0] and (roots[::2] == roots[0]).all()
    in_key = next(gate for gate in promise_gates(track, take) if gate.name == "in_key")
    assert in_key.is_passed


def test_chords_of_an_order_are_not_transposed_with_a_bar_that_repeats_another() -> None:
    """In no key bars may repeat others transposed, and took the chords along."""
    order = TrackOrder(chords="Am F C G", key="free", form="A A' B A", duration_s=62.0, bpm=120.0, loop=True)
    tracks = [admit(replace(order, seed=seed)) for seed in range(12)]
    for track, take in zip(tracks, takes_of(tracks), strict=True):
        asked = next(gate for gate in promise_gates(track, take) if gate.name == "asked_chords")
        assert asked.is_passed, track.order.seed


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"instruments": ("piano", "bass", "drums"), "polyphony": 3},
        {"energy": "rise", "key": "free"},
        {"chords": "Am F C G", "roles": "no drums"},
        {"form": "intro A B A", "roles": "intro: harmony, bass"},
        {"form": "A:4 B:4 A':4 A:4", "variation": 0.5},
    ],
)
def test_a_loop_begins_with_a_section_and_no_note_of_the_intro_sounds_into_it(fields: dict[str, Any]) -> None:
    order = TrackOrder(duration_s=32.0, bpm=120.0, loop=True, loop_start=4, seed=3, style="game", **fields)
    tracks = [admit(replace(order, seed=seed)) for seed in range(3)]
    for track, take in zip(tracks, takes_of(tracks), strict=True):
        plan, notes = take.plan, take.notes
        assert plan is not None and 4 in plan.section_starts()
        begun = notes["onset"] < 4 * 96
        assert begun.any() and (notes["onset"] + notes["duration"])[begun].max() <= 4 * 96
        if not order.form:
            assert plan.section_starts()[:2].tolist() == [0, 4]
            assert not ((plan.source[4:] >= 0) & (plan.source[4:] < 4)).any()
            assert form_of_plan(plan, take.shift, loop_start=4).sections[0].name == "intro"
        broken = [gate for gate in promise_gates(track, take) if not gate.is_passed and gate.name not in CHANCE]
        assert broken == []


def test_a_key_is_found_for_chords_without_one() -> None:
    assert admit(TrackOrder(chords="Am F C G", duration_s=16.0, loop=True)).plan.key in (0, 21)
    assert admit(TrackOrder(chords="Em C G D", duration_s=16.0, loop=True)).plan.key == 12 + 4


def test_a_primer_stands_note_for_note_and_the_music_goes_on(tmp_path: Path) -> None:
    rows = [
        (24 * i, 24, program, pitch + i % 3, 84) for i in range(16) for program, pitch in ((0, 60), (0, 64), (33, 36))
    ]
    rows += [(24 * i, 6, DRUMS, 36 + 2 * (i % 2), 92) for i in range(16)]
    (tmp_path / "primer.mid").write_bytes(write_midi(Score(notes=make_notes(rows))))
    order = TrackOrder(primer=str(tmp_path / "primer.mid"), key="D", duration_s=24.0, bpm=120.0, loop=True, seed=2)
    track = admit(order)
    (take,) = takes_of([track])
    assert track.primer is not None
    primer = decode_events(track.primer).notes
    begun = take.notes[take.notes["onset"] < 4 * 96]
    fields = ("onset", "duration", "program", "pitch", "velocity")
    assert [tuple(int(note[name]) for name in fields) for note in begun] == [
        tuple(int(note[name]) for name in fields) for note in primer
    ]
    assert (take.notes["onset"] >= 4 * 96).any()
    assert all(gate.is_passed for gate in promise_gates(track, take))


def test_hits_are_met_after_a_primer_and_in_it(tmp_path: Path) -> None:
    rows = [(24 * i, 24, 0, 60 + i % 3, 84) for i in range(16)]
    (tmp_path / "primer.mid").write_bytes(write_midi(Score(notes=make_notes(rows))))
    order = TrackOrder(primer=str(tmp_path / "primer.mid"), hits="4.1 12.0", duration_s=24.0, bpm=120.0, seed=2)
    track = admit(order)
    (take,) = takes_of([track])
    assert track.plan.hit_bars == (2, 6) and take.plan is not None and take.plan.section[6] > 0
    assert all(gate.is_passed for gate in promise_gates(track, take) if gate.name == "hits")


def test_players_that_a_primer_lacks_enter_after_it(tmp_path: Path) -> None:
    """A piano's primer and an order for piano, bass and strings: the plan had the primer's piano alone."""
    rows = [(24 * i, 24, 0, 60 + i % 3, 84) for i in range(16)]
    (tmp_path / "primer.mid").write_bytes(write_midi(Score(notes=make_notes(rows))))
    primer, players = str(tmp_path / "primer.mid"), ("piano", "bass", "strings")
    track = admit(TrackOrder(primer=primer, instruments=players, duration_s=24.0, bpm=120.0, loop=True, seed=2))
    (take,) = takes_of([track])
    begun = take.notes["onset"] < 4 * 96
    assert set(take.notes["program"][begun].tolist()) == {0}
    assert len(set(take.notes["program"][~begun].tolist())) == 3
    assert all(gate.is_passed for gate in promise_gates(track, take))


def test_the_last_chord_is_the_last() -> None:
    track = admit(TrackOrder(key="G", duration_s=20.0, bpm=120.0, seed=9))
    (take,) = takes_of([track])
    final = track.plan.final_bar
    assert final is not None
    start = final * track.plan.meter.bar_ticks
    last = take.notes[take.notes["onset"] >= start]
    assert len(last) and (last["onset"] == start).all() and (last["duration"] <= track.plan.final_hold_ticks).all()
    assert set((last["pitch"][last["program"] != DRUMS] % 12).tolist()) <= {7, 11, 2}
    assert (take.notes["onset"] + take.notes["duration"])[take.notes["onset"] < start].max() <= start


def test_players_that_nobody_can_write_are_refused() -> None:
    with pytest.raises(OrderError, match="13 players are asked for, a plan has at most 12"):
        takes_of([admit(TrackOrder(instruments=("strings*8", "brass*5"), duration_s=20.0))])


@pytest.mark.parametrize(
    "fields", [{"instruments": ("piano", "drums"), "roles": "melody"}, {"instruments": ("drums",), "roles": "harmony"}]
)
def test_roles_that_players_cannot_have_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(OrderError, match="drums"):
        admit(TrackOrder(duration_s=20.0, **fields))  # type: ignore[arg-type]


def test_a_player_has_one_line_unless_it_accompanies_itself() -> None:
    order = TrackOrder(instruments=("flute", "cello", "piano"), duration_s=20.0, loop=True)
    for take in takes_of([admit(replace(order, seed=seed)) for seed in range(20)]):
        assert take.plan is not None
        programs = take.plan.programs.tolist()
        assert programs.count(73) == 1 == programs.count(42) and set(programs) - {73, 42} < set(range(8))


def test_energy_moves_the_loudness_of_bars() -> None:
    track = admit(TrackOrder(duration_s=8.0, bpm=120.0, loop=True))
    notes = make_notes([(96 * bar + 24 * i, 24, 0, 60 + i, 60 + 5 * i) for bar in range(4) for i in range(4)])
    assert same_notes(with_energy(notes, None, track.plan), notes)
    moved = with_energy(notes, np.array([0.0, 1.0, 0.5, 0.25]), track.plan)
    means = [moved["velocity"][moved["onset"] // 96 == bar].mean() for bar in range(4)]
    assert np.argsort(means).tolist() == [0, 3, 2, 1] and means[0] < 50 < 100 < means[1]
    assert (moved["onset"] == notes["onset"]).all() and (moved["pitch"] == notes["pitch"]).all()


def test_a_range_and_a_number_of_voices_are_kept() -> None:
    order = TrackOrder(pitch_low=55, pitch_high=79, polyphony=3, key="F", duration_s=24.0, bpm=120.0, loop=True)
    tracks = [admit(replace(order, seed=seed)) for seed in range(4)]
    for take in takes_of(tracks):
        assert most_together(take.notes) <= 3
        melodic = take.notes[take.notes["program"] != DRUMS]
        assert melodic["pitch"].min() >= 55 and melodic["pitch"].max() <= 79


def test_a_note_of_a_primer_does_not_sound_into_the_loop(tmp_path: Path) -> None:
    rows = [(96 * bar, 90, 0, 60 + bar, 80) for bar in range(4)] + [(96, 250, 40, 72, 80)]
    (tmp_path / "primer.mid").write_bytes(write_midi(Score(notes=make_notes(rows))))
    order = TrackOrder(primer=str(tmp_path / "primer.mid"), duration_s=24.0, bpm=120.0, loop=True, loop_start=2, seed=2)
    (take,) = tiny_composer().play([(admit(order), 0)])
    begun = take.notes[take.notes["onset"] < 192]
    assert (begun["onset"] + begun["duration"]).max() == 192 and (begun["pitch"] == 72).any()


def test_roles_that_are_named_come_in_with_their_section() -> None:
    orders = [
        TrackOrder(form="A B A", roles="A: harmony, bass; B: melody, figure", duration_s=24.0, bpm=120.0, seed=seed)
        for seed in range(6)
    ]
    tracks = [admit(order) for order in orders]
    for track, take in zip(tracks, takes_of(tracks), strict=True):
        assert take.plan is not None
        for placed, named in zip(
            sections_of(track.order, track.plan), ((HARMONY, BASS), (MELODY, FIGURE)), strict=False
        ):
            first = np.flatnonzero(take.plan.active[placed.start] >> np.arange(take.plan.num_parts) & 1)
            assert set(take.plan.roles[first].tolist()) >= set(named), track.order.seed
