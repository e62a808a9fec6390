"""How energetic each bar is, on one scale for all music.

    energy = 0.35 density + 0.25 loudness + 0.15 width + 0.15 parts + 0.10 drums

each of which lies between 0 and 1 by fixed bounds: notes per second (1 to 32, by their logarithm), mean velocity of the
notes (40 to 115), highest minus lowest pitch (0 to 60 semitones), programs that sound (1 to 8), and drum strokes per
second (0 to 8). Listeners' arousal correlates most with onset density and loudness: Gabrielsson and Lindstroem,
"The influence of musical structure on emotional expression", in Music and Emotion (2001).
"""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.grid import Floats, Grid, spread
from lstm_core.foundation.elementary.powers import log2, log2_of
from lstm_core.notes.score import DRUMS, Score

_SHARES = (0.35, 0.25, 0.15, 0.15, 0.10)
MOST_NOTES = 32.0  # per second
LOUDNESS = (40.0, 115.0)  # velocities
WIDEST = 60.0  # semitones
MOST_PARTS = 8
MOST_STROKES = 8.0  # per second


def bar_energy(score: Score, grid: Grid) -> Floats:
    """Energy of each bar, 0 where nothing sounds: float64 [bars]."""
    notes = score.notes
    if len(notes) == 0:
        return np.zeros(grid.num_bars)
    seconds = np.maximum(np.diff(score.seconds(grid.barlines)), 1e-3)
    onset = notes["onset"].astype(np.int64)
    end = np.minimum(onset + notes["duration"], grid.barlines[-1])
    is_drum = notes["program"] == DRUMS
    bar = grid.bar_of(onset)
    begun = np.bincount(bar, minlength=grid.num_bars) / seconds
    strokes = np.bincount(bar[is_drum], minlength=grid.num_bars) / seconds
    note, where, shared = spread(onset, end, grid.barlines)
    mass = np.bincount(where, weights=shared, minlength=grid.num_bars)
    velocity = np.bincount(where, weights=shared * notes["velocity"][note], minlength=grid.num_bars)
    low, high = np.full(grid.num_bars, 128), np.full(grid.num_bars, -1)
    pitched = ~is_drum[note]
    np.minimum.at(low, where[pitched], notes["pitch"][note[pitched]].astype(np.int64))
    np.maximum.at(high, where[pitched], notes["pitch"][note[pitched]].astype(np.int64))
    pairs = np.unique(where * 256 + notes["program"][note])
    parts = np.bincount(pairs // 256, minlength=grid.num_bars)
    columns = (
        log2(np.maximum(begun, 1.0)) / log2_of(float(MOST_NOTES)),
        (velocity / np.maximum(mass, 1e-9) - LOUDNESS[0]) / (LOUDNESS[1] - LOUDNESS[0]),
        np.maximum(high - low, 0) / WIDEST,
        (parts - 1) / (MOST_PARTS - 1),
        strokes / MOST_STROKES,
    )
    energy: Floats = sum(share * np.clip(column, 0.0, 1.0) for share, column in zip(_SHARES, columns, strict=True))
    return np.where(mass > 0, energy, 0.0)
