"""Ideas: an order of one row, as a command line gives it, in as many takes as are wanted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_from_fields
from lstm_core.orders.order_file import Order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.sources.reader import SourceReader
from lstm_core.orders.sources.transitions import joined_places
from lstm_core.orders.timing.bridge_row import bridged

MAX_TAKES = 1000  # more are an order file
_NUM_DRAWN = 1_000_000  # seeds that are drawn: short, as people type them again


def draw_seed() -> int:
    """A seed nobody chose."""
    return secrets.randbelow(_NUM_DRAWN)


def order_of_ideas(
    fields: Mapping[str, Any], *, title: str, seed: int, num_takes: int = 1, catalogue: str = ""
) -> Order:
    """An order of tracks that differ in the seed alone: `seed` and those after it.

    They bear the seed in their names, but for a single one that has a name. A primer is relative to the folder in which
    the command runs. `catalogue` is that of tracks that they start from or join. Takes are joined as those of a group.
    Where they lead from one track to another, each seed is as many tracks as there are steps.

    Raises:
        OrderError: a field is unknown or malformed, or the order cannot be met.
    """
    if not 1 <= num_takes <= MAX_TAKES:
        raise OrderError(f"takes is {num_takes}, it must be 1 to {MAX_TAKES}. For more write an order file with count.")
    name = str(fields.get("name") or "")
    stem = name or str(fields.get("style") or "idea")
    planned: list[PlannedTrack] = []
    sources = SourceReader(catalogue)
    with PrimerReader() as primers:
        for number in range(seed, seed + num_takes):
            own = {"seed": number, "name": name if name and num_takes == 1 else f"{stem}-{number}"}
            for row in sources.rows({**fields, **own}, ""):
                order = primers.pin(order_from_fields(row), "")
                planned.append(admit(bridged(order, {}, sources.finder(order.catalogue, "")), primers))
    return Order(name=title, planned=tuple(planned), joined=joined_places(planned, [len(planned)]))
