"""The pauses between attempts of a request, by one rule for all servers."""

from __future__ import annotations

import random
import time


class Backoff:
    """Pauses that double up to `longest_s`.

    Each is shortened at random, to half at most, so that many clients do not retry at the same moment. No stored result
    depends on the random numbers. One object per request; it begins when it is made.
    """

    def __init__(self, *, first_s: float, longest_s: float) -> None:
        self._next_s, self._longest_s = min(first_s, longest_s), longest_s
        self._begun_s = time.monotonic()
        self.num_attempts = 1  # the current one included

    @property
    def spent_s(self) -> float:
        """Seconds since the first attempt began."""
        return time.monotonic() - self._begun_s

    def pause(self, *, within_s: float = float("inf"), requested_s: float = 0.0) -> bool:
        """Sleeps before another attempt; False, at once, where that one would begin later than `within_s`.

        Args:
            within_s: Seconds from the beginning of the first attempt.
            requested_s: What the server requests to wait at least; no more than the longest pause is granted.
        """
        wait_s = max(self._next_s * random.uniform(0.5, 1.0), min(requested_s, self._longest_s))
        if self.spent_s + wait_s > within_s:
            return False
        time.sleep(wait_s)
        self._next_s = min(2.0 * self._next_s, self._longest_s)
        self.num_attempts += 1
        return True
