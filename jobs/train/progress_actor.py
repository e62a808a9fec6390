"""A board that the workers of a training run, Ray Train's controller and the driver see: an actor beside the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lstm_core.foundation.errors import TonemillError, TrainingError
from lstm_core.training.run_result import RunSignal

MAX_CRASHES = 3  # without a new state between them, and a run is stopped: it would fall for ever
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Restart:
    """Why the workers were started again."""

    step: int  # the last one that was done before
    reason: str


class ProgressActor(Generic[P, R]):
    """The newest progress, what is wished of the workers, how often they fell, what they took, and the result."""

    def __init__(self) -> None:
        self._newest: P | None = None
        self._result: R | None = None
        self._mistake: TonemillError | None = None
        self._is_over = False
        self._wish, self._num_wishes = RunSignal.CONTINUE, 0
        self._restarts: list[Restart] = []
        self._cpu_s: dict[str, float] = {}  # of each worker that there was
        self._num_falls = 0  # since the newest state
        self._fell_after, self._saved_before = -1, 0  # last step and newest state at the last fall

    def show(self, progress: P) -> tuple[RunSignal, int]:
        """Takes a step of the first worker and gives back what is wished, and the number of that wish."""
        self._newest = progress
        return self._wish, self._num_wishes

    def begin(self) -> None:
        """New workers have been started: what was wished of those before, or went wrong, is no matter of theirs."""
        self._wish, self._num_wishes, self._mistake = RunSignal.CONTINUE, 0, None

    def want(self, wish: RunSignal) -> int:
        """Wishes something of the workers, and gives back their last step."""
        self._wish, self._num_wishes = max(self._wish, wish), self._num_wishes + 1
        return self._step()

    def saved_step(self) -> int:
        """The step of the newest state that is stored."""
        return int(getattr(self._newest, "saved_step", 0))

    def fall(self, reason: str, is_death: bool = False) -> str:
        """Takes down that the workers ended before their time; a text when it is no use to start them again.

        Machines die where they like: a death counts only if the one before came after the same step.
        """
        step, saved = self._step(), self.saved_step()
        if self._is_over:
            return str(self._mistake)
        if self._wish == RunSignal.STOP:
            self._restarts.append(Restart(step=step, reason="a machine goes away"))
            return ""
        self._restarts.append(Restart(step=step, reason=reason))
        if saved > self._saved_before:
            self._num_falls = 0
        if not is_death or step == self._fell_after or self._num_falls == 0:
            self._num_falls += 1
        self._fell_after, self._saved_before = step, saved
        if self._num_falls < MAX_CRASHES:
            return ""
        where = f"after step {step}" if step else "before its first step"
        text = f"The run ended {MAX_CRASHES} times {where}, and would again. The last reason: {reason}"
        self._mistake = self._mistake or TrainingError(text)
        return text

    def spend(self, worker: str, cpu_s: float) -> None:
        """Takes the processor time that a worker has used so far."""
        self._cpu_s[worker] = cpu_s

    def close(self, result: R | None, mistake: TonemillError | None, is_over: bool = True) -> None:
        """Takes what came out, or what the user can mend; it is over when another attempt would end the same way."""
        self._result, self._mistake, self._is_over = result, mistake, is_over

    def newest(self) -> P | None:
        """The newest progress."""
        return self._newest

    def outcome(self) -> tuple[R | None, TonemillError | None, list[Restart]]:
        """What came out, what went wrong, and every restart."""
        return self._result, self._mistake, self._restarts

    def cpu_s(self) -> float:
        """Processor time of all workers that there were, as far as they have told it."""
        return sum(self._cpu_s.values())

    def _step(self) -> int:
        return int(getattr(self._newest, "step", 0))


def start_progress_actor() -> Any:
    """The handle of a board on the machine of this driver, which no other machine takes along when it goes."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(ProgressActor).options(num_cpus=0, scheduling_strategy=here).remote()
