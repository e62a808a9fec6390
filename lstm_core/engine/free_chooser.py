"""The chooser of events of a representation without rules: any value may follow, but for those that a mask excludes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lstm_core.engine.history import History
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, random_word
from lstm_core.foundation.fixed_point import share, sharpness
from lstm_core.model.packing import RowConditions
from lstm_core.representations.representation import EventArray, Representation


@dataclass(frozen=True, kw_only=True)
class FreeRequest:
    """One piece to be generated. It ends at `num_events`, or before at the end that the representation names."""

    seed: int
    num_events: int
    temperature: float = 1.0
    top_p: float = 1.0
    contexts: tuple[int, ...] = ()  # the first of those that hold for the whole piece; the others are not given
    flags: tuple[float, ...] = ()  # +1 or -1 each; none: not given
    allowed: Mapping[int, npt.NDArray[np.uint8]] = field(default_factory=dict)  # by stream: [V], 1 for what may come

    def __post_init__(self) -> None:
        if self.num_events < 1:
            raise ValueError(f"num_events is {self.num_events}, it must be at least 1")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature is {self.temperature} and top_p {self.top_p}; they must be above 0, top_p at most 1"
            )
        for stream, mask in self.allowed.items():
            if not mask.any():
                raise ValueError(f"the mask of stream {stream} allows no value")


class FreeChooser:
    """B rows of free events; see engine.Chooser."""

    def __init__(self, representation: Representation, styles: tuple[str, ...], num_rows: int) -> None:
        if representation.num_lags or representation.onset_contexts:
            raise ValueError(f"{representation.name} recalls or uses onsets: it needs its own chooser")
        self.representation, self.styles = representation, styles
        self.num_contexts = len(representation.contexts(styles))
        sizes = [stream.size for stream in representation.streams]
        self.is_busy = np.zeros(num_rows, dtype=bool)
        self.event = np.zeros((num_rows, len(sizes)), dtype=np.int64)
        self.before = np.zeros_like(self.event)
        self.onset_contexts = np.zeros((num_rows, 0), dtype=np.int64)
        self.num_events = np.zeros(num_rows, dtype=np.int64)
        self.requests: list[FreeRequest | None] = [None] * num_rows
        self.history = History(num_rows, representation)
        self._everything = [np.ones(size, dtype=np.uint8) for size in sizes]
        self._nothing = np.zeros(max(sizes), dtype=np.uint8)
        self._scratch = np.empty((SCRATCH_ROWS, max(sizes)), dtype=np.int64)

    def start(self, b: int, request: FreeRequest) -> RowConditions:
        self.requests[b], self.is_busy[b], self.num_events[b] = request, True, 0
        self.event[b] = self.before[b] = 0
        num_moving = self.representation.num_moving
        contexts = np.zeros(self.num_contexts, dtype=np.int64)
        contexts[:num_moving] = -1
        contexts[num_moving : num_moving + len(request.contexts)] = request.contexts
        flags = np.zeros(self.representation.num_flags, dtype=np.float32)
        flags[: len(request.flags)] = request.flags
        return RowConditions(contexts, flags)

    def moving_contexts(self) -> npt.NDArray[np.int64]:
        if self.representation.moving_contexts is None:
            return np.zeros((len(self.event), 0), dtype=np.int64)
        return self.representation.moving_contexts(self.num_events)

    def moving_flags(self) -> None:
        """None: flags hold for a whole piece."""

    def choose(self, stream: int, logits: npt.NDArray[np.int32]) -> None:
        size = self.representation.streams[stream].size
        for b in np.flatnonzero(self.is_busy).tolist():
            request = self.requests[b]
            assert request is not None
            word = random_word(request.seed, int(self.num_events[b]), stream)
            self.event[b, stream] = draw(
                logits[b, :size],
                request.allowed.get(stream, self._everything[stream]),
                self._nothing[:size],
                sharpness(request.temperature),
                share(request.top_p),
                word,
                self._scratch,
            )

    def record(self, was_busy: npt.NDArray[np.bool_]) -> None:
        self.before[was_busy] = self.event[was_busy]
        self.num_events[was_busy] += 1
        self.history.record(was_busy, self.num_events, self.before, self.num_events)
        end = self.representation.end
        for b in np.flatnonzero(was_busy).tolist():
            request = self.requests[b]
            has_ended = end is not None and self.event[b, end[0]] == end[1]
            if has_ended or (request is not None and self.num_events[b] >= request.num_events):
                self.is_busy[b] = False

    def renewed(self) -> tuple[()]:
        """Nothing: conditions hold for a whole piece."""
        return ()

    def take(self, b: int) -> EventArray:
        return self.history.of_row(b, int(self.num_events[b])).copy()

    def only(self, kept: npt.NDArray[np.int64]) -> FreeChooser:
        chooser = FreeChooser(self.representation, self.styles, len(kept))
        for name in ("is_busy", "event", "before", "num_events"):
            setattr(chooser, name, getattr(self, name)[kept])
        chooser.requests, chooser.history = [self.requests[b] for b in kept], self.history.only(kept)
        return chooser
