"""The generation engine in integers against the limit of the core, against floats and against torch.

    python -m benchmarks.engine [--seconds 20] [--blocks BLOCKS [--float-checkpoint OLD]]

One thread, orders of 60 s with six instruments, the models of a composer. What is compared takes turns, ROUNDS of them,
in processor time; of each the best turn counts. `engine_events_per_s` counts whole events of the arranger: recurrent
step, all heads, masks, sampling, continuous refill; `engine_planner_events_per_s` those of the planner.
`engine_notes_per_s` is what leaves both: notes of finished takes by the time of plans and parts, the last of them in
narrow batches. The others:

    engine_int8_vs_bf16         integers against bfloat16. ONEDNN_MAX_CPU_ISA=AVX2 in the environment stands for a
                                processor without instructions for either
    engine_float32_events_per_s the engine with float32 products
    engine_int8_peak_share      products of bytes of the arranger's events, fine weights of logits among them, against
                                the best rate of a large square product of bytes on the same thread
    engine_vs_nn_lstm           against torch.nn.LSTM one step at a time, see engine_peers.py
    engine_vs_reread            at batch 1, against a window read anew for each event
    engine_int8_width_N_events_per_s   batches of N rows, from which WIDTHS of the engine is chosen
    engine_int8_nll_LEVEL       what integers lose on validation pieces of BLOCKS, see integer_nll.py
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.engine_peers import reread_rate, stepping_rate
from benchmarks.integer_nll import print_nll
from benchmarks.report import print_metric
from lstm_core.composing.composer import Composer
from lstm_core.composing.rules import part_request, plan_request
from lstm_core.engine.engine import WIDTHS, Batch, Engine
from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.engine.plans.plan_chooser import PlanRequest
from lstm_core.model.checkpoint import CheckpointFacts, find_checkpoint
from lstm_core.model.composer_checkpoint import ComposerCheckpoint, load_composer
from lstm_core.model.integers.weights import IntegerWeights
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.plan.events import bars_of, read_plan

ROUNDS = 3
MEASURED_WIDTHS = (1, 4, 16, 32, 64, 256)
ISA = "ONEDNN_MAX_CPU_ISA"  # the environment's limit of the instructions that torch's products use
INT8_VS_BF16 = {"AVX2": 4.0}  # targets by that limit; without it BEST_VS_BF16
BEST_VS_BF16 = 1.6

Rate = Callable[[float], float]  # events per second, measured for so many seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement, about")
    parser.add_argument("--blocks", default="", help="whose validation pieces show what integers lose")
    parser.add_argument("--float-checkpoint", default="", help="with the weights before they became integers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_composer(find_checkpoint(arguments.checkpoint))
    print_rates(checkpoint, arguments.seconds)
    if not arguments.blocks:
        print("engine_int8_nll is left out: it needs --blocks", file=sys.stderr)
        return
    before = load_composer(find_checkpoint(arguments.float_checkpoint)) if arguments.float_checkpoint else checkpoint
    print_nll(checkpoint, before, arguments.blocks)


def print_rates(checkpoint: ComposerCheckpoint, seconds: float) -> None:
    """Prints how fast the levels of a composer are played."""
    batch, model = WIDTHS[-1], checkpoint.arranger.model
    tracks = orders_of(checkpoint.facts.styles, batch)
    planner, arranger = Engine(checkpoint.planner), Engine(checkpoint.arranger)
    plans = [plan_request(track, 0, checkpoint.facts) for track in tracks]
    parts = part_requests(tracks, plans, planner, checkpoint.facts)
    peers = [Engine(checkpoint.arranger, arithmetic=arithmetic) for arithmetic in ("bf16", "float32")]
    players = [Player(engine, parts, batch) for engine in (arranger, *peers)]
    rate, bf16, float32, peer = best_rates([*players, lambda s: stepping_rate(model, batch, s)], seconds)
    facts = {"batch": batch, "arithmetic": arranger.arithmetic, "instructions": os.environ.get(ISA, "all")}
    print_metric("engine_events_per_s", rate, "events/s", against={"target": 20_000.0}, **facts)
    target = INT8_VS_BF16.get(os.environ.get(ISA, ""), BEST_VS_BF16)
    print_metric(
        "engine_int8_vs_bf16", rate / bf16, "ratio", against={"target": target}, bf16_events_per_s=round(bf16), **facts
    )
    print_metric("engine_float32_events_per_s", float32, "events/s", against={"int8": rate})
    against = {"target": 4.5}
    print_metric("engine_vs_nn_lstm", rate / peer, "ratio", against=against, nn_lstm_events_per_s=round(peer))
    operations, peak = operations_per_event(arranger.checkpoint.integers), byte_peak()
    work = {"mop_per_event": round(operations / 1e6, 2), "peak_gop_per_s": round(peak / 1e9, 1)}
    print_metric("engine_int8_peak_share", rate * operations / peak, "share", against={"target": 0.6}, **work)
    (of_plans,) = best_rates([Player(planner, plans, batch)], seconds / 2)
    print_metric("engine_planner_events_per_s", of_plans, "events/s", batch=batch)
    notes, num_events, taken_s = delivered(Composer(checkpoint), tracks)
    made = {"tracks": len(tracks), "notes": notes, "events_per_s": round(num_events / taken_s, 1)}
    print_metric("engine_notes_per_s", notes / taken_s, "notes/s", **made)
    single, reread = best_rates([Player(arranger, parts, 1), lambda s: reread_rate(model, s)], seconds / 2)
    ours = {"engine_batch_1_events_per_s": round(single, 1), "reread_events_per_s": round(reread, 2)}
    print_metric("engine_vs_reread", single / reread, "ratio", against={"target": 60.0}, **ours)
    of_widths = best_rates([Player(arranger, parts, width) for width in MEASURED_WIDTHS], seconds / 4)
    for width, of_width in zip(MEASURED_WIDTHS, of_widths, strict=True):
        step_ms = round(1e3 * width / of_width, 4)
        print_metric(f"engine_int8_width_{width}_events_per_s", of_width, "events/s", step_ms=step_ms)


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


class Player:
    """Plays requests by an engine in a batch whose rows are all busy. They come again as often as it takes."""

    def __init__(self, engine: Engine, requests: Sequence[Any], width: int) -> None:
        self.engine, self.width = engine, width
        self.requests = [*requests] * math.ceil(3 * width / len(requests))  # as many again wait twice
        self.batch = self._opened()
        self.batch.play()  # compiles what is not compiled yet

    def __call__(self, seconds: float) -> float:
        """Events per second of so much processor time of this thread."""
        events, start = 0, time.thread_time()
        while (now := time.thread_time()) < start + seconds:
            if self.batch.is_draining:
                self.batch = self._opened()
            self.batch.play()
            events += self.batch.num_busy
        return events / (now - start)

    def _opened(self) -> Batch:
        return self.engine.open_batch(self.requests, width=self.width)


def best_rates(rates: Sequence[Rate], seconds: float) -> list[float]:
    """The best rate of each in ROUNDS turns; its turns take `seconds` together."""
    found = [[rate(seconds / ROUNDS) for rate in rates] for _ in range(ROUNDS)]
    return [max(turns) for turns in zip(*found, strict=True)]


def delivered(composer: Composer, tracks: Sequence[PlannedTrack]) -> tuple[int, int, float]:
    """Notes of the takes of all tracks, events that it took, and seconds of processor time."""
    start, notes, events = time.thread_time(), 0, 0
    for take in composer.play([(track, 0) for track in tracks]):
        notes += len(take.notes)
        events += take.num_events
    return notes, events, time.thread_time() - start


def operations_per_event(integers: IntegerWeights | None) -> float:
    """Operations of the products of bytes of one event: two for each weight."""
    assert integers is not None
    products = (*integers.layers, integers.heads, *integers.outputs)
    return 2.0 * sum(one.weight.size + (0 if one.fine is None else one.fine.size) for one in products)


def byte_peak(size: int = 2048, seconds: float = 3.0) -> float:
    """Best rate of a square product of bytes on this thread, in operations per second."""
    a, b = (torch.randint(-63, 64, (size, size), dtype=torch.int8) for _ in range(2))
    best, stop = float("inf"), time.thread_time() + seconds
    while time.thread_time() < stop:
        start = time.thread_time()
        torch._int_mm(a, b.t())
        best = min(best, time.thread_time() - start)
    return 2.0 * size**3 / best


if __name__ == "__main__":
    main()
