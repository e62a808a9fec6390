"""From events to the files and the record of a track."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lstm_core.catalogue.folder import commit_track, list_tracks
from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.records import GateVerdict
from lstm_core.catalogue.roll import draw_roll
from lstm_core.composing.take import Take
from lstm_core.notes.midi import read_midi
from lstm_core.notes.score import DRUMS, Tempo, make_notes
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.orders.planned import PlannedTrack
from lstm_core.originality.index import build_index
from lstm_core.sound.audio import encode_pcm
from lstm_core.sound.output_formats import OUTPUT_FORMATS, OutputFormat
from lstm_core.sound.soundfont import find_soundfont, identity_of, refer_to_soundfont
from lstm_core.tracks import finishing
from lstm_core.tracks.finishing import Finished, finish_track
from lstm_core.tracks.gates import GateResult
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import NOTHING_KNOWN, EarlierTracks, Originals
from lstm_core.tracks.record import verdict
from tests.lstm_core.catalogue.made_up_forms import made_form
from tests.lstm_core.originality.melodies import random_melody, score_of

ORDER = TrackOrder(name="loop", duration_s=8.0, bpm=120.0, key="C", loop=True, stems=True, seed=5)


@pytest.fixture(scope="module")
def provenance() -> Provenance:
    checkpoint = {"fingerprint": "f", "name": "c"}
    return Provenance(checkpoint=checkpoint, soundfont=identity_of(refer_to_soundfont()), arithmetic="float32-cpu")


def finished(
    order: TrackOrder,
    provenance: Provenance,
    form: TrackForm | None = None,
    originals: Originals = NOTHING_KNOWN,
) -> tuple[PlannedTrack, Finished]:
    """A track of chords of the piano over a bass and drums, all bars different."""
    track = replace(admit(order), track_id="a1")
    rows = [
        (tick, 20, program, pitch, 90)
        for beat, tick in enumerate(range(0, track.plan.total_ticks - 24, 24))
        for program, pitch in ((0, 60 + (0, 2, 4, 5, 7)[beat % 5]), (0, 67), (33, 36), (DRUMS, 38))
    ]
    take = Take(notes=make_notes(np.array(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "form_of_take", lambda *given: form)
        return track, finish_track(track, 0, take, provenance, find_soundfont(), originals=originals)


def test_scores_carry_tempo_and_meter() -> None:
    plan = plan_track(replace(ORDER, meter="6/8", bpm=100.0, loop=False))
    score = Take(notes=make_notes([(0, 24, 0, 60, 60)])).score(plan)
    assert score.tempos == (Tempo(tick=0, bpm=plan.bpm),) and str(score.meters[0]) == "6/8"


def test_a_track_on_hits_says_its_tempos_and_keeps_its_length(provenance: Provenance) -> None:
    """Of 8 s the first 3.95 are two bars at 121.5 bpm, and the rest two at 118.5."""
    track, made = finished(replace(ORDER, hits="3.95", stems=False), provenance, made_form("A B", 2))
    gates = {gate.name: gate for gate in made.gates}
    assert gates["length"].is_passed and gates["hits"].is_passed and gates["seam_jump"].is_passed
    record = made.record
    assert record.bpm == 120.0 and record.tempos is not None and track.plan.hit_bars == (2,)
    assert [(tempo.bar, tempo.start_s) for tempo in record.tempos] == [(0.0, 0.0), (2.0, pytest.approx(3.95))]
    assert [tempo.bpm for tempo in record.tempos] == pytest.approx([480 / 3.95, 480 / 4.05])
    read = read_midi(made.files["score.mid"])
    assert read.seconds(np.array([192, 384])) == pytest.approx([3.95, 8.0], abs=1e-4)
    _, steady = finished(replace(ORDER, stems=False), provenance)
    assert steady.record.tempos is None and b"tempos" not in steady.record.to_json()


def test_a_format_is_one_row_and_its_tracks_pass_all_gates(
    provenance: Provenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Formats used to stand in four tables."""
    aiff = OutputFormat(
        bit_depths=(16, 24), encode=partial(encode_pcm, container="AIFF"), suffix=".aif", mime="audio/aiff"
    )
    monkeypatch.setitem(OUTPUT_FORMATS, "aiff", aiff)
    order = replace(ORDER, format="aiff", bit_depth=24)
    track, made = finished(order, provenance)
    assert [gate.name for gate in made.gates if not gate.is_passed] == []
    assert {"decodes", "length", "sample_rate", "loudness", "true_peak", "seam_jump"} <= {g.name for g in made.gates}
    assert set(made.files) == {
        "master.aif", "stems/piano.aif", "stems/bass.aif", "stems/drums.aif", "score.mid", "roll.png"
    }  # fmt: skip
    with soundfile.SoundFile(io.BytesIO(made.files["master.aif"])) as file:
        assert (file.format, file.subtype, file.frames) == ("AIFF", "PCM_24", track.plan.num_samples)
    record = commit_track(str(tmp_path), made.record, made.files)
    assert list_tracks(str(tmp_path), verify=True) == [record] and record.format == "aiff"
    assert estimated_size_bytes(order) == 3 * 8 * 44100 * 6 + 100_000


def test_a_record_holds_what_was_requested_planned_and_measured(provenance: Provenance) -> None:
    _, made = finished(replace(ORDER, primer="", key=""), provenance)
    record = made.record
    assert (record.track_id, record.name, record.bpm, record.num_bars) == ("a1", "loop", 120.0, 4)
    assert record.order["seed"] == 5 and record.order["primer"] == "" and record.num_samples == 8 * 44100
    assert record.instruments == ("acoustic grand piano", "drums", "fingered bass")
    assert abs(record.loudness_lufs + 16.0) < 0.2 and record.files == ()
    assert (record.format_version, record.record_version) == (4, 2)
    assert json.loads(record.to_json())["soundfont"] == {
        "name": provenance.soundfont.name, "sha256": provenance.soundfont.sha256
    }  # fmt: skip


def test_a_form_reaches_record_and_picture(provenance: Provenance) -> None:
    form = made_form("A B", 2)
    order = replace(ORDER, stems=False, duration_s=4.0)
    _, made = finished(order, provenance, form)
    _, plain = finished(order, provenance)
    assert made.record.form == form and plain.record.form is None
    score = read_midi(made.files["score.mid"])
    assert made.files["roll.png"] == draw_roll(score, duration_s=4.0, form=form) != plain.files["roll.png"]
    assert replace(made.record, form=None) == plain.record, "nothing else depends on it"


def test_a_copy_of_a_training_piece_is_held_back_and_its_record_says_of_which(provenance: Provenance) -> None:
    order = replace(ORDER, stems=False, duration_s=4.0)
    _, plain = finished(order, provenance)
    assert plain.is_passed and plain.record.longest_shared_run is plain.record.nearest_piece is None
    tune = score_of(*random_melody(1, 60))
    index = build_index([("tune", tune), ("other", score_of(*random_melody(2, 60)))])
    originals = Originals(runs=(index,), earlier=EarlierTracks([plain.record]))
    _, again = finished(order, provenance, originals=originals)
    assert [gate.name for gate in again.gates if not gate.is_passed] == ["same_as_earlier"]
    assert (again.record.longest_shared_run, again.record.nearest_similarity) == (0, 0.0)
    assert again.files == plain.files
    track = replace(admit(replace(order, duration_s=12.0)), track_id="a1")
    take = Take(notes=tune.notes[tune.notes["onset"] < 24 * 20])
    copy = finish_track(track, 0, take, provenance, find_soundfont(), originals=originals)
    assert "original" in [gate.name for gate in copy.gates if not gate.is_passed]
    assert copy.record.nearest_piece == "tune" and copy.record.nearest_similarity == 1.0
    assert copy.record.longest_shared_run == len(take.notes)


def test_bounds_are_given_as_text() -> None:
    assert verdict(GateResult("a", True, 1.0, 0.1 + 0.2)) == GateVerdict(
        name="a", is_passed=True, value=1.0, bound="0.3"
    )
    assert verdict(GateResult("a", False, 1.0, float("inf"))).bound == ""
