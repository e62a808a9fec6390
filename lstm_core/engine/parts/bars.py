"""How the next bar of a part may begin: how dense, how high, how loud."""

from __future__ import annotations

import numpy as np

from lstm_core.engine.parts.rules import (
    DENSITY,
    FOLLOWS_ENERGY,
    Bytes,
    PartRuleTables,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.representations.parts.events import (
    CHORD_EDGES,
    DURATION,
    END,
    FIRST_REGISTER,
    FIRST_TEXTURE,
    NUM_REGISTERS,
    NUM_TEXTURES,
    PITCH,
    STREAMS,
    VELOCITY,
)
from lstm_core.representations.parts.tables import CELL, PartRows, PlanTables
from lstm_core.representations.plan.layout import MAX_PARTS, Ints

_VELOCITIES = STREAMS[VELOCITY].size
_NUM_CHORD_STEPS = 1 + len(CHORD_EDGES)
_NOTES_OF_TEXTURE = np.outer([10, 20, 30, 40, 55, 75, 105, 150], [10, 17, 30]).reshape(-1)  # about so many hundredths
ONE_ONSET = (1 << _NUM_CHORD_STEPS) - 1  # bits of the textures of bars in which all notes begin together
_DENSITY_APART = 160  # hundredths: factor by which the notes of a texture may differ from those that are wanted


@borrowing
def allow_bar(
    b: int, stream: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, event: Ints, allowed: Bytes
) -> None:
    """Sets how the next bar may begin; after the last one follows END."""
    is_last = rows.numbers[b, CELL] + 1 >= tables.num_cells[b]
    if stream == PITCH:
        if is_last:
            allowed[END] = 1
            return
        fewest, most = 0, NUM_TEXTURES // _NUM_CHORD_STEPS - 1
        if rules.numbers[b, FOLLOWS_ENERGY]:
            energy = tables.energy[b, tables.cells[b, rows.numbers[b, CELL] + 1, 1]]
            fewest, most = max(energy - 1, 0), min(energy + 1, most)
        for texture in range(_NUM_CHORD_STEPS * fewest, _NUM_CHORD_STEPS * (most + 1)):
            allowed[FIRST_TEXTURE + texture] = 1
        _keep_textures(rules.textures[b, rows.numbers[b, CELL] + 1], allowed)
        if rules.held[b, rows.numbers[b, CELL] + 1] > 0:
            _keep_textures(ONE_ONSET, allowed)
        if rules.numbers[b, DENSITY]:
            _keep_density(b, rules, tables, rows, allowed)
    elif event[PITCH] == END:
        allowed[0] = 1
    elif stream == DURATION:
        allowed[FIRST_REGISTER : FIRST_REGISTER + NUM_REGISTERS] = 1
    elif stream == VELOCITY:
        allowed[1:_VELOCITIES] = 1


@borrowing
def _keep_textures(bits: int, allowed: Bytes) -> None:
    """Leaves the textures of some bits, 0 for all; if none of them is allowed, those that are."""
    some = False
    for texture in range(NUM_TEXTURES):
        some = some or (allowed[FIRST_TEXTURE + texture] == 1 and bits >> texture & 1 == 1)
    if some:
        for texture in range(NUM_TEXTURES):
            if not bits >> texture & 1:
                allowed[FIRST_TEXTURE + texture] = 0


@borrowing
def _keep_density(b: int, rules: PartRuleTables, tables: PlanTables, rows: PartRows, allowed: Bytes) -> None:
    """Leaves the textures that give a part about its share of the notes that are wanted, or the one that is nearest."""
    bar = tables.cells[b, rows.numbers[b, CELL] + 1, 1]
    num_parts = 0
    for part in range(MAX_PARTS):
        num_parts += tables.active[b, bar] >> part & 1
    wanted = rules.numbers[b, DENSITY] * tables.bar_ticks[b, bar] // (10 * TICKS_PER_QUARTER * max(num_parts, 1))
    wanted = max(wanted, 1)  # hundredths of notes
    nearest, most, fewest, some = FIRST_TEXTURE, np.int64(1 << 30), np.int64(1), False
    for texture in range(NUM_TEXTURES):
        more, fewer = max(_NOTES_OF_TEXTURE[texture], wanted), min(_NOTES_OF_TEXTURE[texture], wanted)
        if allowed[FIRST_TEXTURE + texture] and more * fewest < most * fewer:
            nearest, most, fewest = FIRST_TEXTURE + texture, more, fewer
        if 100 * more > _DENSITY_APART * fewer:
            allowed[FIRST_TEXTURE + texture] = 0
        some = some or allowed[FIRST_TEXTURE + texture] == 1
    if not some:
        allowed[nearest] = 1
