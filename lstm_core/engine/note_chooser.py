"""The chooser of notes: the rules of each row's order, compiled (choosers.py), and looking back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.engine import choosers, counters
from lstm_core.engine.history import History
from lstm_core.engine.rows import EVENT, IS_DONE, NEW_TICK, STUCK, TICK, Rows, make_rows, start_row
from lstm_core.model.packing import RowConditions
from lstm_core.notes.score import Meter
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.constraints.rules import Rules, set_row, stack_rules, transposed_rules
from lstm_core.orders.order import FREE_KEY, TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations import lookback
from lstm_core.representations.conditions import (
    MAX_BARS,
    MAX_POSITIONS,
    NUM_MOVING,
    Conditions,
    condition_values,
    family_flags,
    meter_value,
)
from lstm_core.representations.note_events import TIME_SHIFT, transposed_events
from lstm_core.representations.representation import EventArray, Representation


@dataclass(frozen=True, kw_only=True)
class Request:
    """One track to be generated."""

    rules: Rules  # of one row
    conditions: Conditions
    meter: Meter
    num_bars: int
    shift: int = (
        0  # semitones from the requested pitches to where the model plays them; `rules` are for the requested ones
    )


class NoteChooser:
    """B rows of notes; see engine.Chooser."""

    def __init__(self, representation: Representation, styles: tuple[str, ...], num_rows: int) -> None:
        self.representation, self.styles = representation, styles
        self.rows = make_rows(num_rows)
        self.rules: Rules = stack_rules([_idle_rules()] * num_rows)
        self.shifts: list[int] = [0] * num_rows
        self.history = History(num_rows, representation)
        self.lookback = lookback.make_lookback_rows(num_rows)
        self.offered = np.zeros((num_rows, max(stream.size for stream in representation.streams)), dtype=np.uint8)
        self.moving = np.ones((num_rows, representation.num_moving), dtype=np.int64)
        self.onset_contexts = np.zeros((num_rows, 1), dtype=np.int64)
        self.bar_ticks = np.ones(num_rows, dtype=np.int64)
        self.num_bars = np.ones(num_rows, dtype=np.int64)

    @property
    def is_busy(self) -> npt.NDArray[np.bool_]:
        busy: npt.NDArray[np.bool_] = self.rows.numbers[:, IS_DONE] == 0
        return busy

    @property
    def event(self) -> npt.NDArray[np.int64]:
        return self.rows.event

    @property
    def before(self) -> npt.NDArray[np.int64]:
        return self.rows.before

    def start(self, b: int, request: Request) -> RowConditions:
        self.rules = set_row(self.rules, b, transposed_rules(request.rules, request.shift))
        self.shifts[b] = request.shift
        start_row(self.rows, b)
        lookback.start_lookback(self.lookback, b)
        self.bar_ticks[b], self.num_bars[b] = request.meter.bar_ticks, request.num_bars
        conditions = condition_values(request.conditions, self.styles)
        fixed = np.concatenate([np.full(NUM_MOVING, -1), [meter_value(request.meter)], conditions])
        return RowConditions(fixed, family_flags(request.conditions.families))

    def moving_contexts(self) -> npt.NDArray[np.int64]:
        counters.set_moving(
            self.rows.numbers[:, TICK], self.bar_ticks, self.num_bars, self.lookback.agreements,
            MAX_POSITIONS, MAX_BARS, self.moving,
        )  # fmt: skip
        return self.moving

    def moving_flags(self) -> None:
        """None: flags hold for a whole piece."""

    def choose(self, stream: int, logits: npt.NDArray[np.int32]) -> None:
        lookback.add_copies(
            stream, logits, self.lookback.recalled, self.rows.event, self.offered, lookback.NUM_COMPARED
        )
        choosers.choose(stream, logits, self.offered, self.rules, self.rows)
        if stream == TIME_SHIFT:
            new_ticks = self.rows.numbers[:, NEW_TICK]
            counters.set_onset_positions(new_ticks, self.bar_ticks, MAX_POSITIONS, self.onset_contexts[:, 0])

    def record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        numbers, history = self.rows.numbers, self.history
        history.record(was_busy, numbers[:, EVENT], self.rows.before, numbers[:, TICK])
        lookback.look_back_rows(history.events, history.onsets, history.counts, self.bar_ticks, self.lookback)
        if numbers[:, IS_DONE].max() == STUCK:
            raise AssertionError("the rules of a row left nothing to choose")

    def renewed(self) -> tuple[()]:
        """Nothing: conditions hold for a whole piece."""
        return ()

    def take(self, b: int) -> EventArray:
        return transposed_events(self.history.of_row(b, int(self.rows.numbers[b, EVENT])), -self.shifts[b])

    def only(self, kept: npt.NDArray[np.int64]) -> NoteChooser:
        chooser = NoteChooser(self.representation, self.styles, len(kept))
        chooser.rows = Rows._make(part[kept] for part in self.rows)
        chooser.rules = Rules._make(part[kept] for part in self.rules)
        chooser.lookback = lookback.LookbackRows._make(part[kept] for part in self.lookback)
        chooser.history = self.history.only(kept)
        chooser.shifts = [self.shifts[b] for b in kept]
        for name in ("moving", "bar_ticks", "num_bars"):
            setattr(chooser, name, getattr(self, name)[kept])
        return chooser


def _idle_rules() -> Rules:
    """Rules of a row that has nothing to play."""
    order = TrackOrder(key=FREE_KEY, loop=True, duration_s=2.0, bpm=120.0)
    return make_rules(order, plan_track(order))
