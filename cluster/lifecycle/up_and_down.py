"""A cluster put up, taken down, looked at."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.errors import NotFoundError
from cluster.kube.api import KubeApi
from cluster.kube.objects import CLUSTER_LABEL, CronJobState, Object, RayClusterState, RayJobState, RayPod
from cluster.kube.resources import PART_OF, Kube
from cluster.kube.templates import platform
from cluster.schedules.scheduled_runs import SCHEDULE_LABEL
from cluster.settings import Cluster

DEFAULT_TOKEN = "secret:tonemill-ray-token/auth_token"  # where the manifests look for the token of Ray
_OPTIONAL_GROUPS = ("monitoring.coreos.com", "kueue.x-k8s.io")  # kinds that not every cluster has


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """What there is on a cluster."""

    ray_clusters: list[RayClusterState]
    jobs: list[RayJobState]
    schedules: list[CronJobState]
    scheduled_runs: dict[str, list[RayJobState]]  # of each schedule, by name, so by date
    pods: list[RayPod]


def connect(cluster: Cluster) -> Kube:
    """The namespace of a cluster of the cluster file; nothing is sent yet."""
    return Kube(KubeApi.connect(cluster.context), cluster.namespace)


def put_up(cluster: Cluster, kube: Kube) -> Iterator[str]:
    """Applies the platform of a cluster, telling what it did; applied again nothing changes.

    The token that every call to Ray wants is made once and kept. Kinds of monitoring and of Kueue that are not
    installed are left out, those of KubeRay are wanted.
    """
    kube.api.kind("ray.io/v1", "RayJob")  # OperatorMissingError before anything is made
    left_out: list[str] = []
    for manifest in platform(cluster):
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        try:
            kube.apply(manifest)
        except NotFoundError:
            group = manifest["apiVersion"].partition("/")[0]
            if not group.endswith(_OPTIONAL_GROUPS):
                raise
            left_out.append(name)
            continue
        yield f"applied {name}"
        if manifest["kind"] == "Namespace" and _make_token(cluster, kube):
            yield "made the token of Ray"
    if left_out:
        yield f"left out, because their kinds are not installed: {', '.join(left_out)}"


def take_down(kube: Kube, *, is_everything: bool) -> Iterator[str]:
    """Deletes the Ray clusters that belong to no job, so that their nodes go; or jobs and schedules as well.

    Buckets, the namespace and what else is there stay.
    """
    if is_everything:
        for cron_job in kube.items("CronJob"):
            if SCHEDULE_LABEL in cron_job["metadata"].get("labels", {}):
                name = str(cron_job["metadata"]["name"])
                kube.delete("CronJob", name)
                kube.delete("ConfigMap", name)
                yield f"deleted schedule {name}"
        for job in kube.items("RayJob", PART_OF):
            kube.delete("RayJob", job["metadata"]["name"])
            yield f"deleted job {job['metadata']['name']}"
    for cluster in kube.items("RayCluster", PART_OF):
        if is_everything or not RayClusterState.of(cluster).is_owned:
            kube.delete("RayCluster", cluster["metadata"]["name"])
            yield f"deleted RayCluster {cluster['metadata']['name']}"


def look_at(kube: Kube) -> ClusterState:
    """What there is on a cluster now."""
    jobs = kube.items("RayJob", PART_OF)
    cron_jobs = [item for item in kube.items("CronJob") if SCHEDULE_LABEL in item["metadata"].get("labels", {})]
    scheduled_runs = {
        item["metadata"]["name"]: [RayJobState.of(job) for job in jobs if _schedule_of(job) == item["metadata"]["name"]]
        for item in cron_jobs
    }
    return ClusterState(
        ray_clusters=[RayClusterState.of(item) for item in kube.items("RayCluster")],
        jobs=[RayJobState.of(job) for job in jobs],
        schedules=[CronJobState.of(item) for item in cron_jobs],
        scheduled_runs=scheduled_runs,
        pods=ray_pods(kube),
    )


def ray_pods(kube: Kube) -> list[RayPod]:
    """All pods of Ray clusters in a namespace."""
    pods = kube.items("Pod")
    return [RayPod.of(pod) for pod in pods if CLUSTER_LABEL in pod["metadata"].get("labels", {})]


def _schedule_of(job: Object) -> str:
    return str(job["metadata"].get("labels", {}).get(SCHEDULE_LABEL, ""))


def _make_token(cluster: Cluster, kube: Kube) -> bool:
    """Makes the secret with the token of Ray if there is none, and says whether it did."""
    source = cluster.token if cluster.token.startswith("secret:") else DEFAULT_TOKEN
    name, _, key = source.removeprefix("secret:").partition("/")
    token = base64.b64encode(secrets.token_hex(32).encode()).decode()
    _, is_new = kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": PART_OF},
            "type": "Opaque",
            "data": {key: token},
        }
    )
    return is_new
