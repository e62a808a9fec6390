"""A track that accompanies a tune: form and chords of its plan are the tune's, whose notes are locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.chords import find_tune_chords, tune_key
from lstm_core.analysis.form import find_form
from lstm_core.analysis.grid import make_grid
from lstm_core.analysis.references import EXACT, VARIED
from lstm_core.analysis.roles import BASS, MELODY
from lstm_core.composing.form_rules import varied_bars
from lstm_core.composing.voices import at_most_together
from lstm_core.engine.plans.rules import ANY_CHORDS, FREE, NUM_ROLES, SAME_CHORDS, PlanRules
from lstm_core.notes.chord_symbols import NO_CHORD as NO_ROOT
from lstm_core.notes.score import Meter, NoteArray, Score, tidy
from lstm_core.orders.melodies.tune import PlacedTune
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.note_events import VELOCITY_STEP, nearest_duration
from lstm_core.representations.parts.events import DURATION, PITCH, PLACE, VELOCITY, bar_event
from lstm_core.representations.plan.events import EXACT_CODE, NEW_CODE, VARIED_CODE
from lstm_core.representations.plan.layout import MAX_BACK, MAX_LETTERS, MAX_PARTS, NUM_QUALITIES, Ints, Plan

TUNE_PART = 0  # of the plan: melodies come first


@dataclass(frozen=True, kw_only=True, eq=False)
class _TuneBars:
    """What a tune asks of the bars of a plan: int64 [bars], chords [bars, 2] in the home key."""

    back: Ints
    relation: Ints
    section: Ints
    chord: Ints


def accompanying(rules: PlanRules, track: PlannedTrack, shift: int, variation: float) -> PlanRules:
    """The rules of a plan that accompanies the tune of a track, first to last time; the same ones where it has none.

    Bars repeat others where the tune does. When the tune comes again as a whole, or a bar of it for the third time, a
    share of the bars is varied. Bars that are left over after the last time vary the end of it, without the tune.
    """
    tune = track.tune
    if tune is None:
        return rules
    n = rules.num_bars
    asked = _bars_of_track(track, tune, shift, n, variation)
    chord, final = asked.chord, track.plan.final_bar
    if final is not None and rules.chord is not None:
        chord[final] = rules.chord[final]
    given = rules.chord if track.order.chords and rules.chord is not None else chord
    plays = _plays_in(track, tune, n)
    in_bar = np.full(n, (1 << NUM_ROLES) - 1) if rules.roles_in_bar is None else rules.roles_in_bar
    must = np.zeros(n, dtype=np.int64) if rules.must_play is None else rules.must_play
    parts, is_open = _parts(rules, tune)
    return replace(
        rules,
        parts=parts,
        more_parts=is_open,
        roles=rules.roles & ~(1 << MELODY),
        active=None,
        copied=None,
        energy=rules.energy if track.order.energy else None,
        back=asked.back,
        relation=asked.relation,
        section=asked.section,
        nearest=np.zeros(n, dtype=np.int64),
        chord=given,
        same_chords=np.where(given[:, 0] == FREE, SAME_CHORDS, ANY_CHORDS).astype(np.uint8),
        roles_in_bar=np.where(plays, in_bar, in_bar & ~(1 << MELODY)),
        must_play=np.where(plays, must | 1 << MELODY, must),
    )


def with_tune_in_plan(plan: Plan, track: PlannedTrack) -> Plan:
    """The plan in which the part of the tune plays in its bars and nowhere else, and copies in whole repeats alone."""
    if track.tune is None:
        return plan
    bit = 1 << TUNE_PART
    plays = _plays_in(track, track.tune, plan.num_bars)
    active = np.where(plays, plan.active | bit, plan.active & ~bit)
    return replace(plan, active=active, copied=np.where(plan.relation == EXACT, active, plan.copied & ~bit))


def tune_events(track: PlannedTrack, shift: int) -> dict[tuple[int, int], Ints]:
    """Events of each bar of the tune of a track, BAR first: int64 [n, K] each; none without a tune."""
    if track.tune is None:
        return {}
    bar_ticks = track.plan.meter.bar_ticks
    notes = track.tune.all_notes(bar_ticks)
    rows = np.zeros((len(notes), 4), dtype=np.int64)
    rows[:, PLACE] = notes["onset"] % bar_ticks
    rows[:, PITCH] = np.clip(notes["pitch"].astype(np.int64) + shift, 0, 127)
    rows[:, DURATION] = nearest_duration(notes["duration"])
    rows[:, VELOCITY] = np.clip(notes["velocity"] // VELOCITY_STEP, 0, 15) + 1
    bar = notes["onset"] // bar_ticks
    edges = [*np.flatnonzero(np.diff(bar, prepend=-1)).tolist(), len(bar)]
    return {
        (TUNE_PART, int(bar[start])): np.concatenate([bar_event(rows[start:stop])[None], rows[start:stop]])
        for start, stop in pairwise(edges)
    }


def with_tune(notes: NoteArray, track: PlannedTrack, tune: PlacedTune, plan: Plan) -> NoteArray:
    """The notes of a take with the tune as it was given in place of the part that is written for it.

    Other notes give way: those of its instrument that would strike a note of it again, there and in equal bars, and
    those beyond the polyphony.
    """
    own = tune.all_notes(track.plan.meter.bar_ticks)
    others = notes[notes["part"] != TUNE_PART].copy()
    strikes = np.zeros(len(others), dtype=bool)
    for note in own:
        start, stop = int(note["onset"]), int(note["onset"] + note["duration"])
        same = (others["program"] == note["program"]) & (others["pitch"] == note["pitch"]) & (others["onset"] < stop)
        same &= others["onset"] + others["duration"] > start
        strikes |= same & (others["onset"] >= start)
        before = same & (others["onset"] < start)
        others["duration"][before] = start - others["onset"][before]
    places = _places_in_music(others, plan, track.plan.meter.bar_ticks)
    others = others[~np.isin(places, places[strikes])]
    if track.order.polyphony == 2:
        others = _with_single_basses(others, plan)
    others = at_most_together(others, track.order.polyphony - 1, plan.roles)
    return tidy(np.concatenate([own, others]))


def _with_single_basses(notes: NoteArray, plan: Plan) -> NoteArray:
    """The notes without those of a bass that begin with a lower one of it, of which else the highest would stay."""
    is_bass = plan.roles[notes["part"]] == BASS
    order = np.lexsort((notes["pitch"], notes["onset"], notes["part"]))
    onset, part = notes["onset"][order], notes["part"][order]
    again = np.zeros(len(notes), dtype=bool)
    again[order[1:]] = (np.diff(onset) == 0) & (part[1:] == part[:-1])
    single: NoteArray = notes[~(again & is_bass)]
    return single


def _places_in_music(notes: NoteArray, plan: Plan, bar_ticks: int) -> Ints:
    """A number for each note, the same for one pitch of one part at one place of bars that are equal: int64 [N]."""
    first = np.arange(plan.num_bars)
    for repeat in np.flatnonzero(plan.relation == EXACT).tolist():
        first[repeat] = first[plan.source[repeat]]
    bar, place = np.divmod(notes["onset"].astype(np.int64), bar_ticks)
    number: Ints = ((first[bar] * bar_ticks + place) * 256 + notes["part"]) * 128 + notes["pitch"]
    return number


def _parts(rules: PlanRules, tune: PlacedTune) -> tuple[Ints, bool]:
    """Parts of a plan that begin with that of a tune, int64 [P, 2], and whether others may follow."""
    own = np.array([[MELODY, tune.program]], dtype=np.int64)
    if rules.parts is None:
        return own, True
    others = rules.parts[rules.parts[:, 0] != MELODY][: MAX_PARTS - 1]
    return np.concatenate([own, others]), False


def _bars_of_track(track: PlannedTrack, tune: PlacedTune, shift: int, num_bars: int, variation: float) -> _TuneBars:
    """Form and chords of a track that accompanies a tune."""
    n, bars, period, over = num_bars, tune.num_bars, tune.period, tune.bars_in_all
    varied = varied_bars(bars, variation)
    once = _bars_of_tune(track, tune, shift, varied)
    back, relation = np.zeros(n, dtype=np.int64), np.full(n, NEW_CODE)
    section = np.zeros(n, dtype=np.int64)
    chord = np.full((n, 2), FREE)
    for bar in range(n):
        if bar < bars:
            place, back[bar], relation[bar] = bar, once.back[bar], once.relation[bar]
            section[bar] = once.section[bar]
        elif bar < over:
            place = bars - period + (bar - bars) % period
            back[bar], relation[bar] = period, VARIED_CODE if place in varied else EXACT_CODE
            section[bar] = once.section[0 if place == bars - period else place]
        else:
            place, back[bar], relation[bar] = bars + bar - n, n - over, VARIED_CODE
        chord[bar] = once.chord[place]
    bar_ticks = track.plan.meter.bar_ticks
    contents = _contents(tune.all_notes(bar_ticks), bar_ticks, n)
    for bar in np.flatnonzero(relation == EXACT_CODE).tolist():
        if contents[bar] != contents[bar - back[bar]]:  # the upbeat of the next time is in one of them
            relation[bar] = VARIED_CODE
    relation[back > MAX_BACK] = NEW_CODE
    if track.plan.final_bar is not None:
        relation[track.plan.final_bar], chord[track.plan.final_bar] = NEW_CODE, FREE
    back[relation == NEW_CODE] = 0
    return _TuneBars(back=back, relation=relation, section=section, chord=chord)


def _bars_of_tune(track: PlannedTrack, tune: PlacedTune, shift: int, varied: set[int]) -> _TuneBars:
    """Form and chords of a tune; of bars that come for the third time some are varied."""
    meter = Meter(tick=0, numerator=track.plan.meter.numerator, denominator=track.plan.meter.denominator)
    notes, n = tune.notes, tune.num_bars
    grid = make_grid(Score(notes=notes, meters=(meter,)))
    form = find_form(notes, np.ones(len(notes), dtype=bool), grid)
    key = tune_key(notes, grid) if track.plan.key is None else track.plan.key
    found = find_tune_chords(notes, grid, key)
    value = np.where(found.root == NO_ROOT, FREE, 1 + NUM_QUALITIES * ((found.root + shift) % 12) + found.quality)
    first = np.searchsorted(grid.slot_bar, np.arange(n))
    last = np.searchsorted(grid.slot_bar, np.arange(n), side="right") - 1
    chord = np.stack([value[first], value[last]], axis=1)
    contents = _contents(notes, meter.bar_ticks, n)
    back, relation = np.zeros(n, dtype=np.int64), np.full(n, NEW_CODE)
    for bar, source in enumerate(form.source_bar.tolist()):
        if source >= 0 and contents[bar] == contents[source] and bar - source <= MAX_BACK:
            is_third = bar in varied and contents[:bar].count(contents[bar]) > 1
            back[bar], chord[bar] = bar - source, chord[source]
            relation[bar] = VARIED_CODE if is_third else EXACT_CODE
        elif form.relation[bar] in (EXACT, VARIED) and form.transposition[bar] == 0:
            back[bar], relation[bar] = bar - source, VARIED_CODE
    section = np.zeros(n, dtype=np.int64)
    for one in form.sections:
        section[one.start_bar] = 1 + min(one.letter, MAX_LETTERS - 1)
    return _TuneBars(back=back, relation=relation, section=section, chord=chord)


def _contents(notes: NoteArray, bar_ticks: int, num_bars: int) -> list[list[tuple[int, ...]]]:
    """Of each bar of a tune what begins in it: (place, pitch, duration)."""
    found: list[list[tuple[int, ...]]] = [[] for _ in range(num_bars)]
    for note in notes:
        bar, place = divmod(int(note["onset"]), bar_ticks)
        found[bar].append((place, int(note["pitch"]), int(note["duration"])))
    return found


def _plays_in(track: PlannedTrack, tune: PlacedTune, num_bars: int) -> npt.NDArray[np.bool_]:
    """In which bars of a track the tune begins a note: bool [num_bars]."""
    bar_ticks = track.plan.meter.bar_ticks
    return np.bincount(tune.all_notes(bar_ticks)["onset"] // bar_ticks, minlength=num_bars)[:num_bars] > 0
