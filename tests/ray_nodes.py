"""A Ray cluster of several nodes on this machine, each of them processes that a test can really kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.s3_servers import free_port

START_S = 90.0
NODE_SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "25",
    # A node that does not answer three times in a second each is dead.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class RayNode:
    """One `ray start --block` and everything below it."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """kill -9 of all its processes at once, as when a machine loses its power."""
        pids = [self.process.pid, *(pid for pid, _ in descendants(self.process.pid))]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> None:
        """SIGTERM, as a cloud gives it before it takes a machine back."""
        self.process.send_signal(signal.SIGTERM)

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self.process.poll() is None


@dataclass
class RayNodes:
    """A head without CPUs for work, and nodes that come and go."""

    address: str
    folder: Path
    environment: dict[str, str]
    nodes: list[RayNode] = field(default_factory=list)

    def settings(self) -> dict[str, str]:
        """The environment in which a program uses this cluster."""
        return {"RAY_ADDRESS": self.address, **NODE_SETTINGS}

    def add(self, *, num_cpus: int = 1, environment: dict[str, str] | None = None) -> RayNode:
        """Starts a node and waits until the cluster knows it."""
        before = self.num_alive()
        node = self._start("--address", self.address, f"--num-cpus={num_cpus}", environment=environment)
        self._wait(lambda: self.num_alive() > before, node)
        return node

    def num_alive(self) -> int:
        """Number of nodes that the head believes to be alive, itself included."""
        from ray._raylet import GcsClient

        nodes = GcsClient(address=self.address).get_all_node_info().values()
        return sum(node.state == 0 for node in nodes)  # GcsNodeInfo.ALIVE

    def wait_for_nodes(self, num_alive: int, timeout_s: float = 60.0) -> None:
        """Waits until so many are alive."""
        end = time.monotonic() + timeout_s
        while self.num_alive() != num_alive:
            assert time.monotonic() < end, f"{self.num_alive()} nodes are alive, not {num_alive}"
            time.sleep(0.1)

    def _start(self, *arguments: str, environment: dict[str, str] | None = None) -> RayNode:
        log = self.folder / f"node-{len(self.nodes)}.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--object-store-memory=100000000"]
        command += ["--disable-usage-stats", *arguments]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env=self.environment | (environment or {}),
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.folder,
            )
        node = RayNode(process, log)
        self.nodes.append(node)
        return node

    def _wait(self, is_there: object, node: RayNode) -> None:
        end = time.monotonic() + START_S
        while True:
            assert node.is_running and time.monotonic() < end, node.log.read_text()[-3000:]
            with suppress(Exception):
                if is_there():  # type: ignore[operator]
                    return
            time.sleep(0.1)


@contextmanager
def ray_nodes_running(environment: dict[str, str] | None = None) -> Iterator[RayNodes]:
    """A cluster of a head alone, whose processes end with the context."""
    folder = Path(tempfile.mkdtemp(prefix="rn"))  # a short name: sockets lie in it
    port = free_port()
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    known |= NODE_SETTINGS | {"PYTHONPATH": str(Path(__file__).parents[1])} | (environment or {})
    nodes = RayNodes(f"127.0.0.1:{port}", folder, known)
    try:
        head = nodes._start(
            "--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=0", "--include-dashboard=false",
            f"--temp-dir={folder}/ray",
        )  # fmt: skip
        nodes._wait(lambda: nodes.num_alive() == 1, head)
        yield nodes
    finally:
        for node in reversed(nodes.nodes):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def descendants(pid: int) -> list[tuple[int, str]]:
    """Process ids below one, with their names."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, name = (path / "stat").read_text(), (path / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append((int(path.name), name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += [child for child, _ in children]
    return found
