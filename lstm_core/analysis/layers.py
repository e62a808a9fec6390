"""Layers: the notes of one program and part, those of two hands separated, as lines to be examined one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_core.analysis.chords import is_unpitched
from lstm_core.analysis.grid import Bools, Floats, Grid, Ints, spread
from lstm_core.analysis.surroundings import surroundings
from lstm_core.notes.score import NoteArray

HANDS_APART = 12.0  # semitones between the mean pitches of two hands, at least
HANDS_POLYPHONY = 1.6  # notes of a part at once, in the mean, from which on two hands may play it
_WINDOW = np.array([1.0, 2.0, 3.0, 2.0, 1.0])  # weights of neighbouring bars when hands are separated


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    is_pitched: Bools  # of each note of the score: bool [N]
    layer: Ints  # of each pitched note: int64 [pitched]
    program: Ints  # of each layer: int64 [layers]
    part: Ints  # number of its program and part, which both hands share: int64 [layers]
    onset: Ints  # of each pitched note, as all below: int64 [pitched]
    end: Ints
    pitch: Ints
    bar: Ints
    beat_ticks: Ints
    bar_ticks: Ints
    bar_start: Ints
    around: Floats  # kernels.surroundings of each pitched note: [pitched, NUM_SURROUNDINGS]

    @property
    def num_layers(self) -> int:
        return len(self.program)


def find_layers(notes: NoteArray, grid: Grid) -> Layers:
    """Layers of the notes that have a pitch, numbered by program and part, the lower hand before the upper."""
    pitched = notes[~(unpitched := is_unpitched(notes))]
    onset = pitched["onset"].astype(np.int64)
    end = np.minimum(onset + pitched["duration"], grid.barlines[-1])
    pitch = pitched["pitch"].astype(np.int64)
    bar = grid.bar_of(onset)
    part, key = np.unique(pitched["program"].astype(np.int64) * 256 + pitched["part"], return_inverse=True)
    upper = np.zeros(len(pitched), dtype=np.int64)
    for number in range(len(part)):
        own = np.flatnonzero(key == number)
        upper[own] = _upper_hand(onset[own], end[own], pitch[own], grid)
    names, layer = np.unique(key * 2 + upper, return_inverse=True)
    beat, bar_length = grid.bar_beats[bar], np.diff(grid.barlines)[bar]
    return Layers(
        is_pitched=~unpitched,
        layer=layer,
        program=part[names // 2] // 256,
        part=names // 2,
        onset=onset,
        end=end,
        pitch=pitch,
        bar=bar,
        beat_ticks=beat,
        bar_ticks=bar_length,
        bar_start=grid.barlines[bar],
        around=surroundings(onset, end, pitch, layer, beat, bar_length),
    )


def _upper_hand(onset: Ints, end: Ints, pitch: Ints, grid: Grid) -> Bools:
    """Which notes of a part lie in the upper of two hands: bool [n], all False where one plays it.

    In each bar pitches are split into the two groups whose means are farthest apart for their sizes (Otsu, "A threshold
    selection method from gray-level histograms", 1979), the bars around included.
    """
    note, bar, shared = spread(onset, end, grid.barlines)
    counts = np.bincount(bar * 128 + pitch[note], weights=shared, minlength=grid.num_bars * 128)
    sounding = counts.reshape(-1, 128)
    busy = _busy_ticks(onset, end)
    if sounding.sum() < HANDS_POLYPHONY * busy:
        return np.zeros(len(onset), dtype=bool)
    around = np.zeros_like(sounding)
    padded = np.pad(sounding, ((2, 2), (0, 0)))
    for i, weight in enumerate(_WINDOW):
        around += weight * padded[i : i + len(sounding)]
    low_mass = np.cumsum(around, axis=1)
    low_sum = np.cumsum(around * np.arange(128), axis=1)
    high_mass, high_sum = low_mass[:, -1:] - low_mass, low_sum[:, -1:] - low_sum
    apart: Floats = high_sum / np.maximum(high_mass, 1e-9) - low_sum / np.maximum(low_mass, 1e-9)
    both = (low_mass > 0) & (high_mass > 0)
    merit = np.where(both, low_mass * high_mass * apart**2, 0.0)
    best = merit.argmax(axis=1)  # the highest pitch of the lower hand
    rows = np.arange(len(best))
    is_split = both[rows, best] & (apart[rows, best] >= HANDS_APART)
    if not is_split.any():
        return np.zeros(len(onset), dtype=bool)
    threshold = np.where(is_split, best, -1)
    usual = int(np.median(best[is_split]))
    threshold = np.where(is_split, threshold, usual)
    at = grid.bar_of(onset)
    return pitch > threshold[at]


def _busy_ticks(onset: Ints, end: Ints) -> int:
    """Ticks at which any of the notes, in order of onsets, sounds."""
    reached = np.maximum.accumulate(end)
    before = np.concatenate([onset[:1], reached[:-1]])
    return int(np.maximum(reached - np.maximum(onset, before), 0).sum())
