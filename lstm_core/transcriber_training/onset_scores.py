"""How well transcribed onsets agree with those that were played: precision, recall, F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TOLERANCE_S = 0.05  # of notes and drums, as in C. Raffel and others, mir_eval (2014)
BEAT_TOLERANCE_S = 0.07


class OnsetScore(NamedTuple):
    matched: int
    transcribed: int
    played: int

    @property
    def precision(self) -> float:
        """Share of the transcribed onsets that were played; 0 where nothing was transcribed."""
        return self.matched / self.transcribed if self.transcribed else 0.0

    @property
    def recall(self) -> float:
        """Share of the played onsets that were transcribed; 0 where nothing was played."""
        return self.matched / self.played if self.played else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 1 where nothing was played and nothing transcribed."""
        return 2 * self.matched / (self.transcribed + self.played) if self.transcribed + self.played else 1.0


def score_onsets(
    transcribed_s: npt.NDArray[np.floating],
    transcribed_kind: npt.NDArray[np.integer],
    played_s: npt.NDArray[np.floating],
    played_kind: npt.NDArray[np.integer],
    *,
    tolerance_s: float = TOLERANCE_S,
) -> OnsetScore:
    """Score of onsets that count as equal when their kind (a pitch, a drum) is and their times nearly are.

    Each is matched once. Going through both in order of time, the earliest that is near enough, matches as many as any
    other way does, for all tolerances are equal.
    """
    matched = 0
    for kind in np.intersect1d(transcribed_kind, played_kind):
        a = np.sort(transcribed_s[transcribed_kind == kind]).tolist()
        b = np.sort(played_s[played_kind == kind]).tolist()
        i = j = 0
        while i < len(a) and j < len(b):
            if abs(a[i] - b[j]) <= tolerance_s:
                matched, i, j = matched + 1, i + 1, j + 1
            elif a[i] < b[j]:
                i += 1
            else:
                j += 1
    return OnsetScore(matched, len(transcribed_s), len(played_s))
