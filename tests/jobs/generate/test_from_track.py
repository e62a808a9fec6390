"""Tracks that start from a track of the catalogue, through a whole run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.attempts import GenerateRecipe
from jobs.generate.ideas import order_of_ideas
from jobs.generate.run import run_generate
from lstm_core.catalogue.folder import list_tracks
from lstm_core.catalogue.records import TrackRecord
from lstm_core.foundation.errors import OrderError
from tests.jobs.generate.rows import contents
from tests.lstm_core.tracks.test_replay import saved_composer

SOURCE = {"style": "game", "duration_s": 8.0, "bpm": 120.0, "key": "C", "loop": True, "stems": True}


def run_row(composer: Path, out: Path, seed: int, **fields: Any) -> TrackRecord:
    order = order_of_ideas(fields, title="cues", seed=seed, catalogue=str(out))
    recipe = GenerateRecipe(arithmetic="float32", max_attempts=8)
    result = run_generate(str(composer), order, str(out), recipe, is_here=True)
    assert not result.failures
    return result.records[0]


def stems_of(catalogue: Path, record: TrackRecord) -> dict[str, bytes]:
    folder = catalogue / record.folder / "stems"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_bars_and_parts_of_a_track_are_made_again_with_the_same_bytes(tmp_path: Path) -> None:
    composer, one = saved_composer(tmp_path / "composer"), tmp_path / "one"
    source = run_row(composer, one, 3, **SOURCE)
    two = shutil.copytree(one, tmp_path / "two")
    drums = {"from": source.track_id, "parts": ["drums"], "stems": True}
    for catalogue in (one, two):
        again = run_row(composer, catalogue, 5, **drums)
        bars = run_row(composer, catalogue, 6, **{"from": again.track_id, "bars": "2"})
    assert contents(one) == contents(two) and len(list_tracks(one, verify=True)) == 3
    gates = {gate.name: gate.value for record in (again, bars) for gate in record.gates}
    assert gates["kept"] == 1.0 and gates["changed"] is not None and gates["changed"] > 0.0
    before, after = stems_of(one, source), stems_of(one, again)
    assert before.keys() == after.keys() and len(before) > 1
    assert {name for name in before if before[name] != after[name]} == {"drums.flac"}
    assert again.order["from"] == source.track_id and bars.order["from_notes"] == again.score_fingerprint
    same = run_row(composer, one, 7, **{"from": bars.track_id, "vary": 0.0})
    assert same.score_fingerprint == bars.score_fingerprint and stems_of(one, same) == stems_of(one, bars)
    three = tmp_path / "three"
    far = run_row(composer, three, 5, **drums, catalogue=str(one))
    assert far.score_fingerprint == again.score_fingerprint and far.order["catalogue"] == "one"
    assert far.track_id == again.track_id  # wherever the track is that it starts from
    run_row(composer, three, 6, **{"from": far.track_id, "bars": "2"})  # whose source is found beside
    other = order_of_ideas(drums, title="cues", seed=8, catalogue=str(one))
    with pytest.raises(OrderError, match=r"cannot be played again: it was made with the checkpoint tiny .*, base is"):
        run_generate("base", other, str(one), GenerateRecipe(), is_here=True)
    unread = order_of_ideas(drums, title="cues", seed=8)
    with pytest.raises(OrderError, match="was not looked up: read the order with its catalogue"):
        run_generate(str(composer), unread, str(one), GenerateRecipe(), is_here=True)
