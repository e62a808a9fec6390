"""`tonemill prepare` from a bucket into a bucket, through a real Ray and a real S3 server."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.prepare import run_prepare
from lstm_core import storage
from lstm_core.blocks import open_blocks
from lstm_core.errors import UnreachableError
from lstm_core.notes import Score, make_notes
from lstm_core.scores.midi import write_midi
from lstm_core.stores.lease import LeaseError
from tests.s3_servers import free_port, settings_of

NUM_TUNES = 96


def tune(number: int) -> bytes:
    """A MIDI file of 1,500 random notes."""
    random = np.random.default_rng(number)
    onsets = np.cumsum(random.choice([6, 12, 24], 1_500))
    pitches = 55 + np.cumsum(random.integers(-3, 4, 1_500)) % 24
    columns = [onsets, onsets * 0 + 6, onsets * 0 + number % 128, pitches, onsets * 0 + 90]
    return write_midi(Score(notes=make_notes(np.stack(columns, 1))))


def content(blocks: str) -> dict[str, bytes]:
    """All that a block set promises to be the same, by path."""
    names = [f"blocks/{file.path}" for file in storage.list_files(f"{blocks}/blocks")]
    return {name: storage.read_bytes(f"{blocks}/{name}") for name in [*names, "index.json", "rejects.parquet"]}


@pytest.mark.slow
def test_a_killed_run_in_a_bucket_goes_on_to_the_same_bytes(
    s3_bucket: str, ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the driver while it reads: before it another is refused, after it the next loses and doubles none."""
    monkeypatch.setenv("TONEMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    corpus, killed, undisturbed = (f"{s3_bucket}/{name}" for name in ("my corpus", "killed", "undisturbed"))
    for number in range(NUM_TUNES):
        storage.write_bytes(f"{corpus}/set {number % 10}/tüne {number}.mid", tune(number))
    storage.write_bytes(f"{corpus}/empty.mid", b"")
    command = [sys.executable, "-m", "jobs.cli", "prepare", corpus, killed, "--workers", "2"]
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    found: list[str] = []
    while not found:
        time.sleep(0.02)
        assert driver.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        with suppress(storage.MissingError):
            found = [file.path for file in storage.list_files(f"{killed}/parts") if file.path.endswith(".rows.arrow")]
    with pytest.raises(LeaseError, match=f"being written by process {driver.pid} on "):
        run_prepare(corpus, killed, num_workers=2)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    assert not storage.exists(f"{killed}/index.json")
    resumed = run_prepare(corpus, killed, num_workers=2)
    assert 0 < resumed.num_read < NUM_TUNES + 1
    whole = run_prepare(corpus, undisturbed, num_workers=2)
    assert whole.num_read == NUM_TUNES + 1
    assert content(killed) == content(undisturbed)
    names = pa.concat_tables(open_blocks(killed, verify=True).tables)["uri"].to_pylist()
    rejects = pq.read_table(pa.BufferReader(storage.read_bytes(f"{killed}/rejects.parquet")))["uri"].to_pylist()
    assert Counter(names + rejects) == Counter(file.path for file in storage.list_files(corpus))
    assert rejects == ["empty.mid"]


@pytest.mark.slow
def test_a_bucket_that_nobody_serves_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(f"http://127.0.0.1:{free_port()}").items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="the connection is refused"):
        run_prepare("s3://nowhere/corpus", "s3://nowhere/blocks")
    assert time.monotonic() - start < 10
