"""Bridges: what the row of one holds, made of the two tracks that it joins, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_fields, order_from_fields
from lstm_core.orders.order_file import expand_order, read_order
from lstm_core.orders.planned import PlannedTrack

FOREST = {
    "name": "forest", "duration_s": 20.0, "loop": True, "key": "D minor", "bpm": 96.0, "style": "game",
    "chords": "Dm Bb C Gm", "instruments": ["piano", "bass"],
}  # fmt: skip
CAVE = {"name": "cave", "duration_s": 20.0, "loop": True, "key": "G major", "bpm": 132.0}


def bridge_of(*groups: dict[str, Any], **fields: Any) -> PlannedTrack:
    """The bridge of an order with these groups before it, by default FOREST and CAVE."""
    row = {"name": "way", "bridge": ["forest", "cave"], **fields}
    return expand_order({"group": [*(groups or (FOREST, CAVE)), row]}, default_name="x").planned[-1]


def test_a_bridge_goes_from_key_chord_and_tempo_to_tempo_and_dominant() -> None:
    track = bridge_of(bridge_bars=4)
    order, plan = track.order, track.plan
    assert (order.key, order.meter, order.style) == ("D minor", "4/4", "game") and order.instruments == (
        "piano",
        "bass",
    )
    assert order.form == "A:1 B:2 C:1" and order.chords == "A: Gm; C: Am7 D7 |"
    assert (plan.num_bars, plan.final_bar) == (4, None)
    bpm = [tempo.bpm for tempo in plan.tempos]
    assert len(bpm) == 16 and bpm[0] == 96.0 and bpm == sorted(bpm)
    steps = {round(after / before, 9) for before, after in pairwise([*bpm, 132.0])}
    assert len(steps) == 1, "even steps, the last one into the tempo of the cave"
    assert order.duration_s == pytest.approx(sum(60 / one for one in bpm) + 1.0)


@pytest.mark.parametrize(
    ("fields", "form", "chords"),
    [
        ({"bridge_bars": 1}, "A:1", "A: Gm D7 |"),
        ({"bridge_bars": 2}, "A:1 B:1", "A: Gm; B: Am7 D7 |"),
        ({"bridge_bars": 3}, "A:1 B:1 C:1", "A: Gm; C: Am7 D7 |"),
        ({"bridge": "cave > forest"}, "A:1 B:1", "A: G; B: Em7b5 A7 |"),
        ({"bridge": ["cave-002", "forest-001"]}, "A:1 B:1", "A: G; B: Em7b5 A7 |"),
    ],
)
def test_the_bars_of_a_bridge(fields: dict[str, Any], form: str, chords: str) -> None:
    order = bridge_of(**fields).order
    assert (order.form, order.chords) == (form, chords)


def test_the_last_chord_of_a_form_and_of_a_track_that_ends() -> None:
    formed = {**FOREST, "duration_s": 40.0, "form": "A:5 B:6 A:5", "chords": "A: Dm C; B: Gm"}
    assert bridge_of(formed, CAVE).order.chords.startswith("A: Dm;"), (
        "five bars of A, the last is the fifth of Dm C Dm C Dm"
    )
    ending = {**FOREST, "loop": False}
    assert bridge_of(ending, CAVE).order.chords.startswith("A: Dm;")
    moving = {
        **FOREST,
        "form": "A B",
        "chords": "Dm",
        "bpm": 0,
        "duration_s": 30.0,
        "tempo_changes": {"A": 90, "B": 120},
    }
    changed = bridge_of(moving, CAVE).order
    assert changed.bpm == pytest.approx(120.0, rel=0.03), "of its last section"


def test_meters_of_one_chord_and_a_key_that_is_free() -> None:
    waltz = [{**FOREST, "meter": "3/4", "duration_s": 15.0}, {**CAVE, "meter": "3/4", "bpm": 0}]
    assert bridge_of(*waltz).order.chords == "A: Gm; B: D7" and len(bridge_of(*waltz).plan.tempos) == 6
    free = bridge_of({**FOREST, "key": "free", "chords": ""}, CAVE).order
    assert free.key == "free" and free.chords == "B: Am7 D7 |"
    nowhere = bridge_of({**FOREST, "chords": "N.C."}, {**CAVE, "key": "free", "bpm": 96.0})
    assert nowhere.order.chords == "A: Dm" and nowhere.plan.tempos == () and nowhere.plan.bpm == 96.0


def test_the_row_of_a_bridge_is_whole() -> None:
    """A record holds the row: its take is made again without the other two."""
    track = bridge_of(bridge_bars=3)
    again = admit(order_from_fields(order_fields(track.order)))
    assert again == track and track.order.bridge == "forest > cave"
    own = bridge_of(instruments=["harp"], style="film").order
    assert own.instruments == ("harp",) and own.style == "film"


def test_what_all_tracks_have_does_not_reach_a_bridge() -> None:
    groups = [{key: value for key, value in group.items() if key != "loop"} for group in (FOREST, CAVE)]
    groups = [{**group, "bpm": 96 + 36 * n} for n, group in enumerate(groups)]
    values = {"track": {"loop": True, "bpm": 120, "form": "A B", "format": "wav", "layers": 2}}
    row = {"name": "way", "bridge": ["forest", "cave"]}
    order = expand_order({**values, "group": [*groups, row]}, default_name="x").tracks[-1]
    assert not order.loop and order.bpm == 96.0 and order.format == "wav" and order.layers == 2


def test_tables_say_the_same(tmp_path: Path) -> None:
    rows = [{**FOREST, "instruments": "piano, bass", "seed": 1}, {**CAVE, "seed": 2}]
    rows.append({"name": "way", "bridge": "forest > cave", "bridge_bars": 4, "seed": 3})
    names = dict.fromkeys(name for row in rows for name in row)
    lines = [",".join(f'"{row.get(name, "")}"' for name in names) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    pq.write_table(
        pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), tmp_path / "a.parquet"
    )
    orders = [read_order(tmp_path / f"a.{kind}").tracks[-1] for kind in ("csv", "parquet")]
    assert orders[0] == orders[1] and orders[0].chords == "A: Gm; C: Am7 D7 |" and orders[0].name == "way"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bridge": ["forest", "cav"]}, 'bridge names "cav", no row above it. Did you mean cave?'),
        ({"bridge": ["forest", "way"]}, 'bridge names "way", no row above it'),
        ({"bridge": ["forest"]}, 'bridge is "forest". Write the names of two rows above it'),
        ({"bridge_bars": 5}, "bridge_bars is 5, it must be 1 to 4"),
        ({"loop": True}, "loop does not go with a bridge"),
        ({"key": "C"}, "key is C, but the tracks of a bridge decide it. Leave key out"),
        ({"duration_s": 9.0}, "duration_s is 9.0, but the tracks of a bridge decide it"),
        ({"bridge": ""}, "bridge_bars is given, but no bridge"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError) as raised:
        bridge_of(**({"bridge_bars": 3} | fields))
    assert message in str(raised.value)


def test_other_refusals(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match=r"leads from 4/4 \(forest\) to 3/4 \(cave\)"):
        bridge_of(FOREST, {**CAVE, "meter": "3/4", "bpm": 0})
    with pytest.raises(OrderError, match="it joins tracks of one order file, a row alone cannot be one"):
        admit(TrackOrder(bridge="a > b"))
    (tmp_path / "a.csv").write_text("name,duration_s,bridge\nb,20,\na,20,\nway,,b > a\n")
    with pytest.raises(OrderError, match="which requests the same as another row"):
        read_order(tmp_path / "a.csv")


def test_the_players_are_those_of_the_end_of_the_first_track() -> None:
    """An ensemble of the first track was not looked at, and the second track's instruments were taken."""
    formed = {
        **FOREST,
        "instruments": [],
        "form": "A:4 B:4",
        "chords": "",
        "ensemble": {"A": "flute", "B": "harp, bass"},
    }
    order = bridge_of(formed, {**CAVE, "instruments": ["organ"]}).order
    assert (order.instruments, order.ensemble) == ((), "harp, bass")
    begins = {**CAVE, "form": "A B", "duration_s": 29.1, "ensemble": {"A": "oboe"}}
    assert bridge_of({**FOREST, "instruments": []}, begins).order.ensemble == "oboe"
    assert bridge_of(formed, CAVE, instruments=["violin"]).order.instruments == ("violin",)


@pytest.mark.parametrize("rit", [False, True])
def test_a_bridge_begins_at_the_last_tempo_of_a_track_that_ends(rit: bool) -> None:
    """It began at that of the first section."""
    ending = {**FOREST, "loop": False, "form": "A B", "chords": "", "bpm": 0, "duration_s": 40.0, "rit": rit}
    bpm = bridge_of({**ending, "tempo_changes": {"A": 90, "B": 126}}, CAVE).order.bpm
    assert bpm == pytest.approx(126.0, rel=0.03)
