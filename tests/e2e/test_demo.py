"""The demo, small: from recordings to a page of tracks, and a second run that finds everything done."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("music21")

import soundfile

from jobs.demo.bundled_scores import SOURCES
from jobs.demo.run import BASE_ORDER, ORDERS, RUN_ORDER, DemoSettings, run_demo
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.model.checkpoint import find_checkpoint
from lstm_core.model.composer_checkpoint import LEVELS, load_composer
from lstm_core.orders.order_file import read_order
from lstm_core.training.metrics import read_metrics

OF_BASE = """
name = "small"
seed = 1
[[group]]
name = "one"
style = "game"
key = "G major"
bpm = 96
duration_s = 10
loop = true
form = "A A' B A"
"""
OF_RUN = """
name = "small-of-run"
seed = 2
[[group]]
name = "two"
style = "dance"
key = "D major"
bpm = 160
meter = "6/8"
duration_s = 12
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_demo_is_made_once_and_found_complete_after_that(tmp_path: Path) -> None:
    orders = tmp_path / "orders"
    orders.mkdir()
    (orders / BASE_ORDER).write_text(OF_BASE)
    (orders / RUN_ORDER).write_text(OF_RUN)
    settings = DemoSettings(scores={"chorale": 6, "jig": 7}, steps=3, orders=orders)
    first = run_demo(tmp_path, settings)
    recordings = sorted((tmp_path / "corpus").glob("*/*"))
    assert len(recordings) == 13 and len({path.suffix for path in recordings}) == 6
    index = read_index(tmp_path / "blocks")
    assert index.styles == ("choral", "dance") and index.recorded_s == index.duration_s > 300
    assert sum(index.num_pieces.values()) >= 11 and len(index.recordings["codec"]) == 6
    assert set(index.licences) == {SOURCES["chorale"].licence, SOURCES["jig"].licence}
    times = [path.stat().st_mtime_ns for path in recordings]
    assert [record.name for record in first.records] == ["one-001", "two-001"] and not first.failures
    tuned, base = load_composer(tmp_path / "run" / "checkpoint"), load_composer(find_checkpoint("base"))
    makers = [record.checkpoint["fingerprint"] for record in first.records]
    assert makers == [base.fingerprint, tuned.fingerprint]
    assert tuned.arranger.facts.parents[-1] == base.arranger.fingerprint
    assert tuned.facts.styles == base.facts.styles  # its recordings are of styles that the base knows
    for record in first.records:
        sound, rate = soundfile.read(tmp_path / "catalogue" / record.folder / "master.flac")
        assert len(sound) == record.duration_s * rate
        assert abs(record.loudness_lufs + 16.0) <= 0.2
    assert (tmp_path / "catalogue" / "index.html").exists()
    stored = {path: path.read_bytes() for path in (tmp_path / "catalogue" / "tracks").glob("*/*") if path.is_file()}
    assert len(stored) >= 4 * len(first.records)
    again = run_demo(tmp_path, settings)
    assert [path.stat().st_mtime_ns for path in recordings] == times
    assert {path: path.read_bytes() for path in stored} == stored  # nothing was made anew
    assert {record.track_id for record in again.records} >= {record.track_id for record in first.records}
    assert load_composer(tmp_path / "run" / "checkpoint").fingerprint == tuned.fingerprint
    for level in LEVELS:
        assert sum(row["kind"] == "train" for row in read_metrics(tmp_path / "run" / level)) == 3


def test_the_orders_ask_for_all_that_can_be_ordered() -> None:
    """Twelve tracks, refused by nobody: each new field, three meters, loops and endings, and styles of the base."""
    tracks = [track for name in (BASE_ORDER, RUN_ORDER) for track in read_order(ORDERS / name).tracks]
    assert len(tracks) == 12 and 5 <= sum(track.loop for track in tracks) <= 8
    assert {track.style for track in tracks} <= set(load_composer(find_checkpoint("base")).facts.styles)
    assert len({track.style for track in tracks}) >= 7 and len({track.key for track in tracks}) >= 8
    assert {"3/4", "4/4", "6/8"} <= {track.meter for track in tracks}
    for field in ("form", "chords", "energy", "roles"):
        assert any(getattr(track, field) for track in tracks), field
    assert all(track.energy or track.form for track in tracks)
    assert any("strings*3" in track.instruments for track in tracks)
