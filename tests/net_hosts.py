"""Hosts of a network of their own on this machine, each with Ray, so that a test can pull the plug of one.

A host is a network namespace at a bridge, and a process with its own view of processes and mounts in it, so that Ray's
files and shared memory are its own too. Linux lets only root make these; who is not root skips.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ray_nodes import NODE_SETTINGS, START_S, RayNode

PORT = 6379
GATEWAY = 254  # the last number of this machine's own address at the bridge
_NUMBER_OF_USES = itertools.count()  # a network's names may outlive it for a moment, so each use has its own
_SETTINGS = NODE_SETTINGS | {"GLOO_SOCKET_IFNAME": "eth0", "NO_PROXY": "*"}


@dataclass
class NetHosts:
    """A head without CPUs for work, where the driver runs, and workers that can be cut off."""

    name: str  # of the bridge, and the beginning of all other names
    subnet: str  # "10.77.3": the three first numbers of the addresses
    folder: Path
    environment: dict[str, str]
    own_folders: Sequence[Path] = ()  # that no host shares with another one
    workers: list[RayNode] = field(default_factory=list)
    head: RayNode | None = None

    def settings(self) -> dict[str, str]:
        """The environment in which a driver uses this cluster."""
        return {"RAY_ADDRESS": f"{self.subnet}.1:{PORT}", **_SETTINGS}

    def prefix(self) -> tuple[str, ...]:
        """What a driver's command begins with, so that it runs on the head."""
        assert self.head is not None
        return self.inside(self.head)

    def cut(self, worker: int) -> None:
        """Takes a worker's cable out."""
        _ip("-n", f"{self.name}h{worker + 1}", "link", "set", "eth0", "down")

    def inside(self, node: RayNode) -> tuple[str, ...]:
        """What a command begins with, so that it runs on the host of a node."""
        inner = _child_of(node.process.pid)
        return ("nsenter", "--target", str(inner), "--net", "--mount", "--pid", "--uts")

    def start(self, number: int, arguments: list[str]) -> RayNode:
        """Starts Ray on the host of a number."""
        ray = f"{sys.executable} -m ray.scripts.scripts start --block --node-ip-address={self.subnet}.{number + 1} "
        ray += " ".join(["--object-store-memory=100000000", "--disable-usage-stats", *arguments])
        own = "mount -t tmpfs tmpfs /dev/shm"
        for folder in (self.folder / "ray", *self.own_folders):
            own += f" && mkdir -p {folder} && mount -t tmpfs tmpfs {folder}"
        own += f" && hostname {self.name}h{number}"
        command = ["ip", "netns", "exec", f"{self.name}h{number}", "unshare", "-m", "-p", "-u", "-f", "--kill-child"]
        command += ["--mount-proc", "sh", "-c", f"{own} && exec {ray}"]
        log = self.folder / f"host-{number}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out, start_new_session=True)
        return RayNode(process, log)


@contextmanager
def net_hosts_running(
    *,
    num_workers: int,
    num_cpus: int = 2,
    own_folders: Sequence[Path] = (),
    head_arguments: Sequence[str] = ("--include-dashboard=false",),
    settings: Callable[[str], Mapping[str, str]] = lambda gateway: {},
) -> Iterator[NetHosts]:
    """A head and workers, each a host; all of it is gone after the context.

    Args:
        num_workers: hosts besides the head.
        num_cpus: of each worker.
        own_folders: which each host has for itself, empty at first; of all else they see the same files.
        head_arguments: of `ray start` on the head.
        settings: more of the environment of all hosts, by the address at which they reach this machine.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        pytest.skip("network namespaces want root and the programs ip, unshare and nsenter")
    number = (os.getpid() + 101 * next(_NUMBER_OF_USES)) % 200
    name, subnet = f"tm{number}", f"10.77.{number}"
    folder = Path(tempfile.mkdtemp(prefix="nh"))
    known = {key: value for key, value in os.environ.items() if not key.upper().endswith("_PROXY")}
    known = {key: value for key, value in known.items() if not key.startswith("RAY_")}
    known |= _SETTINGS | {"PYTHONPATH": str(Path(__file__).parents[1])}
    hosts = NetHosts(name, subnet, folder, known, own_folders)
    try:
        _make_network(hosts, 1 + num_workers)
        hosts.environment |= {**settings(f"{subnet}.{GATEWAY}"), **_SETTINGS}
        temp = f"--temp-dir={folder}/ray"
        hosts.head = hosts.start(0, ["--head", f"--port={PORT}", "--num-cpus=0", *head_arguments, temp])
        address = f"{subnet}.1:{PORT}"
        _wait_for_ray(hosts.head)
        for worker in range(1, 1 + num_workers):
            node = hosts.start(worker, ["--address", address, f"--num-cpus={num_cpus}"])
            hosts.workers.append(node)
            _wait_for_ray(node)
        yield hosts
    finally:
        for node in [*hosts.workers, hosts.head]:
            if node is not None:
                node.kill()
        for host in range(1 + num_workers):
            subprocess.run(["ip", "link", "del", f"{name}v{host}"], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", f"{name}h{host}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _make_network(hosts: NetHosts, num_hosts: int) -> None:
    try:
        _ip("link", "add", hosts.name, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no bridge can be made here: {error.stderr.strip()}")
    _ip("addr", "add", f"{hosts.subnet}.{GATEWAY}/24", "dev", hosts.name)
    _ip("link", "set", hosts.name, "up")
    for host in range(num_hosts):
        space, end = f"{hosts.name}h{host}", f"{hosts.name}v{host}"
        _ip("netns", "add", space)
        _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", end, "master", hosts.name, "up")
        _ip("-n", space, "addr", "add", f"{hosts.subnet}.{host + 1}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        _ip("-n", space, "link", "set", "lo", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _wait_for_ray(node: RayNode) -> None:
    end = time.monotonic() + START_S
    while "Ray runtime started" not in node.log.read_text():
        assert node.is_running and time.monotonic() < end, node.log.read_text()[-3000:]
        time.sleep(0.1)


def _child_of(pid: int) -> int:
    """The process inside of the namespaces that `unshare` made: the one that it started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
