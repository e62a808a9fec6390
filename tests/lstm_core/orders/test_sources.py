"""Orders that start from a track: what they take over of it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.ideas import order_of_ideas
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.plan import plan_track
from lstm_core.orders.sources.asked import parse_bars
from lstm_core.orders.sources.reader import SourceReader

SOURCE = TrackOrder(
    name="inn", duration_s=30.0, form="A:4 B:4 A:4", energy="rise", instruments=("flute", "bass"), seed=7, stems=True
)
ID = "0123456789abcdef01234567"


def catalogue_with(folder: Path, source: TrackOrder = SOURCE, **changed: Any) -> str:
    """A catalogue that holds the record of a track, as far as orders read it."""
    content = {"track_id": ID, "order": order_fields(source), "score_fingerprint": "ab" * 32, "form": {"x": 1}}
    path = folder / "tracks" / ID / "track.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changed))
    return str(folder)


def read_rows(folder: Path, text: str, catalogue: str, name: str = "order.toml") -> list[TrackOrder]:
    (folder / name).write_text(text)
    return list(read_order(folder / name, catalogue=catalogue).tracks)


def test_what_an_order_leaves_out_is_as_in_the_track(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music")
    text = f'seed = 3\n[track]\nfrom = "{ID}"\nbars = "5-8, 9"\nparts = ["bass"]\nloudness_lufs = -20'
    (found,) = read_rows(tmp_path, text, catalogue)
    assert (found.bars, found.parts, found.loudness_lufs) == ("5-8, 9", ("bass",), -20.0)
    assert found.seed not in (0, 7) and found.name == "order-001"
    rest = {"from_track": "", "from_notes": "", "from_seed": 0, "bars": "", "parts": (), "loudness_lufs": -16.0}
    assert replace(found, **rest, name="inn", seed=7) == SOURCE
    assert (found.from_seed, found.from_notes, found.catalogue) == (7, "ab" * 32, "")
    assert plan_track(found) == plan_track(SOURCE) and plan_track(replace(found, seed=99)) == plan_track(SOURCE)
    assert order_from_fields(order_fields(found)) == found and order_fields(found)["from"] == ID


def test_rows_of_tables_and_of_the_command_line_say_the_same(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music")
    csv = f'name,from,bars,parts,seed\nx,{ID},"5-8, 9",bass,5\n'
    (row,) = read_rows(tmp_path, csv, catalogue, "rows.csv")
    given = {"from_track": ID, "bars": "5-8,9", "parts": "bass", "name": "x"}
    (idea,) = order_of_ideas(given, title="x", seed=5, catalogue=catalogue).tracks
    assert row == idea and order_digest(row) == order_digest(idea)
    (single,) = read_rows(tmp_path, f'seed = 3\n[track]\nfrom = "{ID}"\nbars = 5', catalogue)
    assert single.bars == "5"


def test_a_track_counts_by_its_id_and_notes_and_not_by_its_place(tmp_path: Path) -> None:
    here, there = catalogue_with(tmp_path / "a"), catalogue_with(tmp_path / "b")
    given = {"from": ID, "vary": 0.5, "seed": 1}
    own = order_from_fields(SourceReader(here).completed(given, ""))
    other = order_from_fields(SourceReader(here).completed(given | {"catalogue": there}, ""))
    beside = order_from_fields(SourceReader("").completed(given | {"catalogue": "b"}, str(tmp_path)))
    assert (own.catalogue, other.catalogue) == ("", there) and beside == other
    assert order_digest(own) == order_digest(other)
    assert order_digest(own) != order_digest(replace(own, from_notes="cd" * 32))
    assert order_digest(own) != order_digest(replace(own, from_track="f" * 24))
    assert order_digest(own) != order_digest(replace(own, vary=0.6))


def test_without_a_catalogue_a_row_is_left_as_it_is(tmp_path: Path) -> None:
    """A cluster's catalogue is out of reach where its order is sent from."""
    (found,) = read_rows(tmp_path, f'[track]\nfrom = "{ID}"\nbars = "900"', "")
    assert found.from_track == ID and found.from_notes == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bars": "1-4"}, 'bars is given, but not from. Write the track that it is about: from = "TRACK_ID".'),
        ({"vary": 0.1}, "vary is given, but not from"),
        ({"from": "../x", "bars": "1"}, 'from is "../x", it must be the id of a track'),
        ({"from": ID}, 'nothing says what is made again. Write bars, such as "9-16", parts'),
        ({"from": ID, "bars": "9-x"}, 'bars is "9-x". Write bars from 1 on'),
        ({"from": ID, "bars": "0-4"}, 'bars is "0-4". Write bars from 1 on'),
        ({"from": ID, "bars": "16-9"}, '16-9 ends before it begins. Write "9-16"'),
        ({"from": ID, "bars": "10-13"}, "has 12 bars. Write bars up to 12"),
        ({"from": ID, "vary": 1.5}, "vary is 1.5, it must be 0 to 1"),
        ({"from": ID, "vary": "nan"}, "vary is nan, it must be 0 to 1"),
        ({"from": ID, "vary": 0.5, "bars": "1"}, "vary and bars are both given"),
        ({"from": ID, "vary": 0.5, "parts": "bass"}, "vary and parts are both given"),
        ({"from": ID, "bars": "1", "key": "C"}, "key is 'C', but bars makes only something of track .* Leave key out"),
        ({"from": ID, "parts": "bass", "duration_s": 31}, "duration_s is 31.0, but parts makes only something"),
        ({"from": ID, "vary": 0.5, "chords.A": "Am"}, "chords is 'A: Am', but vary makes only something"),
        ({"from": "0" * 24, "bars": "1"}, "the catalogue .* has no such track"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    catalogue = catalogue_with(tmp_path)
    with pytest.raises(OrderError, match=message):
        order_of_ideas(fields, title="x", seed=5, catalogue=catalogue)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"track_id": "f" * 24}, "whose record is damaged .it is that of f"),
        ({"order": 5}, "whose record is damaged"),
        ({"order": {"tempi": 5}}, 'whose order is none of this version: An order has no field "tempi"'),
        ({"order": {"primer_sha256": "ab"}}, "which continues a primer"),
        ({"form": None}, "which was made without a plan"),
    ],
)
def test_a_record_that_nothing_can_start_from_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    catalogue = catalogue_with(tmp_path, **changed)
    with pytest.raises(OrderError, match=message):
        order_of_ideas({"from": ID, "bars": "1"}, title="x", seed=5, catalogue=catalogue)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path)
    (tmp_path / "tracks" / ID / "track.json").write_text("{")
    with pytest.raises(OrderError, match=r"whose record is damaged .* Make that track again"):
        order_of_ideas({"from": ID, "bars": "1"}, title="x", seed=5, catalogue=catalogue)


def test_bars_count_from_one() -> None:
    assert parse_bars("9-12, 17") == (range(8, 12), range(16, 17))
