"""The picture of an analysis."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lstm_core.analysis.picture import ROLE_COLOURS, SYSTEM_HEIGHT, draw_analysis
from lstm_core.analysis.piece import analyse
from lstm_core.analysis.roles import BASS, DRUM, FIGURE, MELODY
from lstm_core.notes.score import Score, make_notes
from tests.lstm_core.analysis.made_pieces import band, drum_bars


def pixels(score: Score, width: int = 1600) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(draw_analysis(score, analyse(score), width=width))))


def count(image: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]], role: int) -> int:
    colour = tuple(bytes.fromhex(ROLE_COLOURS[role][1:]))
    return int((image[:SYSTEM_HEIGHT] == colour).all(axis=2).sum())


def test_notes_have_the_colours_of_their_roles_and_systems_sixteen_bars() -> None:
    image = pixels(band(16))
    assert image.shape == (SYSTEM_HEIGHT + 22, 1600, 3)
    assert min(count(image, role) for role in (MELODY, FIGURE, BASS)) > 500
    assert pixels(band(17)).shape == (2 * SYSTEM_HEIGHT + 22, 1600, 3)
    bass_rows = np.flatnonzero(
        (image == tuple(bytes.fromhex(ROLE_COLOURS[BASS][1:]))).all(axis=2)[:SYSTEM_HEIGHT].any(1)
    )
    lead_rows = np.flatnonzero(
        (image == tuple(bytes.fromhex(ROLE_COLOURS[MELODY][1:]))).all(axis=2)[:SYSTEM_HEIGHT].any(1)
    )
    assert lead_rows.max() < bass_rows.min()  # pitch upwards


def test_equal_music_gives_equal_bytes_and_drums_alone_a_picture() -> None:
    score = band(4)
    assert draw_analysis(score, analyse(score)) == draw_analysis(band(4), analyse(band(4)))
    drums = pixels(Score(notes=make_notes(drum_bars(2))))
    assert count(drums, MELODY) == 0 and count(drums, DRUM) > 20


def test_a_picture_too_narrow_is_refused() -> None:
    score = band(2)
    with pytest.raises(ValueError, match="at least 640 pixels, not 639"):
        draw_analysis(score, analyse(score), width=639)
