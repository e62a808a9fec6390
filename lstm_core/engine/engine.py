"""The generation engine: many tracks in lock step, and a finished row is replaced by the next order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from lstm_core.engine import choosers, counters
from lstm_core.engine.rows import EVENT, IS_DONE, NEW_TICK, STUCK, TICK, Rows, make_rows, start_row
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model import packing
from lstm_core.model.checkpoint import Checkpoint
from lstm_core.notes.score import Meter
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.order import FREE_KEY, TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.orders.rules import Rules, set_row, stack_rules, transposed_rules
from lstm_core.representations import lookback
from lstm_core.representations.conditions import (
    MAX_BARS,
    MAX_POSITIONS,
    NUM_MOVING,
    Conditions,
    condition_values,
    family_flags,
    meter_value,
    note_contexts,
)
from lstm_core.representations.note_events import REPRESENTATION, STREAMS, TIME_SHIFT, EventArray, transposed_events

WIDTHS = (4, 16, 32, 64, 256)  # rows of a batch; measured on an AMD Zen 5: from 256 on a row gets no cheaper
FEW = 16  # requests that all get a row at once


@dataclass(frozen=True, kw_only=True)
class Request:
    """One track to be generated."""

    rules: Rules  # of one row
    conditions: Conditions
    meter: Meter
    num_bars: int
    shift: int = 0  # semitones from what is asked to where the model plays it; rules are those of what is asked


class Generated(NamedTuple):
    """The events of one request: uint8 [T, K], the last one END."""

    number: int  # place of the request in the input
    events: EventArray


class Engine:
    """A checkpoint packed for generation.

    The events of a request depend on the checkpoint, the arithmetic and the request alone: not on the requests beside
    it, on their order, or on how many engines share the work. Where this machine's matrix product gives a row the
    same bits at every batch width, which is tried out, few requests run in a narrow batch; elsewhere all run in the
    widest.
    """

    def __init__(self, checkpoint: Checkpoint, *, arithmetic: str = "auto", device: str = "cpu") -> None:
        if checkpoint.facts.representation != REPRESENTATION:
            raise CheckpointError(
                f"The checkpoint's events are {checkpoint.facts.representation}, this engine plays {REPRESENTATION}."
            )
        settings = checkpoint.model.settings
        if settings.contexts != note_contexts(checkpoint.facts.styles) or settings.num_lags != len(lookback.LAGS):
            raise CheckpointError(
                f"The checkpoint {checkpoint.facts.name} was made by another version of this program: its model is "
                f"told {', '.join(context.name for context in settings.contexts)}, with {settings.num_lags} lags. "
                "Train it again."
            )
        if not all(bool(torch.isfinite(weight).all()) for weight in checkpoint.model.state_dict().values()):
            raise CheckpointError(
                f"The checkpoint {checkpoint.facts.name} holds weights that are no numbers: its training went astray. "
                "Use an earlier one."
            )
        self.checkpoint, self.device = checkpoint, device
        self.dtype = packing.arithmetic_of(arithmetic, device)
        self.arithmetic = f"{'bf16' if self.dtype == torch.bfloat16 else 'float32'}-{torch.device(device).type}"
        self.widths = packing.agreeing_widths(checkpoint.model, WIDTHS, self.dtype, device)
        self._steps: dict[int, packing.PackedStep] = {}

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated]:
        """The tracks of the requests, each as soon as it is finished."""
        # Rows that wait for the longest track of all are wasted, so a batch is filled one and a half times at least.
        filled = [width for width in self.widths if 3 * width <= 2 * len(requests)]
        width = max([*filled, self._width_for(min(len(requests), FEW))])
        batch = self.open_batch(requests, width=width)
        while batch.num_busy:
            finished = batch.play()
            yield from finished
            if finished and batch.is_draining and (width := self._width_for(batch.num_busy)) < batch.step.num_rows:
                batch = batch.moved_to(self._step(width))

    def open_batch(self, requests: Sequence[Request], *, width: int) -> Batch:
        """A batch of `width` rows with the first requests in them, to be played step by step."""
        return Batch(self._step(width), self.checkpoint.facts.styles, requests)

    def _width_for(self, num_rows: int) -> int:
        """The narrowest batch with room for so many rows."""
        return next(width for width in self.widths if width >= num_rows)

    def _step(self, width: int) -> packing.PackedStep:
        if width not in self._steps:
            model = self.checkpoint.model
            self._steps[width] = packing.PackedStep(model, width, dtype=self.dtype, device=self.device)
        return self._steps[width]


class Batch:
    """The rows of an engine and what each is working on."""

    def __init__(self, step: packing.PackedStep, styles: tuple[str, ...], requests: Sequence[Request]) -> None:
        num_rows = step.num_rows
        self.step, self.styles = step, styles
        self.rows = make_rows(num_rows)
        self.rules: Rules = stack_rules([_idle_rules()] * num_rows)
        self.numbers: list[int] = [-1] * num_rows  # of the request in each row
        self.shifts: list[int] = [0] * num_rows
        self.history = np.zeros((num_rows, 1024, len(STREAMS)), dtype=np.uint8)
        self.onsets = np.zeros((num_rows, 1024), dtype=np.int64)  # ticks of the events of `history`
        self.lookback = lookback.make_lookback_rows(num_rows)
        self.offered = np.zeros((num_rows, max(stream.size for stream in STREAMS)), dtype=np.uint8)
        self.conditions = np.zeros((num_rows, step.settings.hidden_size), dtype=np.float32)
        self.moving = np.ones((num_rows, NUM_MOVING), dtype=np.int64)
        self.onset_positions = np.zeros(num_rows, dtype=np.int64)
        self.counts = np.zeros(num_rows, dtype=np.int64)  # events of the rows that are busy
        self.bar_ticks = np.ones(num_rows, dtype=np.int64)
        self.num_bars = np.ones(num_rows, dtype=np.int64)
        self.waiting = iter(enumerate(requests))
        self.is_draining = False  # True: no request waits for a row any more
        for b in range(num_rows):
            self._fill(b)

    @property
    def num_busy(self) -> int:
        """Rows that have work left."""
        return int((self.rows.numbers[:, IS_DONE] == 0).sum())

    def play(self) -> list[Generated]:
        """One event in every busy row; gives back what was finished by it, and starts the next requests there."""
        finished = []
        for b in self._play_step():
            finished.append(self._take(b))
            self._fill(b)
        return finished

    def moved_to(self, step: packing.PackedStep) -> Batch:
        """The same tracks in a batch of fewer rows, but enough for those that are busy; none may be waiting."""
        assert self.is_draining and self.num_busy <= step.num_rows <= self.step.num_rows
        kept = np.argsort(self.rows.numbers[:, IS_DONE] != 0, kind="stable")[: step.num_rows]
        batch = Batch(step, self.styles, [])
        batch.rows = Rows._make(part[kept] for part in self.rows)
        batch.rules = Rules._make(part[kept] for part in self.rules)
        batch.lookback = lookback.LookbackRows._make(part[kept] for part in self.lookback)
        batch.numbers, batch.shifts = [self.numbers[b] for b in kept], [self.shifts[b] for b in kept]
        for name in ("history", "onsets", "conditions", "moving", "counts", "bar_ticks", "num_bars"):
            setattr(batch, name, getattr(self, name)[kept])
        step.take_rows(self.step, kept)
        return batch

    def _fill(self, b: int) -> None:
        """Starts the next request in row b; the row stays idle when there is none."""
        numbered = next(self.waiting, None)
        if numbered is None:
            self.is_draining = True
            return
        self.numbers[b], request = numbered
        self.rules = set_row(self.rules, b, transposed_rules(request.rules, request.shift))
        self.shifts[b] = request.shift
        start_row(self.rows, b)
        lookback.start_lookback(self.lookback, b)
        self.step.reset_row(b)
        told = condition_values(request.conditions, self.styles)
        fixed = np.concatenate([np.full(NUM_MOVING, -1), [meter_value(request.meter)], told])
        self.conditions[b] = self.step.condition_vector(fixed, family_flags(request.conditions.families))
        self.bar_ticks[b], self.num_bars[b] = request.meter.bar_ticks, request.num_bars

    def _play_step(self) -> list[int]:
        """Chooses one event in every busy row; gives back the rows that have finished by it."""
        numbers = self.rows.numbers
        was_busy = numbers[:, IS_DONE] == 0
        counters.set_moving(
            numbers[:, TICK], self.bar_ticks, self.num_bars, self.lookback.agreements,
            MAX_POSITIONS, MAX_BARS, self.moving,
        )  # fmt: skip
        self.step.advance(self.rows.before, self.moving, self.conditions)
        for stream in range(len(STREAMS)):
            logits = self.step.logits(stream)
            lookback.add_copies(stream, logits, self.lookback.recalled, self.rows.event, self.offered)
            choosers.choose(stream, logits, self.offered, self.rules, self.rows)
            if stream == TIME_SHIFT:
                new_ticks = numbers[:, NEW_TICK]
                counters.set_onset_positions(new_ticks, self.bar_ticks, MAX_POSITIONS, self.onset_positions)
            self.step.tell(stream, self.rows.event[:, stream], self.onset_positions)
        self._record(was_busy)
        is_done = numbers[:, IS_DONE]
        if is_done.max() == STUCK:
            raise AssertionError("the rules of a row left nothing to choose")
        return np.flatnonzero(was_busy & (is_done != 0)).tolist()

    def _take(self, b: int) -> Generated:
        """The finished request of row b."""
        length = int(self.rows.numbers[b, EVENT])
        return Generated(self.numbers[b], transposed_events(self.history[b, :length], -self.shifts[b]))

    def _record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        num_events, ticks = self.rows.numbers[:, EVENT], self.rows.numbers[:, TICK]
        if num_events.max() > self.history.shape[1]:
            self.history = np.concatenate([self.history, np.zeros_like(self.history)], axis=1)
            self.onsets = np.concatenate([self.onsets, np.zeros_like(self.onsets)], axis=1)
        counters.record(was_busy, num_events, self.rows.before, ticks, self.history, self.onsets, self.counts)
        lookback.look_back_rows(self.history, self.onsets, self.counts, self.bar_ticks, self.lookback)


def _idle_rules() -> Rules:
    """Rules of a row that has nothing to play."""
    order = TrackOrder(key=FREE_KEY, loop=True, duration_s=2.0, bpm=120.0)
    return make_rules(order, plan_track(order))
