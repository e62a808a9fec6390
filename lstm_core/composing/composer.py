"""The composer: plans, then the parts of each plan, for many tracks at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lstm_core.analysis.grid import Floats
from lstm_core.composing.accompanying import with_tune, with_tune_in_plan
from lstm_core.composing.between.leading import led, step_loudness
from lstm_core.composing.changes.keys import ended_at_borders, shifts_of_bars
from lstm_core.composing.form_rules import asked_energy, velocity_of
from lstm_core.composing.rearranging import with_melody
from lstm_core.composing.remaking import staying, with_staying
from lstm_core.composing.rules import part_request, plan_request
from lstm_core.composing.take import Take
from lstm_core.composing.voices import at_most_together, ended_by, with_chord_held
from lstm_core.composing.writing_order import in_order, in_plan_order, writing_order
from lstm_core.engine.engine import Engine, Generated
from lstm_core.model.composer_checkpoint import ComposerCheckpoint
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import NoteArray
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.cue import cue_of
from lstm_core.representations.parts.events import read_parts
from lstm_core.representations.plan.events import bars_of, read_plan
from lstm_core.representations.plan.layout import Ints


class Composer:
    """A planner and an arranger."""

    def __init__(self, checkpoint: ComposerCheckpoint, *, arithmetic: str = "auto", device: str = "cpu") -> None:
        self.facts = checkpoint.facts
        self.planner = Engine(checkpoint.planner, arithmetic=arithmetic, device=device)
        self.arranger = Engine(checkpoint.arranger, arithmetic=arithmetic, device=device)

    def play(self, attempts: Sequence[tuple[PlannedTrack, int]]) -> Iterator[Take]:
        """A take for each attempt at a track, as soon as it is finished."""
        facts = self.facts
        stays = [staying(track) or led(track) for track, _ in attempts]
        open_plans = [number for number, one in enumerate(stays) if one is None]
        requested = [plan_request(*attempts[number], facts) for number in open_plans]
        planned: dict[int, Generated] = {
            open_plans[made.number]: made for made in (self.planner.generate(requested) if requested else ())
        }
        requests = []
        for number, (given, attempt) in enumerate(attempts):
            if number in planned:
                drawn = with_tune_in_plan(read_plan(planned[number].events, *_bars(given.plan)), given)
                stays[number] = with_melody(drawn, given)
            stay = stays[number]
            requests.append(part_request(given, attempt, drawn if stay is None else stay.plan, facts, stay))
        orders = [writing_order(request.plan, request.rules.locked) for request in requests]
        written = [in_order(request, order) for request, order in zip(requests, orders, strict=True)]
        for made in self.arranger.generate(written):
            track, plan = attempts[made.number][0].plan, requests[made.number].plan
            order, tune = attempts[made.number][0].order, attempts[made.number][0].tune
            shifts = shifts_of_bars(order, track)
            notes = read_parts(made.events, written[made.number].plan, -shifts)
            notes = _within(in_plan_order(notes, orders[made.number]), track)
            notes = ended_at_borders(notes, shifts, np.cumsum(plan.bar_ticks))
            if cue_of(order.form):
                notes = with_chord_held(notes, track)
            if tune is not None:
                notes = with_tune(notes, attempts[made.number][0], tune, plan)
            else:  # nothing of an intro sounds on into the loop, a primer's last notes neither
                notes = ended_by(notes, track.tick_of(order.loop_start))
            if tune is None and not order.primer:  # copied bars may meet more parts than their sources
                notes = at_most_together(notes, order.polyphony, plan.roles)
            notes = with_energy(notes, asked_energy(order, track.num_bars), track)
            notes = with_loudness(notes, step_loudness(attempts[made.number][0]), track)
            stay = stays[made.number]
            if stay is not None:
                notes = with_staying(notes, stay, order.polyphony)
            count = len(made.events) + (len(planned[made.number].events) if made.number in planned else 0)
            shift = shifts if track.section_keys else home_shift(track.key)
            yield Take(number=made.number, plan=plan, shift=shift, notes=notes, num_events=count)


def with_energy(notes: NoteArray, energy: Floats | None, plan: TrackPlan) -> NoteArray:
    """The notes louder and softer by the energy that is asked of their bars, float64 [N]; as they are for None.

    The mean velocity of a bar becomes what velocity_of says; within a bar and between parts all stays.
    """
    return with_loudness(notes, None if energy is None else velocity_of(energy), plan)


def with_loudness(notes: NoteArray, wanted: Floats | None, plan: TrackPlan) -> NoteArray:
    """The notes with the mean velocity in each bar that is wanted, float64 [N]; as they are for None."""
    if wanted is None or len(notes) == 0:
        return notes
    bar = plan.bars_at(notes["onset"])
    counts = np.maximum(np.bincount(bar, minlength=plan.num_bars), 1)
    mean = np.bincount(bar, weights=notes["velocity"], minlength=plan.num_bars) / counts
    moved = notes.copy()
    moved["velocity"] = np.clip(np.rint(notes["velocity"] + (wanted - mean)[bar]), 8, 127)
    return moved


def _bars(plan: TrackPlan) -> tuple[Ints, Ints]:
    return bars_of(plan.meters, plan.num_bars)


def _within(notes: NoteArray, plan: TrackPlan) -> NoteArray:
    """The notes shortened to where they may end: with the bars, or at the last chord, which has an end of its own."""
    end = plan.total_ticks
    stop = np.full(len(notes), end, dtype=np.int64)
    if plan.final_bar is not None:
        final = plan.tick_of(plan.final_bar)
        stop = np.where(notes["onset"] < final, final, final + plan.final_hold_ticks)
    shortened = notes.copy()
    shortened["duration"] = np.maximum(np.minimum(notes["duration"], stop - notes["onset"]), 1)
    return shortened
