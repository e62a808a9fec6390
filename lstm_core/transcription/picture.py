"""The picture of a transcription: a log-frequency spectrogram with notes, drum hits and beats upon it, as a PNG."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from lstm_core.transcription.transcription import DRUM_NAMES, Transcription

LINE_S = 15.0  # seconds per line; a recording goes on in the next, as in a score
MAX_S = 300.0  # of a recording that are drawn
RANGE_DB = 60.0  # below the loudest bin, where paper begins
DRUM_ROW = 7  # pixels
HEAD = 16  # pixels over a line, for its times
LEFT = 44  # pixels beside a line, for pitches and drums
NUM_GREYS = 64  # of the spectrogram, palette indices 0 (paper) to 63
NOTE, ONSET, DRUM, BEAT, DOWNBEAT, INK = range(NUM_GREYS, NUM_GREYS + 6)
COLOURS = ((232, 119, 34), (196, 30, 58), (90, 60, 160), (120, 190, 235), (20, 110, 200), (38, 43, 54))

Pixels = npt.NDArray[np.uint8]


def draw_transcription(
    levels_db: npt.NDArray[np.float32],
    transcription: Transcription,
    *,
    frame_rate: float,
    lowest_pitch: int,
    bins_per_semitone: int,
    beats_s: npt.NDArray[np.float64],
    is_downbeat: npt.NDArray[np.bool_],
    width: int = 1600,
) -> bytes:
    """PNG of the first MAX_S seconds, equal bytes for equal input.

    Notes are orange boxes that begin in red, drum hits violet marks in lanes below (named as DRUM_NAMES), beats blue
    lines, downbeats darker ones.

    Args:
        levels_db: Levels of a spectrogram, float32 [F, bins], the middle bin of each semitone at its pitch.
        frame_rate: Its frames per second, the first at 0 s.
        lowest_pitch: MIDI number of the lowest semitone.
    """
    drawn_s = min(max(transcription.duration_s, 0.1), MAX_S)
    num_lines = int(np.ceil(drawn_s / LINE_S))
    num_bins = levels_db.shape[1]
    height = HEAD + num_bins + DRUM_ROW * len(DRUM_NAMES)
    pixels = np.zeros((num_lines * height, width), dtype=np.uint8)
    top = float(levels_db.max(initial=-RANGE_DB))
    greys = np.clip((levels_db - top + RANGE_DB) / RANGE_DB, 0.0, 1.0) * (NUM_GREYS - 1)
    for line in range(num_lines):
        view = pixels[line * height : (line + 1) * height, LEFT:]
        seconds = line * LINE_S + np.arange(view.shape[1]) * LINE_S / view.shape[1]
        frames = np.rint(seconds * frame_rate).astype(np.int64)
        inside = (frames < len(greys)) & (seconds < drawn_s)
        view[HEAD : HEAD + num_bins, inside] = greys[frames[inside]].astype(np.uint8).T[::-1]
        _draw_beats(view, line, beats_s, is_downbeat)
        _draw_notes(view, line, transcription, lowest_pitch, bins_per_semitone, num_bins)
        _draw_drums(view, line, transcription, HEAD + num_bins)
    _draw_labels(pixels, height, num_bins, lowest_pitch, bins_per_semitone)
    return _encode(pixels)


def _columns(view: Pixels, line: int, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Pixel column of each time on a line; of other lines' times it lies outside the view."""
    columns: npt.NDArray[np.int64] = np.rint((seconds - line * LINE_S) * view.shape[1] / LINE_S).astype(np.int64)
    return columns


def _draw_beats(view: Pixels, line: int, beats_s: npt.NDArray[np.float64], is_downbeat: npt.NDArray[np.bool_]) -> None:
    columns = _columns(view, line, beats_s)
    inside = (columns >= 0) & (columns < view.shape[1])
    view[HEAD // 2 :, columns[inside & ~is_downbeat]] = BEAT
    view[2:, columns[inside & is_downbeat]] = DOWNBEAT


def _draw_notes(
    view: Pixels, line: int, transcription: Transcription, lowest_pitch: int, bins_per_semitone: int, num_bins: int
) -> None:
    notes = transcription.notes
    begins, ends = _columns(view, line, notes["onset_s"]), _columns(view, line, notes["offset_s"])
    floors = HEAD + num_bins - (notes["pitch"].astype(np.int64) - lowest_pitch) * bins_per_semitone
    for begin, end, floor in zip(begins.tolist(), ends.tolist(), floors.tolist(), strict=True):
        if end < 0 or begin >= view.shape[1] or not HEAD < floor <= HEAD + num_bins:
            continue
        left, right = max(begin, 0), min(max(end, begin + 2), view.shape[1])
        ceiling = floor - bins_per_semitone
        view[[ceiling, floor - 1], left:right] = NOTE  # an outline, so that what lies beneath can be judged
        if begin >= 0:
            view[ceiling:floor, begin : begin + 2] = ONSET


def _draw_drums(view: Pixels, line: int, transcription: Transcription, floor: int) -> None:
    drums = transcription.drums
    for column, drum in zip(_columns(view, line, drums["onset_s"]).tolist(), drums["drum"].tolist(), strict=True):
        if 0 <= column < view.shape[1]:
            view[floor + DRUM_ROW * drum + 1 : floor + DRUM_ROW * (drum + 1), column : column + 3] = DRUM


def _draw_labels(pixels: Pixels, height: int, num_bins: int, lowest_pitch: int, bins_per_semitone: int) -> None:
    """Times above each line, pitches C and names of drums beside it."""
    text = Image.new("L", (pixels.shape[1], pixels.shape[0]))
    pen, font = ImageDraw.Draw(text), ImageFont.load_default(10)
    for top in range(0, len(pixels), height):
        first_s = top // height * LINE_S
        for second in range(0, int(LINE_S), 5):
            column = LEFT + round(second * (pixels.shape[1] - LEFT) / LINE_S)
            pen.text(
                (column + 2, top + 1), f"{int(first_s + second) // 60}:{int(first_s + second) % 60:02d}", 255, font
            )
        for pitch in range(-(-lowest_pitch // 12) * 12, lowest_pitch + num_bins // bins_per_semitone, 12):
            row = top + HEAD + num_bins - (pitch - lowest_pitch) * bins_per_semitone - bins_per_semitone // 2
            pen.text((LEFT - 5, row), f"C{pitch // 12 - 1}", 255, font, anchor="rm")
        for i, name in enumerate(DRUM_NAMES):
            row = top + HEAD + num_bins + DRUM_ROW * i + DRUM_ROW // 2
            pen.text((LEFT - 5, row), name, 255, ImageFont.load_default(8), anchor="rm")
    pixels[np.asarray(text) > 127] = INK


def _encode(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels, mode="P")
    greys = [(255 - round(225 * i / (NUM_GREYS - 1)),) * 3 for i in range(NUM_GREYS)]
    image.putpalette([value for colour in [*greys, *COLOURS] for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
