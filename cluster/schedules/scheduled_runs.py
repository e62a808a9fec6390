"""The runs of a schedule: their date, the name of their RayJob, and the place of their tracks.

A template holds `{date}` (2026-11-22) and `{yyyymmdd}` (20261122) where the date of the run belongs.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cluster.errors import ConflictError, ScheduleError
from cluster.kube.objects import Object, RayJobState
from cluster.kube.resources import MAX_NAME_LENGTHS, Kube, check_name

DATE_SLOT, DIGITS_SLOT = "{date}", "{yyyymmdd}"
SCHEDULE_LABEL = "tonemill.io/schedule"
DATE_LABEL = "tonemill.io/date"
TIME_ZONE_ANNOTATION = "tonemill.io/time-zone"
MAX_SCHEDULE_NAME = MAX_NAME_LENGTHS["RayJob"] - len("-20261122")
SCHEDULED_RUNS_FOLDER = "nights"
# Kubernetes names the Job of a CronJob by the minute, counted from 1970, for which it was meant.
_JOB_NAME = re.compile(r".+-(\d{8})")
_MINUTES = range(25_000_000, 60_000_000)  # of the years 2017 to 2084: a name that ends in a date is none of these


def scheduled_run_name(schedule: str, day: str) -> str:
    """Name of the RayJob of a run; `day` is its digits or their slot."""
    return f"{schedule}-{day}"


def partition_of(catalogue: str, schedule: str, day: str) -> str:
    """Where the tracks of a run go; `day` is its date or its slot."""
    return f"{catalogue.rstrip('/')}/{SCHEDULED_RUNS_FOLDER}/{schedule}/date={day}"


def fill_in(template: Any, day: date) -> Any:
    """A template with the date of a run in every text of it."""
    if isinstance(template, str):
        return template.replace(DATE_SLOT, day.isoformat()).replace(DIGITS_SLOT, f"{day:%Y%m%d}")
    if isinstance(template, dict):
        return {key: fill_in(value, day) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_in(value, day) for value in template]
    return template


def parse_date(text: str) -> date:
    """A date as 2026-11-22."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ScheduleError(f'The date is "{text}", it must be as 2026-11-22.') from error


def parse_past_date(text: str, template: Object) -> date:
    """The date of a run that is due, by the clock of the schedule that a template is of."""
    day = parse_date(text)
    zone = zone_of(template)
    if day > (today := datetime.now(zone).date()):
        raise ScheduleError(f"The date {day} has not come yet: it is {today} in {zone.key}.")
    return day


def zone_of(template: Object) -> ZoneInfo:
    """The zone whose dates a template counts by."""
    return parse_zone(template["metadata"].get("annotations", {}).get(TIME_ZONE_ANNOTATION, "Etc/UTC"))


def parse_zone(name: str) -> ZoneInfo:
    """A time zone by its name in the tz database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(
            f'time_zone is "{name}", it must be a name of the tz database, as "Europe/Berlin" or "Etc/UTC".'
        ) from error


def logical_date(job_name: str, zone: ZoneInfo, now: datetime) -> date:
    """The date of the run that a Job of a CronJob was meant for, however late it runs; without one today's."""
    found = _JOB_NAME.fullmatch(job_name)
    minutes = int(found[1]) if found else 0
    meant = datetime.fromtimestamp(minutes * 60, UTC) if minutes in _MINUTES else now
    return meant.astimezone(zone).date()


def start_scheduled_run(kube: Kube, template: Object, day: date) -> tuple[RayJobState, bool]:
    """The RayJob of a date, and whether this call made it: a date that has one, in whatever state, is left alone."""
    manifest = fill_in(template, day)
    check_name("RayJob", str(manifest.get("metadata", {}).get("name", "")))
    stored, is_new = kube.create(manifest)
    return RayJobState.of(stored), is_new


def repeat_scheduled_run(
    kube: Kube, template: Object, day: date, *, timeout_s: float = 60.0
) -> tuple[RayJobState, bool]:
    """As `start_scheduled_run`, but a run that failed is made anew: what it has committed is not made again."""
    state, is_new = start_scheduled_run(kube, template, day)
    if is_new or not state.is_final or state.is_succeeded:
        return state, is_new
    kube.delete("RayJob", state.name)
    deadline = time.monotonic() + timeout_s
    while kube.find("RayJob", state.name) is not None:
        if time.monotonic() > deadline:
            raise ConflictError(f"The failed run {state.name} was deleted and is still there after {timeout_s:g} s.")
        time.sleep(0.2)
    return start_scheduled_run(kube, template, day)
