"""What `tonemill generate` through Ray costs beyond the stages alone: processor time, wall time and memory.

    python -m benchmarks.ray_share [--tracks 300] [--seconds 60] [--workers 1] [--memory-tracks 2000]

The same order twice: in one process without Ray, and with Ray. `ray_share` is the processor time of all processes of
the run with Ray, their start included, by that of the run in one process, less one; `without_start` leaves out what
starting Ray and its workers takes, by a run of four tracks. `ray_share_wall` compares wall time by core, which is of
use on a quiet machine alone. The catalogues must be equal, byte by byte. With --memory-tracks the memory of the driver
and of the largest worker is given after a tenth of so many tracks of 5 s and after all.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import print_metric
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.run import run_generate
from lstm_core.orders.order_file import Order, expand_order

TARGET = 0.10
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a run took."""

    cpu_s: float  # of this process and all below it
    wall_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--memory-tracks", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.tracks:
        report_share(arguments.tracks, arguments.seconds, arguments.workers)
    if arguments.memory_tracks:
        report_memory(arguments.memory_tracks, arguments.workers)


def report_share(num_tracks: int, duration_s: float, num_workers: int) -> None:
    """Prints what Ray costs for so many tracks."""
    order, few = order_of(num_tracks, duration_s, seed=2), order_of(4, 6.0, seed=1)
    num_cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generated(few, folder / "warm-up")
        alone = cost_of(lambda: generated(order, folder / "alone"))
        start = cost_of(lambda: generated(few, folder / "few", num_workers=num_workers))
        ray = cost_of(lambda: generated(order, folder / "ray", num_workers=num_workers))
        assert contents(folder / "alone") == contents(folder / "ray"), "Ray made other bytes"
    print_metric(
        "ray_share",
        ray.cpu_s / alone.cpu_s - 1,
        "of the processor time of the stages",
        against={"target": TARGET},
        without_start=round((ray.cpu_s - start.cpu_s) / alone.cpu_s - 1, 3),
        tracks=num_tracks,
        workers=num_workers,
        alone_cpu_s=round(alone.cpu_s, 1),
        ray_cpu_s=round(ray.cpu_s, 1),
        start_cpu_s=round(start.cpu_s, 1),
    )
    print_metric(
        "ray_share_wall",
        ray.wall_s * num_cores / alone.wall_s - 1,
        "of the wall time of the stages on one core",
        against={"target": TARGET},
        without_start=round((ray.wall_s - start.wall_s) * num_cores / alone.wall_s - 1, 3),
        cores=num_cores,
        alone_s=round(alone.wall_s, 1),
        ray_s=round(ray.wall_s, 1),
        start_s=round(start.wall_s, 1),
    )


def report_memory(num_tracks: int, num_workers: int) -> None:
    """Prints how much the driver and its largest worker grow while tracks are made."""
    order = order_of(num_tracks, 5.0, seed=3)
    with tempfile.TemporaryDirectory() as name, sampled(Path(name) / "tracks") as samples:
        generated(order, Path(name), num_workers=num_workers)
    early = next(sample for sample in samples if sample[0] >= num_tracks // 10)
    late = [sample for sample in samples if sample[2]][-1]  # with workers that still live
    print_metric(
        "generate_driver_growth_mb",
        (late[1] - early[1]) / 2**20,
        "MB",
        driver_mb=round(late[1] / 2**20),
        largest_worker_mb=[round(early[2] / 2**20), round(late[2] / 2**20)],
        driver_peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        tracks=[early[0], late[0]],
    )


def order_of(num_tracks: int, duration_s: float, *, seed: int) -> Order:
    """Tracks such as those of benchmarks.tracks."""
    settings = {
        "duration_s": duration_s,
        "bpm": {"min": 84, "max": 140},
        "style": "game",
        "loop": [True, False],
        "instruments": ["piano", "bass", "guitar", "strings", "lead", "drums"],
    }
    return expand_order({"count": num_tracks, "seed": seed, "track": settings}, default_name="tracks")


def generated(order: Order, catalogue: Path, *, num_workers: int | None = None) -> None:
    """Makes an order, in this process or with a Ray of its own."""
    run_generate("base", order, str(catalogue), GenerateRecipe(), num_workers=num_workers, is_here=num_workers is None)


def cost_of(work: Callable[[], None]) -> Cost:
    """What some work takes, with the processes that it starts; Ray's are looked at before they end."""
    before, start = cpu_s_of(os.getpid()), time.perf_counter()
    most = before
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, cpu_s_of(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return Cost(max(most, cpu_s_of(os.getpid())) - before, time.perf_counter() - start)


def cpu_s_of(pid: int) -> float:
    """Processor time of a process, of those below it, and of those that ended there and were waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
        children = [
            child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except OSError:
        return 0.0
    used = sum(map(int, state.rpartition(")")[2].split()[11:15])) / TICKS  # fields 14 to 17, see proc(5)
    return used + sum(cpu_s_of(int(child)) for child in children)


@contextmanager
def sampled(folder: Path) -> Iterator[list[tuple[int, int, int]]]:
    """Number of tracks in a folder, and bytes of this process and of the largest below it, each second."""
    samples: list[tuple[int, int, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            workers = max(map(memory_of, below(os.getpid())), default=0)
            samples.append((sum(1 for _ in folder.glob("*/track.json")), memory_of(os.getpid()), workers))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()


def below(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in path.read_text().split():
                found += [int(child), *below(int(child))]
        except OSError:
            continue
    return found


def memory_of(pid: int) -> int:
    """Bytes of memory that are a process's own: without files and what is shared."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def contents(catalogue: Path) -> dict[str, str]:
    """sha256 of every file of the tracks of a catalogue."""
    files = [path for path in (catalogue / "tracks").rglob("*") if path.is_file()]
    return {str(path.relative_to(catalogue)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
