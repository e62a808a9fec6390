"""Rows of tracks that lead from one track to another: their lengths, names and seeds, and tracks that do not go."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.ideas import order_of_ideas
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import TrackOrder, order_digest, order_fields, order_from_fields
from lstm_core.orders.order_file import read_order
from lstm_core.orders.plan import plan_track
from lstm_core.orders.sources.between import bars_at

A = TrackOrder(name="inn", duration_s=40.0, bpm=96.0, key="D minor", form="A:4 B:4 A:4 B:4", seed=7, stems=True)
B = TrackOrder(name="road", style="game", duration_s=48.0, bpm=120.0, key="G", instruments=("flute", "bass"), seed=8)
IDS = ("a" * 24, "b" * 24)
BETWEEN = " > ".join(IDS)


def catalogue_with(folder: Path, *orders: TrackOrder, **changed: Any) -> str:
    """A catalogue that holds the records of tracks, as far as orders read them."""
    for track_id, order in zip(IDS, orders or (A, B), strict=True):
        content = {"track_id": track_id, "order": order_fields(order), "score_fingerprint": track_id, "form": {"x": 1}}
        path = folder / "tracks" / track_id / "track.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content | changed))
    return str(folder)


def rows(catalogue: str, **fields: Any) -> list[TrackOrder]:
    return list(order_of_ideas({"between": BETWEEN, **fields}, title="x", seed=5, catalogue=catalogue).tracks)


def test_a_row_becomes_tracks_whose_ends_are_planned_as_the_two_tracks_are(tmp_path: Path) -> None:
    found = rows(catalogue_with(tmp_path), name="walk")
    assert [one.name for one in found] == [f"walk-{step}" for step in range(1, 6)]
    assert [(one.step, one.steps, one.between, one.seed) for one in found] == [
        (step, 5, BETWEEN, 5) for step in range(1, 6)
    ]
    nothing = {"between": "", "steps": 0, "step": 0, "between_notes": "", "from_seed": 0, "seed": 0, "name": ""}
    for end, own in ((found[0], A), (found[-1], replace(B, stems=True))):  # the sound is the first one's
        assert replace(end, **nothing) == replace(own, seed=0, name="") and plan_track(end) == plan_track(own)
    plans = [plan_track(one) for one in found]
    assert [plan.num_bars for plan in plans] == [16, 16, 20, 24, 24] and {one.between_notes for one in found} == {
        " ".join(IDS)
    }
    assert [plan.bpm for plan in plans] == pytest.approx([96 * 1.25 ** (step / 4) for step in range(5)])
    assert [plan.key for plan in plans] == [14, 14, 7, 7, 7] and [one.style for one in found] == ["", ""] + ["game"] * 3
    assert all(one.form == "" and one.instruments == () for one in found[1:-1])
    assert [order_from_fields(order_fields(one)) for one in found] == found
    assert len({order_digest(one) for one in found}) == 5
    assert rows(catalogue_with(tmp_path), name="walk", steps=5) == found
    (alone,) = rows(catalogue_with(tmp_path), step=3)
    assert replace(alone, name="walk-3") == found[2]


def test_tracks_of_one_length_have_steps_of_that_length(tmp_path: Path) -> None:
    for loop in (False, True):
        ends = (replace(A, loop=loop, duration_s=48.0, bpm=80.0), replace(B, loop=loop))
        found = rows(catalogue_with(tmp_path, *ends), steps=9)
        plans = [plan_track(one) for one in found]
        assert {one.duration_s for one in found} == {48.0} and {plan.num_samples for plan in plans} == {48 * 44100}
        for values in ([plan.bpm for plan in plans], [plan.num_bars for plan in plans]):
            assert all(one <= other for one, other in pairwise(values)) and values[0] < values[-1]


def test_bars_grow_in_whole_phrases_where_that_goes() -> None:
    assert [bars_at(t / 4, 16, 32) for t in range(5)] == [16, 20, 24, 28, 32]
    assert [bars_at(t / 4, 26, 16) for t in range(5)] == [26, 24, 22, 18, 16]
    assert [bars_at(t / 4, 9, 12) for t in range(5)] == [9, 10, 11, 11, 12]


def test_order_files_say_the_same(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music")
    (tmp_path / "rows.csv").write_text(f"name,between,steps,seed\nwalk,{BETWEEN},4,5\nx,,,6\n")
    table = read_order(tmp_path / "rows.csv", catalogue=catalogue).tracks
    assert list(table[:4]) == rows(catalogue, steps=4, name="walk") and table[4].name == "x" and len(table) == 5
    text = '[track]\nbpm = 90\nform = "A B"\n[[group]]\nname = "x"\n[[group]]\nname = "walk"\ncount = 2\nsteps = 4\n'
    (tmp_path / "o.toml").write_text(text + f"between = {json.dumps(IDS)}\n")
    read = read_order(tmp_path / "o.toml", catalogue=catalogue).tracks
    assert [one.name for one in read] == ["x-001", *(f"walk-{number:03d}" for number in range(2, 10))]
    assert len({one.seed for one in read[1:5]}) == 1 and read[5].seed != read[1].seed
    same = [replace(one, name="", seed=0) for one in read[1:5]]
    assert same == [replace(one, name="", seed=0) for one in table[:4]]


def test_rows_without_seeds_have_one_for_all_their_tracks(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path / "music")
    (tmp_path / "rows.csv").write_text(f"name,between\nx,{BETWEEN}\ny,{BETWEEN}\n")
    found = read_order(tmp_path / "rows.csv", catalogue=catalogue).tracks
    assert len({one.seed for one in found[:5]}) == len({one.seed for one in found[5:]}) == 1
    assert found[0].seed != found[5].seed


def test_without_a_catalogue_a_row_is_as_many_tracks(tmp_path: Path) -> None:
    """A cluster's catalogue is out of reach where its order is sent from."""
    found = rows("", steps=3)
    assert [(one.step, one.between_notes) for one in found] == [(1, ""), (2, ""), (3, "")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"between": "abc"}, r'between is "abc". Write the ids of two tracks of the catalogue: \["ID_A", "ID_B"\]'),
        ({"between": f"{IDS[0]} > ../x"}, 'between is "a* > ../x". Write the ids'),
        ({"step": 6}, "step is 6, it must be 1 to 5"),
        ({"chords.A": "Am"}, "chords is 'given', but the two tracks of between decide it"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    catalogue = catalogue_with(tmp_path)
    with pytest.raises(OrderError, match=message):
        rows(catalogue, **fields)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rit": 0.3}, "between names b*, which has rit: .* one tempo"),
        ({"form": "A B", "tempo_changes": "B: 130", "bpm": 120.0, "duration_s": 50.0}, "b*, which has tempo_changes"),
        ({"form": "fanfare", "duration_s": 4.0, "bpm": 0.0}, "b*, which has the form fanfare"),
    ],
)
def test_tracks_between_which_nothing_leads_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    catalogue = catalogue_with(tmp_path, A, replace(B, **changed))
    with pytest.raises(OrderError, match=message):
        rows(catalogue)


def test_loops_after_intros_of_one_length_stay_so(tmp_path: Path) -> None:
    ends = replace(A, loop=True, form="", loop_start=4), replace(B, loop=True, loop_start=4)
    found = rows(catalogue_with(tmp_path, *ends))
    assert {one.loop_start for one in found} == {4} and all(one.loop for one in found)


def test_a_record_that_nothing_can_start_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match=r"between names a*, which was made without a plan"):
        rows(catalogue_with(tmp_path, form=None))
    with pytest.raises(OrderError, match=r"between names a*, which continues a primer"):
        rows(catalogue_with(tmp_path, order={"primer_sha256": "ab"}))


def test_transitions_of_the_two_tracks_are_not_those_of_the_steps(tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path, replace(A, transitions=True), replace(B, transitions=True))
    assert not any(row.transitions for row in rows(catalogue))


@pytest.mark.parametrize("steps", ["-3", "inf", "17", '"²"'])
def test_steps_that_are_none_are_refused_in_files_too(tmp_path: Path, steps: str) -> None:
    catalogue = catalogue_with(tmp_path / "music")
    (tmp_path / "order.toml").write_text(f'[track]\nbetween = ["{IDS[0]}", "{IDS[1]}"]\nsteps = {steps}\n')
    with pytest.raises(OrderError, match="steps"):
        read_order(tmp_path / "order.toml", catalogue=catalogue)
    (tmp_path / "rows.csv").write_text(f"between,steps\n{BETWEEN},0\n")
    assert len(read_order(tmp_path / "rows.csv", catalogue=catalogue).tracks) == 5  # as without it
