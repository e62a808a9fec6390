"""Tables of orders: rows as tracks, in any order, and what is said of rows that cannot be met."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.orders.order import order_digest
from lstm_core.orders.order_file import read_order
from lstm_core.orders.order_tables import FreeSpace

CSV = """name,duration_s,loop,instruments,key,seed
a,6,true,piano;bass,C major,
b,7.5,,drums,,
c,6,yes,piano|bass,C major,
d,8,false,,A minor,77
e,8,false,,A minor,77
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rows_of_a_table_are_the_same_tracks_in_any_order(tmp_path: Path) -> None:
    """Rows without a seed get one from their fields; which of two equal rows comes first is decided by their names."""
    order = read_order(write(tmp_path, "order.csv", CSV))
    assert [track.name for track in order.tracks] == list("abcde")
    assert order.tracks[0].instruments == order.tracks[2].instruments == ("piano", "bass")
    assert order.tracks[3].seed == 77 != order.tracks[4].seed
    digests = {track.name: order_digest(track) for track in order.tracks}
    assert len(set(digests.values())) == 5
    header, *rows = CSV.strip().splitlines()
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        shuffled = read_order(write(tmp_path, "shuffled.csv", "\n".join([header, *rows])))
        assert {track.name: order_digest(track) for track in shuffled.tracks} == digests


def test_sections_are_columns_of_tables(tmp_path: Path) -> None:
    lines = "form,chords.B,chords.A,chords,energy,ensemble.A\nA B A,F G,Am F,,0.2 1,strings*2;bass\n,,,C G,rise,\n"
    first, second = read_order(write(tmp_path, "order.csv", lines)).tracks
    assert (first.chords, first.energy, first.ensemble) == ("A: Am F; B: F G", "0.2 1.0", "A: strings*2, bass")
    assert (second.chords, second.energy, second.ensemble) == ("C G", "rise", "")
    rows = [
        {
            "form": "A B A",
            "chords": {"A": "Am F", "B": "F G"},
            "energy": [0.2, 1.0],
            "ensemble.A": ["strings*2", "bass"],
        },
        {"form": None, "chords": None, "energy": None, "ensemble.A": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "order.parquet")
    assert read_order(tmp_path / "order.parquet").tracks[0] == first
    with pytest.raises(OrderError, match=r'row 1: chords.A: "Amx" is no known chord symbol. Did you mean Am'):
        read_order(write(tmp_path, "order.csv", "form,chords.A\nA B,Amx\n"))


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    rows = [
        {"name": "a", "duration_s": 6, "loop": True, "instruments": ["piano", "bass"], "key": "C major", "seed": None},
        {"name": "b", "duration_s": 7.5, "loop": None, "instruments": ["drums"], "key": None, "seed": float("nan")},
        {"name": "c", "duration_s": 6, "loop": True, "instruments": ["piano", "bass"], "key": "C major", "seed": None},
        {"name": "d", "duration_s": 8, "loop": False, "instruments": None, "key": "A minor", "seed": 77.0},
        {"name": "e", "duration_s": 8, "loop": False, "instruments": None, "key": "A minor", "seed": 77.0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "order.parquet")
    csv_order = read_order(write(tmp_path, "order.csv", CSV))
    assert read_order(tmp_path / "order.parquet").tracks == csv_order.tracks


def test_all_bad_rows_are_listed_with_their_numbers(tmp_path: Path) -> None:
    rows = ["duration_s,key", "60,C", "0.5,C", "60,H sharp", *["-1,C"] * 10, "60,D"]
    with pytest.raises(OrderError) as raised:
        read_order(write(tmp_path, "order.csv", "\n".join(rows)))
    lines = str(raised.value).splitlines()
    assert lines[0] == "12 of the order's rows cannot be met; nothing was made."
    assert lines[1].startswith("row 2: duration_s is 0.5") and lines[2].startswith('row 3: "H sharp" is no key')
    assert lines[-1] == "... and 4 more" and len(lines) == 10


def test_nothing_to_be_made_fits_on_a_full_disk() -> None:
    """A run looks again when its tracks are there: it must not end with an error then."""
    FreeSpace(free_bytes=-1.0).check(0, 0.0)
    with pytest.raises(StorageError, match="1 tracks take about"):
        FreeSpace(free_bytes=-1.0).check(1, 5.0)


@pytest.mark.parametrize("given", ["{ min = 60, max = inf }", "{ min = 1, max = 1e30, step = 1e-9 }"])
def test_ranges_without_an_end_are_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(OrderError, match="bpm is"):
        read_order(write(tmp_path, "order.toml", f"[track]\nbpm = {given}\n"))
