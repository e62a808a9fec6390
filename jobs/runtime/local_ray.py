"""How a job finds Ray: the cluster of RAY_ADDRESS, or a new one on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lstm_core.foundation.errors import TonemillError

CONNECT_S, CONNECT_TRIES = 3.0, 3  # with the cluster of RAY_ADDRESS
OBJECT_STORE_BYTES = 300_000_000  # jobs pass small tables through it, never events or sound
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


class RayStartError(TonemillError):
    """Ray could not be started on this machine."""


def is_ray_shared() -> bool:
    """Whether jobs use a Ray that was not started for them: others use it too, and it may have other machines."""
    return bool(os.environ.get("RAY_ADDRESS"))


def is_ray_connected() -> bool:
    """Whether this process is connected to Ray: a job that needs it has nothing to start."""
    ray = sys.modules.get("ray")  # who has not imported it is not connected
    return ray is not None and bool(ray.is_initialized())


@contextmanager
def ray_running(*, num_cpus: int | None = None, verbose: bool = False) -> Iterator[None]:
    """Ray for the time of a job; what this started is shut down after it, what ran before is left alone."""
    started = start_ray(num_cpus=num_cpus, verbose=verbose)
    try:
        yield
    finally:
        if started:
            import ray

            ray.shutdown()


def start_ray(
    *, num_cpus: int | None = None, object_store_bytes: int = OBJECT_STORE_BYTES, verbose: bool = False
) -> bool:
    """Connects to Ray and says whether it did: False when this process is connected already.

    With RAY_ADDRESS set that cluster is used (the job server of Ray sets it for its jobs), else Ray starts on this
    machine with `num_cpus` logical CPUs.

    Raises:
        RayStartError: nothing answers at RAY_ADDRESS, or it is no such address; or Ray did not start in its time.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if not verbose:
        # Ray's own code prints an error for every actor pool of Ray Data (ray-project/ray#53727). What really goes
        # wrong comes as an exception.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    address = os.environ.get("RAY_ADDRESS")
    if not address and not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        # Our own Ray listens on the network: a token that only our processes inherit keeps others out. Ray turns
        # token mode on by itself then (it reads RAY_AUTH_MODE when it is imported, which may have been before now),
        # and having a token it writes none into the home folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    _lend_packages()
    import ray

    if ray.is_initialized():
        _quiet_data(verbose)
        return False
    where: dict[str, Any] = {"address": address}
    if not address:
        where = {
            "address": "local",
            "num_cpus": num_cpus,
            "object_store_memory": object_store_bytes,
            "include_dashboard": False,
        }
    else:
        _check_address(address)
    level = logging.INFO if verbose else logging.ERROR
    with nullcontext() if verbose else _silent_stderr():  # it prints that it read RAY_BACKEND_LOG_LEVEL
        try:
            ray.init(**where, logging_level=level, log_to_driver=verbose)
        except Exception as error:  # Ray raises no special class here
            if "timed out" not in str(error):
                raise
            raise RayStartError(
                "Ray did not start within its 30 s: other programs keep this machine busy. Run the same command again "
                "when it is idle, or set RAY_ADDRESS to a Ray cluster that runs already."
            ) from error
    _quiet_data(verbose)
    return True


def num_cpus_of_cluster() -> int:
    """Logical CPUs of the cluster that is connected, at least 1."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _check_address(address: str) -> None:
    """RayStartError at an address where no Ray can be; Ray itself would try for more than two minutes."""
    if address.startswith(("http://", "https://")):
        raise RayStartError(
            f"RAY_ADDRESS is {address}: a program runs in a Ray cluster by HOST:PORT, mostly port 6379. To send a job "
            "to a cluster from outside use `tonemill submit --cluster NAME` and unset RAY_ADDRESS."
        )
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "://" in address:
        return  # "auto" and its like, ray://
    for number in range(CONNECT_TRIES):
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
            return
        except OSError as error:
            if number == CONNECT_TRIES - 1:
                raise RayStartError(
                    f"No Ray cluster answers at {address} ({error}), where RAY_ADDRESS says. Unset it to run here."
                ) from error
            time.sleep(0.5)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Standard error closed to everybody in this process, compiled code included."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _lend_packages() -> None:
    """Puts the folder of these packages on PYTHONPATH: workers of a local Ray inherit it, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *paths])


def _quiet_data(verbose: bool) -> None:
    """Ray Data without its own bars and messages: the job shows its progress itself."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    if not verbose:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        logging.getLogger("ray").setLevel(logging.ERROR)
