"""Plans as a representation: the events of events.py with the contexts of steps.py."""

from __future__ import annotations

import numpy as np

from lstm_core.notes.score import Score
from lstm_core.representations.conditions import METERS, TEMPO_EDGES, meter_value
from lstm_core.representations.plan.events import (
    END_PARTS,
    FIRST,
    REPRESENTATION,
    SECOND,
    STREAMS,
    bars_of,
    num_bars_of,
    read_plan,
    spell_plan,
)
from lstm_core.representations.plan.from_score import plan_score
from lstm_core.representations.plan.layout import Ints, Plan
from lstm_core.representations.plan.schemes import scheme_of_events
from lstm_core.representations.plan.steps import MOVING, NUM_LAGS, plan_steps
from lstm_core.representations.representation import (
    STYLE_NAME,
    EventArray,
    Piece,
    PieceArrays,
    Reading,
    Representation,
    Stream,
)

STYLE, MODE, TEMPO, METER, NUM_CONDITIONS = range(5)  # columns of condition_contexts


def condition_contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """What holds for a whole plan or all of its parts: style, mode, tempo, meter. Value 0: not given."""
    return (
        Stream(STYLE_NAME, 1 + len(styles)),
        Stream("mode", 3),
        Stream("tempo", 2 + len(TEMPO_EDGES)),
        Stream("meter", 2 + len(METERS)),
    )


def plan_contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """The contexts of a model of plans."""
    return (*MOVING, *condition_contexts(styles))


def plan_conditions(
    style: str | None, is_minor: bool | None, bpm: float | None, meter: int, styles: tuple[str, ...]
) -> Ints:
    """Values of `condition_contexts`: int64 [4]. A style that is not in `styles` is left open."""
    return np.array(
        [
            1 + styles.index(style) if style in styles else 0,
            0 if is_minor is None else 1 + is_minor,
            0 if bpm is None else 1 + int(np.searchsorted(TEMPO_EDGES, bpm)),
            meter,
        ],
        dtype=np.int64,
    )


def conditions_of_piece(piece: Piece, reading: Reading) -> Ints:
    """The conditions of a piece, some of them left out where the reading says so: int64 [4]."""
    is_minor = None if piece.key_tonic is None else piece.key_mode == "minor"
    values = plan_conditions(piece.style, is_minor, piece.tempo_bpm, meter_value(piece.meters[0]), reading.styles)
    if reading.augment is not None and reading.random is not None:
        values[reading.random.random(NUM_CONDITIONS) < reading.augment.condition_dropout] = 0
    return values


def planned_events(score: Score) -> EventArray | None:
    """Events of the plan of a score; None where it has none."""
    planned = plan_score(score)
    return None if planned is None else spell_plan(planned.plan)


def plan_of_piece(events: EventArray, piece: Piece) -> Plan:
    """The plan of a piece of a block set."""
    return read_plan(events, *bars_of(piece.meters, num_bars_of(events)))


def plan_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    """The plan of a piece as the model reads it."""
    events = piece.events.astype(np.int64)
    moving, recalled = plan_steps(events, num_bars_of(piece.events))
    fixed = np.broadcast_to(conditions_of_piece(piece, reading), (len(events), NUM_CONDITIONS))
    return PieceArrays(
        events,
        np.concatenate([moving, fixed], axis=1),
        np.zeros(0, dtype=np.float32),
        np.zeros((len(events), 0), dtype=np.int64),
        recalled,
    )


def no_score(*_: object, **__: object) -> Score:
    """Raises ValueError: a plan alone has no notes."""
    raise ValueError("a plan has no notes; its parts are written by parts-1")


def programs_of_plan(events: EventArray) -> list[int]:
    """Programs of the parts of a plan, each once, in the order of the parts."""
    num_parts = int(np.flatnonzero(events[:, FIRST] == END_PARTS)[0])
    return [int(program) for program in dict.fromkeys(events[:num_parts, SECOND].tolist())]


PLAN = Representation(
    name=REPRESENTATION,
    streams=STREAMS,
    encode=planned_events,
    decode=no_score,
    piece_arrays=plan_arrays,
    contexts=plan_contexts,
    num_moving=len(MOVING),
    num_lags=NUM_LAGS,
    num_compared=0,  # who plays and how loud is copied under other chords too
    scheme=scheme_of_events,
    programs=programs_of_plan,
)
