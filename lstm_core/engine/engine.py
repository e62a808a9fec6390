"""The generation engine: many tracks in lock step, and a finished row is replaced by the next order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from lstm_core.engine.free_chooser import FreeChooser
from lstm_core.engine.note_chooser import NoteChooser
from lstm_core.engine.parts.part_chooser import PartChooser
from lstm_core.engine.plans.plan_chooser import PlanChooser
from lstm_core.foundation.errors import CheckpointError, RepresentationError
from lstm_core.model import packing
from lstm_core.model.arithmetic import INTEGERS, arithmetic_named
from lstm_core.model.checkpoint import Checkpoint
from lstm_core.model.integers.device_step import DeviceStep
from lstm_core.model.integers.step import IntegerStep
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.model.music_lstm import ModelSettings
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.representations.representation import EventArray, Representation
from lstm_core.representations.table import representation_named

WIDTHS: tuple[int, ...] = (1, 4, 16, 32, 64, 256)  # rows of a batch; above 256 a row gets no cheaper (AMD Zen 5)
FEW = 16  # requests that all get a row at once


class Generated(NamedTuple):
    """The events of one request: [T, K] in the dtype of the representation, the last one its END where it has one."""

    number: int  # place of the request in the input
    events: EventArray


class Chooser(Protocol):
    """Chooses the events of B rows, stream by stream, and keeps where each row stands."""

    @property
    def is_busy(self) -> npt.NDArray[np.bool_]:
        """Rows that have work left: [B]."""

    @property
    def event(self) -> npt.NDArray[np.int64]:
        """The event being chosen: [B, K]."""

    @property
    def before(self) -> npt.NDArray[np.int64]:
        """The event before: [B, K]."""

    @property
    def onset_contexts(self) -> npt.NDArray[np.int64]:
        """What is known of the place of `event`, once its first stream is chosen: [B, O]."""

    def start(self, b: int, request: Any) -> packing.RowConditions:
        """Begins a request in row b; returns its conditions, -1 for contexts that move."""

    def moving_contexts(self) -> npt.NDArray[np.int64]:
        """The contexts of the next event that move: int64 [B, M]."""

    def moving_flags(self) -> npt.NDArray[np.uint8] | None:
        """The flags of the next event, uint8 [B, F]; None where they hold for a whole piece."""

    def choose(self, stream: int, logits: npt.NDArray[np.int32]) -> None:
        """Sets event[:, stream] of the busy rows from logits [B, V, then copy weights], which it may change."""

    def record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        """Moves the rows that were busy past the event that was chosen."""

    def renewed(self) -> Sequence[tuple[int, packing.RowConditions]]:
        """Rows whose conditions are others from the next event on, and what they are then."""

    def take(self, b: int) -> EventArray:
        """The events of a finished row: [T, K]."""

    def only(self, kept: npt.NDArray[np.int64]) -> Chooser:
        """A chooser of some of the rows, int64 [fewer]."""


class Step(Protocol):
    """One step of a model for B rows: see packing.PackedStep and integers.step.IntegerStep."""

    @property
    def num_rows(self) -> int:
        """B."""

    @property
    def settings(self) -> ModelSettings:
        """Of the model."""

    def no_conditions(self) -> npt.NDArray[Any]:
        """Conditions of rows that have none: [B, H]."""

    def reset_row(self, b: int) -> None:
        """Sets the state of a row to zero."""

    def take_rows(self, other: Any, rows: npt.NDArray[np.int64]) -> None:
        """Copies the state of some rows of a step of the same kind."""

    def condition_vector(self, contexts: npt.NDArray[np.int64], flags: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """The part of a row's input that holds for a whole piece: [H]."""

    def advance(
        self,
        before: npt.NDArray[np.int64],
        moving: npt.NDArray[np.int64],
        conditions: npt.NDArray[Any],
        flags: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """One recurrent step."""

    def logits(self, stream: int) -> npt.NDArray[np.int32]:
        """Logits and copy weights of a head: int32 [B, V + L]."""

    def feed(self, stream: int, values: npt.NDArray[np.int64], onset_contexts: npt.NDArray[np.int64]) -> None:
        """Lets the later heads see what a head chose."""


class Engine:
    """A checkpoint packed for generation.

    The events of a request depend on the checkpoint, the arithmetic and the request alone: not on the requests beside
    it, on their order, or on how many engines share the work. In integers they are the same on every machine. In
    floating point few requests run in a narrow batch where this machine's matrix product gives a row the same bits at
    every batch width, which is tried out; elsewhere all run in the widest.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        representation: Representation | None = None,
        arithmetic: str = "auto",
        device: str = "cpu",
    ) -> None:
        """`representation` is that of the checkpoint, looked up by its name where none is given; `arithmetic` one of
        ARITHMETICS, or "auto" for the first of them.

        Raises:
            CheckpointError: the checkpoint is of another representation, or of none that is known, damaged, or has no
                integers.
        """
        self.representation = representation or _known(checkpoint)
        _check_same(checkpoint, self.representation)
        if not all(bool(torch.isfinite(weight).all()) for weight in checkpoint.model.state_dict().values()):
            raise CheckpointError(
                f"The checkpoint {checkpoint.facts.name} holds weights that are no numbers: its training diverged. "
                "Use an earlier one."
            )
        self.checkpoint, self.device = checkpoint, device
        self.arithmetic = arithmetic_named(arithmetic, device)
        if self.arithmetic == INTEGERS:
            self.widths, self._open_step = WIDTHS, _integer_steps(_integers_of(checkpoint), device)
        else:
            dtype = torch.bfloat16 if self.arithmetic.startswith("bf16") else torch.float32
            self.widths = packing.agreeing_widths(checkpoint.model, WIDTHS, dtype, device)
            self._open_step = lambda width: packing.PackedStep(checkpoint.model, width, dtype=dtype, device=device)
        self._steps: dict[int, Step] = {}

    def generate(self, requests: Sequence[Any]) -> Iterator[Generated]:
        """What is generated for the requests, each as soon as it is finished.

        They are what the chooser of the representation takes: Request of notes, PlanRequest, PartRequest, FreeRequest.
        """
        # Rows that wait for the longest track of all are wasted, so a batch is filled one and a half times at least.
        filled = [width for width in self.widths if 3 * width <= 2 * len(requests)]
        width = max([*filled, self._width_for(min(len(requests), FEW))])
        batch = self.open_batch(requests, width=width)
        while batch.num_busy:
            finished = batch.play()
            yield from finished
            if finished and batch.is_draining and (width := self._width_for(batch.num_busy)) < batch.step.num_rows:
                batch = batch.moved_to(self._step(width))

    def open_batch(self, requests: Sequence[Any], *, width: int) -> Batch:
        """A batch of `width` rows with the first requests in them, to be played step by step."""
        return Batch(self._step(width), self._chooser(requests, width), requests)

    def _chooser(self, requests: Sequence[Any], width: int) -> Chooser:
        styles, representation = self.checkpoint.facts.styles, self.representation
        if representation.name == NOTES.name:
            return NoteChooser(representation, styles, width)
        if representation.name == PLAN.name:
            return PlanChooser(representation, width, list(requests))
        if representation.name == PARTS.name:
            return PartChooser(representation, width, list(requests))
        return FreeChooser(representation, styles, width)

    def _width_for(self, num_rows: int) -> int:
        """The narrowest batch that holds so many rows."""
        return next(width for width in self.widths if width >= num_rows)

    def _step(self, width: int) -> Step:
        if width not in self._steps:
            self._steps[width] = self._open_step(width)
        return self._steps[width]


class Batch:
    """The rows of an engine and what each is working on."""

    def __init__(self, step: Step, chooser: Chooser, requests: Sequence[Any]) -> None:
        self.step, self.chooser = step, chooser
        self.numbers: list[int] = [-1] * step.num_rows  # of the request in each row
        self.conditions = step.no_conditions()
        self.waiting = iter(enumerate(requests))
        self.is_draining = False  # True: no request waits for a row any more
        for b in range(step.num_rows):
            self._fill(b)

    @property
    def num_busy(self) -> int:
        """Rows that have work left."""
        return int(self.chooser.is_busy.sum())

    def play(self) -> list[Generated]:
        """One event in every busy row; returns what was finished by it, and starts the next requests there."""
        finished = []
        for b in self._play_step():
            finished.append(Generated(self.numbers[b], self.chooser.take(b)))
            self._fill(b)
        return finished

    def moved_to(self, step: Step) -> Batch:
        """The same tracks in a batch of fewer rows, but enough for those that are busy; none may be waiting."""
        assert self.is_draining and self.num_busy <= step.num_rows <= self.step.num_rows
        kept = np.argsort(~self.chooser.is_busy, kind="stable")[: step.num_rows]
        batch = Batch(step, self.chooser.only(kept), [])
        batch.numbers, batch.conditions = [self.numbers[b] for b in kept], self.conditions[kept]
        step.take_rows(self.step, kept)
        return batch

    def _fill(self, b: int) -> None:
        """Starts the next request in row b; the row stays idle when there is none."""
        numbered = next(self.waiting, None)
        if numbered is None:
            self.is_draining = True
            return
        self.numbers[b], request = numbered
        self.step.reset_row(b)
        self.conditions[b] = self.step.condition_vector(*self.chooser.start(b, request))

    def _play_step(self) -> list[int]:
        """Chooses one event in every busy row; returns the rows that it finished."""
        chooser = self.chooser
        was_busy = chooser.is_busy.copy()
        moving = chooser.moving_contexts()
        self.step.advance(chooser.before, moving, self.conditions, chooser.moving_flags())
        for stream in range(len(self.step.settings.streams)):
            chooser.choose(stream, self.step.logits(stream))
            self.step.feed(stream, chooser.event[:, stream], chooser.onset_contexts)
        chooser.record(was_busy)
        for b, conditions in chooser.renewed():
            self.conditions[b] = self.step.condition_vector(*conditions)
        return np.flatnonzero(was_busy & ~chooser.is_busy).tolist()


def _integer_steps(weights: IntegerWeights, device: str) -> Callable[[int], Step]:
    """What makes a step of so many rows."""
    if torch.device(device).type == "cpu":
        return lambda width: IntegerStep(weights, width)
    return lambda width: DeviceStep(weights, width, device)


def _integers_of(checkpoint: Checkpoint) -> IntegerWeights:
    if checkpoint.integers is None:
        raise CheckpointError(
            f"The checkpoint {checkpoint.facts.name} was made by an earlier version: it has no integers. Convert "
            'it: python -m jobs.train.convert OLD NEW [BLOCKS]. Or play it with arithmetic = "float32".'
        )
    return checkpoint.integers


def _known(checkpoint: Checkpoint) -> Representation:
    try:
        return representation_named(checkpoint.facts.representation)
    except RepresentationError as error:
        raise CheckpointError(f"The checkpoint {checkpoint.facts.name} cannot be played: {error}") from error


def _check_same(checkpoint: Checkpoint, representation: Representation) -> None:
    facts, settings = checkpoint.facts, checkpoint.model.settings
    if facts.representation != representation.name:
        raise CheckpointError(
            f"The checkpoint's events are {facts.representation}, this engine plays {representation.name}."
        )
    contexts = representation.contexts(facts.styles)
    ours = (representation.streams, contexts, representation.num_lags, representation.num_compared)
    if (settings.streams, settings.contexts, settings.num_lags, settings.num_compared) != ours:
        raise CheckpointError(
            f"The checkpoint {facts.name} was made by another version of this program: its model is "
            f"given {', '.join(context.name for context in settings.contexts)}, with {settings.num_lags} lags. "
            "Train it again."
        )
