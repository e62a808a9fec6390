"""The layers of a track: one music in files of rising intensity, each with the parts of the one before it and more.

Parts come in from what fills to what leads: harmony and bass, figures, drums, melody, counter-melody, of equal roles
the one with fewer notes first. Where the borders lie is tried out: each layer is to add something that is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.roles import BASS, COUNTER, DRUM, FIGURE, HARMONY, MELODY, ROLES
from lstm_core.composing.take import Take
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.score import DRUMS, FAMILIES, NoteArray, family_of
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.plan.layout import Ints
from lstm_core.tracks.gates import GateResult, at_least, share_of_bars

SOUNDING_SHARE = 0.5  # of the bars that the first layer sounds in, at least
ADDED_SHARE = 0.25  # of the bars in which what a layer adds sounds, at least
_RANK = {HARMONY: 0, BASS: 0, FIGURE: 1, DRUM: 2, MELODY: 3, COUNTER: 4}
_DRUM_KIT = -1  # number of all drums, which are one part: a hi-hat that is closed ends the open one


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Layering:
    """Which notes each layer of a take adds to the one before it."""

    num_parts: int  # that play
    parts: tuple[tuple[str, ...], ...] = ()  # that each layer adds, such as "bass: fingered bass"; (): too few play
    layer: Ints  # number of the first layer that has each note, from 0: int64 [N]

    def added(self, notes: NoteArray, number: int) -> NoteArray:
        """The notes that a layer adds."""
        own: NoteArray = notes[self.layer == number]
        return own

    def notes_of(self, notes: NoteArray, number: int) -> NoteArray:
        """All notes of a layer."""
        own: NoteArray = notes[self.layer <= number]
        return own


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    name: str
    rank: tuple[int, int, int]
    is_own: npt.NDArray[np.bool_]  # of each note: [N]


def layering_of(take: Take, plan: TrackPlan, num_layers: int) -> Layering:
    """The layers of a take; without any where fewer parts play than there are to be layers."""
    parts = sorted(_parts_of(take), key=lambda part: part.rank)
    layer = np.zeros(len(take.notes), dtype=np.int64)
    if len(parts) < num_layers:
        return Layering(num_parts=len(parts), layer=layer)
    borders = max(combinations(range(1, len(parts)), num_layers - 1), key=lambda at: _worth(take, plan, parts, at))
    groups = [parts[start:stop] for start, stop in pairwise((0, *borders, len(parts)))]
    for number, group in enumerate(groups):
        layer[np.any([part.is_own for part in group], axis=0)] = number
    names = tuple(tuple(part.name for part in group) for group in groups)
    return Layering(num_parts=len(parts), parts=names, layer=layer)


def layer_gates(take: Take, plan: TrackPlan, layering: Layering, num_layers: int) -> list[GateResult]:
    """Results of the gates of the notes of layers.

    `layers`, parts that play, at least one for each; `layers_sound`, share of the bars in which the first layer sounds;
    `layers_add`, the smallest share of the bars in which what a layer adds sounds. That each has the notes of the one
    before it needs no gate: a layer is what those up to its number add.
    """
    gates = [at_least("layers", layering.num_parts, num_layers)]
    if not layering.parts:
        return gates
    shares = [_share(layering.added(take.notes, number), plan) for number in range(num_layers)]
    return [
        *gates,
        at_least("layers_sound", shares[0], SOUNDING_SHARE),
        at_least("layers_add", min(shares[1:]), ADDED_SHARE),
    ]


def _parts_of(take: Take) -> list[_Part]:
    """The parts that play; of a take without a plan its programs."""
    notes, plan = take.notes, take.plan
    number = (notes["program"] if plan is None else notes["part"]).astype(np.int64)
    number = np.where(notes["program"] == DRUMS, _DRUM_KIT, number)
    parts = []
    for one in np.unique(number).tolist():
        is_own = number == one
        program = int(notes["program"][is_own][0])
        if one == _DRUM_KIT:
            role = DRUM
        elif plan is None:
            role = BASS if FAMILIES[family_of(program)] == "bass" else HARMONY
        else:
            role = int(plan.roles[min(one, plan.num_parts - 1)])
        rank = (_RANK[role], int(is_own.sum()), one)
        parts.append(_Part(name=f"{ROLES[role]}: {instrument_name(program)}", rank=rank, is_own=is_own))
    return parts


def _worth(take: Take, plan: TrackPlan, parts: Sequence[_Part], borders: tuple[int, ...]) -> tuple[float, float]:
    """How good it is to begin the layers after the first with these parts.

    First that each sounds in as many bars as it is to, then that they add about equally many notes.
    """
    heard, counts = [], []
    for number, (start, stop) in enumerate(pairwise((0, *borders, len(parts)))):
        own = take.notes[np.any([part.is_own for part in parts[start:stop]], axis=0)]
        wanted = ADDED_SHARE if number else SOUNDING_SHARE
        heard.append(min(_share(own, plan) / wanted, 1.0))
        counts.append(len(own))
    return min(heard), -max(counts) / len(take.notes)


def _share(notes: NoteArray, plan: TrackPlan) -> float:
    return share_of_bars(notes, num_bars=plan.num_bars, bar_ticks=plan.bar_ticks)
