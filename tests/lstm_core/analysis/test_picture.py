"""The picture of an analysis."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lstm_core.analysis.picture.drawing import draw_analysis
from lstm_core.analysis.picture.labels import label_font, shown_chords
from lstm_core.analysis.picture.system import ROLE_COLOURS, SYSTEM_HEIGHT
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


def shown(names: list[str], slot_pixels: float, *anchors: int) -> list[int]:
    """Slots of two a bar that have a name."""
    bars = [slot // 2 for slot in range(len(names))]
    return shown_chords(names, bars, [slot * slot_pixels for slot in range(len(names) + 1)], anchors, label_font(12))


def test_chords_have_names_where_they_change_and_at_anchors() -> None:
    names = ["Am", "Am", "F", "F", "F", "F", "C", "G"]
    assert shown(names, 100.0) == [0, 2, 6, 7]
    assert shown(names, 100.0, 4) == [0, 2, 4, 6, 7]


def test_names_of_chords_never_touch() -> None:
    """Half bars give way to bars, then bars to every second and fourth of a section."""
    names = ["Am", "G", "F", "E7"] * 8  # 32 slots of 16 bars
    width = max(label_font(12).getlength(name) for name in names) + 4
    assert shown(names, width) == list(range(32))
    assert shown(names, 0.6 * width) == list(range(0, 32, 2))
    assert shown(names, 0.3 * width) == list(range(0, 32, 4))
    assert shown(names, 0.17 * width, 6) == [0, 6, 14, 22]
    for pixels in np.arange(0.2, 40.0, 0.7):
        slots = shown(names, pixels, 6, 11, 12)
        ends = [slot * pixels + label_font(12).getlength(names[slot]) for slot in slots]
        assert all(end < slot * pixels for end, slot in zip(ends, slots[1:], strict=False))
        assert not ends or ends[-1] <= 32 * pixels


def test_a_half_bar_has_a_name_where_there_is_space_for_it() -> None:
    names = ["C", "C", "F#m7b5", "G", "C", "G"]
    assert shown(names, 30.0) == [0, 2, 4, 5]
