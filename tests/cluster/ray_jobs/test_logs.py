"""A log that is followed while it is written, over all that can break."""

from __future__ import annotations

import threading
import time

import pytest

from cluster.errors import (
    UnreachableError,
)
from cluster.job import JobInfo, JobStatus
from cluster.ray_jobs.server import Timing
from tests.cluster.clients import client_of, first
from tests.cluster.fake_dashboard import FakeDashboard

TEXT = "".join(f"Zeile {number}: später 🎵\n" for number in range(40))


@pytest.mark.parametrize("fault", ["", "cut 7", "cut 300", "reset", "503 x", "500 x"])
def test_a_followed_log_is_whole_whatever_breaks(fault: str) -> None:
    """Characters are torn apart, the stream breaks off three times, and the last lines come with the end of the job."""
    with FakeDashboard(first(3, fault, "GET", "/logs/stream") if fault else first(0, "")) as server:
        server.put_job("j", "PENDING")
        server.logs["j"] = b""

        is_pending_seen, is_text_there = threading.Event(), threading.Event()

        def run() -> None:
            is_pending_seen.wait(60)
            server.put_job("j", "RUNNING")
            data = TEXT.encode()
            for start in range(0, len(data) - 200, 91):
                server.logs["j"] = data[: start + 91]
                time.sleep(0.02)
            is_text_there.wait(60)  # however slow the machine is: it is followed while the job runs
            server.logs["j"] = data
            server.put_job("j", "SUCCEEDED", end_time=2000)

        worker = threading.Thread(target=run)
        with client_of(server) as client:
            worker.start()
            changes: list[JobInfo] = []
            came, first_status = [], ""

            def note(info: JobInfo) -> None:
                changes.append(info)
                is_pending_seen.set()

            for text in client.follow("j", note):
                first_status = first_status or server.jobs["j"]["status"]
                came.append(text)
                is_text_there.set()
            worker.join()
            assert "".join(came) == TEXT == client.log("j") and first_status == "RUNNING"
            assert [info.status for info in changes] == [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.SUCCEEDED]
            assert changes[-1].ended_s == 2.0


def test_a_log_that_falls_silent_is_asked_for_anew() -> None:
    """A connection that is open but dead would say nothing for ever."""
    timing = Timing(poll_s=0.02, silence_s=0.2, first_wait_s=0.01, read_s=1.0)
    with FakeDashboard(first(1, "mute", "GET", "/logs/stream")) as server, client_of(server, timing=timing) as client:
        server.put_job("j", "RUNNING")
        server.logs["j"] = b"alive\n"
        log = client.follow("j")
        assert "".join(next(log) for _ in range(6)) == "alive\n" and server.count("GET", "/logs/stream") == 2
        log.close()


@pytest.mark.slow
def test_a_server_that_is_away_while_a_job_is_followed() -> None:
    """It is waited for; one that does not come back is reported within the time set for it."""
    faults = {"now": ""}
    with FakeDashboard(lambda number, method, path: faults["now"]) as server, client_of(server) as client:
        server.put_job("j", "RUNNING")
        server.logs["j"] = b"a\n"
        log = client.follow("j")
        assert next(log) == "a"

        def return_later() -> None:
            time.sleep(0.8)  # longer than the patience with an address that never answered
            server.logs["j"] = b"a\nb\n"
            server.put_job("j", "FAILED", driver_exit_code=-9)
            faults["now"] = ""

        faults["now"] = "503 restarting"
        threading.Thread(target=return_later).start()
        assert client.wait("j").exit_code == 137
        assert "".join(log) == "\nb\n"
        server.put_job("j", "RUNNING")
        faults["now"] = "reset"
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="Nothing answers"):
            list(client.follow("j"))
        assert 1.0 < time.monotonic() - start < 6
