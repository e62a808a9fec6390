"""Orders that lead from one track to another: the rows that they become, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.generate.ideas import order_of_ideas
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.plan import plan_track

FIRST = TrackOrder(name="inn", duration_s=32.0, bpm=120.0, key="C", loop=True, style="game", seed=7, reverb="hall")
LAST = TrackOrder(name="storm", duration_s=48.0, bpm=160.0, key="E minor", loop=True, style="film", seed=8)
IDS = ("0123456789abcdef01234567", "76543210fedcba9876543210")


def catalogue_with(folder: Path, *orders: TrackOrder, **changed: Any) -> str:
    """A catalogue that holds the records of two tracks, as far as orders read them."""
    for track_id, order in zip(IDS, orders, strict=True):
        content = {"track_id": track_id, "order": order_fields(order), "score_fingerprint": track_id * 2, "form": {}}
        path = folder / "tracks" / track_id / "track.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content | changed))
    return str(folder)


def read_rows(folder: Path, catalogue: str, more: str = "", name: str = "order.toml") -> list[TrackOrder]:
    text = f'seed = 3\n[track]\nname = "walk"\nbetween = {list(IDS)}\n{more}\n'.replace("'", '"')
    (folder / name).write_text(text)
    return list(read_order(folder / name, catalogue=catalogue).tracks)


def test_a_row_becomes_as_many_tracks_as_there_are_steps(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music", FIRST, LAST)
    rows = read_rows(tmp_path, catalogue, "steps = 5")
    assert [row.name for row in rows] == [f"walk-{n:03d}" for n in range(1, 6)]
    assert [(row.step, row.steps) for row in rows] == [(n, 5) for n in range(1, 6)]
    assert [row.key for row in rows] == ["C", "C major", "E minor", "E minor", "E minor"]
    bpm, bars = [plan_track(row).bpm for row in rows], [plan_track(row).num_bars for row in rows]
    assert np.allclose(np.diff(np.log(bpm)), np.log(160 / 120) / 4)  # in even ratios
    assert bars == [16, 20, 24, 28, 32]
    assert {row.reverb for row in rows} == {"hall"} and len({order_digest(row) for row in rows}) == 5
    ends = [replace(row, name="", seed=0, between="", steps=0, step=0, between_notes="", from_seed=0) for row in rows]
    assert plan_track(ends[0]) == plan_track(FIRST) and plan_track(ends[-1]) == plan_track(LAST)
    assert len(read_rows(tmp_path, catalogue)) == 5 and len(read_rows(tmp_path, catalogue, "steps = 2")) == 2
    assert all(order_from_fields(order_fields(row)) == row for row in rows)


def test_rows_of_tables_and_of_the_command_line_are_several_tracks_too(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music", FIRST, LAST)
    (tmp_path / "rows.csv").write_text(f"name,between,steps,seed\nwalk,{IDS[0]} > {IDS[1]},4,5\n")
    rows = read_order(tmp_path / "rows.csv", catalogue=catalogue).tracks
    given = {"between": f"{IDS[0]} > {IDS[1]}", "steps": 4, "name": "walk"}
    ideas = order_of_ideas(given, title="x", seed=5, catalogue=catalogue).tracks
    assert len(rows) == 4 and [order_digest(row) for row in rows] == [order_digest(idea) for idea in ideas]
    (one,) = order_of_ideas({**given, "step": 2}, title="x", seed=5, catalogue=catalogue).tracks
    assert order_digest(one) == order_digest(rows[1])


@pytest.mark.parametrize(
    ("first", "last", "more", "message"),
    [
        ({"meter": "3/4", "bpm": 0.0}, {}, "", r"in 3/4 and the other in 4/4: both must be in one meter. Arrange"),
        ({"loop": False}, {}, "", "one is a loop and the other ends"),
        ({"key": "free"}, {}, "", r'one is in no key \(key = "free"\)'),
        ({"loop_start": 4, "form": "intro:4 A:12"}, {}, "", "loops begin after 4 and 0 bars"),
        ({"hits": "16.0", "bpm": 0.0}, {}, "", "which has hits"),
        ({}, {}, "steps = 17", "steps is 17"),
        ({}, {}, "steps = 1", "steps is 1"),
        ({}, {}, 'style = "game"', "style is 'game', but the two tracks of between decide it"),
        ({}, {}, 'bars = "1-4"', "bars is '1-4', but the two tracks of between decide it"),
    ],
)
def test_what_cannot_be_between_is_refused(
    first: dict[str, Any], last: dict[str, Any], more: str, message: str, tmp_path: Path
) -> None:
    catalogue = catalogue_with(tmp_path / "music", replace(FIRST, **first), replace(LAST, **last))
    with pytest.raises(OrderError, match=message):
        read_rows(tmp_path, catalogue, more)


def test_tracks_that_are_not_there_or_changed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match=f"{IDS[0]}: the catalogue .* has no such track"):
        read_rows(tmp_path, str(tmp_path))
    catalogue = catalogue_with(tmp_path / "music", FIRST, LAST)
    with pytest.raises(OrderError, match="made anew since"):
        order_of_ideas(
            {"between": f"{IDS[0]} > {IDS[1]}", "between_notes": "a b"}, title="x", seed=1, catalogue=catalogue
        )
    with pytest.raises(OrderError, match="twice the same track"):
        order_from_fields({"between": [IDS[0], IDS[0]]})
    for field in ("from", "melody", "primer", "bridge"):
        with pytest.raises(OrderError, match=f"between does not go with {field}"):
            order_from_fields({"between": list(IDS), field: f"{IDS[0]} > {IDS[1]}" if field == "bridge" else IDS[0]})
    with pytest.raises(OrderError, match="steps is given, but not between"):
        order_from_fields({"steps": 3})
