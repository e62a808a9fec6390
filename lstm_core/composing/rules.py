"""The requests that make the attempt at a track: of its plan, and of its parts once the plan is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS, HARMONY, MELODY
from lstm_core.composing.accompanying import accompanying, tune_events
from lstm_core.composing.asked_players import CHORD_PLAYERS, fewest_roles, wanted_players
from lstm_core.composing.changes.conditions import conditions_of_bars
from lstm_core.composing.changes.keys import extremes_of, key_borders, shifts_of_bars, with_tonics
from lstm_core.composing.continuing import continuing, primer_events
from lstm_core.composing.drawn_schemes import FEWEST_ROLES, NO_MUSIC, DrawnScheme, drawn_scheme
from lstm_core.composing.form_rules import (
    asked_energy,
    bars_behind,
    chord_rules,
    chords_of_scale,
    energy_steps,
    entering_roles,
    final_chord,
    form_rules,
    role_rules,
    varied_where_asked,
    with_hits,
)
from lstm_core.composing.manners import manners_for, manners_seed
from lstm_core.composing.rearranging import arranged_rules
from lstm_core.composing.remaking import Staying, locked_events
from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.engine.parts.rules import PartRules
from lstm_core.engine.plans.plan_chooser import PlanRequest
from lstm_core.engine.plans.rules import (
    ANY_CHORDS,
    FREE,
    NUM_PROGRAMS,
    OTHER_CHORDS,
    SAME_CHORDS,
    PlanRules,
)
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.notes.instruments import parse_instrument
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import FAMILIES, family_of
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.order import TrackOrder, drawn_number
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sections import sections_of
from lstm_core.representations.conditions import meter_value
from lstm_core.representations.parts.events import STREAMS as PART_STREAMS
from lstm_core.representations.plan.events import STREAMS as PLAN_STREAMS
from lstm_core.representations.plan.events import bars_of
from lstm_core.representations.plan.layout import NUM_CHORDS, Ints, Plan
from lstm_core.representations.plan.plan import plan_conditions
from lstm_core.representations.plan.schemes import Scheme

MOST_PARTS = np.ones(NUM_PROGRAMS, dtype=np.int64)  # of one player, by program: a flute has one line
MOST_PARTS[list(CHORD_PLAYERS)] = 3  # such as a tune, chords and a bass
MOST_PARTS.setflags(write=False)
VARIATION = 0.5  # share of the bars of A' that differ from A, where an order does not say
FEWEST_ACTIVE = 30  # percent of the parts that play in any bar of music that names no instruments
FEWEST_WANTED = 60  # the same of players that an order names, and of parts that layers are made of
SPARE_PARTS = 3  # beyond one for each layer, since some hardly play: of 12 takes with 5 layers 3 passed without
ENERGY_PLAY = 8  # percent of the parts by which those that play may differ from the energy that is asked for
SMALLEST_ENSEMBLES = 3  # instruments of a style, in the median, that an order without a style may get


def plan_request(track: PlannedTrack, attempt: int, facts: CheckpointFacts) -> PlanRequest:
    """The request for the plan of an attempt at a track, 0 for the first.

    Raises:
        OrderError: more instruments are asked for than a plan has parts.
    """
    order, plan = track.order, track.plan
    n, shift, shifts = plan.num_bars, home_shift(plan.key), shifts_of_bars(order, plan)
    sections = sections_of(order, plan)
    variation = VARIATION if order.variation is None else order.variation
    form = form_rules(sections, plan, variation, order.loop_start)
    scheme = None
    if not sections and track.primer is None:
        drawn = _scheme_of(track, track.seed_of(attempt), facts)
        scheme = None if drawn is None else drawn.scheme
    if scheme is not None:
        form = replace(form, back=scheme.form[:, 0], relation=scheme.form[:, 1], section=scheme.form[:, 2])
        scheme = scheme if _has_open_parts(order) else None
    if plan.hit_bars and not sections:
        form = with_hits(form, plan.hit_bars)
    chord, bass = chord_rules(order, plan, sections, shifts)
    roles_in_bar, entering = role_rules(order, n, sections), entering_roles(order, n, sections)
    if sections:
        form = varied_where_asked(form, chord, bass, roles_in_bar)
    classes = _home_classes(order, plan, shift)
    has_content = np.zeros(n, dtype=np.uint8)
    must_play = np.zeros(n, dtype=np.int64)
    num_slots = bars_of(plan.meters, n)[1]
    if plan.final_bar is not None:
        num_slots[plan.final_bar] = 1
        if plan.last_key is not None:
            last_shift = int(shifts[plan.final_bar])
            chord[plan.final_bar], bass[plan.final_bar] = final_chord(plan.last_key, order.scale, last_shift), 0
        must_play[plan.final_bar] = 1 << BASS | 1 << HARMONY | 1 << MELODY
        if not sections and plan.final_bar > 0:
            has_content[plan.final_bar - 1] = 1
    chord, bass = with_tonics(chord, bass, order, plan, form)
    wanted, wanted_in_bar = wanted_players(order, plan, sections)
    must_play |= entering
    programs = np.ones(NUM_PROGRAMS, dtype=np.uint8)
    programs[list(NO_MUSIC)] = 0
    programs |= wanted.any(axis=0)
    fewest = len(wanted) or max(FEWEST_ROLES, order.layers and order.layers + SPARE_PARTS)
    roles = int(np.bitwise_or.reduce(roles_in_bar))
    energy = asked_energy(order, n)
    fewest_active = np.full(n, FEWEST_WANTED if len(wanted) or order.layers else FEWEST_ACTIVE)
    most_active = np.full(n, 100)
    if energy is not None:
        fewest_active = np.maximum(100 * energy - ENERGY_PLAY, 0).astype(np.int64)
        most_active = np.minimum(100 * energy + ENERGY_PLAY, 100).astype(np.int64)
    rules = PlanRules(
        num_slots=num_slots,
        programs=programs,
        wanted=wanted,
        only_wanted=len(wanted) > 0,
        most_of_program=MOST_PARTS,
        fewest_parts=fewest,
        roles=roles,
        fewest_roles=fewest_roles(wanted, roles),
        required_roles=int(np.bitwise_or.reduce(entering)) | 1 << BASS if len(wanted) == 0 else 0,
        back=form.back,
        relation=form.relation,
        section=form.section,
        nearest=form.nearest,
        chord=chord,
        bass=bass,
        parts=None if scheme is None else scheme.parts,
        active=None if scheme is None else scheme.bars[:, 1],
        copied=None if scheme is None else scheme.bars[:, 2],
        energy=energy_steps(energy) if energy is not None else None if scheme is None else scheme.bars[:, 0],
        roles_in_bar=roles_in_bar,
        must_play=must_play,
        fewest_active=fewest_active,
        most_active=most_active,
        has_content=has_content,
        same_chords=_same_chords(chord, scheme),
        wanted_in_bar=wanted_in_bar,
        chords=np.ones(NUM_CHORDS, dtype=np.uint8) if classes is None else chords_of_scale(classes),
        pitch_classes=_mask(classes),
        may_yield=not sections,
        temperature=np.full(len(PLAN_STREAMS), order.temperature),
        top_p=np.full(len(PLAN_STREAMS), order.top_p),
        seed=drawn_number("plan", track.seed_of(attempt)) >> 1,
    )
    rules = arranged_rules(continuing(rules, track, shift), track)
    rules = accompanying(rules, track, shift, variation)
    return PlanRequest(rules=rules, conditions=conditions_of(track, facts))


def _same_chords(chord: Ints, scheme: Scheme | None) -> npt.NDArray[np.uint8]:
    """Whether a variation keeps the chords of what it varies: where none are asked, and as a scheme says; uint8 [N]."""
    same = np.full(len(chord), SAME_CHORDS, dtype=np.uint8)
    if scheme is not None:
        same[scheme.bars[:, 3] == 1] = OTHER_CHORDS
    same[chord[:, 0] != FREE] = ANY_CHORDS
    return same


def part_request(
    track: PlannedTrack, attempt: int, made: Plan, facts: CheckpointFacts, stays: Staying | None = None
) -> PartRequest:
    """The request for the notes of an attempt at a track whose plan is made, and of which something may stay."""
    order, plan = track.order, track.plan
    shift = home_shift(plan.key)
    seed_of_manners = manners_seed(track, attempt)
    drawn = _scheme_of(track, seed_of_manners, facts)
    textures, held = manners_for(made, drawn, plan.final_bar, seed_of_manners)
    shifts = shifts_of_bars(order, plan)
    rules = PartRules(
        pitch_low=max(order.pitch_low + shift, 0),
        pitch_high=min(order.pitch_high + shift, 127),
        pitch_classes=_mask(_home_classes(order, plan, shift)),
        chord_wins=track.has_given_chords,
        follows_energy=bool(order.energy),
        density=order.density,
        polyphony=order.polyphony,
        final_bar=-1 if plan.final_bar is None else plan.final_bar,
        final_hold_ticks=plan.final_hold_ticks,
        beginning=bars_behind(plan.hit_bars, made),
        temperature=np.full(len(PART_STREAMS), order.temperature),
        top_p=np.full(len(PART_STREAMS), order.top_p),
        transposition=shift,
        moved=extremes_of(shifts, made) - shift if plan.section_keys else None,
        turns=frozenset(key_borders(shifts)),
        seed=track.seed_of(attempt),
        locked=primer_events(track, shift) | tune_events(track, shift)
        if stays is None
        else locked_events(stays, shift),
        textures=textures,
        held=held,
    )
    return PartRequest(plan=made, rules=rules, conditions=conditions_of(track, facts))


def conditions_of(track: PlannedTrack, facts: CheckpointFacts) -> Ints:
    """What models are told of a track: style, mode, tempo, meter; int64 [4], or [N, 4] of bars where some change."""
    plan = track.plan
    style = style_of(track, facts)
    is_minor = None if plan.key is None else plan.key >= 12
    of_track = plan_conditions(style or None, is_minor, plan.bpm, meter_value(plan.meter), facts.styles)
    return conditions_of_bars(of_track, track.order, plan)


def _has_open_parts(order: TrackOrder) -> bool:
    """Whether an order says nothing of energy, players, roles, layers: else no scheme of the corpus would meet it."""
    return not (order.energy or order.instruments or order.ensemble or order.roles or order.layers)


def _scheme_of(track: PlannedTrack, seed: int, facts: CheckpointFacts) -> DrawnScheme | None:
    """The scheme that is drawn for a track by a seed, None where its style knows none."""
    of_style = facts.statistics.get(style_of(track, facts), {})
    return drawn_scheme(of_style, track.plan, seed, track.order.loop_start)


def strangers_to(style: str, names: Sequence[str], statistics: Mapping[str, Any]) -> list[str]:
    """Those of some instruments whose family plays in no piece of a style; [] where that is not known."""
    families = statistics.get(style, {}).get("families")
    if families is None:
        return []
    return [
        name
        for name in dict.fromkeys(names)
        if not any(FAMILIES[family_of(program)] in families for program in parse_instrument(name)[0])
    ]


def style_of(track: PlannedTrack, facts: CheckpointFacts) -> str:
    """The style of a track, "" where there is none to draw from."""
    return track.order.style or draw_style(facts.statistics, track.order.plan_seed)


def draw_style(statistics: Mapping[str, Any], seed: int) -> str:
    """A style for an order that names none: one whose music has SMALLEST_ENSEMBLES instruments and more, as often as
    it occurs; "" if there is none.
    """
    weights = {
        style: int(of_style["pieces"])
        for style, of_style in sorted(statistics.items())
        if float(np.median([len(one) for one in of_style.get("ensembles", ())] or [0])) >= SMALLEST_ENSEMBLES
    }
    if not weights:
        return ""
    number = drawn_number("style", seed) % sum(weights.values())
    for style, weight in weights.items():
        if number < weight:
            return style
        number -= weight
    raise AssertionError("weights do not add up")


def _home_classes(order: TrackOrder, plan: TrackPlan, shift: int) -> frozenset[int] | None:
    scale = scale_of(order, plan)
    return None if scale is None else frozenset((pitch_class + shift) % 12 for pitch_class in scale)


def _mask(classes: frozenset[int] | None) -> npt.NDArray[np.uint8]:
    return np.array([classes is None or pitch_class in classes for pitch_class in range(12)], dtype=np.uint8)
