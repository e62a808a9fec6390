"""The role of each note: melody, counter-melody, harmony, figure, bass or drums.

The melody is found first (melody.py), then the bass: the lowest line in its register. What is left is judged for each
layer and bar: notes struck together or held are harmony; a single line that is regular and leaps or turns on few
pitches is a figure (arpeggio, ostinato), one that moves by step in an independent rhythm a counter-melody. Decisions
are paths over the bars (Viterbi), so that a part does not change its role for a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.analysis import surroundings as k
from lstm_core.analysis.grid import Bools, Floats, Grid, Ints
from lstm_core.analysis.layers import Layers
from lstm_core.analysis.paths import best_path
from lstm_core.notes.score import DRUMS, NoteArray

ROLES = ("melody", "counter-melody", "harmony", "figure", "bass", "drums")
MELODY, COUNTER, HARMONY, FIGURE, BASS, DRUM = range(6)

HIGHEST_BASS = 57  # the A below middle C: no lowest note of a chord above it counts as the bass
HIGHEST_BASS_LINE = 66  # nor does a line
BASS_REACH = 13  # semitones above the low quarter of the lowest notes
_BASS_PROGRAMS = (*range(32, 40), 43, 58, 87)
_NO_BASS = (47, *range(112, 128))
_BASS_HEIGHT = 55  # mean pitch below which an instrument of the bass is one
_WINDOW_BARS = 8
_SWITCH = 0.8  # what a change of role costs
_BASS_SWITCH = 0.5
_DOUBLING_SHARE = 0.7  # of a layer's notes in a bar that go with the melody in unison or octaves: it doubles it


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cells:
    """Notes counted by layer and bar: index `layer * num_bars + bar` of each pitched note."""

    index: Ints
    num_layers: int
    num_bars: int

    def sum(self, values: Floats | Bools | Ints) -> Floats:
        """Sum of a value of each note: float64 [layers, bars]."""
        size = self.num_layers * self.num_bars
        sums = np.bincount(self.index, weights=values.astype(np.float64), minlength=size)
        table: Floats = sums.astype(np.float64).reshape(self.num_layers, self.num_bars)
        return table

    def spread(self, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The cell of each note: [pitched]."""
        return table.reshape(-1)[self.index]


def assign_roles(notes: NoteArray, layers: Layers, is_melody: Bools, grid: Grid) -> npt.NDArray[np.uint8]:
    """Role of each note of a score, given which of the pitched ones are the melody: uint8 [N]."""
    roles = np.full(len(notes), DRUM, dtype=np.uint8)
    roles[(notes["program"] != DRUMS) & ~layers.is_pitched] = FIGURE  # drums and noises that have a program
    if len(layers.onset) == 0:
        return roles
    cells = _Cells(
        index=layers.layer * grid.num_bars + layers.bar, num_layers=layers.num_layers, num_bars=grid.num_bars
    )
    is_tune = is_melody | _doublings(layers, is_melody, cells)
    is_bass = _bass(layers, is_tune, cells)
    found = _others(layers, ~is_tune & ~is_bass, cells)
    found[is_bass] = BASS
    found[is_tune] = MELODY
    roles[layers.is_pitched] = found
    return roles


def _doublings(layers: Layers, is_melody: Bools, cells: _Cells) -> Bools:
    """Notes that go with the melody: its octaves in the same hand, and layers that play it too: bool [pitched]."""
    tune = np.flatnonzero(is_melody)
    if len(tune) == 0:
        return np.zeros(len(is_melody), dtype=bool)
    onsets = layers.onset[tune]
    at = np.minimum(np.searchsorted(onsets, layers.onset), len(onsets) - 1)
    back = np.maximum(at - 1, 0)
    nearest = np.where(np.abs(onsets[back] - layers.onset) < np.abs(onsets[at] - layers.onset), back, at)
    beside = tune[nearest]
    interval = np.abs(layers.pitch - layers.pitch[beside])
    together = np.abs(layers.onset - layers.onset[beside]) <= 1
    goes_with = together & (interval % 12 == 0) & (interval <= 24) & ~is_melody
    same_length = np.abs((layers.end - layers.onset) - (layers.end - layers.onset)[beside]) <= 2
    is_octave = goes_with & same_length & (layers.layer == layers.layer[beside]) & (interval == 12)
    others = cells.sum(~is_melody)
    doubles = (cells.sum(goes_with) >= _DOUBLING_SHARE * others) & (others >= 3)
    found: Bools = (is_octave | (goes_with & cells.spread(doubles))) & ~_bass_players(layers)[layers.layer]
    return found


def _bass(layers: Layers, is_tune: Bools, cells: _Cells) -> Bools:
    """Which notes are the bass: bool [pitched]."""
    program = layers.program[layers.layer]
    may_be = ~is_tune & ~np.isin(program, _NO_BASS)
    is_lowest = (layers.around[:, k.GAP_BELOW] > 90) & may_be
    in_company = (layers.around[:, k.ABOVE] > 0) | (cells.sum(is_lowest).sum(axis=0) < cells.sum(may_be).sum(axis=0))[
        layers.bar
    ]
    usual = _low_quarter(layers, is_lowest & in_company)
    is_low = layers.pitch <= usual + BASS_REACH
    attacks = _attacks(layers, may_be, cells)
    count = cells.sum(may_be)
    is_line = count <= 1.15 * attacks  # the layer plays one note at a time in this bar
    # In a broken chord the bass is its lowest note, struck at least a third below what sounds around it in its layer.
    single = layers.around[:, k.SAME_STRUCK] == 0
    floor = k.lowest_within(layers.onset, layers.pitch, layers.layer, layers.beat_ticks, np.ones_like(single))
    # After a separate low note a chord is an afterbeat.
    root = k.lowest_within(layers.onset, layers.pitch, layers.layer, 3 * layers.beat_ticks + 1, single)
    is_afterbeat = ~single & (layers.pitch - root >= 5)
    is_figural = _is_figural(layers, may_be, cells) & _breaks_chords(layers)[:, None]
    stands_low = layers.pitch - floor < 3
    by_note = (
        is_lowest & is_low & ~is_afterbeat & (layers.pitch <= HIGHEST_BASS) & (stands_low | ~cells.spread(is_figural))
    )
    # A layer that is one line is the bass as a whole, or not.
    share = cells.sum(is_lowest & is_low & (layers.pitch <= HIGHEST_BASS_LINE)) / np.maximum(count, 1.0)
    is_bass_program = _bass_players(layers)
    evidence = np.where(count > 0, share - 0.5, 0.0) + np.where(is_bass_program[:, None] & (count > 0), 2.0, 0.0)
    as_line = _steady(evidence, count > 0) & (is_line | is_bass_program[:, None]) & ~is_figural
    has_bass_player = np.asarray((is_bass_program[:, None] & (count > 0)).any(axis=0))
    plays_line = cells.spread(as_line) & may_be
    alone = ~has_bass_player[layers.bar] & ~(cells.sum(plays_line).sum(axis=0) > 0)[layers.bar]
    found: Bools = np.where(
        is_bass_program[layers.layer], may_be & cells.spread(as_line), (plays_line & ~has_bass_player[layers.bar])
    ).astype(bool) | (by_note & alone & in_company)
    return found


def _low_quarter(layers: Layers, is_in: Bools) -> Floats:
    """Pitch below which a quarter of the given notes lie in the bars around, of all where there are few: [pitched]."""
    num_bars = int(layers.bar.max()) + 1
    counts = np.bincount(layers.bar[is_in] * 128 + layers.pitch[is_in], minlength=num_bars * 128)
    sums = np.concatenate([np.zeros((1, 128)), np.cumsum(counts.reshape(num_bars, 128), axis=0)])
    bars = np.arange(num_bars)
    near = sums[np.minimum(bars + _WINDOW_BARS + 1, num_bars)] - sums[np.maximum(bars - _WINDOW_BARS, 0)]
    near = np.where(near.sum(axis=1, keepdims=True) >= 4, near, sums[-1])
    ranks = np.cumsum(near, axis=1)
    quarter = (ranks < 0.25 * ranks[:, -1:]).sum(axis=1)
    found: Floats = quarter[layers.bar].astype(np.float64)
    return found


def _attacks(layers: Layers, is_in: Bools, cells: _Cells) -> Floats:
    """At how many moments each layer begins any of the given notes in each bar: float64 [layers, bars]."""
    return cells.sum(is_in & _is_first_of_attack(layers, is_in))


def _is_first_of_attack(layers: Layers, is_in: Bools) -> Bools:
    """Of the given notes of a layer that begin together, the first alone: bool [pitched]."""
    moment = layers.onset * layers.num_layers + layers.layer
    moment = np.where(is_in, moment, -1 - np.arange(len(moment)))
    first = np.zeros(len(moment), dtype=bool)
    first[np.unique(moment, return_index=True)[1]] = True
    return first


def _is_figural(layers: Layers, is_in: Bools, cells: _Cells) -> Bools:
    """Where a layer breaks chords: single notes of equal length, a beat and a half or more of them, that leap."""
    leaps = is_in & ((layers.around[:, k.LEAP_BEFORE] > 0) | (layers.around[:, k.LEAP_AFTER] > 0))
    steps = is_in & (layers.around[:, k.STEP_BEFORE] > 0) & (layers.around[:, k.STEP_AFTER] > 0)
    equal = is_in & ((layers.around[:, k.EQUAL_BEFORE] > 0) | (layers.around[:, k.EQUAL_AFTER] > 0))
    count = np.maximum(cells.sum(is_in), 1.0)
    beats = np.maximum(cells.sum(is_in * (layers.beat_ticks / layers.bar_ticks)) / count, 1e-9)
    density = _attacks(layers, is_in, cells) * beats  # attacks per beat
    found: Bools = (
        (cells.sum(leaps) > 0.6 * count)
        & (cells.sum(steps) < 0.4 * count)
        & (cells.sum(equal) > 0.7 * count)
        & (density >= 1.4)
    )
    return found


def _steady(evidence: Floats, plays: Bools) -> Bools:
    """Yes or no in each bar of each layer, by the path of most evidence: bool [layers, bars]."""
    changes = np.array([[[0.0, -_BASS_SWITCH], [-_BASS_SWITCH, 0.0]]])
    found = np.zeros(evidence.shape, dtype=bool)
    kinds = np.zeros(evidence.shape[1], dtype=np.int64)
    for layer in range(len(evidence)):
        scores = np.column_stack([np.zeros(evidence.shape[1]), evidence[layer]])
        found[layer] = (best_path(scores, changes, kinds) == 1) & plays[layer]
    return found


def _others(layers: Layers, is_in: Bools, cells: _Cells) -> npt.NDArray[np.uint8]:
    """COUNTER, HARMONY or FIGURE for the given notes, by layer and bar: uint8 [pitched]."""
    scores = _role_scores(layers, is_in, cells)
    changes = np.where(np.eye(3, dtype=bool), 0.0, -_SWITCH)[None]
    kinds = np.zeros(cells.num_bars, dtype=np.int64)
    table = np.empty((cells.num_layers, cells.num_bars), dtype=np.uint8)
    for layer in range(cells.num_layers):
        table[layer] = COUNTER + best_path(scores[layer], changes, kinds)
    found: npt.NDArray[np.uint8] = cells.spread(table).copy()
    return found


def _role_scores(layers: Layers, is_in: Bools, cells: _Cells) -> Floats:
    """How much each layer's given notes of each bar are COUNTER, HARMONY, FIGURE: float64 [layers, bars, 3]."""
    is_in = is_in & ~k.has_octave(layers.onset, layers.pitch, layers.layer, True)  # a line in octaves is one line
    count = cells.sum(is_in)
    some = np.maximum(count, 1.0)
    attacks = cells.sum(is_in & _is_first_of_attack(layers, is_in))
    chordal = 1.0 - np.clip((2.0 * attacks - count) / some, 0.0, 1.0)  # 1: all in pairs or more
    length = layers.end - layers.onset
    beats_per_bar = np.maximum(cells.sum(is_in * layers.bar_ticks / layers.beat_ticks) / some, 1.0)
    density = attacks / beats_per_bar
    mean_beats = cells.sum(is_in * length / layers.beat_ticks) / some
    steps = cells.sum(is_in & (np.maximum(layers.around[:, k.STEP_BEFORE], layers.around[:, k.STEP_AFTER]) > 0)) / some
    leaps = cells.sum(is_in & (np.maximum(layers.around[:, k.LEAP_BEFORE], layers.around[:, k.LEAP_AFTER]) > 0)) / some
    equal = (
        cells.sum(is_in & (np.maximum(layers.around[:, k.EQUAL_BEFORE], layers.around[:, k.EQUAL_AFTER]) > 0)) / some
    )
    periodic = cells.sum(is_in & (layers.around[:, k.BEAT_PERIODS] + layers.around[:, k.BAR_PERIODS] > 0)) / some
    recurs = cells.sum(is_in * np.minimum(layers.around[:, k.RECURRENCES], 3) / 3.0) / some
    together = cells.sum(is_in * np.minimum(layers.around[:, k.OTHERS_STRUCK], 2) / 2.0) / some
    single = 1.0 - chordal
    is_slow = np.clip(mean_beats - 1.0, 0.0, 1.0)
    is_fast = np.clip(density - 0.8, 0.0, 1.0)
    harmony = 0.3 + 1.8 * chordal + 0.9 * is_slow + 0.35 * recurs * (1.0 - is_fast) + 0.3 * together * (1.0 - is_fast)
    figure = single * (0.5 * equal + 0.6 * is_fast + 0.5 * leaps + 0.4 * periodic + 0.3 * recurs) + 0.3 * is_fast
    is_moving = np.clip((attacks - 1.0) / 2.0, 0.0, 1.0) * np.minimum(cells.sum(is_in * length / layers.bar_ticks), 1.0)
    counter = single * is_moving * (1.3 * steps + 0.6 * (1.0 - equal) + 0.4 * (1.0 - recurs) + 0.3 * (1.0 - together))
    is_low = np.clip((52.0 - cells.sum(is_in * layers.pitch) / some) / 12.0, 0.0, 1.0)
    counter = counter - 0.8 * is_low + 0.2 * single * _is_solo_part(layers)[:, None] - 0.2
    covered = cells.sum(is_in * np.minimum(length, layers.bar_ticks) / layers.bar_ticks)
    weight = np.clip(np.maximum(count / 4.0, covered), 0.0, 1.0)
    scores: Floats = np.stack([counter, harmony, figure], axis=-1) * weight[..., None]
    return scores


def _breaks_chords(layers: Layers) -> Bools:
    """Which layers are of instruments that play chords: keyboards, organs, guitars, harp: bool [layers]."""
    found: Bools = (layers.program < 32) | (layers.program == 46)
    return found


def _bass_players(layers: Layers) -> Bools:
    """Which layers are of instruments of the bass that play in its register: bool [layers]."""
    sums = np.bincount(layers.layer, weights=layers.pitch, minlength=layers.num_layers)
    mean = sums / np.maximum(np.bincount(layers.layer, minlength=layers.num_layers), 1)
    found: Bools = np.isin(layers.program, _BASS_PROGRAMS) & (mean < _BASS_HEIGHT)
    return found


def _is_solo_part(layers: Layers) -> Floats:
    """1 for layers of instruments that play one note at a time, 0 for others: float64 [layers]."""
    sings = (layers.program >= 40) & (layers.program < 80) & ~((layers.program >= 44) & (layers.program < 56))
    return sings.astype(np.float64)
