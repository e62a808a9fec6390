"""Schemas, written by hand, of those fields of Kueue's and of Prometheus' kinds that our manifests use; no others pass.

Their CRDs are not at hand here, so a field that exists but is not listed is refused too: look it up, then add it.
Kueue: kueue.x-k8s.io/v1beta2. Prometheus operator: monitoring.coreos.com/v1.
"""

from __future__ import annotations

from typing import Any

import jsonschema

from tests.k8s.render import Manifest

Schema = dict[str, Any]


def _object(required: str, **properties: Schema) -> Schema:
    names = {name.rstrip("_"): schema for name, schema in properties.items()}  # from_ is from
    return {"type": "object", "properties": names, "required": required.split(), "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _one_of(*values: str) -> Schema:
    return {"enum": list(values)}


_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT, "minProperties": 1}
_DURATION: Schema = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}
_SELECTOR = _object("matchLabels", matchLabels=_TEXTS)
_QUANTITY: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[KMGT]i?)?$"}
_FLAVOR_QUOTA = _object(
    "name resources", name=_TEXT, resources=_list(_object("name nominalQuota", name=_TEXT, nominalQuota=_QUANTITY))
)
_RELABELING = _object(
    "",
    action=_one_of("replace", "keep", "drop", "labeldrop", "labelkeep"),
    regex=_TEXT,
    sourceLabels=_list({"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}),
    targetLabel={"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
)
_ENDPOINT = _object(
    "port", port=_TEXT, interval=_DURATION, relabelings=_list(_RELABELING), metricRelabelings=_list(_RELABELING)
)
_ALERT = _object(
    "alert expr labels annotations", alert=_TEXT, expr=_TEXT, for_=_DURATION, labels=_TEXTS, annotations=_TEXTS
)

SPECS: dict[tuple[str, str], Schema] = {
    ("kueue.x-k8s.io/v1beta2", "ResourceFlavor"): _object("nodeLabels", nodeLabels=_TEXTS),
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"): _object("clusterQueue", clusterQueue=_TEXT),
    ("kueue.x-k8s.io/v1beta2", "ClusterQueue"): _object(
        "namespaceSelector resourceGroups",
        namespaceSelector=_SELECTOR,
        queueingStrategy=_one_of("BestEffortFIFO", "StrictFIFO"),
        preemption=_object(
            "",
            withinClusterQueue=_one_of("Never", "LowerPriority", "LowerOrNewerEqualPriority"),
            reclaimWithinCohort=_one_of("Never", "LowerPriority", "Any"),
        ),
        resourceGroups=_list(
            _object("coveredResources flavors", coveredResources=_list(_TEXT), flavors=_list(_FLAVOR_QUOTA))
        ),
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _object(
        "selector podMetricsEndpoints", jobLabel=_TEXT, selector=_SELECTOR, podMetricsEndpoints=_list(_ENDPOINT)
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        "groups", groups=_list(_object("name rules", name=_TEXT, rules=_list(_ALERT)))
    ),
}


def partial_problems(manifest: Manifest) -> list[str]:
    """What is wrong or not listed in a manifest of one of these kinds."""
    validator = jsonschema.Draft202012Validator(SPECS[manifest["apiVersion"], manifest["kind"]])
    found = [
        f"spec{error.json_path.removeprefix('$')}: {error.message[:200]}"
        for error in validator.iter_errors(manifest["spec"])
    ]
    if manifest["kind"] == "ClusterQueue":
        for group in manifest["spec"].get("resourceGroups", []):
            for flavor in group.get("flavors", []):
                # Kueue's webhook: each flavor lists all covered resources, in their order.
                if [quota["name"] for quota in flavor["resources"]] != group["coveredResources"]:
                    found.append(f"flavor {flavor['name']} does not list the covered resources in their order")
    return found
