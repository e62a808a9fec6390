"""The pauses between attempts of a request, by one rule for all servers that we ask."""

from __future__ import annotations

import random
import time


class Backoff:
    """Pauses that double up to `longest_s`, each cut by chance, to half at most, so that many do not come at once.

    Nothing that is stored depends on the chance. One object per request; it begins when it is made.
    """

    def __init__(self, *, first_s: float, longest_s: float) -> None:
        self._next_s, self._longest_s = min(first_s, longest_s), longest_s
        self._begun_s = time.monotonic()
        self.num_attempts = 1  # the one that is under way included

    @property
    def spent_s(self) -> float:
        """Seconds since the first attempt began."""
        return time.monotonic() - self._begun_s

    def pause(self, *, within_s: float = float("inf"), asked_s: float = 0.0) -> bool:
        """Sleeps before another attempt; False, at once, where that one would begin later than `within_s`.

        Args:
            within_s: Seconds from the beginning of the first attempt.
            asked_s: What the server asks to wait at least; no more than the longest pause is granted.
        """
        wait_s = max(self._next_s * random.uniform(0.5, 1.0), min(asked_s, self._longest_s))
        if self.spent_s + wait_s > within_s:
            return False
        time.sleep(wait_s)
        self._next_s = min(2.0 * self._next_s, self._longest_s)
        self.num_attempts += 1
        return True
