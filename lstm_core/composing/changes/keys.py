"""The keys of a track whose sections are in several: how far each bar sounds from the home key it is composed in."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.form_rules import FormRules, final_chord
from lstm_core.composing.voices import ended_by
from lstm_core.engine.plans.rules import FREE
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import NoteArray
from lstm_core.orders.changes.keys import shift_near
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.sections import sections_of
from lstm_core.representations.plan.layout import NO_SOURCE, Ints, Plan


def keys_of_bars(order: TrackOrder, plan: TrackPlan) -> Ints | None:
    """The key of each bar, 0 to 23: int64 [N]; None for a track without a key."""
    if plan.key is None:
        return None
    keys = np.full(plan.num_bars, plan.key, dtype=np.int64)
    for placed, key in zip(sections_of(order, plan), plan.section_keys, strict=False):
        keys[placed.bars] = key
    return keys


def shifts_of_bars(order: TrackOrder, plan: TrackPlan) -> Ints:
    """Semitones from the key of each bar to the home key: int64 [N], all within an octave of the first."""
    keys = keys_of_bars(order, plan)
    if keys is None:
        return np.zeros(plan.num_bars, dtype=np.int64)
    first = home_shift(plan.key)
    near = {key: shift_near(key, first) for key in np.unique(keys).tolist()}
    return np.array([near[key] for key in keys.tolist()], dtype=np.int64)


def key_borders(shifts: Ints) -> list[int]:
    """Bars that are moved by another number of semitones than the one before."""
    return [int(bar) for bar in 1 + np.flatnonzero(np.diff(shifts))]


def extremes_of(shifts: Ints, made: Plan) -> Ints:
    """The smallest and the largest shift of each bar of a plan and of all bars that repeat or vary it: int64 [N, 2]."""
    found = np.stack([shifts, shifts], axis=1)
    for bar in range(made.num_bars - 1, -1, -1):  # sources stand before what repeats them
        source = int(made.source[bar])
        if source != NO_SOURCE:
            found[source, 0] = min(found[source, 0], found[bar, 0])
            found[source, 1] = max(found[source, 1], found[bar, 1])
    return found


def with_tonics(chord: Ints, bass: Ints, order: TrackOrder, plan: TrackPlan, form: FormRules) -> tuple[Ints, Ints]:
    """Rules of chords by which new sections in another key than the track's begin with its tonic, where that is open.

    It is by its tonic that a key is heard, most of all one whose scale has the same notes.
    """
    if not plan.section_keys or plan.key is None:
        return chord, bass
    chord, bass, shifts = chord.copy(), bass.copy(), shifts_of_bars(order, plan)
    for placed, key in zip(sections_of(order, plan), plan.section_keys, strict=True):
        bar = placed.start
        if key != plan.key and form.back[bar] in (FREE, 0) and chord[bar, 0] == FREE:
            chord[bar, 0], bass[bar, 0] = final_chord(key, order.scale, int(shifts[bar])), 0
    return chord, bass


def ended_at_borders(notes: NoteArray, shifts: Ints, bar_ends: Ints) -> NoteArray:
    """The notes of which none sounds on into another key; bar_ends: the tick at which each bar ends, int64 [N]."""
    for bar in key_borders(shifts):
        notes = ended_by(notes, int(bar_ends[bar - 1]))
    return notes
