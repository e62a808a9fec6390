"""The lanes of a system that not all pictures have, or that are drawn over its notes: marks, players, tempos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PIL import ImageDraw

from lstm_core.analysis.picture.labels import label_font
from lstm_core.analysis.picture.system import (
    INK,
    MARGIN,
    MARK,
    PAPER,
    PLAYER,
    ROLE_COLOURS,
    TEMPO,
    Mark,
    Player,
    System,
    paler,
)
from lstm_core.analysis.piece import Analysis
from lstm_core.notes.score import Tempo

_PLAYER_SHARE = 0.5  # of the colour of its role, so that names are legible on it
_GAP = 6  # pixels between one label and the next


def draw_marks(pen: ImageDraw.ImageDraw, system: System, marks: Sequence[Mark]) -> None:
    """Broken lines through the notes, with their names on top of these, one below the other where they would touch."""
    font, free = label_font(12), [-1.0, -1.0]
    for mark in marks:
        if not system.start <= mark.tick < system.stop:
            continue
        x = system.x(mark.tick)
        for y in range(system.roll_top, system.energy_bottom, 6):
            pen.line((x, y, x, y + 3), fill=MARK, width=2)
        row = next((row for row, stop in enumerate(free) if x >= stop), None)
        if row is None:
            continue
        place = (x + 6, system.roll_top + 2 + 15 * row)
        box = pen.textbbox(place, mark.text, font=font)
        pen.rectangle((box[0] - 2, box[1] - 1, box[2] + 2, box[3] + 1), fill=PAPER)
        pen.text(place, mark.text, fill=MARK, font=font)
        free[row] = box[2] + _GAP


def draw_players(pen: ImageDraw.ImageDraw, analysis: Analysis, system: System, players: Sequence[Player]) -> None:
    """A row for each player: filled in the bars in which it sounds, in the colour of its role, with its name."""
    for number, player in enumerate(players):
        top = system.players_top + PLAYER * number
        bars = [bar for bar in range(system.first_bar, system.last_bar) if bar in player.bars]
        for bar in bars:
            x0, x1 = system.x(analysis.barlines[bar]), system.x(analysis.barlines[bar + 1])
            pen.rectangle((x0, top + 1, x1 - 1, top + PLAYER - 2), fill=paler(ROLE_COLOURS[player.role], _PLAYER_SHARE))
        if bars:
            last = system.x(system.stop) - label_font(11).getlength(player.name) - 4
            x = max(MARGIN, min(system.x(analysis.barlines[bars[0]]) + 4, last))
            pen.text((x, top + PLAYER // 2), player.name, fill=INK, font=label_font(11), anchor="lm")


def draw_tempos(pen: ImageDraw.ImageDraw, system: System, tempos: Sequence[Tempo]) -> None:
    """The tempo as a line of steps, the slowest of the track at the bottom, with as many numbers as fit."""
    slowest, fastest = (of(tempo.bpm for tempo in tempos) for of in (min, max))
    low, height = system.tempo_top + TEMPO - 5, TEMPO - 22
    steps = []
    for tempo, stop in zip(tempos, [*(later.tick for later in tempos[1:]), system.stop], strict=True):
        start, end = max(tempo.tick, system.start), min(max(stop, tempo.tick), system.stop)
        if start < end:
            y = low - height * (tempo.bpm - slowest) / max(fastest - slowest, 1e-9)
            steps.append((system.x(start), system.x(end), y, f"{tempo.bpm:.1f}"))
    for x0, x1, y, _ in steps:
        pen.line((x0, y, x1, y), fill=MARK, width=2)
    for (_, x, y, _), (_, _, other, _) in pairwise(steps):
        pen.line((x, min(y, other), x, max(y, other)), fill=MARK, width=2)
    font, taken = label_font(12), list[tuple[float, float]]()
    for number in sorted(range(len(steps)), key=lambda number: number not in (0, len(steps) - 1)):
        x, _, y, text = steps[number]
        text = text if number else f"{text} bpm"
        x = min(x + 3, system.x(system.stop) - font.getlength(text) - 3)
        span = (x, x + font.getlength(text) + _GAP)
        if all(span[1] <= start or span[0] >= stop for start, stop in taken):
            pen.text((x, y - 3), text, fill=MARK, font=font, anchor="lb")
            taken.append(span)
