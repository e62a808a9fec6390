"""What a piano roll shows of a form: sections and chords above the bars, energy behind the notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import ImageDraw

from lstm_core.analysis.picture import SECTION_COLOURS, label_font, shown_chords
from lstm_core.catalogue.form import TrackForm
from lstm_core.notes.keys import key_name
from lstm_core.notes.score import Score, bar_starts

Pixels = npt.NDArray[np.uint8]  # index into the palette, [height, width]

FORM_COLOURS = (*SECTION_COLOURS, "#7d8596", "#f7d9ae")  # of letters in turn, of boundaries, of energy
_BOUNDARY, _ENERGY = len(SECTION_COLOURS), len(SECTION_COLOURS) + 1
_BAR_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_NUMBER_INK = 140  # of 255: numbers of bars are paler than names


def bar_step(bar_pixels: float, least_pixels: float) -> int:
    """Every how many bars something may stand that needs so many pixels."""
    return next((step for step in _BAR_STEPS if step * bar_pixels >= least_pixels), _BAR_STEPS[-1])


def bar_seconds(score: Score, num_bars: int) -> npt.NDArray[np.float64]:
    """Seconds at which bars begin, and the end of the last: float64 [num_bars + 1]; the score may end before."""
    bars = bar_starts(score.meters, score.end_tick)[: num_bars + 1]
    more = np.arange(1, num_bars + 2 - len(bars)) * score.meters[-1].bar_ticks
    return score.seconds(np.concatenate([bars, bars[-1] + more]))


def change_names(score: Score) -> dict[int, str]:
    """The keys and the meters of a score, of each where it has several, by the bar that they begin with."""
    bars, found = bar_starts(score.meters, score.end_tick), dict[int, list[str]]()
    for change in score.keys:
        found.setdefault(int(np.searchsorted(bars, change.tick)), []).append(key_name(change.key))
    for meter in score.meters if len(score.meters) > 1 else ():
        found.setdefault(int(np.searchsorted(bars, meter.tick)), []).append(str(meter))
    return {bar: ", ".join(names) for bar, names in found.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class FormLanes:
    """Where a form stands in a picture."""

    form: TrackForm
    changes: dict[int, str]  # of bars with which another key or meter begins, what it is
    columns: npt.NDArray[np.int64]  # at which each bar begins, and the end of the last: [bars + 1]
    top: int  # rows of the plot: where it begins, where its pitches end, where it ends
    floor: int
    bottom: int
    first_colour: int  # index of the first of FORM_COLOURS in the palette

    def draw_energy(self, pixels: Pixels) -> None:
        """A line of steps, from the lowest row of the pitches for 0 to near the highest for 1."""
        height = self.floor - self.top - 4
        before = None
        for value, x0, x1 in zip(self.form.energy, self.columns[:-1], self.columns[1:], strict=True):
            y = self.floor - 3 - round(value * height)
            pixels[y : y + 2, x0:x1] = self.first_colour + _ENERGY
            if before is not None and x0 < x1:
                pixels[min(y, before) : max(y, before) + 2, x0 : x0 + 2] = self.first_colour + _ENERGY
            before = y

    def draw_key(self, pixels: Pixels, pen: ImageDraw.ImageDraw, size: int) -> int:
        """What the line of energy is, at the right of the legend; the column at which it begins."""
        height, width = pixels.shape
        right, baseline, font = round(width * 0.99), height - round(size * 0.75), label_font(size)
        x = int(right - font.getlength("energy"))
        y = baseline - round(size * 0.4)
        pixels[y : y + 2, x - 2 * size : x - round(size * 0.5)] = self.first_colour + _ENERGY
        pen.text((x, baseline), "energy", fill=255, font=font, anchor="ls")
        return x - 3 * size

    def draw_header(self, pixels: Pixels, pen: ImageDraw.ImageDraw, size: int) -> None:
        """Sections as bands with their names and the numbers of bars, chords below them."""
        middle = self.top - size - 2  # the row between sections and chords
        free_from = self._draw_sections(pixels, pen, middle, size)
        self._draw_numbers(pen, middle, size, free_from)
        names, slots = self.form.chords, self.form.slots_per_bar
        columns = self._slot_columns()
        bars = [slot // slots for slot in range(len(names))]
        anchors = [section.start_bar * slots for section in self.form.sections]
        font = label_font(size - 1)
        for slot in shown_chords(names, bars, columns, anchors, font):
            pen.text((columns[slot] + 3, self.top - 4), names[slot], fill=255, font=font, anchor="ls")

    def _draw_sections(self, pixels: Pixels, pen: ImageDraw.ImageDraw, middle: int, size: int) -> npt.NDArray[np.int64]:
        """Draws bands, boundaries and names; returns the column from which on each bar's part of the band is free."""
        free_from = self.columns[:-1].copy()
        letters: list[str] = []
        for section in self.form.sections:
            letter = section.name.partition("'")[0]
            if letter not in letters:
                letters.append(letter)
            bars = slice(section.start_bar, section.start_bar + section.num_bars)
            x0, x1 = int(self.columns[bars.start]), int(self.columns[bars.stop])
            if x0 >= x1:
                continue  # it lies behind the end of the audio
            pixels[:middle, x0:x1] = self.first_colour + letters.index(letter) % len(SECTION_COLOURS)
            pixels[: self.top, x0] = self.first_colour + _BOUNDARY
            if section.start_bar:
                pixels[self.top : self.bottom, x0] = self.first_colour + _BOUNDARY
            change = self.changes.get(section.start_bar)
            for label in ([f"{section.name}, {change}"] if change else []) + [section.name]:
                width = label_font(size).getlength(label)
                if x0 + 3 + width > x1:
                    continue
                pen.text((x0 + 4, middle - 3), label, fill=255, font=label_font(size), anchor="ls")
                free_from[bars] = np.maximum(free_from[bars], round(x0 + 4 + width))
                break
        return free_from

    def _draw_numbers(self, pen: ImageDraw.ImageDraw, middle: int, size: int, free_from: npt.NDArray[np.int64]) -> None:
        """Numbers of bars, right of a section's name where they would touch it."""
        font = label_font(size - 2)
        widths = np.diff(self.columns)
        step = bar_step(float(np.median(widths)), 4.0 * size)
        for bar in range(0, self.form.num_bars, step):
            x = max(int(self.columns[bar]), int(free_from[bar]) + 2) + 4
            stop = int(self.columns[min(bar + step, self.form.num_bars)])
            if x + font.getlength(str(bar + 1)) <= stop:
                pen.text((x, middle - 3), str(bar + 1), fill=_NUMBER_INK, font=font, anchor="ls")

    def _slot_columns(self) -> list[float]:
        """The column at which each slot begins, and the end of the last."""
        if self.form.slots_per_bar == 1:
            return [float(x) for x in self.columns]
        halves = np.stack([self.columns[:-1], (self.columns[:-1] + self.columns[1:]) / 2], axis=1).ravel()
        return [*halves.tolist(), float(self.columns[-1])]
