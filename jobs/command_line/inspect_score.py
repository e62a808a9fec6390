"""`tonemill inspect` of a score: its form, chords, melody and roles, as figures and a picture of each piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.table import Table

from jobs.command_line.screen import Screen, heading
from lstm_core.analysis.picture.drawing import draw_analysis
from lstm_core.analysis.piece import Analysis, analyse
from lstm_core.analysis.references import RELATIONS
from lstm_core.analysis.roles import ROLES
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.chord_symbols import chord_name
from lstm_core.notes.describe import describe
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.reading import IsolatedReader
from lstm_core.notes.score import Score

MAX_CHORDS = 16  # named in the table: those of the first bars
MAX_PIECES = 8  # of a file that holds many, such as a book of tunes


def inspect_score(path: str, folder: str | Path = ".") -> None:
    """Prints the analysis of a local score; writes NAME.analysis.png into `folder`, numbered where it holds several.

    Raises:
        ScoreError: it cannot be read.
    """
    source = Path(path)
    with IsolatedReader() as reader:
        (scores,) = reader.read_many([(source.read_bytes(), source.suffix)])
    if isinstance(scores, ScoreError):
        raise ScoreError(f"{path}: {scores}")
    screen = Screen()
    for number, score in enumerate(scores[:MAX_PIECES], 1):
        analysis = analyse(score)
        name = source.stem if len(scores) == 1 else f"{source.stem}.{number}"
        picture = Path(folder) / f"{name}.analysis.png"
        picture.write_bytes(draw_analysis(score, analysis))
        screen.print(heading("Score", f"{path}: {score.title or 'without a title'}"))
        table = Table(show_header=False, box=None)
        for row in [*_facts(score, analysis), ("written", str(picture))]:
            table.add_row(*row)
        screen.print(table)
    if len(scores) > MAX_PIECES:
        screen.print(f"and {len(scores) - MAX_PIECES} pieces more, which are not shown")


def _facts(score: Score, analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Name and text of each line of the table."""
    num_bars = len(analysis.barlines) - 1
    yield "music", f"{num_bars} bars of {score.meters[0]}, {score.duration_s:.1f} s, {len(score.notes):,} notes"
    yield "key", describe(score).key or "none"
    yield "instruments", ", ".join(instrument_name(int(program)) for program in np.unique(score.notes["program"]))
    counts = np.bincount(analysis.note_role, minlength=len(ROLES))
    yield "notes by role", ", ".join(f"{role} {count:,}" for role, count in zip(ROLES, counts, strict=True) if count)
    yield "form", " ".join(f"{section.name}:{section.num_bars}" for section in analysis.sections)
    relations = np.bincount(analysis.relation, minlength=len(RELATIONS))
    yield "bars", ", ".join(f"{name} {count}" for name, count in zip(RELATIONS, relations, strict=True) if count)
    yield "first chords", _first_chords(analysis)
    yield "energy", f"{analysis.energy.min():.2f} to {analysis.energy.max():.2f}, mean {analysis.energy.mean():.2f}"


def _first_chords(analysis: Analysis) -> str:
    """The chords from the first one on, each named once while it lasts."""
    names: list[str] = []
    for root, quality, bass in zip(analysis.chord_root, analysis.chord_quality, analysis.chord_bass, strict=True):
        name = chord_name(int(root), int(quality), int(bass)) if root >= 0 else ""
        if name and (not names or name != names[-1]):
            names.append(name)
    return " ".join(names[:MAX_CHORDS]) + (" ..." if len(names) > MAX_CHORDS else "")
