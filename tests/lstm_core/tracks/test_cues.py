"""Stingers, fanfares and bridges from the order to audio, whatever the weights of the model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lstm_core.composing.players import NotePlayer
from lstm_core.composing.take import Take
from lstm_core.notes.score import DRUMS
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.order_file import expand_order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.audio import decode
from lstm_core.sound.soundfont import identity_of
from lstm_core.tracks.cues import cue_gates
from lstm_core.tracks.finishing import Finished, finish_track
from lstm_core.tracks.identity import Provenance
from tests.lstm_core.composing.tiny_composer import tiny_composer
from tests.lstm_core.sounds import bundled_soundfont
from tests.lstm_core.tiny import tiny_engine

LENGTHS = (0.5, 1.0, 1.7, 2.5, 5.0)
SOUND = {"length", "heard", "clipping", "loudness", "true_peak", "ending", "in_key", "harmony_in_chord", "bass_root"}


def cue(form: str, duration_s: float, **fields: object) -> PlannedTrack:
    return replace(admit(TrackOrder(form=form, duration_s=duration_s, style="game", **fields)), track_id="a1")


def finished(track: PlannedTrack, take: Take) -> Finished:
    soundfont = bundled_soundfont()
    provenance = Provenance(checkpoint={"fingerprint": "f"}, soundfont=identity_of(soundfont), arithmetic="float32-cpu")
    return finish_track(track, 0, take, provenance, soundfont)


def test_cues_of_every_length_end_on_a_held_tonic() -> None:
    tracks = [
        cue(form, length, seed=seed, key="D minor")
        for seed, (form, length) in enumerate(product(("stinger", "fanfare"), LENGTHS))
        if form == "stinger" or length > 1.5
    ]
    for take in tiny_composer().play([(track, 0) for track in tracks]):
        track = tracks[take.number]
        gates = {gate.name: gate for gate in cue_gates(track, take)}
        assert all(gate.is_passed for gate in gates.values()), (track.order, gates)
        assert ("cue_rise" in gates) == (track.order.form == "fanfare")
        start = (track.plan.final_bar or 0) * track.plan.meter.bar_ticks
        last = take.notes[(take.notes["onset"] >= start) & (take.notes["program"] != DRUMS)]
        assert set(np.unique(last["pitch"] % 12)) <= {2, 5, 9} and len(last) >= 2
        assert (last["onset"] == start).all() and (last["duration"] == track.plan.final_hold_ticks).all()


@pytest.mark.parametrize(("form", "length"), [("stinger", 0.5), ("stinger", 2.5), ("fanfare", 2.5)])
def test_the_audio_of_a_cue_passes_its_gates(form: str, length: float) -> None:
    track = cue(form, length, seed=3)
    (take,) = tiny_composer().play([(track, 0)])
    made = finished(track, take)
    gates = {gate.name: gate.is_passed for gate in made.gates}
    assert gates.keys() >= SOUND and [name for name in SOUND if not gates[name]] == []
    waveform, rate = decode(made.files["master.flac"])
    assert waveform.shape == (2, round(length * rate)) and np.abs(waveform[:, :200]).max() > 0
    assert made.record.form is not None and made.record.form.text == f"{form}{track.plan.num_bars}"
    assert made.record.order["energy"] == track.order.energy


def test_a_model_of_notes_plays_stingers_too() -> None:
    tracks = [cue("stinger", length, seed=7, key="C") for length in LENGTHS]
    player = NotePlayer(tiny_engine().checkpoint, arithmetic="float32")
    for take in player.play([(track, 0) for track in tracks]):
        gates = cue_gates(tracks[take.number], take)
        assert [gate.name for gate in gates if not gate.is_passed] == [], tracks[take.number].order.duration_s


def test_a_chord_that_is_chopped_or_of_another_key_fails_its_gate() -> None:
    track = cue("fanfare", 3.0, key="C", seed=2)
    (take,) = tiny_composer().play([(track, 0)])
    start = (track.plan.final_bar or 0) * track.plan.meter.bar_ticks
    is_last = take.notes["onset"] >= start
    for name, field, value in (("cue_chord", "duration", 1), ("cue_tonic", "pitch", 61), ("cue_rise", "velocity", 9)):
        notes = take.notes.copy()
        notes[field][is_last & (notes["program"] != DRUMS)] = value
        failed = [gate.name for gate in cue_gates(track, replace(take, notes=notes)) if not gate.is_passed]
        assert name in failed


@pytest.mark.parametrize("num_bars", [1, 4])
def test_a_bridge_dies_away_over_the_second_after_its_last_bar(num_bars: int) -> None:
    groups = [
        {"name": "a", "loop": True, "duration_s": 20.0, "bpm": 96, "key": "D minor"},
        {"name": "b", "loop": True, "duration_s": 20.0, "bpm": 120, "key": "G"},
        {"name": "way", "bridge": ["a", "b"], "bridge_bars": num_bars, "style": "game"},
    ]
    track = replace(expand_order({"group": groups}, default_name="x").planned[-1], track_id="a1")
    (take,) = tiny_composer().play([(track, 0)])
    made = finished(track, take)
    names = ("length", "loudness", "true_peak", "clipping", "ending", "asked_chords", "harmony_in_chord")
    gates = {gate.name: gate.is_passed for gate in made.gates}
    assert [name for name in names if not gates[name]] == []
    score = take.score(track.plan)
    end_s = float(score.seconds(np.array([track.plan.total_ticks]))[0])
    assert end_s == pytest.approx(track.order.duration_s - 1.0, abs=1e-6) and score.duration_s <= end_s + 1e-9
    waveform, rate = decode(made.files["master.flac"])
    assert waveform.shape[1] == track.plan.num_samples == round(track.order.duration_s * rate)
    assert made.record.form is not None and made.record.form.chords[-1] == "D7"


def test_other_tracks_have_no_gates_of_cues() -> None:
    track = admit(TrackOrder(duration_s=8.0, seed=1, style="game"))
    (take,) = tiny_composer().play([(track, 0)])
    assert cue_gates(track, take) == []
