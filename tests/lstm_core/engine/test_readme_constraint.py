"""The constraint that README shows is one file, and music that is played by it obeys it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lstm_core.engine.note_chooser import Request
from lstm_core.orders.constraints import CONSTRAINTS, make_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.conditions import Conditions
from lstm_core.representations.note_events import decode_events
from tests.lstm_core.tiny import tiny_engine

README = Path(__file__).resolve().parents[3] / "README.md"


def test_a_constraint_is_added_in_one_file() -> None:
    section = README.read_text(encoding="utf-8").partition("## For those who build on it")[2]
    shown = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert shown is not None
    module: dict[str, Any] = {}
    exec(compile(shown[1], "calm_down.py", "exec"), module)
    engine, found = tiny_engine(), {"before": set(), "after": set()}
    for seed in range(6):
        order = TrackOrder(duration_s=16.0, bpm=120.0, key="D", instruments=("piano",), loop=True, seed=seed)
        plan = plan_track(order)
        rules = make_rules(order, plan, constraints=(*CONSTRAINTS, module["calm_down"]))
        request = Request(rules=rules, conditions=Conditions(key=plan.key), meter=plan.meter, num_bars=plan.num_bars)
        notes = decode_events(next(iter(engine.generate([request]))).events).notes
        onsets = notes["onset"].astype(int)
        assert not ((onsets >= 2 * 96 + 24) & (onsets < 2 * 96 + 48)).any()
        found["before"] |= set((notes["pitch"][onsets < 384] % 12).tolist())
        found["after"] |= set((notes["pitch"][onsets >= 384] % 12).tolist())
    assert found == {"before": {2, 4, 6, 7, 9, 11, 1}, "after": {2, 4, 6, 9, 11}}
