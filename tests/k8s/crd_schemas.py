"""Checks KubeRay's kinds by the schemas of its CRDs, as the API server does; unknown fields are errors as well.

The CRDs are not part of this project. They are looked for in ../shared/schemas, or in $TONEMILL_SHARED/schemas.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.k8s.render import ROOT, Manifest

KUBERAY_FOLDER = "schemas/kuberay-v1.7.0"
_FILES = {
    "RayCluster": "ray.io_rayclusters.yaml",
    "RayJob": "ray.io_rayjobs.yaml",
    "RayCronJob": "ray.io_raycronjobs.yaml",
    "RayService": "ray.io_rayservices.yaml",
}
_METADATA_FIELDS = frozenset({"name", "generateName", "namespace", "labels", "annotations", "finalizers"})

Schema = dict[str, Any]


def kuberay_crds() -> Path | None:
    """The folder with KubeRay's CRDs, None where it is not on this machine."""
    shared = Path(os.environ.get("TONEMILL_SHARED") or ROOT.parent / "shared")
    folder = shared / KUBERAY_FOLDER
    return folder if folder.is_dir() else None


@cache
def schema_of(kind: str, version: str = "v1") -> Schema:
    """The OpenAPI schema of one of KubeRay's kinds."""
    folder = kuberay_crds()
    if folder is None:
        raise FileNotFoundError(f"no KubeRay CRDs: {KUBERAY_FOLDER} is neither in ../shared nor in $TONEMILL_SHARED")
    crd = yaml.load((folder / _FILES[kind]).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    versions = {entry["name"]: entry["schema"]["openAPIV3Schema"] for entry in crd["spec"]["versions"]}
    schema: Schema = versions[version]
    return schema


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(kind))


def schema_problems(manifest: Manifest) -> list[str]:
    """What the API server would refuse in a manifest of one of KubeRay's kinds, and fields that it would drop."""
    group, _, version = manifest["apiVersion"].partition("/")
    if group != "ray.io" or version != "v1" or manifest["kind"] not in _FILES:
        return [f"{manifest['apiVersion']} {manifest['kind']} is no kind of KubeRay 1.7's ray.io/v1"]
    problems: list[str] = []
    complete = _completed(manifest, schema_of(manifest["kind"]), "", problems)
    unknown = sorted(set(complete.get("metadata", {})) - _METADATA_FIELDS)
    problems += [f"metadata.{field}: unknown field" for field in unknown]
    for error in _validator(manifest["kind"]).iter_errors(complete):
        problems.append(f"{error.json_path.removeprefix('$.')}: {error.message[:200]}")
    return problems


def _completed(value: Any, schema: Schema, path: str, problems: list[str]) -> Any:
    """The value without nulls and with the defaults of its schema; what the schema does not know goes to `problems`."""
    if isinstance(value, list):
        items = schema.get("items", {})
        _check_keys(value, schema, path, problems)
        return [_completed(item, items, f"{path}[{i}]", problems) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties")
    is_open = not properties and extra is None  # metadata, and what a CRD leaves open
    done = {}
    for name, inner in value.items():
        where = f"{path}.{name}".lstrip(".")
        if inner is None:
            continue
        if name in properties:
            done[name] = _completed(inner, properties[name], where, problems)
        elif isinstance(extra, dict):
            done[name] = _completed(inner, extra, where, problems)
        elif is_open or extra is True or schema.get("x-kubernetes-preserve-unknown-fields"):
            done[name] = inner
        else:
            problems.append(f"{where}: unknown field")
    for name, inner_schema in properties.items():
        if name not in done and "default" in inner_schema:
            done[name] = inner_schema["default"]
    return done


def _check_keys(items: list[Any], schema: Schema, path: str, problems: list[str]) -> None:
    """Two items of a list with one key: the API server refuses them."""
    names = schema.get("x-kubernetes-list-map-keys")
    if not names:
        return
    defaults = {name: schema["items"]["properties"][name].get("default") for name in names}
    seen = set()
    for item in items:
        key = tuple(item.get(name, defaults[name]) for name in names)
        if key in seen:
            problems.append(f"{path}: {dict(zip(names, key, strict=True))} stands there twice")
        seen.add(key)
