"""A take: the notes of an attempt at a track, and the plan that they follow where there is one."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_core.notes.score import NoteArray, Score, Tempo
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.plan.layout import Ints, Plan


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Take:
    """What the finishing of a track gets from those who compose it; it travels between processes."""

    number: int = 0  # place of the attempt in the input
    notes: NoteArray  # in the key of the track; of a planned take `part` is the number of the part in the plan
    plan: Plan | None = None  # in the home key
    shift: Ints | int = 0  # semitones from the key of the track to the home key, or from those of its bars: [N]
    num_events: int = 0  # that models chose

    def score(self, plan: TrackPlan, *, title: str = "") -> Score:
        """The score, in the tempos, meters and keys of the track's plan."""
        tempos = plan.tempos or (Tempo(tick=0, bpm=plan.bpm),)
        return Score(notes=self.notes, tempos=tempos, meters=plan.meters, keys=plan.keys, title=title)
