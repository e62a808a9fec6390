"""Stores what a run writes in the background, one job after another, while training continues."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lstm_core.foundation.closing import Closing

# Interval at which Python switches threads: at the default of 5 ms each of the thousand short calls of a step would
# wait that long for a thread that computes.
SWITCH_INTERVAL_S = 0.0002


class RunWriter(Closing):
    """Runs jobs in the order in which they were given; what one of them raises is raised by the next call."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="run-writer")
        self._jobs: list[Future[None]] = []
        self._lock = threading.Lock()

    @property
    def is_idle(self) -> bool:
        """Whether everything so far is stored."""
        self._forget_finished()
        return not self._jobs

    def write(self, job: Callable[[], None]) -> None:
        """Queues a job and returns at once. Jobs own what they write: nothing changes it meanwhile."""
        self._forget_finished()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        with self._lock:
            self._jobs.append(self._pool.submit(job))

    def wait(self) -> None:
        """Returns when everything is stored."""
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job in jobs:
            job.result()

    def close(self) -> None:
        """Ends the thread once everything is stored; errors that occur then are not reported."""
        self._pool.shutdown(wait=True)

    def _forget_finished(self) -> None:
        with self._lock:
            finished = [job for job in self._jobs if job.done()]
            self._jobs = [job for job in self._jobs if not job.done()]
        for job in finished:
            job.result()
