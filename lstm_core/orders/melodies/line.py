"""The tune among the notes of a recording: one line, or the reason why none can be told from the rest."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.grid import Bools, make_grid
from lstm_core.analysis.layers import find_layers
from lstm_core.analysis.melody import find_melody
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray, Score
from lstm_core.transcription.roles import MELODY_ROLE

ALONE = 1.15  # notes that sound at once, in the mean: below it one line is all there is
FEWEST_ALIKE = 0.8  # share of two searches for the melody that must agree: of tunes with chords 0.87 to 1 did
RELEASE_TICKS = TICKS_PER_QUARTER // 4  # of a note that still sounds when the next begins: it does not count as company
FARTHEST = 24  # semitones from the usual pitch: what lies farther is noise, such as that of breath
BRIDGED_TICKS = TICKS_PER_QUARTER // 4  # rests so short are none: ends are transcribed less surely than onsets


def is_alone(notes: NoteArray) -> bool:
    """Whether hardly more than one of some notes sounds at a time."""
    if len(notes) == 0:
        return True
    onset = notes["onset"].astype(np.int64)
    length = np.maximum(notes["duration"].astype(np.int64) - RELEASE_TICKS, 1)
    ends = np.maximum.accumulate(onset + length)
    before = np.concatenate([onset[:1], ends[:-1]])
    covered = int(np.maximum(onset + length - np.maximum(onset, before), 0).sum())
    return bool(length.sum() < ALONE * max(covered, 1))


def line_of(score: Score, uri: str) -> NoteArray:
    """The melody of a transcribed recording, one note at a time, by one instrument.

    Raises:
        OrderError: more than one line sounds, and which of them is the melody is not sure.
    """
    notes = score.notes[score.notes["program"] != DRUMS]
    notes = notes[np.abs(notes["pitch"] - np.median(notes["pitch"])) <= FARTHEST]
    if is_alone(notes):
        return _one_at_a_time(notes)
    by_role = notes["part"] == MELODY_ROLE
    by_shape = _by_shape(notes, score)
    alike = 2.0 * int((by_role & by_shape).sum()) / max(int(by_role.sum()) + int(by_shape.sum()), 1)
    if alike < FEWEST_ALIKE:
        raise OrderError(
            f"melody {uri}: several notes sound at a time, and which of them are the melody is not sure (two searches "
            f"agree in {alike:.0%} of them, {FEWEST_ALIKE:.0%} are needed). Record the tune alone, or write it down."
        )
    return _one_at_a_time(notes[by_shape])


def _by_shape(notes: NoteArray, score: Score) -> Bools:
    """Which notes are the melody by what stands around them, as if one instrument played all of them: bool [N]."""
    same = notes.copy()
    same["program"], same["part"] = 0, 0
    layers = find_layers(same, make_grid(Score(notes=same, meters=score.meters)))
    found = np.zeros(len(notes), dtype=bool)
    found[layers.is_pitched] = find_melody(same, layers)
    return found


def _one_at_a_time(notes: NoteArray) -> NoteArray:
    """The loudest of the notes that begin at one time, each up to the next one where no rest is between them."""
    notes = notes[np.lexsort((-notes["velocity"].astype(np.int64), notes["onset"]))]
    notes = notes[np.diff(notes["onset"], prepend=-1) > 0].copy()
    apart = np.diff(notes["onset"])
    rest = apart - notes["duration"][:-1]
    notes["duration"][:-1] = np.where(rest <= BRIDGED_TICKS, apart, notes["duration"][:-1])
    programs, counts = np.unique(notes["program"], return_counts=True)
    if len(programs):
        notes["program"] = programs[counts.argmax()]
    return notes
