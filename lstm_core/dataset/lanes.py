"""Lanes: B endless walks through the pieces, in windows of T events; they resume exactly after an interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_core.model.music_lstm import Inputs
from lstm_core.representations.representation import PieceArrays


class PieceSource(Protocol):
    """Pieces by number. The same number and epoch give the same arrays, augmentation included."""

    def __len__(self) -> int: ...

    def load(self, index: int, epoch: int) -> PieceArrays: ...


class Batch(NamedTuple):
    """One window of the lanes of a worker."""

    inputs: Inputs
    is_event: Tensor  # bool [B, T] that is learnt; False after the end of a piece, and where events are given
    is_start: Tensor  # bool [B]; True where the window begins a piece, so that the state is zero
    pieces: list[int]  # number of the piece in each lane


@dataclass
class _Lane:
    turn: int  # number of the piece in this lane's endless walk, counted over all lanes
    offset: int  # first event of the next window
    arrays: PieceArrays | None = None


class Lanes:
    """Lanes `first` to `first + count` of `num_lanes` global ones.

    Piece g of the endless walk is the g-th of the permutations of all epochs, one after another; lane b takes
    b, b + num_lanes, b + 2 num_lanes, ... So the batches do not depend on how lanes are shared among workers.
    """

    def __init__(
        self, source: PieceSource, *, num_lanes: int, window: int, seed: int, first: int = 0, count: int | None = None
    ) -> None:
        if len(source) == 0:
            raise ValueError("no pieces to walk through")
        self.source, self.num_lanes, self.window, self.seed = source, num_lanes, window, seed
        self._lanes = [_Lane(turn=first + b, offset=0) for b in range(num_lanes if count is None else count)]
        self._orders: dict[int, npt.NDArray[np.int64]] = {}

    def positions(self) -> npt.NDArray[np.int64]:
        """Where each lane stands: (turn, offset), int64 [B, 2]."""
        return np.array([(lane.turn, lane.offset) for lane in self._lanes], dtype=np.int64)

    def seek(self, positions: npt.NDArray[np.int64]) -> None:
        """Continues from `positions`, int64 [B, 2]."""
        self._lanes = [_Lane(turn=int(turn), offset=int(offset)) for turn, offset in positions]

    def epochs(self) -> float:
        """Passes over all pieces so far, of the lane that is furthest behind."""
        return min(lane.turn for lane in self._lanes) / len(self.source)

    def next_batch(self) -> Batch:
        """The next window of each lane."""
        windows = [self._next_window(lane) for lane in self._lanes]
        batch = stack_windows([arrays for arrays, _, _ in windows], self.window)
        is_start = torch.tensor([start for _, start, _ in windows])
        return Batch(batch.inputs, batch.is_event, is_start, [piece for _, _, piece in windows])

    def _next_window(self, lane: _Lane) -> tuple[_Window, bool, int]:
        epoch, place = divmod(lane.turn, len(self.source))
        piece = int(self._order(epoch)[place])
        if lane.arrays is None:
            lane.arrays = self.source.load(piece, epoch)
        start = lane.offset
        window = _Window(lane.arrays, start, min(start + self.window, len(lane.arrays.events)))
        lane.offset = window.stop
        if lane.offset >= len(lane.arrays.events):
            lane.turn, lane.offset, lane.arrays = lane.turn + self.num_lanes, 0, None
        return window, start == 0, piece

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch not in self._orders:
            if len(self._orders) > 4:
                self._orders.pop(min(self._orders))
            random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
            self._orders[epoch] = random.permutation(len(self.source))
        return self._orders[epoch]


class _Window(NamedTuple):
    arrays: PieceArrays
    start: int
    stop: int


class StackedWindows(NamedTuple):
    inputs: Inputs
    is_event: Tensor


def stack_windows(windows: Sequence[_Window], length: int) -> StackedWindows:
    """Windows of several pieces as one batch, filled up with zeros to `length` events."""
    num, first = len(windows), windows[0].arrays
    events = np.zeros((num, length, first.events.shape[1]), dtype=np.int64)
    previous = np.zeros_like(events)
    contexts = np.zeros((num, length, first.contexts.shape[1]), dtype=np.int64)
    flags = np.zeros((num, length, first.flags.shape[-1]), dtype=np.float32)
    onset_contexts = np.zeros((num, length, first.onset_contexts.shape[1]), dtype=np.int64)
    recalled = np.full((num, length, *first.recalled.shape[1:]), -1, dtype=np.int64)
    is_event = np.zeros((num, length), dtype=bool)
    for b, (arrays, start, stop) in enumerate(windows):
        size = stop - start
        if size == 0:
            continue
        events[b, :size] = arrays.events[start:stop]
        before = max(start - 1, 0)
        previous[b, start == 0 : size] = arrays.events[before : stop - 1]
        contexts[b, :size] = arrays.contexts[start:stop]
        flags[b, :size] = arrays.flags if arrays.flags.ndim == 1 else arrays.flags[start:stop]
        onset_contexts[b, :size] = arrays.onset_contexts[start:stop]
        recalled[b, :size] = arrays.recalled[start:stop]
        is_event[b, :size] = True if arrays.is_given is None else ~arrays.is_given[start:stop]
    tensors = (torch.from_numpy(a) for a in (events, previous, contexts, flags, onset_contexts, recalled))
    return StackedWindows(Inputs(*tensors), torch.from_numpy(is_event))


def sequential_windows(source: PieceSource, indices: Sequence[int], *, num_lanes: int, window: int) -> Iterator[Batch]:
    """One pass over `indices`, for validation: each piece once and whole, in the lane that is free first."""
    waiting = list(indices)[::-1]
    lanes: list[_Reading | None] = [None] * min(num_lanes, len(waiting))
    while waiting or any(lane is not None for lane in lanes):
        windows: list[_Window | None] = []
        starts, pieces = [], []
        for b, lane in enumerate(lanes):
            if lane is None and waiting:
                piece = waiting.pop()
                lane = _Reading(piece, source.load(piece, 0), 0)
            if lane is None:  # no piece is left for this lane: an empty window
                windows.append(None)
                starts.append(True)
                pieces.append(-1)
                continue
            stop = min(lane.offset + window, len(lane.arrays.events))
            windows.append(_Window(lane.arrays, lane.offset, stop))
            starts.append(lane.offset == 0)
            pieces.append(lane.piece)
            lanes[b] = None if stop == len(lane.arrays.events) else lane._replace(offset=stop)
        nothing = next(_Window(w.arrays, 0, 0) for w in windows if w is not None)
        stacked = stack_windows([nothing if w is None else w for w in windows], window)
        yield Batch(stacked.inputs, stacked.is_event, torch.tensor(starts), pieces)


class _Reading(NamedTuple):
    piece: int
    arrays: PieceArrays
    offset: int
