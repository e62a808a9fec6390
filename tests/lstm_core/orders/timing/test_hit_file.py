"""Cut lists that orders name: in TOML, CSV and Parquet, and as what their seconds are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, order_digest
from lstm_core.orders.order_file import read_order
from lstm_core.orders.timing.hit_file import with_hits_read

EDL = "TITLE: A\nFCM: NON-DROP FRAME\n" + "".join(
    f"{number:03d} AX V C 00:00:00:00 00:00:01:00 {record_in} 01:00:59:00\n"
    for number, record_in in enumerate(("01:00:00:00", "01:00:10:05", "01:00:20:00"), start=1)
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_cut_list_beside_the_order_becomes_its_seconds(tmp_path: Path) -> None:
    write(tmp_path / "cuts", "cut.edl", EDL)
    toml = '[track]\nduration_s = 30\nbpm = 120\nseed = 1\nhits = "cuts/cut.edl"\nhits_fps = 25\n'
    (track,) = read_order(write(tmp_path, "order.toml", toml)).planned
    assert (track.order.hits, track.order.hits_fps, track.plan.hit_bars) == ("0.0 10.2 20.0", "", (5, 10))
    rows = "duration_s,bpm,seed,hits,hits_fps\n30,120,5,cuts/cut.edl,25\n30,120,5,0 10.2 20,\n"
    first, second = read_order(write(tmp_path, "order.csv", rows)).tracks
    assert (first.hits, second.hits) == ("0.0 10.2 20.0",) * 2 and second.seed != first.seed == 5
    columns = {"duration_s": [30.0], "bpm": [120.0], "seed": [5], "hits": [[0.0, 10.2, 20.0]], "rit": [0.2]}
    pq.write_table(pa.table(columns), tmp_path / "order.parquet")
    (third,) = read_order(tmp_path / "order.parquet").tracks
    assert (third.hits, third.rit) == (first.hits, 0.2)


def test_a_changed_cut_list_is_another_track(tmp_path: Path) -> None:
    write(tmp_path, "cut.edl", EDL)
    order = TrackOrder(duration_s=30.0, bpm=120.0, hits="cut.edl", hits_fps="25")
    before = order_digest(with_hits_read(order, str(tmp_path)))
    assert before == order_digest(TrackOrder(duration_s=30.0, bpm=120.0, hits="0.0 10.2 20.0"))
    write(tmp_path, "cut.edl", EDL.replace("01:00:10:05", "01:00:10:06"))
    assert order_digest(with_hits_read(order, str(tmp_path))) != before


def test_hits_of_toml_may_be_drawn_and_tempos_stand_in_a_table(tmp_path: Path) -> None:
    toml = (
        "[track]\nduration_s = 24\nbpm = 120\n[[group]]\ncount = 8\nhits = [[8.0], [8.0, 16.0]]\n"
        '[[group]]\nform = "A:4 B:4"\nloop = true\ntempo_changes.B = 60\n'
    )
    *drawn, last = read_order(write(tmp_path, "order.toml", toml)).tracks
    assert {order.hits for order in drawn} == {"8.0", "8.0 16.0"} and last.tempo_changes == "B: 60"


@pytest.mark.parametrize(
    ("text", "fps", "message"),
    [
        (None, "25", "The cut list of hits cannot be read"),
        (EDL, "", "hits, cut.edl: line 2 does not say its frame rate"),
        (EDL.replace("10:05", "10:25"), "25", "hits, cut.edl: line 4: 01:00:10:25 is no timecode at 25"),
        (
            EDL.replace("01:00:20", "01:00:40"),
            "25",
            "hits, cut.edl: hits: 40.0 s lies at or after the end of the track",
        ),
        ("", "25", "hits, cut.edl: holds no events"),
    ],
)
def test_cut_lists_that_cannot_be_used(tmp_path: Path, text: str | None, fps: str, message: str) -> None:
    if text is not None:
        write(tmp_path, "cut.edl", text)
    toml = '[track]\nduration_s = 30\nhits = "cut.edl"\n' + (f"hits_fps = {fps}\n" if fps else "")
    with pytest.raises(OrderError) as raised:
        read_order(write(tmp_path, "order.toml", toml))
    assert message in str(raised.value)
