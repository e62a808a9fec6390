"""Descriptors of a score and of each of its bars: key, tempo, meter, density, polyphony, range, instruments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.notes.keys import KEY_NAMES
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray, Score, bar_starts

MODES = ("major", "minor")
NO_KEY = -1  # of a bar, in a piece that holds drums alone
NO_PITCH = -1  # of a bar without melodic notes

# How well each of the twelve pitch classes fits C major and C minor: ratings by listeners, Krumhansl and Kessler,
# "Tracing the dynamic changes in perceived tonal organization", Psychological Review 89 (1982). The key is the one
# whose ratings correlate best with the sounding durations: Krumhansl, "Cognitive Foundations of Musical Pitch" (1990).
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_RATINGS = np.array([np.roll(ratings, tonic) for ratings in (_MAJOR, _MINOR) for tonic in range(12)])  # [24, 12]
_RATINGS = _RATINGS - _RATINGS.mean(axis=1, keepdims=True)
_RATINGS = _RATINGS / np.linalg.norm(_RATINGS, axis=1, keepdims=True)

BAR_KEY_WINDOW = (
    1.0,
    2.0,
    3.0,
    2.0,
    1.0,
)  # a single bar holds too few pitches to find a key: weights of neighbours


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class BarDescription:
    """One value per bar: arrays [num_bars]."""

    key: npt.NDArray[np.int8]  # tonic 0..11, plus 12 in minor; NO_KEY in a piece without melodic notes
    density: npt.NDArray[np.float32]  # onsets per quarter, drums included
    polyphony: npt.NDArray[np.float32]  # melodic notes that sound at once, averaged over the time when any does
    pitch_min: npt.NDArray[np.int16]  # of melodic notes that sound in the bar, or NO_PITCH
    pitch_max: npt.NDArray[np.int16]
    families: npt.NDArray[np.int32]  # bit mask over notes.FAMILIES of what sounds in the bar


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """One value per piece. Pitches, keys and polyphony are of melodic notes alone; None where there are none."""

    key_tonic: int | None  # 0..11 from C up
    key_mode: str | None  # one of MODES
    key_clarity: float  # correlation of the best key minus that of the next, 0 when the notes do not decide
    tempo_bpm: float  # the steady tempo that takes as long
    meter: str  # the one that holds for most of the time, such as "4/4"
    num_bars: int
    duration_s: float
    num_notes: int
    density: float  # notes per quarter, drums included
    polyphony_mean: float  # notes that sound at once, averaged over the time when any does
    polyphony_max: int
    pitch_min: int | None
    pitch_max: int | None
    families: int  # bit mask over notes.FAMILIES
    bars: BarDescription

    @property
    def key(self) -> str:
        """Such as "F# minor"; empty without melodic notes."""
        return "" if self.key_tonic is None else f"{KEY_NAMES[self.key_tonic]} {self.key_mode}"


def describe(score: Score) -> Description:
    """The descriptors of a score that holds at least one note."""
    notes = score.notes
    barlines = bar_starts(score.meters, score.end_tick)
    melodic = notes[notes["program"] != DRUMS]
    bars = _describe_bars(notes, melodic, barlines)
    tonic, mode, clarity = key_of_profile(_totals(melodic["pitch"] % 12, melodic["duration"], 12))
    sounding = _sounding(melodic, score.end_tick)
    num_quarters = score.end_tick / TICKS_PER_QUARTER
    duration_s = score.duration_s
    has_pitch = len(melodic) > 0
    return Description(
        key_tonic=tonic if has_pitch else None,
        key_mode=mode if has_pitch else None,
        key_clarity=clarity,
        tempo_bpm=num_quarters * 60.0 / duration_s,
        meter=_longest_meter(score),
        num_bars=len(barlines) - 1,
        duration_s=duration_s,
        num_notes=len(notes),
        density=len(notes) / num_quarters,
        polyphony_mean=float(sounding.sum() / max(np.count_nonzero(sounding), 1)),
        polyphony_max=int(sounding.max(initial=0)),
        pitch_min=int(melodic["pitch"].min()) if has_pitch else None,
        pitch_max=int(melodic["pitch"].max()) if has_pitch else None,
        families=int(np.bitwise_or.reduce(_family_bits(notes))),
        bars=bars,
    )


def key_of_profile(profile: npt.NDArray[np.float64]) -> tuple[int, str, float]:
    """Tonic 0..11, mode and clarity of a pitch-class profile, float [12]: Krumhansl-Schmuckler.

    Clarity is the best correlation minus the next best. A flat profile is C major with clarity 0.
    """
    correlations = _key_correlations(np.asarray(profile, dtype=np.float64).reshape(1, 12))[0]
    best = int(correlations.argmax())
    clarity = float(correlations[best] - np.partition(correlations, -2)[-2])
    return best % 12, MODES[best // 12], clarity


def _key_correlations(profiles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Pearson's correlation of each profile, float64 [n, 12], with the ratings of each key: float64 [n, 24]."""
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    is_flat = norms <= 1e-9 * (1.0 + np.abs(profiles).max(axis=1, keepdims=True))
    # Rounded, so that the order decides between equal keys, and not the last bit of a sum.
    correlations: npt.NDArray[np.float64] = np.round(
        np.einsum("ij,kj->ik", centred / np.where(is_flat, 1.0, norms), _RATINGS), 12
    )
    return np.where(is_flat, 0.0, correlations)


def _describe_bars(notes: NoteArray, melodic: NoteArray, barlines: npt.NDArray[np.int64]) -> BarDescription:
    """Descriptors of each bar; a note counts in every bar in which it sounds, its onset in one."""
    num_bars = len(barlines) - 1
    bar_ticks = np.diff(barlines)
    onsets_in_bar = np.bincount(np.searchsorted(barlines, notes["onset"], side="right") - 1, minlength=num_bars)
    row, bar, _ = _spread(notes, barlines)
    families = np.zeros(num_bars, dtype=np.int32)
    np.bitwise_or.at(families, bar, _family_bits(notes)[row])
    row, bar, overlap = _spread(melodic, barlines)
    pitch = melodic["pitch"].astype(np.int16)[row]
    pitch_min, pitch_max = np.full(num_bars, 128, dtype=np.int16), np.full(num_bars, NO_PITCH, dtype=np.int16)
    np.minimum.at(pitch_min, bar, pitch)
    np.maximum.at(pitch_max, bar, pitch)
    sounding_ticks = np.add.reduceat((_sounding(melodic, int(barlines[-1])) > 0).astype(np.int64), barlines[:-1])
    return BarDescription(
        key=_bar_keys(_totals(bar * 12 + pitch % 12, overlap, num_bars * 12).reshape(-1, 12)),
        density=(onsets_in_bar * TICKS_PER_QUARTER / bar_ticks).astype(np.float32),
        polyphony=(_totals(bar, overlap, num_bars) / np.maximum(sounding_ticks, 1)).astype(np.float32),
        pitch_min=np.where(pitch_max == NO_PITCH, np.int16(NO_PITCH), pitch_min),
        pitch_max=pitch_max,
        families=families,
    )


def _bar_keys(profiles: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    """Key of each bar from the profiles of all, float64 [num_bars, 12]: that of the piece where no near bar has one."""
    whole = profiles.sum(axis=0)
    if not whole.any():
        return np.full(len(profiles), NO_KEY, dtype=np.int8)
    reach = len(BAR_KEY_WINDOW) // 2
    padded = np.pad(profiles, ((reach, reach), (0, 0)))
    windowed = sum(weight * padded[i : i + len(profiles)] for i, weight in enumerate(BAR_KEY_WINDOW))
    correlations = _key_correlations(np.asarray(windowed))
    of_piece = _key_correlations(whole.reshape(1, 12)).argmax()
    return np.where(correlations.any(axis=1), correlations.argmax(axis=1), of_piece).astype(np.int8)


def _spread(
    notes: NoteArray, barlines: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each note once for each bar in which it sounds: its row, the bar, the ticks of overlap, int64 [M] each."""
    begin = notes["onset"].astype(np.int64)
    end = begin + notes["duration"]
    first = np.searchsorted(barlines, begin, side="right") - 1
    count = np.searchsorted(barlines, end, side="left") - first
    row = np.repeat(np.arange(len(notes)), count)
    bar = first[row] + np.arange(len(row)) - (np.cumsum(count) - count)[row]
    overlap = np.minimum(end[row], barlines[bar + 1]) - np.maximum(begin[row], barlines[bar])
    return row, bar, overlap


def _sounding(notes: NoteArray, num_ticks: int) -> npt.NDArray[np.int32]:
    """How many notes sound at each tick: int32 [num_ticks]."""
    steps = np.bincount(notes["onset"], minlength=num_ticks + 1)
    steps -= np.bincount(notes["onset"] + notes["duration"], minlength=num_ticks + 1)
    return np.cumsum(steps[:num_ticks], dtype=np.int32)


def _totals(index: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.float64]:
    """Sum of `ticks` for each value of `index`: float64 [size]."""
    return np.bincount(index, weights=ticks, minlength=size).astype(np.float64)


def _family_bits(notes: NoteArray) -> npt.NDArray[np.int32]:
    """The bit of each note's family: int32 [N]."""
    return np.left_shift(1, notes["program"].astype(np.int32) // 8, dtype=np.int32)  # DRUMS // 8 is 16, as it should be


def _longest_meter(score: Score) -> str:
    """Name of the meter that holds for most ticks; of equals the first."""
    ticks: dict[str, int] = {}
    ends = [*(meter.tick for meter in score.meters[1:]), score.end_tick]
    for meter, end in zip(score.meters, ends, strict=True):
        ticks[str(meter)] = ticks.get(str(meter), 0) + max(0, end - meter.tick)
    return max(ticks, key=lambda name: ticks[name])
