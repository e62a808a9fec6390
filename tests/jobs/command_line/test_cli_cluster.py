"""tonemill cluster, schedule and catalog: what is shown, what is refused, with exit codes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from cluster.settings import Cluster, find_cluster
from jobs.command_line import main as cli
from tests.cluster.kube_operator import Operator, Plan
from tests.cluster.kube_server import KubeServer
from tests.cluster.lifecycle.test_up_and_down import OUTPUT
from tests.lstm_core.catalogue.test_scheduled_runs import make_scheduled_run

NIGHTLY = 'cron = "0 2 * * *"\ntime_zone = "Europe/Berlin"\n[order]\ncount = 3\n[order.track]\nduration_s = 30\n'
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()


@pytest.fixture
def nightly(tmp_path: Path) -> str:
    path = tmp_path / "dungeon.toml"
    path.write_text(NIGHTLY)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return int(ended.value.code or 0), shown.out, shown.err


def test_a_cluster_from_terraform_to_nothing(
    capsys: pytest.CaptureFixture[str],
    studio: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = {"tonemill_cluster": {"value": {**OUTPUT, "context": "fake", "overlay": "small"}}}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(output)))
    code, out, _ = run(capsys, "cluster", "add", "second")
    assert code == 0 and "[second] written. Next: tonemill cluster up second" in out
    assert find_cluster("second").image == OUTPUT["image"] and find_cluster("studio") == studio
    code, out, _ = run(capsys, "cluster", "up", "second")
    assert code == 0 and out.splitlines()[-1] == "applied RayCluster/tonemill-dev"
    code, out, _ = run(capsys, "cluster", "status", "second")
    assert code == 0 and "tonemill-dev" in out and "no jobs" in out and "no schedules" in out
    code, out, _ = run(capsys, "cluster", "cost", "second")
    assert (code, out) == (0, "nodes: none; 0.00 USD an hour, 0.00 a day\n")
    assert run(capsys, "cluster", "down", "second")[:2] == (0, "deleted RayCluster tonemill-dev\n")
    code, _, err = run(capsys, "cluster", "up")
    assert code == 2 and "names several clusters: studio, second" in err


@pytest.mark.slow
def test_a_schedule_from_its_file_to_a_night_made_up_for(
    capsys: pytest.CaptureFixture[str],
    studio: Cluster,
    kube_server: KubeServer,
    operator: Operator,
    nightly: str,
) -> None:
    operator.plan = Plan(is_endless=True)
    code, out, err = run(capsys, "schedule", nightly)
    assert (code, err) == (0, "")
    assert out.startswith("# dungeon runs ") and "02:00 Europe/Berlin" in out and "the clock jumps over 02:00" in out
    assert "# 3 tracks, dungeon-20" in out and out.endswith("applied ConfigMap/dungeon\napplied CronJob/dungeon\n")
    assert kube_server.names("RayJob") == []  # it was tried, not made
    name = f"dungeon-{YESTERDAY:%Y%m%d}"
    night = ("schedule", "run", "dungeon", "--date", YESTERDAY.isoformat())
    assert run(capsys, *night)[:2] == (0, f"{name}: started\n")
    code, out, _ = run(capsys, *night)
    assert code == 0 and out.startswith(f"{name}: is there: ")
    assert kube_server.names("RayJob") == [name]
    code, out, _ = run(capsys, "cluster", "status")
    assert code == 0 and name in out and "Europe/Berlin" in out
    code, out, _ = run(capsys, "cluster", "down")
    assert code == 0 and f"still running: {name}" in out and "still scheduled: dungeon" in out
    code, out, _ = run(capsys, "schedule", "remove", "dungeon")
    assert (code, out) == (0, "deleted CronJob/dungeon\ndeleted ConfigMap/dungeon\n")
    assert kube_server.names("RayJob") == [name]
    code, _, err = run(capsys, *night)
    assert code == 2 and "There is no schedule dungeon in the namespace tonemill. There is none" in err


@pytest.mark.slow
def test_a_dry_run_shows_the_manifests_and_asks_nobody(
    capsys: pytest.CaptureFixture[str],
    studio: Cluster,
    kube_server: KubeServer,
    nightly: str,
) -> None:
    code, out, _ = run(capsys, "schedule", nightly, "--dry-run")
    manifests = list(yaml.safe_load_all(out))
    assert code == 0 and [manifest["kind"] for manifest in manifests] == ["ConfigMap", "CronJob"]
    assert yaml.safe_load(manifests[0]["data"]["rayjob.yaml"])["metadata"]["name"] == "dungeon-{yyyymmdd}"
    assert kube_server.requests == []


@pytest.mark.slow
def test_schedules_that_are_refused(
    capsys: pytest.CaptureFixture[str],
    studio: Cluster,
    kube_server: KubeServer,
    nightly: str,
) -> None:
    for text, message in (
        (NIGHTLY.replace("0 2 * * *", "0 2 31 2 *"), "never comes: there is no day 31 in Feb"),
        (NIGHTLY.replace("duration_s = 30", "duration_s = 0.5"), "duration_s is 0.5"),
        (NIGHTLY.replace("count", "cuont"), 'An order has no key "cuont". Did you mean count?'),
        ('cluster = "studoi"\n' + NIGHTLY, "names no cluster 'studoi'. Did you mean studio?"),
    ):
        Path(nightly).write_text(text)
        code, _, err = run(capsys, "schedule", nightly)
        assert code == 2 and message in err
    Path(nightly).write_text(NIGHTLY)
    kube_server.is_operator_installed = False
    code, _, err = run(capsys, "schedule", nightly)
    assert code == 2 and "helm install kuberay-operator" in err
    assert kube_server.names("CronJob") == []
    code, _, err = run(capsys, "schedule", "run", "dungeon", "--date", "2999-01-01")
    assert code == 2 and "There is no schedule dungeon" in err


def test_the_nights_of_a_catalogue(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    catalogue = str(tmp_path / "catalogue")
    assert run(capsys, "catalog", "list", catalogue)[:2] == (
        0,
        f"{catalogue}: no scheduled runs yet. `tonemill schedule` adds them.\n",
    )
    make_scheduled_run(catalogue, "dungeon", "2026-11-21", ["a", "b"], num_failures=1)
    make_scheduled_run(catalogue, "dungeon", "2026-11-22", ["c"])
    code, out, _ = run(capsys, "catalog", "list", catalogue)
    assert (
        code == 0
        and "2026-11-21" in out
        and "2 of 2 scheduled runs finished, 3 tracks, 0.1 h, 1 failed" in " ".join(out.split())
    )
    code, out, _ = run(capsys, "catalog", "merge", catalogue)
    assert (code, out) == (0, f"2 scheduled runs, 3 tracks, 0.1 h\nopen {catalogue}/nights/index.html\n")


def test_a_stage_goes_through_kubernetes_where_there_is_no_address(
    capsys: pytest.CaptureFixture[str], studio: Cluster, kube_server: KubeServer, operator: Operator, tmp_path: Path
) -> None:
    corpus = ("submit", "prepare", "corpus:freedoom", "s3://studio-blocks/x", "--cluster", "studio")
    operator.plan = Plan(lines=("3 scores", "done"), line_s=0.1)
    code, out, err = run(capsys, *corpus)
    assert (code, out) == (0, "3 scores\ndone\n") and "has succeeded" in err
    assert kube_server.find("RayJob", kube_server.names("RayJob")[0])["spec"]["entrypoint"].startswith(
        "tonemill prepare s3://studio-corpus/freedoom s3://studio-blocks/x"
    )
    assert "the same job is there already (SUCCEEDED). --again" in run(capsys, *corpus)[2]
    operator.plan = Plan(result="FAILED")
    code, _, err = run(capsys, *corpus, "--again")
    assert code == 3 and "failed: it ended with exit code 3" in err
    code, out, _ = run(capsys, "jobs")
    assert code == 0 and "SUCCEEDED" in out and "FAILED" in out
    operator.plan = Plan(trouble="quota")
    code, _, err = run(capsys, *corpus, "--again")
    assert code == 2 and "exceeded quota: tonemill" in err
