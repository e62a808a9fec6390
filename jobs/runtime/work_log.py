"""What an operator sees of a job while it runs: a line of JSON for each unit of work, and counters for Prometheus.

The lines go to standard output of the worker, which Ray keeps in the log folder of its node (worker-*.out) and a
cluster's log collector picks up from there. The counters go through Ray's metrics agent, which prefixes their names
with `ray_`; k8s/ has the dashboards that show them. Outside of Ray both do nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs.runtime.local_ray import is_ray_connected

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Histogram

COUNTERS = {
    "tonemill_events_total": "events that the engine generated",
    "tonemill_tracks_total": "tracks committed to a catalogue",
    "tonemill_audio_seconds_total": "seconds of audio committed to a catalogue, or transcribed from recordings",
    "tonemill_gate_failures_total": "attempts at tracks that a gate held back, by gate",
    "tonemill_recordings_total": "recordings and scores that became pieces",
    "tonemill_rejects_total": "recordings and scores that were rejected, by reason",
    "tonemill_restarts_total": "restarts of a run's group of workers",
}
HISTOGRAMS = {
    "tonemill_step_seconds": "seconds that a step of training took",
    "tonemill_data_wait_seconds": "seconds that a step of training waited for its batch",
}
_BOUNDARIES_S = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


def log_unit(unit: str, **facts: Any) -> None:
    """Writes the line of a unit of work that is done: what it was, when it ended (UTC), and the facts given."""
    if is_ray_connected():
        line = {
            "tonemill": unit,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "pid": os.getpid(),
            **facts,
        }
        print(json.dumps(line, ensure_ascii=False), file=sys.stdout, flush=True)


def count(name: str, value: float = 1.0, *, run: str = "", **labels: str) -> None:
    """Adds to one of COUNTERS. `run` names the order, the run or the blocks that the work is for.

    `labels` must be the same names at every use of a counter: `gate` for gate failures, `reason` for rejects.
    """
    if value > 0 and is_ray_connected():
        _counter(name, tuple(labels)).inc(value, tags={"run": run, **labels})


def observe(name: str, seconds: float, *, run: str = "") -> None:
    """Adds a value to one of HISTOGRAMS."""
    if is_ray_connected():
        _histogram(name).observe(seconds, tags={"run": run})


@cache
def _counter(name: str, labels: tuple[str, ...]) -> Counter:
    from ray.util.metrics import Counter

    return Counter(name, description=COUNTERS[name], tag_keys=("run", *labels))


@cache
def _histogram(name: str) -> Histogram:
    from ray.util.metrics import Histogram

    return Histogram(name, description=HISTOGRAMS[name], boundaries=_BOUNDARIES_S, tag_keys=("run",))
