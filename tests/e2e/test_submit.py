"""`tonemill submit generate` to a real Ray cluster behind a token, with every place on an S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.catalog import list_tracks
from tests.ray_servers import ROOT, RayHead
from tests.s3_servers import plain_client
from tests.themes import THEME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ORDER = """\
name = "cues"
seed = 7
count = 2
[track]
duration_s = [6, 7]
style = "game"
instruments = [["piano", "bass"]]
primer = "theme.mid"
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


def test_an_order_is_met_on_a_cluster(
    ray_head: RayHead, environment: dict[str, str], s3_bucket: str, moto_endpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "cues.toml").write_text(ORDER)
    (tmp_path / "theme.mid").write_bytes(THEME)
    submit = ("submit", "generate", "base", str(tmp_path / "cues.toml"), "catalogue:cues", "--cluster", "here")
    code, output, lines, errors = tonemill(environment, *submit)
    assert code == 0, f"{output}\n{errors}"
    assert "2 tracks made, 0 were there, 0 failed" in output
    records = list_tracks(f"{s3_bucket}/catalogue/cues", verify=True)
    assert len(records) == 2 and {record.style for record in records} == {"game"}
    for name in ("index.html", "catalog/tracks.parquet"):
        assert storage.exists(f"{s3_bucket}/catalogue/cues/{name}")
    first = next(at for at, line in lines if "Running entrypoint" in line)
    last = next(at for at, line in lines if "2 tracks made" in line)
    assert last - first > 2.0  # the first line came while the job ran, seconds before its last
    (job_id,) = {word for word in errors.split() if word.startswith("tonemill-generate-") and len(word) == 30}
    code, listing, _, _ = tonemill(environment, "jobs")
    assert code == 0 and "SUCCEEDED" in listing and listing.count("tonemill-generate-") >= 1
    before = plain_client(moto_endpoint).list_objects_v2(Bucket=s3_bucket.removeprefix("s3://"))["Contents"]
    code, again, _, errors = tonemill(environment, *submit)
    assert code == 0 and "the same job is there already (SUCCEEDED)" in errors and "2 tracks made" in again
    after = plain_client(moto_endpoint).list_objects_v2(Bucket=s3_bucket.removeprefix("s3://"))["Contents"]
    assert [(file["Key"], file["LastModified"]) for file in after] == [
        (file["Key"], file["LastModified"]) for file in before
    ]
    assert job_id in again
