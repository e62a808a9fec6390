"""A real Ray cluster for tests: a head with its job server on the loopback, behind a token, ended by process id."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.s3_servers import free_port

ROOT = Path(__file__).resolve().parent.parent
MARK = "TONEMILL_TEST_RAY"  # a variable that every process of a cluster inherits, jobs included
START_S = 120.0


@dataclass(frozen=True, kw_only=True)
class RayHead:
    """A head that runs."""

    address: str  # of the dashboard
    token: str
    mark: str
    folder: Path  # its temporary files

    def pids(self, *parts: str) -> list[int]:
        """Processes of this cluster whose command line holds all the parts."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    is_ours = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
                    if is_ours and all(part in command for part in parts):
                        found.append(int(entry.name))
        return found

    def answers(self) -> bool:
        """Whether the job server takes a request."""
        request = urllib.request.Request(f"{self.address}/api/jobs/", headers={"Authorization": f"Bearer {self.token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError), opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
        return False


@contextmanager
def ray_head_running(*, num_cpus: int = 4, variables: Mapping[str, str] | None = None) -> Iterator[RayHead]:
    """A head with a job server, whose jobs find this checkout's packages; it ends with the context.

    Never by `ray stop`, which ends every Ray on the machine.
    """
    port, dashboard_port, agent_port, client_port = (free_port() for _ in range(4))
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets below it may have paths of 107 characters
    head = RayHead(
        address=f"http://127.0.0.1:{dashboard_port}",
        token=secrets.token_hex(32),
        mark=secrets.token_hex(8),
        folder=folder,
    )
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--disable-usage-stats"),
        *("--node-ip-address", "127.0.0.1", "--port", str(port), "--temp-dir", str(folder)),
        *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard_port), "--include-dashboard", "true"),
        *("--dashboard-agent-listen-port", str(agent_port), "--ray-client-server-port", str(client_port)),
        *("--num-cpus", str(num_cpus), "--object-store-memory", "150000000"),
    ]
    try:
        with (folder / "start.log").open("wb") as log:
            subprocess.run(
                command, cwd=folder, env=_environment(head, variables or {}), stdout=log, stderr=log, check=True
            )
        stop = time.monotonic() + START_S
        while not head.answers():
            assert time.monotonic() < stop, (folder / "start.log").read_text()
            time.sleep(0.1)
        yield head
    finally:
        for _ in range(50):  # a process may start another one while we look
            if not (pids := head.pids()):
                break
            for pid in pids:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def _environment(head: RayHead, variables: Mapping[str, str]) -> dict[str, str]:
    """What the processes of a cluster inherit: a clean slate but for what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    return {
        **kept,
        MARK: head.mark,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": head.token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(head.folder),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1,localhost",
        **variables,
    }
