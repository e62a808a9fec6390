"""What the pod of a CronJob runs, in separate processes: one run per date, however often it fires."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from cluster.kube.resources import Kube
from cluster.kube.templates import to_yaml
from cluster.schedules import nightly
from cluster.schedules.scheduled_runs import parse_date, repeat_scheduled_run, start_scheduled_run
from tests.cluster.conftest import make_rayjob
from tests.cluster.kube_operator import Operator, Plan
from tests.cluster.kube_requests import Account
from tests.cluster.kube_server import KubeServer

ROOT = Path(__file__).resolve().parents[3]
# What the account tonemill-scheduler of k8s/ may do, and nothing else.
SCHEDULER = frozenset({(verb, "rayjobs") for verb in ("create", "get", "list", "watch")})


@pytest.fixture
def template(tmp_path: Path) -> Path:
    job = make_rayjob("dungeon-{yyyymmdd}")
    job["metadata"]["annotations"] = {"tonemill.io/time-zone": "Europe/Berlin"}
    job["spec"]["entrypoint"] = "tonemill generate base order.toml s3://x/nights/dungeon/date={date}"
    path = tmp_path / "rayjob.yaml"
    path.write_text(to_yaml([job]))
    return path


@pytest.fixture
def scheduler(kube_server: KubeServer, kubeconfig: Path) -> Iterator[dict[str, str]]:
    """The environment of a pod of the CronJob."""
    kube_server.accounts["scheduler"] = Account(name="tonemill-scheduler", allowed=SCHEDULER)
    kube_server.write_kubeconfig(kubeconfig, token="scheduler")
    yield {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}


def run_nightly(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cluster.schedules.nightly", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_cron_job_that_fires_twice_makes_one_run(
    kube_server: KubeServer, scheduler: dict[str, str], template: Path
) -> None:
    """Both processes are held at their first request until the other has come, so that they really race."""
    arrived: list[str] = []
    serve = kube_server.serve

    def together(*requested: object) -> object:
        with kube_server.changed:
            arrived.append(str(requested[0]))
            kube_server.changed.notify_all()
            kube_server.changed.wait_for(lambda: len(arrived) >= 2, timeout=30)
        return serve(*requested)  # type: ignore[arg-type]

    kube_server.serve = together  # type: ignore[method-assign, assignment]
    # 2026-11-24 00:00 UTC, and a minute later.
    environments = [{**scheduler, "TONEMILL_JOB_NAME": f"dungeon-{minute}"} for minute in (29924640, 29924641)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda env: run_nightly(env, "--template", str(template)), environments))
    assert [(run.returncode, run.stderr) for run in done] == [(0, "")] * 2
    assert arrived[:2] == ["POST", "POST"]
    report = [json.loads(run.stdout) for run in done]
    assert sorted(night["made"] for night in report) == [False, True]
    assert {(night["night"], night["rayjob"]) for night in report} == {("2026-11-24", "dungeon-20261124")}
    assert len(kube_server.names("RayJob")) == 1


@pytest.mark.parametrize("result", ["SUCCEEDED", "FAILED"])
def test_a_night_that_ran_is_left_alone(
    kube: Kube, operator: Operator, kube_server: KubeServer, template: Path, result: str
) -> None:
    operator.plan = Plan(result=result)  # type: ignore[arg-type]
    job, day = yaml.safe_load(template.read_text()), parse_date("2026-11-22")
    assert start_scheduled_run(kube, job, day)[1] is True
    for event in kube.watch("RayJob", timeout_s=10):
        if event and event.object.get("status", {}).get("jobStatus") == result:
            break
    before = kube_server.find("RayJob", "dungeon-20261122")
    assert start_scheduled_run(kube, job, day)[1] is False
    assert kube_server.find("RayJob", "dungeon-20261122") == before
    assert before["spec"]["entrypoint"].endswith("s3://x/nights/dungeon/date=2026-11-22")
    operator.plan = Plan(is_endless=True)
    assert repeat_scheduled_run(kube, job, day)[1] is (result == "FAILED")  # by command, what failed is made anew
    assert repeat_scheduled_run(kube, job, day)[1] is False  # and what runs is left alone
    assert kube_server.names("RayJob") == ["dungeon-20261122"]


def test_nights_beside_each_other(
    kube_server: KubeServer, scheduler: dict[str, str], template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly.main(["--template", str(template), "--date", "2026-11-20"]) == 0
    report = {"made": True, "night": "2026-11-20", "rayjob": "dungeon-20261120", "state": "created"}
    assert json.loads(capsys.readouterr().out) == report
    assert nightly.main(["--template", str(template), "--job-name", "dungeon-29924640"]) == 0
    assert kube_server.names("RayJob") == ["dungeon-20261120", "dungeon-20261124"]


def test_user_errors_end_with_a_message(
    kube_server: KubeServer, scheduler: dict[str, str], template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kube_server.accounts["scheduler"] = Account(name="tonemill-scheduler", allowed=SCHEDULER - {("create", "rayjobs")})
    template_text = template.read_text()
    for text, message in (
        (template_text, "tonemill-scheduler may not create rayjobs.ray.io in the namespace tonemill"),
        (template_text.replace("dungeon-", "d" * 40), "has 48 characters, the name of a RayJob has 47 at most"),
        ("kind: ConfigMap\nmetadata: {name: x}\n", "is no RayJob. `tonemill schedule` writes one."),
        ("{", "cannot be read"),
    ):
        template.write_text(text)
        assert nightly.main(["--template", str(template), "--date", "2026-11-20"]) == 2
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.startswith("nightly: ") and message in shown.err
    assert kube_server.names("RayJob") == []
