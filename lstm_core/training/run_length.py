"""How long a run is: minutes become a number of steps once, and then the schedule depends on the step alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lstm_core.training.recipe import TrainRecipe

RATE_STEPS = (4, 24)  # the rate of a run is measured from the end of the first of these steps to that of the last
VALID_SHARE = 0.06  # of the time of a run, at most, goes to validation
MAX_VALIDATIONS = 40
VALIDATIONS_OF_STEPS = 20  # where the length is given in steps


class RunLength:
    """Number of steps, and every how many of them to validate; None until they are settled.

    `agreed` gives the value of rank 0 to all workers; `begun_s` and all later times are of one monotonic clock;
    `begun_step` is where the run stood then.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        facts: dict[str, Any],
        *,
        agreed: Callable[[float], float],
        begun_s: float,
        begun_step: int = 0,
    ) -> None:
        self.recipe, self._agreed = recipe, agreed
        self.num_steps: int | None = facts.get("num_steps") or recipe.steps
        self.valid_every: int | None = facts.get("valid_every") or recipe.valid_every
        self._window = tuple(begun_step + step for step in RATE_STEPS)
        self._begun_s = self._rate_begun_s = begun_s

    @property
    def is_settled(self) -> bool:
        """Whether both numbers are known."""
        return self.num_steps is not None and self.valid_every is not None

    def settle(self, step: int, now_s: float, valid_s: float) -> None:
        """Takes the end of a step, on all workers; a validation takes `valid_s` seconds."""
        recipe, (first, last) = self.recipe, self._window
        if step <= first:
            self._rate_begun_s = now_s
        budget_s = recipe.minutes * 60.0
        is_slow = step >= first + 2 and now_s - self._begun_s > 0.1 * budget_s
        if not self._agreed(self.num_steps is not None or step >= last or is_slow):
            return
        if self.num_steps is None:
            step_s = (now_s - self._rate_begun_s) / (step - first)
            left_s = max(budget_s - (now_s - self._begun_s), 0.0) * (1.0 - VALID_SHARE)
            self.num_steps = step + int(self._agreed(int(left_s / max(step_s, 1e-6))))
        if self.valid_every is None:
            affordable = VALID_SHARE * budget_s / max(valid_s, 1e-3)
            wanted = VALIDATIONS_OF_STEPS if recipe.steps is not None else min(max(affordable, 2), MAX_VALIDATIONS)
            self.valid_every = max(1, self.num_steps // int(self._agreed(int(wanted))))
