"""A Kubernetes of our own for each test, and a RayJob that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kube import Kube
from cluster.kube_api import KubeApi
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
