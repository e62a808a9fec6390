"""The picture is read back pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from lstm_core.transcription.picture import (
    BEAT,
    DOWNBEAT,
    DRUM,
    DRUM_ROW,
    HEAD,
    LEFT,
    LINE_S,
    NOTE,
    ONSET,
    draw_transcription,
)
from lstm_core.transcription.transcription import SNARE, TRANSCRIBED_DRUM_DTYPE, TRANSCRIBED_NOTE_DTYPE, Transcription

BINS, LOWEST = 30, 60  # ten semitones of three bins
WIDTH = LEFT + 1500  # a hundred pixels per second


def picture(levels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    notes = np.zeros(1, dtype=TRANSCRIBED_NOTE_DTYPE)
    notes["onset_s"], notes["offset_s"], notes["pitch"] = 17.0, 18.0, 64
    drums = np.zeros(1, dtype=TRANSCRIBED_DRUM_DTYPE)
    drums["onset_s"], drums["drum"] = 4.0, SNARE
    transcription = Transcription(
        notes=notes,
        drums=drums,
        beat_activation=np.zeros((0, 2), dtype=np.float32),
        frame_rate=50.0,
        duration_s=2 * LINE_S,
    )
    png = draw_transcription(
        levels,
        transcription,
        frame_rate=50.0,
        lowest_pitch=LOWEST,
        bins_per_semitone=3,
        beats_s=np.array([2.0, 3.0]),
        is_downbeat=np.array([True, False]),
        width=WIDTH,
    )
    return np.asarray(Image.open(io.BytesIO(png)))


def test_everything_stands_at_its_time_and_pitch() -> None:
    levels = np.full((1500, BINS), -100.0, dtype=np.float32)
    levels[100:150, 12:15] = 0.0  # pitch 64, from 2 s to 3 s
    found = picture(levels)
    line = HEAD + BINS + 5 * DRUM_ROW
    assert found.shape == (2 * line, WIDTH)
    floor = HEAD + BINS - 4 * 3  # of pitch 64
    assert (found[floor - 3 : floor, LEFT + 210 : LEFT + 290] == 63).all()
    assert (found[HEAD : floor - 3, LEFT + 210 : LEFT + 290] == 0).all()
    assert (found[line + floor - 3 : line + floor, LEFT + 200] == ONSET).all()
    assert (found[line + floor - 1, LEFT + 202 : LEFT + 300] == NOTE).all()
    assert not (found[:line] == NOTE).any()
    assert (found[HEAD:line, LEFT + 200] == DOWNBEAT).all() and (found[HEAD:line, LEFT + 300] == BEAT).all()
    row = HEAD + BINS + DRUM_ROW * SNARE
    assert (found[row + 1 : row + DRUM_ROW, LEFT + 400 : LEFT + 403] == DRUM).all()


def test_equal_input_equal_bytes() -> None:
    levels = np.random.default_rng(1).normal(-40.0, 10.0, (1500, BINS)).astype(np.float32)
    assert np.array_equal(picture(levels), picture(levels))
