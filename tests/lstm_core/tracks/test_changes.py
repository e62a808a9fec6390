"""What the files and the record of a track say of its keys and meters."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jobs.command_line.track_facts import keys_of, meters_of
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import TrackRecord
from lstm_core.catalogue.roll import draw_roll
from lstm_core.catalogue.roll_form import bar_seconds, change_names
from lstm_core.catalogue.tables import tracks_table
from lstm_core.composing.take import Take
from lstm_core.notes.midi import read_midi
from lstm_core.notes.score import DRUMS, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.sound.soundfont import find_soundfont, identity_of, refer_to_soundfont
from lstm_core.tracks.finishing import finish_track
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.track_picture import _as_analysis
from tests.lstm_core.catalogue.made_up_forms import made_form

ORDER = TrackOrder(
    duration_s=11.0,
    bpm=120.0,
    form="A:2 B:2 A:2",
    key="C",
    key_changes="B: D; A: C",
    meter_changes="B: 3/4; A: 4/4",
    loop=True,
    reverb="none",
)


@pytest.fixture(scope="module")
def provenance() -> Provenance:
    checkpoint = {"fingerprint": "f", "name": "c"}
    return Provenance(checkpoint=checkpoint, soundfont=identity_of(refer_to_soundfont()), arithmetic="float32-cpu")


def a_take() -> Take:
    """Chords on all beats over a drum."""
    rows = [
        (tick, 20, program, pitch, 90)
        for beat, tick in enumerate(range(0, 528, 24))
        for program, pitch in ((0, 60 + (0, 2, 4, 5, 7)[beat % 5]), (33, 36), (DRUMS, 38))
    ]
    return Take(notes=make_notes(np.array(rows)))


def test_a_record_and_a_score_say_keys_and_meters(provenance: Provenance) -> None:
    track = replace(admit(ORDER), track_id="a1")
    made = finish_track(track, 0, a_take(), provenance, find_soundfont())
    record = made.record
    content = json.loads(record.to_json())
    assert content["keys"] == [
        {"bar": 0, "key": "C major"},
        {"bar": 2, "key": "D major"},
        {"bar": 4, "key": "C major"},
    ]
    assert content["meters"] == [
        {"bar": 0, "start_s": 0.0, "meter": "4/4"},
        {"bar": 2, "start_s": 4.0, "meter": "3/4"},
        {"bar": 4, "start_s": 7.0, "meter": "4/4"},
    ]
    assert TrackRecord.from_json(record.to_json()).meters == record.meters
    table = tracks_table([record])
    assert table["keys"].to_pylist() == [content["keys"]] and table["meters"].to_pylist() == [content["meters"]]
    assert keys_of(record) == "C major, D major from bar 3 on, C major from bar 5 on"
    assert meters_of(record) == "4/4, 3/4 from bar 3 on, 4/4 from bar 5 on"
    page = render_page([record], [], title="t").decode()
    assert '"meters":{"values":[[0,"4/4",2,"3/4",4,"4/4"]]' in page
    assert '"tempos":{"values":[[0,0.0,120.0,2,4.0,120.0,4,7.0,120.0]]' in page
    gates = {gate.name: gate for gate in made.gates}
    assert gates["length"].is_passed and gates["silence"].is_passed and gates["seam_jump"].is_passed
    assert [meter.tick for meter in read_midi(made.files["score.mid"]).meters] == [0, 192, 336]


def test_pictures_show_bars_where_they_are() -> None:
    score, form = a_take().score(admit(ORDER).plan), made_form("A B A", 2)
    assert bar_seconds(score, 6).tolist() == pytest.approx([0.0, 2.0, 4.0, 5.5, 7.0, 9.0, 11.0])
    assert change_names(score) == {0: "C major, 4/4", 2: "D major, 3/4", 4: "C major, 4/4"}
    with_names = np.asarray(Image.open(io.BytesIO(draw_roll(score, duration_s=11.0, form=form))))
    plain = a_take().score(admit(TrackOrder(duration_s=11.0, bpm=120.0, form="A B", loop=False)).plan)
    assert change_names(plain) == {} and with_names.shape[1] == 1600
    shown = _as_analysis(score, form, np.zeros(len(score.notes), dtype=np.uint8), None)
    assert shown.barlines.tolist() == [0, 96, 192, 264, 336, 432, 528]
    assert shown.slots.tolist() == [0, 48, 96, 144, 192, 228, 264, 300, 336, 384, 432, 480, 528]
