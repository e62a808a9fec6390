"""What workers report while they work arrives where operators look: the node's metrics, the workers' logs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from jobs.runtime.work_log import count, log_unit, observe


def _work(number: int) -> int:
    count("tonemill_tracks_total", 3, run="of this test")
    observe("tonemill_step_seconds", 0.05, run="of this test")
    log_unit("track", run="of this test", track_id=f"näme-{number}", is_passed=True)
    return number


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_counters_and_lines_arrive() -> None:
    import ray

    assert ray.get([ray.remote(num_cpus=1)(_work).remote(number) for number in range(2)]) == [0, 1]
    url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
    stop = time.monotonic() + 60
    while True:
        page = urllib.request.urlopen(url, timeout=10).read().decode()
        lines = [line for line in page.splitlines() if 'run="of this test"' in line]
        total = sum(float(line.split()[-1]) for line in lines if line.startswith("ray_tonemill_tracks_total{"))
        if total == 6.0 and any(line.startswith("ray_tonemill_step_seconds_bucket{") for line in lines):
            break
        assert time.monotonic() < stop, lines
        time.sleep(0.5)
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())
    written = [line for path in folder.glob("worker-*.out") for line in path.read_text().splitlines()]
    units = [json.loads(line) for line in written if line.startswith('{"tonemill"') and "of this test" in line]
    assert sorted(unit["track_id"] for unit in units) == ["näme-0", "näme-1"]
    assert all(unit["tonemill"] == "track" and unit["is_passed"] for unit in units)


def test_outside_of_ray_nothing_happens() -> None:

    code = "from tests.jobs.runtime.test_work_log import _work; import sys; print(_work(1), 'ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"
