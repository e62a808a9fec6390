"""What a training run reports: its progress and its result; and the signals that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from lstm_core import storage
from lstm_core.training.run_state import newest_state

CHECKPOINT_NAME = "checkpoint"


class RunSignal(IntEnum):
    """What a run is requested to do after a step."""

    CONTINUE = 0
    SAVE = 1  # store a state now
    STOP = 2  # store a state now and stop, because the machine is preempted


class RunStopped(Exception):  # noqa: N818 - nothing went wrong
    """The run stopped because that was requested; a state of its last step is stored."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """The progress of a run."""

    step: int
    num_steps: int | None  # None: not settled yet
    nll: float  # nats per event of the last step
    events_per_s: float  # of the last steps, over all workers
    valid_nll: float | None
    saved_step: int  # of the newest state that is stored whole, 0 before the first
    num_workers: int
    wait_s: float = 0.0  # that the last step waited for its batch


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came out of a run."""

    step: int
    best_step: int
    best_nll: float
    is_validated: bool  # False: there was nothing to validate on and `best_nll` is of the training pieces
    checkpoint_uri: str


def finished_result(run_uri: str | Path) -> RunResult | None:
    """The result of a finished run; None of any other."""
    found = newest_state(run_uri)
    if found is None or found[0] != found[1]["num_steps"]:
        return None
    step, facts = found
    return RunResult(
        step=step,
        best_step=facts["best_step"],
        best_nll=facts["best_nll"],
        is_validated=facts.get("is_validated", True),
        checkpoint_uri=storage.join(run_uri, CHECKPOINT_NAME),
    )
