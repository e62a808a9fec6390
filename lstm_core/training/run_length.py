"""How long a run is: minutes become a number of steps, which follows wall time during the run.

The first steps show how many fit into the minutes. When a machine gets busier, or less busy, the expected end moves by
more than TOLERANCE of the time; then the rest of the schedule is stretched or compressed into the steps that do fit.
The decisions are part of each state, so that a resumed run has the rates of one that was not interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from lstm_core.training.recipe import TrainRecipe

RATE_STEPS = (4, 24)  # the rate is measured from the end of the first of these steps, and settled at the last
VALID_SHARE = 0.06  # of the time of a run, at most, goes to validation
MAX_VALIDATIONS = 40
VALIDATIONS_OF_STEPS = 20  # where the length is given in steps
TOLERANCE = 0.02  # of the time of a run: an expected end that is off by less changes nothing
WINDOW_SHARE, WINDOW_S, WINDOW_STEPS = 0.1, 2.0, 4  # the rate is that of this share of the run, at least of so much


class RunLength:
    """Number of steps, and every how many of them to validate; None until they are settled.

    `agreed` gives the value of rank 0 to all workers; `begun_s` and all later times are of one monotonic clock;
    `begun_step` is where the run stood then, and `spent_s` is what it had taken by then.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        facts: dict[str, Any],
        *,
        agreed: Callable[[float], float],
        begun_s: float,
        begun_step: int = 0,
        spent_s: float = 0.0,
    ) -> None:
        self.recipe, self._agreed = recipe, agreed
        self.num_steps: int | None = facts.get("num_steps") or recipe.steps
        self.valid_every: int | None = facts.get("valid_every") or recipe.valid_every
        # The schedule has so many steps; after `from_step` its rest, from `from_position`, takes what is left of ours.
        self.schedule_steps: int | None = facts.get("schedule_steps") or self.num_steps
        self._from_step: int = facts.get("from_step", 0)
        self._from_position: float = facts.get("from_position", 0.0)
        self._budget_s: float = facts.get("budget_s") or recipe.minutes * 60.0
        self._begun_s, self._begun_step = begun_s - spent_s, begun_step
        self._ends: deque[tuple[int, float, float]] = deque()  # of steps: step, time, time of validations by then
        self._resumed_s, self._all_valid_s = begun_s, 0.0
        self._valid_s: float = facts.get("valid_s", 0.0)
        self._newest_step_s = self._valid_step_s = 0.0  # now, and at the newest validation; 0: not known yet

    @property
    def facts(self) -> dict[str, Any]:
        """What a state keeps of it."""
        return {
            "num_steps": self.num_steps,
            "valid_every": self.valid_every,
            "schedule_steps": self.schedule_steps,
            "from_step": self._from_step,
            "from_position": self._from_position,
            "budget_s": self._budget_s,
            "valid_s": self._valid_s,
        }

    def position(self, step: int) -> float:
        """Where a step stands in the schedule, of 0 to `schedule_steps`."""
        if self.num_steps is None or self.schedule_steps is None or self._from_step == 0:
            return step
        share = (step - self._from_step) / max(self.num_steps - self._from_step, 1)
        return self._from_position + share * (self.schedule_steps - self._from_position)

    def take_validation(self, duration_s: float) -> None:
        """Records how long the newest validation took."""
        self._valid_s, self._valid_step_s = duration_s, self._newest_step_s
        self._all_valid_s += duration_s

    def take_step(self, step: int, now_s: float) -> None:
        """Records the end of a step, on all workers, before validation; settles or moves the end of the run."""
        if self.recipe.steps is not None and self.valid_every is not None:
            return
        step_s = self._step_s(step, now_s)
        if self.num_steps is None or self.valid_every is None:
            self._settle(step, now_s, step_s)
        elif self.recipe.steps is None:
            self._move(step, int(self._agreed(self._wanted_end(step, now_s, step_s))))

    def _settle(self, step: int, now_s: float, step_s: float | None) -> None:
        """Decides both numbers once the rate is known."""
        is_slow = step >= self._begun_step + 6 and now_s - self._resumed_s > 0.1 * self._budget_s
        is_known = step >= self._begun_step + RATE_STEPS[1] or is_slow
        if not self._agreed(self.num_steps is not None or (is_known and step_s is not None)):
            return
        num_validations = self._num_validations()
        if self.num_steps is None:
            left_s = self._budget_s - (now_s - self._begun_s) - num_validations * self._valid_s
            self.num_steps = step + int(self._agreed(int(max(left_s, 0.0) / max(step_s or 0.0, 1e-6))))
        if self.valid_every is None:
            self.valid_every = max(1, self.num_steps // int(self._agreed(num_validations)))
        self.schedule_steps = self.schedule_steps or self.num_steps

    def _num_validations(self) -> int:
        """How many there are to be, the last one included, where that is not given."""
        if self.recipe.steps is not None:
            return VALIDATIONS_OF_STEPS
        affordable = VALID_SHARE * self._budget_s / max(self._valid_s, 1e-3)
        return int(min(max(affordable, 2), MAX_VALIDATIONS))

    def _step_s(self, step: int, now_s: float) -> float | None:
        """Seconds of a step lately, without validation; None while that is unknown: the first steps are slow."""
        if step < self._begun_step + RATE_STEPS[0]:
            return None
        self._ends.append((step, now_s, self._all_valid_s))
        window_s = max(WINDOW_SHARE * self._budget_s, WINDOW_S)
        while len(self._ends) > WINDOW_STEPS + 1 and now_s - self._ends[1][1] > window_s:
            self._ends.popleft()
        first_step, first_s, first_valid_s = self._ends[0]
        if step - first_step < (2 if self.num_steps is None else WINDOW_STEPS):
            return None
        self._newest_step_s = (now_s - first_s - (self._all_valid_s - first_valid_s)) / (step - first_step)
        return self._newest_step_s

    def _wanted_end(self, step: int, now_s: float, step_s: float | None) -> int:
        """The number of steps that fills the time, or the present one where it does so nearly."""
        assert self.num_steps is not None and self.valid_every is not None
        if step_s is None:
            return self.num_steps
        self._valid_step_s = self._valid_step_s or step_s
        valid_s = self._valid_s * max(step_s / self._valid_step_s, 1.0)  # a busy machine validates as slowly
        with_valid_s = step_s + valid_s / self.valid_every
        left_s = self._budget_s - (now_s - self._begun_s) - valid_s  # the last step is validated whatever it is
        off_s = (self.num_steps - step) * with_valid_s - left_s
        if abs(off_s) <= max(TOLERANCE * self._budget_s, 0.5 * with_valid_s):
            return self.num_steps
        return step + max(round(left_s / with_valid_s), 0)

    def _move(self, step: int, num_steps: int) -> None:
        """Moves the end of the run; what is left of the schedule begins where it is now."""
        if num_steps != self.num_steps:
            self._from_position, self._from_step, self.num_steps = self.position(step), step, num_steps
