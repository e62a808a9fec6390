"""The piano-roll picture of a score: a PNG with time and bars across, pitch up, drums in a separate lane."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lstm_core.analysis.picture import label_font
from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.roll_form import FORM_COLOURS, FormLanes, Pixels, bar_seconds, bar_step, change_names
from lstm_core.notes.score import DRUMS, FAMILIES, NoteArray, Score, bar_starts, family_of

# Where the time axis lies, as shares of width and height: the page moves its playhead inside this box.
PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM = 0.032, 0.992, 0.065, 0.860

FAMILY_COLOURS = (
    "#2f6fd6",  # piano
    "#0899a6",  # chromatic
    "#8a55cc",  # organ
    "#dd7d1f",  # guitar
    "#80502f",  # bass
    "#c02c4a",  # strings
    "#e0619a",  # ensemble
    "#cf9d00",  # brass
    "#4b9a35",  # reed
    "#1fb383",  # pipe
    "#ea4b33",  # lead
    "#7686e6",  # pad
    "#96a032",  # effects
    "#16705a",  # ethnic
    "#66778d",  # percussive
    "#ad84b8",  # sounds
    "#3a4150",  # drums
)  # one for each of FAMILIES, distinguishable on white even when a pixel high

_PAPER, _BLACK_KEY, _ROW, _BEAT, _BAR, _OCTAVE, _FRAME, _DRUM_LANE = range(8)
_GREYS = ("#ffffff", "#f6f7f9", "#fbfbfc", "#eceef2", "#d3d7df", "#dde1e8", "#aab0bd", "#f3f1ee")
_INK = (38, 43, 54)
_INK_LEVELS = 16  # shades of anti-aliased text
_FIRST_INK = len(_GREYS)
_SHADES = 5  # of one family: from the quietest note to the loudest, then the edge at which a note starts
_FIRST_FAMILY = _FIRST_INK + _INK_LEVELS
_FIRST_FORM = _FIRST_FAMILY + _SHADES * len(FAMILY_COLOURS)
_BLACK_KEYS = frozenset({1, 3, 6, 8, 10})
_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """Pixels of the plot: notes of pitch between `top` and `floor`, drums between `drum_top` and `bottom`."""

    left: int
    right: int
    top: int
    floor: int
    drum_top: int
    bottom: int
    duration_s: float
    row_height: int
    low_pitch: int  # its row stands on `floor`
    high_pitch: int
    drum_keys: tuple[int, ...]  # from the bottom row up

    def x(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Pixel column of each time: int64, shape of `seconds`."""
        return np.rint(self.left + seconds / self.duration_s * (self.right - self.left)).astype(np.int64)

    def pitch_y(self, pitch: int) -> tuple[int, int]:
        """First pixel row of a pitch and the row after its last."""
        low = self.floor - (pitch - self.low_pitch) * self.row_height
        return max(low - self.row_height, self.top), low

    def drum_y(self, row: int) -> tuple[int, int]:
        """First pixel row of a drum and the row after its last."""
        height = (self.bottom - self.drum_top) / max(len(self.drum_keys), 1)
        return round(self.bottom - (row + 1) * height), round(self.bottom - row * height)


def draw_roll(
    score: Score,
    *,
    duration_s: float | None = None,
    form: TrackForm | None = None,
    width: int = 1600,
    height: int = 480,
) -> bytes:
    """PNG of a piano roll, equal bytes for equal input.

    The time axis runs from 0 to `duration_s` (the audio's length; else the closing barline) between the shares
    PLOT_LEFT and PLOT_RIGHT of the width. A colour is an instrument family, its depth the velocity. With a form,
    sections and chords stand above the bars, and the energy of the bars behind the notes.

    Raises:
        ValueError: the picture is too small to hold its labels.
    """
    least_width, least_height = (320, 160) if form is None else (640, 400)
    if width < least_width or height < least_height:
        of_what = "a piano roll" if form is None else "a piano roll with sections and chords"
        raise ValueError(f"{of_what} needs at least {least_width} x {least_height} pixels, not {width} x {height}")
    bars_s = score.seconds(bar_starts(score.meters, score.end_tick))
    plot = _layout(score.notes, duration_s or float(bars_s[-1]), width, height)
    pixels = np.zeros((height, width), dtype=np.uint8)
    labels = Image.new("L", (width, height))
    pen, size = ImageDraw.Draw(labels), max(9, round(height * 0.027))
    _draw_rows(pixels, pen, plot, size)
    _draw_time(pixels, pen, plot, size, bars_s, _beat_seconds(score), has_numbers=form is None)
    lanes = None
    if form is not None:
        columns = np.minimum(plot.x(bar_seconds(score, form.num_bars)), plot.right)
        lanes = FormLanes(
            form=form,
            changes=change_names(score),
            columns=columns,
            top=plot.top,
            floor=plot.floor,
            bottom=plot.bottom,
            first_colour=_FIRST_FORM,
        )
        lanes.draw_energy(pixels)
    _draw_notes(pixels, score, plot)
    _draw_frame(pixels, plot)
    if lanes is not None:
        lanes.draw_header(pixels, pen, size)
    legend_stop = width if lanes is None else lanes.draw_key(pixels, pen, size)
    _draw_legend(pixels, pen, score.notes, size, legend_stop)
    ink = np.asarray(labels) >> 4
    np.copyto(pixels, _FIRST_INK + ink, where=ink > 0)
    return _encode(pixels, _palette() if form is None else _palette() + _rgb_bytes(FORM_COLOURS))


def _layout(notes: NoteArray, duration_s: float, width: int, height: int) -> _Plot:
    top, bottom = round(height * PLOT_TOP), round(height * PLOT_BOTTOM)
    is_drum = notes["program"] == DRUMS
    drum_keys = tuple(int(key) for key in np.unique(notes["pitch"][is_drum]))
    pitches = notes["pitch"][~is_drum]
    has_lane = bool(drum_keys) or len(pitches) == 0
    lane = round((bottom - top) * (0.12 + 0.01 * min(len(drum_keys), 10))) if has_lane else 0
    drum_top = bottom - lane
    floor = drum_top - (3 if has_lane else 0)
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (55, 67)
    low, high = max(low - 2, 0), min(high + 2, 127)
    row_height = max(1, min((floor - top) // (high - low + 1), round(height * 0.025)))
    spare = (floor - top) // row_height - (high - low + 1)
    low = max(0, low - spare // 2)
    return _Plot(
        left=round(width * PLOT_LEFT),
        right=round(width * PLOT_RIGHT),
        top=top,
        floor=floor,
        drum_top=drum_top,
        bottom=bottom,
        duration_s=max(duration_s, 1e-3),
        row_height=row_height,
        low_pitch=low,
        high_pitch=low + -(-(floor - top) // row_height),
        drum_keys=drum_keys,
    )


def _draw_rows(pixels: Pixels, pen: ImageDraw.ImageDraw, plot: _Plot, size: int) -> None:
    pixels[plot.top : plot.floor, plot.left : plot.right] = _ROW
    for pitch in range(plot.low_pitch, min(plot.high_pitch, 128)):
        y0, y1 = plot.pitch_y(pitch)
        if pitch % 12 in _BLACK_KEYS:
            pixels[y0:y1, plot.left : plot.right] = _BLACK_KEY
        if pitch % 12 == 0:
            pixels[y1 - 1 : y1, plot.left : plot.right] = _OCTAVE
            if y1 - size > plot.top:
                pen.text((plot.left - 7, y1), f"C{pitch // 12 - 1}", fill=255, font=label_font(size), anchor="rs")
    if plot.drum_top < plot.bottom:
        pixels[plot.drum_top : plot.bottom, plot.left : plot.right] = _DRUM_LANE
        middle = (plot.drum_top + plot.bottom) // 2
        pen.text((plot.left - 7, middle), "drums", fill=255, font=label_font(size), anchor="rm")


def _draw_time(
    pixels: Pixels,
    pen: ImageDraw.ImageDraw,
    plot: _Plot,
    size: int,
    bars_s: npt.NDArray[np.float64],
    beats_s: npt.NDArray[np.float64],
    *,
    has_numbers: bool,
) -> None:
    """Beat lines, barlines with the number of the bar above, seconds below; as many as the width can bear."""
    pixels_a_second = (plot.right - plot.left) / plot.duration_s
    if len(beats_s) > 1 and float(np.diff(beats_s).min()) * pixels_a_second >= 7:
        pixels[plot.top : plot.bottom, _inside(plot.x(beats_s), plot)] = _BEAT
    columns = plot.x(bars_s)
    bar_pixels = float(np.median(np.diff(bars_s))) * pixels_a_second if len(bars_s) > 1 else 1e9
    pixels[plot.top : plot.bottom, _inside(columns[:: bar_step(bar_pixels, 5)], plot)] = _BAR
    for bar in range(0, len(columns), bar_step(bar_pixels, 2.6 * size)) if has_numbers else ():
        if columns[bar] < plot.right - 8:  # the closing barline opens no bar
            pixels[plot.top - 5 : plot.top, columns[bar]] = _FRAME
            pen.text((columns[bar] + 4, plot.top - 5), str(bar + 1), fill=255, font=label_font(size), anchor="ls")
    step_s = next((step for step in _TIME_STEPS_S if step * pixels_a_second >= 5 * size), _TIME_STEPS_S[-1])
    for second in range(0, int(plot.duration_s) + 1, step_s):
        column = int(plot.x(np.array([float(second)]))[0])
        if column < pixels.shape[1] - 2 * size:
            pixels[plot.bottom : plot.bottom + 5, column] = _FRAME
            text = f"{second // 60}:{second % 60:02d}"
            pen.text((column + 4, plot.bottom + 4), text, fill=150, font=label_font(size), anchor="lt")


def _draw_notes(pixels: Pixels, score: Score, plot: _Plot) -> None:
    """Long notes first, so that short ones stay visible upon them."""
    notes = score.notes[np.argsort(-score.notes["duration"], kind="stable")]
    onsets = notes["onset"].astype(np.int64)
    x0s = plot.x(score.seconds(onsets))
    x1s = plot.x(score.seconds(onsets + notes["duration"]))
    x1s = np.minimum(np.maximum(x1s - (x1s - x0s >= 4), x0s + 1), plot.right)  # a gap parts a note from the next
    is_drum = notes["program"] == DRUMS
    families = np.where(is_drum, 16, notes["program"] // 8).astype(np.int64)
    levels = np.clip((notes["velocity"].astype(np.int64) - 24) * (_SHADES - 1) // 88, 0, _SHADES - 2)
    first = _FIRST_FAMILY + families * _SHADES
    rows = np.zeros((2, 128, 2), dtype=np.int64)  # [pitched or drum, pitch, (y0, y1)]
    gap = 1 if plot.row_height >= 4 else 0
    for pitch in range(plot.low_pitch, min(plot.high_pitch, 128)):
        y0, y1 = plot.pitch_y(pitch)
        rows[0, pitch] = y0 + gap, y1
    for row, key in enumerate(plot.drum_keys):
        y0, y1 = plot.drum_y(row)
        rows[1, key] = y0 + (y1 - y0 > 3), y1
    hit = max(2, plot.row_height // 2)  # a drum is struck: its length says nothing
    x1s = np.where(is_drum, np.minimum(x0s + hit, plot.right), x1s)
    edge_colours = np.where(~is_drum & (x1s - x0s >= 4), first + _SHADES - 1, 0)
    boxes = np.column_stack([x0s, x1s, rows[is_drum.astype(np.int64), notes["pitch"]], first + levels, edge_colours])
    for x0, x1, y0, y1, colour, edge in boxes.tolist():
        if x0 < plot.right:
            pixels[y0:y1, x0:x1] = colour
            if edge:
                pixels[y0:y1, x0] = edge


def _draw_frame(pixels: Pixels, plot: _Plot) -> None:
    for row in (plot.top - 1, plot.bottom):
        pixels[row, plot.left : plot.right + 1] = _FRAME
    for column in (plot.left - 1, plot.right):
        pixels[plot.top - 1 : plot.bottom + 1, column] = _FRAME
    if plot.floor < plot.drum_top:
        pixels[plot.floor : plot.drum_top, plot.left : plot.right] = _PAPER


def _draw_legend(pixels: Pixels, pen: ImageDraw.ImageDraw, notes: NoteArray, size: int, last: int) -> None:
    """A swatch and a name for each family that plays, in the order of FAMILIES, until column `last` is reached."""
    counts = np.bincount([family_of(int(p)) for p in np.unique(notes["program"])], minlength=len(FAMILIES))
    height, width = pixels.shape
    font = label_font(size)
    x, baseline = round(width * PLOT_LEFT), height - round(size * 0.75)
    for family in np.flatnonzero(counts):
        name = FAMILIES[family]
        stop = x + round(size * 1.5) + round(font.getlength(name))
        if stop > last:
            return
        loudest = _FIRST_FAMILY + family * _SHADES + _SHADES - 2
        pixels[baseline - round(size * 0.75) : baseline + 1, x : x + size] = loudest
        pen.text((x + round(size * 1.5), baseline), name, fill=255, font=font, anchor="ls")
        x = stop + round(size * 1.6)


def _beat_seconds(score: Score) -> npt.NDArray[np.float64]:
    """Seconds of every beat of the meter."""
    bars = bar_starts(score.meters, score.end_tick)
    starts = np.array([meter.tick for meter in score.meters])
    beats: list[npt.NDArray[np.int64]] = []
    for start, stop in pairwise(bars.tolist()):
        meter = score.meters[max(int(np.searchsorted(starts, start, side="right")) - 1, 0)]
        beats.append(np.arange(start, stop, max(1, meter.bar_ticks // meter.numerator)))
    return score.seconds(np.concatenate(beats)) if beats else np.zeros(0)


def _inside(columns: npt.NDArray[np.int64], plot: _Plot) -> npt.NDArray[np.int64]:
    return columns[(columns >= plot.left) & (columns < plot.right)]


@lru_cache(maxsize=1)
def _palette() -> bytes:
    """RGB of every index: greys, ink from paper to black, then _SHADES of each family."""
    colours = [_rgb(grey) for grey in _GREYS]
    paper = np.array([255, 255, 255])
    colours += [tuple(paper + (np.array(_INK) - paper) * i // (_INK_LEVELS - 1)) for i in range(_INK_LEVELS)]
    for text in FAMILY_COLOURS:
        full = np.array(_rgb(text))
        colours += [tuple(paper + (full - paper) * share // 100) for share in (55, 70, 85, 100)]
        colours.append(tuple(full * 70 // 100))
    return bytes(int(value) for colour in colours for value in colour)


def _rgb(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text[1:]))


def _rgb_bytes(colours: Iterable[str]) -> bytes:
    return bytes(value for text in colours for value in _rgb(text))


def _encode(pixels: Pixels, palette: bytes) -> bytes:
    """PNG of 8-bit indices; level 6 costs 2 ms more than level 1 and saves a third of the bytes."""
    image = Image.fromarray(pixels, mode="P")
    image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
