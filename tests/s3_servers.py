"""S3 for tests, behind real sockets: moto in a process of its own, and a proxy before it that fails on demand."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3


def free_port() -> int:
    """A loopback port without a listener."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def settings_of(endpoint: str) -> dict[str, str]:
    """The environment in which a program uses the store at an address."""
    return {
        "AWS_ACCESS_KEY_ID": "AKIDTESTONLY",
        "AWS_SECRET_ACCESS_KEY": "wJalr-not-a-real-secret",
        "AWS_SESSION_TOKEN": "token-of-a-session",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@contextmanager
def moto_running(host: str = "127.0.0.1") -> Iterator[str]:
    """The address of a moto server, which ends with the context."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < deadline, "moto did not start"
            with suppress(OSError), socket.create_connection((host, port), timeout=1):
                break
            time.sleep(0.02)
        yield f"http://{host}:{port}"
    finally:
        server.kill()
        server.wait()


@cache
def plain_client(endpoint: str) -> Any:
    """A client of boto3, to set the stage and to look behind the curtain."""
    known = settings_of(endpoint)
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )


class FaultyProxy:
    """A server that passes requests on to another one, but for those of which `fault` says otherwise.

    `fault(number, method, path)` gives, for the request of that number from 0 on:
        ""          pass it on
        "STATUS CODE"   answer that error, as "503 SlowDown"
        "page"      answer as web servers do
        "lost"      pass it on, and break off before the answer
        "cut"       break off in the middle of the body of the answer
        "stall"     send half of the body, then nothing for a long while
        "mute"      send nothing for a long while
    """

    def __init__(self, upstream: str, fault: Callable[[int, str, str], str]) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.times_s: list[float] = []
        self._upstream = upstream.partition("://")[2]
        self._fault = fault
        self._lock = threading.Lock()
        self._ended = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                proxy._serve(self)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, requested: BaseHTTPRequestHandler) -> None:
        with self._lock:
            number = len(self.requests)
            self.requests.append((requested.command, requested.path, dict(requested.headers.items())))
            self.times_s.append(time.monotonic())
        body = requested.rfile.read(int(requested.headers.get("Content-Length", 0)))
        fault = self._fault(number, requested.command, requested.path)
        requested.close_connection = True
        if fault == "mute":
            self._ended.wait(60)
            return
        if fault == "page" or fault[:1].isdigit():
            self._answer(requested, *fault.split())
            return
        upstream = http.client.HTTPConnection(self._upstream, timeout=30)
        upstream.request(
            requested.command, requested.path, body, dict(requested.headers.items()) | {"Connection": "close"}
        )
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == "lost":
            return
        requested.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                requested.send_header(name, value)
        requested.send_header("Connection", "close")
        requested.end_headers()
        with suppress(OSError):
            requested.wfile.write(data[: len(data) // 2] if fault in ("cut", "stall") else data)
            requested.wfile.flush()
        if fault == "stall":
            self._ended.wait(60)

    def _answer(self, requested: BaseHTTPRequestHandler, status: str, code: str = "") -> None:
        """An error as S3 reports it, with a text that repeats the headers, as careless servers do; or a web page."""
        text = f"<Error><Code>{code}</Code><Message>You sent {dict(requested.headers.items())}</Message></Error>"
        body = b"<!doctype html><p>Welcome!" if status == "page" else text.encode()
        requested.send_response_only(200 if status == "page" else int(status))
        requested.send_header("Content-Type", "text/html" if status == "page" else "application/xml")
        requested.send_header("Content-Length", str(len(body)))
        requested.send_header("Connection", "close")
        requested.end_headers()
        if requested.command != "HEAD":
            requested.wfile.write(body)
