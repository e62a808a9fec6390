"""A bucket of recordings in six codecs and a few scores, some broken in every way, some lost on the way, through a
store that fails at times, with driver and actors killed: `tonemill prepare` as a user runs it.

Sixty files by default. With the full number, which takes minutes:

    TONEMILL_ACCEPTANCE=500 python -m pytest tests/jobs/prepare/test_prepare_acceptance.py -s
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.prepare.run import run_prepare
from lstm_core import storage
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Score, make_notes
from lstm_core.storage.lease import LeaseError
from tests.jobs.recordings import (
    CODECS,
    broken_recordings,
    recording,
    unusual_recordings,
)
from tests.s3_servers import FaultyProxy, plain_client, settings_of

SIZE = int(os.environ.get("TONEMILL_ACCEPTANCE", "60"))
IS_FULL = SIZE >= 500
NUM_SCORES = 5  # among them
CLIP_S = 6.0 if IS_FULL else 4.0
SCORE_PARTS = NUM_SCORES + 1  # one of them broken; so few are a part each, and come before the recordings
KILLED_AFTER = (
    (SCORE_PARTS + 2, SCORE_PARTS + 6) if IS_FULL else (SCORE_PARTS + 3,)
)  # parts; recordings are about eight
LOST = {
    "vanishing.mp3": ("fetch", "there is nothing of that name"),
    "changing.wav": ("fetch", "it was changed since it was listed"),
    "denied.flac": ("fetch", "Access denied: s3:GetObject"),
}


@dataclass
class FailingStore:
    """Makes things happen to a bucket between listing and reading, the same in each run that lists it."""

    client: Any
    bucket: str
    files: dict[str, bytes]  # of LOST
    troubles: dict[str, list[str]]  # what the next requests of an object meet, by the name of the object
    busy: int = 0  # requests of any object that are still answered 503
    met: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, number: int, method: str, path: str) -> str:
        with self.lock:
            name = path.partition("?")[0].rpartition("/")[2].replace("%20", " ")
            if "list-type=2" in path and "prefix=corpus" in path:
                for lost, data in self.files.items():
                    self._put(lost, data)
            if method != "GET" or "/corpus/" not in path:
                return ""
            if self.busy:
                self.busy -= 1
                return self._meet("503 SlowDown")
            if name == "vanishing.mp3":
                self.client.delete_object(Bucket=self.bucket, Key=f"corpus/{name}")
            elif name == "changing.wav":
                self._put(name, self.files[name] + b"more")
            elif name == "denied.flac":
                return "403 AccessDenied"
            return self._meet(self.troubles[name].pop(0)) if self.troubles.get(name) else ""

    def _put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"corpus/{name}", Body=data)

    def _meet(self, fault: str) -> str:
        self.met[fault] += 1
        return fault


def fill(client: Any, bucket: str) -> tuple[dict[str, tuple[str, str]], FailingStore]:
    """Puts SIZE recordings into corpus/ of a bucket; the stage and a word of the reason of each that no piece is of."""
    broken = broken_recordings()
    lost = {name: recording(8_000 + i, CLIP_S, "wav") for i, name in enumerate(LOST)}
    files = unusual_recordings(7_000, CLIP_S) | {name: data for name, (data, _, _) in broken.items()} | lost
    for number in range(NUM_SCORES):
        files[f"scores/tüne {number}.mid"] = midi_tune(number)
    names = list(CODECS)
    for number in range(SIZE - len(files)):
        codec = names[number % len(names)]
        files[f"{codec}/{number:03}{CODECS[codec]}"] = recording(number, CLIP_S, codec)
    for name, data in files.items():
        client.put_object(Bucket=bucket, Key=f"corpus/{name}", Body=data)
    troubles = {"000.wav": ["cut"], "001.flac": ["lost", "500 InternalError"], "002.mp3": ["503 SlowDown"] * 2}
    troubles |= {"006.wav": ["stall"], "007.flac": ["mute"]} if IS_FULL else {}
    expected = {name: (stage, word) for name, (_, stage, word) in broken.items()} | LOST
    return expected, FailingStore(client, bucket, lost, troubles, busy=4)


def prepare(corpus: str, blocks: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.command_line.main", "prepare", corpus, blocks, "--workers", "2"]
    with log.open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=out)


def kill_half_way(corpus: str, blocks: str, num_parts: int, log: Path) -> None:
    """A run that ends by SIGKILL when so many parts are there."""
    driver = prepare(corpus, blocks, log)
    deadline, found = time.monotonic() + 600, 0
    while found < num_parts:
        assert driver.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
        with suppress(storage.MissingError):
            found = sum(file.path.endswith(".rows.arrow") for file in storage.list_files(f"{blocks}/parts"))
    with pytest.raises(LeaseError, match=f"being written by process {driver.pid} on "):
        run_prepare(corpus, blocks)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    assert not storage.exists(f"{blocks}/index.json")


def kill_a_listener(driver: subprocess.Popen[bytes], log: Path) -> None:
    """SIGKILL for one of the actors of a run, as soon as one is there."""
    deadline = time.monotonic() + 120
    while True:
        assert driver.poll() is None and time.monotonic() < deadline, log.read_text()
        for process, command in processes_below(driver.pid):
            if "TranscriberActor" in command:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                return
        time.sleep(0.2)


def processes_below(ancestor: int) -> list[tuple[int, str]]:
    """Numbers and commands of all processes that come from one."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    found, waiting = [], [ancestor]
    while waiting:
        parent = waiting.pop()
        children = [process for process, own in parents.items() if own == parent]
        found += [(process, commands.get(process, "")) for process in children]
        waiting += children
    return found


def midi_tune(number: int) -> bytes:
    random = np.random.default_rng(number)
    onsets = np.cumsum(random.choice([6, 12, 24], 200))
    pitches = 55 + np.cumsum(random.integers(-3, 4, 200)) % 24
    columns = [onsets, onsets * 0 + 6, onsets * 0 + number, pitches, onsets * 0 + 90]
    return write_midi(Score(notes=make_notes(np.stack(columns, 1))))


def content(blocks: str) -> dict[str, bytes]:
    """All that a block set promises to be the same, by path."""
    names = [f"blocks/{file.path}" for file in storage.list_files(f"{blocks}/blocks")]
    return {name: storage.read_bytes(f"{blocks}/{name}") for name in [*names, "index.json", "rejects.parquet"]}


def summary_of(blocks: str) -> dict[str, Any]:
    """The summary of the last run that made some blocks."""
    report: dict[str, Any] = json.loads(
        storage.read_bytes(f"{blocks}/summaries/{storage.name_of(blocks)}.prepare.json")
    )
    return report


@pytest.mark.slow
@pytest.mark.timeout(3600 if IS_FULL else 600)
def test_broken_recordings_in_a_failing_bucket(
    s3_bucket: str, moto_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every recording once, in the blocks or the rejects with its reason; after kill -9 the same bytes."""
    monkeypatch.setenv("TONEMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    client, bucket = plain_client(moto_endpoint), s3_bucket.removeprefix("s3://")
    expected, store = fill(client, bucket)
    num_good = SIZE - len(expected)
    corpus, killed, undisturbed = (f"{s3_bucket}/{name}" for name in ("corpus", "killed", "undisturbed"))
    with FaultyProxy(moto_endpoint, store) as proxy:
        for name, value in settings_of(proxy.endpoint).items():
            monkeypatch.setenv(name, value)
        for num_parts in KILLED_AFTER:
            kill_half_way(corpus, killed, num_parts, tmp_path / f"killed {num_parts}")
        logs = []
        for blocks in (killed, undisturbed):
            logs.append(tmp_path / blocks.rpartition("/")[2])
            driver = prepare(corpus, blocks, logs[-1])
            if blocks == killed:
                kill_a_listener(driver, logs[-1])
            assert driver.wait() == 3, logs[-1].read_text()
    for name, value in settings_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    for log in logs:
        lines = log.read_text().strip().splitlines()
        print("\n".join(lines[-6:]))
        assert lines[-1] == f"{num_good} pieces in blocks, {len(expected)} rejects, of {SIZE} files"
    read = int(re.search(r"read (\d+) files", logs[0].read_text())[1])  # type: ignore[index]
    assert 0 < read < SIZE - SCORE_PARTS - len(LOST)
    report = [summary_of(blocks) for blocks in (killed, undisturbed)]
    assert [each["units"]["files"] for each in report] == [read, SIZE]
    assert (report[1]["units"]["pieces"], report[1]["units"]["rejects"]) == (num_good, len(expected))
    assert report[1]["cpu_s"]["hear"] > report[1]["cpu_s"]["read"] > 0
    assert store.met.keys() >= {"503 SlowDown", "cut", "lost", "500 InternalError"}
    assert content(killed) == content(undisturbed)
    rows = pq.read_table(pa.BufferReader(storage.read_bytes(f"{killed}/rejects.parquet"))).to_pylist()
    rejects = {row["uri"]: (row["stage"], row["reason"]) for row in rows}
    assert {name: stage for name, (stage, _) in rejects.items()} == {
        name: stage for name, (stage, _) in expected.items()
    }
    for name, (_, word) in expected.items():
        assert word in rejects[name][1], (name, rejects[name])
    table = pa.concat_tables(open_blocks(killed, verify=True).tables)
    pieces = dict(zip(table["uri"].to_pylist(), table["codec"].to_pylist(), strict=True))
    assert sum(codec is None for codec in pieces.values()) == NUM_SCORES
    assert len(pieces) == len(table) == num_good
    assert set(pieces) | set(rejects) == {file.path for file in storage.list_files(corpus)} | {"vanishing.mp3"}
    assert set(pieces.values()) >= {"pcm_s16le", "flac", "mp3", "vorbis", "opus", "aac"}
