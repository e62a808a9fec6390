"""What a request to the API server of Kubernetes asks for, who asks, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ADMIN_TOKEN = "token-of-the-admin"
KUBERNETES_VERSION = "1.33"

# apiVersion -> kind -> (plural, is_namespaced)
KINDS: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "Pod": ("pods", True),
        "Event": ("events", True),
        "ConfigMap": ("configmaps", True),
        "Secret": ("secrets", True),
        "Service": ("services", True),
        "ServiceAccount": ("serviceaccounts", True),
        "ResourceQuota": ("resourcequotas", True),
        "LimitRange": ("limitranges", True),
    },
    "apps/v1": {"Deployment": ("deployments", True)},
    "batch/v1": {"CronJob": ("cronjobs", True), "Job": ("jobs", True)},
    "networking.k8s.io/v1": {"NetworkPolicy": ("networkpolicies", True)},
    "policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "rbac.authorization.k8s.io/v1": {
        "Role": ("roles", True),
        "RoleBinding": ("rolebindings", True),
        "ClusterRole": ("clusterroles", False),
        "ClusterRoleBinding": ("clusterrolebindings", False),
    },
    "scheduling.k8s.io/v1": {"PriorityClass": ("priorityclasses", False)},
    "monitoring.coreos.com/v1": {
        "PodMonitor": ("podmonitors", True),
        "ServiceMonitor": ("servicemonitors", True),
        "PrometheusRule": ("prometheusrules", True),
    },
    "kueue.x-k8s.io/v1beta1": {
        "ResourceFlavor": ("resourceflavors", False),
        "ClusterQueue": ("clusterqueues", False),
        "LocalQueue": ("localqueues", True),
        "WorkloadPriorityClass": ("workloadpriorityclasses", False),
    },
    "ray.io/v1": {"RayCluster": ("rayclusters", True), "RayJob": ("rayjobs", True)},
}
DEFINED = ("ray.io/v1",)  # kinds that a CustomResourceDefinition of ../shared describes
UNKNOWN_HERE = ("monitoring.coreos.com/v1", "kueue.x-k8s.io/v1beta1")  # kinds whose definitions are not at hand

Key = tuple[str, str, str, str]  # apiVersion, plural, namespace, name
Object = dict[str, Any]


class RefusalError(Exception):
    """An answer of the server that is no success: its code, and the reason and message of its Status."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.details = code, details or {}
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": self.details,
            "code": code,
        }


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who a token belongs to, and what it may do: (verb, plural), or None for everything."""

    name: str
    allowed: frozenset[tuple[str, str]] | None = None


@dataclass
class Log:
    """What a container has written so far."""

    lines: list[str] = field(default_factory=list)
    is_ended: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A path of the API, taken apart."""

    api_version: str
    plural: str
    namespace: str
    name: str
    part: str  # "log", "status" or ""
    query: dict[str, str]

    @property
    def key(self) -> Key:
        return self.api_version, self.plural, self.namespace, self.name

    def selects(self, key: Key, stored: Object) -> bool:
        """Whether a list or watch of this request shows an object."""
        wanted = (self.api_version, self.plural, self.namespace or key[2])
        labels, metadata = stored["metadata"].get("labels", {}), stored["metadata"]
        fields = {"metadata.name": metadata["name"]}
        fields |= {f"involvedObject.{k}": str(v) for k, v in stored.get("involvedObject", {}).items()}
        return (
            key[:3] == wanted
            and all(labels.get(k) == v for k, v in _selector(self.query.get("labelSelector", "")))
            and all(fields.get(k) == v for k, v in _selector(self.query.get("fieldSelector", "")))
        )


def _selector(text: str) -> list[tuple[str, str]]:
    return [(k, v.lstrip("=")) for k, _, v in (part.partition("=") for part in text.split(",") if part)]


def key_of_kind(kind: str, namespace: str, name: str) -> Key:
    """Where an object is stored."""
    for api_version, kinds in KINDS.items():
        if kind in kinds:
            plural, is_namespaced = kinds[kind]
            return api_version, plural, namespace if is_namespaced else "", name
    raise KeyError(kind)


def qualified(requested: Request) -> str:
    """Name of a kind with its group: `rayjobs.ray.io`."""
    group = requested.api_version.rpartition("/")[0]
    return f"{requested.plural}.{group}" if group else requested.plural


def not_found(requested: Request) -> RefusalError:
    """There is no object of that name."""
    details = {"name": requested.name, "kind": requested.plural}
    return RefusalError(404, "NotFound", f'{qualified(requested)} "{requested.name}" not found', details)


def invalid(requested: Request, kind: str, name: str, errors: list[tuple[str, str]]) -> RefusalError:
    """An object that its definition does not allow."""
    report = ", ".join(f"{path}: Invalid value: {message}" for path, message in errors)
    causes = [{"field": path, "message": message, "reason": "FieldValueInvalid"} for path, message in errors]
    group = requested.api_version.rpartition("/")[0]
    return RefusalError(422, "Invalid", f'{kind}.{group} "{name}" is invalid: {report}', {"causes": causes})
