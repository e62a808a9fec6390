"""Melodies of orders: what they decide, how they stand in a track, and what is refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import DRUMS
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from tests.lstm_core.orders.tunes import A_PART, REST, TUNE, order_with, rows_of, write_tune

ABC = "X:1\nT:Up\nM:3/4\nL:1/4\nQ:1/4=90\nK:G\nD|G2 A|B2 G|A B A|G2|]\n"


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    return write_tune(tmp_path / "tune.mid", rows_of(TUNE))


def placed(track: PlannedTrack) -> list[tuple[int, int, int]]:
    """Onset, duration and pitch of the tune of a track, one time through."""
    assert track.tune is not None
    return [(int(note["onset"]), int(note["duration"]), int(note["pitch"])) for note in track.tune.notes]


def test_a_tune_decides_what_the_order_leaves_open(tune: Path) -> None:
    track = admit(order_with(tune))
    order = track.order
    assert (order.key, order.meter, order.bpm) == ("C major", "4/4", 120.0)
    # The last chord falls on the last bar, whose one note is of it, and has a second to die away.
    assert (order.duration_s, track.plan.num_bars, track.plan.final_bar, track.plan.bpm) == (25.0, 12, 11, 120.0)
    assert placed(track) == [(row[0], row[1], row[3]) for row in rows_of(TUNE)]
    assert track.tune is not None and track.tune.program == 73
    loop = admit(order_with(tune, loop=True))
    assert (loop.order.duration_s, loop.plan.num_bars) == (24.0, 12)


def test_a_tune_that_does_not_come_to_rest_leaves_a_bar_to_the_last_chord(tmp_path: Path) -> None:
    track = admit(order_with(write_tune(tmp_path / "t.mid", rows_of(f"{A_PART} | {A_PART}"))))
    assert (track.plan.final_bar, track.plan.num_bars, track.order.duration_s) == (8, 9, 18.0)


@pytest.mark.parametrize("bpm", [60, 75, 90, 110])
@pytest.mark.parametrize("text", [f"{A_PART} | {A_PART}", TUNE])
def test_at_a_slow_tempo_the_last_chord_has_a_bar_too(tmp_path: Path, bpm: int, text: str) -> None:
    """Where half a bar and a second were less than a bar, a tune was refused at its own length."""
    path = write_tune(tmp_path / "t.mid", rows_of(text))
    track, usual = admit(order_with(path, bpm=bpm)), admit(order_with(path, bpm=120))
    assert track.plan.final_bar == usual.plan.final_bar
    assert track.order.duration_s >= (usual.plan.num_bars - 1) * 4 * 60 / bpm + 1


def test_a_key_moves_the_tune_by_the_shorter_way_and_a_tempo_plays_it_faster(tune: Path) -> None:
    track = admit(order_with(tune, key="A", bpm=150, instruments=["violin"]))
    assert (track.order.key, track.order.bpm, track.order.duration_s) == ("A major", 150.0, pytest.approx(12 * 1.6 + 1))
    assert [pitch for *_, pitch in placed(track)] == [row[3] - 3 for row in rows_of(TUNE)]
    high = admit(order_with(tune, key="A"))  # the flute has nothing below middle C
    assert [pitch for *_, pitch in placed(high)] == [row[3] + 9 for row in rows_of(TUNE)]
    relative = admit(order_with(tune, key="A minor"))
    assert relative.order.key == "A minor" and placed(relative) == placed(admit(order_with(tune)))
    free = admit(order_with(tune, key="free"))
    assert free.plan.key is None and placed(free) == placed(relative)


@pytest.mark.parametrize(("seconds", "times", "bars"), [(25, 1, 12), (48, 1, 24), (49, 2, 24), (60, 2, 30)])
def test_a_longer_track_has_the_tune_as_often_as_it_fits_as_a_whole(
    tune: Path, seconds: float, times: int, bars: int
) -> None:
    track = admit(order_with(tune, duration_s=seconds, bpm=120, loop=False))
    assert track.tune is not None and track.tune.num_times == times
    assert (track.plan.num_bars, track.plan.bpm) == (bars, 120.0)
    assert len(track.tune.all_notes(96)) == times * len(track.tune.notes)


def test_an_upbeat_goes_with_the_bar_that_it_is_in(tmp_path: Path) -> None:
    whole = rows_of(f". . . 4 | {A_PART} | 0 - - .")
    first = placed(admit(order_with(write_tune(tmp_path / "whole.mid", whole))))
    assert first[0] == (72, 24, 67)
    short = [(row[0] - 72, *row[1:]) for row in whole]
    meters = [(0, "1/4"), (24, "4/4")]
    assert placed(admit(order_with(write_tune(tmp_path / "short.mid", short, meters=meters)))) == first
    late = [(row[0] + 96 * 3, *row[1:]) for row in whole]
    track = admit(order_with(write_tune(tmp_path / "late.mid", late), duration_s=36.0))
    assert placed(track) == first
    # The next upbeat has room in the last bar: six bars once, five for each further time.
    assert track.tune is not None and (track.tune.num_bars, track.tune.period, track.tune.num_times) == (6, 5, 3)
    assert track.tune.all_notes(96)["onset"][len(first)] == 72 + 5 * 96


def test_written_tunes_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "tune.abc").write_text(ABC)
    track = admit(order_with(tmp_path / "tune.abc"))
    assert (track.order.meter, track.order.key, track.order.bpm) == ("3/4", "G major", 90.0)
    assert [pitch for *_, pitch in placed(track)] == [62, 67, 69, 71, 67, 69, 71, 69, 67]


def test_the_first_player_with_pitches_plays_the_tune(tune: Path) -> None:
    programs = [
        admit(order_with(tune, instruments=names)).tune
        for names in (("drums", "violin", "flute"), ("pipe", "bass"), ("strings",))
    ]
    assert [one.program for one in programs if one is not None] == [40, 73, 40]
    ensemble = admit(order_with(tune, ensemble="oboe, bass")).tune
    assert ensemble is not None and ensemble.program == 68


def test_a_played_tune_may_reach_a_little_into_the_next_note(tmp_path: Path) -> None:
    rows = [(row[0], row[1] + 5, *row[2:]) for row in rows_of(TUNE)]
    track = admit(order_with(write_tune(tmp_path / "t.mid", rows)))
    assert track.plan.num_bars == 12
    assert [(onset, pitch) for onset, _, pitch in placed(track)] == [(row[0], row[3]) for row in rows_of(TUNE)]
    assert all(onset % 24 == 0 and duration % 24 == 0 for onset, duration, _ in placed(track))


REFUSALS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"duration_s": 10, "bpm": 120}, r"has 12 bars, and a track of 10 s has room for 4\. Request duration_s = 25\.00"),
    ({"meter": "3/4"}, r"is in 4/4, the order requests 3/4\. Leave meter out"),
    ({"instruments": ["contrabass"]}, r"goes from C4 to C5, and contrabass plays E1 to C4\. Name another instrument"),
    ({"instruments": ["drums"]}, "needs an instrument with pitches"),
    ({"pitch_high": 70}, "goes from pitch 60 to 72, the order allows 21 to 70"),
    ({"roles": "harmony, bass"}, "leave the melody out, and the order gives one"),
    ({"polyphony": 1}, r"polyphony is 1, and the melody takes it all\. Write 2 or more"),
    ({"form": "A B"}, "form and melody do not go together"),
    ({"rit": 0.3}, "rit and melody do not go together"),
    ({"hits": "4 8", "duration_s": 30}, "hits and melody do not go together"),
    ({"loop": True, "loop_start": 4}, "loop_start and melody do not go together"),
    ({"scale": "minor"}, 'scale is "minor", but melody .* is in C major'),
    ({"loop": True, "duration_s": 31}, "it must be a whole number"),
    ({"primer": "x.mid"}, "primer and melody do not go together"),
)


@pytest.mark.parametrize(("fields", "message"), REFUSALS)
def test_orders_that_do_not_go_with_their_melody(tune: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        admit(order_with(tune, **fields))


def test_files_that_are_no_tune(tmp_path: Path) -> None:
    once = rows_of(A_PART)
    files = {
        "chords.mid": ([*once, (96, 24, 73, 72, 80)], "has up to 2 notes that sound together, first in bar 2"),
        "held.mid": ([(0, 96, 73, 60, 80), (24, 24, 73, 64, 80)], "sound together, first in bar 1"),
        "beat.mid": ([*once, (0, 6, DRUMS, 36, 90)], "holds 1 notes of drums"),
    }
    with PrimerReader() as primers:
        for name, (rows, message) in files.items():
            with pytest.raises(OrderError, match=message):
                admit(order_with(write_tune(tmp_path / name, rows)), primers)
        check_other_files(tmp_path, primers)


def check_other_files(tmp_path: Path, primers: PrimerReader) -> None:
    """Asserts what is said of files that are no score of one tune."""
    two = write_tune(tmp_path / "two.mid", rows_of(A_PART), meters=[(0, "4/4"), (192, "3/4")])
    with pytest.raises(OrderError, match="is in 4/4 and from bar 3 on in 3/4"):
        admit(order_with(two), primers)
    for name, data, message in (
        ("none.mid", b"", "none.mid"),
        ("bad.mid", b"no MIDI", r"bad\.mid: .*MIDI"),
        ("song.txt", b"RIFF", "is neither a score nor a recording: known are .*mid.*wav"),
        ("both.abc", ABC.encode() + b"\n" + ABC.replace("X:1", "X:2").encode(), "holds 2 pieces"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(OrderError, match=message):
            admit(order_with(tmp_path / name), primers)
    with pytest.raises(OrderError, match="The melody cannot be read"):
        admit(order_with(tmp_path / "nowhere.mid"), primers)
    empty = write_tune(tmp_path / "empty.mid", [])
    with pytest.raises(OrderError, match="holds no notes"):
        admit(order_with(empty), primers)


def test_toml_csv_and_parquet_say_the_same(tune: Path, tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text('[track]\nmelody = "tune.mid"\nloop = true\n')
    (tmp_path / "o.csv").write_text("melody,loop,seed\ntune.mid,yes,3\n")
    pq.write_table(pa.table({"melody": ["tune.mid"], "loop": [True], "seed": [3]}), tmp_path / "o.parquet")
    orders = [read_order(tmp_path / f"o.{suffix}").tracks[0] for suffix in ("toml", "csv", "parquet")]
    assert orders[1] == orders[2] == replace(orders[0], name="", seed=3)
    assert orders[0].melody == str(tune) and len(orders[0].melody_sha256) == 64 and orders[0].duration_s == 24.0
    with PrimerReader() as primers:  # what is decided stays
        assert primers.pin(orders[0], "") == orders[0] == order_from_fields(order_fields(orders[0]))


def test_a_melody_counts_by_its_bytes_and_travels_with_its_track(tune: Path, tmp_path: Path) -> None:
    with PrimerReader() as primers:
        track = admit(primers.pin(order_with(tune), ""), primers)
        copy = tmp_path / "copy.mid"
        copy.write_bytes(tune.read_bytes())
        assert order_digest(primers.pin(order_with(copy), "")) == order_digest(track.order)
    again = pickle.loads(pickle.dumps(track))
    assert again == track and placed(again) == placed(track)
    write_tune(tune, rows_of(f"{A_PART} | {REST}"))
    with pytest.raises(OrderError, match="was changed since the order was read"):
        admit(track.order)
    other = admit(order_with(tune))
    assert order_digest(other.order) != order_digest(track.order)
    with PrimerReader() as primers, pytest.raises(OrderError, match="not the file that melody_sha256 names"):
        primers.pin(track.order, "")


def test_an_order_without_a_melody_stays_as_it_was() -> None:
    assert not {"melody", "melody_sha256"} & set(order_fields(TrackOrder()))
    with pytest.raises(OrderError, match="duration_s is 0"):
        TrackOrder(duration_s=0.0)
    with pytest.raises(OrderError, match='meter is ""'):
        TrackOrder(meter="")
