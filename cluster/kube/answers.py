"""What an API server of Kubernetes means when it refuses: an error that says what to do."""

from __future__ import annotations

import json
import re

from cluster.errors import (
    AuthenticationError,
    ClusterError,
    ConflictError,
    ExistsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OperatorMissingError,
    QuotaError,
    ServerError,
)

# User "a" cannot create resource "rayjobs" in API group "ray.io" in the namespace "tonemill"
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_NAMESPACE = re.compile(r'namespaces "([^"]+)" not found')
OPERATOR_ADVICE = (
    "Install the operator KubeRay (helm install kuberay-operator kuberay/kuberay-operator --version 1.7.0), "
    "then try again."
)


def explain(status: int, body: bytes, *, server: str, requested: str) -> ClusterError:
    """The error for an answer that is no success.

    Args:
        status: HTTP status.
        body: A Status object of Kubernetes, or whatever came instead.
        server: Name of the server, with its context, for the message.
        requested: What was requested, as "GET /api/v1/...".
    """
    reason, message = _parse(body)
    if status == 401:
        return AuthenticationError(
            f"{server} does not take our credentials: the token has expired, or is another cluster's. "
            "Log in again (on AWS: aws sso login), and see that `kubectl get namespaces` works."
        )
    if status == 403:
        return _denied(message, server)
    if status == 404:
        return _missing(message, server, requested)
    if status == 409:
        kind = ExistsError if reason == "AlreadyExists" else ConflictError
        return kind(f"{server}: {message}")
    if status in (400, 422):
        return InvalidError(f"{server} does not take the manifest: {message}. Was it made for another version?")
    if status == 413:
        return InvalidError(f"{server}: the manifest is too large: {message}")
    return ServerError(f"{server} answered {status} to {requested}: {message}. Try again in a while.")


def operator_missing(server: str) -> OperatorMissingError:
    """The kinds of ray.io are not there."""
    return OperatorMissingError(f"{server} does not know RayJob and RayCluster. {OPERATOR_ADVICE}")


def quota_exceeded(message: str) -> QuotaError:
    """A quota is used up; `message` is what Kubernetes says of it."""
    quota = message[message.find("exceeded quota") :] if "exceeded quota" in message else message
    return QuotaError(
        f"The namespace has used up its quota: {quota}. Stop a job that is not needed (tonemill jobs, tonemill stop), "
        "or have the quota raised (kubectl get resourcequota)."
    )


def _denied(message: str, server: str) -> ClusterError:
    if "exceeded quota" in message:
        return quota_exceeded(message)
    found = _FORBIDDEN.search(message)
    if found is None:
        return ForbiddenError(f"{server} refuses it: {message}")
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    where = f" in the namespace {found['namespace']}" if found["namespace"] else ""
    option = f" -n {found['namespace']}" if found["namespace"] else ""
    return ForbiddenError(
        f"{found['user']} may not {found['verb']} {resource}{where}. Ask for a Role with the verb "
        f'"{found["verb"]}" on "{found["resource"]}"; `kubectl auth can-i {found["verb"]} {resource}{option}` says '
        "when you have it."
    )


def _missing(message: str, server: str, requested: str) -> ClusterError:
    if found := _NAMESPACE.search(message):
        return NotFoundError(f"{server} has no namespace {found[1]}. `tonemill cluster up` makes it.")
    if "/ray.io/" in requested and "could not find the requested resource" in message:
        return operator_missing(server)
    return NotFoundError(f"{server}: {message}")


def _parse(body: bytes) -> tuple[str, str]:
    """Reason and message of a Status; of anything else the beginning of its text."""
    try:
        status = json.loads(body)
        return str(status.get("reason", "")), str(status.get("message", "")).rstrip(".")
    except (ValueError, AttributeError):
        return "", body[:200].decode("utf-8", "replace").strip() or "nothing"
