"""What work takes: processor time, and what had to be tried again. Measured in place, reported to the driver."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_core.storage.retries import num_retries


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What some work took."""

    cpu_s: float = 0.0
    retries: int = 0  # requests to a store and starts of an actor that had to be made again

    def __add__(self, other: Effort) -> Effort:
        return Effort(cpu_s=self.cpu_s + other.cpu_s, retries=self.retries + other.retries)


def used_cpu_s() -> float:
    """Processor time that this process has used so far, and the processes that it started: those that have ended, and
    on Linux those that live.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = time.process_time() + ended.ru_utime + ended.ru_stime
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            used_s += sum(map(_cpu_s_of, children.read_text().split()))
    return used_s


class EffortMeter:
    """Measures what this process takes, with all its threads and, by default, the processes that it started.

    Args:
        used: Processor time so far. A driver gives `time.process_time`: of its processes most are Ray's.
    """

    def __init__(self, used: Callable[[], float] = used_cpu_s) -> None:
        self._used = used
        self._cpu_s, self._retries = used(), num_retries()

    def spent(self) -> Effort:
        """What was used since the last call, or since the meter was made."""
        cpu_s, retries = self._used(), num_retries()
        effort = Effort(cpu_s=cpu_s - self._cpu_s, retries=retries - self._retries)
        self._cpu_s, self._retries = cpu_s, retries
        return effort


def effort_of_row(row: Mapping[str, Any]) -> Effort:
    """The effort in a row that came through Ray."""
    return Effort(cpu_s=row["cpu_s"], retries=row["retries"])


def _cpu_s_of(process: str) -> float:
    """Processor time that a process has used so far, 0 of one that has ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    user, system = state.rpartition(")")[2].split()[11:13]  # fields 14 and 15, see proc(5)
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
