"""One HTTP client of a Ray dashboard: token, TLS, timeouts, retries, and errors that say what to do."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from cluster.addresses import is_loopback
from cluster.errors import AuthenticationError, ClusterFileError, NotFoundError, ServerError, UnreachableError
from cluster.settings import Cluster
from lstm_core.foundation.backoff import Backoff
from lstm_core.foundation.closing import Closing

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
NO_AGENT = "No available agent"  # 500 of a head that has just started
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to wait for what, in seconds."""

    connect_s: float = 4.0
    read_s: float = 15.0  # for the next bytes of an answer
    submit_s: float = 75.0  # for the answer to a new job: the head looks for an agent for up to 60 s
    patience_s: float = 10.0  # with a server that has not answered yet: an address may be wrong
    outage_s: float = 180.0  # with a server that is known to be there, while a job is followed: it restarts
    first_wait_s: float = 0.25  # between tries; doubles
    longest_wait_s: float = 8.0
    poll_s: float = 1.0  # between looks at a job
    silence_s: float = 60.0  # without a line of a job's log, after which the connection is made anew


class JobServer(Closing):
    """Requests to the dashboard of one cluster. May be used from several threads; close it, or use it in `with`."""

    def __init__(self, cluster: Cluster, token: str = "", *, timing: Timing | None = None) -> None:
        self.cluster = cluster
        self.timing = timing or Timing()
        self._has_token = bool(token)
        self._has_answered = False
        self.client_arguments: dict[str, Any] = {
            "base_url": cluster.address.rstrip("/"),
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "verify": _trust(cluster),
            "trust_env": not is_loopback(urlsplit(cluster.address).hostname or ""),  # no proxy leads to this machine
            "timeout": httpx.Timeout(self.timing.read_s, connect=self.timing.connect_s),
        }
        self._client = httpx.Client(**self.client_arguments)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
        missing: str = "",
        read_s: float | None = None,
        patience_s: float | None = None,
    ) -> httpx.Response:
        """The answer to a request, which is repeated while that can help; so it must be one that may be repeated.

        Args:
            method: As "GET".
            path: From the address on.
            params: Of the query.
            json: Body, or None.
            content: Body as bytes.
            missing: What is not there when the answer is 404.
            read_s: How long to wait for the answer.
            patience_s: How long to go on trying; a server that has never answered gets no more than usual.

        Raises:
            UnreachableError, AuthenticationError, NotFoundError, ServerError.
        """
        timing = self.timing
        timeout = httpx.Timeout(read_s or timing.read_s, connect=timing.connect_s)
        if patience_s is None or not self._has_answered:
            patience_s = timing.patience_s
        backoff = Backoff(first_s=timing.first_wait_s, longest_s=timing.longest_wait_s)
        while True:
            trouble: httpx.Response | httpx.TransportError
            try:
                answer = self._client.request(method, path, params=params, json=json, content=content, timeout=timeout)
                if not _is_passing(answer):
                    self._has_answered = True
                    return self._checked(answer, missing)
                trouble = answer
            except httpx.TransportError as error:
                if _is_certificate(error):
                    raise self._untrusted(error) from error
                trouble = error
            within_s = patience_s if backoff.num_attempts > 1 else math.inf  # one that took long is made twice too
            _log.info("%s: %s %s: %r", self.cluster.name, method, path, trouble)
            if not backoff.pause(within_s=within_s, requested_s=_asked_s(trouble)):
                raise self._given_up(trouble, backoff.num_attempts)

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The answer to a request as JSON; arguments and errors as of `request`."""
        answer = self.request(method, path, **options)
        try:
            return answer.json()
        except ValueError as error:
            kind = answer.headers.get("content-type", "something unnamed").partition(";")[0]
            raise ServerError(
                f"What answers at {self.cluster.address} is no Ray dashboard: {path} gave {kind} instead of JSON. "
                "Is it the page of a proxy, or one to log in at?"
            ) from error

    def _checked(self, answer: httpx.Response, missing: str) -> httpx.Response:
        """An answer that says yes, or the error that it is."""
        address, status = self.cluster.address, answer.status_code
        if status < 300:
            return answer
        if status < 400:
            target = answer.headers.get("location", "elsewhere")
            raise ServerError(
                f"{address} sends us on to {target}. A token is not sent after it: is that the address, or a page to "
                "log in at?"
            )
        if status in (401, 403):
            raise self._denied(status)
        if status == 404:
            raise NotFoundError(
                f"{missing} is not on the cluster {self.cluster.name}."
                if missing
                else f"{address} knows no {answer.request.url.path}: it is no Ray dashboard, or one without job server "
                "(it needs ray[default])."
            )
        if status == 413:
            raise ServerError(f"{address} takes no request of this size (413). Put large files into a bucket.")
        raise ServerError(f"{address} answered {status}: {_last_line(answer.text)}")

    def _denied(self, status: int) -> AuthenticationError:
        """401: Ray saw no token, 403: a wrong one; proxies mix them up, so what we sent counts as well."""
        name, source = self.cluster.name, self.cluster.token
        if not self._has_token:
            return AuthenticationError(
                f"The cluster {name} asks for a token ({status}) and the cluster file names none. Write "
                'token = "env:RAY_AUTH_TOKEN", "file:PATH" or "secret:NAME/KEY" into its table.'
            )
        return AuthenticationError(
            f"The cluster {name} does not take the token of {source} ({status}): it is wrong, or has expired. The "
            "right one is what RAY_AUTH_TOKEN is on its head."
        )

    def _untrusted(self, error: Exception) -> UnreachableError:
        known = f"ca_file = {self.cluster.ca_file!r}" if self.cluster.ca_file else "no ca_file"
        return UnreachableError(
            f"The certificate of {self.cluster.address} is not trusted ({_last_line(str(error))}). If it is of an "
            f"authority of your own, name its certificate as ca_file in the cluster file (there is {known})."
        )

    def _given_up(self, trouble: httpx.Response | httpx.TransportError, number: int) -> UnreachableError:
        tries = f"tried {number} times"
        if isinstance(trouble, httpx.Response):
            return UnreachableError(
                f"{self.cluster.address} (cluster {self.cluster.name}) went on answering {trouble.status_code} "
                f"({tries}): {_last_line(trouble.text)}"
            )
        because = str(trouble) or type(trouble).__name__
        return UnreachableError(
            f"Nothing answers at {self.cluster.address}, the address of the cluster {self.cluster.name} ({because}; "
            f"{tries}). Is the cluster up, the address right, and the port forwarded if it is behind one?"
        )


def _trust(cluster: Cluster) -> ssl.SSLContext:
    """What certificates are held against: always verified, by the public authorities or that of the cluster file."""
    if not cluster.address.startswith("https"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, trusts nobody, and made in no time
    if not cluster.ca_file:
        return httpx.create_ssl_context()
    path = Path(cluster.ca_file).expanduser()
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise ClusterFileError(
            f"ca_file of the cluster {cluster.name} is {path}, which cannot be used: {error}"
        ) from error


def _is_passing(answer: httpx.Response) -> bool:
    """Whether an answer is a trouble that may pass."""
    return answer.status_code in RETRIED_STATUSES or (answer.status_code == 500 and NO_AGENT in answer.text)


def _asked_s(trouble: httpx.Response | httpx.TransportError) -> float:
    """Seconds that a server wants between requests."""
    requested = trouble.headers.get("retry-after", "") if isinstance(trouble, httpx.Response) else ""
    return float(requested) if requested.isdigit() else 0.0


def _is_certificate(error: BaseException) -> bool:
    """Whether a connection failed because of the certificate of the other side: trying again would not help."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _last_line(text: str) -> str:
    """The last line of a traceback, which says what happened, short enough for a screen."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip(" .")]
    return (lines[-1] if lines else "without a word")[:300]
