"""The melody of a piece: one line of notes, which may change instruments and may rest.

Each note is given points by what stands around it (is it on top, does it go on by step, is it one of many of equal
length, does its pitch recur, ...), each way from one note to the next by its interval and rest, and the line of most
points is taken: the skyline of Uitdenbogerd and Zobel, "Manipulation of music for melody matching" (1998), as a path.
The line is then searched again with its register and note lengths known. Points were trained by averaged
structured perceptron (Collins, EMNLP 2002) from music whose parts were made one: 145 songs of OpenScore Lieder with
the voice hidden among the piano's notes, and 64 stretches of OpenScore String Quartets with the first violin among the
others', every second counted twice; none of them is measured by benchmarks.analysis. What they do not contain is set by
hand: what an instrument usually plays, and how a melody passes from part to part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.analysis import surroundings as k
from lstm_core.analysis.grid import Bools, Floats
from lstm_core.analysis.layers import Layers
from lstm_core.analysis.melody_points import LEAP_POINTS, POINTS, PROGRAM_POINTS, REST_POINTS, per_semitone
from lstm_core.analysis.paths import best_line
from lstm_core.foundation.elementary.powers import log, log2
from lstm_core.notes.score import NoteArray

SOLO_POLYPHONY = 1.15  # notes at once: below it the music is one line, and that line its melody
REACH = 48  # notes back that a line is followed
_WINDOW_BARS = 8  # on either side, over which the line's own register is taken
_REGISTER_BARS, _REGISTER_SHARE = 4, 0.8  # and the usual height of all notes
_OTHER_HAND, _OTHER_PART = -0.3, -7.0  # for a way that leads to another layer
_PART_SHARE = 1.0  # of what a part's notes get over _WINDOW_BARS is counted to each of them
_LONE_LINE = 1.0  # for a note of a layer that plays one note at a time
_PULSES = 4  # notes on one pitch within three bars, four times as many on two: they are no melody
_PLAYED_THROUGH = 0.75  # share of a layer's onsets in a bar from which on all of them are melody
_DRONE_BEATS = 4  # nor are notes so long alone
_DOUBLED_ABOVE = 1.0  # off a note that another part doubles an octave higher
_NO_BASS = 67  # mean pitch from which on an instrument does not do what it usually does below
_VELOCITY_STEP = 20.0  # velocity above the others of its bar for one point more


def find_melody(notes: NoteArray, layers: Layers) -> Bools:
    """Which of the pitched notes are the melody, no two begun at once: bool [pitched]."""
    if len(layers.onset) == 0:
        return np.zeros(0, dtype=bool)
    if mean_polyphony(layers) < SOLO_POLYPHONY and layers.num_layers == 1:
        return _one_at_a_time(layers)
    measures = _measures(layers)
    by_hand = _points_by_hand(notes[layers.is_pitched], layers)
    first, again = np.array(POINTS).T
    is_in = _line(layers, np.einsum("ij,j->i", measures, first[: measures.shape[1]]) + by_hand, 0)
    if not is_in.any():
        return is_in
    measures = np.column_stack([measures, _line_measures(layers, is_in)])
    is_in = _line(layers, np.einsum("ij,j->i", measures, again) + by_hand, 1)
    return _filled(layers, is_in & _moves(layers, is_in))


def mean_polyphony(layers: Layers) -> float:
    """Pitched notes that sound at once, averaged over the time when any does."""
    reached = np.maximum.accumulate(layers.end)
    before = np.concatenate([layers.onset[:1], reached[:-1]])
    busy = int(np.maximum(reached - np.maximum(layers.onset, before), 0).sum())
    return float((layers.end - layers.onset).sum() / max(busy, 1))


def _one_at_a_time(layers: Layers) -> Bools:
    """All notes, of those begun at once the highest."""
    is_in = np.ones(len(layers.onset), dtype=bool)
    is_in[:-1] = layers.onset[1:] > layers.onset[:-1]  # notes of one onset and program stand in order of pitch
    return is_in


def _line(layers: Layers, gain: Floats, search: int) -> Bools:
    """The line of most points, given those of each note, at the first or second search (0, 1): bool [pitched]."""
    gain = gain + _PART_SHARE * _of_part(layers, gain)
    other = layers.part[:, None] != layers.part[None, :]
    switches = np.where(other, _OTHER_PART, np.where(np.eye(len(other), dtype=bool), 0.0, _OTHER_HAND))
    found: Bools = best_line(
        gain,
        layers.onset,
        layers.end,
        layers.pitch,
        layers.layer,
        layers.beat_ticks,
        per_semitone(LEAP_POINTS[search]),
        np.array(REST_POINTS[search]),
        switches,
        REACH,
    )
    return found


def _moves(layers: Layers, is_in: Bools) -> Bools:
    """Where a line is a melody and no pulse or drone: bool [pitched].

    In the bars around a note it has more than one pitch, or few notes, and notes of less than four beats.
    """
    num_bars = int(layers.bar.max()) + 1
    found = np.zeros((num_bars, 128), dtype=np.float64)
    found[layers.bar[is_in], layers.pitch[is_in]] = 1.0
    pitches = (_around(found.T, 1) > 0).sum(axis=0)
    notes = _around(np.bincount(layers.bar[is_in], minlength=num_bars)[None].astype(np.float64), 1)[0]
    is_short = is_in & (layers.end - layers.onset < _DRONE_BEATS * layers.beat_ticks)
    short = _around(np.bincount(layers.bar[is_short], minlength=num_bars)[None].astype(np.float64), 1)[0]
    moves: Bools = ((notes < _PULSES * pitches**2) & (short > 0))[layers.bar]
    return moves


def _filled(layers: Layers, is_in: Bools) -> Bools:
    """The line with all other notes of a layer's bar of which it has most, as one player plays it: [pitched]."""
    num_bars = int(layers.bar.max()) + 1
    cell, size = layers.layer * num_bars + layers.bar, layers.num_layers * num_bars
    moment = layers.onset * layers.num_layers + layers.layer
    is_highest = np.zeros(len(moment), dtype=bool)  # of those that its layer begins then; notes stand in order of pitch
    is_highest[len(moment) - 1 - np.unique(moment[::-1], return_index=True)[1]] = True
    attacks = np.bincount(cell[is_highest], minlength=size)
    is_most = np.bincount(cell[is_in], minlength=size) >= _PLAYED_THROUGH * np.maximum(attacks, 1)
    line = np.flatnonzero(is_in)
    before = (
        line[np.maximum(np.searchsorted(layers.onset[line], layers.onset, side="right") - 1, 0)] if len(line) else line
    )
    if len(line) == 0:
        return is_in
    # Another part's melody is not cut into, nor are two notes begun at once.
    is_free = (layers.onset[before] != layers.onset) & (
        (layers.layer[before] == layers.layer) | (layers.end[before] <= layers.onset)
    )
    filled: Bools = is_in | (is_most[cell] & is_highest & is_free)
    return filled


def _of_part(layers: Layers, gain: Floats) -> Floats:
    """How much more than notes of other parts those of a note's part get in the bars around, clipped: [pitched]."""
    num_bars = int(layers.bar.max()) + 1
    part = layers.part[layers.layer]
    shape = (int(part.max()) + 1, num_bars)
    at, size = part * num_bars + layers.bar, shape[0] * num_bars
    own = _around(np.bincount(at, weights=gain, minlength=size).reshape(shape), _WINDOW_BARS)
    count = _around(np.bincount(at, minlength=size).reshape(shape).astype(np.float64), _WINDOW_BARS)
    mean = own / np.maximum(count, 1.0)
    everywhere = own.sum(axis=0) / np.maximum(count.sum(axis=0), 1.0)
    more: Floats = np.clip(mean - everywhere, -2.0, 2.0)[part, layers.bar]
    return more


def _measures(layers: Layers) -> Floats:
    """Measures of each note that need no line, in the order of POINTS: float64 [pitched, measures]."""
    around = layers.around
    is_top = around[:, k.ABOVE] == 0
    length = _log_beats(layers)
    before, after = around[:, k.LEAP_BEFORE], around[:, k.LEAP_AFTER]
    equal_share = (around[:, k.EQUAL_LENGTHS] + 1) / (around[:, k.BAR_NOTES] + 1)
    height = (layers.pitch - _usual_height(layers)) / 12.0
    columns = (
        np.ones(len(length)),
        np.minimum(around[:, k.ABOVE], 4),
        np.where(is_top, 0.0, np.minimum(around[:, k.GAP_ABOVE], 24) / 12.0),
        np.where(around[:, k.GAP_BELOW] > 90, 0.0, np.minimum(around[:, k.GAP_BELOW], 24) / 12.0),
        np.minimum(around[:, k.SAME_STRUCK], 3),
        length,
        height,
        np.minimum(height**2, 4.0),
        around[:, k.STEP_BEFORE],
        around[:, k.STEP_AFTER],
        before * after,
        np.abs(before - after),
        around[:, k.EQUAL_BEFORE] * around[:, k.EQUAL_AFTER],
        log(1.0 + around[:, k.RECURRENCES]),
        log(1.0 + around[:, k.NEAR_NOTES]),
        _share_on_top(layers),
        is_top * length,
        is_top * before * after,
        equal_share,
        is_top * equal_share,
        np.minimum(around[:, k.BEAT_PERIODS], 2),
        np.minimum(around[:, k.BAR_PERIODS], 2),
        (layers.onset - layers.bar_start) % layers.beat_ticks > 0,
    )
    return np.column_stack(columns).astype(np.float64)


def _line_measures(layers: Layers, is_in: Bools) -> Floats:
    """How far each note lies from the line that was found, in octaves, squared, and in length: float64 [pitched, 3]."""
    num_bars = int(layers.bar.max()) + 1
    length = _log_beats(layers)
    weight = np.minimum(layers.end - layers.onset, layers.bar_ticks) * is_in
    row = layers.part[layers.layer]  # a line that passes to another part changes its register
    num_rows = int(row.max()) + 1

    def near(values: Floats) -> Floats:
        sums = np.bincount(row * num_bars + layers.bar, weights=values, minlength=num_rows * num_bars)
        return _around(sums.reshape(num_rows, num_bars), _WINDOW_BARS)[row, layers.bar]

    mass, count = near(weight.astype(np.float64)), near(is_in.astype(np.float64))
    pitch = near((weight * layers.pitch).astype(np.float64)) / np.maximum(mass, 1e-9)
    usual_length = near(is_in * length) / np.maximum(count, 1e-9)
    away = np.where(count > 0, (layers.pitch - pitch) / 12.0, 0.0)
    return np.column_stack([away, np.minimum(away**2, 2.0), np.where(count > 0, np.abs(length - usual_length), 0.5)])


def _points_by_hand(pitched: NoteArray, layers: Layers) -> Floats:
    """Points for the instrument, for a layer that is one line, and for velocity: float64 [pitched]."""
    table = np.zeros(128)
    for first, last, more in PROGRAM_POINTS:
        table[first : last + 1] = more
    moments = np.unique(np.stack([layers.layer, layers.onset]), axis=1)[0]
    attacks = np.bincount(moments, minlength=layers.num_layers)
    sizes = np.bincount(layers.layer, minlength=layers.num_layers)
    is_line = sizes <= 1.1 * attacks
    velocity = pitched["velocity"].astype(np.float64)
    num_bars = int(layers.bar.max()) + 1
    usual = np.bincount(layers.bar, weights=velocity, minlength=num_bars) / np.maximum(
        np.bincount(layers.bar, minlength=num_bars), 1
    )
    louder = np.clip((velocity - usual[layers.bar]) / _VELOCITY_STEP, -1.0, 1.0)
    pitch = np.bincount(layers.layer, weights=layers.pitch, minlength=layers.num_layers) / np.maximum(sizes, 1)
    by_program = np.where((table[layers.program] < 0) & (pitch > _NO_BASS), 0.0, table[layers.program])
    doubled = k.has_octave(layers.onset, layers.pitch, layers.part[layers.layer], False)
    points: Floats = (by_program + _LONE_LINE * is_line)[layers.layer] + louder - _DOUBLED_ABOVE * doubled
    return points


def _log_beats(layers: Layers) -> Floats:
    """Binary logarithm of each note's length in beats, from -3 up; beyond four beats it falls: float64 [pitched].

    So long a note belongs to the accompaniment.
    """
    length = np.maximum(log2((layers.end - layers.onset) / layers.beat_ticks), -3.0)
    folded: Floats = np.where(length > 2.0, np.maximum(2.0 - 2.0 * (length - 2.0), -3.0), length)
    return folded


def _usual_height(layers: Layers) -> Floats:
    """Pitch below which notes lie for _REGISTER_SHARE of their time in the bars around: float64 [pitched]."""
    num_bars = int(layers.bar.max()) + 1
    weight = np.minimum(layers.end - layers.onset, layers.bar_ticks).astype(np.float64)
    counts = np.bincount(layers.bar * 128 + layers.pitch, weights=weight, minlength=num_bars * 128)
    ranks = np.cumsum(_around(counts.reshape(num_bars, 128).T, _REGISTER_BARS), axis=0)
    height = (ranks < _REGISTER_SHARE * ranks[-1]).sum(axis=0)
    usual: Floats = height[layers.bar].astype(np.float64)
    return usual


def _share_on_top(layers: Layers) -> Floats:
    """At how many of the four quarters of a note nothing sounds above it, as a share: float64 [pitched]."""
    high = k.highest(layers.onset, layers.end, layers.pitch)
    length = layers.end - layers.onset
    on_top: Floats = np.mean([high[layers.onset + length * i // 4] <= layers.pitch for i in range(4)], axis=0)
    return on_top


def _around(values: npt.NDArray[Any], reach: int) -> Floats:
    """Sums over so many bars before and after each, along the last axis: float64, the shape of `values`."""
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    bars = np.arange(values.shape[-1])
    around: Floats = sums[..., np.minimum(bars + reach + 1, values.shape[-1])] - sums[..., np.maximum(bars - reach, 0)]
    return around
