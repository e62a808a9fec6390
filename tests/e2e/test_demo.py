"""The demo, small: from recordings to a page of tracks, and a second run that finds everything done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("music21")

import soundfile

from jobs.demo.bundled_scores import SOURCES
from jobs.demo.run import TRACKS, DemoSettings, DemoTrack, order_text, run_demo
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.model.checkpoint import load_checkpoint
from lstm_core.orders.order_file import read_order
from lstm_core.training.metrics import read_metrics
from lstm_core.training.recipe import ModelSize

_SMALL = DemoSettings(
    scores={"chorale": 6, "jig": 7},
    steps=24,
    tracks=(
        DemoTrack(name="one", style="chorale", key="G major", bpm=96, meter="4/4", duration_s=10, loop=True),
        DemoTrack(name="two", style="jig", key="D major", bpm=160, meter="6/8", duration_s=12, loop=False),
    ),
    use_base=False,
    model=ModelSize(hidden_size=96, num_layers=1, head_size=64),
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_demo_is_made_once_and_found_complete_after_that(tmp_path: Path) -> None:
    first = run_demo(tmp_path, _SMALL).generated
    recordings = sorted((tmp_path / "corpus").glob("*/*"))
    assert len(recordings) == 13 and len({path.suffix for path in recordings}) == 6
    index = read_index(tmp_path / "blocks")
    assert index.styles == ("chorale", "jig") and index.recorded_s == index.duration_s > 300
    assert sum(index.num_pieces.values()) >= 11 and len(index.recordings["codec"]) == 6
    assert set(index.licences) == {SOURCES["chorale"].licence, SOURCES["jig"].licence}
    times = [path.stat().st_mtime_ns for path in recordings]
    assert len(first.records) + len(first.failures) == 2 and first.records
    for record in first.records:
        sound, rate = soundfile.read(tmp_path / "catalogue" / record.folder / "master.flac")
        assert len(sound) == record.duration_s * rate
        assert abs(record.loudness_lufs + 16.0) <= 0.2
    assert (tmp_path / "catalogue" / "index.html").exists()
    fingerprint = load_checkpoint(tmp_path / "run" / "checkpoint").fingerprint
    stored = {path: path.read_bytes() for path in (tmp_path / "catalogue" / "tracks").glob("*/*") if path.is_file()}
    assert len(stored) >= 4 * len(first.records)
    again = run_demo(tmp_path, _SMALL).generated
    assert [path.stat().st_mtime_ns for path in recordings] == times
    assert {path: path.read_bytes() for path in stored} == stored  # nothing was made anew
    assert {record.track_id for record in again.records} >= {record.track_id for record in first.records}
    assert load_checkpoint(tmp_path / "run" / "checkpoint").fingerprint == fingerprint
    assert sum(row["kind"] == "train" for row in read_metrics(tmp_path / "run")) == 24


def test_the_order_is_half_loops_of_many_styles_keys_tempos_and_lengths(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(order_text(TRACKS, ("air", "chorale", "game", "hornpipe", "jig", "madrigal", "reel")))
    tracks = read_order(path).tracks  # refuses what cannot be met
    assert len(tracks) == 12 and sum(track.loop for track in tracks) == 6
    assert len({track.style for track in tracks}) == 7
    for name in ("key", "bpm", "duration_s"):
        assert len({getattr(track, name) for track in tracks}) >= 10, name


def test_styles_that_a_checkpoint_lacks_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(order_text(TRACKS, ("chorale", "jig")))
    assert {track.style for track in read_order(path).tracks} == {"chorale", "jig"}
    assert json.dumps("game") not in path.read_text()
