"""All checks of manifests together: schemas by kind, KubeRay's own rules, and ours."""

from __future__ import annotations

import kubernetes_validate

from tests.k8s import crd_schemas, partial_schemas
from tests.k8s.cluster_rules import cluster_problems
from tests.k8s.kuberay_rules import NO_CONTAINER, kuberay_problems
from tests.k8s.pod_rules import pod_problems
from tests.k8s.pods import pods_of
from tests.k8s.render import Manifest

KUBERNETES_VERSIONS = ("1.32", "1.35")  # the oldest that Terraform takes, and its default


def schema_problems(manifest: Manifest, kubernetes_version: str = KUBERNETES_VERSIONS[-1]) -> list[str]:
    """What the API server would refuse or drop, by the schema of the manifest's kind."""
    group = manifest["apiVersion"].rpartition("/")[0]
    if group == "ray.io":
        return crd_schemas.schema_problems(manifest)
    if (manifest["apiVersion"], manifest["kind"]) in partial_schemas.SPECS:
        return partial_schemas.partial_problems(manifest)
    try:
        kubernetes_validate.validate(manifest, kubernetes_version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        path = ".".join(str(part) for part in getattr(error, "path", []))
        return [f"{path}: {str(getattr(error, 'message', error))[:300]}"]
    return []


def rule_problems(manifest: Manifest) -> list[str]:
    """What KubeRay's controllers and our own rules have against one manifest."""
    found = kuberay_problems(manifest) if manifest["apiVersion"].startswith("ray.io/") else []
    if any(problem == NO_CONTAINER for problem in found):
        return found  # there are no pods to look at
    found += cluster_problems(manifest)
    for pod in pods_of(manifest):
        found += pod_problems(pod)
    return found
