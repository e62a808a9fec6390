"""Whole tracks, order to catalogue, against real time.

    python -m benchmarks.tracks [--tracks 300]

Tracks of 60 s, stereo, 44.1 kHz, six requested instruments, reverb, mastering, gates, 16-bit FLAC, MIDI and picture, by
`tonemill generate` itself in a local Ray. `tracks_realtime_per_core` is seconds of audio by seconds of wall time and
core, Ray and its start included; the facts give the same without the start, and each stage's share of the
processor time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from benchmarks.report import print_metric
from jobs.generate.run import GenerateRecipe, run_generate
from jobs.runtime.local_ray import ray_running
from lstm_core.orders.order_file import expand_order

DURATION_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--tracks", type=int, default=300)
    arguments = parser.parse_args()
    settings = {
        "duration_s": DURATION_S,
        "bpm": {"min": 84, "max": 140},
        "style": "game",
        "loop": [True, False],
        "instruments": ["piano", "bass", "guitar", "strings", "lead", "drums"],
    }
    warm_up = expand_order({"count": 4, "seed": 1, "track": settings}, default_name="warm-up")
    order = expand_order({"count": arguments.tracks, "seed": 2, "track": settings}, default_name="tracks")
    num_cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        run_generate(arguments.checkpoint, warm_up, folder, GenerateRecipe())  # compiles what is not compiled yet
        start = time.perf_counter()
        with ray_running(num_cpus=num_cores + 1):
            started = time.perf_counter()
            result = run_generate(arguments.checkpoint, order, folder, GenerateRecipe(), num_workers=1)
            end = time.perf_counter()
    audio_s = len(result.records) * DURATION_S
    total = sum(result.seconds.values())
    print_metric(
        "tracks_realtime_per_core",
        audio_s / ((end - start) * num_cores),
        "x real time",
        against={"target": 80.0},
        without_start=round(audio_s / ((end - started) * num_cores), 1),
        tracks=len(result.records),
        failed=len(result.failures),
        cores=num_cores,
        stages_realtime=round(audio_s / total, 1),
        shares={name: round(seconds / total, 3) for name, seconds in sorted(result.seconds.items())},
    )


if __name__ == "__main__":
    main()
