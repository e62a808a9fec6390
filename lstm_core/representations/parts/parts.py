"""Parts as a representation: the events of events.py with the contexts of steps.py, given the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lstm_core.analysis.grid import Bools
from lstm_core.notes.score import Meter, Score, Tempo
from lstm_core.representations.parts.ahead import NUM_FLAGS
from lstm_core.representations.parts.events import (
    BAR,
    PLACE,
    REPRESENTATION,
    STREAMS,
    read_parts,
    spell_parts,
    with_parts,
    with_written,
)
from lstm_core.representations.parts.manners import manners_of_events
from lstm_core.representations.parts.steps import MOVING, ONSET_CONTEXTS, part_steps
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
from lstm_core.representations.representation import (
    AugmentSettings,
    EventArray,
    Piece,
    PieceArrays,
    Reading,
    Representation,
    Stream,
)

LONGEST_SPAN = 8  # bars that a variation gives or leaves open
ALIKE_SHARE = 0.5  # of variations whose given bars are those of all parts
LEAST_PARTS = 2  # that stay where a variation leaves out some


def part_contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    """The contexts of a model of parts."""
    return (*MOVING, *condition_contexts(styles))


def part_events(score: Score) -> EventArray | None:
    """Events of the parts of a score; None where it has no plan."""
    planned = plan_score(score)
    return None if planned is None else spell_parts(planned)


def part_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    """The parts of a piece as the model reads them; a variation may leave out some of them, or reorder them,
    or give some bars in advance, which the model is told of and does not learn.

    Parts that are written later hear those before: in other orders a model learns to write a part for any others.
    """
    if piece.given is None:
        raise ValueError(f"{piece.piece_id} was loaded without its plan")
    plan, events, given = plan_of_piece(piece.given, piece), piece.events, None
    if reading.augment is not None and (random := reading.random) is not None:
        parts = _varied_parts(plan.num_parts, reading.augment, random)
        if parts != list(range(plan.num_parts)):
            events, plan = with_parts(events, plan, parts), plan_of_parts(plan, parts)
        if reading.augment.given_share and random.random() < reading.augment.given_share:
            events, plan, given = _with_given(events, plan, random)
    return arrays_of_parts(piece, events, plan, reading, given)


def arrays_of_parts(piece: Piece, events: EventArray, plan: Plan, reading: Reading, given: Bools | None) -> PieceArrays:
    """What a model reads of a piece with these events and plan, some written bars of which are `given`, bool [C]."""
    table = events.astype(np.int64)
    num_notes = int((table[:, PLACE] != BAR).sum()) * 8 + plan.num_bars
    moving, flags, onsets, recalled = part_steps(table, plan, num_notes, given)
    fixed = np.broadcast_to(conditions_of_piece(piece, reading), (len(table), NUM_CONDITIONS))
    cell = np.cumsum(table[:, PLACE] == BAR) - 1
    is_given = None if given is None else np.append(given, False)[cell]  # the end belongs to no bar
    contexts = np.concatenate([moving, fixed], axis=1)
    return PieceArrays(table, contexts, flags.astype(np.float32), onsets, recalled, is_given)


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


def _varied_parts(num_parts: int, augment: AugmentSettings, random: np.random.Generator) -> list[int]:
    """The parts that a variation of a piece has, in its order."""
    parts = list(range(num_parts))
    if random.random() < augment.thinned_share and num_parts > LEAST_PARTS:
        num_kept = int(random.integers(LEAST_PARTS, num_parts))
        parts = sorted(random.permutation(num_parts)[:num_kept].tolist())
    if augment.reordered_share and random.random() < augment.reordered_share:
        parts = [parts[place] for place in random.permutation(len(parts)).tolist()]
    return parts


def _with_given(events: EventArray, plan: Plan, random: np.random.Generator) -> tuple[EventArray, Plan, Bools]:
    """A piece, some bars of which are given: spans of bars, of all parts alike or of each; and which of its cells, [C].

    Copies in given bars whose source is not given are written out: they tell what it may be.
    """
    of_part = np.stack([_spans(plan.num_bars, random) for _ in range(plan.num_parts)])
    if random.random() < ALIKE_SHARE:
        of_part[:] = of_part[0]
    events, plan = with_written(events, plan, of_part & ~of_part[:, np.maximum(plan.source, 0)])
    cells = plan.played()
    return events, plan, of_part[cells[:, 0], cells[:, 1]]


def _spans(num_bars: int, random: np.random.Generator) -> Bools:
    """Bars in spans of 1 to 8, every second of which is given: bool [N]."""
    lengths = random.integers(1, LONGEST_SPAN + 1, size=num_bars + 1)
    found: Bools = np.repeat(np.arange(num_bars + 1) % 2 == int(random.integers(2)), lengths)[:num_bars]
    return found


def plan_of_parts(plan: Plan, parts: Sequence[int]) -> Plan:
    """The plan of some parts, in this order."""
    active, copied = np.zeros_like(plan.active), np.zeros_like(plan.copied)
    for place, part in enumerate(parts):
        active |= (plan.active >> part & 1) << place
        copied |= (plan.copied >> part & 1) << place
    kept = list(parts)
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
