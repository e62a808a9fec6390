"""A training program on the workers of Ray Train: started, watched, and its result collected."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from jobs.runtime.local_ray import is_ray_shared
from jobs.runtime.summary import Nodes, nodes_of_ray
from jobs.runtime.work_log import observe
from jobs.train.progress_actor import Restart, start_progress_actor
from lstm_core import storage
from lstm_core.foundation.errors import BlockError, CheckpointError, TonemillError, TrainingError
from lstm_core.storage.lease import LeaseError
from lstm_core.training.run_result import RunSignal

_OF_ALL = (TrainingError, CheckpointError, BlockError)  # another attempt would end the same way, on all workers
# Threads that wait for each other asleep. Awake, they slow a step tenfold once other programs want the cores too:
# 30 s instead of 3 s at a load of 10 on 2 cores (AMD Zen 5, November 2026).
WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}
# Ray Train's timeouts, shortened: after a death a run is to go on within 30 s. Values of the environment go first.
RAY_TRAIN_SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # of 2: begins, ends and restarts sooner
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "4",  # of 60: how long workers wait for a machine that died meanwhile
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1",  # of 5
}
LOOK_EVERY_S = 10.0  # for machines that could join
SPENT_EVERY_S = 5.0  # a worker reports what it has used: of one that dies the last of it is not counted
_log = logging.getLogger(__name__)
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where workers run."""

    num_workers: int | tuple[int, int]  # or the fewest and the most
    threads: int  # of each
    use_gpu: bool

    @property
    def device(self) -> str:
        """Name of it for torch."""
        return "cuda" if self.use_gpu else "cpu"


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[R]):
    """What came of a training program, and what it took."""

    result: R
    restarts: list[Restart]
    cpu_s: float  # of all workers, those that died included
    nodes: Nodes  # that Ray has at the end: those that were requested have come; an elastic run may have had others


def placed(num_workers: int | tuple[int, int], threads_per_worker: int | None, device: str) -> Placement:
    """What a recipe's settings mean on the cluster that is connected."""
    import ray

    use_gpu = device == "cuda" or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)
    most = num_workers if isinstance(num_workers, int) else num_workers[1]
    threads = threads_per_worker or (1 if is_ray_shared() else max(1, _num_cores() // most))
    if not isinstance(num_workers, int) and num_workers[0] == num_workers[1]:
        num_workers = most
    return Placement(num_workers=num_workers, threads=threads, use_gpu=use_gpu)


def parsed_workers(text: str) -> int | list[int]:
    """The value of --workers: "2", or "1:4" for one to four.

    Raises:
        TrainingError: it is something else.
    """
    numbers = text.split(":")
    if len(numbers) > 2 or not all(number.isdigit() for number in numbers):
        raise TrainingError(f'--workers wants a number or FEWEST:MOST, as 2 or 1:4, got "{text}"')
    return int(text) if len(numbers) == 1 else [int(number) for number in numbers]


def train_on_workers(
    program: Callable[[dict[str, Any], Callable[[P], RunSignal]], R],
    config: dict[str, Any],
    run_uri: str,
    where: Placement,
    show: Callable[[Callable[[], P | None], threading.Event], None],
) -> Outcome[R]:
    """What `program` returns on rank 0, and what it took. It is called on every worker with `config` and a function
    that takes its progress and returns a signal to it. Workers that die are started again, in another number where
    that is allowed.

    Meanwhile `show` runs in a thread of the driver, with a function that gives the newest progress, until its event.

    Raises:
        TonemillError: what the program raised; other errors come as Ray has them.
    """
    progress_actor = start_progress_actor()
    trainer = _trainer(progress_actor, {"program": program, "config": config, "run_uri": run_uri}, where)
    return _outcome(progress_actor, _fitted(trainer, progress_actor, show))


def _trainer(progress_actor: Any, given: dict[str, Any], where: Placement) -> Any:
    """Ray's trainer, whose workers run `_work`; the progress actor counts how often they crash."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from jobs.train.watch import RunWatch

    run_uri = given["run_uri"]
    look_every_s = float(os.environ.get("TONEMILL_LOOK_EVERY_S", LOOK_EVERY_S))
    return TorchTrainer(
        _work,
        train_loop_config={**given, "device": where.device, "progress_actor": progress_actor},
        scaling_config=ScalingConfig(
            num_workers=where.num_workers,
            use_gpu=where.use_gpu,
            resources_per_worker={
                "CPU": where.threads if is_ray_shared() else 1,
                **({"GPU": 1} if where.use_gpu else {}),
            },
            elastic_resize_monitor_interval_s=look_every_s,
        ),
        run_config=RunConfig(
            name=hashlib.sha256(run_uri.encode()).hexdigest()[:16],
            # Ray is given no checkpoint to keep: what it writes here is empty, and nobody's but this machine's.
            storage_path=str(Path(tempfile.gettempdir()) / f"tonemill-train-{os.getuid()}"),
            failure_config=FailureConfig(max_failures=-1),  # RunWatch counts
            worker_runtime_env={"env_vars": WORKER_ENVIRONMENT},
            callbacks=[RunWatch(progress_actor, run_uri, look_every_s=look_every_s)],
        ),
    )


def _fitted(
    trainer: Any, progress_actor: Any, show: Callable[[Callable[[], P | None], threading.Event], None]
) -> Exception | None:
    """What Ray raised at the end of the workers, if anything; `show` runs meanwhile."""
    import ray

    def newest() -> P | None:
        progress: P | None = ray.get(progress_actor.newest.remote())
        return progress

    stop = threading.Event()
    watcher = threading.Thread(target=show, args=(newest, stop), daemon=True)
    watcher.start()
    try:
        trainer.fit()
    except Exception as error:  # whatever Ray makes of it, the progress actor holds an error that the user can correct
        return error
    finally:
        stop.set()
        watcher.join()
    return None


def _outcome(progress_actor: Any, failure: Exception | None) -> Outcome[Any]:
    """The result that the progress actor holds. Without one it raises the error that the actor holds, or Ray's."""
    import ray

    result, user_error, restarts = ray.get(progress_actor.outcome.remote())
    for restart in restarts:
        _log.info("the workers were started again after step %d: %s", restart.step, restart.reason)
    if result is not None:
        cpu_s: float = ray.get(progress_actor.cpu_s.remote())
        return Outcome(result=result, restarts=restarts, cpu_s=cpu_s, nodes=_nodes())
    if user_error is not None:
        raise user_error from failure
    raise failure or TrainingError("The workers ended without a result. Run again with --resume --verbose.")


def absolute(uri: str) -> str:
    """The same place for workers, that may run in another folder."""
    path = storage.local_path(uri)
    return uri if path is None else str(path.expanduser().absolute())


def _work(given: dict[str, Any]) -> None:
    """One worker: the same program as without Ray, reporting to the progress actor."""
    import ray
    import ray.train.torch
    import torch

    progress_actor, is_first = given["progress_actor"], ray.train.get_context().get_world_rank() == 0
    if given["device"] == "cuda":
        torch.cuda.set_device(ray.train.torch.get_device())

    if is_first:
        ray.get(progress_actor.begin.remote())
    spending = _Spending(progress_actor)
    reporter = _Reporter(progress_actor, given["run_uri"], spending) if is_first else spending
    try:
        result = given["program"](given["config"], reporter.take)
    except TonemillError as error:
        ray.get(progress_actor.close.remote(None, error, isinstance(error, (*_OF_ALL, LeaseError))))
        if isinstance(error, _OF_ALL):
            return
        raise  # the others wait for this one: only an error ends them too
    finally:
        spending.report_last()
    if is_first:
        ray.get(progress_actor.close.remote(result, None))


class _Reporter:
    """Sends the first worker's progress to the progress actor, and receives the signals to the workers."""

    def __init__(self, progress_actor: Any, run_uri: str, spending: _Spending) -> None:
        self._progress_actor, self._run_uri, self._spending = progress_actor, run_uri, spending
        self._answer: Any = None  # of the actor, read at a later step, so that no step waits for it
        self._num_granted = 0  # the number of the last signal that was passed on
        self._taken_s = time.perf_counter()

    def take(self, progress: Any) -> RunSignal:
        """Takes the progress of a step and returns the newest signal, each signal once."""
        self._spending.take(progress)
        before_s, self._taken_s = self._taken_s, time.perf_counter()
        observe("tonemill_step_seconds", self._taken_s - before_s, run=self._run_uri)
        if hasattr(progress, "wait_s"):
            observe("tonemill_data_wait_seconds", progress.wait_s, run=self._run_uri)
        signal, number = self._answered()
        shown = self._progress_actor.show.remote(progress)
        if self._answer is None:
            self._answer = shown
        if number == self._num_granted:
            return RunSignal.CONTINUE
        self._num_granted = number
        return signal

    def _answered(self) -> tuple[RunSignal, int]:
        """The actor's signal and its number, if there is an answer; else the last number."""
        import ray

        if self._answer is None or not ray.wait([self._answer], timeout=0)[0]:
            return RunSignal.CONTINUE, self._num_granted
        answer, self._answer = self._answer, None
        signal, number = ray.get(answer)
        return signal, number


class _Spending:
    """Reports the processor time of this worker to the progress actor."""

    def __init__(self, progress_actor: Any) -> None:
        import ray

        self._progress_actor, self._worker = progress_actor, ray.get_runtime_context().get_actor_id()
        self._begun_s, self._reported_s = time.process_time(), time.monotonic()

    def take(self, progress: Any) -> RunSignal:
        """Reports it every few seconds, without waiting. Only the first worker gets signals."""
        if time.monotonic() - self._reported_s >= SPENT_EVERY_S:
            self._report()
        return RunSignal.CONTINUE

    def report_last(self) -> None:
        """Reports it and waits: the driver reads the actor as soon as the workers have ended."""
        import ray

        with suppress(ray.exceptions.RayError):  # the actor has ended too, or does not answer
            ray.get(self._report(), timeout=SPENT_EVERY_S)

    def _report(self) -> Any:
        self._reported_s = time.monotonic()
        return self._progress_actor.spend.remote(self._worker, time.process_time() - self._begun_s)


def _nodes() -> Nodes:
    """The machines of Ray; of a local Ray that we started all cores, since workers use them whatever it offers."""
    nodes = nodes_of_ray()
    return nodes if is_ray_shared() else replace(nodes, num_cores=_num_cores())


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
