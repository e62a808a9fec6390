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
    TrackRecord,
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
from tests.lstm_core.catalogue.made_up_records import FILES, content, failure


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
