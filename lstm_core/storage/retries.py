"""The number of requests to stores that this process had to repeat: for the summary of a run."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_num_retries = 0


def add_retry() -> None:
    """Counts one request that had to be repeated."""
    global _num_retries
    with _lock:
        _num_retries += 1


def num_retries() -> int:
    """Requests that this process has repeated so far, of all its threads and stores."""
    return _num_retries
