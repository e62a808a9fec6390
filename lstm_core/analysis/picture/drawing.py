"""The picture of an analysis: systems of bars with notes in the colours of their roles, chords, sections and energy."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from lstm_core.analysis.grid import Bools
from lstm_core.analysis.picture.labels import label_font, shown_chords
from lstm_core.analysis.picture.lanes import draw_marks, draw_players, draw_tempos
from lstm_core.analysis.picture.system import (
    CHANGED,
    DRUMS,
    ENERGY,
    ENERGY_COLOUR,
    INK,
    LEGEND,
    LINE,
    MARGIN,
    NUMBER,
    PAPER,
    REFERENCE,
    ROLE_COLOURS,
    SECTION,
    SECTION_COLOURS,
    TITLE,
    Extras,
    System,
    layout,
    num_systems,
    paler,
)
from lstm_core.analysis.piece import Analysis
from lstm_core.analysis.references import EXACT, NEW, TRANSPOSED
from lstm_core.analysis.roles import DRUM, ROLES
from lstm_core.notes.chord_symbols import chord_name
from lstm_core.notes.score import Score

_STAYING_SHARE = 0.35  # of the colour of notes that stayed


def draw_analysis(score: Score, analysis: Analysis, *, width: int = 1600, extras: Extras | None = None) -> bytes:
    """PNG of a score and its analysis, BARS_PER_SYSTEM bars per row; equal bytes for equal input.

    Above the bars stand the sections with what each bar repeats (=7 bar 7 exactly, ~7 varied, +2=7 two semitones up)
    and the chords, below them drums and energy. Notes of the melody line are edged, those that stayed are pale.

    Raises:
        ValueError: the picture is too narrow for chord names.
    """
    if width < 640:
        raise ValueError(f"a picture of an analysis needs a width of at least 640 pixels, not {width}")
    extras = extras or Extras()
    rows = num_systems(analysis)
    bottom = len(extras.rolls) * rows * extras.system_height
    image = Image.new("RGB", (width, bottom + LEGEND), PAPER)
    pen = ImageDraw.Draw(image)
    for number in range(len(extras.rolls) * rows):
        system, roll = layout(score, analysis, extras, number, width), extras.rolls[number // rows]
        if roll.title and number % rows == 0:
            pen.text((MARGIN, system.top - TITLE + 1), roll.title, fill=INK, font=label_font(14))
        _draw_bars(pen, analysis, system, extras.changed)
        _draw_chords(pen, analysis, system)
        _draw_notes(pen, score, analysis, system, roll.is_shown, extras.stays)
        draw_players(pen, analysis, system, extras.players)
        if extras.tempos:
            draw_tempos(pen, system, extras.tempos)
        _draw_energy(pen, analysis, system)
        draw_marks(pen, system, extras.marks)
    _draw_legend(pen, analysis, bottom, has_changed=bool(extras.changed))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _draw_bars(pen: ImageDraw.ImageDraw, analysis: Analysis, system: System, changed: frozenset[int]) -> None:
    """Barlines with their numbers, sections in bands of their letters' colours, phrases as ticks, references."""
    phrase_starts = set(analysis.phrase_starts.tolist())
    for section in analysis.sections:
        first, last = (
            max(section.start_bar, system.first_bar),
            min(section.start_bar + section.num_bars, system.last_bar),
        )
        if first < last:
            box = (system.x(analysis.barlines[first]), system.top, system.x(analysis.barlines[last]), system.bottom)
            pen.rectangle(box, fill=SECTION_COLOURS[section.letter % len(SECTION_COLOURS)])
            pen.text((box[0] + 4, system.top + 1), section.name, fill=INK, font=label_font(15))
    for bar in range(system.first_bar, system.last_bar + 1):
        x = system.x(analysis.barlines[bar])
        pen.line((x, system.roll_top, x, system.bottom), fill=INK if bar in phrase_starts else LINE)
        if bar == system.last_bar:
            continue
        end, middle = system.x(analysis.barlines[bar + 1]), system.bottom - NUMBER // 2
        if bar in changed:
            pen.rectangle((x + 1, system.bottom - NUMBER + 2, end - 1, system.bottom), fill=CHANGED)
        colour = PAPER if bar in changed else REFERENCE
        pen.text((x + 4, middle), str(bar + 1), fill=colour, font=label_font(11), anchor="lm")
        if analysis.relation[bar] != NEW:
            sign = "=" if analysis.relation[bar] in (EXACT, TRANSPOSED) else "~"
            up = f"{analysis.transposition[bar]:+d}" if analysis.transposition[bar] else ""
            text = f"{up}{sign}{analysis.source_bar[bar] + 1}"
            pen.text((end - 4, system.top + 4), text, fill=REFERENCE, font=label_font(12), anchor="ra")


def _draw_chords(pen: ImageDraw.ImageDraw, analysis: Analysis, system: System) -> None:
    """Names of chords where they change and at the beginning of the line, as many as fit."""
    slots = np.flatnonzero((analysis.slot_bar >= system.first_bar) & (analysis.slot_bar < system.last_bar))
    names = [
        chord_name(int(analysis.chord_root[slot]), int(analysis.chord_quality[slot]), int(analysis.chord_bass[slot]))
        for slot in slots
    ]
    columns = [system.x(analysis.slots[slot]) for slot in [*slots, slots[-1] + 1]]
    font = label_font(13)
    for slot in shown_chords(names, analysis.slot_bar[slots].tolist(), columns, (), font):
        pen.text((columns[slot] + 4, system.top + SECTION + 1), names[slot], fill=INK, font=font)


def _draw_notes(
    pen: ImageDraw.ImageDraw,
    score: Score,
    analysis: Analysis,
    system: System,
    is_shown: Bools | None,
    stays: Bools | None,
) -> None:
    """Notes in the colours of their roles, the melody last so that it stays visible; drums in their lane."""
    notes = score.notes
    ends = notes["onset"].astype(np.int64) + notes["duration"]
    within = (notes["onset"] < system.stop) & (ends > system.start)
    pale = np.zeros(len(notes), dtype=bool) if stays is None else stays
    shown = np.flatnonzero(within if is_shown is None else within & is_shown)
    for n in sorted(shown.tolist(), key=lambda n: (not pale[n], int(analysis.is_melody[n]))):
        onset, role = max(int(notes["onset"][n]), system.start), int(analysis.note_role[n])
        colour, edge = ROLE_COLOURS[role], INK if analysis.is_melody[n] else None
        if pale[n]:
            colour, edge = paler(colour, _STAYING_SHARE), paler(INK, _STAYING_SHARE) if edge else None
        x0, pitch = system.x(onset), int(notes["pitch"][n])
        if role == DRUM:
            y = system.roll_bottom + DRUMS - 1 - (pitch - 35) % 16
            pen.rectangle((x0, y - 2, x0 + 2, y), fill=colour)
            continue
        x1, y1 = max(system.x(min(int(ends[n]), system.stop)) - 1.5, x0 + 1), system.y(pitch)
        y0 = min(system.y(pitch + 1) + 0.5, y1 - 3)
        pen.rectangle((x0, y0 - (edge is not None), x1, y1 + (edge is not None)), fill=colour, outline=edge)


def _draw_energy(pen: ImageDraw.ImageDraw, analysis: Analysis, system: System) -> None:
    base = system.energy_bottom
    for bar in range(system.first_bar, system.last_bar):
        x0, x1 = system.x(analysis.barlines[bar]), system.x(analysis.barlines[bar + 1])
        pen.rectangle((x0 + 1, base - (ENERGY - 2) * float(analysis.energy[bar]), x1 - 1, base), fill=ENERGY_COLOUR)


def _draw_legend(pen: ImageDraw.ImageDraw, analysis: Analysis, top: int, *, has_changed: bool) -> None:
    """The roles that sound, energy, and what signs mean where there are any."""
    present = set(analysis.note_role.tolist())
    entries = [(name, ROLE_COLOURS[role]) for role, name in enumerate(ROLES) if role in present]
    entries.append(("energy", ENERGY_COLOUR))
    if has_changed:
        entries.append(("made again here, pale notes stayed", CHANGED))
    x, font = MARGIN, label_font(13)
    for name, colour in entries:
        pen.rectangle((x, top + 4, x + 12, top + 14), fill=colour)
        pen.text((x + 17, top + 2), name, fill=INK, font=font)
        x += 32 + round(font.getlength(name))
    if (analysis.relation != NEW).any():
        pen.text((x + 12, top + 2), "=7 as bar 7    ~7 varies bar 7", fill=REFERENCE, font=font)
