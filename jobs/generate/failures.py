"""Tracks that could not be made, of this run and of earlier ones."""

from __future__ import annotations

import logging
from typing import Any

from lstm_core import storage
from lstm_core.catalogue.records import CatalogueError, TrackFailure, make_failure
from lstm_core.catalogue.tables import FAILURES_NAME, FAILURES_SCHEMA, TABLES_FOLDER, failures_of, read_table
from lstm_core.orders.order import order_fields
from lstm_core.orders.planned import PlannedTrack

_logger = logging.getLogger(__name__)


def failure_of(track: PlannedTrack, outcome: dict[str, Any]) -> TrackFailure:
    """What the table of failures has of a track that no attempt at passed."""
    order = track.order
    return make_failure(
        {
            "track_id": outcome["track_id"],
            "name": track.name,
            "style": order.style,
            "reason": outcome["reason"],
            "num_attempts": outcome["attempt"] + 1,
            "seed": order.seed,
            "gates": outcome["gates"],
            "order": order_fields(order),
        }
    )


def failures_before(catalogue: str, settled: set[str]) -> list[TrackFailure]:
    """Failures of earlier orders that are in the catalogue's table, without the tracks that are settled."""
    try:
        data = storage.read_bytes(storage.join(catalogue, TABLES_FOLDER, FAILURES_NAME))
        failures = failures_of(read_table(data, FAILURES_SCHEMA))
    except storage.MissingError:
        return []
    except (CatalogueError, TypeError, ValueError) as error:
        _logger.warning("the table of failures of %s cannot be read and is made anew: %s", catalogue, error)
        return []
    return [failure for failure in failures if failure.track_id not in settled]
