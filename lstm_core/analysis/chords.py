"""A chord for each slot of a piece: root, quality and bass, and the key of each bar.

The model of a slot is pitch classes drawn from the chord: each of its tones is likely, another tone of the key less
so, any other rare; the lowest line is drawn separately, mostly from the root. Keys and chords are the most likely paths
of two hidden Markov models, as in Raphael and Stoddard, "Functional harmonic analysis using probabilistic models",
Computer Music Journal 28 (2004). Templates weighed by duration and bass: Pardo and Birmingham, "Algorithms for chordal
analysis", Computer Music Journal 26 (2002). Keys: profiles of Albrecht and Shanahan, "The use of large corpora to
train a new type of key-finding algorithm", Music Perception 31 (2013), in the Bayesian manner of Temperley, "Music and
Probability" (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lstm_core.analysis.grid import Bools, Floats, Grid, Ints, spread
from lstm_core.analysis.paths import best_path
from lstm_core.foundation.elementary.powers import exp, exp2, log, log2
from lstm_core.notes.chord_symbols import CHORD_STEPS, NO_CHORD, QUALITIES
from lstm_core.notes.score import TICKS_PER_QUARTER, NoteArray

# Prior log-odds of a quality: a triad unless the tones indicate more.
_QUALITY_PRIOR = np.array([0.0, 0.0, -0.9, -1.8, -2.0, -1.6, -0.3, -0.9, -0.6, -0.9, -1.1, -1.1])
_TONE_WEIGHTS = (1.0, 0.85, 0.7, 0.55)  # how often root, third, fifth and seventh sound, in units of the root
_IN_KEY, _OUT_OF_KEY = 0.1, 0.03  # the same of any other tone
_BASS_SHARES = (0.62, 0.13, 0.12, 0.05)  # of the lowest line, by tone of the chord; the rest is shared by all others
_POWER_BASS = (0.75, 0.12)
_OTHER_BASS = 0.015
_NUM_TONES = 3.2  # a full slot counts as so many independent tones
_NUM_MORE_TONES = 0.6  # more for each pitch class that sounds throughout besides one
_NUM_BASS_TONES = 1.2  # and its lowest line as so many
_FIFTHS_TOGETHER = 0.6  # more for a bare fifth where parts sound together: a lone line gives no evidence about thirds
_OUTSIDE = 0.6  # what a tone of the chord outside the key costs
_DEGREE_BONUS = {0: 0.65, 7: 0.6, 5: 0.45, 2: 0.1, 9: 0.15}  # of roots above the tonic
_CHANGE_AT_BAR, _CHANGE_IN_BAR = -0.6, -1.2  # log-odds of another root
_NEW_QUALITY = -1.1  # of another quality on the same root
_ROOT_MOTION = {5: 0.5, 7: 0.25, 2: 0.1, 10: 0.1, 9: 0.0, 3: -0.1, 8: -0.1, 4: -0.1, 11: -0.3, 1: -0.3, 6: -0.5}

_MAJOR_KEY = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR_KEY = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10, 11))  # tones of the key; in minor both sevenths
_KEY_CHANGE = -9.0
_KEY_TONES = 4.0  # a bar counts as so many tones when its key is sought
_LAST_TONIC = 0.3  # what the last note of a tune adds to the keys of which it is the tonic
_OFF_CHORD = 1.2  # what a note of a tune costs that begins with a slot and is no tone of the chord
_UNPITCHED = (113, *range(115, 128))  # General MIDI programs whose pitch names no tone


@dataclass(frozen=True, kw_only=True, eq=False)
class Chords:
    root: Ints  # pitch class or NO_CHORD: int64 [slots]
    quality: Ints  # index into QUALITIES or NO_CHORD: int64 [slots]
    bass: Ints  # pitch class or NO_CHORD: int64 [slots]
    bar_key: Ints  # tonic 0..11, plus 12 in minor: int64 [bars]


def is_unpitched(notes: NoteArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which notes name no tone: drums, and programs of drums and noises: bool [N]."""
    return np.isin(notes["program"], _UNPITCHED) | (notes["program"] > 127)


def find_chords(notes: NoteArray, grid: Grid) -> Chords:
    """Chords of all slots and keys of all bars, from the notes that have a pitch."""
    notes = notes[~is_unpitched(notes)]
    none = np.full(grid.num_slots, NO_CHORD, dtype=np.int64)
    if len(notes) == 0:
        return Chords(root=none, quality=none, bass=none, bar_key=np.zeros(grid.num_bars, dtype=np.int64))
    profile = _profiles(notes, grid)
    lowest, certainty = _lowest_line(notes, grid)
    bar_key = _keys(profile, grid)
    scores = _chord_scores(profile, lowest, certainty, bar_key[grid.slot_bar])
    starts_bar = np.diff(grid.slot_bar, prepend=-1) > 0
    state = best_path(scores, _changes(), (~starts_bar).astype(np.int64))
    root, quality = state // len(QUALITIES), state % len(QUALITIES)
    silent = _long_silence(profile.sum(axis=1) == 0, grid)
    lowest_class = np.where(lowest.sum(axis=1) > 0, lowest.argmax(axis=1), root)
    bass = np.where(certainty > 0.3, lowest_class, root)
    return Chords(
        root=np.where(silent, NO_CHORD, root),
        quality=np.where(silent, NO_CHORD, quality),
        bass=np.where(silent, NO_CHORD, bass),
        bar_key=bar_key,
    )


def tune_key(notes: NoteArray, grid: Grid) -> int:
    """Key of a tune as a whole, tonic 0..11, plus 12 in minor: by all its notes, and the last one most of all."""
    profile = _profiles(notes, grid).sum(axis=0)
    rows = [np.roll(tones, tonic) for tones in (_MAJOR_KEY, _MINOR_KEY) for tonic in range(12)]
    scores = np.einsum("ij,j->i", log(12.0 * np.array(rows)), profile / profile.sum())
    last = int(notes["pitch"][notes["onset"].argmax()]) % 12
    scores[[last, last + 12]] += _LAST_TONIC
    return int(scores.argmax())


def find_tune_chords(notes: NoteArray, grid: Grid, key: int) -> Chords:
    """Chords that a tune in a key can be accompanied with; notes that begin with a slot are tones of them, if they can.

    The bass is the root: a tune says nothing of it.
    """
    profile = _profiles(notes, grid)
    lowest, certainty = _lowest_line(notes, grid)
    bar_key = np.full(grid.num_bars, key, dtype=np.int64)
    scores = _chord_scores(profile, lowest, certainty, bar_key[grid.slot_bar])
    onset = notes["onset"].astype(np.int64)
    slot = grid.slot_of(onset)
    begins = onset == grid.slots[slot]
    scores[slot[begins]] -= _OFF_CHORD * ~_members()[:, notes["pitch"][begins] % 12].T
    starts_bar = np.diff(grid.slot_bar, prepend=-1) > 0
    state = best_path(scores, _changes(), (~starts_bar).astype(np.int64))
    silent = _long_silence(profile.sum(axis=1) == 0, grid)
    root = np.where(silent, NO_CHORD, state // len(QUALITIES))
    return Chords(root=root, quality=np.where(silent, NO_CHORD, state % len(QUALITIES)), bass=root, bar_key=bar_key)


def _profiles(notes: NoteArray, grid: Grid) -> Floats:
    """Weight of each pitch class in each slot, in shares of a slot that sounds throughout: float64 [slots, 12]."""
    onset = notes["onset"].astype(np.int64)
    note, slot, shared = spread(onset, onset + notes["duration"], grid.slots)
    length = np.diff(grid.slots)[slot]
    late = onset[note] - grid.slots[slot]
    beat = grid.bar_beats[grid.slot_bar[slot]]
    accent = np.select(
        [late == 0, late < 0, late % beat == 0], [1.25, np.where(2 * shared >= length, 1.0, 0.5), 1.0], 0.8
    )
    weight = np.maximum(shared, TICKS_PER_QUARTER // 4) / length * accent
    flat = np.bincount(slot * 12 + notes["pitch"][note] % 12, weights=weight, minlength=grid.num_slots * 12)
    compressed = exp2(0.8 * log2(flat.reshape(-1, 12)))  # a tone doubled in three octaves is still one tone
    return compressed


def _lowest_line(notes: NoteArray, grid: Grid) -> tuple[Floats, Floats]:
    """Share of each pitch class in the lowest line of each slot, and how much of a bass it is, 0 to 1.

    float64 [slots, 12] and [slots]. The line is the lowest pitch that sounds at each tick, where that is not more than
    an octave above the lowest of the slot; the first half counts double.
    """
    onset = notes["onset"].astype(np.int64)
    end = np.minimum(onset + notes["duration"], grid.slots[-1])
    size = int(grid.slots[-1])
    low, sounding = np.full(size, 128), np.zeros(size + 1, dtype=np.int64)
    for first, stop, pitch in sorted(
        zip(onset.tolist(), end.tolist(), notes["pitch"].tolist(), strict=True), key=lambda row: -row[2]
    ):
        low[first:stop] = pitch
    np.add.at(sounding, onset, 1)
    np.add.at(sounding, end, -1)
    sounding = np.cumsum(sounding)[:-1]
    slot = np.repeat(np.arange(grid.num_slots), np.diff(grid.slots))
    floor = np.minimum.reduceat(low, grid.slots[:-1])
    is_in = (low < 128) & (low <= floor[slot] + 12)
    half = grid.slots[:-1] + np.diff(grid.slots) // 2
    weight = np.where(np.arange(size) < half[slot], 2.0, 1.0)
    line = np.bincount((slot * 12 + low % 12)[is_in], weights=weight[is_in], minlength=grid.num_slots * 12)
    line = line.reshape(-1, 12)
    line = line / np.maximum(line.sum(axis=1, keepdims=True), 1e-9)
    busy = np.add.reduceat((sounding > 0).astype(np.float64), grid.slots[:-1])
    polyphony = np.add.reduceat(sounding.astype(np.float64), grid.slots[:-1]) / np.maximum(busy, 1.0)
    height = np.clip((64.0 - floor) / 12.0, 0.0, 1.0)  # a line above middle C is no bass
    certainty = np.clip(polyphony - 1.0, 0.0, 1.0) * (0.4 + 0.6 * height)
    broken = np.where(floor < 128, 0.9 * height, 0.0)  # a chord may be broken: its first and lowest note is the bass
    return line, np.maximum(certainty, broken)


def _keys(profile: Floats, grid: Grid) -> Ints:
    """Key of each bar: int64 [bars]."""
    bars = np.zeros((grid.num_bars, 12))
    np.add.at(bars, grid.slot_bar, profile)
    shares = bars / np.maximum(bars.sum(axis=1, keepdims=True), 1e-9)
    rows = [np.roll(tones, tonic) for tones in (_MAJOR_KEY, _MINOR_KEY) for tonic in range(12)]
    scores = np.einsum("ij,kj->ik", _KEY_TONES * shares, log(12.0 * np.array(rows)))
    changes = np.where(np.eye(24, dtype=bool), 0.0, _KEY_CHANGE)[None]
    keys: Ints = best_path(scores, changes, np.zeros(len(scores), dtype=np.int64))
    return keys


def _chord_scores(profile: Floats, lowest: Floats, certainty: Floats, key: Ints) -> Floats:
    """Log-likelihood of each chord in each slot, and its prior in the key: float64 [slots, 12 * qualities]."""
    tones, basses, prior = _tables()
    mass = profile.sum(axis=1)
    shares = profile / np.maximum(mass, 1e-9)[:, None]
    num_tones = _NUM_TONES * (1.0 - exp(-mass)) + _NUM_MORE_TONES * np.maximum(mass - 1.2, 0.0)
    scores = np.zeros((len(profile), len(basses)))
    for found in np.unique(key).tolist():
        rows = key == found
        scores[rows] = num_tones[rows, None] * np.einsum("ij,kj->ik", shares[rows], tones[found]) + prior[found]
    scores += (_NUM_BASS_TONES * certainty)[:, None] * np.einsum("ij,kj->ik", lowest, basses)
    fifths = np.arange(scores.shape[1]) % len(QUALITIES) == QUALITIES.index("5")
    scores[:, fifths] += _FIFTHS_TOGETHER * np.maximum(2.0 * certainty - 1.0, 0.0)[:, None]
    return scores


@lru_cache(maxsize=1)
def _tables() -> tuple[Floats, Floats, Floats]:
    """Logs of the tones of each chord in each key, of its basses, and its prior in each key.

    float64 [24, chords, 12], [chords, 12] and [24, chords]; all relative to a tone of equal probability.
    """
    num_chords = 12 * len(QUALITIES)
    in_key = np.zeros((24, 12), dtype=bool)
    for key in range(24):
        in_key[key, [(key + step) % 12 for step in _SCALES[key // 12]]] = True
    tones = np.repeat(np.where(in_key, _IN_KEY, _OUT_OF_KEY)[:, None], num_chords, axis=1)
    basses = np.full((num_chords, 12), _OTHER_BASS)
    prior = np.zeros((24, num_chords))
    for chord in range(num_chords):
        root, quality = divmod(chord, len(QUALITIES))
        members = [(root + step) % 12 for step in CHORD_STEPS[quality]]
        is_power = len(members) == 2
        tones[:, chord, members] = (1.0, 0.8) if is_power else _TONE_WEIGHTS[: len(members)]
        basses[chord, members] = _POWER_BASS if is_power else _BASS_SHARES[: len(members)]
        outside = (~in_key[:, members]).sum(axis=1)
        degree = [_DEGREE_BONUS.get((root - key) % 12, 0.0) for key in range(24)]
        prior[:, chord] = _QUALITY_PRIOR[quality] - _OUTSIDE * outside + np.array(degree)
    tones = log(12.0 * tones / tones.sum(axis=2, keepdims=True))
    basses = log(12.0 * basses / basses.sum(axis=1, keepdims=True))
    return tones, basses, prior


@lru_cache(maxsize=1)
def _members() -> Bools:
    """Whether each pitch class is a tone of each chord: bool [chords, 12]."""
    table = np.zeros((12 * len(QUALITIES), 12), dtype=bool)
    for chord in range(len(table)):
        root, quality = divmod(chord, len(QUALITIES))
        table[chord, [(root + step) % 12 for step in CHORD_STEPS[quality]]] = True
    return table


@lru_cache(maxsize=1)
def _changes() -> Floats:
    """Score of each chord after each other, at a barline and within a bar: float64 [2, chords, chords]."""
    roots, qualities = np.divmod(np.arange(12 * len(QUALITIES)), len(QUALITIES))
    motion = (roots[None, :] - roots[:, None]) % 12
    table = np.array([0.0] + [_ROOT_MOTION[step] for step in range(1, 12)])[motion]
    same_root = motion == 0
    other_quality = np.where(qualities[None, :] == qualities[:, None], 0.0, _NEW_QUALITY)
    return np.stack([np.where(same_root, other_quality, cost + table) for cost in (_CHANGE_AT_BAR, _CHANGE_IN_BAR)])


def _long_silence(
    is_silent: np.ndarray[tuple[int], np.dtype[np.bool_]], grid: Grid
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Silent slots in runs of a bar or more, and those at either end; a shorter rest keeps its chord: bool [slots]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_silent.astype(np.int8), [0]])))
    long = np.zeros(len(is_silent), dtype=bool)
    bar_ticks = np.diff(grid.barlines)
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        ticks = grid.slots[stop] - grid.slots[first]
        if ticks >= bar_ticks[grid.slot_bar[first]] or first == 0 or stop == len(is_silent):
            long[first:stop] = True
    return long
