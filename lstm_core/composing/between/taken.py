"""The notes that a track between two others has of these: in its key, in their bars, by those who play there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstm_core.analysis.grid import Floats
from lstm_core.composing.between.bars import StepBars
from lstm_core.composing.between.players import Chair
from lstm_core.composing.rearranging import in_range, in_scale
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, NOTE_DTYPE, NoteArray, tidy
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.representations.plan.layout import Ints, Plan

NO_CELL = -1  # where nothing is taken
Cells = Ints  # part of the bar's own track whose notes stand in each cell: [P, N]


def taken_notes(
    track: PlannedTrack,
    sides: tuple[SourceTrack, SourceTrack],
    t: float,
    bars: StepBars,
    chairs: Sequence[Chair],
    cells: Cells,
    plan: Plan,
) -> NoteArray:
    """The notes of all cells that are taken from either track: NOTE_DTYPE [N], `part` is the number of the chair.

    Args:
        track: That the notes are for.
        sides: The tracks that it leads from and to.
        t: Share of the way.
        bars: Of the track.
        chairs: Its parts.
        cells: What stays.
        plan: Its plan, as far as chords go.
    """
    stops = _stops(bars, track)
    louder = _louder(sides, t, bars, track.plan.meter.bar_ticks)
    found = [np.zeros(0, dtype=NOTE_DTYPE)]
    for number, chair in enumerate(chairs):
        for side, part in enumerate(chair.parts):
            if part is None:
                continue
            wanted = np.flatnonzero((bars.is_last == bool(side)) & (cells[number] == part)).astype(np.int64)
            notes = _moved(sides[side], part, chair.program, track)
            found += [_placed(notes, bar, bars, side, number, stops, louder, track) for bar in wanted.tolist()]
    notes = np.concatenate(found)
    melodic = notes["program"] != DRUMS
    if track.plan.key is not None:
        pitch = in_scale(notes["pitch"].astype(np.int64), notes, plan, track)
        notes["pitch"] = np.where(melodic, pitch, notes["pitch"])
    return tidy(notes)


def _moved(side: SourceTrack, part: int, program: int, track: PlannedTrack) -> NoteArray:
    """The notes of a part of either track in the key of a step, by another player if need be: NOTE_DTYPE [N]."""
    notes: NoteArray = side.notes[side.notes["part"] == part].copy()
    up = home_shift(side.track_plan.key) - home_shift(track.plan.key)
    if len(notes) == 0 or program == DRUMS or (not up and (notes["program"] == program).all()):
        return notes
    before = notes["pitch"].astype(np.int64)
    notes["pitch"] = in_range(before + up, before, program, track)
    notes["program"] = program
    return notes


def _placed(
    notes: NoteArray, bar: int, bars: StepBars, side: int, number: int, stops: Ints, louder: Ints, track: PlannedTrack
) -> NoteArray:
    """The notes of a bar where it stands in a step, ended where other music follows: NOTE_DTYPE [N]."""
    bar_ticks, own = track.plan.meter.bar_ticks, int(bars.of(side)[bar])
    is_here = (notes["onset"] >= own * bar_ticks) & (notes["onset"] < (own + 1) * bar_ticks)
    here: NoteArray = notes[is_here].copy()
    here["onset"] += (bar - own) * bar_ticks
    onset = here["onset"].astype(np.int64)
    longest = stops[bar] - onset
    if bar == track.plan.final_bar:
        longest = np.minimum(longest, track.plan.final_hold_ticks)
    here["duration"] = np.maximum(np.minimum(longest, here["duration"]), 1)
    here["velocity"] = np.clip(here["velocity"].astype(np.int64) + louder[bar], 8, 127)
    here["part"] = number
    return here


def _stops(bars: StepBars, track: PlannedTrack) -> Ints:
    """Ticks at which the music that each bar goes on with ends: the bars of its own track in a row; int64 [N]."""
    num_bars, bar_ticks = len(bars.is_last), track.plan.meter.bar_ticks
    own = np.where(bars.is_last, bars.of_last, bars.of_first)
    stops = np.full(num_bars, num_bars * bar_ticks, dtype=np.int64)
    for bar in range(num_bars - 2, -1, -1):
        goes_on = bars.is_last[bar] == bars.is_last[bar + 1] and own[bar + 1] == own[bar] + 1
        at_loop = bar + 1 == track.order.loop_start
        goes_on = goes_on and not at_loop and bar + 1 != track.plan.final_bar
        stops[bar] = stops[bar + 1] if goes_on else (bar + 1) * bar_ticks
    return stops


def loudness_between(sides: tuple[SourceTrack, SourceTrack], t: float, bars: StepBars, bar_ticks: int) -> Floats:
    """Mean velocity that each bar of a step has, as far from that of both tracks as it is: float64 [N]."""
    first, last = (_loudness(side, bar_ticks) for side in sides)
    between: Floats = first[bars.of_first] + t * (last[bars.of_last] - first[bars.of_first])
    return between


def _louder(sides: tuple[SourceTrack, SourceTrack], t: float, bars: StepBars, bar_ticks: int) -> Ints:
    """By how much the notes of each bar are louder than in their own track: int64 [N]."""
    first, last = (_loudness(side, bar_ticks) for side in sides)
    own = np.where(bars.is_last, last[bars.of_last], first[bars.of_first])
    return np.rint(loudness_between(sides, t, bars, bar_ticks) - own).astype(np.int64)


def _loudness(side: SourceTrack, bar_ticks: int) -> Floats:
    """Mean velocity of each bar of a track, of a silent one that of all: float64 [bars]."""
    num_bars, notes = side.plan.num_bars, side.notes
    bar = np.minimum(notes["onset"] // bar_ticks, num_bars - 1)
    counts = np.bincount(bar, minlength=num_bars)
    total = np.bincount(bar, weights=notes["velocity"], minlength=num_bars)
    mean = float(notes["velocity"].mean()) if len(notes) else 0.0
    return np.where(counts > 0, total / np.maximum(counts, 1), mean)
