"""What the picture of a track shows beside its form: marks, who plays, layers, and what stayed of another track."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lstm_core.analysis.picture.drawing import draw_analysis
from lstm_core.analysis.picture.system import (
    BARS_PER_SYSTEM,
    LEGEND,
    MARK,
    PLAYER,
    ROLE_COLOURS,
    SYSTEM_HEIGHT,
    TEMPO,
    TITLE,
    Extras,
    Roll,
    paler,
)
from lstm_core.analysis.piece import analyse
from lstm_core.analysis.roles import BASS, DRUM, MELODY
from lstm_core.composing.take import Take
from lstm_core.notes.score import DRUMS, NoteArray, Score, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.representations.plan.layout import Plan
from lstm_core.tracks.replay import Replay
from lstm_core.tracks.track_picture import WIDTH, draw_track, extras_of, marks_of, planned_roles, sounding_players
from tests.lstm_core.catalogue.made_up_forms import made_form, made_plan

BAR = 96
SECTIONS = "A B"


def marked(**fields: Any) -> list[tuple[int, str]]:
    return [(mark.tick, mark.text) for mark in marks_of(admit(TrackOrder(**fields)))]


def test_marks_say_what_is_ordered_of_time() -> None:
    assert marked(duration_s=16.0, bpm=120.0) == []
    assert marked(duration_s=16.0, hits="6 10") == [(3 * BAR, "hit 6 s"), (5 * BAR, "hit 10 s")]
    loop = {"duration_s": 24.0, "bpm": 120.0, "loop": True, "loop_start": 4, "form": "intro:4 A:4 B:4"}
    assert marked(**loop) == [(4 * BAR, "the loop begins")]
    changes = {"form": "A:4 B:4", "duration_s": 14.0, "bpm": 120.0, "key": "C major", "loop": True}
    assert marked(**changes, key_changes="B: +2", meter_changes="B: 3/4") == [
        (0, "C major, 4/4"),
        (4 * BAR, "D major, 3/4"),
    ]


def music(plan: Plan) -> NoteArray:
    """Each part begins each bar with a note; the first of the bass lasts two bars, drums play in bar 1 alone."""
    rows = [
        (bar * BAR, 2 * BAR if part == 1 and bar == 0 else 24, program, 48 + 5 * part, 90)
        for bar in range(plan.num_bars)
        for part, program in enumerate(plan.programs.tolist())
        if not (program == DRUMS and bar) and not (part == 1 and bar == 1)
    ]
    notes = make_notes(np.array(rows))
    notes["part"] = [plan.programs.tolist().index(program) for program in notes["program"]]
    return notes


def test_players_stand_in_the_order_of_roles_with_the_bars_they_sound_in() -> None:
    plan = made_plan(SECTIONS, 2)
    notes = music(plan)
    only_first = notes[(notes["onset"] == 0) | (notes["program"] == 73)]
    barlines = np.arange(plan.num_bars + 1) * BAR
    found = sounding_players(only_first, planned_roles(only_first, plan), barlines)
    assert [(player.name, sorted(player.bars)) for player in found] == [
        ("flute, melody", [0, 1, 2, 3]),
        ("string ensemble 1, harmony", [0]),
        ("nylon guitar, figure", [0]),
        ("fingered bass, bass", [0, 1]),
        ("drums", [0]),
    ]
    assert (found[0].role, found[3].role, found[4].role) == (MELODY, BASS, DRUM)


def drawn(order: TrackOrder) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Extras]:
    """The picture of a track of made-up music, and what it shows."""
    plan = made_plan(SECTIONS, 4)
    take, track = Take(notes=music(plan), plan=plan), admit(order)
    roles = planned_roles(take.notes, plan)
    made = Replay(track=track, take=take)
    data = draw_track(Score(notes=take.notes), made_form(SECTIONS, 4), roles, made)
    return np.asarray(Image.open(io.BytesIO(data))), extras_of(track, take, ())


def count(image: np.ndarray[Any, np.dtype[np.uint8]], colour: str) -> int:
    return int((image == tuple(bytes.fromhex(colour[1:]))).all(axis=2).sum())


def test_a_tempo_that_moves_is_a_line_and_players_are_rows() -> None:
    common = {"duration_s": 16.0, "form": "A:4 B:4", "loop": True}
    still, _ = drawn(TrackOrder(bpm=120.0, **common))
    moving, shown = drawn(TrackOrder(tempo_changes="A: 110; B: 132", **common))
    assert still.shape == (SYSTEM_HEIGHT + 5 * PLAYER + LEGEND, WIDTH, 3)
    assert moving.shape == (SYSTEM_HEIGHT + 5 * PLAYER + TEMPO + LEGEND, WIDTH, 3)
    assert len(shown.tempos) == 2 and count(still, MARK) == 0 and count(moving, MARK) > 1000


def test_layers_are_rolls_of_their_own() -> None:
    order = TrackOrder(duration_s=16.0, bpm=120.0, form="A:4 B:4", loop=True, layers=3)
    image, shown = drawn(order)
    assert image.shape == (3 * (SYSTEM_HEIGHT + TITLE) + LEGEND, WIDTH, 3) and shown.players == ()
    assert [roll.title.partition(" ")[0] for roll in shown.rolls] == ["layer-1:", "layer-2", "layer-3"]
    masks = [roll.is_shown for roll in shown.rolls]
    assert all(mask is not None for mask in masks)
    counts = [int(np.sum(mask)) for mask in masks if mask is not None]
    assert counts[0] < counts[1] < counts[2] == len(music(made_plan(SECTIONS, 4)))
    melody = [count(rows, ROLE_COLOURS[MELODY]) for rows in np.split(image[:-LEGEND], 3)]
    assert melody[0] == 0 < melody[2]


@pytest.mark.parametrize("num_bars", [3, BARS_PER_SYSTEM + 1])
def test_what_stayed_is_pale(num_bars: int) -> None:
    rows = [(bar * BAR, 48, 0, 60, 90) for bar in range(num_bars)]
    score = Score(notes=make_notes(np.array(rows)))
    analysis, stays = analyse(score), np.arange(num_bars) != 1
    role = int(analysis.note_role[0])
    plain = np.asarray(Image.open(io.BytesIO(draw_analysis(score, analysis))))
    extras = Extras(changed=frozenset({1}), stays=stays, rolls=(Roll(),))
    image = np.asarray(Image.open(io.BytesIO(draw_analysis(score, analysis, extras=extras))))
    strong, pale = count(image[:-LEGEND], ROLE_COLOURS[role]), count(image, paler(ROLE_COLOURS[role], 0.35))
    assert pale == pytest.approx((num_bars - 1) * strong, rel=0.1)
    assert count(plain[:-LEGEND], ROLE_COLOURS[role]) == pytest.approx(num_bars * strong, rel=0.1)
