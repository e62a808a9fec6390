"""What the pod of a CronJob runs: it makes the RayJob of one scheduled run.

    python -m cluster.schedules.nightly --template FILE

The RayJob is named from the date, so that a CronJob that fires twice, or is caught up by hand, makes one run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from cluster.errors import ClusterError, ScheduleError
from cluster.kube.api import KubeApi
from cluster.kube.objects import Object
from cluster.kube.resources import Kube
from cluster.schedules.scheduled_runs import logical_date, parse_date, start_scheduled_run, zone_of

JOB_NAME_VARIABLE = "TONEMILL_JOB_NAME"  # of the Job that the CronJob made, from the label of its pod


def main(arguments: list[str] | None = None) -> int:
    """Makes the RayJob; exit code 0, also if it was there, 2 with a message on stderr if it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m cluster.schedules.nightly", description=__doc__)
    parser.add_argument("--template", required=True, help="file of a RayJob with {date} and {yyyymmdd} in its texts")
    parser.add_argument(
        "--date", default="", help="of the scheduled run, as 2026-11-22; default: that of the Job, or today"
    )
    parser.add_argument("--job-name", default=os.environ.get(JOB_NAME_VARIABLE, ""), help="name of the CronJob's Job")
    given = parser.parse_args(arguments)
    try:
        template = read_template(given.template)
        metadata = template["metadata"]
        now = datetime.now(UTC)
        day = parse_date(given.date) if given.date else logical_date(given.job_name, zone_of(template), now)
        kube = Kube(KubeApi.connect(), str(metadata.get("namespace", "tonemill")))
        state, is_new = start_scheduled_run(kube, template, day)
    except ClusterError as error:
        print(f"nightly: {error}", file=sys.stderr)
        return 2
    report = {"night": day.isoformat(), "rayjob": state.name, "made": is_new, "state": state.status}
    print(json.dumps(report, sort_keys=True))
    return 0


def read_template(path: str) -> Object:
    """The RayJob in a file; ScheduleError if there is none."""
    try:
        template = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScheduleError(f"The template {path} cannot be read: {error}") from error
    if (
        not isinstance(template, dict)
        or template.get("kind") != "RayJob"
        or not isinstance(template.get("metadata"), dict)
    ):
        raise ScheduleError(f"The template {path} is no RayJob. `tonemill schedule` writes one.")
    return template


if __name__ == "__main__":
    sys.exit(main())
