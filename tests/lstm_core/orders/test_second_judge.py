"""Orders that are refused are impossible, and those that are admitted possible, as a second judge sees it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.control_again import write_tunes
from benchmarks.control_orders import random_fields
from benchmarks.control_solver import CLOSE, verdict
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_from_fields
from lstm_core.orders.primer import PrimerReader

NUM_ORDERS, MOST_UNDECIDED = 250, 0.15


def test_random_orders_are_refused_exactly_where_they_are_impossible(tmp_path: Path) -> None:
    tunes = write_tunes(tmp_path)
    counts = {"admitted": 0, "refused": 0, "undecided": 0}
    with PrimerReader() as primers:
        for number in range(10_000, 10_000 + NUM_ORDERS):
            fields, refusal = random_fields(number, ("game",), tunes), ""
            try:
                admit(primers.pin(order_from_fields(fields), ""), primers)
            except OrderError as error:
                refusal = str(error)
            judged = verdict(fields)
            counts["undecided" if judged == CLOSE else "refused" if judged else "admitted"] += 1
            assert judged == CLOSE or bool(judged) == bool(refusal), f"{fields}: {judged or 'possible'}, but {refusal}"
    assert counts["undecided"] <= MOST_UNDECIDED * NUM_ORDERS and min(counts["admitted"], counts["refused"]) > 50
