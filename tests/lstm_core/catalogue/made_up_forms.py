"""Made-up plans and forms of any length."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_core.analysis.roles import BASS, DRUM, FIGURE, HARMONY, MELODY
from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.plan_form import form_of_plan
from lstm_core.notes.score import DRUMS
from lstm_core.representations.plan.layout import EXACT, NEW, NO_SOURCE, VARIED, Plan, chord_value

ROLES = (MELODY, BASS, DRUM, HARMONY, FIGURE)
PROGRAMS = (73, 33, DRUMS, 48, 24)
AM, F, C, G = chord_value(9, 1), chord_value(5, 0), chord_value(0, 0), chord_value(7, 0)
E7, DM7, BM7B5 = chord_value(4, 6), chord_value(2, 8), chord_value(11, 9)
CHORDS = {0: ((AM, AM), (F, F), (C, G), (AM, E7)), 1: ((F, F), (DM7, G), (C, C), (BM7B5, E7))}  # of letters, in turn


def made_plan(sections: str = "A A' B A", num_bars: int = 8, num_slots: int = 2, **changes: Any) -> Plan:
    """A plan whose sections have so many bars each: a name again is an exact copy, a letter with ' a variation."""
    names = sections.split()
    n = len(names) * num_bars
    letters = list(dict.fromkeys(name[0] for name in names))
    source, relation = np.full(n, NO_SOURCE), np.full(n, NEW)
    section, chord = np.zeros(n, dtype=np.int64), np.zeros((n, 2), dtype=np.int64)
    energy = np.zeros(n, dtype=np.int64)
    for place, name in enumerate(names):
        letter, bars = letters.index(name[0]), np.arange(place * num_bars, (place + 1) * num_bars)
        section[bars[0]] = 1 + letter
        energy[bars] = (2 * letter + place + bars // 4) % 8
        for bar in bars.tolist():
            halves = CHORDS[letter % 2][(bar - bars[0]) % 4]
            chord[bar] = halves if num_slots == 2 else halves[0]
        same = next((at for at in range(place) if names[at] == name), None)
        model = next((at for at in range(place) if names[at][0] == name[0]), None)
        if (of := same if same is not None else model) is not None:
            source[bars], relation[bars] = bars - (place - of) * num_bars, EXACT if same is not None else VARIED
    root = (chord - 1) // 12
    bass = np.where(chord == F, 9, root)  # F stands on its third, where it is no note of its own
    values: dict[str, Any] = {
        "roles": np.array(ROLES),
        "programs": np.array(PROGRAMS),
        "bar_ticks": np.full(n, 96),
        "num_slots": np.full(n, num_slots),
        "source": source,
        "relation": relation,
        "shift": np.zeros(n, dtype=np.int64),
        "section": section,
        "chord": chord,
        "bass": np.where(chord == 0, -1, bass),
        "energy": energy,
        "active": np.full(n, 0b11111),
        "copied": np.zeros(n, dtype=np.int64),
    }
    return Plan(**values | changes)


def made_form(sections: str = "A A' B A", num_bars: int = 8) -> TrackForm:
    """The form of a made-up plan, in the home key."""
    return form_of_plan(made_plan(sections, num_bars), 0)
