"""Transitions through a whole run: made when their tracks are there, of what these became."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import GenerateResult, run_generate
from jobs.generate.transitions import Transitions, check_plans, is_transition
from lstm_core.catalogue.folder import withdraw_track
from lstm_core.catalogue.records import TrackRecord, make_record
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import KEY_NAMES
from lstm_core.orders.order_file import expand_order
from lstm_core.orders.sources.made_tracks import made_track
from lstm_core.sound.soundfont import identity_of
from lstm_core.tracks.identity import Provenance
from tests.jobs.generate.rows import contents
from tests.lstm_core.catalogue.made_up_records import content
from tests.lstm_core.composing.tiny_composer import tiny_checkpoint
from tests.lstm_core.orders.made_up_tracks import CAVE, FOREST, made_content
from tests.lstm_core.sounds import bundled_soundfont
from tests.lstm_core.tracks.test_replay import saved_composer

TRACK = {"style": "game", "duration_s": 8.0, "bpm": 120.0, "loop": True, "transitions": True}
GROUPS = [{"name": "wood", "count": 2, "bridge_bars": 1}, {"name": "boss", "layers": 2}]


def record_of(track_id: str, **order: Any) -> TrackRecord:
    made = made_content(track_id, "Dm Dm C C", num_samples=882_000, duration_s=20.0)
    form = {**made["form"], "sections": [{"name": "A", "start_bar": 0, "num_bars": 2}]}
    return make_record(content(**made) | {"form": form, "order": {**made["order"], **order}})


def run_order(composer: Path, out: Path) -> GenerateResult:
    order = expand_order({"seed": 5, "track": TRACK, "group": GROUPS}, default_name="x")
    recipe = GenerateRecipe(arithmetic="float32", max_attempts=8)
    return run_generate(str(composer), order, str(out), recipe, is_here=True)


@pytest.mark.slow
def test_a_run_makes_transitions_of_what_its_tracks_became(tmp_path: Path) -> None:
    composer, one = saved_composer(tmp_path / "composer"), tmp_path / "one"
    result = run_order(composer, one)
    records = {record.name: record for record in result.records}
    joined = ["wood-001-to-002", "wood-002-to-001", "boss-003-layer-1-to-2", "boss-003-layer-2-to-1"]
    assert list(records) == ["wood-001", "wood-002", "boss-003", *joined] and not result.failures
    first, second = records["wood-001"], records["wood-002"]
    bridge = records["wood-001-to-002"]
    assert bridge.form is not None and first.form is not None and second.form is not None
    assert bridge.order["bridge"] == f"{first.track_id} > {second.track_id}" and bridge.num_bars == 1
    end = made_track({**vars(second), "form": second.form.to_plain()}).end()
    assert end.leads_to is not None and bridge.form.chords[-1] == f"{KEY_NAMES[(end.leads_to + 7) % 12]}7"
    boss, stinger = records["boss-003"], records["boss-003-layer-1-to-2"]
    assert boss.form is not None and stinger.form is not None and boss.layers is not None
    bars = [int(bar) - 1 for bar in stinger.order["bridge_at"].split(", ")]
    assert {boss.form.chords[2 * bar : 2 * bar + 2] for bar in bars} == {stinger.form.chords}
    assert (stinger.key, stinger.bpm, stinger.duration_s) == (boss.key, boss.bpm, 240 / boss.bpm + 1)
    assert stinger.order["loudness_lufs"] == pytest.approx(boss.layers[1].loudness_lufs, abs=0.051)
    assert stinger.loudness_lufs == pytest.approx(stinger.order["loudness_lufs"], abs=0.2)
    two = shutil.copytree(one, tmp_path / "two")
    for name in ("wood-002", "wood-001-to-002", "boss-003-layer-2-to-1"):
        withdraw_track(str(two), records[name].track_id)
    again = run_order(composer, two)
    assert again.num_made == 3 and contents(one) == contents(two)
    assert [record.track_id for record in again.records] == [record.track_id for record in result.records]


def test_a_track_that_failed_is_not_joined(caplog: pytest.LogCaptureFixture) -> None:
    order = expand_order({"group": [{"count": 3}], "track": {"transitions": True}}, default_name="wood")
    named = [
        replace(track, track_id=track_id) for track, track_id in zip(order.planned, (FOREST, CAVE, "x"), strict=True)
    ]
    provenance = Provenance(
        checkpoint={"fingerprint": "f"}, soundfont=identity_of(bundled_soundfont()), arithmetic="float32-cpu"
    )
    records = {track_id: record_of(track_id) for track_id in (FOREST, CAVE)}
    transitions = Transitions(order, named, provenance, {})
    with caplog.at_level(logging.WARNING):
        rows = transitions.after(records)
    assert [row.name for row in rows.values()] == ["wood-001-to-002", "wood-002-to-001"]
    assert all(row.track_id == track_id for track_id, row in rows.items())
    assert "wood-003 failed: no transitions from it or to it are made" in caplog.text
    assert transitions.after({}) is rows, "they are looked at once"


def test_a_bridge_that_cannot_be_made_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error there would end a run all of whose tracks are made."""

    def refused(*_: object) -> None:
        raise OrderError("they are in no common key")

    order = expand_order({"group": [{"count": 2}], "track": {"transitions": True}}, default_name="wood")
    named = [replace(track, track_id=track_id) for track, track_id in zip(order.planned, (FOREST, CAVE), strict=True)]
    provenance = Provenance(
        checkpoint={"fingerprint": "f"}, soundfont=identity_of(bundled_soundfont()), arithmetic="float32-cpu"
    )
    monkeypatch.setattr("jobs.generate.transitions.transition", refused)
    with caplog.at_level(logging.WARNING):
        found = Transitions(order, named, provenance, {}).after({one: record_of(one) for one in (FOREST, CAVE)})
    assert found == {} and "no transitions from wood-001 to wood-002 are made: they are in no common key" in caplog.text


def test_what_joins_tracks_of_an_order_is_no_earlier_track() -> None:
    """It is of the same order: a run that goes on would otherwise find it too like itself."""
    records = [
        record_of("a", bridge=f"{FOREST}/layer-1 > {FOREST}/layer-2"),
        record_of("b", bridge=f"{FOREST} > {CAVE}"),
    ]
    assert [is_transition(record, {FOREST: 1}) for record in records] == [True, False]
    assert not is_transition(record_of("c", bridge="forest > cave"), {FOREST: 1}) and not is_transition(
        record_of("d"), {}
    )


def test_a_model_without_plans_makes_no_transitions() -> None:
    order = expand_order({"group": [{"count": 2, "transitions": True}]}, default_name="x")
    check_plans(tiny_checkpoint(), order)
    with pytest.raises(OrderError, match="writes notes without a plan: the chords of its tracks are unknown"):
        check_plans(tiny_checkpoint().arranger, order)
    check_plans(tiny_checkpoint().arranger, expand_order({"count": 2}, default_name="x"))
