"""Times in beats become ticks: for each beat the grid that its onsets fit, straight or in triplets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import TICKS_PER_QUARTER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STRAIGHT, TRIPLE = 0, 1
# Steps in ticks of a beat of 24 and what a beat pays, in nats, for being divided so finely.
GRIDS = (
    ((24, 0.0), (12, 0.3), (6, 1.0), (3, 5.0)),
    ((24, 0.0), (8, 1.3), (4, 5.0)),
)
HOLLOW_COST = 2.5  # nats, of a second and a fourth sixteenth without the third: most often they are a triplet
SWITCH_COST = 1.5  # nats, of going from straight to triple or back
SPREAD_S = 0.018  # of onsets around their place: players, and frames of the transcriber
MAX_COST = 8.0  # nats that one onset can cost: a wrong note does not decide its beat
TOLERANCE_S = 0.045  # an onset farther from every point of its grid goes to the nearest tick
EARLY = 0.06  # of a beat: so little before a beat an onset belongs to it
CHORD_GAP_S, CHORD_S = 0.025, 0.06  # onsets so near each other are one moment


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantised:
    """Onsets of moments on the grid."""

    ticks: Ints  # [m] in beats of 24 ticks
    error_s: Floats  # [m] distance from the grid of the beat
    is_near: npt.NDArray[np.bool_]  # [m] within 30 ms and a quarter of the grid's step
    steps: Ints  # [num_beats] of the grid of each beat
    families: Ints  # [num_beats] STRAIGHT or TRIPLE


def moments(onsets_s: Floats) -> Ints:
    """Number of the moment that each of some ascending onsets belongs to, from 0: int64 [N].

    The notes of a chord are not struck at exactly one time; they must not land on two points of the grid.
    """
    index = np.zeros(len(onsets_s), dtype=np.int64)
    first, current = -np.inf, -1
    for i, onset in enumerate(onsets_s.tolist()):
        if i == 0 or onset - onsets_s[i - 1] > CHORD_GAP_S or onset - first > CHORD_S:
            current, first = current + 1, onset
        index[i] = current
    return index


def quantise(positions: Floats, weights: Floats, beat_s: Floats) -> Quantised:
    """Onsets given in beats (float64 [m], from 0 up), each of so many notes, on grids of beats of `beat_s` seconds."""
    num_beats = len(beat_s)
    beat = np.clip(np.floor(positions + EARLY).astype(np.int64), 0, num_beats - 1)
    inside = (positions - beat) * TICKS_PER_QUARTER
    tick_s = beat_s[beat] / TICKS_PER_QUARTER
    weights = np.minimum(weights, 3.0)  # the notes of a chord err together
    costs = np.zeros((2, num_beats))
    chosen = np.zeros((2, num_beats), dtype=np.int64)
    for family, grids in enumerate(GRIDS):
        rows = []
        for size, price in grids:
            far_s = np.abs(inside - np.rint(inside / size) * size) * tick_s
            pain = np.minimum(0.5 * (far_s / SPREAD_S) ** 2, MAX_COST) * weights
            row = price + np.bincount(beat, weights=pain, minlength=num_beats)
            rows.append(row + HOLLOW_COST * _is_hollow(beat, inside, num_beats) if size == 6 else row)
        table = np.array(rows)
        choice = table.argmin(axis=0)
        costs[family] = table[choice, np.arange(num_beats)]
        chosen[family] = np.array([size for size, _ in grids])[choice]
    families = _cheapest(costs)
    steps = chosen[families, np.arange(num_beats)]
    step = steps[beat]
    on_grid = np.rint(inside / step).astype(np.int64) * step
    error_s = np.abs(inside - on_grid) * tick_s
    is_far = error_s > TOLERANCE_S
    ticks = beat * TICKS_PER_QUARTER + np.where(is_far, np.rint(inside).astype(np.int64), on_grid)
    is_near = (error_s <= 0.03) & (error_s <= 0.25 * step * tick_s)
    return Quantised(ticks=np.maximum(ticks, 0), error_s=error_s, is_near=is_near, steps=steps, families=families)


def quantise_ends(ends: Floats, onset_ticks: Ints, quantised: Quantised) -> Ints:
    """Ticks at which notes end, given ends in beats: the longer the note, the coarser the grid of its end.

    Ends are transcribed, and played, less exactly than onsets; but a short note that was made long would count for
    more than it sounds.
    """
    beat = np.clip(np.floor(ends - 1e-9).astype(np.int64), 0, len(quantised.steps) - 1)
    length = ends * TICKS_PER_QUARTER - onset_ticks
    is_triple = quantised.families[beat] == TRIPLE
    step = np.select(
        [is_triple & (length < 7), is_triple, length < 5, length < 24, length >= 24], [4, 8, 3, 6, 12]
    ).astype(np.int64)
    step = np.minimum(step, quantised.steps[beat])
    ticks = np.rint(ends * TICKS_PER_QUARTER / step).astype(np.int64) * step
    found: Ints = np.maximum(ticks, onset_ticks + np.minimum(step, 6))
    return found


def _is_hollow(beat: Ints, inside: Floats, num_beats: int) -> npt.NDArray[np.bool_]:
    """Which beats have onsets nearest the second and the fourth sixteenth, and none nearest the third: bool [beats]."""
    sixteenth = np.rint(inside / 6.0).astype(np.int64)
    second, third, fourth = (np.bincount(beat[sixteenth == i], minlength=num_beats) > 0 for i in (1, 2, 3))
    hollow: npt.NDArray[np.bool_] = second & fourth & ~third
    return hollow


def _cheapest(costs: Floats) -> Ints:
    """The family of each beat on the cheapest walk through all: int64 [num_beats]."""
    num_beats = costs.shape[1]
    total = costs[:, 0].copy() if num_beats else np.zeros(2)
    came_from = np.zeros((2, num_beats), dtype=np.int64)
    for beat in range(1, num_beats):
        stay, switch = total, total[::-1] + SWITCH_COST
        came_from[:, beat] = np.where(stay <= switch, [0, 1], [1, 0])
        total = np.minimum(stay, switch) + costs[:, beat]
    families = np.zeros(num_beats, dtype=np.int64)
    current = int(total.argmin())
    for beat in range(num_beats - 1, -1, -1):
        families[beat] = current
        current = int(came_from[current, beat])
    return families
