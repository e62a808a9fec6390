"""`tonemill submit` to a real Ray cluster behind a token, with every place on an S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from cluster.job_server import JobServer
from cluster.settings import Cluster
from lstm_core import storage
from lstm_core.catalog import list_tracks
from lstm_core.checkpoint import save_checkpoint
from tests.lstm_core.tiny import tiny_facts, tiny_model
from tests.ray_servers import ROOT, RayHead
from tests.s3_servers import plain_client
from tests.themes import THEME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ORDER = """\
name,duration_s,bpm,key,loop,instruments,style,seed,primer
one,6,120,C major,true,piano;bass,game,,
two,8,120,C major,,piano;bass,dance,5,theme.mid
"""
CLUSTERS = """\
[here]
address = "{address}"
token = "file:{token}"
region = "us-east-1"
[here.buckets]
corpus = "{bucket}/corpus"
blocks = "{bucket}/blocks"
runs = "{bucket}/runs"
catalogue = "{bucket}/catalogue"
"""


@pytest.fixture
def environment(ray_head: RayHead, s3_bucket: str, tmp_path: Path) -> dict[str, str]:
    """Of a user whose cluster file names the cluster; without any setting of Ray."""
    (tmp_path / "token").write_text(f"{ray_head.token}\n")
    text = CLUSTERS.format(address=ray_head.address, token=tmp_path / "token", bucket=s3_bucket)
    (tmp_path / "clusters.toml").write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TONEMILL_CLUSTERS": str(tmp_path / "clusters.toml"),
        "PYTHONUNBUFFERED": "1",
    }


def tonemill(environment: dict[str, str], *arguments: str) -> tuple[int, str, list[tuple[float, str]], str]:
    """Exit code, output, its lines with the time when each came, and errors of a command."""
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
        reader.start()
        for line in process.stdout:
            lines.append((time.time(), line.rstrip("\n")))
        reader.join()
        code = process.wait()
    return code, "\n".join(line for _, line in lines), lines, errors[0]


@pytest.fixture
def stored(s3_bucket: str, tmp_path: Path) -> str:
    """A bucket with a corpus of three MIDI files and a run that holds a tiny checkpoint."""
    save_checkpoint(tmp_path / "checkpoint", tiny_model(3), tiny_facts(), dtype=torch.float32)
    for file in (tmp_path / "checkpoint").iterdir():
        storage.write_bytes(f"{s3_bucket}/runs/tiny/checkpoint/{file.name}", file.read_bytes())
    for number in range(3):
        theme = THEME.replace(bytes([0x40]), bytes([0x41 + number]))  # another second note
        storage.write_bytes(f"{s3_bucket}/corpus/themes/{number}.mid", theme)
    return s3_bucket


def test_stages_run_on_a_cluster(
    ray_head: RayHead, environment: dict[str, str], stored: str, moto_endpoint: str, tmp_path: Path
) -> None:
    code, output, _, errors = tonemill(environment, "submit", "prepare", "corpus:themes", "blocks:themes")
    assert (code, "3 files" in output) == (0, True), f"{output}\n{errors}"
    assert storage.exists(f"{stored}/blocks/themes/index.json")

    (tmp_path / "cues.csv").write_text(ORDER)
    (tmp_path / "theme.mid").write_bytes(THEME)
    submit = ("submit", "generate", "runs:tiny", str(tmp_path / "cues.csv"), "catalogue:cues", "--workers", "1")
    code, output, lines, errors = tonemill(environment, *submit)
    assert code == 0, f"{output}\n{errors}"
    assert "2 tracks made, 0 were there, 0 failed" in output
    records = list_tracks(f"{stored}/catalogue/cues", verify=True)
    assert sorted((record.name, record.style) for record in records) == [("one", "game"), ("two", "dance")]
    for name in ("index.html", "catalog/tracks.parquet"):
        assert storage.exists(f"{stored}/catalogue/cues/{name}")
    first = next(at for at, line in lines if "Running entrypoint" in line)
    last = next(at for at, line in lines if "2 tracks made" in line)
    assert last - first > 2.0  # the first line came while the job ran, seconds before its last
    (job_id,) = {word for word in errors.split() if word.startswith("tonemill-generate-") and len(word) == 30}
    with JobServer(Cluster(name="here", address=ray_head.address), ray_head.token) as server:
        found = server.json("GET", f"/api/jobs/{job_id}")
    assert found["driver_info"] is not None  # it worked in this Ray, not in one of its own

    code, listing, _, _ = tonemill(environment, "jobs")
    assert code == 0 and listing.count("SUCCEEDED") >= 2
    before = everything(moto_endpoint, stored)
    code, again, _, errors = tonemill(environment, *submit)
    assert code == 0 and "the same job is there already (SUCCEEDED)" in errors and "2 tracks made" in again
    assert everything(moto_endpoint, stored) == before


def everything(moto_endpoint: str, bucket: str) -> list[tuple[str, str]]:
    """Keys of a bucket with the time at which each was written."""
    listing = plain_client(moto_endpoint).list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [(file["Key"], str(file["LastModified"])) for file in listing["Contents"]]
