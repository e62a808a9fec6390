"""Catalogues whose tables are believed where they still match what is stored, and not where they do not."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lstm_core import storage
from lstm_core.catalogue.folder import commit_track, list_tracks, withdraw_track, write_catalog
from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.known import KnownTracks
from lstm_core.catalogue.records import TrackRecord, make_record
from tests.lstm_core.catalogue.made_up_forms import made_form
from tests.lstm_core.catalogue.made_up_records import content

FILES = {"master.flac": b"fLaC" * 10}
MADE_OF = {"MIT": 5, "CC0-1.0": 7}  # pieces by licence, as a checkpoint tells them


def add(catalogue: str, track_id: str, form: TrackForm | None = None) -> TrackRecord:
    checkpoint = {"fingerprint": "f1", "name": "base", "corpus_fingerprint": "c1", "licences": MADE_OF, "recipe": {}}
    record = make_record(content(track_id=track_id, checkpoint=checkpoint, form=form))
    return commit_track(catalogue, record, FILES)


def run(catalogue: str) -> list[TrackRecord]:
    """What a run does that makes nothing: its records are those of the table that it has written."""
    known = KnownTracks(catalogue)
    known.refresh()
    records = known.refresh()
    write_catalog(catalogue, records, stamps=known.stamps)
    return records


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each name was read, and "listing"."""
    counted: Counter[str] = Counter()
    read, pages = storage.read_bytes, storage.list_pages

    def counting_read(uri: str, **options: str) -> bytes:
        counted[storage.name_of(uri)] += 1
        return read(uri, **options)

    def counting_pages(*given: object, **options: object) -> object:
        counted["listing"] += 1
        return pages(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "read_bytes", counting_read)
    monkeypatch.setattr(storage, "list_pages", counting_pages)
    return counted


@pytest.fixture(params=["folder", "s3"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Three tracks and their tables."""
    uri = str(tmp_path / "catalogue") if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/cat"
    for track_id in "abc":
        add(uri, track_id)
    run(uri)
    return uri


def test_one_more_track_costs_two_listings_and_one_read(tmp_path: Path, reads: Counter[str]) -> None:
    """Every run used to read every record twice, and once more a round: 300,000 reads to add one to 100,000.

    f1.json is asked for by each run: the terms of the one checkpoint that made them all.
    """
    uri, example = str(tmp_path), add(str(tmp_path), "t0000")
    for number in range(1, 2000):
        folder = tmp_path / "tracks" / f"t{number:04d}"
        folder.mkdir()
        record = json.loads(example.to_json()) | {"track_id": folder.name, "name": f"Cinder {number}"}
        (folder / "track.json").write_text(json.dumps(record))
        os.link(tmp_path / "tracks" / "t0000" / "master.flac", folder / "master.flac")
    reads.clear()
    run(uri)
    assert reads == {"listing": 2, "track.json": 2000, "tracks.parquet": 1, "f1.json": 1}
    reads.clear()
    known = KnownTracks(uri)
    assert len(known.refresh()) == 2000
    add(uri, "t2000")
    reads.clear()
    assert len(known.refresh()) == 2001
    assert reads == {"listing": 1, "track.json": 1}
    reads.clear()
    run(uri)
    assert reads == {"listing": 2, "track.json": 1, "tracks.parquet": 1, "listing.parquet": 1, "f1.json": 1}
    reads.clear()
    assert [record.track_id for record in run(uri)] == [record.track_id for record in list_tracks(uri)]
    expected = {"listing": 3, "track.json": 2001, "tracks.parquet": 1, "listing.parquet": 1, "f1.json": 1}
    assert reads == expected, "list_tracks alone reads every record"


def test_tables_and_page_are_the_same_whether_records_or_rows_were_read(catalogue: str) -> None:
    """Also what they show of a form."""
    add(catalogue, "d", made_form())
    run(catalogue)
    names = ("catalog/tracks.parquet", "catalog/failures.parquet", "catalog/listing.parquet", "index.html")
    from_rows = [storage.read_bytes(storage.join(catalogue, name)) for name in names]
    run(catalogue)
    assert [storage.read_bytes(storage.join(catalogue, name)) for name in names] == from_rows
    storage.remove(storage.join(catalogue, "catalog", "listing.parquet"))
    run(catalogue)
    assert [storage.read_bytes(storage.join(catalogue, name)) for name in names] == from_rows
    assert b"MIT: 5" in from_rows[3] and b"Am F/A C,G Am,E7" in from_rows[3]


def edit(catalogue: str) -> None:
    uri = storage.join(catalogue, "tracks", "b", "track.json")
    storage.write_bytes(uri, storage.read_bytes(uri).replace(b"Cinder 003", b"Amber 0003"))


def delete(catalogue: str) -> None:
    withdraw_track(catalogue, "b")


def cut(catalogue: str) -> None:
    storage.write_bytes(storage.join(catalogue, "tracks", "b", "master.flac"), b"fLaC")


def garble(catalogue: str) -> None:
    storage.write_bytes(storage.join(catalogue, "tracks", "b", "track.json"), b"{")


@pytest.mark.parametrize("change", [edit, delete, cut, garble])
def test_a_track_that_was_changed_by_hand_is_seen_as_it_is(catalogue: str, change: Callable[[str], None]) -> None:
    change(catalogue)
    records = run(catalogue)
    assert [(record.track_id, record.name) for record in records] == [
        (record.track_id, record.name) for record in list_tracks(catalogue)
    ]
    assert len(records) == (3 if change is edit else 2)
    assert ("b", "Amber 0003") in {(record.track_id, record.name) for record in records} or change is not edit


@pytest.mark.parametrize("name", ["tracks.parquet", "listing.parquet"])
@pytest.mark.parametrize("data", [None, b"PAR1", b"another"])
def test_tables_that_do_not_belong_together_are_not_believed(
    catalogue: str, name: str, data: bytes | None, reads: Counter[str]
) -> None:
    uri = storage.join(catalogue, "catalog", name)
    reads.clear()
    if data is None:
        storage.remove(uri)
    else:
        storage.write_bytes(uri, data)
    assert len(run(catalogue)) == 3 and reads["track.json"] == 3
    reads.clear()
    assert len(run(catalogue)) == 3 and reads["track.json"] == 0


def test_a_run_that_ended_between_two_tables_is_no_harm(tmp_path: Path, reads: Counter[str]) -> None:
    """A table of tracks with the listing of the one before: a row could be of a record that is there no more."""
    catalogue, listing = str(tmp_path), tmp_path / "catalog" / "listing.parquet"
    add(catalogue, "a")
    run(catalogue)
    old_listing, old_record = listing.read_bytes(), tmp_path / "tracks" / "a" / "track.json"
    status, data = old_record.stat(), old_record.read_bytes()
    old_record.write_bytes(data.replace(b"Cinder 003", b"Amber 0003"))
    run(catalogue)
    assert pq.read_table(tmp_path / "catalog" / "tracks.parquet")["name"].to_pylist() == ["Amber 0003"]
    listing.write_bytes(old_listing)
    old_record.write_bytes(data)
    os.utime(old_record, ns=(status.st_atime_ns, status.st_mtime_ns))
    reads.clear()
    assert [record.name for record in run(catalogue)] == ["Cinder 003"] and reads["track.json"] == 1
