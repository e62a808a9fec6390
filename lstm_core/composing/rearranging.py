"""Another arrangement of a track: its form and chords, moved to the key, and its melody, in other hands.

A track in a key of the other mode gets chords and melody of the degrees that they were: A minor is C minor for that,
whose third, sixth and seventh are raised. In another meter bars stay bars: the first beats of the melody are as long as
they were, and the last one takes in what is left over, or fills what is missing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.analysis.roles import MELODY
from lstm_core.composing.form_rules import asked_energy, velocity_of
from lstm_core.composing.remaking import Staying
from lstm_core.engine.plans.rules import Bytes, PlanRules
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import CHORD_STEPS
from lstm_core.notes.instruments import PROGRAM_RANGES
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray, tidy
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.asked import is_rearranged
from lstm_core.representations.plan.events import EXACT_CODE, NEW_CODE, VARIED_CODE
from lstm_core.representations.plan.layout import (
    EXACT,
    NO_CHORD,
    NO_SOURCE,
    NUM_QUALITIES,
    VARIED,
    Ints,
    Plan,
    chord_tones,
    chord_value,
)

_RAISED = {3: 4, 8: 9, 10: 11}  # pitch classes of C minor that C major has higher
_LOWERED = {high: low for low, high in _RAISED.items()}


def arranged_rules(rules: PlanRules, track: PlannedTrack) -> PlanRules:
    """The rules of a plan that has form, chords and, where no order says otherwise, energy of the source of a track.

    Raises:
        OrderError: the source has a melody, and nobody is left to play it.
    """
    source = track.source
    if source is None or not is_rearranged(track.order):
        return rules
    plan, final = source.plan, track.plan.final_bar
    chord, bass = _moved_chords(plan, rules.pitch_classes, *_modes(track, source))
    one_slot = rules.num_slots == 1
    chord[one_slot, 1], bass[one_slot, 1] = chord[one_slot, 0], bass[one_slot, 0]
    if final is not None and rules.chord is not None and rules.bass is not None:
        chord[final], bass[final] = rules.chord[final], rules.bass[final]
    rules = _with_players(rules, track, source)
    code = np.where(plan.relation == EXACT, EXACT_CODE, np.where(plan.relation == VARIED, VARIED_CODE, NEW_CODE))
    return replace(
        rules,
        back=np.where(plan.source == NO_SOURCE, 0, np.arange(plan.num_bars) - plan.source),
        relation=code,
        section=plan.section,
        chord=chord,
        bass=bass,
        energy=rules.energy if track.order.energy else plan.energy,
        same_chords=None,
        has_content=None,
        may_yield=False,
        required_roles=rules.required_roles | _melody_bit(rules, track, source),
    )


def with_melody(made: Plan, track: PlannedTrack) -> Staying | None:
    """The plan of an arrangement in which the melody of its source plays where it did, and its notes.

    None where the track is no arrangement, or there is no melody on either side.
    """
    source, parts = track.source, np.flatnonzero(made.roles == MELODY)
    if source is None or not is_rearranged(track.order) or len(parts) == 0:
        return None
    tune = melody_part(source)
    if tune is None:
        return None
    part = int(parts[0])
    bit, before = np.int64(1) << part, source.plan
    plays, copies = before.active >> tune & 1 == 1, before.copied >> tune & 1 == 1
    plan = replace(
        made,
        active=np.where(plays, made.active | bit, made.active & ~bit),
        copied=np.where(copies, made.copied | bit, made.copied & ~bit),
    )
    is_new = np.ones((made.num_parts, made.num_bars), dtype=bool)
    is_new[part] = False
    return Staying(plan=plan, notes=_melody(plan, part, tune, track, source), is_new=is_new)


def melody_part(source: SourceTrack) -> int | None:
    """The part of a track that is its melody: of several the one of most notes; None without one."""
    counts = np.bincount(source.notes["part"], minlength=source.plan.num_parts)[: source.plan.num_parts]
    counts = np.where(source.plan.roles == MELODY, counts, 0)
    return int(counts.argmax()) if counts.any() else None


def has_same_players(track: PlannedTrack) -> bool:
    """Whether an arrangement is played by those who play its source: its order names nobody else, and no style."""
    return track.source is not None and all(
        getattr(track.order, name) == getattr(track.source.order, name)
        for name in ("style", "instruments", "ensemble", "roles")
    )


def _with_players(rules: PlanRules, track: PlannedTrack, source: SourceTrack) -> PlanRules:
    """The rules with the parts of the source where they stay; of a scheme, which has another form, the parts alone."""
    plan = source.plan
    if has_same_players(track):
        parts = np.stack([plan.roles, plan.programs], axis=1)
        return replace(rules, parts=parts, active=plan.active, copied=plan.copied)
    of_scheme, tune = rules.parts, melody_part(source)
    may, must = rules.roles_in_bar, rules.must_play
    if tune is None or may is None or must is None:
        return replace(rules, active=None, copied=None)
    if of_scheme is not None and MELODY not in of_scheme[:, 0]:
        of_scheme = None
    bit, plays = 1 << MELODY, plan.active >> tune & 1 == 1  # others play where the melody is silent
    return replace(
        rules,
        parts=of_scheme,
        active=None,
        copied=None,
        roles_in_bar=np.where(plays, may, may & ~bit),
        must_play=np.where(plays, must | bit, must & ~bit),
    )


def _melody_bit(rules: PlanRules, track: PlannedTrack, source: SourceTrack) -> int:
    if melody_part(source) is None or not rules.roles >> MELODY & 1 or rules.parts is not None:
        return 0
    if len(rules.wanted) and rules.wanted[:, :DRUMS].sum() == 0:
        raise OrderError(
            f"instruments are drums alone, but an arrangement of track {track.order.from_track} keeps its melody. Name "
            'somebody who plays it, or write roles = "drums".'
        )
    return 1 << MELODY


def _melody(plan: Plan, part: int, tune: int, track: PlannedTrack, source: SourceTrack) -> NoteArray:
    """The melody of a source in the key, the meter and the range of an arrangement: NOTE_DTYPE [N]."""
    notes = source.notes[source.notes["part"] == tune].copy()
    old, new = source.track_plan.meter.bar_ticks, track.plan.meter.bar_ticks
    onset, end = notes["onset"].astype(np.int64), (notes["onset"] + notes["duration"]).astype(np.int64)
    if old != new:
        onset, end = _on_grid(_stretched(onset, old, new)), _stretched(end, old, new)
    notes["onset"], notes["duration"] = onset, np.maximum(end - onset, 1)
    final = track.plan.final_bar
    if final is not None:
        is_last = notes["onset"] >= final * new
        notes["duration"][is_last] = np.minimum(notes["duration"][is_last], track.plan.final_hold_ticks)
    notes["velocity"] = _velocities(notes, track, source)
    notes["part"], notes["program"] = part, plan.programs[part]
    shifts = home_shift(source.track_plan.key), home_shift(track.plan.key)
    home = notes["pitch"].astype(np.int64) + shifts[0]
    moved = np.array([_moved(pitch, *_modes(track, source)) for pitch in home.tolist()], dtype=np.int64)
    pitch = in_scale(moved - shifts[1], notes, plan, track)
    notes["pitch"] = in_range(pitch, notes["pitch"].astype(np.int64), int(plan.programs[part]), track)
    return tidy(notes)


def _velocities(melody: NoteArray, track: PlannedTrack, source: SourceTrack) -> Ints:
    """Velocities of a melody in an arrangement: another energy moves those of a bar as far as it moves the bar."""
    before = melody["velocity"].astype(np.int64)
    energy = asked_energy(track.order, track.plan.num_bars)
    if energy is None or track.order.energy == source.order.energy:
        return before
    num_bars = track.plan.num_bars
    of_all = np.minimum(source.notes["onset"] // source.track_plan.meter.bar_ticks, num_bars - 1)
    counts = np.maximum(np.bincount(of_all, minlength=num_bars), 1)
    mean = np.bincount(of_all, weights=source.notes["velocity"], minlength=num_bars) / counts
    bar = np.minimum(melody["onset"] // track.plan.meter.bar_ticks, num_bars - 1)
    moved: Ints = np.clip(np.rint(before + (velocity_of(energy) - mean)[bar]), 8, 127).astype(np.int64)
    return moved


def _modes(track: PlannedTrack, source: SourceTrack) -> tuple[bool, bool]:
    """Whether source and arrangement are in minor; both alike where there is no key."""
    before, now = source.track_plan.key, track.plan.key
    return (False, False) if before is None or now is None else (before >= 12, now >= 12)


def _moved(pitch: int, was_minor: bool, is_minor: bool) -> int:
    """A pitch of one home key in the other."""
    if was_minor == is_minor:
        return pitch
    on_c = pitch + 3 if was_minor else pitch
    changed = on_c + (_RAISED if was_minor else _LOWERED).get(on_c % 12, on_c % 12) - on_c % 12
    return changed if was_minor else changed - 3


def _moved_chords(plan: Plan, scale: Bytes, was_minor: bool, is_minor: bool) -> tuple[Ints, Ints]:
    """Chords of a plan in the other home key, and semitones of their basses above the roots: int64 [N, 2] twice.

    A bass that neither the scale, uint8 [12], nor the chord has is the root.
    """
    chord, bass = plan.chord.copy(), np.zeros_like(plan.bass)
    for bar, slot in np.ndindex(*chord.shape):
        value, low = int(plan.chord[bar, slot]), int(plan.bass[bar, slot])
        if value == NO_CHORD:
            continue
        before = (value - 1) // NUM_QUALITIES
        chord[bar, slot] = _moved_chord(value, was_minor, is_minor)
        root = (int(chord[bar, slot]) - 1) // NUM_QUALITIES
        if low >= 0 and low != before:
            above = (_moved(low, was_minor, is_minor) - root) % 12
            can_sound = scale[(root + above) % 12] or chord_tones()[chord[bar, slot], (root + above) % 12]
            bass[bar, slot] = above if can_sound else 0
    return chord, bass


def _moved_chord(value: int, was_minor: bool, is_minor: bool) -> int:
    """A chord of one home key in the other: of all chords on its root the one that has most of its tones.

    One that would have a diminished fifth, as G has that becomes B, is the dominant of which that is a part.
    """
    if was_minor == is_minor:
        return value
    tones = chord_tones()
    before = (value - 1) // NUM_QUALITIES
    wanted = {_moved(pitch_class, was_minor, is_minor) % 12 for pitch_class in np.flatnonzero(tones[value]).tolist()}
    root = _moved(before, was_minor, is_minor) % 12
    if (root + 6) % 12 in wanted and not tones[value, (before + 6) % 12]:
        return chord_value((root - 4) % 12, 0)
    found = [chord_value(root, quality) for quality in range(len(CHORD_STEPS))]
    return min(found, key=lambda chord: len(wanted ^ set(np.flatnonzero(tones[chord]).tolist())))


def _stretched(ticks: Ints, old: int, new: int) -> Ints:
    """Ticks of bars of one length in those of another: int64, shape of `ticks`."""
    if old == 2 * new or new == 2 * old:
        return ticks * new // old
    same = (min(old, new) // TICKS_PER_QUARTER - 1) * TICKS_PER_QUARTER  # up to here beats are as long as they were
    bar, place = np.divmod(ticks, old)
    after = same + (place - same) * (new - same) / (old - same)
    moved: Ints = bar * new + np.where(place <= same, place, np.rint(after)).astype(np.int64)
    return moved


def _on_grid(ticks: Ints) -> Ints:
    """The nearest ticks at which notes may begin: those of thirty-seconds and of triplets."""
    straight, triplet = np.rint(ticks / 3).astype(np.int64) * 3, np.rint(ticks / 4).astype(np.int64) * 4
    nearest: Ints = np.where(np.abs(straight - ticks) <= np.abs(triplet - ticks), straight, triplet)
    return nearest


def in_scale(pitch: Ints, notes: NoteArray, plan: Plan, track: PlannedTrack) -> Ints:
    """The pitches, those moved to the scale that neither it nor the chord has: int64 [N]."""
    scale, shift = scale_of(track.order, track.plan), home_shift(track.plan.key)
    if scale is None:
        return pitch
    bar_ticks = track.plan.meter.bar_ticks
    bar, place = np.divmod(notes["onset"].astype(np.int64), bar_ticks)
    bar = np.minimum(bar, plan.num_bars - 1)
    slot = np.where((plan.num_slots[bar] == 2) & (2 * place >= bar_ticks), 1, 0)
    chord = plan.chord[bar, slot]
    in_chord = (chord != NO_CHORD) & (chord_tones()[chord, (pitch + shift) % 12] == 1)
    lost = ~in_chord & ~np.isin(pitch % 12, sorted(scale))
    moved = pitch.copy()
    for i in np.flatnonzero(lost).tolist():
        moved[i] = next(
            pitch[i] + step for step in (-1, 1, -2, 2, -3, 3, 0) if (pitch[i] + step) % 12 in scale or not step
        )
    return moved


def in_range(pitch: Ints, before: Ints, program: int, track: PlannedTrack) -> Ints:
    """The pitches in the octave in which a program has most of them, of equal ones the nearest to what they were."""
    low, high = (
        max(PROGRAM_RANGES[program][0], track.order.pitch_low),
        min(PROGRAM_RANGES[program][1], track.order.pitch_high),
    )
    octaves = [12 * octave for octave in range(-4, 5)]

    def misfit(up: int) -> tuple[int, float]:
        moved = pitch + up
        return int(((moved < low) | (moved > high)).sum()), abs(float((moved - before).mean()))

    moved = pitch + min(octaves, key=misfit)
    low, high = track.order.pitch_low, track.order.pitch_high
    moved = np.where(moved < low, moved + -(-(low - moved) // 12) * 12, moved)
    return np.where(moved > high, moved - -(-(moved - high) // 12) * 12, moved)
