"""The picture of an analysis: systems of bars with notes in the colours of their roles, chords, sections and energy."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Collection, Sequence
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
_REFERENCE = "#7a8194"  # what a bar repeats
_MARK, _CHANGED = "#b0126b", "#0f8f8c"  # lines at marks; a strip under bars that were made again
_LEAST_BETWEEN_MARKS = 12  # pixels; of nearer ones the first has its text
SECTION_COLOURS = ("#e8eef7", "#f7eee3", "#e9f4ea", "#f5e9f2", "#f3f3df", "#e6f3f3")  # one for each letter, in turn
LABEL_GAP = 4  # pixels between one chord and the next
_LEFT_OUT = 0.1  # of them, and one more, may be left out because they do not fit
_CHORD_STEPS = (2, 4, 8, 16, 32)  # bars of which one may have a chord


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A place that is named in a picture, such as a hit or another tempo."""

    tick: int
    text: str


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


def draw_analysis(
    score: Score,
    analysis: Analysis,
    *,
    width: int = 1600,
    marks: Sequence[Mark] = (),
    changed: Collection[int] = (),
) -> bytes:
    """PNG of a score and its analysis, BARS_PER_SYSTEM bars per row; equal bytes for equal input.

    `marks` are lines with names; under bars that are `changed`, made again while the rest stayed, is a strip.

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
        _draw_marks(pen, analysis, system, marks, changed)
    _draw_legend(pen, num_systems * SYSTEM_HEIGHT, has_changed=bool(changed))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def shown_chords(
    names: Sequence[str],
    bars: Sequence[int],
    columns: Sequence[float],
    anchors: Collection[int],
    font: ImageFont.FreeTypeFont,
) -> list[int]:
    """The slots at which names of chords stand, so that none reaches into the next.

    All changes where they fit. Else those at the beginnings of bars, and between them as many as fit; or the chord of
    every second bar, every fourth and so on, counted from the anchor before, whether it is another one or not. A few
    that do not fit, such as those of short sections, are left out.

    Args:
        names: Of each slot.
        bars: Bar of each slot.
        columns: Where each slot begins, in pixels, and the end of the last one.
        anchors: Slots that have a name whether it changes or not: beginnings of sections and of lines.
        font: Of the names.
    """
    firsts = sorted({0, *anchors})
    changes = [slot for slot in range(len(names)) if slot in firsts or names[slot] != names[slot - 1]]
    widths = [font.getlength(name) + LABEL_GAP for name in names]
    if len(_fitting(changes, columns, widths)) == len(changes):
        return changes
    at_bars = [slot for slot in range(len(names)) if slot == 0 or bars[slot] > bars[slot - 1]]
    shown = _fitting(among := sorted(set(changes) & set(at_bars)), columns, widths)
    if len(among) - len(shown) <= 1 + _LEFT_OUT * len(among):
        for slot in changes:
            more = sorted({*shown, slot})
            shown = more if len(_fitting(more, columns, widths)) == len(more) else shown
        return shown
    for step in _CHORD_STEPS:
        among = [slot for slot in at_bars if (bars[slot] - bars[firsts[bisect_right(firsts, slot) - 1]]) % step == 0]
        shown = _fitting(among, columns, widths)
        if len(among) - len(shown) <= 1 + _LEFT_OUT * len(among):
            break
    return shown


def _fitting(shown: Sequence[int], columns: Sequence[float], widths: Sequence[float]) -> list[int]:
    """Those of some slots whose names end before the next one begins."""
    ends = [*(columns[slot] for slot in shown[1:]), columns[-1]]
    return [slot for slot, end in zip(shown, ends, strict=True) if columns[slot] + widths[slot] <= end]


@lru_cache(maxsize=8)
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow carries, so that no machine's own fonts change the bytes."""
    return ImageFont.load_default(size)


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
            pen.rectangle(box, fill=SECTION_COLOURS[section.letter % len(SECTION_COLOURS)])
            pen.text((box[0] + 3, system.top + 1), section.name, fill=_INK, font=label_font(13))
    for bar in range(system.first_bar, system.last_bar + 1):
        x = system.x(analysis.barlines[bar])
        pen.line((x, system.roll_top, x, bottom), fill=_INK if bar in phrase_starts else _LINE)
        if bar == system.last_bar:
            continue
        pen.text((x + 2, bottom - 10), str(bar + 1), fill=_LINE, font=label_font(9))
        if analysis.relation[bar] != NEW:
            sign = "=" if analysis.relation[bar] in (EXACT, TRANSPOSED) else "~"
            up = f"{analysis.transposition[bar]:+d}" if analysis.transposition[bar] else ""
            text = f"{up}{sign}{analysis.source_bar[bar] + 1}"
            pen.text((x + 34, system.top + 4), text, fill=_REFERENCE, font=label_font(9))


def _draw_chords(pen: ImageDraw.ImageDraw, analysis: Analysis, system: _System) -> None:
    """Names of chords where they change and at the beginning of the line, as many as fit."""
    slots = np.flatnonzero((analysis.slot_bar >= system.first_bar) & (analysis.slot_bar < system.last_bar))
    names = [
        chord_name(int(analysis.chord_root[slot]), int(analysis.chord_quality[slot]), int(analysis.chord_bass[slot]))
        for slot in slots
    ]
    columns = [system.x(analysis.slots[slot]) for slot in [*slots, slots[-1] + 1]]
    for slot in shown_chords(names, analysis.slot_bar[slots].tolist(), columns, (), label_font(10)):
        pen.text((columns[slot] + 2, system.top + _SECTION + 1), names[slot], fill=_INK, font=label_font(10))


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


def _draw_marks(
    pen: ImageDraw.ImageDraw, analysis: Analysis, system: _System, marks: Sequence[Mark], changed: Collection[int]
) -> None:
    """Lines at marks with their names, and a strip under the bars that were made again."""
    base = system.roll_bottom + _DRUMS + _ENERGY
    for bar in range(system.first_bar, system.last_bar):
        if bar in changed:
            x0, x1 = system.x(analysis.barlines[bar]), system.x(analysis.barlines[bar + 1])
            pen.rectangle((x0, base + 2, x1 - 1, base + 6), fill=_CHANGED)
    free = -1.0
    for mark in marks:
        if not system.start <= mark.tick < int(analysis.barlines[system.last_bar]):
            continue
        x = system.x(mark.tick)
        for y in range(system.roll_top, base, 6):
            pen.line((x, y, x, y + 3), fill=_MARK)
        if x >= free:
            pen.text((x + 3, base - 12), mark.text, fill=_MARK, font=label_font(10))
            free = x + label_font(10).getlength(mark.text) + _LEAST_BETWEEN_MARKS


def _draw_legend(pen: ImageDraw.ImageDraw, top: int, *, has_changed: bool) -> None:
    x = _MARGIN
    for name, colour in zip(ROLES, ROLE_COLOURS, strict=True):
        pen.rectangle((x, top + 4, x + 12, top + 14), fill=colour)
        pen.text((x + 17, top + 2), name, fill=_INK, font=label_font(12))
        x += 30 + round(label_font(12).getlength(name))
    text = "=7 as bar 7    ~7 varies bar 7"
    pen.text((x + 20, top + 2), text, fill=_REFERENCE, font=label_font(12))
    if has_changed:
        x += 50 + round(label_font(12).getlength(text))
        pen.rectangle((x, top + 8, x + 24, top + 12), fill=_CHANGED)
        pen.text((x + 29, top + 2), "made again, the rest is locked", fill=_REFERENCE, font=label_font(12))
