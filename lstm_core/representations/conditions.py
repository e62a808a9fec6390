"""Inputs of the model besides the events: the position in the bar, and what the piece is like.

Contexts hold for one step and are known before it; conditions hold for a whole piece and each may be left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import FAMILIES, Meter, bar_starts
from lstm_core.representations.lookback import LAGS, NUM_AGREEMENTS
from lstm_core.representations.representation import Stream

MAX_POSITIONS = 192  # ticks of a bar that are distinguished, two bars of 4/4
MAX_BARS = 64  # bars played and bars left are counted up to here
METERS = ("2/4", "3/4", "4/4", "6/8", "2/2", "3/8", "9/8", "12/8", "6/4", "3/2", "5/4", "7/8", "4/2", "5/8", "7/4")
TEMPO_EDGES = np.geomspace(40.0, 240.0, 17)[1:-1]  # quarters per minute (bpm): 16 bins
DENSITY_EDGES = np.geomspace(0.5, 32.0, 13)[1:-1]  # notes per quarter: 12 bins

POSITION, BARS_PLAYED, BARS_LEFT = range(3)
FIRST_LAG = 3  # one context for each lag of lookback.LAGS: how well it agreed lately
NUM_MOVING = FIRST_LAG + len(
    LAGS
)  # the contexts before this index change from step to step, the others hold for a bar or a whole piece
METER, STYLE, KEY, TEMPO, DENSITY = range(NUM_MOVING, NUM_MOVING + 5)
_LAG_NAMES = tuple(f"agreement_{lag}" for lag in LAGS)
CONTEXT_NAMES = ("position", "bars_played", "bars_left", *_LAG_NAMES, "meter", "style", "key", "tempo", "density")
DROPPED = (STYLE, KEY, TEMPO, DENSITY)  # the contexts that are conditions; the families are flags


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a whole piece should be like; None leaves a condition open."""

    style: str | None = None
    key: int | None = None  # 0..11 major from C up, 12..23 minor
    tempo_bpm: float | None = None
    density: float | None = None  # notes per quarter
    families: int | None = None  # bit mask over notes.FAMILIES


def note_contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """The contexts of a model of notes: names and sizes, value 0 meaning "not given"."""
    sizes = (
        1 + MAX_POSITIONS,
        1 + MAX_BARS,
        1 + MAX_BARS,
        *(1 + NUM_AGREEMENTS for _ in LAGS),
        2 + len(METERS),
        1 + len(styles),
        1 + 24,
        2 + len(TEMPO_EDGES),
        2 + len(DENSITY_EDGES),
    )
    return tuple(Stream(name, size) for name, size in zip(CONTEXT_NAMES, sizes, strict=True))


def meter_value(meter: Meter) -> int:
    """Value of the meter context; meters outside METERS share the last one."""
    name = str(meter)
    return 1 + METERS.index(name) if name in METERS else 1 + len(METERS)


def condition_values(conditions: Conditions, styles: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Values of the contexts DROPPED: int64 [4]. A style that is not in `styles` is left open."""
    style = 1 + styles.index(conditions.style) if conditions.style in styles else 0
    key = 0 if conditions.key is None else 1 + conditions.key
    tempo = 0 if conditions.tempo_bpm is None else 1 + int(np.searchsorted(TEMPO_EDGES, conditions.tempo_bpm))
    density = 0 if conditions.density is None else 1 + int(np.searchsorted(DENSITY_EDGES, conditions.density))
    return np.array([style, key, tempo, density], dtype=np.int64)


def family_flags(families: int | None) -> npt.NDArray[np.float32]:
    """+1 for a family of the mask, -1 for the others, 0 where no mask is given: float32 [17]."""
    if families is None:
        return np.zeros(len(FAMILIES), dtype=np.float32)
    return np.array([1.0 if families >> i & 1 else -1.0 for i in range(len(FAMILIES))], dtype=np.float32)


def bar_contexts(
    onsets: npt.NDArray[np.int64], meters: tuple[Meter, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Contexts position, bars_played, bars_left, meter of each step, int64 [T, 4], and onset positions, int64 [T].

    `onsets` (int64 [T], ticks) are those of the events themselves; the context of a step is where the event before
    it stands, since its own time is not chosen yet. The last event closes the piece on its last barline.
    """
    barlines = bar_starts(meters, int(onsets[-1]))
    num_bars = len(barlines) - 1
    bar = np.searchsorted(barlines, onsets, side="right") - 1
    position = onsets - barlines[np.minimum(bar, num_bars)]
    starts = np.array([meter.tick for meter in meters])
    meter_of_bar = np.array([meter_value(m) for m in meters])[np.searchsorted(starts, barlines, side="right") - 1]
    bar_before = np.concatenate([[0], bar[:-1]])
    position_before = np.concatenate([[0], position[:-1]])
    table = np.stack(
        [
            1 + np.minimum(position_before, MAX_POSITIONS - 1),
            1 + np.minimum(bar_before, MAX_BARS - 1),
            1 + np.minimum(num_bars - bar_before, MAX_BARS - 1),
            meter_of_bar[np.minimum(bar_before, num_bars)],
        ],
        axis=1,
    )
    return table, 1 + np.minimum(position, MAX_POSITIONS - 1)


def transposed_key(key: int, semitones: int) -> int:
    """The key that is `semitones` higher, of the same mode."""
    return (key % 12 + semitones) % 12 + 12 * (key // 12)


def drop_conditions(conditions: Conditions, share: float, random: npt.NDArray[np.float64]) -> Conditions:
    """The conditions with each one left open where its number of `random` (float64 [5]) is below `share`."""
    names = ("style", "key", "tempo_bpm", "density", "families")
    left_open: dict[str, Any] = {name: None for name, number in zip(names, random, strict=True) if number < share}
    return replace(conditions, **left_open)
