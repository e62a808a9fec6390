"""The picture of a track: notes by role, sections, chords, players, energy, tempos, layers, and what was made again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.picture.drawing import draw_analysis
from lstm_core.analysis.picture.system import Extras, Mark, Player, Roll
from lstm_core.analysis.piece import Analysis
from lstm_core.analysis.references import NEW, NO_SOURCE
from lstm_core.analysis.roles import DRUM, HARMONY, MELODY, ROLES
from lstm_core.analysis.sections import Section
from lstm_core.catalogue.form import TrackForm
from lstm_core.composing.remaking import staying
from lstm_core.composing.take import Take
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.keys import key_name
from lstm_core.notes.score import DRUMS, NoteArray, Score, bar_starts
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.hits import parse_hits
from lstm_core.representations.plan.layout import Plan
from lstm_core.tracks.layer_audio import layer_name
from lstm_core.tracks.layers import layering_of
from lstm_core.tracks.replay import Replay

WIDTH = 1080  # pixels: a page shows it as it is, with its labels legible
Roles = npt.NDArray[np.uint8]  # index into analysis.roles.ROLES: [N]


def draw_track(score: Score, form: TrackForm, roles: Roles, made: Replay | None = None) -> bytes:
    """PNG of a track as it was planned, see `draw_analysis`.

    `form` is that of its record, `roles` are those of its notes. Without the take that was `made`, what bars repeat is
    left out, and so are hits, tempos, layers, and what was made again.
    """
    plan = None if made is None else made.take.plan
    analysis = _as_analysis(score, form, roles, plan)
    players = sounding_players(score.notes, roles, analysis.barlines)
    extras = Extras(players=players) if made is None else extras_of(made.track, made.take, players)
    return draw_analysis(score, analysis, width=WIDTH, extras=extras)


def extras_of(track: PlannedTrack, take: Take, players: tuple[Player, ...]) -> Extras:
    """What the picture of a track shows beside its form."""
    stays = staying(track)
    rolls = _rolls_of_layers(track, take)
    return Extras(
        marks=tuple(marks_of(track)),
        tempos=track.plan.tempos,
        players=() if rolls else players,  # titles of layers name them
        rolls=rolls or (Roll(),),
        changed=frozenset() if stays is None else frozenset(np.flatnonzero(stays.is_new.any(axis=0)).tolist()),
        stays=None if stays is None else stays.has(take.notes),
    )


def marks_of(track: PlannedTrack) -> list[Mark]:
    """Hits, keys and meters where there are several, and the bar to which a loop returns."""
    plan, found = track.plan, dict[int, list[str]]()
    hits = parse_hits(track.order.hits) if plan.hit_bars else ()
    named = [(plan.tick_of(bar), f"hit {at:g} s") for bar, at in zip(plan.hit_bars, hits, strict=False)]
    named += [(change.tick, key_name(change.key)) for change in plan.keys]
    if len(plan.meters) > 1:
        named += [(meter.tick, f"{meter.numerator}/{meter.denominator}") for meter in plan.meters]
    if track.order.loop_start:
        named.append((plan.tick_of(track.order.loop_start), "the loop begins"))
    for tick, text in named:
        found.setdefault(tick, []).append(text)
    return [Mark(tick=tick, text=", ".join(texts)) for tick, texts in sorted(found.items())]


def sounding_players(notes: NoteArray, roles: Roles, barlines: npt.NDArray[np.int64]) -> tuple[Player, ...]:
    """Who plays, in the order of their roles: a player for each part of each program."""
    last = len(barlines) - 2
    onset = notes["onset"].astype(np.int64)
    first = np.clip(np.searchsorted(barlines, onset, side="right") - 1, 0, last)
    stop = np.clip(np.searchsorted(barlines, onset + notes["duration"], side="left"), first + 1, last + 1)
    sounding: dict[tuple[int, int, int], set[int]] = {}
    rows = zip(roles.tolist(), notes["part"].tolist(), notes["program"].tolist(), first, stop, strict=True)
    for role, part, program, start, end in rows:
        sounding.setdefault((role, part, program), set()).update(range(start, end))
    return tuple(
        Player(name=_name_of(role, program), role=role, bars=frozenset(bars))
        for (role, _, program), bars in sorted(sounding.items())
    )


def _name_of(role: int, program: int) -> str:
    return ROLES[role] if role == DRUM else f"{instrument_name(program)}, {ROLES[role]}"


def _rolls_of_layers(track: PlannedTrack, take: Take) -> tuple[Roll, ...]:
    """A roll for each layer of a track, with its name and what it adds; none where it has no layers."""
    if not track.order.layers:
        return ()
    layering = layering_of(take, track.plan, track.order.layers)
    titles = [
        f"{layer_name(number)}{' adds' if number else ':'} {', '.join(added).replace('drums: drums', 'drums')}"
        for number, added in enumerate(layering.parts)
    ]
    return tuple(Roll(title=title, is_shown=layering.layer <= number) for number, title in enumerate(titles))


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
