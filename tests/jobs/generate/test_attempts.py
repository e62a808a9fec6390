"""What is said of a gate that holds a take back, and whether another attempt is worth while."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobs.generate.attempts import GenerateRecipe, _gate_message, may_pass
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
