"""A process of its own that hostile files cannot hurt others from: how it is started, limited and found to have ended.

Both sides are here: the parent calls `start_module` and `fault`, the module that it starts calls the rest. The time
limits are kernel timers whose signals end the process, whatever code runs and whether or not the parent is still there.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

READY = b"ready"  # the first thing such a process says
START_TIMEOUT_S = 120  # to import what a format needs; 2 s on an idle machine
OUT_OF_MEMORY = 77  # exit status
TOO_SLOW = (-signal.SIGPROF, -signal.SIGALRM)  # exit statuses
WAITING = 10  # times its processor time a file may take by the clock: the machine may be busy


def start_module(
    module: str, arguments: Sequence[object], *, open_files: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A process that runs `python -m module`, with pipes to and from it; it inherits the descriptors `open_files`.

    Raises:
        RuntimeError: it did not become ready.
    """
    package_parent = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", module, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=2**20,
        pass_fds=open_files,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")])),
            "PYTHONHASHSEED": "0",  # no order of a set may reach a result
            "OPENBLAS_NUM_THREADS": "1",  # a thread's stack would count as memory
        },
    )
    if pipe(process.stdout).read(len(READY)) != READY:
        process.kill()
        raise RuntimeError(f"the process of {module} does not start (exit status {process.wait()})")
    return process


def fault(status: int, *, limit: str, memory_bytes: int) -> str:
    """What a file did to the process that ended with `status`; `limit` is the time it had, in words."""
    if status in TOO_SLOW:
        return f"took longer than {limit}"
    if status == OUT_OF_MEMORY:
        mib = memory_bytes / 2**20
        return f"needed more than {f'{mib / 1024:.1f} GiB' if mib >= 1024 else f'{mib:.0f} MiB'}"
    return f"crashed the reader ({f'signal {-status}' if status < 0 else f'exit status {status}'})"


def pipe(end: IO[bytes] | None) -> Any:
    """An end of a pipe to a process that was started with pipes."""
    assert end is not None
    return end


def take_over() -> tuple[Any, Any]:
    """Standard input, and a writer to what was standard output; the start has START_TIMEOUT_S from here."""
    answers = os.fdopen(os.dup(1), "wb", buffering=2**20)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    for timer in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(timer, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [timer])
    set_timers(START_TIMEOUT_S)
    return sys.stdin.buffer, answers


def be_ready(answers: Any) -> None:
    """Tells the parent; from here on nothing that libraries print gets between the answers or on the screen."""
    answers.write(READY)
    answers.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    set_timers(0)


def set_timers(timeout_s: float) -> None:
    """Ends this process after so much processor time, or ten times as much by the clock; 0 takes that back."""
    signal.setitimer(signal.ITIMER_PROF, timeout_s)
    signal.setitimer(signal.ITIMER_REAL, timeout_s * WAITING)


class TimeBudget:
    """Processor time that this process has for a recording, topped up as it gets on.

    The time used is counted here: the kernel rounds up what is left of a timer, which would never run out if it were
    set again and again.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = self._left_s = most_s
        self._used_s = time.process_time()
        set_timers(most_s)

    def add(self, seconds: float) -> None:
        """Gives so much more time, without letting more than `most_s` gather."""
        used_s = time.process_time()
        self._left_s = min(self._most_s, self._left_s - (used_s - self._used_s) + seconds)
        self._used_s = used_s
        if self._left_s <= 0:
            os.kill(os.getpid(), signal.SIGPROF)
        set_timers(self._left_s)


@contextmanager
def clock_stopped() -> Iterator[None]:
    """While another process is waited for, no time passes by the clock."""
    left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)


def limit_memory(memory_bytes: int) -> None:
    """Lets this process grow by so much from here (on Linux; elsewhere there is no such limit)."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (now + memory_bytes, hard))
