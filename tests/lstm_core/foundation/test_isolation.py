"""A process that hostile files cannot hurt others from: when it is replaced, and what its end is put down to."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import pytest

from lstm_core.foundation.isolation import OUT_OF_MEMORY, Worker, receive, send
from lstm_core.notes.reading import FILES, REFUSED, _packed


@pytest.fixture
def worker() -> Iterator[Worker]:
    """One that reads scores, two of them a process."""
    with Worker("lstm_core.notes.reading", (5.0, 5.0, 2**28), memory_bytes=2**28, most_served=2) as process:
        yield process


def served(worker: Worker) -> int:
    """Process id of whoever answered a request."""
    worker.begin()
    worker.send(FILES, _packed([(b"", ".mid")]))
    assert worker.receive() == (REFUSED, b"the file is empty (0 bytes)")
    worker.num_served += 1
    assert worker.process is not None
    return worker.process.pid


def test_a_process_that_has_served_enough_is_replaced(worker: Worker) -> None:
    first, second, third = (served(worker) for _ in range(3))
    assert first == second != third


def test_an_end_is_reported_with_whether_it_had_served_before(worker: Worker) -> None:
    worker.begin()
    assert worker.end() == (-signal.SIGKILL, True)
    served(worker)
    assert worker.process is not None
    os.kill(worker.process.pid, signal.SIGSEGV)
    assert worker.receive() is None
    assert worker.end() == (-signal.SIGSEGV, False)
    assert worker.end() == (0, True)  # there is none
    worker.begin()
    assert worker.process is not None and worker.num_served == 0


def test_faults_have_different_messages(worker: Worker) -> None:
    assert worker.fault(-signal.SIGPROF, "5 s") == worker.fault(-signal.SIGALRM, "5 s") == "took longer than 5 s"
    assert worker.fault(OUT_OF_MEMORY, "5 s") == "needed more than 256 MiB"
    assert worker.fault(-signal.SIGSEGV, "5 s") == "crashed the reader (signal 11)"


def test_a_module_that_does_not_start_is_named() -> None:
    missing = Worker("lstm_core.notes.nowhere", (), memory_bytes=1, most_served=1)
    with pytest.raises(RuntimeError, match=r"lstm_core.notes.nowhere does not start \(exit status"):
        missing.begin()


def test_frames_come_back_and_half_ones_are_an_end() -> None:
    stream = io.BytesIO()
    send(stream, 3, b"body")
    send(stream, 4, b"")
    whole = stream.getvalue()
    assert [receive(source := io.BytesIO(whole)), receive(source), receive(source)] == [(3, b"body"), (4, b""), None]
    for size in range(13):
        assert receive(io.BytesIO(whole[:size])) is None
