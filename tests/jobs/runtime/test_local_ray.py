"""Addresses of Ray where none is: reported in seconds, and which."""

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
