"""Four voices on a grid of sixteenths: soprano, alto, tenor and bass of each step, as chorales are often studied.

Value 0 is silence, 1 is MIDI pitch LOWEST. A step says what sounds, not what begins: a repeated note is one
note. The only context of the model is where in a bar of 4/4 the step is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, NOTE_DTYPE, Meter, Score, Tempo, tidy
from lstm_core.representations.representation import (
    EventArray,
    Piece,
    PieceArrays,
    Reading,
    Representation,
    Stream,
    plain_arrays,
)

LOWEST, HIGHEST = 36, 81  # over the training chorales of Boulanger-Lewandowski et al. 2012
VOICES = ("soprano", "alto", "tenor", "bass")
STEP_TICKS, STEPS_PER_BAR = 6, 16
PROGRAM, VELOCITY = 52, 84  # choir; what a step does not say


def grid_of(pitches: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.uint8]:
    """Events of MIDI pitches [T, 4], below 0 for silence: uint8 [T, 4]."""
    return np.where(pitches >= 0, np.clip(pitches, LOWEST, HIGHEST) - LOWEST + 1, 0).astype(np.uint8)


def spelt_grid(score: Score) -> EventArray | None:
    """What sounds at the beginning of each sixteenth, the highest pitch as soprano: uint8 [T, 4].

    None for a score that four voices within the compass cannot sing: more than four pitches at a step, none at all, or
    one outside of LOWEST to HIGHEST. Drums are left out. Of fewer than four pitches the lower voices are silent.
    """
    notes = score.notes[score.notes["program"] != DRUMS]
    if len(notes) == 0 or notes["pitch"].min() < LOWEST or notes["pitch"].max() > HIGHEST:
        return None
    onsets = notes["onset"].astype(np.int64)
    first, stop = -(-onsets // STEP_TICKS), -(-(onsets + notes["duration"]) // STEP_TICKS)
    sounding = np.zeros((int(stop.max()), HIGHEST + 1), dtype=bool)
    for begin, end, pitch in zip(first, stop, notes["pitch"], strict=True):
        sounding[begin:end, pitch] = True
    if not 1 <= sounding.sum(axis=1).max() <= len(VOICES):
        return None
    pitches = np.full((len(sounding), len(VOICES)), -1)
    steps, pitch = np.nonzero(sounding[:, ::-1])
    voice = np.arange(len(steps)) - np.searchsorted(steps, steps)  # place among the pitches of the step, from above
    pitches[steps, voice] = HIGHEST - pitch
    return grid_of(pitches)


def sung(
    events: EventArray,
    *,
    tempos: tuple[Tempo, ...] = (Tempo(tick=0, bpm=120.0),),
    meters: tuple[Meter, ...] = (Meter(tick=0, numerator=4, denominator=4),),
    title: str = "",
) -> Score:
    """The score that a grid spells; steps of one pitch in a voice are one note."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    for voice in range(events.shape[1]):
        values = events[:, voice].astype(np.int64)
        starts = np.flatnonzero(np.diff(values, prepend=-1) != 0)
        for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
            if values[start]:
                span = (int(start) * STEP_TICKS, int(stop - start) * STEP_TICKS)
                rows.append((*span, PROGRAM, int(values[start]) + LOWEST - 1, VELOCITY, voice))
    return Score(notes=tidy(np.array(rows, dtype=NOTE_DTYPE)), tempos=tempos, meters=meters, title=title)


def grid_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    """The piece as the model reads it; a variation is transposed by a random interval that keeps the compass."""
    events = piece.events.astype(np.int64)
    is_sounding = events > 0
    if reading.augment is not None and reading.random is not None and is_sounding.any():
        lowest, highest = int(events[is_sounding].min()), int(events.max())
        shift = int(reading.random.integers(1 - lowest, HIGHEST - LOWEST + 2 - highest))
        limit = reading.augment.transpose
        events = np.where(is_sounding, events + max(-limit, min(limit, shift)), 0)
    return plain_arrays(events, positions(np.arange(len(events), dtype=np.int64)))


def positions(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where in its bar each step is, by its number [N]: int64 [N, 1], value 1 for the first of a bar."""
    return 1 + numbers[:, None] % STEPS_PER_BAR


def grid_contexts(_styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """The position in the bar alone; styles are not a context."""
    return (Stream("position", 1 + STEPS_PER_BAR),)


FOUR_VOICES = Representation(
    name="four-voices-1",
    streams=tuple(Stream(voice, HIGHEST - LOWEST + 2) for voice in VOICES),
    encode=spelt_grid,
    decode=sung,
    piece_arrays=grid_arrays,
    contexts=grid_contexts,
    num_moving=1,
    moving_contexts=positions,
)
