"""Scores that have a plan: of a known form, and drawn at random; and pieces of block sets made of them."""

from __future__ import annotations

import numpy as np

from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, Meter, Score, make_notes
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.representations.representation import Piece
from tests.lstm_core.analysis.made_pieces import BAR, Row, drum_bars
from tests.lstm_core.analysis.test_form import OTHER, section, varied

STYLE = "house"


def form(*, transpose: int = 2) -> Score:
    """A B A A' A'' of eight bars each: as it was, varied, and some semitones higher; drums below them."""
    first = section(1, 0)
    parts = [first, section(2, 8, chords=OTHER), section(1, 16), moved(varied(first), 24)]
    parts += [section(1, 32, transpose=transpose), drum_bars(40)]
    return Score(notes=make_notes([row for part in parts for row in part]))


def moved(rows: list[Row], bars: int) -> list[Row]:
    """The rows so many bars later."""
    return [(onset + bars * BAR, duration, program, pitch, v) for onset, duration, program, pitch, v in rows]


def drawn(seed: int) -> Score:
    """A score of one to four instruments in some meter, whose bars come back now and then, higher or as they were."""
    random = np.random.Generator(np.random.Philox(key=[11, seed]))
    numerator, denominator = [(4, 4), (3, 4), (6, 8), (2, 4), (5, 4), (7, 8)][int(random.integers(6))]
    meter = Meter(tick=0, numerator=numerator, denominator=denominator)
    programs = random.choice([0, 24, 33, 48, 73, DRUMS], size=int(random.integers(1, 5)), replace=False).tolist()
    rows: list[Row] = []
    kept: list[list[Row]] = []
    for bar in range(int(random.integers(2, 14))):
        if kept and random.random() < 0.4:
            shift = int(random.choice([0, 0, 2, -3]))
            own = [(o, d, g, p if g == DRUMS else p + shift, v) for o, d, g, p, v in kept[random.integers(len(kept))]]
        else:
            own = []
            for program in programs:
                for place in random.choice(meter.bar_ticks // 6, size=int(random.integers(0, 6)), replace=False) * 6:
                    pitch = int(random.integers(35, 60) if program == DRUMS else random.integers(40, 90))
                    own.append((int(place), int(random.integers(1, 90)), program, pitch, int(random.integers(1, 128))))
            kept.append(own)
        rows += [(o + bar * meter.bar_ticks, *rest) for o, *rest in own]  # type: ignore[misc]
    return Score(notes=make_notes(rows or [(0, 24, 0, 60, 90)]), meters=(meter,))


def piece_of(score: Score, *, parts: bool) -> Piece:
    """The piece of a block set that holds a score as parts with their plan, or as a plan."""
    plan, described = PLAN.encode(score), describe(score)
    events = PARTS.encode(score) if parts else plan
    assert plan is not None and events is not None
    return Piece(
        piece_id="0",
        title="",
        style=STYLE,
        events=events,
        meters=score.meters,
        tempos=score.tempos,
        key_tonic=described.key_tonic,
        key_mode=described.key_mode,
        tempo_bpm=described.tempo_bpm,
        density=described.density,
        families=described.families,
        num_bars=described.num_bars,
        given=plan if parts else None,
    )
