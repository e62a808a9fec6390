"""Whole orders through Ray: the same bytes however the work is shared, disturbed or cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from jobs.command_line import main as cli
from jobs.generate import free_space
from jobs.generate.run import GenerateResult
from lstm_core import storage
from lstm_core.catalogue.folder import list_tracks
from lstm_core.catalogue.made_with import processor
from lstm_core.sound.audio import decode
from tests.jobs.generate.rows import ROWS, contents, generate_rows, saved_run, write_order

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def undisturbed(run_folder: Path, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> dict[str, str]:
    """What the order becomes with one worker and nothing in its way."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = generate_rows(run_folder, folder, ROWS)
    assert result.num_made == 5 and not result.failures
    for record in list_tracks(folder / "catalogue", verify=True):
        waveform, sample_rate = decode((folder / "catalogue" / record.folder / "master.flac").read_bytes())
        assert waveform.shape == (2, record.num_samples) and sample_rate == 44100
        assert record.num_samples == round(record.duration_s * 44100)
        assert all(gate.is_passed for gate in record.gates)
    return contents(folder / "catalogue")


def test_workers_and_order_of_rows_change_no_byte(
    run_folder: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    result = generate_rows(run_folder, tmp_path, [ROWS[i] for i in (4, 2, 0, 3, 1)], num_workers=2)
    assert contents(tmp_path / "catalogue") == undisturbed
    assert [record.name for record in result.records] == ["five", "three", "one", "four", "two"]
    attribution = (tmp_path / "catalogue" / "ATTRIBUTION.md").read_bytes()
    assert b"## 5 tracks of checkpoint " in attribution and b"    CC0 (1 piece)\n" in attribution
    assert b"No rights reserved." in attribution
    again = generate_rows(run_folder, tmp_path, ROWS)
    assert (tmp_path / "catalogue" / "ATTRIBUTION.md").read_bytes() == attribution
    assert again.num_made == 0 and len(again.records) == 5 and contents(tmp_path / "catalogue") == undisturbed
    assert result.summary is not None and result.summary.units["tracks"] == 5 and again.summary is None
    assert result.summary_uri == str(tmp_path / "catalogue" / "summaries" / "order.generate.html")
    kept = json.loads((tmp_path / "catalogue" / "summaries" / "order.processors.json").read_text())
    assert kept == {processor(): sorted(record.track_id for record in result.records)}
    assert result.summary.processors == {processor(): 5}


def test_a_run_reads_only_the_records_that_are_new(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run read all records twice, and once more a round."""
    generate_rows(run_folder, tmp_path, ROWS[:2])
    read: list[str] = []
    listed: list[str] = []
    read_bytes, list_pages = storage.read_bytes, storage.list_pages
    monkeypatch.setattr(storage, "read_bytes", lambda uri, **more: read.append(str(uri)) or read_bytes(uri, **more))
    monkeypatch.setattr(storage, "list_pages", lambda uri, **more: listed.append(str(uri)) or list_pages(uri, **more))
    result = generate_rows(run_folder, tmp_path, ROWS[:3])
    assert result.num_made == 1 and [record.name for record in result.records] == ["one", "two", "three"]
    made = f"{result.records[2].folder}/track.json"
    assert [uri for uri in read if uri.endswith("track.json")] == [str(tmp_path / "catalogue" / made)]
    assert listed == [str(tmp_path / "catalogue" / "tracks")] * 2


def wait_for(condition: Callable[[], object], timeout_s: float = 240.0) -> None:
    stop = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < stop, "waited in vain"
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    """Processes that a process started, and those that they did."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, waiting = set(), [pid]
    while waiting:
        parent = waiting.pop()
        children = {child for child, its_parent in parents.items() if its_parent == parent} - found
        found |= children
        waiting += children
    return found


def is_worker(pid: int) -> bool:
    """Whether a process does work for a job: Ray's own agents do not."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return command.startswith(b"ray::") and b"Agent" not in command


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def without_ray() -> dict[str, str]:
    """The environment of a command that knows nothing of the Ray of these tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


@pytest.mark.timeout(600)
def test_few_tracks_are_made_without_ray_and_go_on_after_a_kill(
    run_folder: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    order, catalogue = write_order(tmp_path, ROWS), tmp_path / "catalogue"
    program = (
        "import sys\nfrom jobs.command_line.main import main\n"
        f"try:\n    main(['generate', {str(run_folder)!r}, {str(order)!r}, {str(catalogue)!r}])\n"
        "except SystemExit as ended:\n    print(ended.code, 'ray' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program]
    driver = subprocess.Popen(command, env=without_ray(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(catalogue.glob("tracks/*/track.json")) or driver.poll() is not None)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    committed = {record.track_id for record in list_tracks(catalogue, verify=True)}
    assert committed
    done = subprocess.run(command, env=without_ray(), capture_output=True, text=True)
    *shown, ended = done.stdout.splitlines()
    assert ended == "0 False", done.stderr
    assert f"{5 - len(committed)} tracks made, {len(committed)} were there, 0 failed" in shown
    assert contents(catalogue) == undisturbed
    if len(committed) < 5:
        assert (catalogue / "summaries" / "order.generate.html").exists()


class Killed(NamedTuple):
    """A run of the order whose driver was killed when the first track was there."""

    folder: Path  # of its order and catalogue
    started: set[int]  # processes that the driver had started


@pytest.fixture(scope="module")
def killed(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    folder = tmp_path_factory.mktemp("killed")
    catalogue = folder / "catalogue"
    order = write_order(folder, ROWS)
    command = [sys.executable, "-m", "jobs.command_line.main", "generate", str(run_folder), str(order), str(catalogue)]
    command += ["--workers", "1"]  # so few tracks are made without Ray otherwise
    driver = subprocess.Popen(command, start_new_session=True, env=without_ray(), stderr=subprocess.DEVNULL)
    started: set[int] = set()
    try:
        wait_for(lambda: list(catalogue.glob("tracks/*/track.json")) or driver.poll() is not None)
        started = descendants(driver.pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        yield Killed(folder, started)
    finally:
        for pid in started:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(600)
def test_a_driver_that_is_killed_leaves_whole_tracks_and_goes_on(
    run_folder: Path, undisturbed: dict[str, str], killed: Killed
) -> None:
    catalogue = killed.folder / "catalogue"
    wait_for(lambda: not any(is_running(pid) for pid in killed.started if is_worker(pid)), 30.0)
    committed = {record.track_id for record in list_tracks(catalogue, verify=True)}
    assert committed
    stamps = {path: path.stat().st_mtime_ns for name in committed for path in (catalogue / "tracks" / name).iterdir()}
    result = generate_rows(run_folder, killed.folder, ROWS)
    assert result.num_made == 5 - len(committed)
    assert contents(catalogue) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.timeout(600)
def test_an_engine_that_is_killed_loses_and_doubles_nothing(
    run_folder: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    done: list[GenerateResult] = []
    worker = threading.Thread(target=lambda: done.append(generate_rows(run_folder, tmp_path, ROWS)))
    worker.start()

    def engines() -> list[int]:
        found = []
        for pid in descendants(os.getpid()):
            try:
                if b"EngineActor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return found

    wait_for(lambda: engines() or not worker.is_alive())
    for pid in engines():
        os.kill(pid, signal.SIGKILL)
    worker.join()
    assert done and len(done[0].records) == 5 and not done[0].failures
    assert contents(tmp_path / "catalogue") == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_reported_and_after_it_the_order_is_completed(
    run_folder: Path,
    undisturbed: dict[str, str],
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order, catalogue = write_order(tmp_path, ROWS), small_disk / "catalogue"
    arguments = ["generate", str(run_folder), str(order), str(catalogue)]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2 and "the free space is" in capsys.readouterr().err  # refused before any work
    monkeypatch.setattr(free_space, "RESERVE_BYTES", -(10**9))  # somebody else fills the disk meanwhile
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    message = capsys.readouterr().err
    assert ended.value.code == 2 and "the disk is full" in message and "Traceback" not in message
    for record in list_tracks(catalogue, verify=True):
        assert f"tracks/{record.track_id}/track.json" in undisturbed
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0 and contents(catalogue) == undisturbed
    shutil.rmtree(catalogue)


@pytest.mark.timeout(600)
def test_nothing_is_left_of_a_driver_that_was_killed(killed: Killed) -> None:
    """Two helpers of Ray look for its head for a minute before they end: other tests come in between."""
    wait_for(lambda: not any(map(is_running, killed.started)), 90.0)
