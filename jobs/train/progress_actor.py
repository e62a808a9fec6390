"""An actor beside the driver, through which workers of a training run, Ray Train's controller and the driver report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lstm_core.foundation.errors import TonemillError, TrainingError
from lstm_core.training.run_result import RunSignal

MAX_CRASHES = 3  # without a new state between them, and a run is stopped: it would crash again and again
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Restart:
    """Why the workers were started again."""

    step: int  # the last one that was done before
    reason: str


class ProgressActor(Generic[P, R]):
    """The newest progress, the signal to the workers, how often they crashed, what they used, and the result."""

    def __init__(self) -> None:
        self._newest: P | None = None
        self._result: R | None = None
        self._user_error: TonemillError | None = None
        self._is_over = False
        self._signal, self._num_signals = RunSignal.CONTINUE, 0
        self._restarts: list[Restart] = []
        self._cpu_s: dict[str, float] = {}  # of each worker that there was
        self._num_crashes = 0  # since the newest state
        self._crashed_after, self._saved_before = -1, 0  # last step and newest state at the last crash

    def show(self, progress: P) -> tuple[RunSignal, int]:
        """Takes a step of the first worker and returns the signal to it, and the number of that signal."""
        self._newest = progress
        return self._signal, self._num_signals

    def begin(self) -> None:
        """New workers have been started: signals to those before, and their error, do not concern them."""
        self._signal, self._num_signals, self._user_error = RunSignal.CONTINUE, 0, None

    def send(self, signal: RunSignal) -> int:
        """Has the workers given a signal, and returns their last step."""
        self._signal, self._num_signals = max(self._signal, signal), self._num_signals + 1
        return self._step()

    def saved_step(self) -> int:
        """The step of the newest state that is stored."""
        return int(getattr(self._newest, "saved_step", 0))

    def record_crash(self, reason: str, is_death: bool = False) -> str:
        """Records that the workers crashed; returns a text if it is no use to start them again, else an empty one.

        Machines die at any step: a death counts only if the one before came after the same step.
        """
        step, saved = self._step(), self.saved_step()
        if self._is_over:
            return str(self._user_error)
        if self._signal == RunSignal.STOP:
            self._restarts.append(Restart(step=step, reason="a machine was preempted"))
            return ""
        self._restarts.append(Restart(step=step, reason=reason))
        if saved > self._saved_before:
            self._num_crashes = 0
        if not is_death or step == self._crashed_after or self._num_crashes == 0:
            self._num_crashes += 1
        self._crashed_after, self._saved_before = step, saved
        if self._num_crashes < MAX_CRASHES:
            return ""
        where = f"after step {step}" if step else "before its first step"
        text = f"The run ended {MAX_CRASHES} times {where}, and would again. The last reason: {reason}"
        self._user_error = self._user_error or TrainingError(text)
        return text

    def spend(self, worker: str, cpu_s: float) -> None:
        """Takes the processor time that a worker has used so far."""
        self._cpu_s[worker] = cpu_s

    def close(self, result: R | None, user_error: TonemillError | None, is_over: bool = True) -> None:
        """Takes the result, or the user error; it is over if another attempt would end the same way."""
        self._result, self._user_error, self._is_over = result, user_error, is_over

    def newest(self) -> P | None:
        """The newest progress."""
        return self._newest

    def outcome(self) -> tuple[R | None, TonemillError | None, list[Restart]]:
        """The result, the user error, and every restart."""
        return self._result, self._user_error, self._restarts

    def cpu_s(self) -> float:
        """Processor time of all workers that there were, as far as they have reported it."""
        return sum(self._cpu_s.values())

    def _step(self) -> int:
        return int(getattr(self._newest, "step", 0))


def start_progress_actor() -> Any:
    """The handle of a progress actor on the machine of this driver, so that it is not lost with another machine."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(ProgressActor).options(num_cpus=0, scheduling_strategy=here).remote()
