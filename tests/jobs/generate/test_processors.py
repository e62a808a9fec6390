"""Which processor made a track is kept beside the tracks, over all runs of an order."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.generate.processors import keep_processors


def test_later_runs_add_to_what_earlier_ones_kept(tmp_path: Path) -> None:
    assert keep_processors(str(tmp_path), "loops", {"b": "old", "a": "old", "c": "new"}) == {"new": 1, "old": 2}
    assert keep_processors(str(tmp_path), "loops", {"d": "new", "b": "new"}) == {"new": 2}
    kept = tmp_path / "summaries" / "loops.processors.json"
    assert json.loads(kept.read_text()) == {"new": ["b", "c", "d"], "old": ["a"]}
    kept.write_text('{"new": [')
    assert keep_processors(str(tmp_path), "loops", {"e": "new"}) == {"new": 1}
    assert json.loads(kept.read_text()) == {"new": ["e"]}
