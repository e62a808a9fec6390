"""The chooser of plans: the rules of each row, compiled (choosers.py), and the contexts that plans are learnt with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.engine.bar_conditions import BarConditions
from lstm_core.engine.history import History
from lstm_core.engine.plans import choosers
from lstm_core.engine.plans.rules import PlanRules
from lstm_core.engine.plans.tables import Ensembles, RuleTables, make_ensembles, make_rule_tables, set_rules
from lstm_core.engine.row_slices import some_rows
from lstm_core.foundation.compiling import njit
from lstm_core.model.packing import RowConditions
from lstm_core.representations.lookback import add_copies
from lstm_core.representations.plan.layout import Ints
from lstm_core.representations.plan.steps import (
    BAR,
    FINISHED,
    MOVING,
    NOTHING,
    NUM_LAGS,
    PHASE,
    PlanRows,
    advance_plan,
    make_plan_rows,
    start_plan_row,
    tell_plan,
)
from lstm_core.representations.representation import EventArray, Representation


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """One plan to be made."""

    rules: PlanRules
    conditions: Ints  # values of plan.condition_contexts: [4], or of each bar: [N, 4]


class PlanChooser:
    """B rows of plans; see engine.Chooser. `requests` are all that may come: the longest of them decides sizes."""

    def __init__(self, representation: Representation, num_rows: int, requests: list[PlanRequest]) -> None:
        num_bars = max((request.rules.num_bars for request in requests), default=1)
        num_wanted = max([1, *(len(request.rules.wanted) for request in requests)])
        num_streams = len(representation.streams)
        self.representation = representation
        self.rows = make_plan_rows(num_rows, num_bars)
        self.tables = make_rule_tables(num_rows, num_bars, num_wanted)
        self.ensembles = make_ensembles(num_rows, num_wanted)
        self.conditions = BarConditions(num_rows, len(MOVING), 0)
        self.event = np.zeros((num_rows, num_streams), dtype=np.int64)
        self.before = np.zeros_like(self.event)
        self.moving = np.zeros((num_rows, len(MOVING)), dtype=np.int64)
        self.recalled = np.full((num_rows, NUM_LAGS, num_streams), NOTHING, dtype=np.int64)
        self.offered = np.zeros((num_rows, max(s.size for s in representation.streams)), dtype=np.uint8)
        self.onset_contexts = np.zeros((num_rows, 0), dtype=np.int64)
        self.history = History(num_rows, representation)

    @property
    def is_busy(self) -> npt.NDArray[np.bool_]:
        phase = self.rows.numbers[:, PHASE]
        busy: npt.NDArray[np.bool_] = (phase > 0) & (phase != FINISHED)
        return busy

    def start(self, b: int, request: PlanRequest) -> RowConditions:
        start_plan_row(self.rows, b, request.rules.num_bars)
        set_rules(self.tables, b, request.rules)
        for part in self.ensembles:
            part[b] = 0
        self.event[b] = self.before[b] = 0
        return self.conditions.start(b, request.conditions)

    def moving_contexts(self) -> npt.NDArray[np.int64]:
        _tell_all(self.rows, self.moving, self.recalled)
        return self.moving

    def moving_flags(self) -> None:
        """None: plans have no flags."""

    def choose(self, stream: int, logits: npt.NDArray[np.int32]) -> None:
        add_copies(stream, logits, self.recalled, self.event, self.offered, self.representation.num_compared)
        args = (self.tables, self.ensembles, self.rows, self.event)
        if not choosers.choose_plans(stream, logits, self.offered, *args):
            raise AssertionError("the rules of a plan left nothing to choose")

    def record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        _advance_all(was_busy, self.tables, self.ensembles, self.rows, self.event)
        self.before[was_busy] = self.event[was_busy]
        self.history.record(was_busy, self.ensembles.steps, self.before, self.ensembles.steps)

    def renewed(self) -> list[tuple[int, RowConditions]]:
        return self.conditions.renewed(self.rows.numbers[:, BAR])

    def take(self, b: int) -> EventArray:
        return self.history.of_row(b, int(self.ensembles.steps[b])).copy()

    def only(self, kept: npt.NDArray[np.int64]) -> PlanChooser:
        return some_rows(self, kept)


@njit(cache=True, nogil=True)
def _tell_all(rows: PlanRows, moving: Ints, recalled: Ints) -> None:
    for b in range(len(moving)):
        if rows.numbers[b, PHASE] > 0:
            tell_plan(b, rows, moving[b], recalled[b])


@njit(cache=True, nogil=True)
def _advance_all(
    was_busy: npt.NDArray[np.bool_],
    tables: RuleTables,
    ensembles: Ensembles,
    rows: PlanRows,
    event: Ints,
) -> None:
    for b in range(len(was_busy)):
        if was_busy[b]:
            choosers.note_choice(b, tables, ensembles, rows, event[b])
            advance_plan(b, event[b], rows)
