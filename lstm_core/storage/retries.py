"""How often this process has had to ask a store once more: for whoever sums up what a run met."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_num_retries = 0


def add_retry() -> None:
    """One request more that had to be made again."""
    global _num_retries
    with _lock:
        _num_retries += 1


def num_retries() -> int:
    """Requests that this process has made again so far, of all its threads and stores."""
    return _num_retries
