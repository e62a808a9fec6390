"""The generation engine against the limit of the core and against torch.

    python -m benchmarks.engine [--seconds 20]

One thread. `engine_events_per_s` counts whole events of real orders (60 s, six instruments): recurrent step, all
heads, masks, sampling, continuous refill. `engine_peak_share` holds the matrix products of these events against the
bfloat16 matrix peak of the same core in the same run. The peers play the same model and heads:

    nn_lstm   torch.nn.LSTM one step at a time at the same batch, float32, the same nucleus drawn with torch;
              no masks and no copies
    reread    the same at batch 1, reading a window of the last 100 events anew for each event

`engine_float32_events_per_s` is the engine with float32 products, for the choice of arithmetic.
"""

from __future__ import annotations

import argparse
import time

import torch

from benchmarks.report import print_metric
from lstm_core.engine.engine import WIDTHS, Engine
from lstm_core.engine.requests import request_of
from lstm_core.model.checkpoint import find_checkpoint, load_checkpoint
from lstm_core.model.music_lstm import Inputs, MusicLSTM
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.orders.planned import PlannedTrack

REREAD_WINDOW = 100
TOP_P = TrackOrder().top_p


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement, about")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(find_checkpoint(arguments.checkpoint))
    batch = WIDTHS[-1]
    flops = flops_per_event(checkpoint.model)
    peak = matrix_peak()
    rate, arithmetic = engine_rate(Engine(checkpoint), batch, arguments.seconds)
    facts = {"batch": batch, "arithmetic": arithmetic, "mflop_per_event": round(flops / 1e6, 2)}
    print_metric("engine_events_per_s", rate, "events/s", against={"target": 20_000.0}, **facts)
    print_metric("engine_peak_share", rate * flops / peak, "share", against={"target": 0.45}, peak_gflops=peak / 1e9)
    plain, _ = engine_rate(Engine(checkpoint, arithmetic="float32"), batch, arguments.seconds / 2)
    print_metric("engine_float32_events_per_s", plain, "events/s", against={"bf16": rate})
    peer = stepping_rate(checkpoint.model, batch, arguments.seconds / 2)
    print_metric("engine_vs_nn_lstm", rate / peer, "ratio", against={"target": 3.0}, nn_lstm_events_per_s=peer)
    single, _ = engine_rate(Engine(checkpoint), 1, arguments.seconds / 2)
    reread = reread_rate(checkpoint.model, arguments.seconds / 2)
    ours = {"engine_batch_1_events_per_s": round(single, 1), "reread_events_per_s": round(reread, 2)}
    print_metric("engine_vs_reread", single / reread, "ratio", against={"target": 50.0}, **ours)


def engine_rate(engine: Engine, num_tracks: int, seconds: float) -> tuple[float, str]:
    """Events per second while every row of the batch is busy; the first tenth of the time warms up."""
    orders = (
        TrackOrder(
            duration_s=60.0,
            bpm=120.0,
            style=engine.checkpoint.facts.styles[number % len(engine.checkpoint.facts.styles)],
            instruments=("piano", "bass", "guitar", "strings", "lead", "drums"),
            seed=number,
        )
        for number in range(num_tracks * (40 if num_tracks > 1 else 400))
    )
    requests = [
        request_of(PlannedTrack(order=order, plan=plan_track(order)), 0, engine.checkpoint.facts) for order in orders
    ]
    batch = engine.open_batch(requests, width=num_tracks)
    batch.play()  # compiles what is not compiled yet
    start, counted, events = time.perf_counter(), None, 0
    while (now := time.perf_counter()) < start + seconds:
        if counted is None and now > start + 0.1 * seconds:
            counted = now
        batch.play()
        if counted is not None:
            events += batch.num_busy
    return events / (time.perf_counter() - (counted or start)), engine.arithmetic


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
