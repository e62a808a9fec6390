"""Seconds from `tonemill generate` of an order of one track of 30 s to its end, and where they go.

    python -m benchmarks.first_track [--runs 3] [--cold] [--ray]

`first_track_s` is wall time of the whole command in a process of its own, the least of the runs; `cpu_s` is the
processor time of that run with all processes that it started, which says more where other work is on the machine.
`--cold` gives each run an empty folder for compiled code, as on a new installation; `--ray` asks for one worker, so
that Ray is started. `parts` are seconds of processor time within a further run of the same in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import print_metric

ORDER = """
name = "one"
seed = 7
[track]
style = "game"
duration_s = 30
key = "D minor"
bpm = 120
instruments = ["strings*2", "bass"]
"""
TARGETS = {False: 6.0, True: 20.0}  # seconds, by whether nothing is compiled yet
_PARTS = """
import json, sys, time
seconds = {}
def stage(name, work):
    start = time.process_time()
    result = work()
    seconds[name] = round(time.process_time() - start, 2)
    return result
seconds["interpreter"] = round(time.process_time(), 2)
stage("import torch", lambda: __import__("torch"))
stage("import numba", lambda: __import__("numba"))
stage("other imports", lambda: __import__("jobs.generate.run"))
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import run_generate
from jobs.runtime.one_thread import one_thread
from lstm_core.composing.players import load_playable, load_training_runs, open_player
from lstm_core.orders.order_file import read_order
with one_thread():
    order = stage("order", lambda: read_order(sys.argv[1]))
    checkpoint = stage("checkpoint", lambda: load_playable("base"))
    stage("originality index", lambda: load_training_runs("base", checkpoint))
    player = stage("engine packing", lambda: open_player(checkpoint))
    stage("notes, compiled code loaded", lambda: list(player.play([(order.planned[0], 0)])))
stage("all again, and audio, and its compiled code", lambda: run_generate("base", order, sys.argv[2], GenerateRecipe(),
      is_here=True))
stage("all but imports once more", lambda: run_generate("base", order, sys.argv[2] + "2", GenerateRecipe(),
      is_here=True))
print(json.dumps(seconds))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--ray", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "order.toml").write_text(ORDER)
        if not arguments.cold:
            _run(folder, "warm-up", arguments.ray, cold=False)
        runs = [_run(folder, str(number), arguments.ray, cold=arguments.cold) for number in range(arguments.runs)]
        parts = {} if arguments.cold or arguments.ray else {"parts": _parts(folder)}
    wall_s, cpu_s = min(runs)
    print_metric(
        "first_track_s",
        wall_s,
        "s",
        against={"target": TARGETS[arguments.cold]},
        cpu_s=round(cpu_s, 2),
        least_cpu_s=round(min(cpu for _, cpu in runs), 2),
        runs=[round(wall, 2) for wall, _ in runs],
        is_cold=arguments.cold,
        with_ray=arguments.ray,
        **parts,
    )


def _run(folder: Path, name: str, with_ray: bool, *, cold: bool) -> tuple[float, float]:
    """Wall time and processor time of one run of the command."""
    options = ["--workers", "1"] if with_ray else []
    command = [sys.executable, "-m", "jobs.command_line.main", "generate", "base", str(folder / "order.toml")]
    own = {"NUMBA_CACHE_DIR": str(folder / f"compiled-{name}")} if cold else {}
    before, start = _children_s(), time.perf_counter()
    subprocess.run([*command, str(folder / name), *options], env=os.environ | own, check=True, capture_output=True)
    return time.perf_counter() - start, _children_s() - before


def _children_s() -> float:
    """Processor time of processes that have ended, and theirs; what Ray leaves to the system is not among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _parts(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-c", _PARTS, str(folder / "order.toml"), str(folder / "parts")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    parts: dict[str, float] = json.loads(done.stdout)
    return parts


if __name__ == "__main__":
    main()
