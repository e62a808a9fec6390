"""The picture of a track: notes in the colours of their roles, sections, chords, energy, and what each bar repeats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.picture import Mark, draw_analysis
from lstm_core.analysis.piece import Analysis
from lstm_core.analysis.references import NEW, NO_SOURCE
from lstm_core.analysis.roles import DRUM, HARMONY, MELODY, ROLES
from lstm_core.analysis.sections import Section
from lstm_core.catalogue.form import TrackForm
from lstm_core.composing.remaking import staying
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.score import DRUMS, NoteArray, Score, bar_starts
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.hits import parse_hits
from lstm_core.representations.plan.layout import Plan

Roles = npt.NDArray[np.uint8]  # index into analysis.roles.ROLES: [N]


def draw_track(score: Score, form: TrackForm, roles: Roles, made: tuple[PlannedTrack, Plan] | None = None) -> bytes:
    """PNG of a track as it was planned, see `draw_analysis`.

    `form` is that of its record, `roles` are those of its notes. Without what was `made`, the track and its plan, what
    bars repeat is left out, and so are hits, tempos, the beginning of a loop, and which bars were made again.
    """
    analysis = _as_analysis(score, form, roles, None if made is None else made[1])
    if made is None:
        return draw_analysis(score, analysis)
    return draw_analysis(score, analysis, marks=marks_of(made[0]), changed=changed_bars(made[0]))


def marks_of(track: PlannedTrack) -> list[Mark]:
    """Hits, other tempos, and the bar to which a loop returns."""
    plan, found = track.plan, list[Mark]()
    hits = parse_hits(track.order.hits) if plan.hit_bars else ()
    found += [Mark(tick=plan.tick_of(bar), text=f"hit {at:g} s") for bar, at in zip(plan.hit_bars, hits, strict=False)]
    found += [Mark(tick=tempo.tick, text=f"{tempo.bpm:.1f} bpm") for tempo in plan.tempos]
    if track.order.loop_start:
        found.append(Mark(tick=plan.tick_of(track.order.loop_start), text="loop begins"))
    return sorted(found, key=lambda mark: mark.tick)


def changed_bars(track: PlannedTrack) -> frozenset[int]:
    """The bars of a track that starts from another one in which something was made again while the rest stayed."""
    stays = staying(track)
    return frozenset() if stays is None else frozenset(np.flatnonzero(stays.is_new.any(axis=0)).tolist())


def planned_roles(notes: NoteArray, plan: Plan) -> Roles:
    """The role of each note of a take: uint8 [N]."""
    found: Roles = plan.roles[np.minimum(notes["part"], plan.num_parts - 1)].astype(np.uint8)
    return found


def roles_by_instrument(notes: NoteArray, form: TrackForm) -> Roles:
    """The role of each note by its instrument, where the parts are not known: the first that the form has it in."""
    of_name = {name: ROLES.index(role) for role in reversed(ROLES) for name in form.roles.get(role, ())}
    programs = np.unique(notes["program"]).tolist()
    table = np.zeros(DRUMS + 1, dtype=np.uint8)
    for program in programs:
        table[program] = DRUM if program == DRUMS else of_name.get(instrument_name(program), HARMONY)
    found: Roles = table[notes["program"]]
    return found


def _as_analysis(score: Score, form: TrackForm, roles: Roles, plan: Plan | None) -> Analysis:
    num_bars, slots = form.num_bars, form.slots_per_bar
    last, starts = score.meters[-1], bar_starts(score.meters, score.end_tick)[: num_bars + 1]
    more = np.arange(1, num_bars + 2 - len(starts)) * last.bar_ticks
    barlines = np.concatenate([starts, starts[-1] + more])
    slot = np.arange(slots)[None] * np.diff(barlines)[:, None] // slots
    chords = [parse_chord(name) for name in form.chords]
    bar = np.clip(np.searchsorted(barlines, score.notes["onset"], side="right") - 1, 0, num_bars - 1)
    bar_roles = np.zeros(num_bars, dtype=np.uint8)
    np.bitwise_or.at(bar_roles, bar, np.uint8(1) << roles)
    nothing = np.full(num_bars, NEW)
    return Analysis(
        barlines=barlines,
        slots=np.append((barlines[:-1, None] + slot).ravel(), barlines[-1]),
        slot_bar=(np.arange(num_bars * slots) // slots).astype(np.int32),
        chord_root=np.array([chord.root for chord in chords], dtype=np.int8),
        chord_quality=np.array([chord.quality for chord in chords], dtype=np.int8),
        chord_bass=np.array([chord.bass for chord in chords], dtype=np.int8),
        bar_key=np.zeros(num_bars, dtype=np.int8),
        note_role=roles,
        is_melody=(roles == MELODY).astype(np.uint8),
        bar_roles=bar_roles,
        sections=_sections(form),
        phrase_starts=np.array([section.start_bar for section in form.sections], dtype=np.int32),
        source_bar=(np.full(num_bars, NO_SOURCE) if plan is None else plan.source).astype(np.int32),
        relation=(nothing if plan is None else plan.relation).astype(np.uint8),
        transposition=(nothing if plan is None else plan.shift).astype(np.int8),
        similarity=np.zeros(num_bars, dtype=np.float32),
        energy=np.array(form.energy, dtype=np.float32),
    )


def _sections(form: TrackForm) -> tuple[Section, ...]:
    letters: list[str] = []
    found = []
    for section in form.sections:
        letter = section.name.partition("'")[0]
        if letter not in letters:
            letters.append(letter)
        found.append(
            Section(
                start_bar=section.start_bar,
                num_bars=section.num_bars,
                letter=letters.index(letter),
                variant=0,
                own_name=section.name,
            )
        )
    return tuple(found)
