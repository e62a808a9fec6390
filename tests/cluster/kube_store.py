"""What an API server of Kubernetes keeps and decides: objects with versions, what is valid, who may do what.

It keeps what the real one promises: resource versions, watches from a version on, 409 for a name that is taken and
for a stale version, 422 and strict decoding by the published definitions of KubeRay, 401, 403 with the verb, quotas,
cascading deletion, logs that are followed.
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from tests.cluster.crd_schemas import schema_errors, unknown_fields, with_defaults
from tests.cluster.kube_requests import (
    ADMIN_TOKEN,
    DEFINED,
    KINDS,
    KUBERNETES_VERSION,
    UNKNOWN_HERE,
    Account,
    Key,
    Log,
    Object,
    RefusalError,
    Request,
    invalid,
    key_of_kind,
    not_found,
    qualified,
)


class KubeStore:
    """The objects of a cluster; all methods may be called from any thread."""

    def __init__(self) -> None:
        self.accounts = {ADMIN_TOKEN: Account(name="admin")}
        self.is_operator_installed = True
        self.quotas: dict[tuple[str, str], int] = {}  # (namespace, plural) -> objects at most
        self.faults: list[int] = []  # codes that the next requests are answered with
        self.requests: list[tuple[str, str]] = []  # method, path with query
        self.logs: dict[tuple[str, str], Log] = {}  # (namespace, pod)
        self.oldest_version = 0  # watches from before it are refused as too old
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self._objects: dict[Key, Object] = {}
        self._applied: dict[tuple[Key, str], Object] = {}  # last manifest of each manager
        self._history: list[tuple[int, str, Key, Object]] = []
        self._version = 100
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tonemill"}})

    def kind_of(self, api_version: str, plural: str) -> tuple[str, bool]:
        """Name of a kind, and whether it lives in namespaces; RefusalError of one that is not installed."""
        if api_version == "ray.io/v1" and not self.is_operator_installed:
            raise RefusalError(404, "NotFound", "the server could not find the requested resource")
        for kind, (name, is_namespaced) in KINDS.get(api_version, {}).items():
            if name == plural:
                return kind, is_namespaced
        raise RefusalError(404, "NotFound", "the server could not find the requested resource")

    def find(self, kind: str, name: str, namespace: str = "tonemill") -> Object:
        """A stored object; KeyError when there is none."""
        with self.changed:
            return copy.deepcopy(self._objects[key_of_kind(kind, namespace, name)])

    def names(self, kind: str, namespace: str = "tonemill") -> list[str]:
        """Names of the objects of a kind, sorted."""
        prefix = key_of_kind(kind, namespace, "")[:3]
        with self.changed:
            return sorted(key[3] for key in self._objects if key[:3] == prefix)

    def put(self, manifest: Object, *, is_new: bool = True) -> Object:
        """Stores an object as it is, without asking whether anybody may."""
        metadata = manifest["metadata"]
        key = key_of_kind(manifest["kind"], metadata.get("namespace", "tonemill"), metadata["name"])
        with self.changed:
            before = self._objects.get(key)
            self._version += 1
            stored = copy.deepcopy(manifest)
            stored["metadata"] |= {
                "resourceVersion": str(self._version),
                "uid": before["metadata"]["uid"] if before else str(uuid.uuid4()),
                "creationTimestamp": before["metadata"]["creationTimestamp"] if before else _now(),
                "generation": (before["metadata"]["generation"] if before else 0) + 1,
            }
            if key[2]:
                stored["metadata"]["namespace"] = key[2]
            self._objects[key] = stored
            self._history.append((self._version, "MODIFIED" if before else "ADDED", key, stored))
            self.changed.notify_all()
            return copy.deepcopy(stored)

    def set_status(self, kind: str, name: str, namespace: str = "tonemill", **status: Any) -> None:
        """Changes fields of the status of an object, as its controller does; nothing if it is gone."""
        with self.changed:
            stored = self._objects.get(key_of_kind(kind, namespace, name))
            if stored is not None:
                self.put({**stored, "status": {**stored.get("status", {}), **status}})

    def remove(self, key: Key) -> Object:
        """Deletes an object and all that it owns."""
        with self.changed:
            stored = self._objects.pop(key)
            self._version += 1
            self._history.append((self._version, "DELETED", key, stored))
            uid = stored["metadata"]["uid"]
            for other, inner in list(self._objects.items()):
                if any(owner["uid"] == uid for owner in inner["metadata"].get("ownerReferences", [])):
                    self.remove(other)
            self.changed.notify_all()
            return stored

    # What a request asks for. `serve` is called by the handler, with the answer's code and object as result.

    def authorise(self, token: str, verb: str, requested: Request) -> None:
        """RefusalError of a token that is unknown, or that may not do this."""
        account = self.accounts.get(token)
        if account is None:
            raise RefusalError(401, "Unauthorized", "Unauthorized")
        plural = f"{requested.plural}/{requested.part}" if requested.part else requested.plural
        if account.allowed is not None and (verb, plural) not in account.allowed:
            group = requested.api_version.rpartition("/")[0]
            name = f' "{requested.name}"' if requested.name else ""
            where = f' in the namespace "{requested.namespace}"' if requested.namespace else " at the cluster scope"
            raise RefusalError(
                403,
                "Forbidden",
                f'{plural}{"." + group if group else ""}{name} is forbidden: User "{account.name}" cannot {verb} '
                f'resource "{plural}" in API group "{group}"{where}',
                {"name": requested.name, "group": group, "kind": requested.plural},
            )

    def serve(self, method: str, requested: Request, body: Object) -> tuple[int, Object]:
        """The answer to a request that is no watch and no log."""
        kind, _ = self.kind_of(requested.api_version, requested.plural)
        with self.changed:
            if method == "GET" and not requested.name:
                items = [copy.deepcopy(o) for k, o in sorted(self._objects.items()) if requested.selects(k, o)]
                metadata = {"resourceVersion": str(self._version)}
                return 200, {
                    "kind": f"{kind}List",
                    "apiVersion": requested.api_version,
                    "metadata": metadata,
                    "items": items,
                }
            if method == "POST":
                return 201, self._create(requested, kind, body)
            stored = self._objects.get(requested.key)
            if method == "PATCH":
                return (200 if stored else 201), self._apply(requested, kind, body, stored)
            if stored is None:
                raise not_found(requested)
            if method == "GET":
                return 200, copy.deepcopy(stored)
            if method == "DELETE":
                return 200, self.remove(requested.key)
            if method == "PUT":
                return 200, self._replace(requested, kind, body, stored)
        raise RefusalError(405, "MethodNotAllowed", f"{method} is not allowed here")

    def _create(self, requested: Request, kind: str, body: Object) -> Object:
        name = body.get("metadata", {}).get("name", "")
        manifest = self._checked(requested, kind, name, body)
        plural, namespace = requested.plural, requested.namespace
        if (requested.api_version, plural, namespace, name) in self._objects:
            raise RefusalError(409, "AlreadyExists", f'{qualified(requested)} "{name}" already exists', {"name": name})
        limit = self.quotas.get((namespace, plural))
        count = sum(key[:3] == requested.key[:3] for key in self._objects)
        if limit is not None and count >= limit:
            counted = f"count/{qualified(requested)}"
            raise RefusalError(
                403,
                "Forbidden",
                f'{qualified(requested)} "{name}" is forbidden: exceeded quota: team, requested: {counted}=1, '
                f"used: {counted}={count}, limited: {counted}={limit}",
            )
        return manifest if "dryRun" in requested.query else self.put(manifest)

    def _replace(self, requested: Request, kind: str, body: Object, stored: Object) -> Object:
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, stored["metadata"]["resourceVersion"]):
            raise RefusalError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {qualified(requested)} "{requested.name}": '
                "the object has been modified; "
                "please apply your changes to the latest version and try again",
            )
        return self.put({**self._checked(requested, kind, requested.name, body), "status": stored.get("status", {})})

    def _apply(self, requested: Request, kind: str, body: Object, stored: Object | None) -> Object:
        """Server-side apply: fields of the manifest take their values, those that its manager no longer names go."""
        manager = requested.query["fieldManager"]
        before = self._applied.get((requested.key, manager), {})
        merged = _merged(_without(copy.deepcopy(stored or {}), before, body), body)
        manifest = self._checked(requested, kind, requested.name, merged)
        self._applied[requested.key, manager] = copy.deepcopy(body)
        if stored is not None and _bare(manifest) == _bare(stored):
            return copy.deepcopy(stored)
        return self.put(manifest)

    def _checked(self, requested: Request, kind: str, name: str, body: Object) -> Object:
        """The object with defaults and its namespace; RefusalError of one that the server does not take."""
        if requested.namespace and requested.namespace != body.get("metadata", {}).setdefault(
            "namespace", requested.namespace
        ):
            raise RefusalError(400, "BadRequest", "the namespace of the object does not match that of the request")
        if (body.get("apiVersion"), body.get("kind")) != (requested.api_version, kind):
            raise RefusalError(400, "BadRequest", f"the object is no {kind} of {requested.api_version}")
        if requested.namespace and ("v1", "namespaces", "", requested.namespace) not in self._objects:
            raise RefusalError(404, "NotFound", f'namespaces "{requested.namespace}" not found', {"kind": "namespaces"})
        if requested.api_version in UNKNOWN_HERE:
            return body
        plain = _bare(body)
        if requested.api_version not in DEFINED:
            try:
                kubernetes_validate.validate(plain, KUBERNETES_VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise invalid(requested, kind, name, [(".".join(map(str, error.path)), error.message[:300])]) from error
            return body
        unknown = unknown_fields(plain)
        if unknown and requested.query.get("fieldValidation") == "Strict":
            report = ", ".join(f'unknown field "{path}"' for path in unknown)
            raise RefusalError(
                400, "BadRequest", f"{kind} in version v1 cannot be handled: strict decoding error: {report}"
            )
        filled = with_defaults(plain)
        if errors := schema_errors(filled):
            raise invalid(requested, kind, name, errors)
        return {**filled, "metadata": body["metadata"], "status": body.get("status", {})}

    def watch(self, requested: Request) -> Iterator[Object]:
        """Events from a resource version on, until the time of the request is over."""
        version = int(requested.query.get("resourceVersion") or 0)
        deadline = time.monotonic() + float(requested.query.get("timeoutSeconds", 60))
        if 0 < version < self.oldest_version:
            message = f"too old resource version: {version} ({self.oldest_version})"
            yield {"type": "ERROR", "object": RefusalError(410, "Expired", message).status}
            return
        position = 0
        while not self.ended.is_set():
            with self.changed:
                fresh = self._history[position:]
                position = len(self._history)
                if not fresh:
                    self.changed.wait(max(0.0, min(deadline - time.monotonic(), 5.0)))
            for number, event, key, stored in fresh:
                if number > version and requested.selects(key, stored):
                    yield {"type": event, "object": stored}
            if not fresh and time.monotonic() >= deadline:
                return

    def log_of(self, requested: Request) -> Log:
        """What a pod's container writes; RefusalError if it has not begun."""
        if requested.key not in self._objects:
            raise not_found(requested)
        log = self.logs.get((requested.namespace, requested.name))
        if log is None:
            raise RefusalError(
                400, "BadRequest", f'container in pod "{requested.name}" is waiting to start: ContainerCreating'
            )
        return log

    def follow(self, requested: Request, log: Log) -> Iterator[str]:
        """Lines of a log, as they come if that is requested."""
        position = 0
        while not self.ended.is_set():
            with self.changed:
                if position == len(log.lines):
                    if log.is_ended or requested.query.get("follow") != "true":
                        return
                    self.changed.wait(1.0)
                fresh = log.lines[position:]
                position = len(log.lines)
            yield from fresh


def _bare(manifest: Object) -> Object:
    """What a user wrote of an object: without status and without what the server adds to its metadata."""
    own = ("resourceVersion", "uid", "creationTimestamp", "generation")
    metadata = {k: v for k, v in manifest.get("metadata", {}).items() if k not in own}
    return {**{k: v for k, v in manifest.items() if k not in ("status", "metadata")}, "metadata": metadata}


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}
    return copy.deepcopy(above)


def _without(stored: Any, before: Any, now: Any) -> Any:
    """The stored object without the fields that were applied before and are not now."""
    if not isinstance(stored, dict) or not isinstance(before, dict):
        return stored
    now = now if isinstance(now, dict) else {}
    return {
        key: _without(value, before.get(key), now.get(key)) if key in now or key not in before else None
        for key, value in stored.items()
        if key in now or key not in before
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
