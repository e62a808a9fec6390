"""How many melodic notes sound together, and bounds for that and for how long notes sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS
from lstm_core.notes.score import DRUMS, NoteArray
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.plan.layout import Ints


def most_together(notes: NoteArray) -> int:
    """The largest number of melodic notes that sound at once."""
    melodic = notes[notes["program"] != DRUMS]
    if len(melodic) == 0:
        return 0
    return int(_sounding_at(melodic).max())


def at_most_together(notes: NoteArray, polyphony: int, roles: Ints) -> NoteArray:
    """The notes of which at most `polyphony` melodic ones sound at once: NOTE_DTYPE [N or fewer], in their order.

    Where more would sound, those that have sounded longest end when the new one begins. Of more that begin together the
    bass stays, and then the highest of the first parts. So what begins in equal bars stays equal, and the bass is kept.
    roles: that of each part, int64 [P].
    """
    if most_together(notes) <= polyphony:
        return notes
    limited, kept = notes.copy(), np.ones(len(notes), dtype=bool)
    sounding: list[int] = []
    rank = np.where(roles[notes["part"]] == BASS, -1, notes["part"].astype(np.int64))
    order = np.lexsort((-notes["pitch"].astype(np.int64), rank, notes["onset"]))
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


def beside(notes: NoteArray, staying: NoteArray, polyphony: int, roles: Ints) -> NoteArray:
    """The notes that have a free voice beside those that stay, and a pitch: NOTE_DTYPE [N or fewer].

    Where too many sound, those of `notes` end that have sounded longest, as in `at_most_together`; where all that sound
    stay, a note is left out. So is one whose pitch sounds, and a note ends where its pitch begins again.
    """
    free = _with_free_pitch(notes, staying)
    melodic = staying[staying["program"] != DRUMS]
    onset, end = np.sort(melodic["onset"]), np.sort(melodic["onset"] + melodic["duration"])
    limited, kept = free.copy(), np.ones(len(free), dtype=bool)
    rank = np.where(roles[free["part"]] == BASS, -1, free["part"].astype(np.int64))
    order = np.lexsort((-free["pitch"].astype(np.int64), rank, free["onset"]))
    waiting = [(int(free["onset"][i]), i) for i in order.tolist() if free["program"][i] != DRUMS]
    sounding: list[int] = []
    for tick, i in sorted([*waiting, *((tick, -1) for tick in set(onset.tolist()))], key=lambda event: event[0]):
        sounding = [j for j in sounding if limited["onset"][j] + limited["duration"][j] > tick]
        num_staying = int(np.searchsorted(onset, tick, side="right") - np.searchsorted(end, tick, side="right"))
        num_left = polyphony - num_staying - (i >= 0)
        while len(sounding) > max(num_left, 0):
            oldest = min(sounding, key=lambda j: (limited["onset"][j], -int(limited["part"][j])))
            if limited["onset"][oldest] == tick:
                break
            limited["duration"][oldest] = tick - limited["onset"][oldest]
            sounding.remove(oldest)
        if i >= 0:
            kept[i] = len(sounding) <= num_left
            sounding += [i] if kept[i] else []
    return limited[kept]


def _with_free_pitch(notes: NoteArray, staying: NoteArray) -> NoteArray:
    """The notes but for those whose pitch sounds in what stays, each ended where its pitch begins there again."""
    limited, kept = notes.copy(), np.ones(len(notes), dtype=bool)
    voice, own = (one["program"].astype(np.int64) * 128 + one["pitch"] for one in (staying, notes))
    for i in np.flatnonzero(np.isin(own, voice)).tolist():
        same, begin = staying[voice == own[i]], int(notes["onset"][i])
        kept[i] = not ((same["onset"] <= begin) & (same["onset"] + same["duration"] > begin)).any()
        stop = int(same["onset"][same["onset"] > begin].min(initial=begin + notes["duration"][i]))
        limited["duration"][i] = stop - begin
    return limited[kept]


def ended_by(notes: NoteArray, tick: int) -> NoteArray:
    """The notes of which those that begin before a tick end by it; as they are for 0."""
    if tick == 0:
        return notes
    ended = notes.copy()
    begun = notes["onset"] < tick
    ended["duration"][begun] = np.minimum(notes["duration"], tick - notes["onset"])[begun]
    return ended


def with_chord_held(notes: NoteArray, plan: TrackPlan) -> NoteArray:
    """The notes of which all melodic ones of the last chord last as long as it may."""
    if plan.final_bar is None:
        return notes
    held = notes.copy()
    is_last = (notes["onset"] == plan.tick_of(plan.final_bar)) & (notes["program"] != DRUMS)
    held["duration"][is_last] = plan.final_hold_ticks
    return held


def _sounding_at(notes: NoteArray) -> npt.NDArray[np.int64]:
    """Notes that sound when each begins, itself included: int64 [N]."""
    onset = np.sort(notes["onset"].astype(np.int64))
    end = np.sort((notes["onset"] + notes["duration"]).astype(np.int64))
    return np.searchsorted(onset, onset, side="right") - np.searchsorted(end, onset, side="right")
