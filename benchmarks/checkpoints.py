"""The cost of a stored state for a training run: python -m benchmarks.checkpoints [BLOCKS] [--cycles N]

train_checkpoint_block   delay of a step by storing a state, against the time of a step
train_checkpoint_share   total time of a state, the work in the background included, against a minute

The default arranger, one process with one thread. A cycle is four steps: after the first a state is requested, the next
two run while it is written, before the last the program waits for it. Medians over all cycles.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.prepare import make_corpus
from benchmarks.report import print_metric
from jobs.prepare.run import run_prepare
from jobs.train.run import train_recipe
from lstm_core.representations.parts.parts import PARTS
from lstm_core.training.run_result import RunSignal
from lstm_core.training.training_run import TrainingRun

WARM_UP_STEPS = 4
TARGET_BLOCK, TARGET_SHARE, MINUTE_S = 0.05, 0.02, 60.0
FOR_EVER = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", type=Path, nargs="?")
    parser.add_argument("--cycles", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, blocks = Path(name), arguments.blocks
        if blocks is None:
            make_corpus(folder / "corpus", 0, 150)
            blocks = folder / "blocks"
            run_prepare(str(folder / "corpus"), str(blocks), num_workers=1)
        settings = {
            "representation": PARTS.name,
            "device": "cpu",
            "steps": FOR_EVER,
            "valid_every": FOR_EVER,
            "valid_events": 1,
            "threads_per_worker": 1,
            "checkpoint_every_s": FOR_EVER,
        }
        recipe = train_recipe(str(folder / "run"), None, settings, is_resumed=False)
        run = TrainingRun(blocks, folder / "run", recipe, versions={})
        for _ in range(WARM_UP_STEPS):
            run.advance()
        cycles = [_cycle(run) for _ in range(arguments.cycles)]
    block_s, beside_s, step_s = (statistics.median(values) for values in zip(*cycles, strict=True))
    facts = {"cycles": arguments.cycles, "step_s": round(step_s, 4)}
    print_metric("train_checkpoint_block", block_s / step_s, "share", against={"limit": TARGET_BLOCK}, **facts)
    cost_s = block_s + beside_s - 2 * step_s
    facts["cost_s"] = round(cost_s, 4)
    print_metric("train_checkpoint_share", cost_s / MINUTE_S, "share", against={"limit": TARGET_SHARE}, **facts)


def _cycle(run: TrainingRun) -> tuple[float, float, float]:
    """Seconds of delay by a state, of the two steps beside its writing, and of one step without it."""
    run.advance()
    times = [time.perf_counter()]
    run.save(RunSignal.SAVE)
    times.append(time.perf_counter())
    run.advance()
    run.advance()
    times.append(time.perf_counter())
    run.writer.wait()
    times.append(time.perf_counter())
    run.advance()
    times.append(time.perf_counter())
    return times[1] - times[0], times[2] - times[1], times[4] - times[3]


if __name__ == "__main__":
    main()
