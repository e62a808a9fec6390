"""What Ray Train's controller does for a run besides starting and ending its workers. Runs inside the controller."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import ray
from ray.train.v2._internal.execution.callback import ControllerCallback

from jobs.runtime.work_log import count, log_unit
from lstm_core import storage
from lstm_core.foundation.errors import TrainingError
from lstm_core.training.run_result import RunSignal

ANSWER_S = 10.0  # the progress actor answers in milliseconds; a machine that is busy or frozen may take longer
REQUEST_NAME = ".ray-request"  # in the run's folder: under which name Ray has reserved machines for it
DEATH = "a worker's process or machine died"


class RunWatch(ControllerCallback):  # type: ignore[misc]  # ray ships no types
    """Has a state stored before workers are preempted, counts crashes, and looks at the cluster when something changed.

    Args:
        progress_actor: The run's.
        run_uri: Folder of the run.
        look_every_s: How often to look for workers that could join.
        save_wait_s: How long to wait for a state before the workers are started anew in another number.
    """

    def __init__(self, progress_actor: Any, run_uri: str, *, look_every_s: float, save_wait_s: float = 30.0) -> None:
        self._progress_actor, self._run_uri = progress_actor, run_uri
        self._look_every_s, self._save_wait_s = look_every_s, save_wait_s
        self._looked_s = 0.0

    def after_controller_start(self, train_run_context: Any) -> None:
        """Gives back what an earlier driver of this run reserved and, being killed, could not: Ray waits 180 s."""
        uri = storage.join(self._run_uri, REQUEST_NAME)
        with suppress(storage.MissingError):  # the first driver
            _coordinator().cancel_request.remote(storage.read_bytes(uri).decode())
        storage.write_bytes(uri, f"train-{train_run_context.run_id}".encode())

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        """Called at each turn of the controller's loop.

        Raises:
            TrainingError: it is no use to start the workers again.
        """
        before, now = type(previous_state).__name__, type(current_state).__name__
        if now == "PreemptingState" and before != now:
            self._progress_actor.send.remote(RunSignal.STOP)
        elif now == "ResizingState":
            self._save_first()
        elif now == "RestartingState" and before != now:
            self._crashed(current_state.training_failed_error)
        elif now == "ReschedulingState":
            failure = getattr(current_state.training_failed_error, "controller_failure", None)
            if type(failure).__name__ == "WorkerGroupStartupFailedError":
                self._crashed(current_state.training_failed_error)
            self._look()
        elif now == "RunningState" and time.monotonic() - self._looked_s > self._look_every_s:
            self._look()

    def _save_first(self) -> None:
        """Waits until a state of now is stored: the workers are about to be ended."""
        with suppress(ray.exceptions.RayError):
            step = ray.get(self._progress_actor.send.remote(RunSignal.SAVE), timeout=ANSWER_S)
            end = time.monotonic() + self._save_wait_s
            while time.monotonic() < end:
                if ray.get(self._progress_actor.saved_step.remote(), timeout=ANSWER_S) >= step:
                    return
                time.sleep(0.1)

    def _crashed(self, error: Exception) -> None:
        reason = reason_of(error)
        count("tonemill_restarts_total", run=self._run_uri)
        log_unit("restart", run=self._run_uri, reason=reason)
        verdict = ray.get(self._progress_actor.record_crash.remote(reason, reason == DEATH), timeout=ANSWER_S)
        if verdict:
            raise TrainingError(verdict)
        self._look()

    def _look(self) -> None:
        """Has Ray count the machines now: by itself it does so every 20 s, and starts too many workers until then."""
        self._looked_s = time.monotonic()
        with suppress(Exception):  # no public function does it; without it a restart takes longer
            ray.get(_coordinator().get_reserved_resources.remote("", recompute=True), timeout=ANSWER_S)


def _coordinator() -> Any:
    """The actor that says which machines are whose."""
    from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator

    return default_autoscaling_coordinator.get_or_create_autoscaling_coordinator()


def reason_of(error: Exception) -> str:
    """One line on why workers ended, of the worker where it began."""
    failures = getattr(error, "worker_failures", None) or {0: getattr(error, "controller_failure", error)}
    lines = [_line(failure) for _, failure in sorted(failures.items())]
    # When one worker dies the others report that the connection to it broke.
    return next((line for line in lines if "gloo" not in line and "NCCL" not in line), lines[0])


def _line(failure: BaseException) -> str:
    if isinstance(failure, ray.exceptions.RayActorError):
        return DEATH
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    return lines[-1] if lines else type(failure).__name__
