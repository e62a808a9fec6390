"""A row that leads from one track of a catalogue to another becomes tracks of that catalogue."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.command_line.track_facts import summary_of
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.ideas import order_of_ideas
from jobs.generate.run import run_generate
from lstm_core.catalogue.folder import list_tracks
from lstm_core.catalogue.records import TrackRecord
from lstm_core.foundation.errors import OrderError
from lstm_core.tracks.replay import replay
from tests.jobs.generate.rows import contents
from tests.lstm_core.tracks.test_replay import saved_composer

FIRST = {"style": "game", "duration_s": 8.0, "bpm": 120.0, "key": "C", "loop": True, "loudness_lufs": -20}
LAST = {"style": "game", "duration_s": 9.6, "bpm": 150.0, "key": "E minor", "loop": True, "loudness_lufs": -20}


def run_row(composer: Path, out: Path, seed: int, **fields: Any) -> list[TrackRecord]:
    order = order_of_ideas(fields, title="cues", seed=seed, catalogue=str(out))
    recipe = GenerateRecipe(arithmetic="float32", max_attempts=8)
    result = run_generate(str(composer), order, str(out), recipe, is_here=True)
    assert not result.failures
    return result.records


@pytest.mark.slow
def test_tracks_lead_from_one_to_another_with_the_same_bytes(tmp_path: Path) -> None:
    composer, one = saved_composer(tmp_path / "composer"), tmp_path / "one"
    ends = run_row(composer, one, 3, **FIRST) + run_row(composer, one, 4, **LAST)
    two = shutil.copytree(one, tmp_path / "two")
    between = f"{ends[0].track_id} > {ends[1].track_id}"
    steps, _ = (run_row(composer, catalogue, 5, between=between, steps=3, name="walk") for catalogue in (one, two))
    assert contents(one) == contents(two) and len(list_tracks(one, verify=True)) == 5
    assert [record.name for record in steps] == ["walk-1", "walk-2", "walk-3"]
    for record, end in zip((steps[0], steps[2]), ends, strict=True):
        assert record.score_fingerprint == end.score_fingerprint and record.track_id != end.track_id
        assert (record.bpm, record.key, record.num_bars, record.form) == (end.bpm, end.key, end.num_bars, end.form)
    assert ends[0].bpm < steps[1].bpm < ends[1].bpm and steps[1].num_bars == 4
    assert steps[1].order["between"] == between and (steps[1].order["step"], steps[1].order["steps"]) == (2, 3)
    facts = dict(summary_of(steps[1], ""))
    assert facts["between"] == f"step 2 of 3 from {ends[0].track_id} to {ends[1].track_id}"
    assert replay(steps[1], composer, str(one)).take.plan is not None
    (again,) = run_row(composer, one, 6, **{"from": steps[1].track_id, "bars": "2"})  # as from any other track
    assert again.bpm == steps[1].bpm
    further = f"{steps[1].track_id} > {ends[1].track_id}"
    (_, middle, _) = run_row(composer, tmp_path / "three", 7, between=further, steps=3, catalogue=str(one))
    assert middle.order["catalogue"] == "one" and steps[1].bpm < middle.bpm < ends[1].bpm
    with pytest.raises(OrderError, match=r"between names .* cannot be played again: it was made with the checkpoint"):
        run_generate("base", order_of_ideas({"between": between}, title="x", seed=1, catalogue=str(one)), str(one),
                     GenerateRecipe(), is_here=True)  # fmt: skip
    unread = order_of_ideas({"between": between}, title="x", seed=1)
    with pytest.raises(OrderError, match="was not looked up: read the order with its catalogue"):
        run_generate(str(composer), unread, str(one), GenerateRecipe(), is_here=True)
