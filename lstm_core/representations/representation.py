"""A representation: how music becomes K parallel streams of integers, and the contexts and conditions of a model.

A representation is a value. Blocks store pieces in several of them; the trainer, the checkpoint and the engine take
theirs by name from table.py or from their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import Meter, Score, Tempo

STYLE_NAME = "style"  # of the context that holds the style, if there is one; its values 1.. are the styles of the model
EventArray = npt.NDArray[np.unsignedinteger[Any]]  # [T, K] of the dtype of its representation


@dataclass(frozen=True)
class Stream:
    name: str
    size: int  # number of values


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of a block set, in one representation."""

    piece_id: str
    title: str
    style: str
    events: EventArray  # [T, K], a read-only view of the mapped file
    meters: tuple[Meter, ...]
    tempos: tuple[Tempo, ...]
    key_tonic: int | None  # 0..11 from C up
    key_mode: str | None  # major or minor
    tempo_bpm: float
    density: float  # notes per quarter
    families: int  # bit mask over notes.FAMILIES
    num_bars: int
    given: EventArray | None = None  # its events in the representation that this one is told of


class PieceArrays(NamedTuple):
    """One piece as the model reads it."""

    events: npt.NDArray[np.int64]  # [T, K]
    contexts: npt.NDArray[np.int64]  # [T, number of contexts]
    flags: npt.NDArray[np.float32]  # [number of flags], or [T, number of flags] where they change
    onset_contexts: npt.NDArray[np.int64]  # [T, number of onset contexts]
    recalled: npt.NDArray[np.int64]  # [T, number of lags, K]
    is_given: npt.NDArray[np.bool_] | None = None  # [T] True for events that are known and not learnt; None: no such


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How a training piece differs from what was written."""

    transpose: int = 6  # semitones up or down at most, of a model that learns all keys
    condition_dropout: float = 0.2  # share of times that a condition is left open
    thinned_share: float = 0.0  # share of times that a piece loses some of its instruments
    reordered_share: float = 0.0  # share of times that the parts of a piece are written in some other order
    given_share: float = 0.0  # share of times that some bars of the parts are given, and the others written to them

    def __post_init__(self) -> None:
        if not 0 <= self.transpose <= 12:
            raise ValueError(f"transpose is {self.transpose} semitones, it must be 0 to 12")
        for name in ("condition_dropout", "thinned_share", "reordered_share", "given_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a piece is read for a model."""

    styles: tuple[str, ...] = ()  # that the model knows
    home_key: bool = False  # every piece is moved to C major or A minor
    augment: AugmentSettings | None = None  # None: as written, with every condition given
    random: np.random.Generator | None = None  # that decides the variation; given with `augment`


@dataclass(frozen=True, kw_only=True)
class Representation:
    """How music is spelt in events, and which contexts and conditions a model gets.

    The functions are plain functions of a module, so that a representation can travel to another process. A change
    of what events mean is a new representation and has a new name; contexts, flags and lags may be added, see
    model/widening.py.
    """

    name: str
    streams: tuple[Stream, ...]  # what an event holds, in the order in which it is chosen
    encode: Callable[[Score], EventArray | None]  # None: it cannot spell this score
    decode: Callable[..., Score]  # of events, with `tempos`, `meters` and `title` by keyword
    piece_arrays: Callable[[Piece, Reading], PieceArrays]
    contexts: Callable[[tuple[str, ...]], tuple[Stream, ...]]  # of a model that knows these styles; value 0: not given
    num_moving: int = 0  # the first so many contexts change from event to event, the others hold for a whole piece
    # The moving contexts of events by their number, int64 [N] -> [N, num_moving]; None if they depend on more than the
    # number: then the engine must know the representation.
    moving_contexts: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]] | None = None
    num_flags: int = 0  # yes/no conditions of a whole piece, or of each event where they move
    onset_contexts: tuple[Stream, ...] = ()  # what the streams after the first depend on besides
    num_lags: int = 0  # earlier events that each step may copy: it recalls; 0: it does not
    num_compared: int = 3  # streams in which an earlier event must agree to offer the next ones
    end: tuple[int, int] | None = None  # (stream, value) of the event that ends a piece; None: a piece just stops
    programs: Callable[[EventArray], list[int]] | None = None  # of the instruments in a piece, the busiest first
    # Of a piece as text, from its events and those that are given: plan/schemes.py, parts/manners.py.
    scheme: Callable[[EventArray, EventArray | None], str] | None = None
    given: str | None = None  # another representation, whose events of a piece are known before those of this one

    def __post_init__(self) -> None:
        largest = max((stream.size for stream in self.streams), default=0)
        if not 1 <= largest <= 1 << 16:
            raise ValueError(f"{self.name}: a stream has {largest:,} values, it must be 1 to 65,536")

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The least type that holds every value: uint8 or uint16."""
        return np.dtype(np.uint8 if max(stream.size for stream in self.streams) <= 1 << 8 else np.uint16)


def plain_arrays(events: npt.NDArray[np.integer[Any]], contexts: npt.NDArray[np.int64]) -> PieceArrays:
    """What a model reads of events [T, K] that come with contexts [T, C] alone."""
    return PieceArrays(
        events.astype(np.int64),
        contexts,
        np.zeros(0, dtype=np.float32),
        np.zeros((len(events), 0), dtype=np.int64),
        np.zeros((len(events), 0, 1), dtype=np.int64),
    )
