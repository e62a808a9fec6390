"""Notes, the representation that tracks are made of: note_events.py as a value, and how the trainer reads a piece.

A piece is transposed and described by conditions, some of which are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, FAMILIES, Score, family_of
from lstm_core.representations.conditions import (
    DROPPED,
    FIRST_LAG,
    MAX_POSITIONS,
    NUM_MOVING,
    Conditions,
    bar_contexts,
    condition_values,
    drop_conditions,
    family_flags,
    note_contexts,
    transposed_key,
)
from lstm_core.representations.lookback import LAGS, look_back
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    END,
    FIRST_DRUM,
    FIRST_PITCH,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    REPRESENTATION,
    STREAMS,
    decode_events,
    encode_score,
    event_onsets,
    transposed_events,
    without_instruments,
)
from lstm_core.representations.representation import EventArray, Piece, PieceArrays, Reading, Representation, Stream

LOWEST_TRANSPOSED, HIGHEST_TRANSPOSED = 21, 108  # the piano's range: augmentation goes no further than these pitches


def note_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    """The piece as int64 events with its contexts and flags.

    With `home_key` it is moved to C major or A minor: what is learnt in one key then serves all of them.
    """
    conditions = conditions_of(piece)
    shift = _kept_in_range(piece.events, home_shift(conditions.key)) if reading.home_key else 0
    conditions = _transposed(conditions, shift)
    if reading.augment is not None and (random := reading.random) is not None:
        if not reading.home_key:
            shift = _transposition(piece.events, reading.augment.transpose, random)
            conditions = _transposed(conditions, shift)
        drawn = random.random(5)
        piece = _thinned(piece, reading.augment.thinned_share, random)
        conditions = replace(conditions, families=piece.families, density=piece.density)
        conditions = drop_conditions(conditions, reading.augment.condition_dropout, drawn)
    contexts, onset_positions = bar_contexts(event_onsets(piece.events), piece.meters)
    fixed = np.broadcast_to(condition_values(conditions, reading.styles), (len(contexts), len(DROPPED)))
    events = transposed_events(piece.events, shift)
    recalled, agreements = look_back(events, piece.meters)
    return PieceArrays(
        events.astype(np.int64),
        np.concatenate([contexts[:, :FIRST_LAG], agreements, contexts[:, FIRST_LAG:], fixed], axis=1),
        family_flags(conditions.families),
        onset_positions[:, None],
        recalled,
    )


def conditions_of(piece: Piece) -> Conditions:
    """All conditions of a piece."""
    key = None if piece.key_tonic is None else piece.key_tonic + 12 * (piece.key_mode == "minor")
    return Conditions(
        style=piece.style, key=key, tempo_bpm=piece.tempo_bpm, density=piece.density, families=piece.families
    )


def spelt_notes(score: Score) -> EventArray | None:
    """Events of a score, uint8 [T, 5]; None when it holds no note that an event can spell."""
    if len(score.notes) == 0:
        return None
    events = encode_score(score)
    return events if (events[:, INSTRUMENT] >= DRUM_INSTRUMENT).any() else None


def programs_of(events: EventArray) -> list[int]:
    """Programs (128: drums) of the instruments in events, the busiest first."""
    values, counts = np.unique(events[events[:, INSTRUMENT] >= DRUM_INSTRUMENT, INSTRUMENT], return_counts=True)
    programs = np.where(values == DRUM_INSTRUMENT, DRUMS, values.astype(np.int64) - FIRST_PROGRAM)
    busiest: list[int] = programs[np.argsort(-counts, kind="stable")].tolist()
    return busiest


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
    return replace(conditions, key=transposed_key(conditions.key, semitones))


NOTES = Representation(
    name=REPRESENTATION,
    streams=STREAMS,
    encode=spelt_notes,
    decode=decode_events,
    piece_arrays=note_arrays,
    contexts=note_contexts,
    num_moving=NUM_MOVING,
    num_flags=len(FAMILIES),
    onset_contexts=(Stream("position", 1 + MAX_POSITIONS),),
    num_lags=len(LAGS),
    end=(INSTRUMENT, END),
    programs=programs_of,
)
