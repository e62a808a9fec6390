"""What notes and the ways between them get on the path of a melody: tables that melody.py reads."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.grid import Floats

# What a note gets for each unit of a measure, when a line is first sought and when it is followed again.
POINTS = (
    (3.96, 5.05),  # any note
    (0.72, 0.66),  # a note that sounds above it, of at most four
    (-0.30, -0.45),  # octaves to the next above
    (-0.07, -0.02),  # octaves to the next below
    (-0.52, -0.41),  # a note struck with it in its layer and as long, of at most three
    (1.54, 1.33),  # log2 of its beats
    (1.93, 3.11),  # octaves above what is usual around
    (-0.66, 0.41),  # the same squared
    (0.32, 0.32),  # comes by step
    (0.87, 0.80),  # goes on by step
    (0.08, 0.12),  # a leap from and to notes as long
    (-0.34, -0.34),  # a leap on one side
    (-1.01, -0.90),  # notes as long on both sides
    (-0.74, -0.66),  # log of how often its pitch recurs within a bar
    (0.66, 0.69),  # log of the notes of its layer within a beat
    (1.60, 1.33),  # share of its time on top
    (0.41, 0.30),  # log2 of its beats if on top
    (-1.78, -1.73),  # leaps on both sides if on top
    (-3.33, -3.57),  # share of notes as long within a bar
    (2.15, 2.20),  # the same if on top
    (-0.04, -0.13),  # a note as long one beat off
    (-0.84, -0.83),  # a note as long one bar off
    (-1.19, -1.10),  # begins off the beat
    (0.00, -1.53),  # octaves above the line
    (0.00, -1.94),  # the same squared
    (0.00, -0.96),  # how much longer or shorter than the line's notes, log2
)
# What a way adds by its leap (unison, up to 2, 4, 5, 7, 9, 12 semitones, wider) and by its rest (see best_line). Set by
# hand are the widest leap and the small overlap: no voice does the one, and no singer the other, but players do both.
LEAP_POINTS = (
    (-0.42, 0.8, -0.29, -0.62, -1.37, -1.86, -2.65, -3.5),
    (-0.84, 0.37, -0.69, -0.96, -1.59, -2.02, -2.62, -3.5),
)
REST_POINTS = (
    (-9.91, -5.58, 1.5, 1.47, 1.61, 1.85, 1.75, 0.34, -2.32),
    (-8.29, -5.38, 1.5, 1.13, 1.2, 1.41, 1.2, -0.26, -3.04),
)
_LEAP_BOUNDS = (0, 2, 4, 5, 7, 9, 12)  # widest interval of each kind of leap, in semitones
# Points of a note by its program: (first, last, points); by families of General MIDI where nothing else is said.
PROGRAM_POINTS = (
    (8, 15, 0.2),
    (16, 23, -0.2),
    (24, 31, -0.4),
    (28, 28, -1.5),
    (32, 39, -5.0),
    (43, 43, -3.0),
    (44, 44, -1.0),
    (45, 45, -0.7),
    (46, 46, -0.7),
    (47, 47, -9.0),
    (48, 51, -0.6),
    (55, 55, -2.0),
    (56, 60, 0.6),
    (58, 58, -2.0),
    (64, 79, 0.8),
    (80, 86, 1.0),
    (87, 87, -1.0),
    (88, 95, -1.5),
    (96, 103, -1.0),
    (104, 111, 0.2),
    (112, 127, -3.0),
)


def per_semitone(kinds: tuple[float, ...]) -> Floats:
    """What a step of each number of semitones adds, the last for all wider ones, from that of each kind of leap."""
    bounds = np.array(_LEAP_BOUNDS)
    return np.array([kinds[int(np.searchsorted(bounds, step))] for step in range(bounds[-1] + 2)])
