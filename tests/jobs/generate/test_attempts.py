"""Who makes which attempts, what is said of a gate that holds a take back, and whether another is worth while."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from jobs.generate.attempts import GenerateRecipe, _gate_message, may_pass
from jobs.generate.run import FEW_AUDIO_S, needs_no_ray
from jobs.generate.track_pipeline import FIRST_CHUNK, chunks_of
from lstm_core.orders.order import TrackOrder
from lstm_core.tracks.gates import GateResult


def test_a_gate_says_what_to_order() -> None:
    gate = GateResult(name="distinct_bars", is_passed=False, value=3.0, bound=4.0)
    report = "distinct_bars is 3.000, bound 4.000 (the bars repeat too often: order temperature = 1.15 and top_p = 1)"
    loud, looping = TrackOrder(loudness_lufs=-8.0), TrackOrder()
    assert _gate_message(gate, looping) == report
    assert _gate_message(GateResult("pitches", False, 2.0, 3.0), looping) == "pitches is 2.000, bound 3.000"
    softer = "under its true peak this music gets no louder: order loudness_lufs = -10.6 or less"
    assert _gate_message(GateResult("loudness", False, 2.52, 0.2), loud) == f"loudness is 2.520, bound 0.200 ({softer})"
    assert _gate_message(GateResult("loudness", False, 192.0, 0.2), loud) == "loudness is 192.000, bound 0.200"


def test_no_take_is_made_in_vain_for_a_loudness_out_of_reach() -> None:
    """Four takes were rendered before an order for -8 LUFS failed that no take could meet."""

    def outcome(missing_lu: float, attempt: int = 0) -> dict[str, Any]:
        gates = [GateResult("heard", True, -20.0, -70.0), GateResult("loudness", False, missing_lu, 0.2)]
        return {"attempt": attempt, "gates": [asdict(gate) for gate in gates]}

    assert may_pass(outcome(0.5), GenerateRecipe()) and not may_pass(outcome(0.5, attempt=3), GenerateRecipe())
    assert not may_pass(outcome(4.0), GenerateRecipe())


def test_few_tracks_need_no_ray_unless_something_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("jobs.generate.run.is_ray_connected", lambda: False)
    track, recipe = TrackOrder(duration_s=60.0), GenerateRecipe()
    few = [track] * int(FEW_AUDIO_S // 60)
    assert needs_no_ray(few, recipe) and not needs_no_ray([*few, track], recipe)
    assert not needs_no_ray([TrackOrder(duration_s=60.0, transitions=True)], recipe)
    assert not needs_no_ray([track], GenerateRecipe(device="cuda"))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert not needs_no_ray([track], recipe)


@pytest.mark.parametrize(("num_rows", "num_engines"), [(1, 1), (5, 2), (40, 2), (300, 1), (2000, 3)])
def test_engines_begin_with_few_rows_and_each_gets_some(num_rows: int, num_engines: int) -> None:
    chunks: list[Sequence[int]] = list(chunks_of(range(num_rows), 256, num_engines))
    assert [row for chunk in chunks for row in chunk] == list(range(num_rows))
    sizes = [len(chunk) for chunk in chunks]
    assert len(sizes) >= min(num_rows, num_engines) and max(sizes[:num_engines]) <= FIRST_CHUNK
    assert max(sizes) <= 256 and sizes[-1] <= max(FIRST_CHUNK, num_rows // num_engines)
    assert all(size <= 2 * before for before, size in zip(sizes, sizes[num_engines:], strict=False))
    if num_rows == 2000:
        assert 256 in sizes


def test_what_finishes_tracks_does_without_torch() -> None:
    """Each worker that finishes tracks imported it, 1.5 s of processor time, for the sake of a seed."""
    program = "import sys, jobs.generate.track_pipeline, lstm_core.tracks.warm_up; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
