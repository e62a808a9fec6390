"""Every overlay of k8s/ as our commands use it: put up, jobs, a scheduled run; on a server of KubeRay's kinds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cluster.job import JobRequest
from cluster.kube.resources import Kube
from cluster.kube.submitter import KubeSubmitter
from cluster.kube.templates import containers_of
from cluster.lifecycle.up_and_down import put_up
from cluster.schedules.manifests import schedule_manifests, stored_template
from cluster.schedules.schedule import Schedule
from cluster.schedules.scheduled_runs import start_scheduled_run
from cluster.settings import Buckets, Cluster
from tests.cluster.kube_server import KubeServer

OVERLAYS = Path(__file__).resolve().parents[3] / "k8s" / "overlays"
ARGUMENTS = {
    "prepare": ("s3://b-1/corpus", "s3://b-1/blocks"),
    "train": ("s3://b-1/blocks", "s3://b-1/run", "--resume"),
    "generate": ("base", "order/order.toml", "s3://b-1/catalogue"),
}


@pytest.mark.parametrize("overlay", sorted(path.name for path in OVERLAYS.glob("*")) or [""])
def test_an_overlay_from_nothing_to_a_scheduled_run(
    kube: Kube, kube_server: KubeServer, monkeypatch: pytest.MonkeyPatch, overlay: str
) -> None:
    if not overlay:
        pytest.skip(f"there are no overlays in {OVERLAYS}")
    monkeypatch.delenv("TONEMILL_K8S", raising=False)  # the folder of this checkout is found without it
    image = "registry.example.org/tonemill:9.9.9"
    cluster = Cluster(name="studio", image=image, overlay=overlay, buckets=Buckets(catalogue="s3://b-1"))
    list(put_up(cluster, kube))
    assert kube_server.names("RayCluster") == ["tonemill-dev"]
    submitter = KubeSubmitter(cluster, kube)
    for stage, arguments in ARGUMENTS.items():
        request = JobRequest(stage=stage, arguments=arguments, files={"order/order.toml": b"count = 1\n"})
        stored = kube_server.find("RayJob", submitter.submit(request).job.job_id)
        assert {c["image"] for c in containers_of(stored["spec"]) if "image" in c} == {image}
        head = stored["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        assert head["serviceAccountName"] == f"tonemill-{stage}"
    schedule = Schedule(name="dungeon", cron="@daily", order={"count": 1})
    for manifest in schedule_manifests(schedule, cluster):
        kube.apply(manifest)
    state, is_new = start_scheduled_run(kube, stored_template(kube, "dungeon"), date(2026, 11, 22))
    assert (state.name, is_new) == ("dungeon-20261122", True)
    cron_job = kube_server.find("CronJob", "dungeon")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    container = cron_job["containers"][0]
    command = [*container["command"], *container["args"]]
    assert command == ["python", "-m", "cluster.schedules.nightly", "--template", "/etc/tonemill/rayjob.yaml"]
    assert [entry["name"] for entry in container["env"]] == ["TONEMILL_JOB_NAME"]
    assert cron_job["serviceAccountName"] == "tonemill-scheduler"
