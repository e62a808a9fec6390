"""Pieces of a block set as the trainer reads them: transposed, told their conditions, some of those left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_core.blocks.feature_blocks import BlockSet, Piece
from lstm_core.dataset.lanes import PieceArrays
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, family_of
from lstm_core.representations.conditions import (
    DROPPED,
    FIRST_LAG,
    Conditions,
    bar_contexts,
    condition_values,
    drop_conditions,
    family_flags,
    transposed_key,
)
from lstm_core.representations.lookback import look_back
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    FIRST_DRUM,
    FIRST_PITCH,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    EventArray,
    event_onsets,
    transposed_events,
    without_instruments,
)

LOWEST_TRANSPOSED, HIGHEST_TRANSPOSED = 21, 108  # the piano's range: augmentation goes no further than these pitches


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How a training piece differs from what was written."""

    transpose: int = 6  # semitones up or down at most, of a model that learns all keys
    untold_share: float = 0.2  # share of times that a condition is left untold
    thinned_share: float = 0.0  # share of times that a piece loses some of its instruments

    def __post_init__(self) -> None:
        if not 0 <= self.transpose <= 12:
            raise ValueError(f"transpose is {self.transpose} semitones, it must be 0 to 12")
        for name in ("untold_share", "thinned_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be in [0, 1]")


class NotePieces:
    """The pieces of one split. With `augment` the same (index, epoch) always gives the same variation.

    With `home_key` every piece is moved to C major or A minor: what is learnt in one key then serves all of them.
    """

    def __init__(
        self,
        blocks: BlockSet,
        split: str,
        styles: tuple[str, ...],
        *,
        seed: int = 0,
        augment: AugmentSettings | None = None,
        home_key: bool = False,
    ) -> None:
        self.blocks, self.split, self.styles = blocks, split, styles
        self.seed, self.augment, self.home_key = seed, augment, home_key

    def __len__(self) -> int:
        return self.blocks.num_pieces(self.split)

    def load(self, index: int, epoch: int) -> PieceArrays:
        """The piece as int64 events with its contexts and flags."""
        piece = self.blocks.piece(self.split, index)
        conditions = conditions_of(piece)
        shift = _kept_in_range(piece.events, home_shift(conditions.key)) if self.home_key else 0
        conditions = _transposed(conditions, shift)
        if self.augment is not None:
            random = np.random.Generator(np.random.Philox(key=[self.seed, (index << 32) + epoch]))
            if not self.home_key:
                shift = _transposition(piece.events, self.augment.transpose, random)
                conditions = _transposed(conditions, shift)
            told = random.random(5)
            piece = _thinned(piece, self.augment.thinned_share, random)
            conditions = replace(conditions, families=piece.families, density=piece.density)
            conditions = drop_conditions(conditions, self.augment.untold_share, told)
        contexts, onset_positions = bar_contexts(event_onsets(piece.events), piece.meters)
        fixed = np.broadcast_to(condition_values(conditions, self.styles), (len(contexts), len(DROPPED)))
        events = transposed_events(piece.events, shift)
        recalled, agreements = look_back(events, piece.meters)
        return PieceArrays(
            events.astype(np.int64),
            np.concatenate([contexts[:, :FIRST_LAG], agreements, contexts[:, FIRST_LAG:], fixed], axis=1),
            family_flags(conditions.families),
            onset_positions,
            recalled,
        )


def conditions_of(piece: Piece) -> Conditions:
    """Everything that can be told of a piece."""
    key = None if piece.key_tonic is None else piece.key_tonic + 12 * (piece.key_mode == "minor")
    return Conditions(
        style=piece.style, key=key, tempo_bpm=piece.tempo_bpm, density=piece.density, families=piece.families
    )


def _is_melodic(pitch: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    melodic: npt.NDArray[np.bool_] = (pitch >= FIRST_PITCH) & (pitch < FIRST_DRUM)
    return melodic


def _transposition(events: EventArray, limit: int, random: np.random.Generator) -> int:
    pitch = events[:, PITCH].astype(np.int64)
    melodic = pitch[_is_melodic(pitch)] - FIRST_PITCH
    if limit == 0 or len(melodic) == 0:
        return 0
    low = max(-limit, min(LOWEST_TRANSPOSED - int(melodic.min()), 0))
    high = min(limit, max(HIGHEST_TRANSPOSED - int(melodic.max()), 0))
    return int(random.integers(low, high + 1))


def _kept_in_range(events: EventArray, semitones: int) -> int:
    """The transposition, an octave the other way or none at all where a note would leave the MIDI range."""
    pitch = events[:, PITCH].astype(np.int64)
    melodic = pitch[_is_melodic(pitch)] - FIRST_PITCH
    for shift in (semitones, semitones - 12 if semitones > 0 else semitones + 12):
        if len(melodic) == 0 or (melodic.min() + shift >= 0 and melodic.max() + shift <= 127):
            return shift
    return 0


def _thinned(piece: Piece, share: float, random: np.random.Generator) -> Piece:
    """With the given probability the piece without some of its instruments; at least two stay."""
    instruments = np.unique(piece.events[:, INSTRUMENT]).astype(np.int64)
    instruments = instruments[instruments >= DRUM_INSTRUMENT]
    if len(instruments) < 3 or random.random() >= share:
        return piece
    order = random.permutation(instruments)
    dropped = order[int(random.integers(2, len(order))) :]
    events = without_instruments(piece.events, dropped)
    kept = np.setdiff1d(instruments, dropped)
    programs = [DRUMS if value == DRUM_INSTRUMENT else int(value) - FIRST_PROGRAM for value in kept]
    families = sum({1 << family_of(program) for program in programs})
    num_notes, num_before = (int((e[:, INSTRUMENT] >= DRUM_INSTRUMENT).sum()) for e in (events, piece.events))
    return replace(piece, events=events, families=families, density=piece.density * num_notes / num_before)


def _transposed(conditions: Conditions, semitones: int) -> Conditions:
    if conditions.key is None:
        return conditions
    return Conditions(
        style=conditions.style,
        key=transposed_key(conditions.key, semitones),
        tempo_bpm=conditions.tempo_bpm,
        density=conditions.density,
        families=conditions.families,
    )
