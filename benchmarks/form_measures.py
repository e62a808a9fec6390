"""Measures of the first bars of a piece: ensemble, texture, repetition, harmony. One value per piece and measure.

Two bars are compared by the Jaccard index of their sets of (sixteenth in the bar, pitch); a bar is like another above
LIKE. A phrase is four bars from bar 1, 5, 9, ... on; it is compared with every earlier phrase, and the best counts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray, Score, bar_starts

MAX_BARS = 32
SIXTEENTH = TICKS_PER_QUARTER // 4
LIKE = 0.7
PHRASE_BARS = 4
RETURNS, VARIED, NEW = 0.5, (0.15, 0.9), 0.15  # likeness to the best earlier phrase
LOOP_BARS = (1, 2, 4)  # periods of a run of bars that repeat without progress
LEAP = 7  # semitones; more is a leap
_TRIADS = np.array(
    [np.isin(np.arange(12), ((r, (r + third) % 12, (r + 7) % 12))) for r in range(12) for third in (4, 3)]
)  # bool [24, 12], the root of row i is i // 2

Bools = npt.NDArray[np.bool_]
BarSet = set[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class FormMeasures:
    """Measures of the first MAX_BARS bars of a piece."""

    instruments: float  # programs, drums among them
    instruments_per_bar: float  # mean over bars that hold a note
    polyphony: float  # pitches that sound together, mean over sounding sixteenths
    one_pitch: float  # share of the sounding sixteenths with one pitch
    notes_per_bar: float  # melodic
    texture_range: float  # 90th minus 10th percentile of melodic notes per bar
    new_bars: float  # share of bars unlike every earlier one
    like_4_before: float  # share of bars like the one four bars before
    like_8_before: float
    loops: float  # longest run of bars that repeats with a period of LOOP_BARS, as a share of all bars
    phrases_return: float
    phrases_varied: float
    phrases_new: float
    chord_changes: float  # share of half bars whose best triad differs from the one before
    bass_is_root: float  # share of half bars whose lowest note is the root of the best triad
    clashes: float  # share of sounding sixteenths with two pitch classes a semitone apart
    top_steps: float  # of the highest notes of successive onsets: moves of 1 or 2 semitones
    top_same: float
    top_leaps: float
    pitch_range: float  # semitones
    long_duration: float  # quarters: 90th percentile of the durations of melodic notes
    notes_per_onset: float  # melodic notes that begin together, mean


MEASURES = tuple(field.name for field in fields(FormMeasures))


def form_measures(score: Score) -> FormMeasures:
    """The measures of a score that holds at least one melodic note and four bars.

    Raises:
        ValueError: it holds no melodic note, or fewer bars.
    """
    barlines = bar_starts(score.meters, score.end_tick)[: MAX_BARS + 1]
    notes = score.notes[score.notes["onset"] < barlines[-1]]
    melodic = notes[notes["program"] != DRUMS]
    if len(melodic) == 0 or len(barlines) <= PHRASE_BARS:
        raise ValueError(f"{score.title or 'the score'} has {len(barlines) - 1} bars and {len(melodic)} melodic notes")
    return FormMeasures(
        **_ensemble(notes, barlines),
        **_texture(melodic, barlines),
        **_repetition(melodic, barlines),
        **_harmony(melodic, barlines),
        **_top_line(melodic),
    )


def _bar_of(notes: NoteArray, barlines: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.searchsorted(barlines, notes["onset"], side="right") - 1


def _ensemble(notes: NoteArray, barlines: npt.NDArray[np.int64]) -> dict[str, float]:
    bar = _bar_of(notes, barlines)
    in_bar = [len(np.unique(notes["program"][bar == b])) for b in np.unique(bar)]
    return {"instruments": float(len(np.unique(notes["program"]))), "instruments_per_bar": float(np.mean(in_bar))}


def _sounding(melodic: NoteArray, num_sixteenths: int) -> Bools:
    """Which pitches sound in each sixteenth: bool [sixteenths, 128]."""
    roll = np.zeros((num_sixteenths + 1, 129), dtype=np.int32)
    begin = melodic["onset"] // SIXTEENTH
    end = np.maximum(-(-(melodic["onset"] + melodic["duration"]) // SIXTEENTH), begin + 1)
    np.add.at(roll, (begin, melodic["pitch"]), 1)
    np.add.at(roll, (np.minimum(end, num_sixteenths), melodic["pitch"]), -1)
    return np.cumsum(roll, axis=0)[:num_sixteenths, :128] > 0


def _texture(melodic: NoteArray, barlines: npt.NDArray[np.int64]) -> dict[str, float]:
    sounding = _sounding(melodic, int(barlines[-1]) // SIXTEENTH)
    counts = sounding.sum(axis=1)
    counts_sounding = counts[counts > 0]
    classes = np.stack([sounding[:, c::12].any(axis=1) for c in range(12)], axis=1)[counts > 0]
    per_bar = np.bincount(_bar_of(melodic, barlines), minlength=len(barlines) - 1)
    _, per_onset = np.unique(melodic["onset"], return_counts=True)
    return {
        "polyphony": float(counts_sounding.mean()),
        "one_pitch": float((counts_sounding == 1).mean()),
        "notes_per_bar": float(per_bar.mean()),
        "texture_range": float(np.percentile(per_bar, 90) - np.percentile(per_bar, 10)),
        "clashes": float((classes & np.roll(classes, 1, axis=1)).any(axis=1).mean()),
        "pitch_range": float(int(melodic["pitch"].max()) - int(melodic["pitch"].min())),
        "long_duration": float(np.percentile(melodic["duration"], 90) / TICKS_PER_QUARTER),
        "notes_per_onset": float(per_onset.mean()),
    }


def _jaccard(left: BarSet, right: BarSet) -> float:
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def _repetition(melodic: NoteArray, barlines: npt.NDArray[np.int64]) -> dict[str, float]:
    bar, num_bars = _bar_of(melodic, barlines), len(barlines) - 1
    place = (melodic["onset"] - barlines[bar]) // SIXTEENTH
    bars: list[BarSet] = [set() for _ in range(num_bars)]
    for b, p, pitch in zip(bar.tolist(), place.tolist(), melodic["pitch"].tolist(), strict=True):
        bars[b].add((p, pitch))
    like = np.zeros((num_bars, num_bars))
    for later in range(num_bars):
        like[later, :later] = [_jaccard(bars[later], bars[earlier]) for earlier in range(later)]
    filled = [b for b in range(num_bars) if bars[b]]
    best = _phrase_likeness(bars)
    return {
        "new_bars": float(np.mean([like[b].max() <= LIKE for b in filled])),
        "like_4_before": _share_like(like, 4),
        "like_8_before": _share_like(like, 8),
        "loops": max(_longest_run(like, period) for period in LOOP_BARS) / num_bars,
        "phrases_return": float((best > RETURNS).mean()) if len(best) else 0.0,
        "phrases_varied": float(((best >= VARIED[0]) & (best <= VARIED[1])).mean()) if len(best) else 0.0,
        "phrases_new": float((best < NEW).mean()) if len(best) else 0.0,
    }


def _share_like(like: npt.NDArray[np.float64], lag: int) -> float:
    diagonal = np.diagonal(like, -lag)
    return float((diagonal > LIKE).mean()) if len(diagonal) else 0.0


def _longest_run(like: npt.NDArray[np.float64], period: int) -> int:
    """Bars of the longest stretch whose bars are like the ones `period` before, the first period included."""
    longest = run = 0
    for is_like in np.diagonal(like, -period) > LIKE:
        run = run + 1 if is_like else 0
        longest = max(longest, run)
    return longest + period if longest else 0


def _phrase_likeness(bars: list[BarSet]) -> npt.NDArray[np.float64]:
    """Likeness of each phrase but the first to the earlier one most like it: float64 [phrases - 1]."""
    phrases = [
        {(b * 1000 + place, pitch) for b in range(PHRASE_BARS) for place, pitch in bars[first + b]}
        for first in range(0, len(bars) - PHRASE_BARS + 1, PHRASE_BARS)
    ]
    return np.array([max(_jaccard(phrases[i], phrases[j]) for j in range(i)) for i in range(1, len(phrases))])


def _harmony(melodic: NoteArray, barlines: npt.NDArray[np.int64]) -> dict[str, float]:
    middles = (barlines[:-1] + barlines[1:]) // 2
    bounds = np.sort(np.concatenate([barlines, middles]))
    onset, end = melodic["onset"].astype(np.int64), (melodic["onset"] + melodic["duration"]).astype(np.int64)
    triads: list[int] = []
    is_root: list[bool] = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        inside = (onset < stop) & (end > start)
        if not inside.any():
            triads.append(-1)
            continue
        shared = np.minimum(end[inside], stop) - np.maximum(onset[inside], start)
        weights = np.bincount(melodic["pitch"][inside] % 12, weights=shared, minlength=12)
        triads.append(int((_TRIADS @ weights).argmax()))
        at_start = melodic["pitch"][inside & (onset < start + SIXTEENTH)]
        lowest = at_start.min() if len(at_start) else melodic["pitch"][inside].min()
        is_root.append(bool(lowest % 12 == triads[-1] // 2))
    changes = [a != b for a, b in itertools.pairwise(triads) if a >= 0 and b >= 0]
    return {"chord_changes": float(np.mean(changes)) if changes else 0.0, "bass_is_root": float(np.mean(is_root))}


def _top_line(melodic: NoteArray) -> dict[str, float]:
    _, place = np.unique(melodic["onset"], return_inverse=True)
    top = np.zeros(place.max() + 1, dtype=np.int64)
    np.maximum.at(top, place, melodic["pitch"].astype(np.int64))
    moves = np.abs(np.diff(top)) if len(top) > 1 else np.zeros(1, dtype=np.int64)
    return {
        "top_steps": float(((moves == 1) | (moves == 2)).mean()),
        "top_same": float((moves == 0).mean()),
        "top_leaps": float((moves > LEAP).mean()),
    }
