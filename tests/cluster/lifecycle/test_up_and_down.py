"""A cluster put up from its overlay, taken down, looked at, priced, and added from what Terraform made."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterFileError, KubernetesError, OperatorMissingError
from cluster.kube.objects import RayPod
from cluster.kube.resources import Kube
from cluster.kube.templates import fit, render
from cluster.lifecycle.cost import job_cost, running_cost
from cluster.lifecycle.terraform_output import cluster_of_output
from cluster.lifecycle.up_and_down import connect, look_at, put_up, ray_pods, take_down
from cluster.schedules.manifests import schedule_manifests
from cluster.schedules.schedule import Schedule
from cluster.settings import Cluster, Prices, read_clusters, to_toml
from tests.cluster.conftest import make_rayjob
from tests.cluster.kube_operator import Operator, Plan
from tests.cluster.kube_requests import KINDS
from tests.cluster.kube_server import KubeServer


def test_up_applies_the_overlay_with_what_the_cluster_file_says(studio: Cluster, kube_server: KubeServer) -> None:
    lines = list(put_up(studio, connect(studio)))
    assert lines[0] == "applied Namespace/tonemill"
    assert lines[-1] == "applied RayCluster/tonemill-dev"  # what needs the others comes after them
    data = kube_server.find("ConfigMap", "tonemill-cluster")["data"]
    expected = {"AWS_REGION": "eu-central-1", "TONEMILL_CORPUS": "s3://studio-corpus"}
    assert data == {**expected, "TONEMILL_CATALOGUE": "s3://studio-catalogue"}
    head = kube_server.find("RayCluster", "tonemill-dev")["spec"]["headGroupSpec"]["template"]["spec"]
    assert head["containers"][0]["image"] == studio.image
    token = base64.b64decode(kube_server.find("Secret", "tonemill-ray-token")["data"]["auth_token"])
    assert len(token) == 64


def test_up_again_changes_nothing_and_keeps_the_token(studio: Cluster, kube_server: KubeServer) -> None:
    list(put_up(studio, connect(studio)))
    kinds = ("ConfigMap", "Secret", "RayCluster", "RoleBinding", "PodMonitor")
    before = {kind: [kube_server.find(kind, name) for name in kube_server.names(kind)] for kind in kinds}
    assert "made the token of Ray" not in list(put_up(studio, connect(studio)))
    assert {kind: [kube_server.find(kind, name) for name in kube_server.names(kind)] for kind in kinds} == before
    assert all(before.values())


def test_up_into_another_namespace(studio: Cluster, kube_server: KubeServer) -> None:
    music = Cluster(name="music", context="fake", namespace="music", overlay="small", image=studio.image)
    list(put_up(music, connect(music)))
    assert kube_server.names("RayCluster", "music") == ["tonemill-dev"]
    subject = kube_server.find("RoleBinding", "head", "music")["subjects"][0]
    assert subject["namespace"] == "music"
    assert kube_server.names("RayCluster") == []


def test_up_without_monitoring_and_without_the_operator(
    studio: Cluster, kube_server: KubeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(KINDS, "monitoring.coreos.com/v1")
    lines = list(put_up(studio, connect(studio)))
    assert lines[-1] == "left out, because their kinds are not installed: PodMonitor/ray"
    kube_server.is_operator_installed = False
    num_requests = len(kube_server.requests)
    with pytest.raises(OperatorMissingError, match="helm install kuberay"):
        list(put_up(studio, connect(studio)))
    assert not any(method == "PATCH" for method, _ in kube_server.requests[num_requests:])  # reported before any work


def test_down_takes_what_is_of_no_job(studio: Cluster, kube: Kube, kube_server: KubeServer, operator: Operator) -> None:
    operator.plan = Plan(is_endless=True)
    list(put_up(studio, kube))
    kube.create(make_rayjob("job-1"))
    for manifest in schedule_manifests(Schedule(name="dungeon", cron="@daily", order={"count": 1}), studio):
        kube.apply(manifest)
    for event in kube.watch("RayJob", timeout_s=10):
        if event and event.object.get("status", {}).get("jobStatus") == "RUNNING":
            break
    assert list(take_down(kube, is_everything=False)) == ["deleted RayCluster tonemill-dev"]
    assert kube_server.names("RayCluster") == ["job-1-x7k2p"]
    lines = list(take_down(kube, is_everything=True))
    assert lines[:2] == ["deleted schedule dungeon", "deleted job job-1"]
    for kind in ("RayCluster", "RayJob", "CronJob", "Pod"):
        assert kube_server.names(kind) == []
    assert kube_server.names("ConfigMap") == ["tonemill-cluster"]  # the platform stays


def test_what_is_there(studio: Cluster, kube: Kube, operator: Operator) -> None:
    operator.plan = Plan(is_endless=True)
    for manifest in schedule_manifests(Schedule(name="dungeon", cron="@daily", order={"count": 1}), studio):
        kube.apply(manifest)
    run_object = make_rayjob("dungeon-20261122")
    run_object["metadata"]["labels"]["tonemill.io/schedule"] = "dungeon"
    kube.create(run_object)
    for event in kube.watch("RayJob", timeout_s=10):
        if event and event.object.get("status", {}).get("jobStatus") == "RUNNING":
            break
    state = look_at(kube)
    assert [(job.name, job.status) for job in state.jobs] == [("dungeon-20261122", "RUNNING")]
    assert [(ray.num_ready, ray.num_max, ray.is_owned) for ray in state.ray_clusters] == [(1, 4, True)]
    assert [(item.name, item.cron, item.last) for item in state.schedules] == [("dungeon", "0 0 * * *", None)]
    assert [item.name for item in state.scheduled_runs["dungeon"]] == ["dungeon-20261122"]
    cost = running_cost(ray_pods(kube), studio.prices)  # a head and a worker with a GPU
    assert (cost.num_nodes, cost.currency) == ({"gpu": 1, "head": 1}, "EUR")
    assert cost.an_hour == pytest.approx(0.2 + 0.5)


def pod(kind: Any, node: str, phase: str = "Running") -> RayPod:
    return RayPod(name="p", cluster_name="c", kind=kind, group="g", node=node, phase=phase, is_ready=True)


def test_nodes_are_counted_once_and_at_the_price_of_the_dearest() -> None:
    prices = Prices(currency="EUR", head=0.2, cpu=0.1, gpu=0.5)
    pods = [pod("head", "a"), pod("gpu", "a"), pod("cpu", "b"), pod("cpu", "b"), pod("cpu", "c"), pod("gpu", "")]
    pods.append(pod("gpu", "d", "Succeeded"))
    cost = running_cost(pods, prices)
    assert cost.num_nodes == {"cpu": 2, "gpu": 1}
    assert cost.an_hour == pytest.approx(0.5 + 2 * 0.1)
    assert running_cost([], prices).an_hour == 0


def test_a_job_costs_by_its_hours_and_workers() -> None:
    prices = Prices(currency="EUR", head=0.2, cpu=0.1, gpu=0.5)
    job = make_rayjob("x")
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["minReplicas"] = 1
    job["status"] = {"startTime": "2026-11-22T01:00:00Z", "endTime": "2026-11-22T04:00:00Z"}
    cost = job_cost(job, prices, datetime(2026, 12, 1, tzinfo=UTC))
    assert (cost.hours, cost.low, cost.high) == pytest.approx((3.0, 3 * (0.2 + 0.5), 3 * (0.2 + 4 * 0.5)))
    del job["status"]["endTime"]
    assert job_cost(job, prices, datetime(2026, 11, 22, 2, tzinfo=UTC)).hours == pytest.approx(1.0)
    assert job_cost(make_rayjob("x"), prices, datetime(2026, 11, 22, tzinfo=UTC)).high == 0  # it has not begun


def test_images_of_others_stay(studio: Cluster) -> None:
    job = make_rayjob("x")
    containers = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    for image in ("busybox:1", "other/tonemill-tools:1", "a.example:5000/tonemill@sha256:" + "0" * 64):
        containers.append({"name": "c", "image": image})
    fitted = fit(job, studio)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    images = [container["image"] for container in fitted]
    assert images == [studio.image, "busybox:1", "other/tonemill-tools:1", studio.image]
    assert containers[0]["image"] == "tonemill:0.1.0"  # the template is left as it was


def test_overlays_that_cannot_be_rendered(overlays: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ClusterFileError, match=r'overlay is "smal", there is small in'):
        render("smal")
    (overlays / "overlays/small/kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    with pytest.raises(KubernetesError, match=r"kubectl cannot render .*small: .*nothing\.yaml"):
        render("small")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KubernetesError, match=r"The program kubectl is not on the PATH"):
        render("small")
    monkeypatch.setenv("TONEMILL_K8S", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterFileError, match=r"There are no manifests in .*nowhere\. Set TONEMILL_K8S"):
        render("small")


OUTPUT = {
    "name": "studio",
    "context": "arn:aws:eks:eu-central-1:1:cluster/studio",
    "namespace": "tonemill",
    "image": "1.dkr.ecr.eu-central-1.amazonaws.com/tonemill:0.1.0",
    "overlay": "gpu-spot",
    "region": "eu-central-1",
    "buckets": {"corpus": "s3://c-1", "blocks": "s3://b-1", "runs": "s3://r-1", "catalogue": "s3://k-1"},
    "prices": {"currency": "USD", "head": 0.19, "cpu": 0.17, "gpu": 0.53, "storage_gb_month": 0.023},
    "roles": {"generate": "arn:aws:iam::1:role/generate"},
}


def test_a_cluster_from_what_terraform_made(tmp_path: Path) -> None:
    text = json.dumps({"tonemill_cluster": {"sensitive": False, "type": ["object", {}], "value": OUTPUT}, "x": {}})
    cluster = cluster_of_output(text)
    assert (cluster.name, cluster.overlay, cluster.prices.gpu) == ("studio", "gpu-spot", 0.53)
    assert cluster.token == "secret:tonemill-ray-token/auth_token"
    assert cluster_of_output(text, "other").name == "other"
    path = tmp_path / "clusters.toml"
    path.write_text(to_toml(cluster))
    assert read_clusters(path) == {"studio": cluster}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"What came in is no JSON .*Run `terraform output -json \| tonemill cluster add`"),
        ("{}", r"holds no output tonemill_cluster, but none\. Run `terraform apply` first"),
        ('{"vpc": {"value": "x"}}', "holds no output tonemill_cluster, but vpc"),
        ('["a"]', "holds no output tonemill_cluster"),
        (
            json.dumps({"tonemill_cluster": {"value": {**OUTPUT, "overlya": "x"}}}),
            "unknown key studio.overlya. Did you mean studio.overlay",
        ),
    ],
)
def test_what_is_no_output_of_terraform(text: str, message: str) -> None:
    with pytest.raises(ClusterFileError, match=message):
        cluster_of_output(text)
