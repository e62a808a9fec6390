"""A loop after an intro, from the order to the files and the record of its track."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from lstm_core.catalogue.folder import commit_track, list_tracks, write_catalog
from lstm_core.catalogue.tables import records_of
from lstm_core.notes.score import Score, Tempo, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.audio import decode
from lstm_core.sound.loops.points import LoopPoints
from lstm_core.sound.soundfont import identity_of
from lstm_core.tracks.finishing import Finished, finish_track, loop_points_of
from lstm_core.tracks.identity import Provenance
from tests.lstm_core.composing.tiny_composer import tiny_composer
from tests.lstm_core.sounds import bundled_soundfont

ROW = {"name": "x", "duration_s": "12", "bpm": "120", "loop": "true", "loop_start": "2", "style": "game", "seed": "4"}
LOOP_POINTS = (4 * 44100, 12 * 44100)


def made(order: TrackOrder) -> tuple[PlannedTrack, Finished]:
    soundfont = bundled_soundfont()
    provenance = Provenance(
        checkpoint={"fingerprint": "f", "name": "tiny"}, soundfont=identity_of(soundfont), arithmetic="float32-cpu"
    )
    track = replace(admit(order), track_id="a1")
    (take,) = tiny_composer().play([(track, 0)])
    return track, finish_track(track, 0, take, provenance, soundfont)


def test_from_a_row_to_the_record(tmp_path: Path) -> None:
    track, finished = made(order_from_fields(ROW | {"stems": "true"}))
    sound = ("length", "loudness", "true_peak", "clipping", "seam_jump", "seam_drop", "entry_jump")
    gates = {gate.name: gate for gate in finished.gates}
    assert [name for name in sound if not gates[name].is_passed] == []
    record = commit_track(str(tmp_path), finished.record, finished.files)
    assert record.loop_start_bar == 2 and (record.loop_start_sample, record.loop_end_sample) == LOOP_POINTS
    assert record.num_samples == 12 * 44100 and record.order["loop_start"] == 2
    assert record.form is not None and record.form.text.startswith("intro2 ")
    assert list_tracks(str(tmp_path), verify=True) == [record]
    write_catalog(str(tmp_path), [record])
    (row,) = records_of(pq.read_table(tmp_path / "catalog" / "tracks.parquet"))
    assert (row.loop_start_bar, row.loop_start_sample, row.loop_end_sample) == (2, *LOOP_POINTS)
    assert '"loop_start_s":[4.0]' in (tmp_path / "index.html").read_text()
    stems = [decode(data)[0] for name, data in finished.files.items() if name.startswith("stems/")]
    master = decode(finished.files["master.flac"])[0]
    assert len(stems) > 1 and np.abs(sum(stems) - master).max() < 1e-3
    for data in (data for name, data in finished.files.items() if name.endswith(".flac")):
        with av.open(io.BytesIO(data)) as file:
            assert (file.metadata["LOOPSTART"], file.metadata["LOOPLENGTH"]) == ("176400", "352800")
    assert track.plan.num_bars == 6


def test_a_loop_without_an_intro_says_nothing_of_one() -> None:
    _, finished = made(order_from_fields(ROW | {"loop_start": "0", "duration_s": "4"}))
    assert b"loop_start" not in finished.record.to_json() and b"loop_end" not in finished.record.to_json()
    assert "entry_jump" not in [gate.name for gate in finished.gates]
    assert b"LOOPSTART" not in finished.files["master.flac"]


@pytest.mark.parametrize(("bpm", "start"), [((120.0,), 4 * 44100), ((120.0, 60.0), 6 * 44100)])
def test_the_loop_begins_where_the_tempo_puts_its_bar(bpm: tuple[float, ...], start: int) -> None:
    track = admit(order_from_fields(ROW))
    tempos = tuple(Tempo(tick=96 * bar, bpm=value) for bar, value in enumerate(bpm))
    score = Score(notes=make_notes([(0, 24, 0, 60, 80)]), tempos=tempos)
    assert loop_points_of(track, score) == LoopPoints(start=start, end=12 * 44100)
