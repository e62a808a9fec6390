"""How a job finds Ray: the cluster of RAY_ADDRESS, or one of its own on this machine."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_core.errors import TonemillError

OBJECT_STORE_BYTES = 300_000_000  # jobs pass small tables through it, never events or sound
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",  # its warnings of ordinary work would stand between ours
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


class RayStartError(TonemillError):
    """Ray could not be started on this machine."""


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

    With RAY_ADDRESS set that cluster is used, else Ray starts on this machine with `num_cpus` logical CPUs.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    address = os.environ.get("RAY_ADDRESS")
    if not address and not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        # A Ray of our own listens on the network: a token that only our processes inherit keeps others out. Ray turns
        # token mode on by itself then (it reads RAY_AUTH_MODE when it is imported, which may have been before now),
        # and having a token it writes none into the home folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    _lend_packages()
    import ray

    if ray.is_initialized():
        _quiet_data(verbose)
        return False
    level = logging.INFO if verbose else logging.ERROR
    if address:
        ray.init(address=address, logging_level=level, log_to_driver=verbose)
    else:
        try:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                object_store_memory=object_store_bytes,
                include_dashboard=False,
                logging_level=level,
                log_to_driver=verbose,
            )
        except Exception as error:  # Ray raises no class of its own here
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


def _lend_packages() -> None:
    """Puts the folder of these packages on PYTHONPATH: workers of a local Ray inherit it, installed or not."""
    root = str(Path(__file__).resolve().parent.parent)
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
