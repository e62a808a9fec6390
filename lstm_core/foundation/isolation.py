"""A separate process that confines hostile files: how it is started, limited and found to have ended.

Both sides are here: the parent has a `Worker`, the module that it starts calls the functions below it. The time
limits are kernel timers whose signals end the process, whatever code runs and whether or not the parent is still there.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lstm_core.foundation.closing import Closing

READY = b"ready"  # the first frame of such a process
START_TIMEOUT_S = 120  # to import what a format needs; 2 s on an idle machine
OUT_OF_MEMORY = 77  # exit status
TOO_SLOW = (-signal.SIGPROF, -signal.SIGALRM)  # exit statuses
WAITING = 10  # wall time that a file may take, in units of its processor time: the machine may be busy
_FRAME = struct.Struct("<BQ")  # kind and length of a frame


class Worker(Closing):
    """A process that runs `python -m MODULE` and answers requests; begun when it is needed, and anew after its end.

    Both sides speak in frames of a kind, a length and so many bytes: `send` and `receive`.

    Args:
        module: What to run; it calls `take_over` and `be_ready`.
        arguments: Of its command line.
        memory_bytes: That a file may need there, for messages.
        most_served: Files after which the process is replaced; its leaked memory goes with it.
        open_files: Descriptors that it inherits.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[object],
        *,
        memory_bytes: int,
        most_served: int,
        open_files: Sequence[int] = (),
    ) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.num_served = 0  # files that this process has dealt with: its user counts them
        self._module, self._arguments, self._open_files = module, arguments, open_files
        self._memory_bytes, self._most_served = memory_bytes, most_served

    def begin(self) -> None:
        """Has a process ready: the same one, or a new one where none is, it was ended from outside or is used up.

        Raises:
            RuntimeError: it did not become ready.
        """
        if self.process is not None and (self.num_served >= self._most_served or self.process.poll() is not None):
            self.close()
        if self.process is None:
            self.process = _started(self._module, self._arguments, self._open_files)
            self.num_served = 0

    def send(self, kind: int, body: bytes) -> None:
        """Writes a frame; that the process has ended is seen, and explained, when it should answer."""
        assert self.process is not None and self.process.stdin is not None
        with suppress(BrokenPipeError):
            send(self.process.stdin, kind, body)

    def receive(self) -> tuple[int, bytes] | None:
        """Kind and body of its next frame; None when it has ended."""
        assert self.process is not None
        return receive(self.process.stdout)

    def end(self) -> tuple[int, bool]:
        """Exit status of the process, killed where it had not ended, and whether it had served nothing before."""
        process, self.process = self.process, None
        was_fresh, self.num_served = self.num_served == 0, 0
        if process is None:
            return 0, was_fresh
        process.kill()
        status = process.wait()
        for end in (process.stdout, process.stdin):
            if end is not None:
                with suppress(BrokenPipeError):  # what it had not read
                    end.close()
        return status, was_fresh

    def close(self) -> None:
        """Ends the process."""
        self.end()

    def fault(self, status: int, limit: str) -> str:
        """What a file did to the process that ended with `status`; `limit` is the time it had, in words."""
        if status in TOO_SLOW:
            return f"took longer than {limit}"
        if status == OUT_OF_MEMORY:
            mib = self._memory_bytes / 2**20
            return f"needed more than {f'{mib / 1024:.1f} GiB' if mib >= 1024 else f'{mib:.0f} MiB'}"
        return f"crashed the reader ({f'signal {-status}' if status < 0 else f'exit status {status}'})"


def send(target: Any, kind: int, body: bytes) -> None:
    """Writes one frame."""
    target.write(_FRAME.pack(kind, len(body)))
    target.write(body)
    target.flush()


def receive(source: Any) -> tuple[int, bytes] | None:
    """Kind and body of the next frame, None where the other side has ended."""
    header = source.read(_FRAME.size)
    if len(header) < _FRAME.size:
        return None
    kind, size = _FRAME.unpack(header)
    body = source.read(size)
    return (kind, body) if len(body) == size else None


def _started(module: str, arguments: Sequence[object], open_files: Sequence[int]) -> subprocess.Popen[bytes]:
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
    assert process.stdout is not None
    if process.stdout.read(len(READY)) != READY:
        process.kill()
        raise RuntimeError(f"the process of {module} does not start (exit status {process.wait()})")
    return process


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
    """Reports to the parent; from here on output of libraries gets neither between the answers nor on the screen."""
    answers.write(READY)
    answers.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    set_timers(0)


def set_timers(timeout_s: float) -> None:
    """Ends this process after so much processor time, or ten times as much wall time; 0 removes the limit."""
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
        """Adds so much time, up to `most_s` in all."""
        used_s = time.process_time()
        self._left_s = min(self._most_s, self._left_s - (used_s - self._used_s) + seconds)
        self._used_s = used_s
        if self._left_s <= 0:
            os.kill(os.getpid(), signal.SIGPROF)
        set_timers(self._left_s)


@contextmanager
def clock_stopped() -> Iterator[None]:
    """Stops the limit of wall time while another process is waited for."""
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
