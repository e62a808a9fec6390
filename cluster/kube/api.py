"""One API server of Kubernetes: requests and answers as plain objects, through the official client.

The client brings what is hard: kubeconfig with its plugins for credentials, credentials inside of a pod, TLS. Kinds
are looked up on the server, so that any manifest can be sent.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from cluster.errors import ClusterError, KubeconfigError, NotFoundError, ServerError, UnreachableError
from cluster.kube.answers import explain, operator_missing
from lstm_core.foundation.backoff import Backoff

Object = dict[str, Any]
CONNECT_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 30.0
FIELD_MANAGER = "tonemill"
_ATTEMPTS = 4  # of a request that the server was too busy for
_BUSY = (429, 500, 502, 503, 504)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of object as its server names it."""

    api_version: str
    name: str
    plural: str
    is_namespaced: bool

    def path(self, namespace: str, name: str = "", part: str = "") -> str:
        """Path of all objects of the kind, of one, or of a part of one."""
        root = "/api/" if "/" not in self.api_version else "/apis/"
        inside = f"/namespaces/{quote(namespace)}" if self.is_namespaced else ""
        names = "".join(f"/{quote(item)}" for item in (name, part) if item)
        return f"{root}{self.api_version}{inside}/{self.plural}{names}"


class KubeApi:
    """A connection to an API server, usable from several threads.

    Args:
        client: The official client, configured.
        server: Name of the server for messages.
    """

    def __init__(self, client: ApiClient, server: str) -> None:
        self.server = server
        self._client = client
        self._kinds: dict[tuple[str, str], Kind] = {}

    @staticmethod
    def connect(context: str = "") -> KubeApi:
        """The API server of a context, of the current one without a name, of the own one inside a pod.

        Nothing is sent yet.

        Raises:
            KubeconfigError: there is no kubeconfig, it is malformed, or has no such context.
        """
        configuration = Configuration()
        configuration.retries = False  # ours are below, and an address where nobody is shall fail in seconds
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG") and not context:
            try:
                kubernetes_config.load_incluster_config(client_configuration=configuration)
            except ConfigException as error:
                raise KubeconfigError(
                    f"This pod has no token for its API server: {error}. Its spec wants automountServiceAccountToken."
                ) from error
            return KubeApi(ApiClient(configuration), "The API server of this cluster")
        paths = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
        context = _checked_context(paths, context)
        try:
            kubernetes_config.load_kube_config(paths, context, configuration, persist_config=False)
        except (ConfigException, OSError, ValueError) as error:
            raise KubeconfigError(f"The context {context} of {paths} cannot be used: {error}") from error
        return KubeApi(ApiClient(configuration), f"The API server of {context} ({configuration.host})")

    def close(self) -> None:
        """Closes all connections."""
        self._client.rest_client.pool_manager.clear()

    def kind(self, api_version: str, name: str) -> Kind:
        """A kind by its name, as "RayJob" of "ray.io/v1".

        Raises:
            OperatorMissingError: the kinds of KubeRay are not installed.
            NotFoundError: the server does not know another kind.
        """
        if (api_version, name) not in self._kinds:
            path = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
            try:
                found = self.request("GET", path)["resources"]
            except NotFoundError as error:
                if api_version.startswith("ray.io/"):
                    raise operator_missing(self.server) from error
                found = []
            for entry in found:
                if "/" not in entry["name"]:
                    kind = Kind(
                        api_version=api_version,
                        name=entry["kind"],
                        plural=entry["name"],
                        is_namespaced=bool(entry["namespaced"]),
                    )
                    self._kinds[api_version, kind.name] = kind
        if (api_version, name) not in self._kinds:
            raise NotFoundError(f"{self.server} does not know the kind {name} of {api_version}: it is not installed.")
        return self._kinds[api_version, name]

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """The object that the server answers with.

        A request to a busy server is repeated for some seconds. That is safe for every method: a name is created once.

        Raises:
            ClusterError: what `explain` makes of a refusal; UnreachableError where nobody answers.
        """
        backoff = Backoff(first_s=0.3, longest_s=8.0)
        while True:
            try:
                response = self._send(method, path, query, body, content_type, READ_TIMEOUT_S)
                answer: Object = json.loads(response.data)
                return answer
            except ApiException as error:
                is_last = error.status not in _BUSY or backoff.num_attempts == _ATTEMPTS
                if is_last or not backoff.pause():
                    raise self._explained(error, f"{method} {path}") from error
            except ValueError as error:
                raise ServerError(f"{self.server} answered {method} {path} with something that is no JSON.") from error

    def stream(self, path: str, query: Mapping[str, str], *, silence_s: float) -> Iterator[bytes]:
        """Lines of an answer that goes on, until the server ends it or is silent for `silence_s`.

        A connection that breaks ends it too: the caller requests the rest.
        """
        try:
            response = self._send("GET", path, query, None, "application/json", silence_s)
        except ApiException as error:
            raise self._explained(error, f"GET {path}") from error
        rest = b""
        try:
            for piece in response.stream(amt=None, decode_content=False):
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines
            if rest:
                yield rest
        except urllib3.exceptions.HTTPError as error:
            _log.info("the stream of %s ended: %s", path, error)
        finally:
            response.close()
            response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        content_type: str,
        read_timeout_s: float,
    ) -> urllib3.HTTPResponse:
        try:
            response: urllib3.HTTPResponse = self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
            )
            return response
        except AttributeError as error:  # the client decodes the body of an answer that never came: of a TLS error
            if isinstance(error.__context__, ApiException):
                raise error.__context__ from error
            raise
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"{self.server} does not answer: {_short(error)}. Is the address right, the cluster up, "
                "and do you need a VPN? `kubectl cluster-info` tries the same."
            ) from error

    def _explained(self, error: ApiException, requested: str) -> ClusterError:
        if not error.status:  # TLS: the client gives it no status
            return UnreachableError(
                f"{self.server} cannot be trusted: {_short(error.reason)}. The kubeconfig wants the certificate of "
                "who signed it (on AWS: aws eks update-kubeconfig writes it)."
            )
        body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
        return explain(error.status, body, server=self.server, requested=requested)


def _checked_context(paths: str, context: str) -> str:
    """The context that is meant; KubeconfigError where there is none."""
    advice = "On AWS `aws eks update-kubeconfig --name CLUSTER --region REGION` writes it"
    if not any(Path(path).is_file() for path in paths.split(os.pathsep)):
        raise KubeconfigError(f"There is no kubeconfig at {paths}. {advice}; or set KUBECONFIG to yours.")
    try:
        contexts, current = kubernetes_config.list_kube_config_contexts(paths)
    except (ConfigException, KeyError, TypeError, ValueError) as error:
        raise KubeconfigError(f"The kubeconfig {paths} cannot be used: {_short(error)}. {advice}.") from error
    except Exception as error:  # of the YAML parser, whose errors have no base but Exception
        raise KubeconfigError(f"The kubeconfig {paths} is no YAML: {_short(error)}. {advice}.") from error
    names = [str(entry["name"]) for entry in contexts]
    if not context:
        return str(current["name"])
    if context not in names:
        near = difflib.get_close_matches(context, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(names)}."
        raise KubeconfigError(f"The kubeconfig {paths} has no context {context}. {hint} {advice}.")
    return context


def _short(error: object) -> str:
    """An error of a lower layer in one line, without the object addresses that its text carries."""
    text = str(error).replace("\n", " ")
    return text.rpartition(">: ")[2][:240] or type(error).__name__
