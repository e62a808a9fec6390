"""Leases, on a local folder and in a bucket."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.storage.lease import Holder, Lease, LeaseError

ELSEWHERE = Holder(owner="process 7 on another", machine="another", process="7 1", nonce="0", expires_after_s=1.5)


@pytest.fixture(params=["path", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a folder of each kind."""
    return f"{request.getfixturevalue('s3_bucket')}/run" if request.param == "s3" else str(tmp_path / "run")


def test_of_eight_one_holds_it_and_the_others_learn_who(folder: str) -> None:
    start, done = threading.Barrier(8), threading.Barrier(8)

    def take(number: int) -> str:
        start.wait()
        try:
            with Lease(folder) as lease:
                lease.check()
                done.wait(60)
                return ""
        except LeaseError as error:
            done.wait(60)
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(take, range(8)))
    assert said.count("") == 1
    assert all("is being written by process" in text for text in said if text)
    with Lease(folder):  # released, it is free at once
        pass


def test_a_holder_that_was_killed_here_is_known_at_once(folder: str) -> None:
    program = (
        "import sys, time\n"
        "from lstm_core.storage.lease import Lease\n"
        "with Lease(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with (
        pytest.raises(LeaseError, match=rf"written by process {holder.pid} on .*, which is alive"),
        Lease(folder),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Lease(folder) as lease:
        lease.check()


@pytest.mark.slow
def test_one_elsewhere_is_known_by_its_silence_or_its_sign_of_life(folder: str) -> None:
    uri = storage.join(folder, ".lease.json")
    storage.write_bytes(uri, ELSEWHERE.to_json())
    began_s = time.monotonic()
    with Lease(folder) as lease:
        lease.check()
    assert time.monotonic() - began_s > 0.4  # S3 reports times in whole seconds
    storage.write_bytes(uri, Holder(**asdict(ELSEWHERE) | {"expires_after_s": 30.0}).to_json())
    later = Holder(**asdict(ELSEWHERE) | {"expires_after_s": 30.0, "renewals": 1})
    renewal = threading.Timer(1.0, lambda: storage.write_bytes(uri, later.to_json()))
    renewal.start()
    with pytest.raises(LeaseError, match="being written by process 7 on another, which is alive"), Lease(folder):
        pass
    renewal.join()


def test_it_is_renewed_and_its_loss_is_noticed(folder: str) -> None:
    uri = storage.join(folder, ".lease.json")
    with Lease(folder, expires_after_s=0.6) as lease:
        deadline = time.monotonic() + 60
        while Holder.from_json(storage.read_version(uri).data).renewals < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        lease.check()
        storage.write_bytes(uri, ELSEWHERE.to_json())
        while time.monotonic() < deadline:
            try:
                lease.check()
            except LeaseError as error:
                assert "process 7 on another has taken it over" in str(error)
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the loss was not noticed")
    assert Holder.from_json(storage.read_bytes(uri)) == ELSEWHERE  # what is another's is left alone


def test_a_damaged_file_has_no_holder(folder: str) -> None:
    storage.write_bytes(storage.join(folder, ".lease.json"), b"{}")
    with Lease(folder) as lease:
        lease.check()
