"""Whether what was heard in a recording can be believed to be its music."""

from __future__ import annotations

import numpy as np

from lstm_core.errors import RecordingError
from lstm_core.hearing.beat_grid import GriddedScore
from lstm_core.hearing.transcription import Transcription

# A talking voice is heard as short notes that keep no beat. Nine voices of a speech synthesiser (seven languages) and
# six made of filtered pulses had median lengths of 0.064 to 0.119 s, and a beat was found in one of them, with 0.66 of
# its onsets on the grid. Of nine pieces of music the shortest median was 0.131 s, the least share 0.93. November 2026.
SPOKEN_NOTE_S = 0.125
SPOKEN_GRID_SHARE = 0.75
_LEAST_NOTES_PER_DRUM = 0.5  # where drums dominate, the few notes are not what tells


def check_credible(gridded: GriddedScore, transcription: Transcription, least_confidence: float) -> None:
    """Nothing, where what was heard may well be music.

    Raises:
        RecordingError: of stage "transcribe", with the figure and its bound.
    """
    if gridded.confidence < least_confidence:
        raise RecordingError(
            "transcribe",
            f"what is heard in it cannot be believed: confidence {gridded.confidence:.2f}, under "
            f"{least_confidence:.2f} (listen.least_confidence)",
        )
    notes = transcription.notes
    if len(notes) == 0 or len(notes) < _LEAST_NOTES_PER_DRUM * len(transcription.drums):
        return
    length_s = float(np.median(notes["offset_s"] - notes["onset_s"]))
    keeps_time = gridded.beats.has_beat and gridded.grid_share >= SPOKEN_GRID_SHARE
    if length_s < SPOKEN_NOTE_S and not keeps_time:
        raise RecordingError(
            "transcribe",
            f"sounds like speech: no beat, and half of its notes last less than {length_s:.3f} s",
        )
