"""Records of tracks: one spelling, fields that may be missing, values that are refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lstm_core.catalogue.folder import commit_track
from lstm_core.catalogue.made_with import processor, versions
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import (
    CatalogueError,
    TrackRecord,
    make_record,
)
from lstm_core.catalogue.tables import (
    TRACKS_SCHEMA,
    parquet_bytes,
    read_table,
    records_of,
    tracks_table,
)
from tests.lstm_core.catalogue.made_up_forms import made_form
from tests.lstm_core.catalogue.made_up_records import FILES, content


def test_json_round_trip_and_one_spelling() -> None:
    record = make_record(content())
    again = TrackRecord.from_json(record.to_json())
    assert again == record
    assert again.to_json() == record.to_json() == make_record(dict(reversed(content().items()))).to_json()
    text = json.loads(record.to_json())
    assert text["seed"] == 2**64 - 1
    assert text["loudness_lufs"] == -16.02, "rounded: a float32 has no more digits"
    assert text["order"]["tempo"] == [90, 120.123457]
    assert list(text) == sorted(text)


def test_fields_of_a_later_version_survive() -> None:
    data = json.loads(make_record(content()).to_json())
    data |= {"format_version": 9, "mood": {"calm": 0.5}}
    data["gates"][0]["unit"] = "LUFS"
    record = TrackRecord.from_json(json.dumps(data).encode())
    assert record.extra == {"mood": {"calm": 0.5}}
    assert record.gates[0].name == "loudness"
    assert json.loads(record.to_json())["mood"] == {"calm": 0.5}


def test_records_from_before_they_had_a_version_are_read() -> None:
    """The version of the record and that of what makes tracks stood in one field, each under its own number."""
    data = json.loads(make_record(content(format_version=2)).to_json())
    assert data.pop("record_version") == 2
    old = TrackRecord.from_json(json.dumps(data).encode())
    assert (old.record_version, old.format_version) == (1, 2)
    assert TrackRecord.from_json(old.to_json()) == old
    del data["format_version"]
    assert TrackRecord.from_json(json.dumps(data).encode()).format_version == 1


def test_a_form_stands_in_one_line_of_the_record_and_comes_back(tmp_path: Path) -> None:
    record = commit_track(str(tmp_path), make_record(content(form=made_form(num_bars=50))), FILES)
    data = (tmp_path / "tracks/a1/track.json").read_bytes()
    lines = [line for line in data.decode().splitlines() if line.startswith(' "form": ')]
    assert len(lines) == 1 and json.loads(data)["form"]["energy"][:5] == [0.0, 0.0, 0.0, 0.0, 0.14]
    assert data == record.to_json() and TrackRecord.from_json(data) == record
    assert record.form == made_form(num_bars=50)


def test_a_record_without_a_form_has_no_field_for_it() -> None:
    """Records from before read and write as they did, byte by byte."""
    data = make_record(content()).to_json()
    assert "form" not in json.loads(data) and TrackRecord.from_json(data).form is None
    assert TrackRecord.from_json(data).to_json() == data == make_record(content(form=None)).to_json()


def test_what_a_track_shares_is_kept_and_is_no_field_where_it_is_unknown() -> None:
    known = {"longest_shared_run": 11, "nearest_piece": "", "nearest_similarity": 0.0, "notes_signature": "ab"}
    with_it, without = make_record(content(**known)), make_record(content(track_id="b"))
    assert known.items() <= json.loads(with_it.to_json()).items()
    assert not known.keys() & json.loads(without.to_json()).keys()
    assert [TrackRecord.from_json(record.to_json()) for record in (with_it, without)] == [with_it, without]
    assert records_of(tracks_table([with_it, without])) == [with_it, without]


def test_layers_are_kept_and_are_no_field_where_there_are_none() -> None:
    layers = [
        {"name": "layer-1", "parts": ["bass: cello"], "loudness_lufs": -22.5, "true_peak_dbtp": -7.0},
        {"name": "layer-2", "parts": ["bass: cello", "drums: drums"], "loudness_lufs": -16.0, "true_peak_dbtp": -1.3},
    ]
    layered, plain = make_record(content(layers=layers)), make_record(content(track_id="b"))
    assert json.loads(layered.to_json())["layers"] == layers and b"layers" not in plain.to_json()
    assert TrackRecord.from_json(layered.to_json()) == layered and TrackRecord.from_json(plain.to_json()).layers is None
    table = pq.read_table(io.BytesIO(parquet_bytes(tracks_table([layered, plain]))))
    assert records_of(table) == [layered, plain] and table["layers"].to_pylist() == [layers, None]


def test_versions_are_kept_and_records_and_tables_from_before_have_none() -> None:
    new, old = make_record(content(versions=versions())), make_record(content(track_id="b"))
    assert {"libsndfile", "numpy", "pillow", "python", "torch", "zlib"} <= versions().keys()
    assert json.loads(new.to_json())["versions"] == versions() and b"versions" not in old.to_json()
    assert [TrackRecord.from_json(record.to_json()) for record in (new, old)] == [new, old]
    table = tracks_table([new, old])
    assert records_of(table) == [new, old]
    before = parquet_bytes(table.drop_columns(["versions"]))
    assert [record.versions for record in records_of(read_table(before, TRACKS_SCHEMA))] == [None, None]


def test_a_record_does_not_say_which_processor_made_it() -> None:
    """It would be another record on each, of the same track."""
    assert processor().endswith(")") and processor() not in make_record(content(versions=versions())).to_json().decode()


def test_tempos_are_kept_and_are_no_field_where_there_is_one() -> None:
    tempos = [{"bar": 0.0, "start_s": 0.0, "bpm": 120.5}, {"bar": 2.25, "start_s": 4.5, "bpm": 90.0}]
    moving, plain = make_record(content(tempos=tempos)), make_record(content(track_id="b"))
    assert json.loads(moving.to_json())["tempos"] == tempos and b"tempos" not in plain.to_json()
    assert [TrackRecord.from_json(record.to_json()) for record in (moving, plain)] == [moving, plain]
    table = tracks_table([moving, plain])
    assert records_of(table) == [moving, plain] and table["tempos"].to_pylist() == [tempos, None]
    page = render_page([plain, moving], [], title="t").decode()
    assert '"tempos":{"values":[[],[0.0,0.0,120.5,2.25,4.5,90.0]],"codes":[0,1]}' in page
    assert '"tempos":' not in render_page([plain], [], title="t").decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chords": ["Am"]}, "malformed: form: 1 chords, 2 a bar, do not fit the energy of 32 bars"),
        ({"energy": ["high"]}, r"malformed: form.energy\[0\] is 'high', it must be a number"),
        ({"sections": []}, "malformed: form: sections of 0 bars do not fit the energy of 32 bars"),
        ({"roles": {"bass": "tuba"}}, "malformed: form.roles.bass is 'tuba', it must be a list"),
    ],
)
def test_an_impossible_form_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        make_record(content(form=made_form().to_plain() | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track_id": "../../etc"}, "track_id '../../etc' must be"),
        ({"num_samples": 0}, "0 samples at 44100 Hz"),
        ({"duration_s": 59.9}, "duration_s 59.9 disagrees with 2646000 samples"),
        ({"loudness_lufs": float("-inf")}, "malformed"),
        ({"bpm": "fast"}, "malformed: bpm is 'fast', it must be a number"),
        (
            {"gates": [{"name": "a", "is_passed": 1, "value": 1.0, "bound": ""}]},
            r"gates\[0\].is_passed is 1, it must be",
        ),
        ({"seed": -1}, "seed -1 must lie"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        make_record(content(**changes))


def test_a_missing_field_is_named() -> None:
    fields = content()
    del fields["key"]
    with pytest.raises(CatalogueError, match="the record of a track is malformed: the key key is missing"):
        make_record(fields)
