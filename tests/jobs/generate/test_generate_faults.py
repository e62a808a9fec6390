"""Orders on a cluster whose machines and store fail: nothing lost, nothing twice, the bytes of an undisturbed run.

What happens to an engine or to the driver alone is tried in test_generate.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from tests.lstm_core.tiny import tiny_facts, tiny_model
from tests.net_hosts import net_hosts_running
from tests.ray_nodes import RayNode, RayNodes, descendants, ray_nodes_running
from tests.s3_servers import FaultyProxy, plain_client, settings_of

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(300)]
NUM_TRACKS = 24
ORDER = f"""
name = "faults"
count = {NUM_TRACKS}
seed = 3
[track]
duration_s = 5
bpm = 120
loop = [true, false]
"""


@dataclass
class Outage:
    """When a store refuses everything: from `begin` on for `seconds`."""

    begin: float = float("inf")
    seconds: float = 0.0
    refused: int = 0

    def __call__(self, number: int, method: str, path: str) -> str:
        if not 0 <= time.monotonic() - self.begin < self.seconds:
            return ""
        self.refused += 1
        return "503 SlowDown"


@pytest.fixture(scope="module")
def outage() -> Outage:
    return Outage()


@pytest.fixture(scope="module")
def proxy(moto_endpoint: str, outage: Outage) -> Iterator[FaultyProxy]:
    with FaultyProxy(moto_endpoint, outage) as found:
        yield found


@pytest.fixture(scope="module")
def nodes(proxy: FaultyProxy) -> Iterator[RayNodes]:
    with ray_nodes_running(settings_of(proxy.endpoint)) as found:
        for _ in range(2):
            found.add(num_cpus=2)
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint and an order."""
    found = tmp_path_factory.mktemp("faults")
    save_checkpoint(found / "run" / "checkpoint", quantised_unseen(tiny_model(3)), tiny_facts())
    (found / "order.toml").write_text(ORDER)
    return found


@pytest.fixture(scope="module")
def undisturbed(folder: Path, nodes: RayNodes, proxy: FaultyProxy) -> dict[str, str]:
    catalogue = str(folder / "undisturbed")
    with generating(folder, catalogue, nodes.settings() | settings_of(proxy.endpoint)) as driver:
        assert driver.wait(240) == 0, driver_log(folder)
    found = contents(catalogue)
    assert len({name.split("/")[0] for name in found}) == NUM_TRACKS
    return found


def test_a_machine_dies_with_the_engine_on_it(
    folder: Path, nodes: RayNodes, proxy: FaultyProxy, undisturbed: dict[str, str]
) -> None:
    catalogue = str(folder / "node")
    with generating(folder, catalogue, nodes.settings() | settings_of(proxy.endpoint)) as driver:
        wait_for(lambda: committed(catalogue) > 0, driver, folder)
        (dead,) = [node for node in nodes.nodes if node.is_running and has_engine(node)]
        dead.kill()
        assert committed(catalogue) < NUM_TRACKS
        nodes.wait_for_nodes(2)
        nodes.add(num_cpus=2)
        assert driver.wait(200) == 0, driver_log(folder)
    assert contents(catalogue) == undisturbed


def test_the_store_refuses_everything_for_twenty_seconds(
    folder: Path, nodes: RayNodes, proxy: FaultyProxy, outage: Outage, undisturbed: dict[str, str], moto_endpoint: str
) -> None:
    plain_client(moto_endpoint).create_bucket(Bucket="outage")
    before = len(proxy.requests)
    with generating(folder, "s3://outage/catalogue", nodes.settings() | settings_of(proxy.endpoint)) as driver:
        wait_for(lambda: any("/tracks/" in path for _, path, _ in proxy.requests[before:]), driver, folder)
        outage.seconds, outage.begin = 20.0, time.monotonic()
        assert driver.wait(200) == 0, driver_log(folder)
        assert time.monotonic() - outage.begin > 20.0
    assert outage.refused > 5
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings_of(moto_endpoint).items():
            patch.setenv(name, value)
        assert contents("s3://outage/catalogue") == undisturbed


def test_a_machine_is_cut_off_from_the_network(folder: Path, undisturbed: dict[str, str]) -> None:
    """Its processes go on, unreachable, and may commit what others make again: the bytes are the same."""
    with net_hosts_running(num_workers=2) as hosts:
        catalogue = str(folder / "partition")
        with generating(folder, catalogue, hosts.settings(), prefix=hosts.prefix()) as driver:
            wait_for(lambda: committed(catalogue) > 0, driver, folder)
            cut = next(number for number, node in enumerate(hosts.workers) if has_engine(node))
            hosts.cut(cut)
            assert committed(catalogue) < NUM_TRACKS
            assert driver.wait(200) == 0, driver_log(folder)
        assert contents(catalogue) == undisturbed


def has_engine(node: RayNode) -> bool:
    """Whether an engine lives on a node."""
    return any("EngineActor" in name for _, name in descendants(node.process.pid))


@contextmanager
def generating(
    folder: Path, catalogue: str, environment: dict[str, str], *, prefix: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """`tonemill generate` as a driver of its own, which does not outlive the block."""
    command = [*prefix, sys.executable, "-m", "jobs.command_line.main", "generate", str(folder / "run")]
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with (folder / "driver.log").open("ab") as log:
        driver = subprocess.Popen(
            [*command, str(folder / "order.toml"), catalogue],
            env=known | environment,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield driver
        finally:
            driver.kill()
            driver.wait()


def wait_for(
    condition: Callable[[], bool], driver: subprocess.Popen[bytes], folder: Path, timeout_s: float = 120.0
) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert driver.poll() is None and time.monotonic() < end, driver_log(folder)
        time.sleep(0.02)


def driver_log(folder: Path) -> str:
    return (folder / "driver.log").read_text()[-4000:]


def committed(catalogue: str) -> int:
    return len(list(Path(catalogue).glob("tracks/*/track.json")))


def contents(catalogue: str) -> dict[str, str]:
    """sha256 of every file of every track."""
    tracks = storage.join(catalogue, "tracks")
    return {
        file.path: hashlib.sha256(storage.read_bytes(storage.join(tracks, file.path))).hexdigest()
        for file in storage.list_files(tracks)
    }
