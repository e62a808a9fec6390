"""A tiny seeded model, orders of every kind, and the laws that whatever is played for them obeys."""

from __future__ import annotations

import numpy as np
import torch

from lstm_core.engine.engine import Engine
from lstm_core.engine.note_chooser import Request
from lstm_core.model.checkpoint import Checkpoint, CheckpointFacts
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM
from lstm_core.notes.keys import tonic_chord
from lstm_core.notes.score import DRUMS, Score
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.representations.conditions import MAX_POSITIONS, Conditions, note_contexts
from lstm_core.representations.lookback import LAGS
from lstm_core.representations.note_events import (
    DURATION,
    END,
    INSTRUMENT,
    PITCH,
    REPRESENTATION,
    STREAMS,
    TIME_SHIFT,
    EventArray,
    decode_events,
    encode_score,
    event_onsets,
)
from lstm_core.representations.representation import Stream

STYLES = ("game", "dance")


def tiny_model(seed: int = 0, *, hidden_size: int = 32, scale: float = 1.0) -> MusicLSTM:
    """A model of random weights; `scale` above 1 makes it surer of what it plays."""
    torch.manual_seed(seed)
    settings = ModelSettings(
        streams=STREAMS,
        contexts=note_contexts(STYLES),
        num_flags=17,
        onset_contexts=(Stream("position", 1 + MAX_POSITIONS),),
        num_lags=len(LAGS),
        hidden_size=hidden_size,
        head_size=32,
    )
    model = MusicLSTM(settings).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(scale)
    return model


def tiny_facts() -> CheckpointFacts:
    return CheckpointFacts(
        name="tiny",
        representation=REPRESENTATION,
        styles=STYLES,
        step=0,
        valid_nll=None,
        corpus_fingerprint="none",
        licences={"CC0": 1},
    )


def tiny_engine(seed: int = 0, *, arithmetic: str = "int8", scale: float = 3.0) -> Engine:
    model = tiny_model(seed, scale=scale)
    integers, fingerprint = quantised_unseen(model), f"tiny-{seed}"
    checkpoint = Checkpoint(model=model, facts=tiny_facts(), fingerprint=fingerprint, integers=integers)
    return Engine(checkpoint, arithmetic=arithmetic)


def request(order: TrackOrder, *, primer: EventArray | None = None) -> tuple[TrackPlan, Request]:
    """The plan of an order and the request to the engine for it."""
    plan = plan_track(order)
    rules = make_rules(order, plan, primer=primer)
    conditions = Conditions(key=plan.key, style=order.style or None, tempo_bpm=plan.bpm)
    return plan, Request(rules=rules, conditions=conditions, meter=plan.meter, num_bars=plan.num_bars)


def play(engine: Engine, orders: list[TrackOrder]) -> list[EventArray]:
    """The events of each order, in the order of the orders."""
    found = {done.number: done.events for done in engine.generate([request(order)[1] for order in orders])}
    return [found[i] for i in range(len(orders))]


def check_track(order: TrackOrder, plan: TrackPlan, events: EventArray, *, num_forced: int = 0) -> None:
    """Asserts everything that an order promises of its events; of a primer's events only that they are well formed."""
    onsets = event_onsets(events)
    shifts, instruments = events[:, TIME_SHIFT].astype(int), events[:, INSTRUMENT].astype(int)
    assert onsets[-1] == plan.total_ticks
    assert instruments[-1] == END and (instruments[:-1] != END).all()
    own = np.arange(len(events)) >= num_forced
    pairs = instruments * 256 + events[:, PITCH].astype(int)
    same_onset = (shifts[1:] == 0) & (instruments[1:] > 1)
    assert (np.diff(pairs)[same_onset] > 0).all()
    is_note = instruments > 1
    assert (events[~is_note][:, PITCH:] == 0).all() and (events[is_note][:, PITCH:] > 0).all()
    if not num_forced:
        assert onsets[0] == 0
    notes = decode_events(events).notes
    starts, stops = notes["onset"].astype(int), (notes["onset"] + notes["duration"]).astype(int)
    assert stops.max() <= plan.total_ticks
    _check_silence(starts, stops, plan, after=int(onsets[num_forced - 1]) if num_forced else 0)
    is_ours = starts >= (onsets[num_forced - 1] if num_forced else 0)
    melodic = notes["program"] != DRUMS
    ours = notes[melodic & is_ours] if num_forced else notes[melodic]
    if len(ours) and not num_forced:
        assert ours["pitch"].min() >= order.pitch_low and ours["pitch"].max() <= order.pitch_high
        scale = scale_of(order, plan)
        assert scale is None or set((ours["pitch"] % 12).tolist()) <= scale
        for tick in np.unique(ours["onset"]):
            sounding = (starts[melodic] <= tick) & (stops[melodic] > tick)
            assert sounding.sum() <= order.polyphony
    allowed = {program for programs in plan.programs for program in programs}
    if allowed:
        assert set((instruments[own & is_note] - 3).tolist()) <= {p if p != DRUMS else -1 for p in allowed}
    played = set(notes["program"].tolist())
    for programs in plan.programs:
        assert played & set(programs), f"{programs} does not play"
    if plan.final_bar is not None:
        _check_ending(plan, order, notes)


def _check_silence(starts: np.ndarray, stops: np.ndarray, plan: TrackPlan, *, after: int) -> None:
    sounding_until = np.maximum.accumulate(np.concatenate([[0], stops]))
    last = starts.max() if plan.final_bar is not None else plan.total_ticks
    silences = np.concatenate([starts, [last]]) - np.maximum(sounding_until, after)
    assert silences.max() <= 2 * plan.meter.bar_ticks


def _check_ending(plan: TrackPlan, order: TrackOrder, notes: np.ndarray) -> None:
    assert plan.final_bar is not None
    final = plan.final_bar * plan.meter.bar_ticks
    last = notes[notes["onset"] >= final]
    assert len(last) and (last["onset"] == final).all()
    before = notes[notes["onset"] < final]
    assert len(before) == 0 or (before["onset"] + before["duration"]).max() <= final
    chord = last[last["program"] != DRUMS]
    if {p for programs in plan.programs for p in programs} == {DRUMS}:
        return
    assert len(chord) and chord["duration"].max() <= plan.final_hold_ticks
    if plan.key is not None:
        assert set((chord["pitch"] % 12).tolist()) <= tonic_chord(plan.key, order.scale)


def check_round_trip(plan: TrackPlan, events: EventArray) -> None:
    """Asserts that a score holds what its events say.

    A note that is struck again while it sounds ends there, so that its duration may come back shorter; velocities come
    back in the middle of their step. A score does not know of empty bars after its last note.
    """
    score = decode_events(events)
    again = encode_score(Score(notes=score.notes, meters=(plan.meter,)))
    assert (encode_score(Score(notes=decode_events(again).notes, meters=(plan.meter,))) == again).all()
    if score.end_tick <= plan.total_ticks - plan.meter.bar_ticks:
        again, events = again[:-1], events[: len(again) - 1]
    assert len(again) == len(events)
    assert (again[:, :PITCH] == events[:, :PITCH]).all() and (again[:, PITCH] == events[:, PITCH]).all()
    assert (again[:, DURATION] <= events[:, DURATION]).all()
    voices = events[:, INSTRUMENT].astype(int) * 256 + events[:, PITCH]
    onsets = event_onsets(events)
    for i in np.flatnonzero(again[:, DURATION] < events[:, DURATION]):
        later = np.flatnonzero((voices == voices[i]) & (np.arange(len(events)) > i))
        assert len(later) and onsets[later[0]] - onsets[i] < 400
