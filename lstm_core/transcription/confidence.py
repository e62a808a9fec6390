"""How far a transcription can be believed to be of music.

The constants were chosen so that renders of validation pieces stay above what is transcribed from noise, wind, hum,
engines, keys of a typewriter, glissandi, syllables of one voice and of twelve (the bound: lstm_core.recordings.limits).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.transcription.beats.tracking import Beats
from lstm_core.transcription.transcription import Transcription

UNSURE, SURE = 0.5, 0.85  # mean confidence of notes transcribed from noise, and from clearly played single instruments
SHORT_S, SHORT_SHARE = 0.08, 0.1  # music holds at most so many shorter notes; of speech it is a quarter to a third
SHORT_WEIGHT = 2.0
WITHOUT_BEAT = 0.4  # of the confidence that is left where no beat is found
NEAR_SHARE_OF_CHANCE = 0.5  # about what onsets at random reach of Quantised.is_near


def confidence_of(transcription: Transcription, beats: Beats, grid_share: float) -> float:
    """How far a transcription can be believed, 0 to 1: c * f * (0.4 + 0.6 * sqrt(g * s)).

    c is how sure the notes are, from UNSURE to SURE, or the drum hits where those are surer; hits count only where
    there is a beat, as clicks and knocks sound like them. f falls with the share of notes under SHORT_S. g is the
    share of moments near the grid, counted from what moments at random reach, and s the strength of the beat; both
    are 0 without a beat.
    """
    notes, hits = transcription.notes, transcription.drums
    certainty = max(_certainty(notes), _certainty(hits) if beats.has_beat else 0.0)
    short = float(np.mean(notes["offset_s"] - notes["onset_s"] < SHORT_S)) if len(notes) else 0.0
    length = max(1.0 - SHORT_WEIGHT * max(short - SHORT_SHARE, 0.0), 0.0)
    beat = 0.0
    if beats.has_beat:
        above_chance = max(grid_share - NEAR_SHARE_OF_CHANCE, 0.0) / (1.0 - NEAR_SHARE_OF_CHANCE)
        beat = float(np.sqrt(above_chance * beats.strength))
    return certainty * length * (WITHOUT_BEAT + (1.0 - WITHOUT_BEAT) * beat)


def _certainty(transcribed: npt.NDArray[np.void]) -> float:
    if len(transcribed) == 0:
        return 0.0
    return float(np.clip((transcribed["confidence"].mean() - UNSURE) / (SURE - UNSURE), 0.0, 1.0))
