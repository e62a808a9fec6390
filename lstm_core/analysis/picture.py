"""The picture of an analysis: systems of bars with notes in the colours of their roles, chords, sections and energy."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lstm_core.analysis.piece import Analysis
from lstm_core.analysis.references import EXACT, NEW, TRANSPOSED
from lstm_core.analysis.roles import DRUM, ROLES
from lstm_core.notes.chord_symbols import chord_name
from lstm_core.notes.score import Score

ROLE_COLOURS = ("#d7263d", "#f08c00", "#7fb2e5", "#3a9d5d", "#5b3a8c", "#6b6b6b")  # in the order of ROLES
BARS_PER_SYSTEM = 16
SYSTEM_HEIGHT = 250
_MARGIN, _LEGEND = 8, 22
_SECTION, _CHORD, _DRUMS, _ENERGY = 16, 14, 18, 26  # heights of the lanes of a system, in pixels
_PAPER, _INK, _LINE, _HALF_LINE, _ENERGY_COLOUR = "#ffffff", "#262b36", "#aab0bd", "#e3e6ec", "#f2b366"
_BANDS = ("#e8eef7", "#f7eee3", "#e9f4ea", "#f5e9f2", "#f3f3df", "#e6f3f3")  # one for each letter, in turn


@dataclass(frozen=True, kw_only=True)
class _System:
    """One row of bars: where its ticks and pitches lie."""

    first_bar: int
    last_bar: int  # not included
    start: int  # ticks
    pixels_a_tick: float
    top: int
    low_pitch: int
    high_pitch: int

    @property
    def roll_top(self) -> int:
        return self.top + _SECTION + _CHORD

    @property
    def roll_bottom(self) -> int:
        return self.top + SYSTEM_HEIGHT - _DRUMS - _ENERGY - 10

    def x(self, tick: float) -> float:
        return _MARGIN + (tick - self.start) * self.pixels_a_tick

    def y(self, pitch: float) -> float:
        rows = self.high_pitch - self.low_pitch + 1
        return self.roll_bottom - (pitch - self.low_pitch) * (self.roll_bottom - self.roll_top) / rows


def draw_analysis(score: Score, analysis: Analysis, *, width: int = 1600) -> bytes:
    """PNG of a score and its analysis, BARS_PER_SYSTEM bars per row; equal bytes for equal input.

    Above the bars stand the sections with what each bar repeats (=7 bar 7 exactly, ~7 varied, +2=7 two semitones up)
    and the chords, below them drums and energy. Notes of the melody line are edged.

    Raises:
        ValueError: the picture is too narrow for chord names.
    """
    if width < 640:
        raise ValueError(f"a picture of an analysis needs a width of at least 640 pixels, not {width}")
    num_bars = len(analysis.barlines) - 1
    num_systems = -(-num_bars // BARS_PER_SYSTEM)
    image = Image.new("RGB", (width, num_systems * SYSTEM_HEIGHT + _LEGEND), _PAPER)
    pen = ImageDraw.Draw(image)
    for number in range(num_systems):
        system = _layout(score, analysis, number, width)
        _draw_bars(pen, analysis, system)
        _draw_chords(pen, analysis, system)
        _draw_notes(pen, score, analysis, system)
        _draw_energy(pen, analysis, system)
    _draw_legend(pen, num_systems * SYSTEM_HEIGHT)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _layout(score: Score, analysis: Analysis, number: int, width: int) -> _System:
    first, last = number * BARS_PER_SYSTEM, min((number + 1) * BARS_PER_SYSTEM, len(analysis.barlines) - 1)
    start = int(analysis.barlines[first])
    longest = max(
        int(analysis.barlines[min(bar + BARS_PER_SYSTEM, len(analysis.barlines) - 1)] - analysis.barlines[bar])
        for bar in range(0, len(analysis.barlines) - 1, BARS_PER_SYSTEM)
    )
    pitches = score.notes["pitch"][analysis.note_role != DRUM]
    return _System(
        first_bar=first,
        last_bar=last,
        start=start,
        pixels_a_tick=(width - 2 * _MARGIN) / longest,
        top=number * SYSTEM_HEIGHT + 4,
        low_pitch=int(pitches.min()) - 1 if len(pitches) else 48,
        high_pitch=int(pitches.max()) + 1 if len(pitches) else 72,
    )


def _draw_bars(pen: ImageDraw.ImageDraw, analysis: Analysis, system: _System) -> None:
    """Barlines with their numbers, sections in bands of their letters' colours, phrases as ticks, references."""
    bottom = system.top + SYSTEM_HEIGHT - 10
    phrase_starts = set(analysis.phrase_starts.tolist())
    for section in analysis.sections:
        first, last = (
            max(section.start_bar, system.first_bar),
            min(section.start_bar + section.num_bars, system.last_bar),
        )
        if first < last:
            box = (system.x(analysis.barlines[first]), system.top, system.x(analysis.barlines[last]), bottom)
            pen.rectangle(box, fill=_BANDS[section.letter % len(_BANDS)])
            pen.text((box[0] + 3, system.top + 1), section.name, fill=_INK, font=_font(13))
    for bar in range(system.first_bar, system.last_bar + 1):
        x = system.x(analysis.barlines[bar])
        pen.line((x, system.roll_top, x, bottom), fill=_INK if bar in phrase_starts else _LINE)
        if bar == system.last_bar:
            continue
        pen.text((x + 2, bottom - 10), str(bar + 1), fill=_LINE, font=_font(9))
        if analysis.relation[bar] != NEW:
            sign = "=" if analysis.relation[bar] in (EXACT, TRANSPOSED) else "~"
            up = f"{analysis.transposition[bar]:+d}" if analysis.transposition[bar] else ""
            text = f"{up}{sign}{analysis.source_bar[bar] + 1}"
            pen.text((x + 34, system.top + 4), text, fill="#7a8194", font=_font(9))


def _draw_chords(pen: ImageDraw.ImageDraw, analysis: Analysis, system: _System) -> None:
    """Names of chords where they change, and at each barline."""
    before = None
    for slot in range(len(analysis.slot_bar)):
        bar = int(analysis.slot_bar[slot])
        if not system.first_bar <= bar < system.last_bar:
            continue
        chord = (int(analysis.chord_root[slot]), int(analysis.chord_quality[slot]), int(analysis.chord_bass[slot]))
        if chord != before:
            x = system.x(analysis.slots[slot])
            pen.text((x + 2, system.top + _SECTION + 1), chord_name(*chord), fill=_INK, font=_font(10))
        before = chord


def _draw_notes(pen: ImageDraw.ImageDraw, score: Score, analysis: Analysis, system: _System) -> None:
    """Notes in the colours of their roles, the melody last so that it stays visible; drums in their lane."""
    notes = score.notes
    stop = int(analysis.barlines[system.last_bar])
    ends = notes["onset"].astype(np.int64) + notes["duration"]
    shown = np.flatnonzero((notes["onset"] < stop) & (ends > system.start))
    for n in sorted(shown.tolist(), key=lambda n: int(analysis.is_melody[n])):
        onset, role = max(int(notes["onset"][n]), system.start), int(analysis.note_role[n])
        x0, pitch = system.x(onset), int(notes["pitch"][n])
        if role == DRUM:
            y = system.roll_bottom + _DRUMS - (pitch - 35) % 16
            pen.rectangle((x0, y - 1, x0 + 2, y), fill=ROLE_COLOURS[role])
            continue
        x1, y1 = max(system.x(min(int(ends[n]), stop)) - 1.5, x0 + 1), system.y(pitch)
        y0 = min(system.y(pitch + 1) + 0.5, y1 - 2)
        edge = _INK if analysis.is_melody[n] else None
        pen.rectangle((x0, y0, x1, y1), fill=ROLE_COLOURS[role], outline=edge)


def _draw_energy(pen: ImageDraw.ImageDraw, analysis: Analysis, system: _System) -> None:
    base = system.roll_bottom + _DRUMS + _ENERGY
    for bar in range(system.first_bar, system.last_bar):
        x0, x1 = system.x(analysis.barlines[bar]), system.x(analysis.barlines[bar + 1])
        pen.rectangle((x0, base - _ENERGY * float(analysis.energy[bar]), x1 - 1, base), fill=_ENERGY_COLOUR)


def _draw_legend(pen: ImageDraw.ImageDraw, top: int) -> None:
    x = _MARGIN
    for name, colour in zip(ROLES, ROLE_COLOURS, strict=True):
        pen.rectangle((x, top + 4, x + 12, top + 14), fill=colour)
        pen.text((x + 17, top + 2), name, fill=_INK, font=_font(12))
        x += 30 + round(_font(12).getlength(name))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that ships with Pillow, so that fonts of the machine do not change the bytes."""
    return ImageFont.load_default(size)
