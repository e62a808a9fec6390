"""A job server of a few lines behind a real socket, that can misbehave; for what a real one does not do on demand."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

NO_FAULT: Callable[[int, str, str], str] = lambda number, method, path: ""  # noqa: E731


class FakeDashboard:
    """A Ray dashboard that knows jobs but runs none.

    `fault(number, method, path)` says for a request of that number what goes wrong:
        "STATUS TEXT"    it is answered with that error (of "429 N" the text is the header Retry-After)
        "reset"          the connection is closed without an answer
        "lost"           it is done, and the connection closed without an answer
        "mute"           nothing is sent for a long while
        "page"           a web page is sent
        "to ADDRESS"     it is sent on to another address
        "cut N"          of the log N bytes are sent, then the connection is closed
    """

    def __init__(
        self,
        fault: Callable[[int, str, str], str] = NO_FAULT,
        *,
        token: str = "t0ken",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.version = "2.60.0"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, bytes] = {}
        self.packages: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.times_s: list[float] = []
        self.tokens: set[str] = set()
        self._fault, self._token = fault, token
        self._lock = threading.Lock()
        self._ended = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_any(self) -> None:
                with suppress(OSError):
                    fake._serve(self)

            do_GET = do_POST = do_PUT = do_any  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> FakeDashboard:
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def count(self, method: str, part: str = "") -> int:
        """Requests of a method whose path holds a part."""
        return sum(done == method and part in path for done, path in self.requests)

    def put_job(self, job_id: str, status: str, **facts: Any) -> None:
        """Makes a job known; facts are keys of Ray's JSON."""
        job = {"type": "SUBMISSION", "submission_id": job_id, "status": status, "entrypoint": "x", "start_time": 1000}
        self.jobs[job_id] = {**job, "driver_node_id": "n1" if status != "PENDING" else None, **facts}

    def _serve(self, requested: BaseHTTPRequestHandler) -> None:
        body = requested.rfile.read(int(requested.headers.get("Content-Length", 0)))
        path = urlsplit(requested.path)
        with self._lock:
            number = len(self.requests)
            self.requests.append((requested.command, path.path))
            self.times_s.append(time.monotonic())
            self.tokens.add(requested.headers.get("Authorization", ""))
        fault = self._fault(number, requested.command, path.path)
        if fault in ("mute", "reset") or fault.startswith(("to ", "page")) or fault[:1].isdigit():
            return self._misbehave(requested, fault)
        sent = requested.headers.get("Authorization", "")
        if self._token and sent != f"Bearer {self._token}":
            return self._answer(requested, 403 if sent else 401, "Unauthorized")
        parts = [unquote(part) for part in path.path.split("/") if part]
        if parts[:3] == ["api", "v0", "logs"]:
            return self._send_log(requested, parts[3], parse_qs(path.query), fault)
        with self._lock:
            status, answer = self._act(requested.command, parts, body)
        if fault == "lost":
            requested.close_connection = True
            return
        self._answer(requested, status, answer)

    def _act(self, method: str, parts: list[str], body: bytes) -> tuple[int, str]:
        match method, *parts:
            case "GET", "api", "version":
                return 200, json.dumps({"ray_version": self.version, "version": "4"})
            case "GET", "api", "jobs":
                return 200, json.dumps([*self.jobs.values(), {"type": "DRIVER", "job_id": "01", "status": "RUNNING"}])
            case "POST", "api", "jobs":
                requested = json.loads(body)
                if requested["submission_id"] in self.jobs:
                    return 500, "Traceback:\n  ...\nValueError: Job with submission_id x already exists. Use another\n."
                self.put_job(
                    requested["submission_id"],
                    "PENDING",
                    **{k: v for k, v in requested.items() if k != "submission_id"},
                )
                return 200, json.dumps({"submission_id": requested["submission_id"]})
            case "GET", "api", "packages", "gcs", name:
                return (200, "") if name in self.packages else (404, "does not exist")
            case "PUT", "api", "packages", "gcs", name:
                self.packages[name] = body
                return 200, ""
            case "GET", "api", "jobs", name if name in self.jobs:
                return 200, json.dumps(self.jobs[name])
            case "POST", "api", "jobs", name, "stop" if name in self.jobs:
                was_running = self.jobs[name]["status"] in ("PENDING", "RUNNING")
                self.jobs[name]["status"] = "STOPPED" if was_running else self.jobs[name]["status"]
                return 200, json.dumps({"stopped": was_running})
        return 404, "does not exist"

    def _send_log(self, requested: BaseHTTPRequestHandler, kind: str, query: dict[str, list[str]], fault: str) -> None:
        """The log of a job: whole, or as it grows until the other side goes away."""
        job_id = query["filename"][0].removeprefix("job-driver-").removesuffix(".log")
        if query["node_id"] != ["n1"] or query["lines"] != ["-1"] or job_id not in self.logs:
            return self._answer(requested, 500, "Internal Server Error")
        if kind == "file":
            return self._answer(requested, 200, self.logs[job_id])
        requested.close_connection = True
        requested.send_response_only(200)
        requested.send_header("Transfer-Encoding", "chunked")
        requested.end_headers()
        num_sent, end = 0, int(fault.partition(" ")[2]) if fault.startswith("cut") else 1 << 40
        while num_sent < end and not self._ended.wait(0.02):
            for byte in self.logs[job_id][num_sent:end]:  # one by one, so that characters are torn apart
                requested.wfile.write(b"1\r\n%c\r\n" % byte)
                num_sent += 1

    def _misbehave(self, requested: BaseHTTPRequestHandler, fault: str) -> None:
        requested.close_connection = True
        word, _, rest = fault.partition(" ")
        if word == "mute":
            self._ended.wait(60)
        elif word == "to":
            self._answer(requested, 302, "", {"Location": rest})
        elif word == "page":
            self._answer(requested, 200, "<!doctype html><p>Please log in", {"Content-Type": "text/html"})
        elif word == "429":
            self._answer(requested, 429, "slow down", {"Retry-After": rest})
        elif word != "reset":
            self._answer(requested, int(word), rest)

    def _answer(
        self,
        requested: BaseHTTPRequestHandler,
        status: int,
        content: str | bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        data = content.encode() if isinstance(content, str) else content
        requested.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            requested.send_header(name, value)
        requested.send_header("Content-Length", str(len(data)))
        requested.end_headers()
        requested.wfile.write(data)
