"""What the notes of a plan's parts may be: the rules of one request, and of a batch of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.fixed_point import share, sharpness
from lstm_core.representations.parts.events import STREAMS
from lstm_core.representations.plan.layout import Ints

Bytes = npt.NDArray[np.uint8]


def _all_classes() -> Bytes:
    return np.ones(12, dtype=np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class PartRules:
    """The rules of one piece. Pitches are those of the home key."""

    pitch_low: int = 0
    pitch_high: int = 127
    pitch_classes: Bytes = field(default_factory=_all_classes)  # 1 for those of the scale: [12]
    chord_wins: bool = False  # True: tones of the chord may also be outside of the scale
    follows_energy: bool = False  # True: how much each part plays in a bar is bounded by the bar's energy
    density: float = 0.0  # notes per quarter of all parts together that bars come near to; 0: open
    polyphony: int = 64  # melodic notes that sound together at most
    final_bar: int = -1  # that holds the last chord alone, -1 for none
    final_hold_ticks: int = 0  # longest note of the last chord
    beginning: frozenset[int] = frozenset()  # bars with which all parts begin that play there and have a free voice
    temperature: npt.NDArray[np.float64] = field(default_factory=lambda: np.ones(len(STREAMS)))
    top_p: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(len(STREAMS), 0.95))
    transposition: int = 0  # semitones from the key of the piece to the home key
    moved: Ints | None = None  # by how many more, at least and at most, in the keys that each bar sounds in: [bars, 2]
    turns: frozenset[int] = frozenset()  # bars that sound in another key than the one before: the bass begins them
    seed: int = 0
    locked: Mapping[tuple[int, int], Ints] = field(default_factory=dict)  # events of a part and bar, BAR first: [n, K]
    textures: Ints | None = None  # bits of those that each part may have in each bar, 0: any; [parts, bars], None: any
    held: Ints | None = None  # bars that follow through which the notes of a bar are held: [parts, bars], None: open


class PartRuleTables(NamedTuple):
    """The rules of B rows; see PartRules."""

    numbers: Ints  # [B, NUM_COLUMNS]
    pitch_classes: Bytes  # [B, 12]
    sharp: Ints  # [B, K], see fixed_point.sharpness
    top_p: Ints  # [B, K] in the unit of shares
    textures: Ints  # [B, C] bits of the textures that each written bar may have, 0: any
    held: Ints  # [B, C] bars that follow each written bar through which its notes are held
    moved: Ints  # [B, N, 2] see PartRules
    begins: Bytes  # [B, C] 1 for written bars with which their part begins


(
    LOW,
    HIGH,
    CHORD_WINS,
    FOLLOWS_ENERGY,
    POLYPHONY,
    DENSITY,
    TRANSPOSITION,
    FINAL_BAR,
    FINAL_HOLD,
    SEED,
    NUM_COLUMNS,
) = range(11)


def make_part_rule_tables(num_rows: int, num_bars: int, num_cells: int) -> PartRuleTables:
    """Tables without rules, for so many bars and written bars."""
    return PartRuleTables(
        np.zeros((num_rows, NUM_COLUMNS), dtype=np.int64),
        np.ones((num_rows, 12), dtype=np.uint8),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, len(STREAMS)), dtype=np.int64),
        np.zeros((num_rows, num_cells), dtype=np.int64),
        np.zeros((num_rows, num_cells), dtype=np.int64),
        np.zeros((num_rows, num_bars, 2), dtype=np.int64),
        np.zeros((num_rows, num_cells), dtype=np.uint8),
    )


def set_part_rules(tables: PartRuleTables, b: int, rules: PartRules, cells: Ints) -> None:
    """Puts rules into row b, whose plan writes these parts and bars: int64 [cells, 2]."""
    tables.numbers[b, LOW], tables.numbers[b, HIGH] = rules.pitch_low, rules.pitch_high
    tables.numbers[b, CHORD_WINS], tables.numbers[b, FOLLOWS_ENERGY] = rules.chord_wins, rules.follows_energy
    tables.numbers[b, TRANSPOSITION] = rules.transposition
    tables.numbers[b, DENSITY] = round(1000 * rules.density)
    tables.numbers[b, POLYPHONY], tables.numbers[b, SEED] = rules.polyphony, rules.seed
    tables.numbers[b, FINAL_BAR], tables.numbers[b, FINAL_HOLD] = rules.final_bar, rules.final_hold_ticks
    tables.pitch_classes[b] = rules.pitch_classes
    tables.sharp[b] = [sharpness(float(temperature)) for temperature in rules.temperature]
    tables.top_p[b] = [share(float(top_p)) for top_p in rules.top_p]
    tables.textures[b] = tables.held[b] = tables.moved[b] = 0
    if rules.moved is not None:
        tables.moved[b, : len(rules.moved)] = rules.moved
    if rules.textures is not None:
        tables.textures[b, : len(cells)] = rules.textures[cells[:, 0], cells[:, 1]]
    if rules.held is not None:
        tables.held[b, : len(cells)] = rules.held[cells[:, 0], cells[:, 1]]
    tables.begins[b] = 0
    tables.begins[b, : len(cells)] = [bar in rules.beginning for bar in cells[:, 1].tolist()]
