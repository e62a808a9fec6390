"""A track between two others: its plan, the notes that it has of either, and the cells that are written anew.

A bar is the first track's or the last one's, with its chords and its melody. Before it turns its accompaniment is
written anew, figures first and the bass at last, and some time after that it is the last track's in the reverse order.
It is also written anew where other players play it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lstm_core.analysis.grid import Bools, Floats
from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.composing.between.bars import StepBars, step_bars
from lstm_core.composing.between.players import Chair, chairs_at
from lstm_core.composing.between.taken import NO_CELL, Cells, loudness_between, taken_notes
from lstm_core.composing.remaking import Staying
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import NoteArray
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.representations.plan.layout import (
    EXACT,
    MAX_LETTERS,
    NEW,
    NO_CHORD,
    NO_SOURCE,
    NUM_QUALITIES,
    VARIED,
    Ints,
    Plan,
    chord_tones,
)

STAYS = {FIGURE: 2.0, HARMONY: 1.7, COUNTER: 1.7, DRUM: 1.5, BASS: 1.3, MELODY: 1.0}
# power of the share of the way at which a bar turns that gives the share up to which a role stays in it


def led(track: PlannedTrack) -> Staying | None:
    """The plan of a track between two others and what stays of these; None where it leads from none to none."""
    order, source, target = track.order, track.source, track.target
    if not order.between or source is None or target is None:
        return None
    end = {1: source, order.steps: target}.get(order.step)
    if end is not None:
        nothing = np.zeros((end.plan.num_parts, end.plan.num_bars), dtype=bool)
        return Staying(plan=end.plan, notes=end.notes, is_new=nothing)
    return _Step(track, (source, target)).staying()


def step_loudness(track: PlannedTrack) -> Floats | None:
    """Mean velocity that the bars of a track between two others have, float64 [N]; None for any other and for ends."""
    source, target = track.source, track.target
    if source is None or target is None or is_end(track):
        return None
    t, bars = _way(track, source, target)
    return loudness_between((source, target), t, bars, track.plan.meter.bar_ticks)


def nearer_track(track: PlannedTrack) -> SourceTrack | None:
    """Of the two tracks between which one stands the nearer; None before they were looked up."""
    is_first = 2 * (track.order.step - 1) < track.order.steps - 1
    return track.source if is_first else track.target


def is_end(track: PlannedTrack) -> bool:
    """Whether a track is the first or the last of those that lead from one track to another."""
    return track.order.step in (1, track.order.steps)


def _way(track: PlannedTrack, source: SourceTrack, target: SourceTrack) -> tuple[float, StepBars]:
    """The share of the way at which a track stands, and its bars."""
    order, is_ending = track.order, track.plan.final_bar is not None
    t = (order.step - 1) / (order.steps - 1)
    return t, step_bars(t, source.plan, target.plan, steps=order.steps, seed=order.seed, is_ending=is_ending)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """What the bars of a step have of the bars that they are: int64 [N, 2] and [N]."""

    chord: Ints
    bass: Ints
    num_slots: Ints
    begins: Bools  # slots in which a chord begins: [N, 2]


class _Step:
    """A track between two others as it is put together."""

    def __init__(self, track: PlannedTrack, sides: tuple[SourceTrack, SourceTrack]) -> None:
        order = track.order
        self.track, self.sides = track, sides
        self.plans = sides[0].plan, sides[1].plan
        self.t, self.bars = _way(track, *sides)
        self.side = self.bars.is_last.astype(np.int64)
        self.num_bars = len(self.side)
        self.chairs: list[Chair] = chairs_at(self.t, *self.plans, order.seed)
        self.frame = self._frame()

    def staying(self) -> Staying:
        """The plan and the notes that stay."""
        cells, plays = self._cells(), self._plays()
        notes = taken_notes(self.track, self.sides, self.t, self.bars, self.chairs, cells, self.frame_plan())
        cells, notes = self._without_lost_basses(cells, notes)
        has_notes = np.zeros_like(plays)
        has_notes[notes["part"], notes["onset"] // self.track.plan.meter.bar_ticks] = True
        is_new = plays & (cells == NO_CELL)
        sounds = is_new | has_notes  # what stays plays where it has notes: bounds may have taken some
        for bar in range(1, self.num_bars):
            if not sounds[:, bar - 1 : bar + 1].any():  # pauses of both tracks in a row would be too long
                is_new[:, bar] = sounds[:, bar] = self._plays_in(bar, 1 - int(self.side[bar]))
        plan = self._plan(sounds, is_new)
        used = np.flatnonzero(sounds.any(axis=1)).tolist()
        return _with_parts(Staying(plan=plan, notes=notes, is_new=is_new), used)

    def frame_plan(self) -> Plan:
        """The plan without any relation between bars, and nothing that plays."""
        nothing = np.zeros(self.num_bars, dtype=np.int64)
        return Plan(
            roles=np.array([chair.role for chair in self.chairs], dtype=np.int64),
            programs=np.array([chair.program for chair in self.chairs], dtype=np.int64),
            bar_ticks=np.full(self.num_bars, self.track.plan.meter.bar_ticks, dtype=np.int64),
            num_slots=self.frame.num_slots,
            source=np.full(self.num_bars, NO_SOURCE, dtype=np.int64),
            relation=np.full(self.num_bars, NEW, dtype=np.int64),
            shift=nothing.copy(),
            section=self._sections(),
            chord=self.frame.chord,
            bass=self.frame.bass,
            energy=self._energy(),
            active=nothing.copy(),
            copied=nothing.copy(),
        )

    def _of_own(self, first: Ints, last: Ints) -> Ints:
        """Values of the bars of both tracks by the track whose bar each is: int64 [N, ...]."""
        a, b = first[self.bars.of_first], last[self.bars.of_last]
        is_last = self.bars.is_last.reshape(-1, *[1] * (a.ndim - 1))
        return np.where(is_last, b, a)

    def _frame(self) -> _Frame:
        first, last = self.plans
        chord, bass = self._of_own(first.chord, last.chord), self._of_own(first.bass, last.bass)
        scale, shift = scale_of(self.track.order, self.track.plan), home_shift(self.track.plan.key)
        if scale is not None:  # a bass that neither the scale nor the chord has is the root
            classes = np.isin(np.arange(12), [(pitch_class + shift) % 12 for pitch_class in scale])
            can_sound = classes[bass % 12] | (chord_tones()[chord, bass % 12] == 1)
            bass = np.where((chord == NO_CHORD) | can_sound, bass, (chord - 1) // NUM_QUALITIES)
        num_slots = self._of_own(first.num_slots, last.num_slots)
        begins, before = np.zeros((self.num_bars, 2), dtype=bool), (NO_CHORD, -1)
        for bar in range(self.num_bars):
            for slot in range(int(num_slots[bar])):
                now = int(chord[bar, slot]), int(bass[bar, slot])
                begins[bar, slot] = now != before and now[0] != NO_CHORD
                before = now
        return _Frame(chord=chord, bass=bass, num_slots=num_slots, begins=begins)

    def _plays(self) -> Bools:
        """What plays as in the track whose bar it is, a player that has no part there as in the other: bool [P, N]."""
        return np.stack([self._plays_in(bar, side) for bar, side in enumerate(self.side.tolist())], axis=1)

    def _plays_in(self, bar: int, side: int) -> Bools:
        """Who plays in a bar as in one of the tracks, a player that has no part there as in the other: bool [P]."""
        plays = np.zeros(len(self.chairs), dtype=bool)
        for number, chair in enumerate(self.chairs):
            at = side if chair.parts[side] is not None else 1 - side
            plays[number] = self.plans[at].active[self.bars.of(at)[bar]] >> (chair.parts[at] or 0) & 1
        return plays

    def _cells(self) -> Cells:
        """The part of the bar's own track whose notes stay in each cell, NO_CELL where none do: int64 [P, N]."""
        cells = np.full((len(self.chairs), self.num_bars), NO_CELL, dtype=np.int64)
        for number, chair in enumerate(self.chairs):
            first_until = self.bars.turn ** STAYS[chair.role]
            last_from = 1.0 - (1.0 - self.bars.turn) ** STAYS[chair.role]
            for bar, side in enumerate(self.side.tolist()):
                part, plan = chair.parts[side], self.plans[side]
                if part is None or chair.role != plan.roles[part]:
                    continue
                stays = last_from[bar] <= self.t if side else self.t < first_until[bar]
                if stays and (chair.role == MELODY or chair.program == plan.programs[part]):
                    cells[number, bar] = part
        return cells

    def _without_lost_basses(self, cells: Cells, notes: NoteArray) -> tuple[Cells, NoteArray]:
        """Cells and notes without basses that do not begin with a chord that begins only here."""
        plan = self.track.plan
        shift, bar_ticks = home_shift(plan.key), plan.meter.bar_ticks
        bars = notes["onset"] // bar_ticks
        columns = notes["part"], bars, notes["onset"] % bar_ticks, notes["pitch"] % 12
        there = set(zip(*(column.tolist() for column in columns), strict=True))
        cells = cells.copy()
        for number, chair in enumerate(self.chairs):
            for bar, slot in np.argwhere(self.frame.begins).tolist() if chair.role == BASS else ():
                wanted = int(self.frame.bass[bar, slot] - shift) % 12
                if (number, bar, slot * bar_ticks // 2, wanted) not in there:
                    cells[number, bar] = NO_CELL
        return cells, notes[cells[notes["part"], bars] != NO_CELL]

    def _plan(self, sounds: Bools, is_new: Bools) -> Plan:
        """The plan in which a cell copies one that it copies in its own track, where both are of one kind."""
        plan, bits = self.frame_plan(), np.int64(1) << np.arange(len(self.chairs))
        found: dict[tuple[int, int], int] = {}  # the first bar that is a bar of either track
        for bar, side in enumerate(self.side.tolist()):
            own, at = self.plans[side], int(self.bars.of(side)[bar])
            is_again = (side, at) in found  # of a track that is made longer
            source = (
                found.setdefault((side, at), bar) if is_again else found.get((side, int(own.source[at])), NO_SOURCE)
            )
            found.setdefault((side, at), bar)
            relation = EXACT if is_again else int(own.relation[at])
            plan.active[bar] = bits[sounds[:, bar]].sum()
            if source == NO_SOURCE or relation == NEW:
                continue
            copies = sounds[:, bar] & sounds[:, source] & (is_new[:, bar] == is_new[:, source])
            copies &= [is_again or self._copies(chair, side, at) for chair in self.chairs]
            if (self.frame.begins[bar] & ~self.frame.begins[source]).any():  # a bass may have to begin again
                copies &= plan.roles != BASS
            plan.copied[bar] = bits[copies].sum()
            if copies.any():
                is_whole = plan.copied[bar] == plan.active[bar] == plan.active[source] and relation != VARIED
                plan.relation[bar], plan.source[bar] = EXACT if is_whole else VARIED, source
        return plan

    def _copies(self, chair: Chair, side: int, at: int) -> bool:
        """Whether a part copies a bar of the track that it belongs to; one that has no part there as the whole bar."""
        plan, part = self.plans[side], chair.parts[side]
        if part is None:
            return bool(plan.relation[at] == EXACT)
        return bool(plan.copied[at] >> part & 1)

    def _sections(self) -> Ints:
        """Sections as in the two tracks, another one where a bar of the other track follows: int64 [N]."""
        letters = [plan.letters() for plan in self.plans]
        named: dict[tuple[int, int], int] = {}
        sections = np.zeros(self.num_bars, dtype=np.int64)
        for bar, side in enumerate(self.side.tolist()):
            at = int(self.bars.of(side)[bar])
            turns = bar > 0 and side != self.side[bar - 1] and bar != self.track.plan.final_bar
            if bar == 0 or turns or self.plans[side].section[at]:
                letter = named.setdefault((side, int(letters[side][at])), len(named))
                sections[bar] = 1 + min(letter, MAX_LETTERS - 1)
        return sections

    def _energy(self) -> Ints:
        """The energy of each bar, as far from either track as the step is: int64 [N]."""
        first, last = self.plans[0].energy[self.bars.of_first], self.plans[1].energy[self.bars.of_last]
        return np.rint(first + self.t * (last - first)).astype(np.int64)


def _with_parts(stays: Staying, used: list[int]) -> Staying:
    """The same with these parts alone, the others being silent."""
    plan = stays.plan
    number = np.zeros(plan.num_parts, dtype=np.int64)
    number[used] = np.arange(len(used))
    notes = stays.notes.copy()
    notes["part"] = number[notes["part"]]

    def moved(bits: Ints) -> Ints:
        return sum(((bits >> part & 1) << place for place, part in enumerate(used)), np.zeros_like(bits))

    return Staying(
        plan=replace(
            plan,
            roles=plan.roles[used],
            programs=plan.programs[used],
            active=moved(plan.active),
            copied=moved(plan.copied),
        ),
        notes=notes,
        is_new=stays.is_new[used],
    )
