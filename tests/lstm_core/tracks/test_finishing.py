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
from lstm_core.catalogue.records import GateVerdict
from lstm_core.composing.take import Take
from lstm_core.notes.score import DRUMS, Tempo, make_notes
from lstm_core.orders.admission import admit, estimated_size_bytes
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.audio import encode_pcm
from lstm_core.sound.output_formats import OUTPUT_FORMATS, OutputFormat
from lstm_core.sound.soundfont import find_soundfont, identity_of, refer_to_soundfont
from lstm_core.tracks.finishing import Finished, finish_track
from lstm_core.tracks.gates import GateResult
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.record import verdict

ORDER = TrackOrder(name="loop", duration_s=8.0, bpm=120.0, key="C", loop=True, stems=True, seed=5)


@pytest.fixture(scope="module")
def provenance() -> Provenance:
    checkpoint = {"fingerprint": "f", "name": "c"}
    return Provenance(checkpoint=checkpoint, soundfont=identity_of(refer_to_soundfont()), arithmetic="float32-cpu")


def finished(order: TrackOrder, provenance: Provenance) -> tuple[PlannedTrack, Finished]:
    """A track of chords of the piano over a bass and drums, all bars different."""
    track = replace(admit(order), track_id="a1")
    rows = [
        (tick, 20, program, pitch, 90)
        for beat, tick in enumerate(range(0, track.plan.total_ticks - 24, 24))
        for program, pitch in ((0, 60 + (0, 2, 4, 5, 7)[beat % 5]), (0, 67), (33, 36), (DRUMS, 38))
    ]
    take = Take(notes=make_notes(np.array(rows)))
    return track, finish_track(track, 0, take, provenance, find_soundfont())


def test_scores_carry_tempo_and_meter() -> None:
    plan = plan_track(replace(ORDER, meter="6/8", bpm=100.0, loop=False))
    score = Take(notes=make_notes([(0, 24, 0, 60, 60)])).score(plan)
    assert score.tempos == (Tempo(tick=0, bpm=plan.bpm),) and str(score.meters[0]) == "6/8"


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
    assert (record.format_version, record.record_version) == (2, 2)
    assert json.loads(record.to_json())["soundfont"] == {
        "name": provenance.soundfont.name, "sha256": provenance.soundfont.sha256
    }  # fmt: skip


def test_bounds_are_given_as_text() -> None:
    assert verdict(GateResult("a", True, 1.0, 0.1 + 0.2)) == GateVerdict(
        name="a", is_passed=True, value=1.0, bound="0.3"
    )
    assert verdict(GateResult("a", False, 1.0, float("inf"))).bound == ""
