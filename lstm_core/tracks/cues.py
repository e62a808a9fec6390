"""Whether a stinger or a fanfare ends as one does."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.take import Take
from lstm_core.notes.keys import tonic_chord
from lstm_core.notes.score import DRUMS
from lstm_core.orders.form_text import FANFARE
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.cue import ENERGY, cue_of
from lstm_core.tracks.gates import GateResult, at_least

MIN_CHORD_S = 0.1  # that the last chord of a cue is held, at least


def cue_gates(track: PlannedTrack, take: Take) -> list[GateResult]:
    """Results of the gates of a cue's notes; none for any other track.

    `cue_chord`, seconds that the longest note of the last chord is held; `cue_tonic`, share of the melodic notes of its
    bar that are tones of the tonic, where the order has a key; of a fanfare whose energy the order leaves open
    `cue_rise`, how much louder in velocity the bar of the last chord is than the first.
    """
    order, plan = track.order, track.plan
    cue = cue_of(order.form)
    if not cue or plan.final_bar is None:
        return []
    score = take.score(plan)
    start = plan.tick_of(plan.final_bar)
    first, last = take.notes[take.notes["onset"] < plan.meter.bar_ticks], take.notes[take.notes["onset"] >= start]
    chord = last[last["onset"] == start]
    end = int((chord["onset"] + chord["duration"]).max(initial=start))
    held_s = float(np.diff(score.seconds(np.array([start, end])))[0])
    gates = [at_least("cue_chord", held_s, MIN_CHORD_S)]
    melodic = last["pitch"][last["program"] != DRUMS].astype(np.int64)
    if plan.key is not None and len(melodic):
        is_tone = np.isin(melodic % 12, sorted(tonic_chord(plan.key, order.scale)))
        gates.append(at_least("cue_tonic", float(is_tone.mean()), 1.0))
    if cue == FANFARE and order.energy == ENERGY[FANFARE]:
        louder = float(last["velocity"].mean() - first["velocity"].mean()) if len(first) and len(last) else 0.0
        gates.append(at_least("cue_rise", louder, 0.0))
    return gates
