"""The request to the engine for an attempt at a track."""

from __future__ import annotations

import numpy as np

from lstm_core.engine.note_chooser import Request
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import family_of
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.constraints.rules import can_transpose
from lstm_core.orders.ensembles import draw_density, draw_ensemble
from lstm_core.orders.order import with_seed
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.conditions import Conditions, transposed_key
from lstm_core.representations.note_events import EventArray, decode_events
from lstm_core.representations.notes import NOTES


def request_of(track: PlannedTrack, attempt: int, facts: CheckpointFacts) -> Request:
    """The request to the engine for the given attempt at a track, 0 for the first.

    Instruments and density that the order leaves open are those of pieces of its style, from the statistics of the
    checkpoint. Attempts differ in what is played; key, tempo and instruments that the order's own seed chose stay.
    """
    order, plan, primer = track.order, track.plan, track.primer
    ensemble = _programs_of(primer) if primer is not None else draw_ensemble(facts.statistics, order.style, order.seed)
    rules = make_rules(with_seed(order, track.seed_of(attempt)), plan, primer=primer, ensemble=ensemble)
    shift = home_shift(plan.key) if facts.home_key else 0
    if not can_transpose(rules, shift):
        shift = 0
    played = [programs[0] for programs in plan.programs] or ensemble
    families = sum({1 << family_of(program) for program in played})
    return Request(
        rules=rules,
        conditions=Conditions(
            style=order.style or None,
            key=None if plan.key is None else transposed_key(plan.key, shift),
            tempo_bpm=plan.bpm,
            density=order.density or draw_density(facts.statistics, order.style, order.seed),
            families=families or None,
        ),
        meter=plan.meter,
        num_bars=plan.num_bars,
        shift=shift,
    )


def check_plays_orders(facts: CheckpointFacts) -> None:
    """Raises CheckpointError where a checkpoint makes other events than the notes of orders."""
    if facts.representation != NOTES.name:
        raise CheckpointError(
            f"The checkpoint {facts.name} makes events of {facts.representation}; orders are played as {NOTES.name}. "
            f"Give a checkpoint that was trained on {NOTES.name}."
        )


def _programs_of(events: EventArray) -> tuple[int, ...]:
    notes = decode_events(events).notes
    return tuple(int(program) for program in np.unique(notes["program"]))
