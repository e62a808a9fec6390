"""Exceptions while tracks are finished: one odd track is a row among the failures, what befalls more of them is a fault
of the program or of the order, and ends it. What is committed stays.
"""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from typing import Any

from lstm_core.foundation.errors import TonemillError

MAX_RAISED = 2  # times at one track: it is made once more, from another seed
MAX_TRACKS = 2  # that an exception of our own code may befall: the second ends the order
NUM_FIRST = 3  # tracks that all have the same complaint for the user: nobody waits for the others

_logger = logging.getLogger(__name__)


def described(error: Exception) -> dict[str, Any]:
    """An exception as it travels from a worker to the driver, as JSON."""
    return {
        "kind": type(error).__name__,
        "is_for_user": isinstance(error, TonemillError),
        "text": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


class ErrorWatch:
    """What was raised at which tracks of an order so far."""

    def __init__(self) -> None:
        self._num_raised: dict[str, int] = defaultdict(int)  # by track_id
        self._tracks: dict[str, set[str]] = defaultdict(set)  # by kind of exception
        self._first: dict[str, str] = {}  # kind of exception of the first tracks that came, empty without one

    def is_done_with(self, track_id: str) -> bool:
        """Whether making a track anew is given up: it raised too often."""
        return self._num_raised[track_id] >= MAX_RAISED

    def look_at(self, track_id: str, errors: list[dict[str, Any]]) -> None:
        """Takes note of what was raised while a track was made.

        Raises:
            TonemillError: the first tracks all have the same complaint.
            RuntimeError: our own code fails with more than one of them; the log has the worker's traceback.
        """
        self._num_raised[track_id] += len(errors)
        if len(self._first) < NUM_FIRST:
            self._first.setdefault(track_id, errors[-1]["kind"] if errors else "")
        for error in errors:
            tracks = self._tracks[error["kind"]]
            tracks.add(track_id)
            if not error["is_for_user"] and len(tracks) >= MAX_TRACKS:
                _logger.error("finishing a track raised, on a worker:\n%s", error["traceback"])
                raise RuntimeError(
                    f"{error['kind']} at the tracks {', '.join(sorted(tracks))}: {error['text']}. This is a fault of "
                    "the program. What was made stays; the traceback of a worker is above."
                )
            if list(self._first.values()) == [error["kind"]] * NUM_FIRST:
                _logger.error("finishing a track raised, on a worker:\n%s", error["traceback"])
                raise TonemillError(f"The first {NUM_FIRST} tracks all failed: {error['text']}")
