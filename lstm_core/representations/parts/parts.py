"""Parts as a representation: the events of events.py with the contexts of steps.py, given the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.notes.score import Meter, Score, Tempo
from lstm_core.representations.parts.events import (
    BAR,
    PLACE,
    REPRESENTATION,
    STREAMS,
    read_parts,
    spell_parts,
    without_parts,
)
from lstm_core.representations.parts.manners import manners_of_events
from lstm_core.representations.parts.steps import MOVING, NUM_FLAGS, ONSET_CONTEXTS, part_steps
from lstm_core.representations.parts.tables import NUM_LAGS
from lstm_core.representations.plan.events import REPRESENTATION as PLAN_NAME
from lstm_core.representations.plan.from_score import plan_score
from lstm_core.representations.plan.layout import Plan
from lstm_core.representations.plan.plan import (
    NUM_CONDITIONS,
    condition_contexts,
    conditions_of_piece,
    plan_of_piece,
)
from lstm_core.representations.representation import EventArray, Piece, PieceArrays, Reading, Representation, Stream

LEAST_PARTS = 2  # that stay where a variation leaves out some


def part_contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """The contexts of a model of parts."""
    return (*MOVING, *condition_contexts(styles))


def part_events(score: Score) -> EventArray | None:
    """Events of the parts of a score; None where it has no plan."""
    planned = plan_score(score)
    return None if planned is None else spell_parts(planned)


def part_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    """The parts of a piece as the model reads them; a variation may leave out some of them."""
    if piece.given is None:
        raise ValueError(f"{piece.piece_id} was loaded without its plan")
    plan, events = plan_of_piece(piece.given, piece), piece.events
    if reading.augment is not None and (random := reading.random) is not None:
        is_thinned = random.random() < reading.augment.thinned_share
        if is_thinned and plan.num_parts > LEAST_PARTS:
            kept = int(random.integers(LEAST_PARTS, plan.num_parts))
            dropped = np.ones(plan.num_parts, dtype=bool)
            dropped[random.permutation(plan.num_parts)[:kept]] = False
            events, plan = without_parts(events, plan, dropped), _thinned(plan, dropped)
    table = events.astype(np.int64)
    num_notes = int((table[:, PLACE] != BAR).sum()) * 8 + plan.num_bars
    moving, flags, onsets, recalled = part_steps(table, plan, num_notes)
    fixed = np.broadcast_to(conditions_of_piece(piece, reading), (len(table), NUM_CONDITIONS))
    return PieceArrays(table, np.concatenate([moving, fixed], axis=1), flags.astype(np.float32), onsets, recalled)


def score_of_parts(
    events: EventArray,
    *,
    plan: Plan,
    tempos: tuple[Tempo, ...] = (Tempo(tick=0, bpm=120.0),),
    meters: tuple[Meter, ...] = (Meter(tick=0, numerator=4, denominator=4),),
    title: str = "",
) -> Score:
    """The score that events and their plan spell, in the home key."""
    return Score(notes=read_parts(events, plan), tempos=tempos, meters=meters, title=title)


def _thinned(plan: Plan, dropped: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Plan:
    """The plan without some parts."""
    kept = np.flatnonzero(~dropped)
    active, copied = np.zeros_like(plan.active), np.zeros_like(plan.copied)
    for place, part in enumerate(kept.tolist()):
        active |= (plan.active >> part & 1) << place
        copied |= (plan.copied >> part & 1) << place
    return replace(plan, roles=plan.roles[kept], programs=plan.programs[kept], active=active, copied=copied)


PARTS = Representation(
    name=REPRESENTATION,
    streams=STREAMS,
    encode=part_events,
    decode=score_of_parts,
    piece_arrays=part_arrays,
    contexts=part_contexts,
    num_moving=len(MOVING),
    num_flags=NUM_FLAGS,
    onset_contexts=ONSET_CONTEXTS,
    num_lags=NUM_LAGS,
    scheme=manners_of_events,
    given=PLAN_NAME,
)
