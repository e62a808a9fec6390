"""Points of notes and of transitions on the path of a melody: tables that melody.py reads."""

from __future__ import annotations

import numpy as np

from lstm_core.analysis.grid import Floats

# Points of a note per unit of a measure, in the first search for a line and in the second.
POINTS = (
    (3.25, 4.46),  # any note
    (0.72, 0.63),  # a note that sounds above it, of at most four
    (-0.52, -0.59),  # octaves to the next above
    (-0.14, -0.10),  # octaves to the next below
    (-0.52, -0.38),  # a note struck with it in its layer and as long, of at most three
    (1.60, 1.29),  # log2 of its beats
    (1.76, 2.89),  # octaves above what is usual around
    (-0.66, 0.62),  # the same squared
    (0.36, 0.28),  # comes by step
    (1.05, 0.89),  # goes on by step
    (0.00, 0.07),  # a leap from and to notes as long
    (-0.38, -0.40),  # a leap on one side
    (-0.95, -0.88),  # notes as long on both sides
    (-0.88, -0.73),  # log of how often its pitch recurs within a bar
    (0.84, 0.89),  # log of the notes of its layer within a beat
    (1.51, 1.13),  # share of its time on top
    (0.51, 0.36),  # log2 of its beats if on top
    (-1.80, -1.56),  # leaps on both sides if on top
    (-3.64, -3.82),  # share of notes as long within a bar
    (2.37, 2.39),  # the same if on top
    (-0.07, -0.17),  # a note as long one beat off
    (-0.90, -0.90),  # a note as long one bar off
    (-1.26, -1.18),  # begins off the beat
    (0.00, -1.44),  # octaves above the line
    (0.00, -2.33),  # the same squared
    (0.00, -1.25),  # how much longer or shorter than the line's notes, log2
)
# What a way adds by its leap (unison, up to 2, 4, 5, 7, 9, 12 semitones, wider) and by its rest (see best_line). Set by
# hand are the widest leap and the small overlap: no voice sings either, but instruments play both.
LEAP_POINTS = (
    (0.01, 1.18, 0.1, -0.25, -1.02, -1.69, -2.53, -3.5),
    (-0.47, 0.73, -0.31, -0.59, -1.22, -1.76, -2.38, -3.5),
)
REST_POINTS = (
    (-9.54, -5.36, 1.5, 1.81, 1.92, 2.13, 1.87, 0.27, -2.13),
    (-7.56, -4.93, 1.5, 1.46, 1.48, 1.65, 1.34, -0.26, -2.96),
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
