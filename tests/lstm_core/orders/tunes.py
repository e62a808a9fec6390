"""Tunes as files, and orders that name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, make_notes
from lstm_core.orders.order import TrackOrder, order_from_fields

STEPS = (0, 2, 4, 5, 7, 9, 11, 12)  # of the major scale
A_PART = "0 2 4 2 | 3 1 6 1 | 0 2 4 7 | 4 3 1 6"  # degrees, one a quarter
B_PART = "4 4 5 4 | 3 5 4 3 | 2 4 3 1"
REST = "0 - - -"  # a last bar of one note
TUNE = f"{A_PART} | {A_PART} | {B_PART} | {REST}"  # twelve bars in C major


def rows_of(text: str, *, program: int = 73, tonic: int = 60, bar_quarters: int = 4) -> list[tuple[int, ...]]:
    """Notes of bars of degrees: "-" holds the one before, "." is a rest."""
    rows: list[list[int]] = []
    held: list[int] | None = None
    for bar, words in enumerate(text.split("|")):
        for quarter, word in enumerate(words.split()):
            if word == "-" and held is not None:
                held[1] += 24
            elif word == ".":
                held = None
            else:
                held = [24 * (bar_quarters * bar + quarter), 24, program, tonic + STEPS[int(word)], 84]
                rows.append(held)
    return [tuple(row) for row in rows]


def write_tune(
    path: Path, rows: Sequence[tuple[int, ...]], *, meters: Sequence[tuple[int, str]] = ((0, "4/4"),)
) -> Path:
    """A MIDI file of notes (onset, duration, program, pitch, velocity), with meters as (tick, name)."""
    parts = [(tick, *map(int, name.split("/"))) for tick, name in meters]
    changes = tuple(Meter(tick=tick, numerator=over, denominator=under) for tick, over, under in parts)
    path.write_bytes(write_midi(Score(notes=make_notes(list(rows)), meters=changes)))  # type: ignore[arg-type]
    return path


def order_with(path: Path, **fields: Any) -> TrackOrder:
    """An order of a melody, as a row of a table has it."""
    return order_from_fields({"melody": str(path), **fields})
