"""Training goes on through what happens to machines: each case with processes that are really killed.

The batches of a run that was disturbed are held against those that its lanes make when nobody disturbs them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jobs.runtime.recipe import save_recipe
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset.batch_digest import batch_digest, lane_digests
from lstm_core.dataset.lanes import Lanes
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.training.metrics import METRICS_NAME, read_metrics
from lstm_core.training.recipe import TrainRecipe
from tests.lstm_core.block_sets import tiny_recipe, write_tunes
from tests.ray_nodes import RayNodes, ray_nodes_running

pytestmark = [pytest.mark.slow, pytest.mark.faults]

RECOVERY_S = 30.0  # at most, from a death to the next step that is stored
WAIT_S = 240.0  # for anything, on a machine that is busy with other things
FOR_EVER = 1_000_000  # steps: these runs are ended by the tests


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes_running() as found:
        yield found


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tunes(tmp_path_factory.mktemp("blocks"))


def with_workers(nodes: RayNodes, count: int) -> list[int]:
    """Numbers of the nodes of a cluster that has so many of them beside the head, and no other."""
    running = [number for number, node in enumerate(nodes.nodes) if number and node.is_running]
    for number in running[count:]:
        nodes.nodes[number].kill()
    nodes.wait_for_nodes(1 + len(running[:count]))
    for _ in range(count - len(running)):
        nodes.add()
    return [number for number, node in enumerate(nodes.nodes) if number and node.is_running]


def endless(**changes: object) -> TrainRecipe:
    values = {"steps": FOR_EVER, "valid_every": FOR_EVER, "checkpoint_every_s": 0.5, "num_workers": (1, 2)}
    return tiny_recipe(**(values | changes))


@contextmanager
def training(nodes: RayNodes, folder: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`tonemill train` on the nodes: its driver, which is stopped with the block, as by Ctrl-C."""
    log = (folder / "driver.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.command_line.main", "train", *map(str, arguments)],
        env=os.environ | nodes.settings() | {"TONEMILL_LOOK_EVERY_S": "2"},
        stdout=log,
        stderr=log,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(40)
        process.kill()
        process.wait()
        log.close()


def stored(run: Path) -> tuple[int, int]:
    """The newest stored step, and how many workers there were at the newest stored row; zeros before there are any."""
    steps = [int(path.parent.name.removeprefix("step-")) for path in run.glob("state/step-*/state.json")]
    if not steps:
        return 0, 0
    with (run / METRICS_NAME).open("rb") as file:  # its end alone: tests that wait are not to take the workers' time
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        row = json.loads(file.read().splitlines()[-1])
    return max(steps), int(row.get("num_workers", 0))


def wait_for(run: Path, process: subprocess.Popen[str], is_true: Callable[[int, int], bool]) -> float:
    """Waits until the newest stored step and its number of workers are so, and gives back the seconds it took."""
    start = time.monotonic()
    while not is_true(*(found := stored(run))):
        report = (run.parent / "driver.log").read_text()[-3000:]
        assert process.poll() is None, report
        assert time.monotonic() - start < WAIT_S, f"{found}\n{report}"
        time.sleep(0.1)
    return time.monotonic() - start


def undisturbed(blocks: Path, recipe: TrainRecipe, num_steps: int) -> list[str]:
    """Digests of the batches that all lanes together make."""
    found = open_blocks(blocks)
    pieces = SplitPieces(
        found, "train", found.index.styles, seed=recipe.train.seed, augment=recipe.augment, home_key=recipe.home_key
    )
    train = recipe.train
    lanes = Lanes(pieces, num_lanes=train.num_lanes, window=train.window, seed=train.seed)
    return [batch_digest(lane_digests(lanes.next_batch(), 0).tolist()) for _ in range(num_steps)]


def assert_undisturbed(run: Path, blocks: Path, recipe: TrainRecipe) -> None:
    """Each step is there once, in order, and learnt from the batch that is its own."""
    rows = [row for row in read_metrics(run) if row["kind"] == "train"]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["batch"] for row in rows] == undisturbed(blocks, recipe, len(rows))


def allowed_s(start_s: float) -> float:
    """How long a recovery may take on this machine, where the very first start took so long."""
    return max(RECOVERY_S, 1.5 * start_s)


@pytest.mark.timeout(900)
def test_a_node_and_then_the_driver_are_killed(nodes: RayNodes, blocks: Path, tmp_path: Path) -> None:
    """kill -9 of a node: shrinks and grows back. Two drivers: the second is refused. kill -9 of the driver: goes on."""
    run, recipe = tmp_path / "run", endless()
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    _, victim = with_workers(nodes, 2)
    with training(nodes, tmp_path, blocks, run, "--recipe", tmp_path / "requested" / "recipe.toml") as driver:
        start_s = wait_for(run, driver, lambda step, workers: workers == 2 and step > 5)
        second = subprocess.run(
            [sys.executable, "-m", "jobs.command_line.main", "train", str(blocks), str(run), "--resume"],
            env=os.environ | nodes.settings(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 2
        assert f"is being written by process {driver.pid} on" in second.stderr and "which is alive" in second.stderr

        nodes.nodes[victim].kill()
        shrink_s = wait_for(run, driver, lambda step, workers: workers == 1)
        nodes.add()
        grow_s = wait_for(run, driver, lambda step, workers: workers == 2)
        driver.kill()
        driver.wait()
    with_workers(nodes, 1)  # another world size
    last = stored(run)[0]
    with training(nodes, tmp_path, blocks, run, "--resume") as driver:
        resume_s = wait_for(run, driver, lambda step, workers: step > last and workers == 1)
    assert_undisturbed(run, blocks, recipe)
    seconds = {"start_s": start_s, "shrink_s": shrink_s, "grow_s": grow_s, "resume_s": resume_s}
    print(seconds)
    assert max(shrink_s, grow_s, resume_s) < allowed_s(start_s), seconds


@pytest.mark.timeout(400)
def test_a_node_that_is_preempted_is_left_at_once(nodes: RayNodes, blocks: Path, tmp_path: Path) -> None:
    """SIGTERM: a state is stored long before one is due, and the run goes on elsewhere."""
    run, recipe = tmp_path / "run", endless(checkpoint_every_s=12.0)
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    _, victim = with_workers(nodes, 2)
    with training(nodes, tmp_path, blocks, run, "--recipe", tmp_path / "requested" / "recipe.toml") as driver:
        start_s = wait_for(run, driver, lambda step, workers: workers == 2)
        before = stored(run)[0]
        nodes.nodes[victim].terminate()
        notice_s = wait_for(run, driver, lambda step, workers: step > before)
        left = stored(run)[0]
        elsewhere_s = wait_for(run, driver, lambda step, workers: step > left and workers == 1)
    assert_undisturbed(run, blocks, recipe)
    print({"notice_s": notice_s, "elsewhere_s": elsewhere_s})
    assert notice_s < 8.0
    assert elsewhere_s - recipe.checkpoint_every_s < allowed_s(start_s)  # the first state there comes after that time


@pytest.mark.timeout(400)
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is made by mounting a tmpfs, which wants root")
def test_a_full_disk_ends_the_run_with_its_name_and_loses_nothing(
    nodes: RayNodes, blocks: Path, tmp_path: Path
) -> None:
    disk, recipe = tmp_path / "disk", endless(num_workers=1)
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    run, filler = disk / "run", disk / "filler"
    save_recipe(recipe, tmp_path / "requested", "recipe.toml")
    with_workers(nodes, 1)
    (disk / "driver.log").symlink_to(tmp_path / "driver.log")
    try:
        with training(nodes, tmp_path, blocks, run, "--recipe", tmp_path / "requested" / "recipe.toml") as driver:
            wait_for(run, driver, lambda step, workers: step > 5)
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(2**16)):
                    pass
            assert driver.wait(WAIT_S) == 2
        report = (tmp_path / "driver.log").read_text()
        assert f"Cannot write {run}" in report and "the disk is full. Free some space" in report
        last = stored(run)[0]
        assert last > 5
        filler.unlink()
        with training(nodes, tmp_path, blocks, run, "--resume") as driver:
            wait_for(run, driver, lambda step, workers: step > last)
        assert_undisturbed(run, blocks, recipe)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
