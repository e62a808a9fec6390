"""A schedule from its file, and what it becomes on Kubernetes."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from cluster.errors import ClusterFileError, KubernetesError, ScheduleError
from cluster.schedules.manifests import schedule_manifests, scheduled_run_template
from cluster.schedules.schedule import Schedule, read_schedule
from cluster.schedules.scheduled_runs import fill_in, logical_date, parse_past_date
from cluster.settings import Cluster
from tests.cluster.conftest import make_rayjob, write_overlay

NIGHT = date(2026, 11, 22)
ORDER = '[order]\ncount = 3\n[order.track]\nstyle = "game"\n'


def schedule_file(folder: Path, text: str, name: str = "dungeon_loops.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def order_on(folder: Path, text: str) -> dict[str, Any]:
    return tomllib.loads(read_schedule(schedule_file(folder, 'cron = "0 2 * * *"\n' + text)).order_on(NIGHT))


def test_a_file_of_two_lines_is_enough(tmp_path: Path) -> None:
    schedule = read_schedule(schedule_file(tmp_path, 'cron = "@daily"\n' + ORDER))
    expected = ("dungeon-loops", "Etc/UTC", "base", "", 0)
    assert (schedule.name, schedule.time_zone, schedule.run, schedule.cluster, schedule.workers) == expected
    made = tomllib.loads(schedule.order_on(NIGHT))
    assert made == {"name": "dungeon-loops-2026-11-22", "seed": 20261122, "count": 3, "track": {"style": "game"}}


def test_the_date_goes_into_every_text_and_into_the_seed(tmp_path: Path) -> None:
    text = """
[order]
name = "Loops of {date}"
seed = "7{date}"
[[order.group]]
count = 2
name = "{date} – \\"quick\\"\\n"
bpm = { min = 120, max = 140, step = 2 }
instruments = [["piano", "bass"], ["drums"]]
loop = true
density = 1.5
primer = "s3://x/{date}/primer.mid"
"""
    assert order_on(tmp_path, text) == {
        "name": "Loops of 2026-11-22",
        "seed": 720261122,
        "group": [
            {
                "count": 2,
                "name": '2026-11-22 – "quick"\n',
                "bpm": {"min": 120, "max": 140, "step": 2},
                "instruments": [["piano", "bass"], ["drums"]],
                "loop": True,
                "density": 1.5,
                "primer": "s3://x/2026-11-22/primer.mid",
            }
        ],
    }


def test_a_seed_that_is_a_number_stays(tmp_path: Path) -> None:
    assert order_on(tmp_path, "[order]\nseed = 5\n")["seed"] == 5


def test_an_order_in_a_file_of_its_own(tmp_path: Path) -> None:
    schedule_file(tmp_path, 'count = 2\n[track]\nkey = "C major"\n', "loops.toml")
    assert order_on(tmp_path, 'order = "loops.toml"\n')["track"] == {"key": "C major"}
    with pytest.raises(ScheduleError, match=r"nothing\.toml cannot be read: No such file"):
        order_on(tmp_path, 'order = "nothing.toml"\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ORDER, r"there is no cron: when shall it run\?"),
        ('cron = "0 2 30 2 *"\n' + ORDER, r"dungeon_loops\.toml: cron is .* never comes: there is no day 30 in Feb"),
        ('cron = "0 */6 * * *"\n' + ORDER, r"comes 4 times a day\. A schedule runs once a date"),
        ('corn = "0 2 * * *"\n' + ORDER, r"unknown key corn\. Did you mean cron\?"),
        ('cron = "@daily"\n', r"There is no order\. Write it below \[order\]"),
        ('cron = "@daily"\nname = "Dungeon!"\n' + ORDER, r'name is "Dungeon!", it must be a-z, 0-9 and -'),
        (f'cron = "@daily"\nname = "{"n" * 39}"\n' + ORDER, "38 characters at most"),
        ('cron = "@daily"\ntime_zone = "Berlin"\n' + ORDER, 'time_zone is "Berlin", it must be a name of the tz'),
        ('cron = "@daily"\nworkers = "4"\n' + ORDER, "workers is '4', it must be a whole number"),
        ('cron = "@daily"\nworkers = true\n' + ORDER, "workers is True, it must be a whole number"),
        ('cron = "@daily"\nworkers = -1\n' + ORDER, "workers is -1"),
        ("cron = 5\n" + ORDER, "cron is 5, it must be text in quotes"),
        ('cron = "@daily"\nsettings = ["x"]\n' + ORDER, 'it must be a list of "KEY=VALUE"'),
        (
            'cron = "@daily"\n[order]\nseed = "soon"\n',
            r'seed is "soon", it must be a whole number, or digits with \{date\}',
        ),
        ('cron = "@daily"\n[order.track]\nprimer = "a.mid"\n', 'primer is "a.mid", which the cluster does not see'),
        ('cron = "@daily"\n[order.track]\nmelody = "a.mid"\n', 'melody is "a.mid", which the cluster does not see'),
        (f'cron = "@daily"\n[order]\nname = "{"x" * 140_000}"\n', "a schedule carries 131,072"),
        ("cron =", "is not TOML"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        read_schedule(schedule_file(tmp_path, text))


def test_what_a_schedule_becomes(studio: Cluster) -> None:
    schedule = Schedule(
        name="dungeon",
        cron=" 0  2 * * * ",
        time_zone="Europe/Berlin",
        workers=2,
        settings=("max_attempts=5",),
        order={"name": "Loops of {date}", "count": 3},
    )
    config_map, cron_job = schedule_manifests(schedule, studio)
    assert (cron_job["kind"], cron_job["metadata"]["name"]) == ("CronJob", "dungeon")
    spec = cron_job["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 2 * * *", "Europe/Berlin", "Forbid")
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"] == "dungeon"
    assert pod["containers"][0]["image"] == studio.image
    template = yaml.safe_load(config_map["data"]["rayjob.yaml"])
    assert template == scheduled_run_template(schedule, studio)
    run_object = fill_in(template, NIGHT)
    assert run_object["metadata"]["name"] == "dungeon-20261122"
    assert run_object["spec"]["entrypoint"] == (
        "tonemill generate base /etc/tonemill/order/order.toml "
        "s3://studio-catalogue/nights/dungeon/date=2026-11-22 --workers 2 --set max_attempts=5"
    )
    head = run_object["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    order = tomllib.loads(head["metadata"]["annotations"]["tonemill.io/order"])
    assert order == {"name": "Loops of 2026-11-22", "seed": 20261122, "count": 3}
    source = head["spec"]["volumes"][0]["downwardAPI"]["items"][0]
    assert source == {"path": "order.toml", "fieldRef": {"fieldPath": "metadata.annotations['tonemill.io/order']"}}
    assert head["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] == "/etc/tonemill/order"
    assert "{date}" not in str(run_object) and "{yyyymmdd}" not in str(run_object)


def test_a_schedule_without_a_catalogue(studio: Cluster) -> None:
    schedule = Schedule(name="dungeon", cron="@daily", order={"count": 1})
    nowhere = Cluster(name="bare", overlay="small")
    with pytest.raises(ScheduleError, match=r"Neither the schedule dungeon nor the cluster bare says where tracks go"):
        schedule_manifests(schedule, nowhere)


def test_overlays_that_hold_no_schedule(studio: Cluster, overlays: Path) -> None:
    schedule = Schedule(name="dungeon", cron="@daily", order={"count": 1})
    write_overlay(overlays / "overlays/small/schedule", [make_rayjob("x")])
    with pytest.raises(KubernetesError, match=r"The overlay small has no CronJob in its folder schedule/"):
        schedule_manifests(schedule, studio)
    write_overlay(overlays / "overlays/small/jobs", [make_rayjob("x")])
    with pytest.raises(KubernetesError, match=r"has no RayJob tonemill-generate in its folder jobs/"):
        schedule_manifests(schedule, studio)
    with pytest.raises(ClusterFileError, match=r"The cluster bare has no `overlay` in the cluster file"):
        schedule_manifests(schedule, Cluster(name="bare", buckets=studio.buckets))


@pytest.mark.parametrize(
    ("job_name", "expected"),
    [
        ("dungeon-29924580", date(2026, 11, 24)),  # 2026-11-23 23:00 UTC is another date in Berlin
        ("dungeon-29924519", date(2026, 11, 23)),
        ("dungeon-manual-x7", date(2026, 11, 22)),
        ("dungeon-20261101", date(2026, 11, 22)),  # a date is no minute
        ("", date(2026, 11, 22)),
    ],
)
def test_the_date_of_a_night_is_that_it_was_meant_for(job_name: str, expected: date) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert logical_date(job_name, ZoneInfo("Europe/Berlin"), now) == expected


def test_a_night_that_has_not_come(rayjob: dict[str, Any]) -> None:
    assert parse_past_date("2020-02-29", rayjob) == date(2020, 2, 29)
    for text, message in (("2999-01-01", "has not come yet"), ("soon", "must be as 2026-11-22")):
        with pytest.raises(ScheduleError, match=message):
            parse_past_date(text, rayjob)
