"""The definitions of KubeRay as an API server uses them: validate, find unknown fields, fill in defaults."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest

from tests.k8s.crd_schemas import KUBERAY_FOLDER, kuberay_crds, schema_of


@cache
def crd_schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of ray.io/v1; the test is skipped where the definitions are not beside the project."""
    if kuberay_crds() is None:
        pytest.skip(f"the definitions of KubeRay ({KUBERAY_FOLDER}) are neither in ../shared nor in $TONEMILL_SHARED")
    schema = schema_of(kind)
    properties = {name: inner for name, inner in schema["properties"].items() if name != "metadata"}  # the server's own
    return schema | {"properties": properties}


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_as_json_schema(crd_schema(kind)))


def _as_json_schema(node: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI of Kubernetes as JSON Schema: numbers or text where both are meant, null where it says so."""
    schema: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            schema[key] = {name: _as_json_schema(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            schema[key] = _as_json_schema(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            schema[key] = [_as_json_schema(inner) for inner in value]
        elif not key.startswith("x-") and key not in ("description", "default", "format"):
            schema[key] = value
    if node.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    if node.get("nullable") and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def schema_errors(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What a definition forbids in an object: (path, message), in a fixed order; none of a valid one."""
    found = _validator(manifest["kind"]).iter_errors({k: v for k, v in manifest.items() if k != "metadata"})
    errors = [(".".join(map(str, error.absolute_path)), error.message[:300]) for error in found]
    return sorted(errors)


def unknown_fields(manifest: dict[str, Any]) -> list[str]:
    """Paths of fields that a definition does not have."""
    return list(_unknown({k: v for k, v in manifest.items() if k != "metadata"}, crd_schema(manifest["kind"]), ""))


def _unknown(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _unknown(item, schema.get("items", {}), f"{path}[{i}]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, inner in value.items():
        place = f"{path}.{key}" if path else key
        if key in properties:
            yield from _unknown(inner, properties[key], place)
        elif isinstance(others, dict):
            yield from _unknown(inner, others, place)
        elif not others and properties:
            yield place


def with_defaults(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object as a server stores it: defaults of the definition where nothing is given."""
    filled = copy.deepcopy(manifest)
    _fill(filled, crd_schema(manifest["kind"]))
    return filled


def _fill(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, list):
        for item in value:
            _fill(item, schema.get("items", {}))
    if not isinstance(value, dict):
        return
    for key, inner in schema.get("properties", {}).items():
        if key not in value and "default" in inner:
            value[key] = copy.deepcopy(inner["default"])
        if key in value:
            _fill(value[key], inner)
