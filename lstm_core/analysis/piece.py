"""The whole analysis of a piece: `analyse` is the entry point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.chords import find_chords
from lstm_core.analysis.energy import bar_energy
from lstm_core.analysis.form import find_form
from lstm_core.analysis.grid import make_grid
from lstm_core.analysis.layers import find_layers
from lstm_core.analysis.melody import find_melody
from lstm_core.analysis.roles import ROLES, assign_roles
from lstm_core.analysis.sections import Section
from lstm_core.notes.score import Score


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Analysis:
    """What stands where in a piece, on its bars and on its slots (half bars or bars, see grid.py)."""

    barlines: npt.NDArray[np.int64]  # ticks: [bars + 1]
    slots: npt.NDArray[np.int64]  # ticks: [slots + 1]
    slot_bar: npt.NDArray[np.int32]  # [slots]
    chord_root: npt.NDArray[np.int8]  # pitch class, -1 for no chord: [slots]
    chord_quality: npt.NDArray[np.int8]  # index into chord_symbols.QUALITIES, -1 for no chord: [slots]
    chord_bass: npt.NDArray[np.int8]  # pitch class, -1 for no chord: [slots]
    bar_key: npt.NDArray[np.int8]  # tonic 0..11, plus 12 in minor: [bars]
    note_role: npt.NDArray[np.uint8]  # index into roles.ROLES: [N]
    is_melody: npt.NDArray[np.uint8]  # 1 for notes of the one line that is the lead sheet: [N]
    bar_roles: npt.NDArray[np.uint8]  # bit i: something with role i begins in the bar: [bars]
    sections: tuple[Section, ...]
    phrase_starts: npt.NDArray[np.int32]  # bars: [phrases]
    source_bar: npt.NDArray[np.int32]  # earlier bar that each repeats, -1 for none: [bars]
    relation: npt.NDArray[np.uint8]  # index into form.RELATIONS: [bars]
    transposition: npt.NDArray[np.int8]  # semitones above the source: [bars]
    similarity: npt.NDArray[np.float32]  # to the source, 0..1: [bars]
    energy: npt.NDArray[np.float32]  # 0..1: [bars]


def analyse(score: Score) -> Analysis:
    """Chords, roles, melody, form and energy of a score; the same notes give the same arrays.

    Raises:
        ValueError: it holds no notes.
    """
    notes = score.notes
    if len(notes) == 0:
        raise ValueError("a score without notes has nothing to analyse")
    grid = make_grid(score)
    chords = find_chords(notes, grid)
    layers = find_layers(notes, grid)
    is_melody = np.zeros(len(notes), dtype=bool)
    is_melody[layers.is_pitched] = pitched_melody = find_melody(notes, layers)
    role = assign_roles(notes, layers, pitched_melody, grid)
    form = find_form(notes, is_melody, grid)
    bar_roles = np.zeros(grid.num_bars, dtype=np.uint8)
    np.bitwise_or.at(bar_roles, grid.bar_of(notes["onset"].astype(np.int64)), np.uint8(1) << role)
    assert len(ROLES) <= 8
    return Analysis(
        barlines=grid.barlines,
        slots=grid.slots,
        slot_bar=grid.slot_bar.astype(np.int32),
        chord_root=chords.root.astype(np.int8),
        chord_quality=chords.quality.astype(np.int8),
        chord_bass=chords.bass.astype(np.int8),
        bar_key=chords.bar_key.astype(np.int8),
        note_role=role,
        is_melody=is_melody.astype(np.uint8),
        bar_roles=bar_roles,
        sections=form.sections,
        phrase_starts=form.phrase_starts.astype(np.int32),
        source_bar=form.source_bar.astype(np.int32),
        relation=form.relation.astype(np.uint8),
        transposition=form.transposition.astype(np.int8),
        similarity=form.similarity.astype(np.float32),
        energy=bar_energy(score, grid).astype(np.float32),
    )
