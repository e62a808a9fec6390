"""Addresses of Ray where none is: reported in seconds, and which. What a Ray of our own starts and imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.s3_servers import free_port

PROGRAM = """
from jobs.runtime.local_ray import RayStartError, start_ray
try:
    start_ray()
except RayStartError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{port}", "No Ray cluster answers at 127.0.0.1:{port} ([Errno 111] Connection refused)"),
        (
            "http://127.0.0.1:{port}",
            "RAY_ADDRESS is http://127.0.0.1:{port}: a program runs in a Ray cluster by HOST:PORT",
        ),
    ],
)
def test_an_address_without_ray(address: str, message: str) -> None:
    """Ray itself tries for more than two minutes (2.60). In a process of its own, since one Ray is up in this one."""
    port = str(free_port())
    environment = {**os.environ, "RAY_ADDRESS": address.format(port=port), "RAY_AUTH_MODE": "disabled"}
    root = Path(__file__).resolve().parents[3]
    start = time.monotonic()
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert message.format(port=port) in done.stdout and time.monotonic() - start < 30


LEAN = """
import os, sys, time
import ray
from jobs.runtime.local_ray import ray_running
from tests.ray_nodes import descendants
with ray_running(num_cpus=3, has_data=False):
    time.sleep(2.0)
    print("before any task", [name for _, name in descendants(os.getpid()) if "ray::IDLE" in name])
    names = ("ray.data", "pandas", "torch")
    print("in a worker", ray.get(ray.remote(lambda: [name for name in names if name in sys.modules]).remote()))
    print("in the driver", [name for name in names if name in sys.modules])
"""


@pytest.mark.slow
def test_a_ray_of_our_own_starts_no_worker_in_vain_and_imports_no_ray_data() -> None:
    """Workers waited for work that never came, and each that finished tracks imported Ray Data."""
    root = Path(__file__).resolve().parents[3]
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = known | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", LEAN]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    expected = ["before any task []", "in a worker []", "in the driver []"]
    assert done.stdout.splitlines() == expected, done.stdout + done.stderr
