"""What is committed is found again as it was, what is not is not, and equal catalogues are equal bytes."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lstm_core.catalogue.folder import commit_track, list_tracks, write_catalog
from lstm_core.catalogue.form import placed_sections
from lstm_core.catalogue.page import render_page
from lstm_core.catalogue.records import (
    OPTIONAL,
    CatalogueError,
    GateVerdict,
    TrackFailure,
    TrackRecord,
    make_failure,
    make_record,
)
from lstm_core.catalogue.tables import (
    FAILURES_SCHEMA,
    TRACKS_SCHEMA,
    parquet_bytes,
    read_table,
    records_of,
    tracks_table,
)
from lstm_core.foundation.errors import StorageError
from tests.lstm_core.catalogue.made_up_forms import made_form

FILES = {"master.flac": b"fLaC" * 100, "score.mid": b"MThd", "roll.png": b"\x89PNG", "stems/bass.flac": b"fLaC"}


def content(**changes: Any) -> dict[str, Any]:
    """Fields of a record, as numpy and Python hand them over."""
    return {
        "track_id": "a1",
        "name": "Cinder 003",
        "style": "reel",
        "duration_s": 60.0,
        "num_samples": np.int64(2_646_000),
        "sample_rate": 44100,
        "bit_depth": 16,
        "format": "flac",
        "loudness_lufs": np.float32(-16.02),
        "true_peak_dbtp": -1.25,
        "loop": np.bool_(True),
        "bpm": 120,
        "key": "D minor",
        "meter": "3/4",
        "num_bars": 30,
        "instruments": ["bass", "strings"],
        "seed": np.uint64(2**64 - 1),
        "attempt": 1,
        "gates": [
            {"name": "loudness", "is_passed": True, "value": -16.02, "bound": "-16 +- 0.2"},
            GateVerdict(name="not_silent", is_passed=True, value=None, bound="sound"),
        ],
        "order": {"style": "reel", "tempo": (90, 120.123456789)},
        "checkpoint": {"fingerprint": "f1", "name": "base", "corpus_fingerprint": "c1", "licences": ["CC0-1.0"]},
        "soundfont": {"name": "TimGM6mb", "sha256": "ab"},
        "arithmetic": "bf16",
        "score_fingerprint": "s1",
        **changes,
    }


def failure(**changes: Any) -> TrackFailure:
    fields = {"track_id": "z9", "name": "Onyx", "style": "jig", "reason": "silent", "num_attempts": 3, "seed": 7}
    return make_failure({**fields, "order": {"a": 1}, "gates": content()["gates"], **changes})


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_commit_writes_every_file_and_tells_its_sha256(tmp_path: Path) -> None:
    record = commit_track(str(tmp_path), make_record(content()), FILES)
    stored = snapshot(tmp_path / "tracks" / "a1")
    assert stored == {**FILES, "track.json": record.to_json()}
    assert {file.name: (file.sha256, file.size_bytes) for file in record.files} == {
        name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in FILES.items()
    }
    assert list_tracks(str(tmp_path), verify=True) == [record]


def test_committing_again_writes_nothing_new(tmp_path: Path) -> None:
    commit_track(str(tmp_path), make_record(content()), FILES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    commit_track(str(tmp_path), make_record(content()), FILES)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_committing_repairs_a_track_that_lost_a_file(tmp_path: Path) -> None:
    commit_track(str(tmp_path), make_record(content()), FILES)
    (tmp_path / "tracks/a1/score.mid").unlink()
    assert list_tracks(str(tmp_path)) == []
    record = commit_track(str(tmp_path), make_record(content()), FILES)
    assert list_tracks(str(tmp_path), verify=True) == [record]


def test_a_write_that_fails_leaves_no_track(tmp_path: Path) -> None:
    """The record comes last, and an older one is withdrawn before its files are replaced."""
    commit_track(str(tmp_path), make_record(content()), FILES)
    (tmp_path / "tracks/a1/stems/bass.flac").unlink()
    (tmp_path / "tracks/a1/stems/bass.flac").mkdir()  # nothing can be written to this name
    with pytest.raises(StorageError, match=r"bass\.flac"):
        commit_track(str(tmp_path), make_record(content()), {**FILES, "master.flac": b"another"})
    assert list_tracks(str(tmp_path)) == []
    assert not (tmp_path / "tracks/a1/track.json").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "track.json", ".hidden", "a//b", "stems/../../x", ""])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError, match="cannot be the name of a file"):
        commit_track(str(tmp_path), make_record(content()), {name: b""})
    assert list(tmp_path.iterdir()) == []


def test_only_whole_tracks_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for track_id in ("good", "cut", "altered", "garbled", "unfinished", "moved"):
        commit_track(str(tmp_path), make_record(content(track_id=track_id)), FILES)
    tracks = tmp_path / "tracks"
    (tracks / "cut/master.flac").write_bytes(b"fLaC")
    (tracks / "altered/master.flac").write_bytes(b"FLAC" * 100)
    (tracks / "garbled/track.json").write_bytes(b'{"track_id": "garb')
    (tracks / "unfinished/track.json").unlink()
    (tracks / "moved").rename(tracks / "elsewhere")
    assert [record.track_id for record in list_tracks(str(tmp_path))] == ["altered", "good"]
    assert [record.track_id for record in list_tracks(str(tmp_path), verify=True)] == ["good"]
    for reason in ("master.flac has 4 bytes, 400 bytes were committed", "not JSON", "that of moved", "was altered"):
        assert reason in caplog.text
    assert list_tracks(str(tmp_path / "nowhere")) == []


def test_tables_hold_the_records_and_equal_bytes_in_any_order(tmp_path: Path) -> None:
    records = [
        commit_track(str(tmp_path), make_record(content(track_id=track_id, name=name)), FILES)
        for track_id, name in (("b", "Same"), ("a", "Same"), ("c", "Amber"))
    ]
    failures = [failure(name="b"), failure(name="a")]
    uri = write_catalog(str(tmp_path), records, failures, title="Order")
    first = snapshot(tmp_path)
    assert uri.endswith("index.html")
    write_catalog(str(tmp_path), list(reversed(records)), list(reversed(failures)), title="Order")
    assert snapshot(tmp_path) == first
    table = pq.read_table(tmp_path / "catalog/tracks.parquet")
    assert table.schema.equals(TRACKS_SCHEMA)
    assert table["track_id"].to_pylist() == ["c", "a", "b"]
    row = table.to_pylist()[0]
    assert row["gates"][1] == {"name": "not_silent", "is_passed": True, "value": None, "bound": "sound"}
    assert row["seed"] == 2**64 - 1
    assert json.loads(row["order"]) == {"style": "reel", "tempo": [90, 120.123457]}
    assert row["checkpoint"]["licences"] == ["CC0-1.0"]
    assert {file["name"] for file in row["files"]} == set(FILES)
    failed = pq.read_table(tmp_path / "catalog/failures.parquet")
    assert failed.schema.equals(FAILURES_SCHEMA)
    assert failed["name"].to_pylist() == ["a", "b"]


def test_tables_tell_the_form_in_words_and_hold_all_of_it() -> None:
    records = [make_record(content(form=made_form())), make_record(content(track_id="b"))]
    table = tracks_table(records)
    told = table.select(["form", "energy", "chords", "parts"]).to_pylist()
    assert told[0] == {
        "form": "A8 A'8 B8 A8",
        "energy": 0.21,
        "chords": "Am | F/A | C G | Am E7 | Am | F/A | C G | Am E7",
        "parts": 5,
    }
    assert set(told[1].values()) == {None}
    assert [record.form for record in records_of(table)] == [made_form(), None]


def test_tables_from_before_are_read() -> None:
    """A run that adds a track to an older catalogue takes the other rows from its tables."""
    records = [make_record(content())]
    names = ["energy", "chords", "parts", "form_json", *OPTIONAL]
    old = tracks_table(records).drop_columns(names)
    again = read_table(parquet_bytes(old), TRACKS_SCHEMA)
    assert again.schema.equals(TRACKS_SCHEMA) and records_of(again) == records


def test_an_empty_catalogue_has_tables_and_a_page(tmp_path: Path) -> None:
    write_catalog(str(tmp_path), list_tracks(str(tmp_path)))
    assert pq.read_table(tmp_path / "catalog/tracks.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "catalog/failures.parquet").schema.equals(FAILURES_SCHEMA)
    assert (tmp_path / "index.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("licences", ["CC0", ["CC0"], {"a.mid": "CC0", "b.mid": "MIT"}, [], None])
def test_licences_in_any_shape_make_a_table(licences: Any) -> None:
    record = make_record(content(checkpoint={"name": "base", "licences": licences}))
    table = pq.read_table(io.BytesIO(parquet_bytes(tracks_table([record]))))
    assert isinstance(table.to_pylist()[0]["checkpoint"]["licences"], list)


def test_no_text_of_a_record_becomes_markup() -> None:
    hostile = "</script><script>alert(1)</script><!--\u2028 {{script}}"
    form = replace(made_form("A", 1), sections=placed_sections([hostile], [1]), chords=(hostile, hostile))
    texts = {"name": hostile, "style": hostile, "key": hostile, "instruments": [hostile], "order": {"x": hostile}}
    records = [make_record(content(**texts, form=form))]
    failures = [failure(name=hostile, reason=hostile)]
    page = render_page(records, failures, title=hostile).decode()
    clean = render_page([make_record(content())], [failure()], title="x").decode()
    assert page.lower().count("<script") == clean.lower().count("<script") == 2
    assert page.lower().count("</script") == 2
    assert "alert(1)</script>" not in page
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["plain"]["name"] == [hostile]
    assert json.loads(data)["coded"]["form"]["values"] == [[hostile, 1]]
    assert json.loads(data)["failures"][0]["reason"] == hostile
    assert data.isascii()


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    page = render_page([make_record(content())], [], title="x").decode()
    addresses = [part.split('"')[0] for part in page.split("://")[1:]]
    assert [address for address in addresses if not address.startswith("www.w3.org/2000/svg")] == []
    assert "default-src 'none'" in page


def test_the_page_codes_repeated_values_once() -> None:
    """The page of many tracks stays small: under 160 bytes for each one more that resembles the others."""
    records = [make_record(content(track_id=f"t{i:05d}", name=f"track {i:05d}")) for i in range(300)]
    sizes = [len(render_page(records[:n], [], title="x")) for n in (100, 300)]
    assert (sizes[1] - sizes[0]) / 200 < 160


def page_data(records: list[TrackRecord]) -> dict[str, Any]:
    page = render_page(records, [], title="x").decode()
    return dict(json.loads(page.split('id="data">')[1].split("</script>")[0]))


def test_the_page_packs_forms() -> None:
    """Chords that go round stand once, and so do those of a section that comes again."""
    records = [make_record(content(track_id=f"t{i}", form=made_form() if i else None)) for i in range(3)]
    data = page_data(records)
    assert data["plain"]["energy"] == [None, 0.21, 0.21]
    assert data["coded"]["form"] == {"values": [[], ["A", 8, "A'", 8, "B", 8, "A", 8]], "codes": [0, 1, 1]}
    assert data["coded"]["chords"] == {
        "values": ["", "Am F/A C,G Am,E7;0;F/A Dm7,G C Bm7b5,E7;0"],
        "codes": [0, 1, 1],
    }
    assert not {"form", "chords"} & page_data(records[:1])["coded"].keys(), "a catalogue without forms stays as it was"


def test_forms_keep_the_page_small() -> None:
    """Chords of 32 bars, of other music in each track, take under 100 bytes."""
    rng = np.random.default_rng(0)
    names = [f"{root}{suffix}" for root in "CDEFGAB" for suffix in ("", "m", "7")]
    forms = []
    for _ in range(300):
        turns = rng.choice(names, (2, 8)).tolist()  # of four bars, in halves
        chords = tuple(name for letter in (0, 0, 1, 0) for name in 2 * turns[letter])
        forms.append(replace(made_form(), chords=chords))
    records = [make_record(content(track_id=f"t{i:05d}", name=f"track {i:05d}")) for i in range(300)]
    formed = [replace(record, form=form) for record, form in zip(records, forms, strict=True)]
    sizes = [[len(render_page(part[:n], [], title="x")) for n in (100, 300)] for part in (records, formed)]
    assert (sizes[1][1] - sizes[1][0]) / 200 < (sizes[0][1] - sizes[0][0]) / 200 + 100


def test_text_that_is_no_unicode_is_stored_as_text(tmp_path: Path) -> None:
    """A name from a file of unknown encoding may hold lone surrogates, which neither UTF-8 nor Parquet can hold."""
    record = commit_track(str(tmp_path), make_record(content(name="caf\udce9 noir")), {"score.mid": b"MThd"})
    write_catalog(str(tmp_path), [record])
    assert list_tracks(str(tmp_path)) == [record]
    assert pq.read_table(tmp_path / "catalog/tracks.parquet")["name"].to_pylist() == ["caf? noir"]
