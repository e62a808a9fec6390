"""The picture is read back pixel by pixel and compared with the notes that it shows."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.roll import FAMILY_COLOURS, PLOT_BOTTOM, PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, draw_roll
from lstm_core.catalogue.roll_form import FORM_COLOURS
from lstm_core.notes.score import DRUMS, FAMILIES, Meter, Score, Tempo, family_of, make_notes
from tests.lstm_core.catalogue.made_up_forms import made_form

WIDTH, HEIGHT = 1600, 480
Picture = npt.NDArray[np.uint8]


def read(png: bytes) -> Picture:
    """RGB of a PNG: uint8 [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def rgb(program: int) -> tuple[int, ...]:
    return tuple(bytes.fromhex(FAMILY_COLOURS[family_of(program)][1:]))


def plot_of(picture: Picture) -> Picture:
    """The part between the axes."""
    height, width = picture.shape[:2]
    return picture[
        round(height * PLOT_TOP) : round(height * PLOT_BOTTOM), round(width * PLOT_LEFT) : round(width * PLOT_RIGHT)
    ]


def where(picture: Picture, program: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the plot in the full colour of a program's family."""
    found = np.nonzero((plot_of(picture) == rgb(program)).all(axis=2))
    return found[0], found[1]


def score_of(rows: list[tuple[int, int, int, int, int]], **maps: tuple[Tempo, ...] | tuple[Meter, ...]) -> Score:
    return Score(notes=make_notes(rows), **maps)  # type: ignore[arg-type]


def test_same_score_same_bytes() -> None:
    rng = np.random.default_rng(3)
    rows = np.column_stack(
        [rng.integers(0, n, 800) + low for n, low in ((4000, 0), (96, 1), (129, 0), (60, 30), (127, 1))]
    )
    first = draw_roll(Score(notes=make_notes(rows)), duration_s=70.0)
    again = draw_roll(Score(notes=make_notes(rows[::-1])), duration_s=70.0)
    assert first == again
    assert first != draw_roll(Score(notes=make_notes(rows)), duration_s=71.0)


@pytest.mark.parametrize("program", [*range(0, 128, 8), DRUMS])
def test_each_family_has_its_colour_and_its_place_in_time(program: int) -> None:
    """A note from second 2 to 3 of 8 lies between a quarter and three eighths of the plot's width."""
    picture = read(draw_roll(score_of([(96, 48, program, 60, 127)]), duration_s=8.0))
    _, columns = where(picture, program)
    width = plot_of(picture).shape[1]
    assert abs(columns.min() - width / 4) <= 2
    if program != DRUMS:
        assert abs(columns.max() - width * 3 / 8) <= 2
    assert len(set(FAMILY_COLOURS)) == len(FAMILIES)


def test_time_follows_the_tempo_map() -> None:
    """Two notes of two quarters each, the second at half the speed: it starts after a third of the time."""
    tempos = (Tempo(tick=0, bpm=120.0), Tempo(tick=48, bpm=60.0))
    picture = read(draw_roll(score_of([(0, 48, 0, 60, 127), (48, 48, 40, 60, 127)], tempos=tempos), duration_s=3.0))
    width = plot_of(picture).shape[1]
    assert abs(where(picture, 0)[1].max() - width / 3) <= 2
    assert abs(where(picture, 40)[1].min() - width / 3) <= 2


def test_higher_pitches_stand_higher_by_equal_steps_and_drums_below_all() -> None:
    rows = [(96 * i, 96, 8 * i, pitch, 127) for i, pitch in enumerate((36, 48, 60, 72))] + [(0, 24, DRUMS, 81, 127)]
    picture = read(draw_roll(score_of(rows)))
    tops = [int(where(picture, 8 * i)[0].min()) for i in range(4)]
    steps = -np.diff(tops)
    assert steps.min() > 0
    assert len(set(steps.tolist())) == 1
    assert where(picture, DRUMS)[0].min() > where(picture, 0)[0].max()


def test_louder_is_deeper() -> None:
    body = [
        plot_of(read(draw_roll(score_of([(0, 384, 0, 60, v)])))).reshape(-1, 3).astype(int) for v in (10, 60, 80, 127)
    ]
    reds = [int(pixels[:, 0][(pixels[:, 2] - pixels[:, 0]) > 40].max()) for pixels in body]
    assert reds == sorted(reds, reverse=True)
    assert len(set(reds)) == 4


def test_what_sounds_after_the_end_is_not_drawn_and_what_crosses_it_is_cut() -> None:
    picture = read(draw_roll(score_of([(0, 480, 0, 60, 127), (960, 24, 56, 60, 127)]), duration_s=5.0))
    assert where(picture, 0)[1].max() == plot_of(picture).shape[1] - 1
    assert len(where(picture, 56)[0]) == 0
    assert (picture[:, round(WIDTH * PLOT_RIGHT) + 1 :] != rgb(0)).any(axis=2).all()


def test_barlines_stand_at_the_bars_of_each_meter() -> None:
    """Two bars of 3/4, then 4/4, at a quarter a second: barlines at 0, 3, 6, 10 and 14 s of 16."""
    meters = (Meter(tick=0, numerator=3, denominator=4), Meter(tick=144, numerator=4, denominator=4))
    score = score_of([(0, 1, 0, 60, 1), (335, 1, 0, 84, 1)], meters=meters, tempos=(Tempo(tick=0, bpm=60.0),))
    plot = plot_of(read(draw_roll(score, duration_s=16.0)))
    line = plot[len(plot) // 2, :, 0].astype(int)
    bars = np.flatnonzero(line < 0xD8)
    assert bars.tolist() == [round(second / 16 * plot.shape[1]) for second in (0, 3, 6, 10, 14)]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, 1, 0, 0, 1), (1, 1, 0, 127, 127)],
        [(0, 1, DRUMS, key, 100) for key in range(128)],
        [(0, 24 * 60 * 30, 127, 64, 64)],
    ],
    ids=["no notes", "whole pitch range", "every drum", "half an hour"],
)
def test_extremes_keep_the_axes(rows: list[tuple[int, int, int, int, int]]) -> None:
    """Notes never leave the plot, whatever the score."""
    picture = read(draw_roll(score_of(rows)))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    for program in {row[2] for row in rows}:
        columns = np.flatnonzero((picture == rgb(program)).all(axis=2).any(axis=0))
        assert len(columns) == 0 or columns.max() < round(WIDTH * PLOT_RIGHT)
    right_margin = picture[: round(HEIGHT * PLOT_TOP) - 20, round(WIDTH * PLOT_RIGHT) + 2 :]
    assert (right_margin == 255).all()


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="320 x 160 pixels, not 100 x 480"):
        draw_roll(score_of([]), width=100)


def formed(form: TrackForm, **settings: float) -> Picture:
    """The picture of a form over one note in each of its bars."""
    score = score_of([(96 * bar, 96, 0, 60, 127) for bar in range(form.num_bars)])
    return read(draw_roll(score, form=form, **settings))  # type: ignore[arg-type]


def columns_of(picture: Picture, colour: str, rows: slice) -> list[int]:
    return np.flatnonzero((picture[rows] == tuple(bytes.fromhex(colour[1:]))).all(axis=2).any(axis=0)).tolist()


@pytest.mark.parametrize(("num_bars", "duration_s"), [(2, 16.0), (8, 70.0), (50, 400.0)])
def test_sections_stand_over_their_bars(num_bars: int, duration_s: float) -> None:
    """A, A' and B of equal lengths, then A: bands in the colours of letters, boundaries where sections begin."""
    picture = formed(made_form(num_bars=num_bars), duration_s=duration_s)
    left, right = round(WIDTH * PLOT_LEFT), round(WIDTH * PLOT_RIGHT)
    starts = [left + 2 * num_bars * n / duration_s * (right - left) for n in range(5)]
    band = columns_of(picture, FORM_COLOURS[1], slice(0, 2))
    assert abs(band[0] - starts[2]) <= 2 and abs(band[-1] - starts[3]) <= 2 and len(band) == band[-1] - band[0] + 1
    middle = (round(HEIGHT * PLOT_TOP) + round(HEIGHT * PLOT_BOTTOM)) // 2
    lines = columns_of(picture, FORM_COLOURS[-2], slice(middle, middle + 1))
    assert len(lines) == 3 and np.abs(np.array(lines) - starts[1:4]).max() <= 1


def test_energy_is_a_line_that_rises_with_it() -> None:
    form = replace(made_form("A", 4), energy=(0.0, 0.5, 1.0, 0.5))
    picture = formed(form, duration_s=8.0)
    line = (plot_of(picture) == tuple(bytes.fromhex(FORM_COLOURS[-1][1:]))).all(axis=2)
    width = line.shape[1]
    heights = [int(np.flatnonzero(line[:, round(width * (n + 0.5) / 4)])[0]) for n in range(4)]
    assert heights[0] > heights[1] > heights[2] and heights[1] == heights[3]
    assert heights[2] < 10
    assert line.sum(axis=0).min() >= 1, "in every bar, at least beside a note"


def test_chords_stand_between_sections_and_plot() -> None:
    """More chords, more ink; none reaches into the plot or the bands."""
    top = round(HEIGHT * PLOT_TOP)
    one = formed(replace(made_form("A", 4), chords=("Am",) * 8), duration_s=8.0)
    many = formed(
        replace(made_form("A", 4), chords=("Am", "C", "F/A", "G7", "Am", "Bm7b5", "E7", "N.C.")), duration_s=8.0
    )
    changed = np.flatnonzero((one != many).any(axis=(1, 2)))
    assert top - 17 <= changed.min() and changed.max() < top - 1
    assert (many[changed.min() : changed.max() + 1] < 100).sum() > 4 * (
        one[changed.min() : changed.max() + 1] < 100
    ).sum()


def test_a_form_longer_than_score_and_audio_is_cut() -> None:
    score = score_of([(0, 24, 0, 60, 127)])
    picture = read(draw_roll(score, form=made_form(), duration_s=30.0))
    assert (picture[:20, round(WIDTH * PLOT_RIGHT) + 2 :] == 255).all()
    assert columns_of(picture, FORM_COLOURS[1], slice(0, 2)) == [], "B begins after 32 s"


def test_too_small_for_a_form_is_refused() -> None:
    draw_roll(score_of([]), width=640, height=399)
    with pytest.raises(ValueError, match="with sections and chords needs at least 640 x 400 pixels, not 640 x 399"):
        draw_roll(score_of([]), form=made_form(), width=640, height=399)
