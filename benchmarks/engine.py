"""The generation engine against the limit of the core and against torch.

    python -m benchmarks.engine [--seconds 20]

One thread, orders of 60 s with six instruments, the models of a composer. `engine_events_per_s` counts whole events of
the arranger: recurrent step, all heads, masks, sampling, continuous refill; `engine_planner_events_per_s` those of the
planner. `engine_notes_per_s` is what leaves both: notes of finished takes by the time of plans and parts, the last of
them in narrow batches. `engine_peak_share` holds the matrix products of the arranger's events against the bfloat16
matrix peak of the same core in the same run. The peers play the arranger's model and heads:

    nn_lstm   torch.nn.LSTM one step at a time at the same batch, float32, the same nucleus drawn with torch;
              no masks and no copies
    reread    the same at batch 1, reading a window of the last 100 events anew for each event

`engine_float32_events_per_s` is the engine with float32 products, for the choice of arithmetic.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.report import print_metric
from lstm_core.composing.composer import Composer
from lstm_core.composing.rules import part_request, plan_request
from lstm_core.engine.engine import WIDTHS, Batch, Engine
from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.engine.plans.plan_chooser import PlanRequest
from lstm_core.model.checkpoint import CheckpointFacts, find_checkpoint
from lstm_core.model.composer_checkpoint import load_composer
from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.plan.events import bars_of, read_plan

REREAD_WINDOW = 100
TOP_P = TrackOrder().top_p


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement, about")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_composer(find_checkpoint(arguments.checkpoint))
    batch, seconds, model = WIDTHS[-1], arguments.seconds, checkpoint.arranger.model
    tracks = orders_of(checkpoint.facts.styles, batch)
    planner, arranger = Engine(checkpoint.planner), Engine(checkpoint.arranger)
    plans = [plan_request(track, 0, checkpoint.facts) for track in tracks]
    parts = part_requests(tracks, plans, planner, checkpoint.facts)
    flops, peak = flops_per_event(model), matrix_peak()
    rate = engine_rate(arranger, parts, batch, seconds)
    facts = {"batch": batch, "arithmetic": arranger.arithmetic, "mflop_per_event": round(flops / 1e6, 2)}
    print_metric("engine_events_per_s", rate, "events/s", against={"target": 20_000.0}, **facts)
    print_metric("engine_peak_share", rate * flops / peak, "share", against={"target": 0.45}, peak_gflops=peak / 1e9)
    of_plans = engine_rate(planner, plans, batch, seconds / 2)
    facts["mflop_per_event"] = round(flops_per_event(checkpoint.planner.model) / 1e6, 2)
    print_metric("engine_planner_events_per_s", of_plans, "events/s", **facts)
    notes, num_events, taken_s = delivered(Composer(checkpoint), tracks)
    facts = {"tracks": len(tracks), "notes": notes, "events_per_s": round(num_events / taken_s, 1)}
    print_metric("engine_notes_per_s", notes / taken_s, "notes/s", **facts)
    plain = engine_rate(Engine(checkpoint.arranger, arithmetic="float32"), parts, batch, seconds / 2)
    print_metric("engine_float32_events_per_s", plain, "events/s", against={"bf16": rate})
    peer = stepping_rate(model, batch, seconds / 2)
    print_metric("engine_vs_nn_lstm", rate / peer, "ratio", against={"target": 3.0}, nn_lstm_events_per_s=peer)
    single = engine_rate(arranger, parts, 1, seconds / 2)
    reread = reread_rate(model, seconds / 2)
    ours = {"engine_batch_1_events_per_s": round(single, 1), "reread_events_per_s": round(reread, 2)}
    print_metric("engine_vs_reread", single / reread, "ratio", against={"target": 50.0}, **ours)


def orders_of(styles: Sequence[str], count: int) -> list[PlannedTrack]:
    """Tracks of 60 s with six instruments, of all styles in turn."""
    return [
        admit(
            TrackOrder(
                duration_s=60.0,
                bpm=120.0,
                style=styles[number % len(styles)],
                instruments=("piano", "bass", "guitar", "strings", "lead", "drums"),
                seed=number,
            )
        )
        for number in range(count)
    ]


def part_requests(
    tracks: Sequence[PlannedTrack], plans: Sequence[PlanRequest], planner: Engine, facts: CheckpointFacts
) -> list[PartRequest]:
    """The request for the notes of each track, once the planner has made the plans."""
    made = {one.number: one.events for one in planner.generate(plans)}
    requests = []
    for i, track in enumerate(tracks):
        plan = read_plan(made[i], *bars_of((track.plan.meter,), track.plan.num_bars))
        requests.append(part_request(track, 0, plan, facts))
    return requests


def engine_rate(engine: Engine, requests: Sequence[Any], width: int, seconds: float) -> float:
    """Events per second while every row of the batch is busy; the first tenth of the time warms up.

    The requests come again as often as it takes.
    """
    batch, counted, events = _full_batch(engine, requests, width), None, 0
    batch.play()  # compiles what is not compiled yet
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        if counted is None and now > start + 0.1 * seconds:
            counted = now
        if batch.is_draining:
            batch = _full_batch(engine, requests, width)
        batch.play()
        if counted is not None:
            events += batch.num_busy
    return events / (time.perf_counter() - (counted or start))


def _full_batch(engine: Engine, requests: Sequence[Any], width: int) -> Batch:
    """A batch whose rows are busy with requests, and twice as many that wait."""
    times = math.ceil(3 * width / len(requests))
    return engine.open_batch([*requests] * times, width=width)


def delivered(composer: Composer, tracks: Sequence[PlannedTrack]) -> tuple[int, int, float]:
    """Notes of the takes of all tracks, events that it took, and seconds."""
    start, notes, events = time.perf_counter(), 0, 0
    for take in composer.play([(track, 0) for track in tracks]):
        notes += len(take.notes)
        events += take.num_events
    return notes, events, time.perf_counter() - start


def flops_per_event(model: MusicLSTM) -> float:
    """Floating-point operations of the matrix products of one event: two for each weight of a matrix."""
    matrices = [
        p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith(("lstm", "head", "output"))
    ]
    return 2.0 * sum(p.numel() for p in matrices)


def matrix_peak(size: int = 2048, seconds: float = 3.0) -> float:
    """Best rate of a square bfloat16 product on this thread, in floating-point operations per second."""
    a, b = torch.randn(size, size).bfloat16(), torch.randn(size, size).bfloat16()
    best, stop = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


@torch.inference_mode()
def stepping_rate(model: MusicLSTM, batch: int, seconds: float) -> float:
    """Events per second of torch.nn.LSTM called for one step at a time."""
    state = model.initial_state(batch)
    previous = torch.zeros(batch, 1, len(model.settings.streams), dtype=torch.int64)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        hidden, state = model.hidden(_inputs(model, previous), state)
        previous = _drawn(model, hidden)
        steps += 1
    return steps * batch / (time.perf_counter() - start)


@torch.inference_mode()
def reread_rate(model: MusicLSTM, seconds: float) -> float:
    """Events per second at batch 1 when each reads the last REREAD_WINDOW events from a zero state."""
    window = torch.zeros(1, REREAD_WINDOW, len(model.settings.streams), dtype=torch.int64)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        hidden, _ = model.hidden(_inputs(model, window), model.initial_state(1))
        window = torch.cat([window[:, 1:], _drawn(model, hidden[:, -1:])], dim=1)
        steps += 1
    return steps / (time.perf_counter() - start)


def _inputs(model: MusicLSTM, previous: torch.Tensor) -> Inputs:
    shape, settings = previous.shape[:2], model.settings
    contexts = torch.zeros(*shape, len(settings.contexts), dtype=torch.int64)
    flags = torch.zeros(*shape, settings.num_flags)
    onsets = torch.zeros(*shape, len(settings.onset_contexts), dtype=torch.int64)
    recalled = torch.full((*shape, settings.num_lags, len(settings.streams)), -1)
    return Inputs(previous, previous, contexts, flags, onsets, recalled)


def _drawn(model: MusicLSTM, hidden: torch.Tensor) -> torch.Tensor:
    """An event for each row, head after head, each seeing the values before: int64 [B, 1, K]."""
    head = model.settings.head_size
    seen = list(model.head_hidden(hidden[:, 0]).split(head, dim=-1))
    values = []
    for k, output in enumerate(model.outputs):
        logits = output(torch.nn.functional.silu(seen[k]))[:, : model.settings.streams[k].size]
        shares, order = logits.softmax(-1).sort(-1, descending=True)
        nucleus = shares * (shares.cumsum(-1) - shares < TOP_P)
        values.append(order.gather(-1, torch.multinomial(nucleus, 1))[:, 0])
        if k < len(model.chains):
            rows = model.chains[k](values[-1]).split(head, dim=-1)
            seen[k + 1 :] = [z + row for z, row in zip(seen[k + 1 :], rows, strict=True)]
    return torch.stack(values, dim=-1)[:, None]


if __name__ == "__main__":
    main()
