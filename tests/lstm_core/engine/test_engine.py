"""What the engine plays: promises kept for any order, and bytes that depend on the order alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lstm_core.engine.engine import WIDTHS, Engine, Step
from lstm_core.foundation.errors import CheckpointError, OrderError
from lstm_core.model.checkpoint import Checkpoint
from lstm_core.model.integers.definition import DefinedStep
from lstm_core.model.integers.device_step import DeviceStep
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.notes.keys import SCALES
from lstm_core.orders.order import TrackOrder
from lstm_core.representations.note_events import INSTRUMENT, PITCH, TIME_SHIFT, event_onsets
from tests.lstm_core.tiny import (
    STYLES,
    check_round_trip,
    check_track,
    play,
    request,
    tiny_engine,
    tiny_facts,
    tiny_model,
)
from tests.properties import share

METERS = ("4/4", "3/4", "6/8", "2/16", "1/4", "8/4", "7/8", "12/8", "2/4", "5/4", "4/2")
NAMES = ("piano", "bass", "drums", "flute", "strings", "violin", "0", "brass", "gunshot")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tiny_engine()


@pytest.fixture(scope="module")
def sure_engine() -> Engine:
    """One that has strong habits, and bad ones: it hardly ever changes its mind."""
    return tiny_engine(4, scale=12.0)


@st.composite
def orders(draw: Any) -> TrackOrder:
    fields = {
        "seed": draw(st.integers(0, 2**63 - 1)),
        "duration_s": draw(st.floats(0.5, 40.0)),
        "bpm": draw(st.one_of(st.just(0.0), st.floats(40.0, 300.0))),
        "style": draw(st.sampled_from(("", *STYLES))),
        "density": draw(st.sampled_from((0.0, 0.5, 4.0, 16.0))),
        "meter": draw(st.sampled_from(METERS)),
        "loop": draw(st.booleans()),
        "polyphony": draw(st.sampled_from((1, 2, 3, 8, 32))),
        "instruments": tuple(draw(st.lists(st.sampled_from(NAMES), max_size=6))),
        "scale": draw(st.sampled_from(("", *SCALES))),
        "temperature": draw(st.sampled_from((0.05, 1.0, 3.0))),
        "top_p": draw(st.sampled_from((0.05, 0.95, 1.0))),
    }
    if draw(st.booleans()):
        low = draw(st.integers(0, 120))
        fields |= {"pitch_low": low, "pitch_high": min(127, low + draw(st.sampled_from((0, 2, 7, 24))))}
    if fields["bpm"]:
        fields["exact_tempo"] = draw(st.booleans())
    if not fields["scale"]:
        fields["key"] = draw(st.sampled_from(("", "", "free", "F#", "Bb minor")))
    return TrackOrder(**fields)


def play_by_the_rules(engine: Engine, batch: list[TrackOrder]) -> None:
    """Plays those of the orders that can be met, and checks every promise."""
    possible = []
    for order in batch:
        with suppress(OrderError):
            request(order)
            possible.append(order)
    assume(possible)
    for order, events in zip(possible, play(engine, possible), strict=True):
        plan, _ = request(order)
        check_track(order, plan, events)
        check_round_trip(plan, events)


BATCHES = st.lists(orders(), min_size=1, max_size=16)


@share(0.1)
@given(BATCHES)
def test_promises_are_kept_for_any_order(engine: Engine, batch: list[TrackOrder]) -> None:
    play_by_the_rules(engine, batch)


@share(0.1)
@given(BATCHES)
def test_promises_are_kept_by_a_model_with_bad_habits(sure_engine: Engine, batch: list[TrackOrder]) -> None:
    play_by_the_rules(sure_engine, batch)


EXTREMES: list[dict[str, Any]] = [
    {"pitch_low": 60, "pitch_high": 60, "key": "C", "polyphony": 1, "instruments": ("piano", "bass", "flute")},
    {"pitch_low": 60, "pitch_high": 60, "key": "free", "loop": True},
    {"polyphony": 1, "instruments": ("piano", "bass", "flute", "strings", "brass", "organ"), "meter": "3/4"},
    {"polyphony": 1, "instruments": ("piano", "bass", "flute", "strings", "brass", "drums"), "bpm": 120.0},
    {"polyphony": 2, "instruments": tuple(str(n) for n in range(0, 96, 8)), "bpm": 160.0},
    {"instruments": ("drums",)},
    {"instruments": ("drums",), "loop": True, "meter": "8/4"},
    {"duration_s": 2.0, "bpm": 120.0, "loop": True, "instruments": ("bass", "piano", "strings", "drums")},
    {"duration_s": 1.0, "bpm": 120.0, "loop": True, "meter": "2/4"},
    {"meter": "2/16", "bpm": 120.0},
    {"meter": "1/16", "bpm": 200.0, "loop": True, "polyphony": 1},
    {"meter": "8/4", "bpm": 240.0, "duration_s": 30.0},
    {"top_p": 0.05, "temperature": 0.05, "instruments": ("piano", "drums")},
    {"temperature": 3.0, "top_p": 1.0, "instruments": ("drums", "piano")},
    {"scale": "blues", "key": "F#", "pitch_low": 30, "pitch_high": 36},
]


@pytest.mark.parametrize("fields", EXTREMES)
def test_extreme_orders(engine: Engine, sure_engine: Engine, fields: dict[str, Any]) -> None:
    batch = [TrackOrder(**({"duration_s": 12.0} | fields), seed=seed) for seed in range(4)]
    for played_by in (engine, sure_engine):
        for order, events in zip(batch, play(played_by, batch), strict=True):
            check_track(order, request(order)[0], events)


@pytest.mark.slow
def test_half_an_hour(engine: Engine) -> None:
    order = TrackOrder(duration_s=1800.0, bpm=120.0, instruments=("piano", "bass"), seed=5)
    plan, _ = request(order)
    events = play(engine, [order])[0]
    assert event_onsets(events)[-1] == plan.total_ticks == 900 * 96
    check_track(order, plan, events)


MIXED = [
    TrackOrder(
        duration_s=4.0 + seed % 7,
        loop=seed % 2 == 0,
        seed=seed,
        meter=("4/4", "3/4", "6/8")[seed % 3],
        style=("", "game", "dance")[seed % 3],
        instruments=((), ("piano", "bass", "drums"))[seed % 2],
    )
    for seed in range(40)
]


@pytest.mark.parametrize("arithmetic", ["int8", "float32", "bf16"])
def test_neighbours_order_width_and_engine_change_nothing(arithmetic: str) -> None:
    """40 requests: one alone, together in a batch that narrows at the end, in reverse through few rows that are
    refilled, and in the widest batch."""
    engine, other = tiny_engine(arithmetic=arithmetic), tiny_engine(arithmetic=arithmetic)
    requests = [request(order)[1] for order in MIXED]
    together = {done.number: done.events.tobytes() for done in engine.generate(requests)}
    assert sorted(together) == list(range(40)) and len(set(together.values())) == 40
    for i in (0, 7, 39):
        assert next(iter(other.generate([requests[i]]))).events.tobytes() == together[i]
    for width in {engine.widths[0], engine.widths[-1]}:
        batch, refilled = other.open_batch(requests[::-1], width=width), {}
        while batch.num_busy:
            refilled |= {39 - done.number: done.events.tobytes() for done in batch.play()}
        assert refilled == together
    assert set(engine.widths) <= set(WIDTHS)
    if len(engine.widths) > 1:  # the batch of 40 narrowed
        assert len(engine._steps) > 1


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(DefinedStep, id="as defined"),
        pytest.param(lambda weights, num_rows: DeviceStep(weights, num_rows, "cpu"), id="as on a device"),
    ],
)
def test_every_integer_step_plays_the_same_events(kind: Callable[[IntegerWeights, int], Step]) -> None:
    """Six requests through the step of the CPU and another one, in batches that are refilled and narrow."""
    orders, engine, other = MIXED[:6], tiny_engine(), tiny_engine()
    integers = other.checkpoint.integers
    assert integers is not None
    other._steps = {width: kind(integers, width) for width in other.widths if width <= 16}
    wanted, found = play(engine, orders), play(other, orders)
    assert [events.tobytes() for events in found] == [events.tobytes() for events in wanted]
    assert set(other._steps) >= set(engine._steps) and len(engine._steps) > 1
    batch, refilled = other.open_batch([request(order)[1] for order in orders], width=4), {}
    while batch.num_busy:
        refilled |= {done.number: done.events.tobytes() for done in batch.play()}
    assert [refilled[i] for i in range(6)] == [events.tobytes() for events in wanted]


def test_seeds_and_conditions_change_the_events(engine: Engine) -> None:
    order = TrackOrder(duration_s=6.0, bpm=120.0, key="C", seed=1)
    varied = [order, replace(order, seed=2), replace(order, style="game"), replace(order, key="A minor")]
    played = [events.tobytes() for events in play(engine, varied)]
    assert len(set(played)) == 4 and play(engine, [order])[0].tobytes() == played[0]


def test_little_temperature_plays_the_most_probable_of_what_is_allowed() -> None:
    """Against the same engine's own logits: where a choice was free, no allowed value was more probable."""
    engine = tiny_engine(2)
    order = TrackOrder(duration_s=6.0, bpm=120.0, key="free", loop=True, seed=3, temperature=0.05, top_p=0.05)
    batch = engine.open_batch([request(order)[1]], width=engine.widths[0])
    seen: list[list[np.ndarray]] = []
    logits = batch.step.logits

    def record(stream: int) -> np.ndarray:
        values = logits(stream)
        if stream == 0:
            seen.append([])
        seen[-1].append(values[0].copy())
        return values

    batch.step.logits = record  # type: ignore[method-assign]
    try:
        events = next(done for _ in range(10_000) for done in batch.play()).events
    finally:
        batch.step.logits = logits  # type: ignore[method-assign]
    num_free = 0
    for event, row in zip(events[1:-1], seen[1:], strict=False):
        if event[INSTRUMENT] > 1 and event[TIME_SHIFT] > 0:
            assert event[4] == 1 + int(np.argmax(row[4][1:]))  # every velocity is allowed
            melodic = event[INSTRUMENT] > 2
            pitches = row[PITCH][22:110] if melodic else row[PITCH][129:]
            assert event[PITCH] == int(np.argmax(pitches)) + (22 if melodic else 129)
            num_free += 1
    assert num_free > 5


def test_a_checkpoint_that_cannot_be_played_is_refused() -> None:
    facts, model = tiny_facts(), tiny_model()
    with pytest.raises(CheckpointError, match="tiny cannot be played: There is no representation 'codec-1'"):
        Engine(Checkpoint(model=model, facts=replace(facts, representation="codec-1"), fingerprint="x"))
    next(model.parameters()).data[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="tiny holds weights that are no numbers"):
        Engine(Checkpoint(model=model, facts=facts, fingerprint="x"))


def test_no_requests_are_no_tracks(engine: Engine) -> None:
    assert list(engine.generate([])) == []
