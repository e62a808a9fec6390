"""A training program on the workers of Ray Train: started, watched, and asked for what came out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lstm_core import storage
from lstm_core.errors import BlockError, CheckpointError, TonemillError, TrainingError

MAX_FAILURES = 3  # a worker that dies is started again this often
_FINAL = (TrainingError, CheckpointError, BlockError)  # another attempt would end the same way, on all workers
# Threads that wait for each other asleep. Awake, they slow a step tenfold once other programs want the cores too:
# 30 s instead of 3 s at a load of 10 on 2 cores (AMD Zen 5, November 2026).
WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}
P, R = TypeVar("P"), TypeVar("R")


@dataclass
class Board(Generic[P, R]):
    """An actor that holds the newest progress; rank 0 writes without waiting, the driver reads."""

    newest: P | None = None
    result: R | None = None
    mistake: TonemillError | None = None

    def show(self, progress: P) -> None:
        self.newest = progress

    def close(self, result: R | None, mistake: TonemillError | None) -> None:
        self.result, self.mistake = result, mistake

    def read(self) -> tuple[P | None, R | None, TonemillError | None]:
        return self.newest, self.result, self.mistake


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where workers run."""

    num_workers: int
    threads: int  # of each
    use_gpu: bool

    @property
    def device(self) -> str:
        """Name of it for torch."""
        return "cuda" if self.use_gpu else "cpu"


def placed(num_workers: int, threads_per_worker: int | None, device: str) -> Placement:
    """What a recipe's wishes mean on the cluster that is connected."""
    import ray

    use_gpu = device == "cuda" or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)
    threads = threads_per_worker or (1 if _is_shared() else max(1, _num_cores() // num_workers))
    return Placement(num_workers=num_workers, threads=threads, use_gpu=use_gpu)


def train_on_workers(
    program: Callable[[dict[str, Any], Callable[[P], None]], R],
    config: dict[str, Any],
    run_uri: str,
    where: Placement,
    show: Callable[[Callable[[], P | None], threading.Event], None],
) -> R:
    """What `program` gives back on rank 0. It is called on every worker with `config` and a function to tell progress.

    Meanwhile `show` runs in a thread of the driver, with a function that gives the newest progress, until its event.

    Raises:
        TonemillError: what the program raised; other errors come as Ray has them.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    board = ray.remote(Board).options(num_cpus=0).remote()
    trainer = TorchTrainer(
        _work,
        train_loop_config={"program": program, "config": config, "device": where.device, "board": board},
        scaling_config=ScalingConfig(
            num_workers=where.num_workers,
            use_gpu=where.use_gpu,
            resources_per_worker={
                "CPU": where.threads if _is_shared() else 1,
                **({"GPU": 1} if where.use_gpu else {}),
            },
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=run_uri,
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            worker_runtime_env={"env_vars": WORKER_ENVIRONMENT},
        ),
    )

    def newest() -> P | None:
        progress: P | None = ray.get(board.read.remote())[0]
        return progress

    stop = threading.Event()
    watcher = threading.Thread(target=show, args=(newest, stop), daemon=True)
    watcher.start()
    failure: Exception | None = None
    try:
        trainer.fit()
    except Exception as error:  # whatever Ray makes of it, the board knows of a mistake that the user can mend
        failure = error
    finally:
        stop.set()
        watcher.join()
    _, result, mistake = ray.get(board.read.remote())
    if result is not None:
        return result  # type: ignore[no-any-return]
    if mistake is not None:
        raise mistake from failure
    raise failure or TrainingError("The workers ended without a result. Run again with --resume --verbose.")


def absolute(uri: str) -> str:
    """The same place for workers, that may run in another folder."""
    path = storage.local_path(uri)
    return uri if path is None else str(path.expanduser().absolute())


def _work(given: dict[str, Any]) -> None:
    """One worker: the same program as without Ray, telling the board how it goes."""
    import ray
    import ray.train.torch
    import torch

    board, is_first = given["board"], ray.train.get_context().get_world_rank() == 0
    if given["device"] == "cuda":
        torch.cuda.set_device(ray.train.torch.get_device())

    def tell(progress: Any) -> None:
        if is_first:
            board.show.remote(progress)

    try:
        result = given["program"](given["config"], tell)
    except TonemillError as error:
        ray.get(board.close.remote(None, error))
        if isinstance(error, _FINAL):
            return
        raise
    if is_first:
        ray.get(board.close.remote(result, None))


def _is_shared() -> bool:
    """Whether the cluster is one of others too: then no core is taken that was not asked for."""
    return bool(os.environ.get("RAY_ADDRESS"))


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
