"""The chooser of parts: the rules of each row, compiled (choosers.py), and the contexts that parts are learnt with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.engine.bar_conditions import BarConditions
from lstm_core.engine.history import History
from lstm_core.engine.parts.choosers import choose_parts
from lstm_core.engine.parts.rules import PartRules, make_part_rule_tables, set_part_rules
from lstm_core.engine.row_slices import some_rows
from lstm_core.foundation.compiling import njit
from lstm_core.model.packing import RowConditions
from lstm_core.representations.lookback import add_copies
from lstm_core.representations.parts.ahead import NUM_FLAGS
from lstm_core.representations.parts.events import PLACE
from lstm_core.representations.parts.steps import (
    MOVING,
    ONSET_CONTEXTS,
    advance_parts,
    give,
    tell_onset,
    tell_parts,
)
from lstm_core.representations.parts.tables import (
    FINISHED,
    HERE,
    STEP,
    PartRows,
    PlanTables,
    make_part_rows,
    make_tables,
    set_plan,
    start_part_row,
)
from lstm_core.representations.plan.layout import Ints, Plan
from lstm_core.representations.representation import EventArray, Representation

MAX_NOTES_PER_BAR = 96  # that a part remembers, for each of its bars


@dataclass(frozen=True, kw_only=True)
class PartRequest:
    """The notes of one plan, to be written."""

    plan: Plan
    rules: PartRules
    conditions: Ints  # values of plan.condition_contexts: [4], or of each bar: [N, 4]


class PartChooser:
    """B rows of parts; see engine.Chooser. `requests` are all that may come: the longest of them decides sizes."""

    def __init__(self, representation: Representation, num_rows: int, requests: list[PartRequest]) -> None:
        num_bars = max((request.plan.num_bars for request in requests), default=1)
        num_cells = max((len(request.plan.played()) for request in requests), default=1) + 1
        num_streams = len(representation.streams)
        self.representation = representation
        self.tables = make_tables(num_rows, num_bars, num_cells)
        num_notes = min(MAX_NOTES_PER_BAR * num_bars, 1 << 15)
        num_locked = max((sum(map(len, request.rules.locked.values())) for request in requests), default=0)
        self.rows = make_part_rows(num_rows, num_bars, num_notes, num_cells, num_locked)
        self.rules = make_part_rule_tables(num_rows, num_bars, num_cells)
        self.conditions = BarConditions(num_rows, len(MOVING), NUM_FLAGS)
        self.event = np.zeros((num_rows, num_streams), dtype=np.int64)
        self.before = np.zeros_like(self.event)
        self.moving = np.zeros((num_rows, len(MOVING)), dtype=np.int64)
        self.flags = np.zeros((num_rows, NUM_FLAGS), dtype=np.uint8)
        self.onset_contexts = np.zeros((num_rows, len(ONSET_CONTEXTS)), dtype=np.int64)
        self.offered = np.zeros((num_rows, max(s.size for s in representation.streams)), dtype=np.uint8)
        self.history = History(num_rows, representation)

    @property
    def is_busy(self) -> npt.NDArray[np.bool_]:
        busy: npt.NDArray[np.bool_] = (self.tables.num_bars > 0) & (self.rows.numbers[:, FINISHED] == 0)
        return busy

    def start(self, b: int, request: PartRequest) -> RowConditions:
        set_plan(self.tables, b, request.plan)
        self.tables.bass_begins[b, sorted(request.rules.turns)] = 1
        set_part_rules(self.rules, b, request.rules, request.plan.played())
        start_part_row(self.rows, b)
        for cell, (part, bar) in enumerate(request.plan.played().tolist()):
            if (part, bar) in request.rules.locked:
                give(b, cell, request.rules.locked[part, bar], self.tables, self.rows)
        self.event[b] = self.before[b] = 0
        return self.conditions.start(b, request.conditions)

    def moving_contexts(self) -> npt.NDArray[np.int64]:
        _tell_all(self.tables, self.rows, self.moving, self.flags)
        return self.moving

    def moving_flags(self) -> npt.NDArray[np.uint8]:
        return self.flags

    def choose(self, stream: int, logits: npt.NDArray[np.int32]) -> None:
        add_copies(stream, logits, self.rows.recalled, self.event, self.offered, self.representation.num_compared)
        if not choose_parts(stream, logits, self.offered, self.rules, self.tables, self.rows, self.event):
            raise AssertionError("the rules of a part left nothing to choose")
        if stream == PLACE:
            _tell_onsets(self.event[:, PLACE], self.tables, self.rows, self.onset_contexts)

    def record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        _advance_all(was_busy, self.event, self.tables, self.rows)
        self.before[was_busy] = self.event[was_busy]
        steps = self.rows.numbers[:, STEP]
        self.history.record(was_busy, steps, self.before, steps)

    def renewed(self) -> list[tuple[int, RowConditions]]:
        return self.conditions.renewed(self.rows.numbers[:, HERE])

    def take(self, b: int) -> EventArray:
        return self.history.of_row(b, int(self.rows.numbers[b, STEP])).copy()

    def only(self, kept: npt.NDArray[np.int64]) -> PartChooser:
        return some_rows(self, kept)


@njit(cache=True, nogil=True)
def _tell_all(tables: PlanTables, rows: PartRows, moving: Ints, flags: npt.NDArray[np.uint8]) -> None:
    for b in range(len(moving)):
        if tables.num_bars[b] > 0 and not rows.numbers[b, FINISHED]:
            tell_parts(b, tables, rows, moving[b], flags[b])


@njit(cache=True, nogil=True)
def _tell_onsets(places: Ints, tables: PlanTables, rows: PartRows, onsets: Ints) -> None:
    for b in range(len(places)):
        if tables.num_bars[b] > 0 and not rows.numbers[b, FINISHED]:
            tell_onset(b, places[b], tables, rows, onsets[b])


@njit(cache=True, nogil=True)
def _advance_all(was_busy: npt.NDArray[np.bool_], event: Ints, tables: PlanTables, rows: PartRows) -> None:
    for b in range(len(was_busy)):
        if was_busy[b]:
            advance_parts(b, event[b], tables, rows)
