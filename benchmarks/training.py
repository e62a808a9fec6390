"""The cost of training: python -m benchmarks.training [BLOCKS] [--steps N] [--nodes]

train_vs_bare       events/s of Ray Train with one worker, against the same loop in a process without Ray
train_scaling_2     events/s of two workers with one thread each, against one worker with one thread; both share the 64
                    lanes of a batch. Beside it what two processes that share nothing, each with 32 lanes and a core
                    of its own, do at once against one with 64: more than that two workers cannot
train_scaling_2_cpu     the same by processor time per step instead of the clock, for machines that others use too: what
                    would be if no worker ever waited. `sync` is how long the first worker waits at the median step
train_scaling_2_nodes   the same with the two workers on two nodes of a cluster (of this machine), with --nodes
train_events_per_s  events/s of two workers, with the share of the bf16 matrix peak measured in the same run

Every run is a fresh process with the default arranger, which takes most of the training of a composer; rates are read
from the rows of its metrics.jsonl, after the first steps and before the last validation, so that starting up and ending
are left out. Runs alternate, since other work comes and goes. Without BLOCKS the corpus is made from seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.prepare import make_corpus
from benchmarks.report import print_metric
from jobs.prepare.run import run_prepare
from jobs.train.run import train_recipe
from jobs.train.workers import WORKER_ENVIRONMENT
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.model.checkpoint import load_checkpoint
from lstm_core.model.music_lstm import MusicLSTM
from lstm_core.representations.parts.parts import PARTS
from lstm_core.training.metrics import Row, read_metrics
from tests.ray_nodes import ray_nodes_running

WARM_UP_STEPS = 6
TARGET_VS_BARE, TARGET_SCALING = 0.95, 1.8
_BARE = """
import json, os, sys
from jobs.train.run import train_recipe
from lstm_core.training.run import run_training
blocks, run, settings, *cores = sys.argv[1:]
if cores:
    os.sched_setaffinity(0, {int(core) for core in cores})
run_training(blocks, run, train_recipe(run, None, json.loads(settings), is_resumed=False))
"""
SETTINGS = {
    "representation": PARTS.name,  # where the time of a composer's training goes
    "device": "cpu",
    "valid_every": 10**9,
    "valid_events": 1,
    "threads_per_worker": 1,
    "checkpoint_every_s": 1e9,
}


def bare_runs(
    blocks: Path, runs: Sequence[Path], num_steps: int, num_lanes: int, cores: Sequence[int] | None = None
) -> None:
    """The loop in separate processes, all at once, with the environment of a Ray worker; each on a core of `cores`."""
    environment = os.environ | WORKER_ENVIRONMENT
    settings = json.dumps({**SETTINGS, "steps": num_steps, "train.num_lanes": num_lanes})
    commands = [[sys.executable, "-c", _BARE, str(blocks), str(run), settings] for run in runs]
    for command, core in zip(commands, cores or [], strict=cores is not None):
        command.append(str(core))
    processes = [subprocess.Popen(command, env=environment) for command in commands]
    if any([process.wait() for process in processes]):
        raise RuntimeError("a bare loop failed")


def ray_run(blocks: Path, run: Path, num_steps: int, num_workers: int, cluster: dict[str, str] | None = None) -> None:
    """The same through `tonemill train`, in a local Ray or on a cluster."""
    command = [sys.executable, "-m", "jobs.command_line.main", "train", str(blocks), str(run)]
    command += ["--steps", str(num_steps), "--workers", str(num_workers)]
    for name, value in SETTINGS.items():
        command += ["--set", f"{name}={value}"]
    # Ray gives its workers the lowest but four of priorities; other programs of this machine are not to be measured.
    environment = os.environ | {"RAY_worker_niceness": "0"} | (cluster or {})
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def nodes_run(blocks: Path, run: Path, num_steps: int) -> None:
    """The same with a worker on each of two nodes."""
    with ray_nodes_running() as nodes:
        for _ in range(2):
            nodes.add(num_cpus=1)
        ray_run(blocks, run, num_steps, 2, nodes.settings())


def one_round(blocks: Path, folder: Path, num_steps: int, num_lanes: int, with_nodes: bool) -> dict[str, list[Path]]:
    """Every kind of run once, one kind after the other; the folders of each, of which "apart" has two."""
    kinds = ("bare", "ray_1", "ray_2", "apart-left", "apart-right", "nodes_2")
    bare, ray_1, ray_2, left, right, nodes_2 = (folder / kind for kind in kinds)
    bare_runs(blocks, [bare], num_steps, num_lanes)
    ray_run(blocks, ray_1, num_steps, 1)
    ray_run(blocks, ray_2, num_steps, 2)
    bare_runs(blocks, [left, right], num_steps, num_lanes // 2, cores=sorted(os.sched_getaffinity(0))[:2])
    runs = {"bare": [bare], "ray_1": [ray_1], "ray_2": [ray_2], "apart": [left, right]}
    if with_nodes:
        nodes_run(blocks, nodes_2, num_steps)
        runs["nodes_2"] = [nodes_2]
    return runs


def median_of(figure: Callable[[Path], float], kind: str, rounds: Sequence[dict[str, list[Path]]]) -> float:
    """The median over the rounds of a figure of the runs of a kind, the mean where there are two at once."""
    return statistics.median(statistics.mean(figure(run) for run in runs[kind]) for runs in rounds)


def steps_per_s(run: Path) -> float:
    """Rate of a run after its first steps."""
    rows = steady_rows(run)
    return (len(rows) - 1) / (rows[-1]["time_s"] - rows[0]["time_s"])


def cpu_per_step(run: Path) -> float:
    """Processor seconds of the first worker for one step: the median of those after the first steps.

    The median leaves out the few in which the thread that stores is at work.
    """
    return statistics.median(after["cpu_s"] - row["cpu_s"] for row, after in pairwise(steady_rows(run)))


def sync_per_step(run: Path) -> float:
    """Seconds that the first worker waits for the others and the sum of gradients, at the median step."""
    return statistics.median(row["sync_s"] for row in steady_rows(run)[1:])


def events_per_step(run: Path) -> float:
    """Mean number of events that the batches of a run hold after its first steps."""
    return statistics.mean(row["num_events"] for row in steady_rows(run)[1:])


def steady_rows(run: Path) -> list[Row]:
    """The rows of the steps of a run, but the first ones."""
    return [row for row in read_metrics(run) if row["kind"] == "train"][WARM_UP_STEPS:]


def matrix_peak_flops(num_threads: int) -> float:
    """Operations per second of a large bf16 matrix product, the best of several."""
    torch.set_num_threads(num_threads)
    left, right = (torch.randn(4096, 4096, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - start)
    return 2 * 4096**3 / min(times)


def flops_per_event(model: MusicLSTM) -> float:
    """Operations of forward and backward pass: 6 for each weight of a matrix product (2 forward, 4 backward)."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embedding" not in name]
    tables = [p for name, p in model.named_parameters() if "chains" in name or "onset_embeddings" in name]
    return 6.0 * (sum(p.numel() for p in matrices) - sum(p.numel() for p in tables))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--nodes", action="store_true", help="two workers on two nodes as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, blocks = Path(name), arguments.blocks
        if blocks is None:
            make_corpus(folder / "corpus", 0, 150)
            blocks = folder / "blocks"
            run_prepare(str(folder / "corpus"), str(blocks), num_workers=1)
        recipe = train_recipe("", None, SETTINGS, is_resumed=False)
        rounds = []
        for number in range(arguments.rounds):
            runs = one_round(blocks, folder / str(number), arguments.steps, recipe.train.num_lanes, arguments.nodes)
            rounds.append(runs)
        # Steps are what takes time; how full the windows of 32 lanes are is another matter than for all 64.
        first = rounds[0]["bare"][0]
        num_events = events_per_step(first)
        rates = {kind: num_events * median_of(steps_per_s, kind, rounds) for kind in rounds[0]}
        cpu_s = {kind: median_of(cpu_per_step, kind, rounds) for kind in rounds[0]}
        sync_s = median_of(sync_per_step, "ray_2", rounds)
        model = load_checkpoint(first / "checkpoint").model
        peak = matrix_peak_flops(2)
        num_pieces = open_blocks(blocks, representation=PARTS).num_pieces("train")
    bare, one, two, apart = (rates[kind] for kind in ("bare", "ray_1", "ray_2", "apart"))
    facts = {"steps": arguments.steps, "rounds": arguments.rounds, "pieces": num_pieces}
    facts |= {"lanes": recipe.train.num_lanes, "window": recipe.train.window}
    print_metric("train_vs_bare", one / bare, "share", against={"target": TARGET_VS_BARE}, bare=bare, ray=one, **facts)
    against = {"target": TARGET_SCALING, "two_apart": apart / bare}
    print_metric("train_scaling_2", two / one, "times", against=against, one=one, two=two, apart=apart, **facts)
    step_ms = {f"{kind}_ms": round(1e3 * seconds, 1) for kind, seconds in cpu_s.items()}
    against = {"two_apart": cpu_s["bare"] / cpu_s["apart"]}
    of_cpu = cpu_s["ray_1"] / cpu_s["ray_2"]
    print_metric(
        "train_scaling_2_cpu", of_cpu, "times", against=against, sync_ms=round(1e3 * sync_s, 1), **step_ms, **facts
    )
    if nodes := rates.get("nodes_2"):
        against = {"target": TARGET_SCALING}
        print_metric("train_scaling_2_nodes", nodes / one, "times", against=against, one=one, two=nodes, **facts)
    limit = {"bf16_peak": peak / flops_per_event(model)}
    print_metric("train_events_per_s", two, "events/s", against=limit, threads=2, **facts)


if __name__ == "__main__":
    main()
