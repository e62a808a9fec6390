"""What work takes: processor time, and what had to be tried again. Measured where it is done, told to the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lstm_core.isolation import used_cpu_s
from lstm_core.stores.retries import num_retries


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What some work took."""

    cpu_s: float = 0.0
    retries: int = 0  # requests to a store and starts of an actor that had to be made again

    def __add__(self, other: Effort) -> Effort:
        return Effort(cpu_s=self.cpu_s + other.cpu_s, retries=self.retries + other.retries)


class EffortMeter:
    """Measures what this process takes, with all its threads and, by default, the processes that it started.

    Args:
        used: Processor time so far. A driver gives `time.process_time`: of its processes most are Ray's.
    """

    def __init__(self, used: Callable[[], float] = used_cpu_s) -> None:
        self._used = used
        self._cpu_s, self._retries = used(), num_retries()

    def spent(self) -> Effort:
        """What was taken since this was last asked, or the meter was made."""
        cpu_s, retries = self._used(), num_retries()
        effort = Effort(cpu_s=cpu_s - self._cpu_s, retries=retries - self._retries)
        self._cpu_s, self._retries = cpu_s, retries
        return effort


def effort_of_row(row: Mapping[str, Any]) -> Effort:
    """The effort in a row that came through Ray."""
    return Effort(cpu_s=row["cpu_s"], retries=row["retries"])
