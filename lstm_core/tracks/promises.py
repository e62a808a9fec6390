"""What a planned track promises, measured on its notes: bass, harmony, repeats, roles and players."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS, FIGURE, HARMONY
from lstm_core.composing.accompanying import TUNE_PART
from lstm_core.composing.asked_players import players_of
from lstm_core.composing.changes.keys import key_borders, keys_of_bars
from lstm_core.composing.form_rules import chord_rules, role_rules
from lstm_core.composing.remaking import staying
from lstm_core.composing.take import Take
from lstm_core.composing.voices import most_together
from lstm_core.engine.plans.rules import FREE
from lstm_core.notes.keys import scale_pitch_classes
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, NoteArray
from lstm_core.orders.melodies.tune import PlacedTune
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sections import PlacedSection, sections_of
from lstm_core.representations.note_events import event_onsets
from lstm_core.representations.plan.layout import EXACT, NO_CHORD, NO_SOURCE, NUM_QUALITIES, Ints, Plan, chord_tones
from lstm_core.tracks.gates import GateResult
from lstm_core.tracks.hits import hit_gates
from lstm_core.tracks.sources import source_gates

LEAST_VARIED, MOST_VARIED = 0.02, 0.98  # share of a varied section that is not as in the section that it varies


def promise_gates(track: PlannedTrack, take: Take) -> list[GateResult]:
    """Results of the gates of a take's promises; for a take without a plan those of `hit_gates` alone.

    `bass_root`, share of the chord changes under which the bass begins with the note of the plan, where there is a
    bass; `harmony_in_chord`, share of the notes of harmony and figures on beats that are tones of the chord;
    `exact_repeats`, share of the bars that the plan repeats as they are, note for note; `in_key`, share of the melodic
    notes that are of the scale, or of a chord that the order gives; `polyphony`, most melodic notes that sound at once.
    Of a track that accompanies a tune also `melody_kept`, share of its notes that stand as they were given; `in_key`
    judges the other parts, where the chords win over the scale.

    Of what an order asks: `asked_form`, share of the bars of sections named again that are as the first time;
    `asked_chords`, share of its chords that the plan has; `varied_least` and `varied_most`, shares of new notes in
    sections that vary another; `other_roles`, notes of roles that it does not have there; `other_players`, programs
    beyond its players; `missing_players`, players that do not play. A track that starts from another one has the form
    of that one, apart from what was made again, and the gates of `source_gates`; a bass that stays is not judged.
    """
    plan, hits = take.plan, hit_gates(track, take, primer_bars=_primer_bars(track))
    if plan is None:
        return hits
    in_bars = _Bars(take.notes, plan, _primer_bars(track), take.shift)
    gates = [
        *hits,
        *([] if _keeps_bass(track) else [_all("bass_root", _bass_root(in_bars))]),
        _all("harmony_in_chord", _harmony_in_chord(in_bars)),
        _all("exact_repeats", _exact_repeats(in_bars)),
    ]
    keys = keys_of_bars(track.order, track.plan)
    if keys is not None:
        judged = take.notes["part"] != TUNE_PART if track.tune is not None else np.ones(len(take.notes), dtype=bool)
        in_scale = np.array([_in_scale(key, track.order.scale) for key in keys.tolist()])
        gates.append(_all("in_key", _in_key(in_bars, in_scale, judged, chord_wins=track.has_given_chords)))
    if track.tune is not None:
        gates.append(_all("melody_kept", _melody_kept(track, track.tune, take.notes)))
    if track.primer is None:
        together = most_together(take.notes)
        gates.append(GateResult("polyphony", together <= track.order.polyphony, together, track.order.polyphony))
    if track.source is not None:
        gates += source_gates(track, take)
    elif track.order.form:
        gates.append(_all("asked_form", _sections_again(track, in_bars)))
    if track.order.chords:
        gates.append(_all("asked_chords", _asked_chords(track, in_bars)))
    shares = _varied_shares(track, in_bars) if track.source is None else []
    if shares:
        variation = track.order.variation
        least = LEAST_VARIED if variation is None or variation > 0 else 0.0
        most = MOST_VARIED if variation is None or variation < 1 else 1.0
        gates.append(GateResult("varied_least", min(shares) >= least, min(shares), least))
        gates.append(GateResult("varied_most", max(shares) <= most, max(shares), most))
    if track.order.roles:
        num_other = _num_other_roles(track, in_bars)
        gates.append(GateResult("other_roles", num_other == 0, float(num_other), 0.0))
    players = players_of(track.order, track.plan)
    if players:
        programs = set(np.unique(take.notes["program"]).tolist())
        num_other = max(len(programs) - len(players), 0)
        num_missing = sum(not programs.intersection(of_one) for of_one in players)
        gates.append(GateResult("other_players", num_other == 0, float(num_other), 0.0))
        gates.append(GateResult("missing_players", num_missing == 0, float(num_missing), 0.0))
    return gates


def _keeps_bass(track: PlannedTrack) -> bool:
    """Whether something of another track is made again and all of its bass stays, which is judged there."""
    stays = staying(track)
    return stays is not None and not stays.is_new[stays.plan.roles == BASS].any()


def _primer_bars(track: PlannedTrack) -> int:
    if track.primer is None:
        return 0
    return int(event_onsets(track.primer).max()) // track.plan.meter.bar_ticks + 1


class _Bars:
    """The notes of a take by bar."""

    def __init__(self, notes: NoteArray, plan: Plan, primer_bars: int, shift: Ints | int) -> None:
        self.plan = plan
        self.shifts = np.broadcast_to(shift, plan.num_bars)
        # What a primer brings is not judged, nor are bars that repeat it.
        self.is_judged = np.arange(plan.num_bars) >= primer_bars
        for bar in np.flatnonzero(plan.source != NO_SOURCE).tolist():
            self.is_judged[bar] &= self.is_judged[plan.source[bar]]
        self.notes = notes
        self.barlines = np.concatenate([[0], np.cumsum(plan.bar_ticks)])
        onset = notes["onset"].astype(np.int64)
        self.bar = np.clip(np.searchsorted(self.barlines, onset, side="right") - 1, 0, plan.num_bars - 1)
        self.place = onset - self.barlines[self.bar]
        halved = plan.num_slots[self.bar] == 2
        self.slot = np.where(halved & (2 * self.place >= plan.bar_ticks[self.bar]), 1, 0)
        pitch = notes["pitch"].astype(np.int64)
        self.home_pitch = np.where(notes["program"] == DRUMS, pitch, pitch + self.shifts[self.bar])
        end = onset + notes["duration"]
        self.last_bar = np.clip(np.searchsorted(self.barlines, end, side="left") - 1, self.bar, plan.num_bars - 1)
        self.role = plan.roles[np.minimum(notes["part"], plan.num_parts - 1)]

    def content(self, bar: int) -> set[tuple[int, int, int]]:
        """What begins in a bar: (place, program, pitch in the home key)."""
        own = self.bar == bar
        columns = (self.place[own], self.notes["program"][own], self.home_pitch[own])
        return set(zip(*(column.tolist() for column in columns), strict=True))


def _all(name: str, kept: list[bool] | npt.NDArray[np.bool_]) -> GateResult:
    share = float(np.mean(kept)) if len(kept) else 1.0
    return GateResult(name, share == 1.0, share, 1.0)


def _bass_root(bars: _Bars) -> list[bool]:
    plan = bars.plan
    of_bass = np.flatnonzero(plan.roles == BASS)
    bits = sum(1 << int(part) for part in of_bass)
    programs = plan.programs[of_bass]
    begins = {
        (int(bar), int(place), int(pitch) % 12)
        for bar, place, pitch, program in zip(bars.bar, bars.place, bars.home_pitch, bars.notes["program"], strict=True)
        if program in programs
    }
    kept: list[bool] = []
    before, turns = (NO_CHORD, -1), key_borders(bars.shifts)
    for bar in range(plan.num_bars):
        for slot in range(int(plan.num_slots[bar])):
            now = int(plan.chord[bar, slot]), int(plan.bass[bar, slot])
            is_other = now != before or (slot == 0 and bar in turns)
            if is_other and now[0] != NO_CHORD and plan.active[bar] & bits and bars.is_judged[bar]:
                place = slot * int(plan.bar_ticks[bar]) // 2
                kept.append((bar, place, now[1]) in begins)
            before = now
    return kept


def _harmony_in_chord(bars: _Bars) -> npt.NDArray[np.bool_]:
    plan = bars.plan
    tones = chord_tones()
    judged = np.isin(bars.role, (HARMONY, FIGURE)) & (bars.place % TICKS_PER_QUARTER == 0)
    judged &= (bars.notes["program"] != DRUMS) & bars.is_judged[bars.bar]
    chord = plan.chord[bars.bar[judged], bars.slot[judged]]
    found: npt.NDArray[np.bool_] = tones[chord, bars.home_pitch[judged] % 12] == 1
    return found


def _in_scale(key: int, scale: str) -> list[bool]:
    """Of each pitch class whether it is of the scale on a key."""
    return [pitch_class in scale_pitch_classes(key, scale) for pitch_class in range(12)]


def _in_key(
    bars: _Bars, in_scale: npt.NDArray[np.bool_], judged: npt.NDArray[np.bool_], *, chord_wins: bool
) -> npt.NDArray[np.bool_]:
    """Of each judged melodic note whether it is of the scale of its bar or, where chords win, of the chord.

    in_scale: of each bar and pitch class, bool [N, 12]. No note may sound on into another key.
    """
    melodic = (bars.notes["program"] != DRUMS) & bars.is_judged[bars.bar] & judged
    bar = bars.bar[melodic]
    found: npt.NDArray[np.bool_] = in_scale[bar, bars.notes["pitch"][melodic] % 12]
    if chord_wins:
        chord = bars.plan.chord[bar, bars.slot[melodic]]
        found = found | ((chord_tones()[chord, bars.home_pitch[melodic] % 12] == 1) & (chord != NO_CHORD))
    key_number = np.cumsum(np.diff(bars.shifts, prepend=bars.shifts[:1]) != 0)
    found &= key_number[bar] == key_number[bars.last_bar[melodic]]
    return found


def _melody_kept(track: PlannedTrack, tune: PlacedTune, notes: NoteArray) -> list[bool]:
    """Of each note of a tune whether a take has it as it was given; beside it False for each other note of its part."""
    fields = ("onset", "duration", "pitch", "program")
    there = {tuple(int(note[name]) for name in fields) for note in notes[notes["part"] == TUNE_PART]}
    given = {tuple(int(note[name]) for name in fields) for note in tune.all_notes(track.plan.meter.bar_ticks)}
    return [note in there for note in given] + [False] * len(there - given)


def _exact_repeats(bars: _Bars) -> list[bool]:
    plan = bars.plan
    exact = np.flatnonzero(plan.relation == EXACT).tolist()
    return [bars.content(bar) == bars.content(int(plan.source[bar])) for bar in exact]


def _sections_again(track: PlannedTrack, bars: _Bars) -> list[bool]:
    """Of each bar of a section that the order names again whether it is as the first time; but for the last chord."""
    first: dict[str, PlacedSection] = {}
    kept: list[bool] = []
    for placed in sections_of(track.order, track.plan):
        known = first.setdefault(placed.spec.name, placed)
        if known is not placed:  # the last section may be longer, by the end of the track
            num_bars = min(known.num_bars, placed.num_bars)
            pairs = [(known.start + place, placed.start + place) for place in range(num_bars)]
            kept += [bars.content(a) == bars.content(b) for a, b in pairs if track.plan.final_bar not in (a, b)]
    return kept


def _asked_chords(track: PlannedTrack, bars: _Bars) -> npt.NDArray[np.bool_]:
    """Of each chord that the order gives whether the plan has it, and its bass; but for the last chord of a track."""
    plan = track.plan
    chord, above = chord_rules(track.order, plan, sections_of(track.order, plan), bars.shifts)
    judged = (chord != FREE) & bars.is_judged[:, None]
    if plan.final_bar is not None:
        judged[plan.final_bar] = False
    root = (bars.plan.chord - 1) // NUM_QUALITIES
    same = (bars.plan.chord == chord) & (bars.plan.bass == (root + above) % 12)
    found: npt.NDArray[np.bool_] = same[judged]
    return found


def _varied_shares(track: PlannedTrack, bars: _Bars) -> list[float]:
    """For each section of the order that varies another: share of what begins in either that does not in both."""
    sections = sections_of(track.order, track.plan)
    first: dict[str, int] = {}
    base: dict[str, int] = {}
    shares = []
    for placed in sections:
        source = base.get(placed.spec.letter)
        if placed.spec.name not in first and source is not None:
            stop = placed.start + placed.num_bars
            own = [bar for bar in range(placed.start, stop) if bar != track.plan.final_bar]
            both, either = 0, 0
            for bar in own:
                one, other = bars.content(bar), bars.content(source + bar - placed.start)
                both, either = both + len(one & other), either + len(one | other)
            if own:  # else it is the last chord alone
                shares.append(1.0 - both / either if either else 0.0)
        first.setdefault(placed.spec.name, placed.start)
        base.setdefault(placed.spec.letter, placed.start)
    return shares


def _num_other_roles(track: PlannedTrack, bars: _Bars) -> int:
    may = role_rules(track.order, bars.plan.num_bars, sections_of(track.order, track.plan))
    allowed: Ints = may[bars.bar] >> bars.role & 1
    return int((allowed == 0).sum())
