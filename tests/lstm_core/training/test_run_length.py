"""Minutes become steps once, from the rate of the first ones; a run that goes on keeps its length."""

from __future__ import annotations

from lstm_core.training.recipe import TrainRecipe
from lstm_core.training.run_length import RATE_STEPS, RunLength


def own(value: float) -> float:
    return value


def settled(recipe: TrainRecipe, step_s: float, valid_s: float, *, first_step_s: float = 5.0) -> tuple[int, int, int]:
    """Step at which the length is settled, number of steps, steps between validations."""
    length = RunLength(recipe, {}, agreed=own, begun_s=100.0)
    now, step = 100.0 + valid_s, 0
    while not length.is_settled:
        step += 1
        now += first_step_s if step == 1 else step_s
        length.settle(step, now, valid_s)
    assert length.num_steps is not None and length.valid_every is not None
    return step, length.num_steps, length.valid_every


def test_ten_minutes_are_filled() -> None:
    """600 s less 18.5 s that the measurement took, less 6 % for validation, at half a second a step."""
    step, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 2.0)
    assert step == RATE_STEPS[1] == 24
    assert num_steps == 24 + int((600 - 2 - 5 - 11.5) * 0.94 / 0.5)
    assert valid_every == num_steps // 18  # 36 s of validation at 2 s each


def test_slow_steps_settle_it_early() -> None:
    step, num_steps, _ = settled(TrainRecipe(minutes=1.0), 10.0, 0.0)
    assert step == 6 and num_steps == 6
    step, num_steps, _ = settled(TrainRecipe(minutes=10.0), 10.0, 0.0)
    assert step == 7 and num_steps == 7 + int((600 - 65) * 0.94 / 10)


def test_validation_is_neither_too_rare_nor_too_frequent() -> None:
    _, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 1000.0, first_step_s=0.5)
    assert valid_every >= num_steps // 2
    _, num_steps, valid_every = settled(TrainRecipe(minutes=10.0), 0.5, 0.001)
    assert valid_every == num_steps // 40


def test_steps_are_what_was_asked() -> None:
    assert settled(TrainRecipe(steps=500), 0.5, 2.0)[1:] == (500, 25)
    assert settled(TrainRecipe(steps=7), 0.5, 2.0)[1:] == (7, 1)
    length = RunLength(TrainRecipe(steps=500, valid_every=30), {}, agreed=own, begun_s=0.0)
    assert length.is_settled and (length.num_steps, length.valid_every) == (500, 30)


def test_a_run_that_goes_on_keeps_its_length() -> None:
    length = RunLength(TrainRecipe(minutes=60.0), {"num_steps": 321, "valid_every": 20}, agreed=own, begun_s=0.0)
    assert length.is_settled and (length.num_steps, length.valid_every) == (321, 20)


def test_workers_take_the_word_of_rank_0() -> None:
    words: list[float] = []
    first = RunLength(TrainRecipe(), {}, agreed=lambda value: words.append(value) or value, begun_s=0.0)
    for step in range(1, 25):
        first.settle(step, 0.5 * step, 1.0)
    heard = iter(words)
    other = RunLength(TrainRecipe(), {}, agreed=lambda _: next(heard), begun_s=3.0)
    for step in range(1, 25):
        other.settle(step, 7.0 + 0.9 * step, 1.3)
    assert (other.num_steps, other.valid_every) == (first.num_steps, first.valid_every)
    assert next(heard, None) is None
