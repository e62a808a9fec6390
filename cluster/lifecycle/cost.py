"""What a cluster costs: nodes that run now an hour, and jobs by how long they ran, at the prices of the cluster file.

A Ray pod is made to fill its node, so a pod that has a node counts as that node; two pods on one node count once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cluster.kube.objects import NodeKind, Object, RayJobState, RayPod, wants_gpu
from cluster.settings import Prices


@dataclass(frozen=True, kw_only=True)
class RunningCost:
    """What runs now."""

    num_nodes: dict[NodeKind, int]
    an_hour: float  # in `currency`
    currency: str


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """What a job has cost so far, or in all if it has ended: between its fewest and its most workers."""

    name: str
    hours: float
    low: float  # in `currency`
    high: float
    currency: str


def running_cost(pods: Iterable[RayPod], prices: Prices) -> RunningCost:
    """Cost of the nodes that the pods of Ray hold."""
    kinds: dict[str, NodeKind] = {}
    for pod in pods:
        if not pod.node or pod.phase in ("Succeeded", "Failed"):
            continue
        kind = kinds.setdefault(pod.node, pod.kind)
        if price_of(pod.kind, prices) > price_of(kind, prices):
            kinds[pod.node] = pod.kind
    counts = Counter(kinds.values())
    an_hour = sum(count * price_of(kind, prices) for kind, count in sorted(counts.items()))
    return RunningCost(num_nodes=dict(sorted(counts.items())), an_hour=an_hour, currency=prices.currency)


def job_cost(job: Object, prices: Prices, now: datetime) -> JobCost:
    """Cost of a RayJob from its duration and from the least and the most workers that it may have."""
    state = RayJobState.of(job)
    ended = state.ended or now
    hours = max(0.0, (ended - state.started).total_seconds()) / 3600 if state.started else 0.0
    low = high = prices.head
    for group in job["spec"].get("rayClusterSpec", {}).get("workerGroupSpecs", []):
        containers = group["template"]["spec"]["containers"]
        price = price_of("gpu" if any(map(wants_gpu, containers)) else "cpu", prices)
        fewest = int(group.get("minReplicas", 0))
        low += fewest * price
        high += max(fewest, int(group.get("maxReplicas", group.get("replicas", 0)))) * price
    return JobCost(name=state.name, hours=hours, low=hours * low, high=hours * high, currency=prices.currency)


def price_of(kind: NodeKind, prices: Prices) -> float:
    """An hour of a node."""
    return {"head": prices.head, "cpu": prices.cpu, "gpu": prices.gpu}[kind]
