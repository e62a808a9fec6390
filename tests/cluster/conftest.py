"""A Kubernetes of our own for each test, and a RayJob that it takes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.kube.api import KubeApi
from cluster.kube.resources import Kube
from cluster.settings import Cluster, find_cluster
from tests.cluster.kube_operator import Operator
from tests.cluster.kube_requests import Object
from tests.cluster.kube_server import KubeServer


@pytest.fixture
def kube_server() -> Iterator[KubeServer]:
    """An API server with the namespace tonemill and nothing in it."""
    with KubeServer() as server:
        yield server


@pytest.fixture
def operator(kube_server: KubeServer) -> Iterator[Operator]:
    """What plays the RayJobs of the server."""
    with Operator(kube_server) as played:
        yield played


@pytest.fixture
def kubeconfig(kube_server: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig that leads to the server, in the environment of this process and its children."""
    path = kube_server.write_kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def kube(kubeconfig: Path) -> Kube:
    """Our client, connected to the server."""
    return Kube(KubeApi.connect(), "tonemill")


@pytest.fixture
def rayjob() -> Object:
    """A small RayJob that the definitions of KubeRay allow."""
    return make_rayjob("tonemill-generate")


def make_rayjob(name: str) -> Object:
    """A RayJob with one group of workers that want a GPU."""

    def pod(resources: Object) -> Object:
        container = {
            "name": "ray",
            "image": "tonemill:0.1.0",
            "resources": {"requests": resources, "limits": resources},
        }
        return {"spec": {"containers": [container]}}

    worker = {
        "groupName": "gpu",
        "replicas": 0,
        "minReplicas": 0,
        "maxReplicas": 4,
        "rayStartParams": {},
        "template": pod({"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}),
    }
    head = {"rayStartParams": {"num-cpus": "0"}, "template": pod({"cpu": "2", "memory": "8Gi"})}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "namespace": "tonemill", "labels": {"app.kubernetes.io/part-of": "tonemill"}},
        "spec": {
            "entrypoint": "tonemill generate --help",
            "shutdownAfterJobFinishes": True,
            "rayClusterSpec": {"rayVersion": "2.60.0", "headGroupSpec": head, "workerGroupSpecs": [worker]},
        },
    }


@pytest.fixture
def overlays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder k8s/ with one overlay, `small`, rendered by the real kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which renders manifests, is not on this machine")
    folder = tmp_path / "k8s"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tonemill"}}
    accounts = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "head", "namespace": "tonemill"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "head", "namespace": "tonemill"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "head"},
        "subjects": [{"kind": "ServiceAccount", "name": "head", "namespace": "tonemill"}],
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "tonemill-cluster", "namespace": "tonemill"},
        "data": {"AWS_REGION": "nowhere-1", "TONEMILL_CORPUS": "s3://example"},
    }
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "ray", "namespace": "tonemill"},
    }
    development = {**make_rayjob("x"), "kind": "RayCluster"}
    development["metadata"] = {"name": "tonemill-dev", "namespace": "tonemill"}
    development["spec"] = development["spec"]["rayClusterSpec"]
    platform = [development, monitor, config, binding, accounts, namespace]
    write_overlay(folder / "overlays/small", platform)
    write_overlay(
        folder / "overlays/small/jobs", [make_rayjob(f"tonemill-{s}") for s in ("prepare", "train", "generate")]
    )
    write_overlay(folder / "overlays/small/schedule", [make_cron_job()])
    monkeypatch.setenv("TONEMILL_K8S", str(folder))
    return folder


@pytest.fixture
def studio(overlays: Path, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The only cluster of a cluster file: the server, with the overlay `small`."""
    path = tmp_path / "clusters.toml"
    path.write_text(STUDIO)
    monkeypatch.setenv("TONEMILL_CLUSTERS", str(path))
    return find_cluster("studio")


def write_overlay(folder: Path, manifests: list[Object]) -> None:
    """A folder that kustomize renders to the given manifests."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests))
    (folder / "kustomization.yaml").write_text("resources: [all.yaml]\n")


def make_cron_job() -> Object:
    """The CronJob of an overlay, which mounts a ConfigMap of its own name."""
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {"name": "nightly", "image": "tonemill:0.1.0", "args": ["--template", "/etc/tonemill/rayjob.yaml"]}
        ],
        "volumes": [{"name": "template", "configMap": {"name": "tonemill-nightly"}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tonemill-nightly", "namespace": "tonemill"},
        "spec": {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }


STUDIO = """
[studio]
context = "fake"
namespace = "tonemill"
image = "registry.example.org/tonemill:9.9.9"
overlay = "small"
region = "eu-central-1"
[studio.buckets]
corpus = "s3://studio-corpus"
catalogue = "s3://studio-catalogue"
[studio.prices]
currency = "EUR"
head = 0.2
cpu = 0.1
gpu = 0.5
"""
