"""Layers of a track, from the take to files, gates and the record."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_core.catalogue.folder import commit_track, list_tracks
from lstm_core.composing.take import Take
from lstm_core.notes.score import DRUMS, make_notes
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.audio import decode, encode_pcm
from lstm_core.sound.soundfont import identity_of
from lstm_core.tracks.finishing import Finished, finish_track, master_settings
from lstm_core.tracks.gates import GateResult
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.layer_audio import layer_audio_gates
from lstm_core.tracks.layers import Layering, layer_gates, layering_of
from tests.lstm_core.catalogue.made_up_forms import made_plan
from tests.lstm_core.composing.tiny_composer import tiny_composer
from tests.lstm_core.sounds import bundled_soundfont, six_parts

ORDER = TrackOrder(duration_s=8.0, bpm=120.0, key="C", loop=True, layers=3, seed=5)  # four bars
PARTS = {40: ("melody", 0), 33: ("bass", 1), DRUMS: ("drums", 2), 48: ("harmony", 3), 24: ("figure", 4)}


def take_of(*rows: tuple[int, int, int]) -> Take:
    """A take of a plan with the parts of PARTS; rows are bar, program, number of notes in it."""
    notes = [
        (96 * bar + 96 // count * n, 6, program, 60 + n, 80, PARTS[program][1])
        for bar, program, count in rows
        for n in range(count)
    ]
    made = make_notes([note[:5] for note in notes])
    made["part"] = [PARTS[int(program)][1] for program in made["program"]]
    return Take(notes=made, plan=made_plan("A", 4, programs=np.array(list(PARTS)), roles=np.array([0, 4, 5, 2, 3])))


def everywhere(**counts: int) -> Take:
    """A take whose named parts play so many notes in each bar."""
    programs = {name: program for program, (name, _) in PARTS.items()}
    return take_of(*[(bar, programs[name], count) for bar in range(4) for name, count in counts.items()])


def verdicts(gates: list[GateResult]) -> dict[str, bool]:
    return {gate.name: gate.is_passed for gate in gates if gate.name.startswith("layers")}


def finished(take: Take | None = None, **changes: Any) -> tuple[PlannedTrack, Finished]:
    """A track of a take, by default of six parts without a plan."""
    track = replace(admit(replace(ORDER, **changes)), track_id="a1")
    soundfont = bundled_soundfont()
    provenance = Provenance(checkpoint={"fingerprint": "f"}, soundfont=identity_of(soundfont), arithmetic="float32-cpu")
    return track, finish_track(track, 0, take or Take(notes=six_parts(4).notes), provenance, soundfont)


def test_parts_come_in_from_what_fills_to_what_leads() -> None:
    take = everywhere(melody=4, bass=2, drums=6, harmony=1, figure=4)
    found = layering_of(take, admit(ORDER).plan, 5)
    assert [[name.split(":")[0] for name in names] for names in found.parts] == [
        ["harmony"], ["bass"], ["figure"], ["drums"], ["melody"]
    ]  # fmt: skip
    three = layering_of(take, admit(ORDER).plan, 3)
    assert three.parts[0] == ("harmony: string ensemble 1", "bass: fingered bass", "figure: nylon guitar")
    assert three.parts[1:] == (("drums: drums",), ("melody: violin",)), "about equally many notes each"
    assert [len(three.notes_of(take.notes, number)) for number in range(3)] == [28, 52, 68]


def test_what_hardly_plays_is_no_layer_of_its_own() -> None:
    """A pad of one bar of four is taken together with the bass, drums of one note with the tune."""
    take = take_of(
        (0, 48, 3), (1, 24, 4), (2, 24, 4), (3, 24, 4), *((bar, 33, 4) for bar in range(4)),
        *((bar, 40, 5) for bar in range(4)),
    )  # fmt: skip
    found = layering_of(take, admit(ORDER).plan, 3)
    assert [len(names) for names in found.parts] == [2, 1, 1]
    assert verdicts(layer_gates(take, admit(ORDER).plan, found, 3)) == {
        "layers": True, "layers_sound": True, "layers_add": True
    }  # fmt: skip


def test_every_fault_of_layers_fails_its_gate() -> None:
    plan = admit(ORDER).plan
    few = everywhere(bass=2, melody=4)
    found = layering_of(few, plan, 3)
    assert found.parts == () and [gate.value for gate in layer_gates(few, plan, found, 3)] == [2.0]
    assert verdicts(layer_gates(few, plan, found, 3)) == {"layers": False}
    seldom = take_of((0, 33, 2), (0, 48, 2), *((bar, 40, 4) for bar in range(4)))
    gates = verdicts(layer_gates(seldom, plan, layering_of(seldom, plan, 2), 2))
    assert not gates["layers_sound"] and gates["layers_add"]
    take = everywhere(bass=2, melody=4)
    silent = Layering(num_parts=3, parts=(("a",), ("b",), ("c",)), layer=np.where(take.notes["program"] == 33, 0, 2))
    assert not verdicts(layer_gates(take, plan, silent, 3))["layers_add"]


def test_all_drums_are_one_part() -> None:
    take = everywhere(bass=2, drums=4, melody=3)
    take.notes["part"][take.notes["program"] == DRUMS] = np.arange(16) % 2 + 2
    assert layering_of(take, admit(ORDER).plan, 3).num_parts == 3


def test_a_track_has_a_file_of_each_layer(tmp_path: Path) -> None:
    track, made = finished()
    assert [gate.name for gate in made.gates if not gate.is_passed and gate.name.startswith("layers")] == []
    names = ["layer-1.flac", "layer-2.flac", "layer-3.flac"]
    assert [name for name in made.files if name.startswith("layer")] == names
    assert made.files["layer-3.flac"] == made.files["master.flac"]
    waveforms = [decode(made.files[name])[0] for name in names]
    assert {waveform.shape for waveform in waveforms} == {(2, track.plan.num_samples)}
    record = commit_track(str(tmp_path), made.record, made.files)
    assert list_tracks(str(tmp_path), verify=True) == [record] and record.layers is not None
    assert [layer.name for layer in record.layers] == ["layer-1", "layer-2", "layer-3"]
    assert all(softer.parts == louder.parts[: len(softer.parts)] for softer, louder in pairwise(record.layers))
    assert len(record.layers[-1].parts) == 6
    loudness = [layer.loudness_lufs for layer in record.layers]
    assert loudness == sorted(loudness) and loudness[-1] == record.loudness_lufs
    assert estimated_size_bytes(track.order) > 2 * estimated_size_bytes(replace(track.order, layers=0))


def test_without_layers_nothing_of_them_is_there() -> None:
    _, plain = finished(layers=0)
    assert plain.record.layers is None and not any("layer" in name for name in plain.files)
    assert not any(gate.name.startswith("layers") for gate in plain.gates)
    assert b"layers" not in plain.record.to_json()


def test_a_take_with_too_few_parts_is_held_back_and_has_no_layers() -> None:
    notes = six_parts(4).notes
    _, made = finished(Take(notes=notes[np.isin(notes["program"], (33, 0))]))
    assert [gate.name for gate in made.gates if not gate.is_passed] == ["layers"]
    assert made.record.layers is None and "layer-1.flac" not in made.files


def altered(data: bytes, change: Any) -> bytes:
    waveform = decode(data)[0]
    return encode_pcm(change(waveform), 44100, 16, container="FLAC")


@pytest.mark.parametrize(
    ("number", "change", "name"),
    [
        (0, lambda waveform: waveform[:, :-1], "layers_length"),
        (2, lambda waveform: waveform * np.float32(0.9), "layers_full"),
        (0, lambda waveform: waveform * np.float32(0), "layers_heard"),
        (1, lambda waveform: np.clip(waveform * 4, -1, 1), "layers_peak"),
        (0, lambda waveform: np.where(np.arange(352800) < 20, np.float32(0.5), waveform), "layers_seam_jump"),
    ],
)
def test_every_fault_of_their_audio_fails_its_gate(number: int, change: Any, name: str) -> None:
    track, made = finished()
    files = [made.files[f"layer-{n + 1}.flac"] for n in range(3)]
    files[number] = altered(files[number], change)
    score = Take(notes=six_parts(4).notes).score(track.plan)
    gates = layer_audio_gates(
        files,
        made.files["master.flac"],
        score=score,
        layering=layering_of(Take(notes=score.notes), track.plan, 3),
        num_samples=track.plan.num_samples,
        loop=True,
        settings=master_settings(track.order),
    )
    assert not verdicts(gates)[name]


def test_layers_of_a_loop_after_an_intro_and_of_a_track_that_ends() -> None:
    _, made = finished(loop_start=1)
    assert all(verdicts(made.gates).values()) and "layers_entry_jump" in verdicts(made.gates)
    assert b"LOOPSTART" in made.files["layer-1.flac"]
    _, ending = finished(loop=False, duration_s=9.5)
    assert all(verdicts(ending.gates).values()) and "layers_ending" in verdicts(ending.gates)


def test_a_composer_is_asked_for_parts_enough() -> None:
    """Parts that hardly play are no layers: it plans some more than there are to be layers."""
    tracks = [admit(replace(ORDER, layers=number, style="game", seed=seed)) for number in (3, 5) for seed in range(3)]
    for take in tiny_composer().play([(track, 0) for track in tracks]):
        assert take.plan is not None and take.plan.num_parts >= tracks[take.number].order.layers + 3
