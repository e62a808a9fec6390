"""Bridges between tracks of a catalogue, and between the layers of one: what their records decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.ideas import order_of_ideas
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.sources.made_tracks import made_track
from lstm_core.orders.timing.bridge import is_unread
from lstm_core.orders.timing.bridge_ends import key_of_chord
from lstm_core.tracks.replay import check_pinned
from tests.lstm_core.orders.made_up_tracks import CAVE, FOREST, LAYERED, layer, made_content, write_made

DM, INTO = "Dm Dm Bb Bb C C Gm/Bb A7", "F#m F#m D D A A E E"  # the one ends on A7, the other begins on F#m


def bridge_of(folder: Path, first: dict[str, Any], second: dict[str, Any], **fields: Any) -> TrackOrder:
    """The row of a bridge between two made tracks."""
    catalogue = write_made(folder, first, second)
    given = {"bridge": [first["track_id"], second["track_id"]], **fields}
    return order_of_ideas(given, title="x", seed=3, catalogue=catalogue).tracks[0]


def between(folder: Path, one: str, other: str, chords: str = DM, **fields: Any) -> TrackOrder:
    """The row of a bridge between two layers of a made track."""
    own = {key: fields.pop(key) for key in ("tempos", "loop", "loop_start_bar", "bpm", "key") if key in fields}
    catalogue = write_made(folder, made_content(FOREST, chords, **LAYERED, **own))
    given = {"bridge": [f"{FOREST}/{one}", f"{FOREST}/{other}"], **fields}
    return order_of_ideas(given, title="x", seed=3, catalogue=catalogue).tracks[0]


def test_a_bridge_begins_on_the_chord_that_was_played_and_leads_into_the_one_that_comes(tmp_path: Path) -> None:
    forest, cave = made_content(FOREST, DM), made_content(CAVE, INTO, key="A major", bpm=132.0)
    order = bridge_of(tmp_path, forest, cave)
    assert (order.form, order.chords) == ("A:1 B:1", "A: A7; B: Abm7b5 C#7 |")
    assert (order.key, order.bpm, order.bridge_bpm, order.style) == ("D minor", 96.0, 132.0, "game")
    assert order.instruments == ("flute", "fingered bass") and order.energy == "0.75 0.25"
    assert bridge_of(tmp_path, cave, forest).chords == "A: E; B: Em7b5 A7 |", "into D minor, which it begins with"
    assert bridge_of(tmp_path, forest, cave, bridge_bars=1).chords == "A: A7 C#7 |"
    assert order.bridge == f"{FOREST} > {CAVE}" and admit(order_from_fields(order_fields(order))).order == order


def test_one_player_of_each_role_plays(tmp_path: Path) -> None:
    """Of many in a bar the composer makes basses; what a layer adds last is what is to be heard."""
    parts = ("harmony: string ensemble 1", "bass: tuba", "harmony: rock organ")
    content = made_content(FOREST, DM, layers=[layer(1, -20.0, *parts[:2]), layer(2, -18.0, *parts)])
    content["form"]["roles"] = {"harmony": ["string ensemble 1", "rock organ"], "bass": ["tuba"]}
    track = made_track(content)
    assert track.players == ("string ensemble 1", "tuba") and track.layers[1].players == ("rock organ", "tuba")
    named = {**content, "order": {**content["order"], "instruments": ["piano*2", "bass"]}}
    order = bridge_of(tmp_path, named, made_content(CAVE, INTO))
    assert order.instruments == ("piano*2", "bass")


def test_a_key_of_a_first_chord() -> None:
    keys = {"Dm": 14, "F#m7": 18, "Bdim": 23, "G": 7, "A7": 9, "Csus4": 0, "D5": 14, "Dsus2": 14, "N.C.": 14}
    assert {name: key_of_chord(parse_chord(name), 14) for name in keys} == keys
    assert key_of_chord(parse_chord("N.C."), None) is None


def test_a_bridge_leaves_in_the_last_tempo_but_for_one_that_slows_down(tmp_path: Path) -> None:
    cave = made_content(CAVE, INTO)
    tempos = [{"bar": bar, "start_s": 0.0, "bpm": bpm} for bar, bpm in ((0.0, 90.0), (4.0, 120.0), (6.25, 70.0))]
    forest = made_content(FOREST, f"{DM} {DM}", tempos=tempos)
    assert bridge_of(tmp_path, forest, cave).bpm == 70.0 and bridge_of(tmp_path, cave, forest).bridge_bpm == 90.0
    slowed = {**forest, "order": {**forest["order"], "loop": False, "rit": 0.3}, "loop": False}
    assert bridge_of(tmp_path, slowed, cave).bpm == 120.0


def test_between_layers_stands_the_harmony_that_comes_most_often(tmp_path: Path) -> None:
    chords = "Dm Dm Bb C Gm Gm Bb C F F Bb C"
    up = between(tmp_path, "layer-1", "layer-2", chords, bridge_bars=1)
    assert (up.chords, up.bridge_at, up.form) == ("Bb C |", "2, 4, 6", "A:1")
    assert (up.key, up.bpm, up.bridge_bpm, up.energy) == ("D minor", 96.0, 96.0, "1.0")
    assert up.instruments == ("string ensemble 1", "drums") and up.duration_s == 240 / 96 + 1
    down = between(tmp_path, "layer-3", "layer-1", chords, bridge_bars=2)
    assert (down.chords, down.bridge_at, down.energy) == ("Dm | Bb C |", "1", "1.0 0.4")
    assert down.instruments == ("string ensemble 1", "drums", "flute")
    assert admit(order_from_fields(order_fields(down))).order == down


def test_between_layers_neither_the_intro_nor_the_last_chord_nor_a_moving_tempo_counts(tmp_path: Path) -> None:
    chords = "C C C C C C Dm Dm Dm Dm F F F F"
    assert between(tmp_path, "layer-1", "layer-2", chords, loop_start_bar=2, bridge_bars=1).bridge_at == "4, 5"
    ending = between(tmp_path, "layer-1", "layer-2", "N.C. N.C. N.C. N.C. Dm Dm F F", loop=False, bridge_bars=1)
    assert ending.bridge_at == "3"
    rock = between(tmp_path, "layer-1", "layer-2", "N.C. N.C. N.C. N.C. N.C. N.C. F5 F5 F5 F5 Dm C", bridge_bars=1)
    assert (rock.bridge_at, rock.chords) == ("6", "Dm C |"), "power chords are hardly more than one pitch"
    tempos = [{"bar": float(bar), "start_s": 0.0, "bpm": 90.0 + bar} for bar in (0, 1, 3)]
    order = between(tmp_path, "layer-1", "layer-2", chords, tempos=tempos)
    assert (order.bridge_at, order.bpm, order.chords) == ("2", 91.0, "C | C |")
    beats = [{"bar": beat / 4, "start_s": 0.0, "bpm": 90.0 + beat} for beat in range(28)]
    with pytest.raises(OrderError, match=r"bridge_bars is 2, but track .* has no 2 bars in one tempo that go on"):
        between(tmp_path, "layer-1", "layer-2", chords, tempos=beats)


def test_rows_of_files_find_the_catalogue(tmp_path: Path) -> None:
    write_made(tmp_path / "far", made_content(FOREST, DM), made_content(CAVE, INTO))
    (tmp_path / "a.csv").write_text(f"name,bridge,catalogue,seed\nway,{FOREST} > {CAVE},far,3\n")
    (tmp_path / "a.toml").write_text(
        f'[track]\ncatalogue = "far"\nseed = 3\n[[group]]\nname = "way"\nbridge = ["{FOREST}", "{CAVE}"]\n'
    )
    rows = [read_order(tmp_path / name, catalogue=str(tmp_path)).tracks[0] for name in ("a.csv", "a.toml")]
    assert rows[0].chords == "A: A7; B: Abm7b5 C#7 |" and order_digest(rows[0]) == order_digest(rows[1])
    (tmp_path / "b.toml").write_text(
        f'[[group]]\nname = "hut"\nkey = "C"\nloop = true\nchords = "F"\n[[group]]\nbridge = ["hut", "{CAVE}"]\n'
    )
    mixed = read_order(tmp_path / "b.toml", catalogue=str(tmp_path / "far")).tracks[-1]
    assert mixed.chords == "A: F; B: Abm7b5 C#7 |" and mixed.key == "C major"


def test_a_bridge_that_was_not_looked_up_is_read_and_not_made() -> None:
    """An order that is submitted is read where its catalogue cannot be seen."""
    (row,) = order_of_ideas({"bridge": [FOREST, CAVE]}, title="x", seed=3).tracks
    assert is_unread(row) and not is_unread(replace(row, bridge_bpm=90.0, bpm=90.0))
    with pytest.raises(OrderError, match="was not looked up: read the order with its catalogue"):
        check_pinned(row)


@pytest.mark.parametrize(
    ("changed", "fields", "message"),
    [
        ({"meter": "3/4", "form": None}, {}, "was made without a plan: its chords are unknown"),
        ({"key": "H"}, {}, 'whose record is damaged ("H" is no key'),
        ({"form": {"x": 1}}, {}, "whose record is damaged"),
        ({}, {"bridge": f"{FOREST} > {'0' * 24}"}, "has no such track. Write the name of one of its folders"),
        ({}, {"key": "C"}, "key is C, but the tracks of a bridge decide it"),
        ({}, {"bridge_at": "3"}, "bridge_at is 3, but the tracks of a bridge decide it"),
        ({}, {"bridge": f"{FOREST}/layer-1 > {CAVE}"}, "layer-1 of track 0*f, which has no layers"),
        ({}, {"bridge": f"{FOREST} > cave"}, 'bridge names "cave", no row above it'),
        ({}, {"transitions": True}, "transitions does not go with a bridge"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changed: Any, fields: Any, message: str) -> None:
    catalogue = write_made(tmp_path, made_content(FOREST, DM), made_content(CAVE, INTO, **changed))
    with pytest.raises(OrderError) as raised:
        order_of_ideas({"bridge": [FOREST, CAVE], **fields}, title="x", seed=3, catalogue=catalogue)
    assert message.replace("0*f", FOREST) in str(raised.value)


def test_other_refusals(tmp_path: Path) -> None:
    waltz = made_content(CAVE, INTO, meter="3/4")
    waltz["form"] = {**waltz["form"], "chords": ["D"] * 4, "slots_per_bar": 1}
    with pytest.raises(OrderError, match=rf"leads from 4/4 \({FOREST}\) to 3/4 \({CAVE}\)"):
        bridge_of(tmp_path, made_content(FOREST, DM), waltz)
    with pytest.raises(OrderError, match=r"layer-4 of track .*, which has layers 1 to 3\. Name one of them"):
        between(tmp_path, "layer-1", "layer-4")
    with pytest.raises(OrderError, match=r"that is one layer\. Name two of them"):
        between(tmp_path, "layer-2", "layer-2")
    with pytest.raises(OrderError, match="catalogue is given, but not from"):
        TrackOrder(bridge="a > b", catalogue="far")
    assert made_track(made_content(FOREST, DM)).with_layer(0).layer == 0
