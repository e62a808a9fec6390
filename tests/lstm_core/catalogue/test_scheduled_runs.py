"""Scheduled runs of a catalogue: found, counted, merged; the same bytes however often, on disk and on S3."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.schedules.scheduled_runs import partition_of
from lstm_core import storage
from lstm_core.catalogue.folder import commit_track, write_catalog
from lstm_core.catalogue.records import CatalogueError, make_record
from lstm_core.catalogue.scheduled_runs import list_scheduled_runs, merge_scheduled_runs
from lstm_core.catalogue.tables import FAILURES_SCHEMA, TRACKS_SCHEMA
from tests.lstm_core.catalogue.made_up_records import FILES, content, failure

ONE_MINUTE = {"duration_s": 60.0, "num_samples": 2_646_000, "sample_rate": 44100}


def make_scheduled_run(catalogue: str, schedule: str, day: str, track_ids: list[str], num_failures: int = 0) -> str:
    """A scheduled run as `tonemill generate` leaves it: its tracks and failures, tables and page."""
    uri = partition_of(catalogue, schedule, day)
    records = [
        commit_track(uri, make_record(content(**ONE_MINUTE, track_id=track_id, name=f"{schedule} {track_id}")), FILES)
        for track_id in track_ids
    ]
    failures = [failure(track_id=f"f{n}", name=f"failed {n}") for n in range(num_failures)]
    write_catalog(uri, records, failures, title=schedule)
    return uri


@pytest.fixture(params=["folder", "s3"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Two runs of one schedule, one of another, one that is not finished, and a track that is of no run."""
    uri = str(tmp_path / "catalogue") if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/cat"
    make_scheduled_run(uri, "dungeon", "2026-11-22", ["b", "a"])
    make_scheduled_run(
        uri, "dungeon", "2026-11-21", ["a"], num_failures=2
    )  # the track of another run again: fixed seed
    make_scheduled_run(uri, "arcade", "2026-11-22", ["c", "d", "e"], num_failures=1)
    commit_track(partition_of(uri, "dungeon", "2026-11-23"), make_record(content(track_id="z")), FILES)
    write_catalog(uri, [commit_track(uri, make_record(content(track_id="single")), FILES)])
    return uri


def stored(uri: str) -> dict[str, bytes]:
    return {file.path: storage.read_bytes(storage.join(uri, file.path)) for file in storage.list_files(uri)}


def table_of(catalogue: str, name: str) -> pa.Table:
    data = storage.read_bytes(storage.join(catalogue, "nights", "catalog", f"{name}.parquet"))
    return pq.read_table(pa.BufferReader(data))


def test_scheduled_runs_are_counted(catalogue: str) -> None:
    runs = list_scheduled_runs(catalogue)
    found = [(n.date.day, n.schedule, n.num_tracks, n.duration_s, n.num_failures, n.is_finished) for n in runs]
    assert found == [
        (21, "dungeon", 1, 60.0, 2, True),
        (22, "arcade", 3, 180.0, 1, True),
        (22, "dungeon", 2, 120.0, 0, True),
        (23, "dungeon", 1, 0.0, 0, False),
    ]
    assert runs[0].folder == "dungeon/date=2026-11-21"


def test_merging_makes_one_table_and_one_page_of_all_runs(catalogue: str) -> None:
    before = stored(catalogue)
    page_uri, runs = merge_scheduled_runs(catalogue, title="All")
    assert page_uri == storage.join(catalogue, "nights", "index.html") and len(runs) == 4
    tracks = table_of(catalogue, "tracks")
    assert tracks.schema.names == ["schedule", "date", *TRACKS_SCHEMA.names]
    rows = [(row["date"].day, row["schedule"], row["track_id"]) for row in tracks.to_pylist()]
    assert rows == [
        (21, "dungeon", "a"),
        (22, "arcade", "c"),
        (22, "arcade", "d"),
        (22, "arcade", "e"),
        (22, "dungeon", "a"),
        (22, "dungeon", "b"),
    ]
    failures = table_of(catalogue, "failures")
    assert failures.schema.names == ["schedule", "date", *FAILURES_SCHEMA.names]
    assert [row["track_id"] for row in failures.to_pylist()] == ["f0", "f1", "f0"]
    summary = table_of(catalogue, "nights").to_pylist()
    assert (summary[0]["date"], summary[0]["num_tracks"]) == (date(2026, 11, 21), 1)
    page = storage.read_bytes(page_uri).decode()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    places = [data["coded"]["folder"]["values"][code] for code in data["coded"]["folder"]["codes"]]
    paths = ["/".join([*place, "tracks", id_]) for place, id_ in zip(places, data["plain"]["track_id"], strict=True)]
    assert paths[0] == "dungeon/date=2026-11-21/tracks/a" and len(set(paths)) == 6
    assert all(f"nights/{path}/master.flac" in before for path in paths)
    assert len(data["failures"]) == 3
    after = stored(catalogue)
    assert {path: data for path, data in after.items() if path in before} == before  # runs and singles are as they were
    assert set(after) - set(before) == {
        "nights/index.html",
        *(f"nights/catalog/{name}.parquet" for name in ("tracks", "failures", "nights")),
    }


def test_merging_again_writes_the_same_bytes_and_counts_no_page_as_a_run(catalogue: str) -> None:
    merge_scheduled_runs(catalogue)
    first = stored(catalogue)
    assert [run.folder for run in merge_scheduled_runs(catalogue)[1]][-1] == "dungeon/date=2026-11-23"
    assert stored(catalogue) == first
    make_scheduled_run(catalogue, "dungeon", "2026-11-23", ["z"])
    merge_scheduled_runs(catalogue)
    assert table_of(catalogue, "tracks").num_rows == 7


def test_the_order_in_which_runs_came_does_not_matter(tmp_path: Path) -> None:
    days = [("dungeon", "2026-11-22", ["a"]), ("arcade", "2026-11-20", ["b", "c"]), ("arcade", "2026-11-22", ["d"])]
    merged = []
    for name, runs in (("one", days), ("two", days[::-1])):
        for schedule, day, track_ids in runs:
            make_scheduled_run(str(tmp_path / name), schedule, day, track_ids)
        merge_scheduled_runs(str(tmp_path / name))
        merged.append(stored(str(tmp_path / name)))
    assert merged[0] == merged[1]


def test_a_catalogue_without_scheduled_runs(tmp_path: Path) -> None:
    assert list_scheduled_runs(str(tmp_path / "nowhere")) == []
    merge_scheduled_runs(str(tmp_path))
    assert table_of(str(tmp_path), "tracks").num_rows == 0
    assert list_scheduled_runs(str(tmp_path)) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_a_damaged_run_is_named(tmp_path: Path, damage: str) -> None:
    folder = Path(make_scheduled_run(str(tmp_path), "dungeon", "2026-11-22", ["a"]))
    table = folder / "catalog" / "tracks.parquet"
    if damage == "missing":
        table.unlink()
    elif damage == "cut":
        table.write_bytes(table.read_bytes()[:-20])
    else:
        pq.write_table(pa.table({"x": [1]}), table)
    with pytest.raises(
        CatalogueError, match=r"date=2026-11-22/catalog/tracks\.parquet (is missing|cannot be read).*scheduled run"
    ):
        merge_scheduled_runs(str(tmp_path))
    assert not (tmp_path / "nights" / "index.html").exists()


def test_the_page_of_one_catalogue_is_as_before(tmp_path: Path) -> None:
    page = write_catalog(str(tmp_path), [commit_track(str(tmp_path), make_record(content()), FILES)])
    assert '"folder":' not in Path(page).read_text()


def test_runs_from_before_records_had_a_version_are_merged(tmp_path: Path) -> None:
    """Their tables have no column `record_version`."""
    uri = make_scheduled_run(str(tmp_path), "dungeon", "2026-11-22", ["a"])
    path = Path(uri) / "catalog" / "tracks.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["record_version"]), path)
    merge_scheduled_runs(str(tmp_path))
    assert table_of(str(tmp_path), "tracks")["record_version"].to_pylist() == [1]
