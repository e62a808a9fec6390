"""Melodies drawn by chance, as lines and as scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import Score, make_notes

GAPS = np.array([6, 12, 12, 24, 36])  # ticks from onset to onset

Ints = npt.NDArray[np.int64]


def random_melody(seed: int, num_notes: int) -> tuple[Ints, Ints]:
    """Onsets and pitches of a melody of steps and leaps within two octaves: int64 [num_notes] each."""
    random = np.random.default_rng(seed)
    pitch = 60 + np.abs(np.cumsum(random.integers(-7, 8, num_notes)) % 48 - 24)
    return np.cumsum(random.choice(GAPS, num_notes)), pitch


def score_of(onset: Ints, pitch: Ints, *, program: int = 73) -> Score:
    """One line on one instrument, each note as long as the shortest gap."""
    one = np.ones_like(onset)
    return Score(notes=make_notes(np.stack([onset, 6 * one, program * one, pitch, 80 * one], axis=1)))


def joined(*scores: Score) -> Score:
    """All notes of several scores at once."""
    rows = [[score.notes[name].astype(np.int64) for name in ("onset", "duration", "program", "pitch", "velocity")]
            for score in scores]  # fmt: skip
    return Score(notes=make_notes(np.concatenate([np.stack(columns, axis=1) for columns in rows])))
