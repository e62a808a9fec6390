"""What a plan may be: the form of the rules of one request, and of a batch of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS
from lstm_core.representations.plan.events import STREAMS
from lstm_core.representations.plan.layout import MAX_PARTS, NUM_CHORDS, Ints

FREE = -1  # in place of a value that the model may choose
ANY_CHORDS, SAME_CHORDS, OTHER_CHORDS = range(3)  # of a bar that repeats or varies another
NUM_PROGRAMS = DRUMS + 1
NUM_ROLES = 6
Bytes = npt.NDArray[np.uint8]


def _everything() -> Bytes:
    return np.ones(NUM_CHORDS, dtype=np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanRules:
    """The rules of a plan of N bars; FREE leaves a value to the model."""

    num_slots: Ints  # chords that each bar has, 1 or 2: [N]
    programs: Bytes  # 1 for those that may play: [NUM_PROGRAMS]
    wanted: Bytes  # each row an instrument that plays, 1 for the programs that it may be: [I, NUM_PROGRAMS]
    only_wanted: bool = False  # True: nobody else plays, and one of them has at most most_of_program parts
    most_of_program: Ints | None = None  # None: any number; [NUM_PROGRAMS]
    fewest_parts: int = 1
    most_parts: int = MAX_PARTS
    roles: int = (1 << NUM_ROLES) - 1  # bit r: role r may be given
    fewest_roles: int = 1  # different roles
    required_roles: int = 0  # bit r: some part has role r
    parts: Ints | None = None  # role and program of each part, where all of them are given: [P, 2]
    active: Ints | None = None  # bits of the parts that play: [N]
    copied: Ints | None = None  # bits of the parts that copy the source: [N]
    back: Ints | None = None  # bars back to the source, 0 for none: [N]
    relation: Ints | None = None  # code of the relation, see plan/events.py: [N]
    section: Ints | None = None  # 0, or 1 + letter where one begins: [N]
    chord: Ints | None = None  # values of chords: [N, 2]
    bass: Ints | None = None  # semitones above the root: [N, 2]
    energy: Ints | None = None  # [N]
    roles_in_bar: Ints | None = None  # bit r: role r may play: [N]
    must_play: Ints | None = None  # bit r: if there is a part of role r, one of them plays: [N]
    fewest_active: Ints | None = None  # percent of the parts that may play which do at least: [N]
    most_active: Ints | None = None  # percent of the parts that may play which do at most, one in any case: [N]
    nearest: Ints | None = None  # first bar that each may repeat, by default 0: [N]
    has_content: Bytes | None = None  # 1 for bars that must not be the same as others as a whole: [N]
    same_chords: Bytes | None = None  # whether chords are those of the source: ANY_CHORDS, ...: [N]
    wanted_in_bar: Ints | None = None  # bit i: the wanted instrument i may play, by default all: [N]
    chords: Bytes = field(default_factory=_everything)  # 1 for those that may be chosen: [NUM_CHORDS]
    pitch_classes: Bytes = field(default_factory=lambda: np.ones(12, dtype=np.uint8))  # that the bass may have
    may_yield: bool = False  # True: a bar that cannot be the same as its source as a whole may be varied instead
    temperature: Ints | npt.NDArray[np.float64] = field(default_factory=lambda: np.ones(len(STREAMS)))
    top_p: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(len(STREAMS), 0.95))
    seed: int = 0

    @property
    def num_bars(self) -> int:
        return len(self.num_slots)
