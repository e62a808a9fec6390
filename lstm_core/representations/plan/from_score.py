"""A score cut into parts, and the plan that its analysis gives it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.piece import Analysis, analyse
from lstm_core.notes.chord_symbols import NO_CHORD as NO_ROOT
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, NoteArray, Score
from lstm_core.representations.note_events import FIRST_DRUM_KEY, LAST_DRUM_KEY
from lstm_core.representations.plan.layout import (
    ENERGY_EDGES,
    EXACT,
    MAX_BACK,
    MAX_LETTERS,
    MAX_PARTS,
    NEW,
    NO_CHORD,
    NO_SOURCE,
    NUM_QUALITIES,
    PART_RANK,
    TRANSPOSED,
    VARIED,
    Ints,
    Plan,
    moved_chord,
)

MAX_BAR_TICKS = 192  # longer bars are not spelt
_FEW_NOTES, _FEW_SHARE = 8, 0.01  # a part of fewer joins the busiest of its program
_KEPT = 2  # scores whose parts are remembered: each is asked for by several representations


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedScore:
    plan: Plan
    notes: NoteArray  # those of the parts, in the home key, in order of onset and pitch
    part: Ints  # of each note: [N]
    bar: Ints  # of each note: [N]
    barlines: Ints  # ticks: [bars + 1]
    num_left_out: int  # notes that no part could take


_known: OrderedDict[int, tuple[Score, PlannedScore | None]] = OrderedDict()


def plan_score(score: Score) -> PlannedScore | None:
    """Plan and parts of a score; None where it has no notes, or a bar of more than MAX_BAR_TICKS ticks."""
    kept = _known.get(id(score))
    if kept is None or kept[0] is not score:
        kept = (score, _planned(score))
        _known[id(score)] = kept
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return kept[1]


def planned_note_for_note(score: Score, shift: int) -> PlannedScore | None:
    """The same with nothing copied, moved to the home key by so many semitones, whatever the key of the score is."""
    planned = _planned(score, shift)
    if planned is None:
        return None
    active = np.zeros(planned.plan.num_bars, dtype=np.int64)
    np.bitwise_or.at(active, planned.bar, np.int64(1) << planned.part)
    nothing = np.zeros_like(active)
    plan = replace(
        planned.plan,
        source=np.full_like(active, NO_SOURCE),
        relation=np.full_like(active, NEW),
        shift=nothing,
        active=active,
        copied=nothing,
    )
    return replace(planned, plan=plan)


def _planned(score: Score, shift: int | None = None) -> PlannedScore | None:
    notes = score.notes
    if len(notes) == 0:
        return None
    analysis = analyse(score)
    bar_ticks = np.diff(analysis.barlines)
    if bar_ticks.max() > MAX_BAR_TICKS:
        return None
    num_before = len(notes)
    shift = home_shift(int(np.bincount(analysis.bar_key).argmax())) if shift is None else shift
    notes, role = _in_home_key(notes, shift), analysis.note_role.astype(np.int64)
    is_drum = notes["program"] == DRUMS
    known = ~is_drum | ((notes["pitch"] >= FIRST_DRUM_KEY) & (notes["pitch"] <= LAST_DRUM_KEY))
    notes, role = notes[known], role[known]
    if len(notes) == 0:
        return None
    roles, programs, part = _parts(notes["program"].astype(np.int64), role)
    kept = part >= 0
    notes, part = notes[kept], part[kept]
    order = np.lexsort((notes["pitch"], notes["onset"]))
    notes, part = notes[order], part[order]
    bar = np.searchsorted(analysis.barlines, notes["onset"], side="right") - 1
    bar = np.minimum(bar, len(bar_ticks) - 1)
    plan = _plan(analysis, shift, roles, programs, bar_ticks)
    contents = _contents(notes, part, bar, analysis.barlines)
    plan = _with_activity(plan, contents)
    return PlannedScore(
        plan=plan,
        notes=notes,
        part=part,
        bar=bar.astype(np.int64),
        barlines=analysis.barlines,
        num_left_out=num_before - len(notes),
    )


def _in_home_key(notes: NoteArray, shift: int) -> NoteArray:
    """The notes transposed, those that would leave the MIDI range an octave the other way."""
    moved = notes.copy()
    pitch = notes["pitch"].astype(np.int64) + shift
    pitch = np.where(pitch < 0, pitch + 12, np.where(pitch > 127, pitch - 12, pitch))
    moved["pitch"] = np.where(notes["program"] == DRUMS, notes["pitch"], pitch)
    return moved


def _parts(program: Ints, role: Ints) -> tuple[Ints, Ints, Ints]:
    """Roles and programs of the parts, and the part of each note, -1 for those that are left out."""
    key = program * 8 + role
    names, counts = np.unique(key, return_counts=True)
    few = max(_FEW_NOTES, int(_FEW_SHARE * len(key)))
    joined = names.copy()
    for i, name in enumerate(names):
        others = names // 8 == name // 8
        busiest = names[others][counts[others].argmax()]
        if counts[i] < few:
            joined[i] = busiest
    key = joined[np.searchsorted(names, key)]
    names, counts = np.unique(key, return_counts=True)
    while len(names) > MAX_PARTS and len(np.unique(names // 8)) < len(names):
        shared = np.bincount(names // 8)[names // 8] > 1
        least = int(np.where(shared, counts, np.iinfo(np.int64).max).argmin())
        others = np.where((names // 8 == names[least] // 8) & (names != names[least]), counts, -1)
        key[key == names[least]] = names[others.argmax()]
        names, counts = np.unique(key, return_counts=True)
    rank = np.array([PART_RANK[name % 8] for name in names])
    busy = np.argsort(-counts, kind="stable")[:MAX_PARTS]
    chosen = busy[np.lexsort((names[busy], -counts[busy], rank[busy]))]
    place = np.full(len(names), -1)
    place[chosen] = np.arange(len(chosen))
    part = place[np.searchsorted(names, key)]
    return names[chosen] % 8, names[chosen] // 8, part.astype(np.int64)


def _plan(analysis: Analysis, shift: int, roles: Ints, programs: Ints, bar_ticks: Ints) -> Plan:
    num_bars = len(bar_ticks)
    slot_of_bar = np.searchsorted(analysis.slot_bar, np.arange(num_bars))
    num_slots = np.bincount(analysis.slot_bar, minlength=num_bars)
    slots = np.stack([slot_of_bar, slot_of_bar + num_slots - 1], axis=1)
    root, quality = analysis.chord_root.astype(np.int64), analysis.chord_quality.astype(np.int64)
    chord = np.where(root == NO_ROOT, NO_CHORD, 1 + NUM_QUALITIES * ((root + shift) % 12) + quality)
    bass = np.where(root == NO_ROOT, -1, (analysis.chord_bass.astype(np.int64) + shift) % 12)
    section = np.zeros(num_bars, dtype=np.int64)
    for one in analysis.sections:
        section[one.start_bar] = 1 + min(one.letter, MAX_LETTERS - 1)
    source, relation = analysis.source_bar.astype(np.int64), analysis.relation.astype(np.int64)
    too_far = (source == NO_SOURCE) | (np.arange(num_bars) - source > MAX_BACK)
    same_length = bar_ticks[np.maximum(source, 0)] == bar_ticks
    too_far |= ~same_length
    relation = np.where(too_far, NEW, relation)
    return Plan(
        roles=roles,
        programs=programs,
        bar_ticks=bar_ticks.astype(np.int64),
        num_slots=num_slots.astype(np.int64),
        source=np.where(too_far, NO_SOURCE, source),
        relation=relation,
        shift=np.where(relation == TRANSPOSED, np.clip(analysis.transposition.astype(np.int64), -12, 12), 0),
        section=section,
        chord=chord[slots],
        bass=bass[slots],
        energy=np.searchsorted(ENERGY_EDGES, analysis.energy, side="right").astype(np.int64),
        active=np.zeros(num_bars, dtype=np.int64),
        copied=np.zeros(num_bars, dtype=np.int64),
    )


def _contents(notes: NoteArray, part: Ints, bar: Ints, barlines: Ints) -> dict[tuple[int, int], frozenset[int]]:
    """Of each part and bar in which it begins something: (place, pitch) as one number each."""
    place = (notes["onset"] - barlines[bar]) * 256 + notes["pitch"]
    found: dict[tuple[int, int], list[int]] = {}
    for p, b, value in zip(part.tolist(), bar.tolist(), place.tolist(), strict=True):
        found.setdefault((p, b), []).append(value)
    return {key: frozenset(values) for key, values in found.items()}


def _with_activity(plan: Plan, contents: dict[tuple[int, int], frozenset[int]]) -> Plan:
    """The plan with what plays and what is copied. A bar that repeats another as a whole is made like it."""
    active, copied = np.zeros(plan.num_bars, dtype=np.int64), np.zeros(plan.num_bars, dtype=np.int64)
    chord, bass, energy = plan.chord.copy(), plan.bass.copy(), plan.energy.copy()
    for p, b in contents:
        active[b] |= 1 << p
    for b in range(plan.num_bars):
        source, relation = int(plan.source[b]), int(plan.relation[b])
        if relation in (EXACT, TRANSPOSED):
            up = int(plan.shift[b])
            active[b] = copied[b] = active[source]
            chord[b] = moved_chord(chord[source], up)
            bass[b] = np.where(bass[source] < 0, -1, (bass[source] + up) % 12)
            energy[b] = energy[source]
        elif relation == VARIED:
            for p in range(plan.num_parts):
                here = contents.get((p, b))
                if here is not None and here == contents.get((p, source)):
                    copied[b] |= 1 << p
    return replace(plan, active=active, copied=copied, chord=chord, bass=bass, energy=energy)


def is_played(planned: PlannedScore) -> npt.NDArray[np.bool_]:
    """Which notes are written note by note, and are not copied: bool [N]."""
    bits = planned.plan.active & ~planned.plan.copied
    found: npt.NDArray[np.bool_] = (bits[planned.bar] >> planned.part & 1) > 0
    return found
