"""The notes of a plan's parts <-> K parallel integer streams.

Parts are written one after another, in the order of the plan; of each the bars that it plays and does not copy. An
event is one row of four small integers: `place, pitch, duration, velocity`.

    note   place in the bar in ticks, MIDI pitch or drum key, duration, velocity
    BAR    the next bar begins that is written: `pitch` tells its texture (how many onsets, how many notes at each),
           `duration` its register, `velocity` how loud it is
    END    a BAR whose pitch is END: nothing follows

The notes of a bar stand in ascending (place, pitch). Everything is in the home key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from lstm_core.analysis.grid import Bools
from lstm_core.notes.score import DRUMS, NOTE_DTYPE, NoteArray, tidy
from lstm_core.representations.note_events import (
    DURATIONS,
    FIRST_DRUM_KEY,
    LAST_DRUM_KEY,
    VELOCITY_STEP,
    nearest_duration,
)
from lstm_core.representations.plan.from_score import MAX_BAR_TICKS, PlannedScore, is_played
from lstm_core.representations.plan.layout import Ints, Plan
from lstm_core.representations.representation import EventArray, Stream

REPRESENTATION = "parts-1"  # a change of anything below is a new representation

BAR = MAX_BAR_TICKS  # value of the place
FIRST_DRUM = 128  # value of drum key FIRST_DRUM_KEY in the pitch stream
END = FIRST_DRUM + LAST_DRUM_KEY - FIRST_DRUM_KEY + 1  # of the pitch stream, as what follows
FIRST_TEXTURE = END + 1
ONSET_EDGES = np.array([2, 3, 4, 5, 7, 9, 13])  # onsets in a bar that begin a new step
CHORD_EDGES = np.array([1.25, 2.25])  # notes per onset that begin a new step
NUM_TEXTURES = (1 + len(ONSET_EDGES)) * (1 + len(CHORD_EDGES))
FIRST_REGISTER = len(DURATIONS)  # of the duration stream
REGISTER_STEP = 4  # semitones
NUM_REGISTERS = 128 // REGISTER_STEP

STREAMS = (
    Stream("place", MAX_BAR_TICKS + 1),
    Stream("pitch", FIRST_TEXTURE + NUM_TEXTURES),
    Stream("duration", FIRST_REGISTER + NUM_REGISTERS),
    Stream("velocity", 1 + 128 // VELOCITY_STEP),
)
PLACE, PITCH, DURATION, VELOCITY = range(4)


def spell_parts(planned: PlannedScore) -> EventArray:
    """Events of the parts of a score: uint8 [T, 4]."""
    kept = is_played(planned)
    notes, part, bar = planned.notes[kept], planned.part[kept], planned.bar[kept]
    rows = np.zeros((len(notes), 4), dtype=np.int64)
    rows[:, PLACE] = notes["onset"] - planned.barlines[bar]
    pitch = notes["pitch"].astype(np.int64)
    rows[:, PITCH] = np.where(notes["program"] == DRUMS, FIRST_DRUM + pitch - FIRST_DRUM_KEY, pitch)
    rows[:, DURATION] = nearest_duration(notes["duration"])
    rows[:, VELOCITY] = np.clip(notes["velocity"] // VELOCITY_STEP, 0, 15) + 1
    order = np.lexsort((rows[:, PITCH], rows[:, PLACE], bar, part))
    rows, cell = rows[order], (part * planned.plan.num_bars + bar)[order]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    parts: list[Ints] = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        parts += [bar_event(rows[start:stop])[None], rows[start:stop]]
    closing = np.array([[BAR, END, 0, 0]])
    return np.concatenate([*parts, closing]).astype(np.uint8)


def bar_event(rows: Ints) -> Ints:
    """The BAR before the notes of a bar, rows int64 [n, 4]: int64 [4]."""
    num_onsets = len(np.unique(rows[:, PLACE]))
    steps = np.searchsorted(ONSET_EDGES, num_onsets, side="right")
    together = np.searchsorted(CHORD_EDGES, len(rows) / num_onsets, side="right")
    pitch = np.where(rows[:, PITCH] >= FIRST_DRUM, rows[:, PITCH] - FIRST_DRUM + FIRST_DRUM_KEY, rows[:, PITCH])
    return np.array(
        [
            BAR,
            FIRST_TEXTURE + steps * (1 + len(CHORD_EDGES)) + together,
            FIRST_REGISTER + int(pitch.mean()) // REGISTER_STEP,
            round(float(rows[:, VELOCITY].mean())),
        ],
        dtype=np.int64,
    )


def read_parts(events: EventArray, plan: Plan, semitones: Ints | int = 0) -> NoteArray:
    """The notes that events and the plan's copies make, moved by some semitones, or each bar by its own, int64 [bars].

    Returns:
        NOTE_DTYPE [N]; `part` of a note is the number of its part in the plan.

    Raises:
        ValueError: the events do not belong to the plan.
    """
    table = events.astype(np.int64)
    written = _bars_of_events(table)
    played = plan.played()
    if len(written) != len(played):
        raise ValueError(f"these events write {len(written)} bars, the plan wants {len(played)}")
    rows = {(int(p), int(b)): own for (p, b), own in zip(played, written, strict=True)}
    barlines = np.concatenate([[0], np.cumsum(plan.bar_ticks)])
    moved = np.broadcast_to(semitones, plan.num_bars)
    found: list[NoteArray] = []
    for p in range(plan.num_parts):
        is_drum = plan.programs[p] == DRUMS
        for b in np.flatnonzero(plan.active >> p & 1).tolist():
            if plan.copied[b] >> p & 1:
                rows[p, b] = moved_rows(rows.get((p, int(plan.source[b])), table[:0]), int(plan.shift[b]))
            own = rows[p, b]
            notes = np.zeros(len(own), dtype=NOTE_DTYPE)
            notes["onset"] = barlines[b] + own[:, PLACE]
            notes["duration"] = DURATIONS[own[:, DURATION]]
            notes["program"], notes["part"] = plan.programs[p], p
            pitch = own[:, PITCH] - FIRST_DRUM + FIRST_DRUM_KEY if is_drum else own[:, PITCH] + moved[b]
            notes["pitch"] = pitch
            notes["velocity"] = np.maximum((own[:, VELOCITY] - 1) * VELOCITY_STEP + VELOCITY_STEP // 2, 1)
            found.append(notes[(pitch >= 0) & (pitch <= 127)])
    return tidy(np.concatenate([*found, np.zeros(0, dtype=NOTE_DTYPE)]))


def moved_rows(rows: Ints, semitones: int) -> Ints:
    """Notes of a bar transposed, but for drums; those that leave the MIDI range are left out: int64 [n, 4]."""
    if semitones == 0:
        return rows
    pitched = rows[:, PITCH] < FIRST_DRUM
    moved = rows.copy()
    moved[pitched, PITCH] += semitones
    kept: Ints = moved[~pitched | ((moved[:, PITCH] >= 0) & (moved[:, PITCH] < FIRST_DRUM))]
    return kept


def with_parts(events: EventArray, plan: Plan, kept: Sequence[int]) -> EventArray:
    """The events of some parts, in this order: uint8 [T, 4]."""
    part = np.append(plan.played()[:, 0], -1)  # of the end none
    of_event = part[np.cumsum(events[:, PLACE] == BAR) - 1]
    return np.concatenate([*(events[of_event == one] for one in kept), events[-1:]])


def with_written(events: EventArray, plan: Plan, cells: Bools) -> tuple[EventArray, Plan]:
    """The same piece with some copied bars of its parts written out, bool [P, N]: events, uint8 [T, 4], and plan.

    Bars whose source is silent stay copies. Relation and source of bars stay as they are.
    """
    played = [(int(p), int(b)) for p, b in plan.played()]
    rows = dict(zip(played, _bars_of_events(events.astype(np.int64)), strict=True))
    barlines = dict(zip(played, events[events[:, PLACE] == BAR], strict=False))  # the last one is the end
    copied = plan.copied.copy()
    for p in range(plan.num_parts):
        for b in np.flatnonzero(plan.copied >> p & 1).tolist():
            source = (p, int(plan.source[b]))
            if source not in rows:
                continue
            own = moved_rows(rows[source], int(plan.shift[b]))
            if len(own) == 0:
                continue
            rows[p, b] = own
            if cells[p, b]:
                copied[b] &= ~(1 << p)
                barlines[p, b] = bar_event(own)
    again = replace(plan, copied=copied)
    written = [np.concatenate([barlines[p, b][None], rows[p, b]]) for p, b in again.played().tolist()]
    return np.concatenate([*written, events[-1:]]).astype(np.uint8), again


def _bars_of_events(table: Ints) -> list[Ints]:
    """Notes of each written bar: int64 [n, 4] each."""
    starts = np.flatnonzero(table[:, PLACE] == BAR)
    return [table[start + 1 : stop] for start, stop in pairwise(starts)]
