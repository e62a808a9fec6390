"""What the engine is asked for an attempt at an order."""

from __future__ import annotations

import numpy as np

from lstm_core.engine.engine import Request
from lstm_core.model.checkpoint import CheckpointFacts
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import family_of
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.ensembles import draw_density, draw_ensemble
from lstm_core.orders.order import TrackOrder, attempted
from lstm_core.orders.plan import plan_track
from lstm_core.orders.primer import read_primer
from lstm_core.orders.rules import can_transpose
from lstm_core.representations.conditions import Conditions, transposed_key
from lstm_core.representations.note_events import EventArray, decode_events


def request_of(order: TrackOrder, attempt: int, facts: CheckpointFacts) -> Request:
    """What the engine is asked for the given attempt at an order, 0 for the first.

    Instruments and density that the order leaves open are those of pieces of its style, from the statistics of the
    checkpoint. Attempts differ in what is played; key, tempo and instruments that the order's own seed chose stay.
    """
    plan, primer = plan_track(order), read_primer(order, plan_track(order))
    ensemble = _programs_of(primer) if primer is not None else draw_ensemble(facts.statistics, order.style, order.seed)
    rules = make_rules(attempted(order, attempt), plan, primer=primer, ensemble=ensemble)
    shift = home_shift(plan.key) if facts.home_key else 0
    if not can_transpose(rules, shift):
        shift = 0
    heard = [programs[0] for programs in plan.programs] or ensemble
    families = sum({1 << family_of(program) for program in heard})
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


def _programs_of(events: EventArray) -> tuple[int, ...]:
    notes = decode_events(events).notes
    return tuple(int(program) for program in np.unique(notes["program"]))
