"""How many melodic notes sound together, and a bound for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, NoteArray


def most_together(notes: NoteArray) -> int:
    """The largest number of melodic notes that sound at once."""
    melodic = notes[notes["program"] != DRUMS]
    if len(melodic) == 0:
        return 0
    return int(_sounding_at(melodic).max())


def at_most_together(notes: NoteArray, polyphony: int) -> NoteArray:
    """The notes of which at most `polyphony` melodic ones sound at once: NOTE_DTYPE [N or fewer], in their order.

    Where more would sound, those that have sounded longest end when the new one begins; of more that begin together the
    ones of the last parts are left out. So what begins in equal bars stays equal.
    """
    if most_together(notes) <= polyphony:
        return notes
    limited, kept = notes.copy(), np.ones(len(notes), dtype=bool)
    sounding: list[int] = []
    order = np.lexsort((notes["pitch"], notes["part"], notes["onset"]))
    for i in order[notes["program"][order] != DRUMS].tolist():
        onset = int(notes["onset"][i])
        sounding = [j for j in sounding if limited["onset"][j] + limited["duration"][j] > onset]
        if len(sounding) >= polyphony:
            oldest = min(sounding, key=lambda j: (limited["onset"][j], -int(limited["part"][j])))
            if limited["onset"][oldest] == onset:
                kept[i] = False
                continue
            limited["duration"][oldest] = onset - limited["onset"][oldest]
            sounding.remove(oldest)
        sounding.append(i)
    return limited[kept]


def _sounding_at(notes: NoteArray) -> npt.NDArray[np.int64]:
    """Notes that sound when each begins, itself included: int64 [N]."""
    onset = np.sort(notes["onset"].astype(np.int64))
    end = np.sort((notes["onset"] + notes["duration"]).astype(np.int64))
    return np.searchsorted(onset, onset, side="right") - np.searchsorted(end, onset, side="right")
