"""Order files: what they expand to, and what is said of those that cannot be met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.orders.admission import estimated_size_bytes
from lstm_core.orders.order import TrackOrder, order_digest
from lstm_core.orders.order_file import expand_order, read_order
from lstm_core.orders.order_tables import MAX_TRACKS, FreeSpace

ORDER = """
name = "night"
seed = 5

[track]
duration_s = { min = 6, max = 9, step = 0.5 }
style = ["game", "dance"]
loudness_lufs = -14

[[group]]
count = 30
loop = [true, false]
instruments = [["piano", "bass"], ["strings"]]

[[group]]
count = 10
name = "fast"
bpm = { min = 140, max = 150 }
instruments = ["drums", "bass"]
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_few_lines_become_many_tracks(tmp_path: Path) -> None:
    path = write(tmp_path, "order.toml", ORDER)
    order = read_order(path)
    assert order == read_order(path) and order.name == "night" and len(order.tracks) == 40
    slow, fast = order.tracks[:30], order.tracks[30:]
    assert [order.tracks[0].name, fast[0].name] == ["night-001", "fast-031"]
    assert {track.duration_s for track in order.tracks} == {6 + 0.5 * i for i in range(7)}
    assert {track.style for track in slow} == {"game", "dance"} and {track.loop for track in slow} == {True, False}
    assert {track.instruments for track in slow} == {("piano", "bass"), ("strings",)}
    assert {track.instruments for track in fast} == {("drums", "bass")}
    assert {track.bpm for track in fast} <= {float(bpm) for bpm in range(140, 151)}
    assert {track.loudness_lufs for track in order.tracks} == {-14.0}
    assert len({track.seed for track in order.tracks}) == 40
    other = read_order(write(tmp_path, "other.toml", ORDER.replace("seed = 5", "seed = 6")))
    assert not {track.seed for track in order.tracks} & {track.seed for track in other.tracks}


def test_a_group_does_not_change_with_those_behind_it() -> None:
    group = {"count": 5, "duration_s": {"min": 5.0, "max": 9.0}}
    one = expand_order({"group": [group]}, default_name="a").tracks
    two = expand_order({"group": [group, {"count": 2}]}, default_name="a").tracks
    assert [order_digest(track) for track in two[:5]] == [order_digest(track) for track in one]


def test_choices_that_do_not_go_together_are_drawn_again() -> None:
    values = {"count": 40, "track": {"duration_s": 6.0, "bpm": {"min": 90, "max": 130}, "loop": True}}
    tracks = expand_order(values, default_name="a").tracks
    assert {track.bpm for track in tracks} <= {float(bpm) for bpm in range(117, 124)}  # three bars, 3 % about 120
    with pytest.raises(OrderError, match=r"a-001: A loop of 6 s at exactly 100\.5 bpm"):
        expand_order({"track": {"duration_s": 6.0, "bpm": 100.5, "loop": True, "exact_tempo": True}}, default_name="a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "requests 0 tracks"),
        ({"count": 10**6}, "requests 1,000,000 tracks, an order holds at most 200,000. Split it"),
        ({"group": [{"count": MAX_TRACKS}, {"count": 1}]}, "200,001 tracks"),
        ({"count": -1}, "count is -1, it must be a whole number"),
        ({"count": 1.5}, "count is 1.5"),
        ({"count": True}, "count is True"),
        ({"cuont": 3}, 'no key "cuont". Did you mean count?'),
        ({"duration_s": 3}, '"duration_s" at the top of an order: settings of tracks go into the table [track]'),
        ({"track": {"durations": 3}}, 'no field "durations". Did you mean duration_s?'),
        ({"track": 3}, "track must be a table"),
        ({"group": {"count": 3}}, "group must be a list of tables"),
        ({"group": [3]}, "group must be a list of tables"),
        ({"count": 3, "group": [{}]}, "count at the top does not go with [[group]]"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "it must be a whole number"),
        ({"name": 3}, "name is 3, it must be a text"),
        ({"track": {"key": "H sharp"}}, 'a-001: "H sharp" is no key'),
        ({"track": {"duration_s": {"min": 9, "max": 6}}}, "min up to max"),
        ({"track": {"duration_s": {"min": "a", "max": 6}}}, "a range is { min"),
        ({"track": {"duration_s": {"min": 1, "max": 6, "step": 0}}}, "step above 0"),
        ({"track": {"style": []}}, "style is an empty list"),
        ({"track": {"duration_s": 0.5}}, "a-001: duration_s is 0.5: even at 300 bpm"),
        ({"track": {"pitch_low": 60, "pitch_high": 60, "key": "C"}}, "hold 1 notes of the key"),
        ({"track": {"pitch_low": 61, "pitch_high": 61, "key": "C"}}, "hold no note of C"),
        ({"track": {"pitch_low": 62, "pitch_high": 63, "key": "C"}}, "no note of the tonic chord of C"),
        (
            {"track": {"instruments": ["piano", "bass", "flute"], "polyphony": 1, "duration_s": 5.0, "bpm": 96}},
            "place for 2",
        ),
    ],
)
def test_orders_that_cannot_be_met_say_why(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        expand_order(values, default_name="a")
    assert message in str(raised.value)


def test_an_order_larger_than_the_free_space_is_refused_before_it_is_planned(tmp_path: Path) -> None:
    """150,000 tracks would take a minute to check; what they take at least is known from a few lines."""
    path = write(tmp_path, "big.toml", "count = 150000\n[track]\nduration_s = { min = 60, max = 180 }\n")
    with pytest.raises(
        StorageError, match=r"150,000 tracks take about 1,2\d\d\.\d GB or more, the free space is 70\.0 GB"
    ):
        read_order(path, space=FreeSpace(free_bytes=70e9))
    rows = write(tmp_path, "big.csv", "duration_s\n" + "60\n" * 50)
    with pytest.raises(StorageError, match="The order's 13 tracks"):
        read_order(rows, space=FreeSpace(free_bytes=100e6))
    assert len(read_order(rows, space=FreeSpace(free_bytes=500e6)).tracks) == 50


def test_tracks_that_are_there_are_counted_only_where_the_disk_is_too_small(tmp_path: Path) -> None:
    """Their sizes are a listing, which an order that fits anyway does not need."""
    rows = write(tmp_path, "big.csv", "duration_s\n" + "60\n" * 50)
    looked_up: list[float] = []

    def space(free_bytes: float) -> FreeSpace:
        return FreeSpace(free_bytes=free_bytes, taken_bytes=lambda: looked_up.append(free_bytes) or 310e6)

    assert len(read_order(rows, space=space(500e6)).tracks) == 50 and looked_up == []
    assert len(read_order(rows, space=space(100e6)).tracks) == 50 and set(looked_up) == {100e6}
    with pytest.raises(StorageError, match="the free space is 312 MB"):
        read_order(rows, space=space(2e6))


MUSIC = """
count = 24
[track]
duration_s = 64
form = "intro:4 A:8 A':8 B:8 outro:4"
energy = [0.2, 0.5, 1]
variation = { min = 0.1, max = 0.4 }
ensemble.intro = ["piano"]
ensemble.A = [["strings*3", "bass"], ["guitar", "bass"]]
roles = ["melody", "bass", "harmony"]

[track.chords]
A = ["Am F C G", "Am G F E7"]
B = "F | C G | % | %"

[[group]]
[[group]]
energy = ["rise", [0.1, 0.9], 0.5]
chords = "C G"
count = 12
"""


def test_form_chords_and_energy_in_toml(tmp_path: Path) -> None:
    text = MUSIC.replace("count = 24\n", "")
    first, *others = read_order(write(tmp_path, "music.toml", text)).planned
    assert first.plan.num_bars == 32 and first.plan.bpm == 120.0
    assert first.order.energy == "0.2 0.5 1.0" and first.order.roles == "melody, bass, harmony"
    assert 0.1 <= first.order.variation <= 0.4
    assert {track.order.energy for track in others} == {"rise", "0.1 0.9", "0.5"}
    assert {track.order.chords for track in others} == {"C G"}
    one_group = read_order(write(tmp_path, "many.toml", MUSIC[: MUSIC.index("[[group]]")]))
    assert {track.chords for track in one_group.tracks} == {
        "A: Am F C G; B: F | C G | % | %",
        "A: Am G F E7; B: F | C G | % | %",
    }
    assert {track.ensemble for track in one_group.tracks} == {
        "A: strings*3, bass; intro: piano",
        "A: guitar, bass; intro: piano",
    }


def test_the_orders_of_the_document_are_possible(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "orders.md").read_text(encoding="utf-8")
    toml = text.split("```toml\n")[1].split("```")[0]
    (track,) = read_order(write(tmp_path, "order.toml", toml)).tracks
    assert track.chords == "A: Am F C G; B: Dm7 | G7 | C C/E | F" and track.roles == "intro: harmony, bass"
    table = "\n".join(line.strip() for line in text.split("As CSV:\n\n")[1].split("\n\n")[0].splitlines())
    (track,) = read_order(write(tmp_path, "order.csv", table)).tracks
    assert track.chords == "A: Am F C G; B: F | G" and track.ensemble == "B: strings*2, bass"


def test_a_nan_in_toml_is_no_gap(tmp_path: Path) -> None:
    for value in ("nan", "[0.5, nan]", '"nan"'):
        with pytest.raises(OrderError, match="energy is nan"):
            read_order(write(tmp_path, "order.toml", f"[track]\nduration_s = 20\nenergy = {value}\n"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.toml", b"count = ", "a.toml is not TOML"),
        ("a.toml", b"\xff\xfe", "a.toml is not TOML"),
        ("a.csv", b"\xff\xfe,", "a.csv is not UTF-8 text"),
        ("a.csv", b"", "requests 0 tracks"),
        ("a.csv", b"name,key\n", "requests 0 tracks"),
        ("a.csv", b"name\na,b\n", "row 2 has more values than the header"),
        ("a.csv", b'name\n"a', "a.csv is not a CSV table"),
        ("a.csv", b"nmae\na\n", 'row 1: An order has no field "nmae". Did you mean name?'),
        ("a.parquet", b"PAR1 but no more", "a.parquet is not a Parquet file"),
        ("a.json", b"{}", "a.json: an order is a .toml, .csv or .parquet file"),
    ],
)
def test_files_that_are_no_orders(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(OrderError) as raised:
        read_order(tmp_path / name)
    assert message in str(raised.value)


def test_names_may_hold_anything_and_seeds_may_be_large(tmp_path: Path) -> None:
    path = write(tmp_path, "order.csv", f"name,seed\n../Ünï code,{2**63 - 1}\n")
    assert read_order(path).tracks == (TrackOrder(name="../Ünï code", seed=2**63 - 1),)


def test_an_order_may_call_reverb_room_for_one_version(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same tracks come of it, and one warning, however many rows or groups there are."""
    lines = "[track]\nduration_s = 6\n[[group]]\nroom = ['hall', 'none']\ncount = 4\n[[group]]\nroom = 'none'\n"
    rows = "room,duration_s\nhall,6\nnone,6\n,6\n"
    columns = tmp_path / "old.parquet"
    pq.write_table(pa.table({"room": ["hall", None], "duration_s": [6, 6]}), columns)
    for old, present in (("old.toml", lines), ("old.csv", rows)):
        old_path = write(tmp_path, old, present)
        caplog.clear()
        read = read_order(old_path).tracks
        assert [record.getMessage()[:25] for record in caplog.records] == ["room is now called reverb"]
        caplog.clear()
        present_path = write(tmp_path, f"present-{old}", present.replace("room", "reverb"))
        again = read_order(present_path).tracks
        assert [track.reverb for track in read] == [track.reverb for track in again] and caplog.records == []
        if old.endswith(".csv"):
            assert read == again and [track.reverb for track in read] == ["hall", "none", "studio"]
    assert [track.reverb for track in read_order(columns).tracks] == ["hall", "studio"]


def test_room_beside_reverb_is_refused(tmp_path: Path) -> None:
    both = "room and reverb are both given: room is the old name of reverb. Leave room out."
    with pytest.raises(OrderError) as raised:
        expand_order({"track": {"room": "hall", "reverb": "none"}}, default_name="a")
    assert str(raised.value) == both
    with pytest.raises(OrderError, match="row 2: room and reverb are both given"):
        read_order(write(tmp_path, "a.csv", "room,reverb,duration_s\nhall,,6\nhall,none,6\n"))
    replaced = expand_order({"track": {"room": "hall"}, "group": [{"reverb": "none"}]}, default_name="a")
    assert [track.reverb for track in replaced.tracks] == ["none"]


def test_layers_in_every_kind_of_file(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "[track]\nseed = 3\nduration_s = 20\nlayers = 3\n")
    write(tmp_path, "a.csv", "name,seed,duration_s,layers\na-001,3,20,3\nb,3,20,\n")
    rows = [
        {"name": "a-001", "seed": 3, "duration_s": 20.0, "layers": 3.0},
        {"name": "b", "seed": 3, "duration_s": 20.0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")  # a column with gaps holds floats
    layers = [
        [order.layers for order in read_order(tmp_path / f"a.{kind}").tracks] for kind in ("toml", "csv", "parquet")
    ]
    assert layers == [[3], [3, 0], [3, 0]]
    write(tmp_path, "b.toml", "count = 20\n[track]\nlayers = { min = 2, max = 4 }\n")
    assert {order.layers for order in read_order(tmp_path / "b.toml").tracks} == {2, 3, 4}
    with pytest.raises(OrderError, match="row 1: layers is 7, it must be 2 to 5"):
        read_order(write(tmp_path, "c.csv", "layers\n7\n"))


def test_the_space_of_bridges_and_of_tracks_that_start_from_others_is_not_guessed() -> None:
    """Both counted as a minute."""
    groups = [{"name": name, "duration_s": 10.0, "loop": True, "bpm": 96.0} for name in ("a", "b")]
    groups.append({"name": "way", "bridge": ["a", "b"], "count": 40})
    tracks = expand_order({"group": groups}, default_name="x").tracks
    size = sum(estimated_size_bytes(track) for track in tracks)
    assert len(expand_order({"group": groups}, default_name="x", space=FreeSpace(free_bytes=size + 1)).tracks) == 42
    with pytest.raises(StorageError, match="42 tracks take about"):
        expand_order({"group": groups}, default_name="x", space=FreeSpace(free_bytes=size - 1))
