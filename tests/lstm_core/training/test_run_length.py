"""Minutes become steps, from the rate of the first ones, and the end follows the clock; counted steps stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run_length import RATE_STEPS, RunLength
from lstm_core.training.updates import TrainSettings, learning_rate_at


def own(value: float) -> float:
    return value


def settled(recipe: TrainRecipe, step_s: float, valid_s: float, *, first_step_s: float = 5.0) -> tuple[int, int, int]:
    """Step at which the length is settled, number of steps, steps between validations."""
    length = RunLength(recipe, {}, agreed=own, begun_s=100.0)
    now, step = 100.0 + valid_s, 0
    length.take_validation(valid_s)
    while length.num_steps is None or length.valid_every is None:
        step += 1
        now += first_step_s if step == 1 else step_s
        length.take_step(step, now)
    assert length.num_steps is not None and length.valid_every is not None
    return step, length.num_steps, length.valid_every


def test_ten_minutes_are_filled() -> None:
    """600 s less 18.5 s that the measurement took, less 18 validations, at half a second per step."""
    step, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 2.0)
    assert step == RATE_STEPS[1] == 24
    assert num_steps == 24 + int((600 - 2 - 5 - 11.5 - 36) / 0.5)
    assert valid_every == num_steps // 18  # 36 s of validation at 2 s each


def test_slow_steps_settle_it_early() -> None:
    step, num_steps, _ = settled(TrainRecipe(minutes=1.0), 10.0, 0.0)
    assert step == 6 and num_steps == 6  # 55 of 60 s are gone
    step, num_steps, _ = settled(TrainRecipe(minutes=10.0), 10.0, 0.0)
    assert step == 7 and num_steps == 7 + int((600 - 65) / 10)


def test_validation_is_neither_too_rare_nor_too_frequent() -> None:
    _, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 1000.0, first_step_s=0.5)
    assert valid_every >= num_steps // 2
    _, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 0.001)
    assert valid_every == num_steps // 40


def test_steps_are_as_requested() -> None:
    assert settled(TrainRecipe(steps=500), 0.5, 2.0)[1:] == (500, 25)
    assert settled(TrainRecipe(steps=7), 0.5, 2.0)[1:] == (7, 1)
    length = RunLength(TrainRecipe(steps=500, valid_every=30), {}, agreed=own, begun_s=0.0)
    assert (length.num_steps, length.valid_every) == (500, 30)


def test_workers_take_the_word_of_rank_0() -> None:
    words: list[float] = []
    first = RunLength(TrainRecipe(), {}, agreed=lambda value: words.append(value) or value, begun_s=0.0)
    for step in range(1, 60):
        first.take_step(step, (0.5 if step < 40 else 4.0) * step)
    spoken = iter(words)
    other = RunLength(TrainRecipe(), {}, agreed=lambda _: next(spoken), begun_s=3.0)
    for step in range(1, 60):
        other.take_step(step, 7.0 + 0.9 * step)
    assert other.facts == first.facts and first.facts["from_step"] > 40
    assert next(spoken, None) is None


class Run:
    """A run by an injected clock: `step_s` says how long a step takes at a time, `valid_s` a validation."""

    def __init__(
        self, recipe: TrainRecipe, step_s: Callable[[float], float], valid_s: Callable[[float], float]
    ) -> None:
        self.recipe, self.step_s, self.valid_s = recipe, step_s, valid_s
        self.now, self.step, self.rates = 0.0, 0, list[float]()
        self.length = RunLength(recipe, {}, agreed=own, begun_s=0.0)
        self.validate()

    def validate(self) -> None:
        taken_s = self.valid_s(self.now)
        self.now += taken_s
        self.length.take_validation(taken_s)

    def resume(self, after_s: float) -> None:
        """Goes on with what the state says, after it was away for a while."""
        spent_s, self.now = self.now, self.now + after_s
        facts, self.length = self.length.facts, None  # type: ignore[assignment]
        self.length = RunLength(self.recipe, facts, agreed=own, begun_s=self.now, begun_step=self.step, spent_s=spent_s)

    def go(self, until_step: int | None = None) -> None:
        """As TrainingRun.advance, to the end or to a step."""
        length = self.length
        while self.step != (until_step or length.num_steps):
            settings = self.recipe.train
            position = length.position(self.step)
            self.rates.append(learning_rate_at(position, length.schedule_steps or 1_000_000_000, settings))
            self.now += self.step_s(self.now) + (5.0 if self.step == 0 else 0.0)
            self.step += 1
            length.take_step(self.step, self.now)
            if self.step == length.num_steps or (length.valid_every and self.step % length.valid_every == 0):
                self.validate()


def burdened(at_s: float, factor: float) -> Callable[[float], float]:
    """Steps of 0.4 s, and of another length from a time on."""
    return lambda now: 0.4 if now < at_s else 0.4 * factor


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("at_s", [15.0, 60.0, 120.0, 150.0])
def test_three_minutes_are_three_minutes(at_s: float, factor: float) -> None:
    """A machine that got busy after the first steps took 338 s for 180: the number of steps was settled once."""
    run = Run(TrainRecipe(minutes=3.0), burdened(at_s, factor), lambda now: 1.5 * (factor if now > at_s else 1.0))
    run.go()
    assert run.now == pytest.approx(180.0, rel=0.05)


def test_a_machine_that_is_busy_by_turns_ends_in_time_too() -> None:
    run = Run(TrainRecipe(minutes=10.0), lambda now: 0.4 if int(now / 40) % 2 else 1.7, lambda _: 2.0)
    run.go()
    assert run.now == pytest.approx(600.0, rel=0.05)


def test_the_schedule_ends_with_the_run_and_does_not_jump() -> None:
    """Warm-up, then rates that fall all the way to the last, in steps no larger than the end's move needs."""
    settings = TrainSettings()
    for factor in (0.4, 3.0):
        run = Run(TrainRecipe(minutes=5.0), burdened(100.0, factor), lambda _: 1.0)
        run.go()
        drops = [before - after for before, after in zip(run.rates[50:], run.rates[51:], strict=False)]
        assert min(drops) >= 0.0
        assert max(drops) < settings.learning_rate * 2.0 * 3.2 / (run.step - 50)
        assert run.rates[-1] == pytest.approx(settings.learning_rate * settings.final_learning_rate, rel=0.05)


def test_a_steady_machine_never_moves_the_end() -> None:
    """Then the rates are those of a run of that many steps, to the bit."""
    run = Run(TrainRecipe(minutes=10.0), lambda now: 0.5 + 0.01 * ((now * 7) % 1), lambda _: 2.0)
    run.go()
    assert run.length.facts["from_step"] == 0
    assert run.rates == [
        learning_rate_at(step, run.step if step >= 24 else 1_000_000_000, run.recipe.train) for step in range(run.step)
    ]
    assert run.now == pytest.approx(600.0, rel=0.025)


def test_a_run_that_goes_on_has_the_rates_that_were_decided() -> None:
    """Up to the next decision a resumed run is the one that was not interrupted; the time it was away is not its."""
    recipe = TrainRecipe(minutes=5.0)
    straight, resumed = (Run(recipe, burdened(40.0, 3.0), lambda _: 1.0) for _ in range(2))
    resumed.go(until_step=140)
    assert resumed.length.facts["from_step"] > 60  # the end has moved already
    resumed.resume(after_s=1000.0)
    assert resumed.length.num_steps is not None
    straight.go()
    resumed.go()
    assert resumed.rates[:150] == straight.rates[:150]
    assert resumed.now - 1000.0 == pytest.approx(300.0, rel=0.05)


def test_minutes_that_change_meanwhile_change_nothing() -> None:
    facts = {"num_steps": 321, "valid_every": 20, "budget_s": 600.0, "schedule_steps": 321}
    length = RunLength(TrainRecipe(minutes=60.0), facts, agreed=own, begun_s=0.0, begun_step=200, spent_s=400.0)
    for step in range(201, 240):
        length.take_step(step, (step - 200) * 200.0 / 121)
    assert (length.num_steps, length.valid_every) == (321, 20)


def test_states_of_before_the_end_could_move_are_understood() -> None:
    length = RunLength(TrainRecipe(steps=400), {"num_steps": 400, "valid_every": 20}, agreed=own, begun_s=0.0)
    assert (length.num_steps, length.schedule_steps, length.position(77)) == (400, 400, 77)
