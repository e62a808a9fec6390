"""An API server of Kubernetes behind a real socket: what our client is tested against.

`tests/cluster/kube_store.py` says what it keeps and decides, `tests/cluster/kube_operator.py` plays what moves the
objects: the operator of Ray and the machines that run pods.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.cluster.kube_requests import ADMIN_TOKEN, KINDS, KUBERNETES_VERSION, Object, RefusalError, Request
from tests.cluster.kube_store import KubeStore


class KubeServer(KubeStore):
    """The server: a context manager; all methods may be called from any thread.

    Args:
        certificate: File with a certificate and its key, for TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.endpoint = self.endpoint.replace("http:", "https:")

    def __enter__(self) -> KubeServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.ended.set()
        with self.changed:
            self.changed.notify_all()
        self._http.shutdown()
        self._http.server_close()

    def write_kubeconfig(self, path: Path, *, token: str = ADMIN_TOKEN, endpoint: str = "") -> Path:
        """A kubeconfig with one context, `fake`, that leads here."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": endpoint or self.endpoint}}],
            "users": [{"name": "someone", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "someone"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path


class _Handler(BaseHTTPRequestHandler):
    """One connection to `api`, the server that a subclass names."""

    api: KubeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with it and the buffer 3,000 creates a second, without them 22
    wbufsize = 64 * 1024

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.api.changed:
            self.api.requests.append((self.command, self.path))
            fault = self.api.faults.pop(0) if self.api.faults else 0
        try:
            if fault:
                raise RefusalError(fault, "InternalError", "the server is having a hard time")
            self.route(yaml.load(body, Loader=yaml.CSafeLoader) if body else {})
        except RefusalError as refusal:
            self.send(refusal.code, refusal.status)
        except OSError:
            self.close_connection = True  # the client has gone

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815

    def route(self, body: Object) -> None:
        parts = urlsplit(self.path)
        names = [name for name in parts.path.split("/") if name]
        if names == ["version"]:
            return self.send(200, {"major": "1", "minor": "33", "gitVersion": f"v{KUBERNETES_VERSION}.0"})
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        depth = 2 if names[0] == "api" else 3
        api_version, rest = "/".join(names[1:depth]), names[depth:]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not rest:
            if token not in self.api.accounts:
                raise RefusalError(401, "Unauthorized", "Unauthorized")
            return self.discover(api_version)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        name, part = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
        request = Request(
            api_version=api_version, plural=rest[0], namespace=namespace, name=name, part=part, query=query
        )
        is_watch = query.get("watch") in ("true", "True")
        self.api.authorise(token, _verb(self.command, name, is_watch), request)
        if part == "log":
            log = self.api.log_of(request)
            return self.stream((f"{line}\n" for line in self.api.follow(request, log)), "text/plain")
        if is_watch:
            self.api.kind_of(api_version, request.plural)
            return self.stream((json.dumps(event) + "\n" for event in self.api.watch(request)), "application/json")
        return self.send(*self.api.serve(self.command, request, body))

    def discover(self, api_version: str) -> None:
        kinds = KINDS.get(api_version)
        if kinds is None or (api_version == "ray.io/v1" and not self.api.is_operator_installed):
            raise RefusalError(404, "NotFound", "the server could not find the requested resource")
        resources = [{"name": p, "kind": kind, "namespaced": n, "verbs": []} for kind, (p, n) in kinds.items()]
        self.send(200, {"kind": "APIResourceList", "groupVersion": api_version, "resources": resources})

    def send(self, code: int, content: Object) -> None:
        data = json.dumps(content).encode()
        self.send_response_only(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def stream(self, lines: Iterator[str], content_type: str) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for line in lines:
            data = line.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def log_message(self, *arguments: object) -> None:
        pass


def _verb(method: str, name: str, is_watch: bool) -> str:
    if method == "GET":
        return "watch" if is_watch else "get" if name else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
