"""Who plays what: each note of a transcription gets a role, and each role an instrument that could play it.

A transcriber returns notes without parts. The lowest line in its register is the bass, the uppermost line (the skyline
of Uitdenbogerd and Zobel, "Manipulation of music for melody matching", 1998) the melody, the rest harmony. Both lines
are followed over time, so that a part does not change at every rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import NoteArray

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ROLE_NAMES = ("bass", "melody", "harmony", "drums")
BASS_ROLE, MELODY_ROLE, HARMONY_ROLE, DRUM_ROLE = range(4)
DRUM_KEYS = (36, 38, 42, 45, 49)  # General MIDI keys of transcription.DRUM_NAMES: kick, snare, closed hat, tom, crash

WINDOW_BARS = 8  # over which a register is looked at
HIGHEST_BASS = 62  # no bass note lies above the D over middle C
BASS_REACH = 13  # semitones above the low quarter of the lowest notes
MELODY_REACH = 7  # semitones below the usual pitch of the uppermost notes
CHORD_NOTES = 3  # notes struck at once from which on the top one may be no melody
SWITCH_COST = 1.0  # of a line that stops or returns, in units of evidence
SOLO_POLYPHONY = 1.15  # notes at once: below it the music is one line
LOW_LINE = 45  # median pitch below which one line alone is a bass
COUNTED_NOTES = 1024  # whose pitches are counted at once; for the 59,400 of a recording of 3 h that took 100 MB
RELEASE_TICKS = 2  # a note that ends so soon after another begins does not sound with it

# Of each role the programs by register or articulation: (up to this figure, program), the last for all the rest.
_BASS = {True: ((np.inf, 33),), False: ((20.0, 32), (np.inf, 43))}  # with drums a finger bass; by median length
_SUNG = ((55.0, 42), (67.0, 71), (79.0, 40), (np.inf, 73))  # cello, clarinet, violin, flute by mean pitch
_STRUCK = ((60.0, 24), (84.0, 0), (np.inf, 11))  # guitar, piano, vibraphone by mean pitch
_HARMONY = {True: ((14.0, 27), (36.0, 4), (np.inf, 48)), False: ((14.0, 24), (36.0, 0), (np.inf, 48))}
SUNG_TICKS = 11  # median length of a melody from which on it is sung rather than struck


def assign_roles(notes: NoteArray, bar_ticks: int) -> Ints:
    """Role of each melodic note: BASS_ROLE, MELODY_ROLE or HARMONY_ROLE, int64 [N]. Notes are in order of onsets."""
    roles = np.full(len(notes), HARMONY_ROLE, dtype=np.int64)
    if len(notes) == 0:
        return roles
    onset = notes["onset"].astype(np.int64)
    end = onset + np.maximum(notes["duration"].astype(np.int64) - RELEASE_TICKS, 1)
    pitch = notes["pitch"].astype(np.int64)
    everything = np.ones(len(notes), dtype=bool)
    low, _, sounding = _outline(onset, end, pitch, everything)
    if sounding[sounding > 0].mean() < SOLO_POLYPHONY:
        roles[:] = BASS_ROLE if np.median(pitch) < LOW_LINE else MELODY_ROLE
        return roles
    window = WINDOW_BARS * bar_ticks
    is_bass = _bass(onset, pitch, low, sounding, window)
    roles[is_bass] = BASS_ROLE
    struck_together = _struck_together(onset, ~is_bass)
    is_pad = (end - onset >= bar_ticks - RELEASE_TICKS) & (struck_together >= 2)
    _, high, _ = _outline(onset, end, pitch, ~is_bass & ~is_pad)
    _, high_of_all, _ = _outline(onset, end, pitch, ~is_bass)
    top = np.where(high[onset] >= 0, high[onset], high_of_all[onset])
    is_melody = _melody(onset, pitch, top, ~is_bass, struck_together, window)
    roles[is_melody] = MELODY_ROLE
    return roles


def programs_for(notes: NoteArray, roles: Ints, *, has_drums: bool) -> tuple[int, int, int]:
    """A General MIDI program for bass, melody and harmony, by register and length of their notes."""
    medians = [
        float(np.median(notes["duration"][roles == role])) if (roles == role).any() else 0.0 for role in range(3)
    ]
    melody = notes["pitch"][roles == MELODY_ROLE]
    mean_pitch = float(melody.mean()) if len(melody) else 0.0
    return (
        _up_to(medians[BASS_ROLE], _BASS[has_drums]),
        _up_to(mean_pitch, _SUNG if medians[MELODY_ROLE] >= SUNG_TICKS else _STRUCK),
        _up_to(medians[HARMONY_ROLE], _HARMONY[has_drums]),
    )


def _up_to(figure: float, table: tuple[tuple[float, int], ...]) -> int:
    return next(program for bound, program in table if figure < bound)


def _outline(onset: Ints, end: Ints, pitch: Ints, is_in: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Lowest (128 in silence) and highest pitch (-1) at each tick, and how many notes sound: int64 [ticks] each."""
    size = int(end.max()) + 1
    low, high, sounding = np.full(size, 128), np.full(size, -1), np.zeros(size, dtype=np.int64)
    rows = zip(onset[is_in].tolist(), end[is_in].tolist(), pitch[is_in].tolist(), strict=True)
    for first, stop, height in rows:
        low[first:stop] = np.minimum(low[first:stop], height)
        high[first:stop] = np.maximum(high[first:stop], height)
        sounding[first:stop] += 1
    return low, high, sounding


def _struck_together(onset: Ints, is_in: npt.NDArray[np.bool_]) -> Ints:
    """How many of the notes that are in begin with each note: int64 [N]."""
    counts = np.bincount(onset[is_in], minlength=int(onset.max()) + 1)
    together: Ints = counts[onset]
    return together


def _bass(onset: Ints, pitch: Ints, low: Ints, sounding: Ints, window: int) -> npt.NDArray[np.bool_]:
    """Which notes are of the bass line."""
    lowest = np.flatnonzero((pitch == low[onset]) & (pitch <= HIGHEST_BASS))
    is_bass = np.zeros(len(onset), dtype=bool)
    in_company = sounding[onset[lowest]] > 1
    if not in_company.any():
        return is_bass
    usual = _running_quantile(onset[lowest], pitch[lowest], in_company, 0.25, window)
    evidence = (usual + BASS_REACH - pitch[lowest]) / 5.0
    is_bass[lowest[_smoothed(evidence)]] = True
    return is_bass


def _melody(
    onset: Ints, pitch: Ints, top: Ints, is_in: npt.NDArray[np.bool_], struck_together: Ints, window: int
) -> npt.NDArray[np.bool_]:
    """Which notes are of the melody."""
    uppermost = np.flatnonzero(is_in & (pitch == top))
    is_melody = np.zeros(len(onset), dtype=bool)
    if len(uppermost) == 0:
        return is_melody
    is_chord = struck_together[uppermost] >= CHORD_NOTES
    everything = np.ones(len(uppermost), dtype=bool)
    usual = _running_quantile(onset[uppermost], pitch[uppermost], everything, 0.6, window)
    share = _running_mean(onset[uppermost], is_chord.astype(np.float64), window)
    evidence = (pitch[uppermost] - usual + MELODY_REACH) / 5.0
    # Where the tops mostly stand alone, the top of a chord below them belongs to the accompaniment.
    evidence -= np.where(is_chord & (share < 0.5) & (pitch[uppermost] < usual), 1.0, 0.0)
    is_melody[uppermost[_smoothed(evidence)]] = True
    return is_melody


def _running_quantile(onset: Ints, pitch: Ints, is_in: npt.NDArray[np.bool_], share: float, window: int) -> Floats:
    """Quantile of the pitches that are in over half a window before and after each onset, from all where there are few.

    Pitches are few, so it is read off counts that are summed up along time, for COUNTED_NOTES after COUNTED_NOTES.
    """
    everywhere = np.bincount(pitch[is_in], minlength=128)
    found: Floats = np.zeros(len(onset))
    for begin in range(0, len(onset), COUNTED_NOTES):
        own = slice(begin, begin + COUNTED_NOTES)
        first = np.searchsorted(onset, onset[own] - window // 2)
        last = np.searchsorted(onset, onset[own] + window // 2, side="right")
        low, high = int(first.min()), int(last.max())
        inside = is_in[low:high]
        counts = np.zeros((high - low + 1, 128), dtype=np.int32)
        counts[np.arange(1, high - low + 1)[inside], pitch[low:high][inside]] = 1
        counts = np.cumsum(counts, axis=0, dtype=np.int32)
        near = counts[last - low] - counts[first - low]
        near = np.where(near.sum(axis=1, keepdims=True) >= 4, near, everywhere)
        ranks = np.cumsum(near, axis=1)
        found[own] = (ranks < share * ranks[:, -1:]).sum(axis=1)
    return found


def _running_mean(onset: Ints, values: Floats, window: int) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.searchsorted(onset, onset - window // 2)
    last = np.searchsorted(onset, onset + window // 2, side="right")
    mean: Floats = (sums[last] - sums[first]) / (last - first)
    return mean


def _smoothed(evidence: Floats) -> npt.NDArray[np.bool_]:
    """Yes or no for each of a sequence, by the walk of most evidence that pays for each change of mind."""
    gain = np.clip(evidence, -2.0, 2.0)
    yes, no = 0.0, 0.0
    was_yes = np.zeros((2, len(gain)), dtype=bool)
    for i, value in enumerate(gain.tolist()):
        was_yes[0, i] = yes - SWITCH_COST > no
        was_yes[1, i] = yes >= no - SWITCH_COST
        yes, no = max(yes, no - SWITCH_COST) + value, max(no, yes - SWITCH_COST)
    answer = np.zeros(len(gain), dtype=bool)
    current = yes >= no
    for i in range(len(gain) - 1, -1, -1):
        answer[i] = current
        current = bool(was_yes[int(current), i])
    return answer
