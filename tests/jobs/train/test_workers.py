"""The workers of a training run: how many are requested, which signals they get, and when they are given up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.train.progress_actor import MAX_CRASHES, ProgressActor
from jobs.train.workers import Placement, parsed_workers, train_on_workers
from lstm_core.foundation.errors import TrainingError
from lstm_core.training.run_result import RunProgress, RunSignal


def progress(step: int) -> RunProgress:
    return RunProgress(
        step=step, num_steps=9, nll=1.0, events_per_s=1.0, valid_nll=None, saved_step=step // 2, num_workers=1
    )


@pytest.mark.parametrize(("text", "found"), [("2", 2), ("1:4", [1, 4])])
def test_workers_are_a_number_or_a_range(text: str, found: object) -> None:
    assert parsed_workers(text) == found


@pytest.mark.parametrize("text", ["two", "1:2:3", "1:", "-1"])
def test_other_numbers_of_workers_are_refused(text: str) -> None:
    with pytest.raises(TrainingError, match=rf'--workers wants a number or FEWEST:MOST, as 2 or 1:4, got "{text}"'):
        parsed_workers(text)


def test_a_run_that_crashes_without_getting_on_is_given_up() -> None:
    actor: ProgressActor[RunProgress, int] = ProgressActor()
    for step in (2, 8, 9):  # states of 1, 4 and 4
        actor.show(progress(step))
        assert actor.record_crash("the disk is full") == ""
    verdict = actor.record_crash("boom")  # before another step was done
    assert verdict == f"The run ended {MAX_CRASHES} times after step 9, and would again. The last reason: boom"
    result, user_error, restarts = actor.outcome()
    assert result is None and str(user_error) == verdict and [restart.step for restart in restarts] == [2, 8, 9, 9]


def test_a_run_whose_machines_die_goes_on_unless_it_is_after_one_step() -> None:
    actor: ProgressActor[RunProgress, int] = ProgressActor()
    for step in (8, 9, 8, 9, 8, 9):
        actor.show(progress(step))
        assert actor.record_crash("a machine died", is_death=True) == ""
    assert actor.record_crash("a machine died", is_death=True) == ""
    assert "3 times after step 9" in actor.record_crash("a machine died", is_death=True)


def test_a_run_that_gets_on_is_never_given_up() -> None:
    actor: ProgressActor[RunProgress, int] = ProgressActor()
    for step in range(2, 40, 2):
        actor.show(progress(step))
        assert actor.record_crash("boom") == ""


def test_a_stop_that_was_signalled_is_no_crash_and_signals_end_with_the_workers() -> None:
    actor: ProgressActor[RunProgress, int] = ProgressActor()
    assert actor.show(progress(4)) == (RunSignal.CONTINUE, 0)
    assert actor.send(RunSignal.SAVE) == 4 and actor.saved_step() == 2
    assert actor.send(RunSignal.STOP) == 4
    assert actor.show(progress(5)) == (RunSignal.STOP, 2)
    assert [actor.record_crash("preempted") for _ in range(MAX_CRASHES + 1)] == [""] * (MAX_CRASHES + 1)
    actor.begin()
    assert actor.show(progress(6)) == (RunSignal.CONTINUE, 0)


def test_what_workers_used_is_the_last_that_each_of_them_reported() -> None:
    actor: ProgressActor[RunProgress, int] = ProgressActor()
    assert actor.cpu_s() == 0.0
    for worker, cpu_s in (("one", 1.0), ("two", 0.5), ("one", 2.25)):
        actor.spend(worker, cpu_s)
    assert actor.cpu_s() == 2.75


def crash_at_step_3(config: dict[str, Any], report: Callable[[RunProgress], RunSignal]) -> None:
    with Path(config["log"]).open("a") as log:
        log.write(f"{os.getpid()}\n")
    for step in (1, 2, 3):
        report(progress(step))
    raise RuntimeError("the weights\nturned to stone")


def wait(newest: Callable[[], RunProgress | None], stop: threading.Event) -> None:
    stop.wait()


@pytest.mark.slow
def test_a_loop_of_crashes_is_broken_and_named(ray_cluster: None, tmp_path: Path) -> None:
    where = Placement(num_workers=1, threads=1, use_gpu=False)
    with pytest.raises(TrainingError, match=r"3 times after step 3, .* reason: .*turned to stone"):
        train_on_workers(crash_at_step_3, {"log": str(tmp_path / "log")}, str(tmp_path / "run"), where, wait)
    assert len((tmp_path / "log").read_text().split()) == MAX_CRASHES
