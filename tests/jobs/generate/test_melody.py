"""From a tune to finished tracks that accompany it, with the bundled model."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.command_line.submission import _packed_order
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import run_generate
from lstm_core.catalogue.folder import list_tracks
from lstm_core.notes.midi import read_midi
from lstm_core.orders.order_file import read_order
from tests.lstm_core.orders.hums import WALTZ, played, write_recording
from tests.lstm_core.orders.tunes import TUNE, rows_of, write_tune

ROWS = """\
name,melody,instruments,key,loop,seed
inn,tune.mid,"flute, guitar, bass",,no,1
inn,tune.mid,"flute, guitar, bass",,no,2
fair,tune.mid,"violin, piano, bass",G,yes,3
"""


@pytest.mark.slow
def test_tracks_of_a_catalogue_accompany_a_tune(tmp_path: Path) -> None:
    write_tune(tmp_path / "tune.mid", rows_of(TUNE))
    (tmp_path / "order.csv").write_text(ROWS)
    result = run_generate(
        "base", read_order(tmp_path / "order.csv"), str(tmp_path / "catalogue"), GenerateRecipe(), is_here=True
    )
    assert result.failures == [] and len(result.records) == 3
    given = [(row[0], row[1], row[3]) for row in rows_of(TUNE)]
    for record, program, up in zip(result.records, (73, 73, 40), (0, 0, -5), strict=True):
        notes = read_midi((tmp_path / "catalogue" / record.folder / "score.mid").read_bytes()).notes
        own = notes[notes["program"] == program]
        assert [(int(one["onset"]), int(one["duration"]), int(one["pitch"]) - up) for one in own] == given
        assert len(set(notes["program"].tolist())) == 3
        gates = {gate.name: gate for gate in record.gates}
        assert gates["melody_kept"].value == 1.0 and gates["original"].is_passed and gates["same_as_earlier"].is_passed
        assert (
            record.order["melody"] == "tune.mid"
            and record.duration_s == (24.0 if record.loop else 25.0)
            and record.form is not None
        )
    one, other, _ = result.records
    assert one.score_fingerprint != other.score_fingerprint


@pytest.mark.slow
def test_a_track_accompanies_a_recording_and_says_so(tmp_path: Path) -> None:
    rows = rows_of(WALTZ, program=71, tonic=65, bar_quarters=3)
    recording = write_recording(tmp_path / "hum.flac", played(rows, 108.0))
    (tmp_path / "order.csv").write_text('name,melody,instruments,loop,seed\ninn,hum.flac,"clarinet, piano",yes,1\n')
    files: dict[str, bytes] = {}
    assert _packed_order(str(tmp_path / "order.csv"), files) == "order/order.csv"
    assert files["order/hum.flac"] == recording.read_bytes()
    order, catalogue = read_order(tmp_path / "order.csv"), str(tmp_path / "catalogue")
    (record,) = run_generate("base", order, catalogue, GenerateRecipe(), is_here=True).records
    assert record.recording is not None and record.recording.file == "hum.flac" == record.order["melody"]
    assert record.recording.num_notes == 28 and record.recording.confidence > 0.8
    assert [one.recording for one in list_tracks(catalogue, verify=True)] == [record.recording]
    notes = read_midi((tmp_path / "catalogue" / record.folder / "score.mid").read_bytes()).notes
    own = notes[notes["program"] == 71]
    assert [(int(one["onset"]), int(one["pitch"])) for one in own] == [(row[0], row[3]) for row in rows]
    assert (record.bpm, record.meter, record.key) == (108.0, "3/4", "F major")
