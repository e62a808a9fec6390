"""Objects of Kubernetes in one namespace: applied, created, watched, followed, deleted.

Whatever is applied again is the same object; a name is created once, so of several who try one makes it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cluster.errors import ExistsError, InvalidError, NameTooLongError, NotFoundError
from cluster.kube.api import FIELD_MANAGER, Kind, KubeApi, Object

PART_OF = {"app.kubernetes.io/part-of": "tonemill"}  # the label of all that is ours
API_VERSIONS = {
    "RayCluster": "ray.io/v1",
    "RayJob": "ray.io/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "Pod": "v1",
    "Event": "v1",
    "Namespace": "v1",
}  # of the kinds that we look for by name
MAX_NAME_LENGTHS = {"RayCluster": 53, "RayJob": 47, "CronJob": 52}  # each makes longer names from it
_WATCH_S = 300  # after which a watch is begun anew
_PAUSE_S = 0.1  # before a stream that ended is requested again
Change = Literal["ADDED", "MODIFIED", "DELETED"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change of an object that is watched."""

    change: Change
    object: Object


class Kube:
    """The objects of one namespace."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def apply(self, manifest: Object) -> Object:
        """The object after the server has merged a manifest into it, or made it (server-side apply).

        Fields that we applied before and no longer name are taken away; those of others stay.

        Raises:
            NameTooLongError, InvalidError, ForbiddenError, QuotaError, OperatorMissingError: see their texts.
        """
        kind, name = self._kind_and_name(manifest)
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        path = kind.path(self._namespace_of(manifest), name)
        return self.api.request("PATCH", path, query=query, body=manifest, content_type="application/apply-patch+yaml")

    def create(self, manifest: Object) -> tuple[Object, bool]:
        """The object of a manifest, and whether this call made it: if the name is taken, what is there.

        Raises:
            NameTooLongError, InvalidError, ForbiddenError, QuotaError, OperatorMissingError: see their texts.
        """
        kind, name = self._kind_and_name(manifest)
        namespace = self._namespace_of(manifest)
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        while True:
            try:
                return self.api.request("POST", kind.path(namespace), query=query, body=manifest), True
            except ExistsError:
                try:
                    return self.api.request("GET", kind.path(namespace, name)), False
                except NotFoundError:
                    continue  # deleted in between: the name is free again

    def check(self, manifest: Object) -> None:
        """Raises what creating an object would raise, without making it; a name that is taken is no error."""
        kind, _ = self._kind_and_name(manifest)
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "dryRun": "All"}
        with suppress(ExistsError):
            self.api.request("POST", kind.path(self._namespace_of(manifest)), query=query, body=manifest)

    def get(self, kind_name: str, name: str) -> Object:
        """An object; NotFoundError when there is none."""
        return self.api.request("GET", self._kind(kind_name).path(self.namespace, name))

    def find(self, kind_name: str, name: str) -> Object | None:
        """An object, or None."""
        try:
            return self.get(kind_name, name)
        except NotFoundError:
            return None

    def items(self, kind_name: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """All objects of a kind with the given labels, sorted by name."""
        items = self._list(kind_name, labels, {})["items"]
        return sorted(items, key=lambda item: str(item["metadata"]["name"]))

    def delete(self, kind_name: str, name: str) -> bool:
        """Deletes an object and what it owns; False when it was not there."""
        path = self._kind(kind_name).path(self.namespace, name)
        try:
            self.api.request("DELETE", path, query={"propagationPolicy": "Background"})
        except NotFoundError:
            return False
        return True

    def events_of(self, name: str) -> list[Object]:
        """Events that name an object, in order of their last time."""
        events = self._list("Event", None, {"fieldSelector": f"involvedObject.name={name}"})["items"]
        return sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))

    def watch(self, kind_name: str, name: str = "", *, timeout_s: float) -> Iterator[Event | None]:
        """What is there and how it changes, for `timeout_s`; None when nothing came for a while.

        Every object is given as it is now, first as ADDED; states that were passed through between two looks may be
        missing. A watch that breaks or is too old begins anew.
        """
        deadline = time.monotonic() + timeout_s
        selection = {"fieldSelector": f"metadata.name={name}"} if name else {}
        while True:
            listed = self._list(kind_name, None, selection)
            yield from (Event(change="ADDED", object=item) for item in listed["items"])
            version = str(listed["metadata"]["resourceVersion"])
            while version:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return
                seconds = str(max(1, min(_WATCH_S, round(left_s))))
                query = {**selection, "watch": "true", "resourceVersion": version, "timeoutSeconds": seconds}
                path = self._kind(kind_name).path(self.namespace)
                for line in self.api.stream(path, query, silence_s=float(seconds) + 5):
                    event = _event(line)
                    if event is None:
                        version = ""  # too old, or broken: look anew
                        time.sleep(_PAUSE_S)
                        break
                    version = str(event.object["metadata"]["resourceVersion"])
                    yield event
                else:
                    yield None
                    time.sleep(_PAUSE_S)

    def log_lines(self, pod: str, *, is_followed: bool) -> Iterator[str]:
        """Lines of the log of a pod's only container; followed until the container ends.

        Raises:
            NotFoundError: there is no such pod. InvalidError: it has not begun.
        """
        query = {"follow": "true"} if is_followed else {}
        path = self._kind("Pod").path(self.namespace, pod, "log")
        num_given = 0
        while True:
            is_whole = not is_followed or _has_ended(
                self.find("Pod", pod)
            )  # looked up before: lines come until the end
            num_seen = 0
            for line in self.api.stream(path, query, silence_s=_WATCH_S):
                num_seen += 1
                if num_seen > num_given:  # after a break the log comes from its beginning
                    yield line.decode("utf-8", "replace")
            num_given = max(num_given, num_seen)
            if is_whole:
                return
            time.sleep(_PAUSE_S)

    def _list(self, kind_name: str, labels: Mapping[str, str] | None, query: Mapping[str, str]) -> Object:
        selection = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        return self.api.request("GET", self._kind(kind_name).path(self.namespace), query={**query, **selection})

    def _kind(self, name: str) -> Kind:
        return self.api.kind(API_VERSIONS[name], name)

    def _kind_and_name(self, manifest: Object) -> tuple[Kind, str]:
        name = str(manifest.get("metadata", {}).get("name", ""))
        kind = self.api.kind(str(manifest["apiVersion"]), str(manifest["kind"]))
        check_name(kind.name, name)
        return kind, name

    def _namespace_of(self, manifest: Object) -> str:
        return str(manifest["metadata"].get("namespace") or self.namespace)


def check_name(kind: str, name: str) -> None:
    """Raises NameTooLongError for a name that Kubernetes or KubeRay would not take."""
    limit = MAX_NAME_LENGTHS.get(kind, 253)
    if len(name) > limit:
        raise NameTooLongError(
            f'"{name}" has {len(name)} characters, the name of a {kind} has {limit} at most, because longer names '
            f"are made from it. Take {len(name) - limit} away."
        )
    if not name:
        raise InvalidError(f"A {kind} without a name cannot be made.")


def _event(line: bytes) -> Event | None:
    try:
        change: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    if change.get("type") not in get_args(Change):
        _log.info("the watch ended: %s", change.get("object", {}).get("message"))
        return None
    return Event(change=change["type"], object=change["object"])


def _has_ended(pod: Object | None) -> bool:
    return pod is None or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
