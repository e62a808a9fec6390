"""`tonemill submit` to a real Ray cluster behind a token, with every place on an S3 server."""

from __future__ import annotations

import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.ray_jobs.server import JobServer
from cluster.settings import Cluster
from jobs.command_line import main as cli
from lstm_core import storage
from lstm_core.catalogue.folder import list_tracks
from lstm_core.model.composer_checkpoint import load_composer
from tests.ray_servers import RayHead
from tests.s3_servers import plain_client
from tests.themes import THEME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ORDER = """\
name,duration_s,bpm,key,loop,instruments,style,seed,primer
one,6,120,C major,true,piano;bass,themes,,
two,8,120,C major,,piano;bass,,5,theme.mid
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


@dataclass
class Output:
    """A standard output that remembers what was written and when."""

    written: list[tuple[float, str]] = field(default_factory=list)

    def write(self, text: str) -> int:
        self.written.append((time.monotonic(), text))
        return len(text)

    def flush(self) -> None:
        pass

    def text(self) -> str:
        return "".join(text for _, text in self.written)

    def came_s(self, part: str) -> float:
        """When a part of it was complete."""
        so_far = ""
        for at_s, text in self.written:
            so_far += text
            if part in so_far:
                return at_s
        raise AssertionError(f"{part!r} never came")


@pytest.fixture
def user(ray_head: RayHead, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody whose cluster file names the cluster."""
    (tmp_path / "token").write_text(f"{ray_head.token}\n")
    text = CLUSTERS.format(address=ray_head.address, token=tmp_path / "token", bucket=s3_bucket)
    (tmp_path / "clusters.toml").write_text(text)
    monkeypatch.setenv("TONEMILL_CLUSTERS", str(tmp_path / "clusters.toml"))
    monkeypatch.setenv("TONEMILL_CLUSTER", "here")


def tonemill(*arguments: str) -> tuple[int, Output, str]:
    """Exit code, output and errors of a command, run in this process, which has imported what takes seconds."""
    output, errors = Output(), Output()
    with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:  # type: ignore[type-var]
        cli.main(list(arguments))
    return int(ended.value.code or 0), output, errors.text()


@pytest.fixture
def stored(s3_bucket: str) -> str:
    """A bucket with a corpus of three MIDI files."""
    for number in range(3):
        theme = THEME.replace(bytes([0x40]), bytes([0x41 + number]))  # another second note
        storage.write_bytes(f"{s3_bucket}/corpus/themes/{number}.mid", theme)
    return s3_bucket


@pytest.mark.usefixtures("user")
def test_the_three_stages_run_on_a_cluster(ray_head: RayHead, stored: str, moto_endpoint: str, tmp_path: Path) -> None:
    code, output, errors = tonemill("submit", "prepare", "corpus:themes", "blocks:themes")
    assert (code, "3 files" in output.text()) == (0, True), f"{output.text()}\n{errors}"
    assert storage.exists(f"{stored}/blocks/themes/index.json")

    tiny = (
        "model.hidden_size=48",
        "model.num_layers=1",
        "model.head_size=16",
        "train.num_lanes=4",
        "train.window=32",
    )
    settings = [part for setting in tiny for part in ("--set", setting)]
    code, output, errors = tonemill(
        "submit", "train", "blocks:themes", "runs:mine", "--steps", "5", "--workers", "1", *settings
    )
    assert (code, "5 steps; best at step" in output.text()) == (0, True), f"{output.text()}\n{errors}"
    assert load_composer(f"{stored}/runs/mine/checkpoint").facts.styles == ("themes",)

    (tmp_path / "cues.csv").write_text(ORDER)
    (tmp_path / "theme.mid").write_bytes(THEME)
    submit = ("submit", "generate", "runs:mine", str(tmp_path / "cues.csv"), "catalogue:cues", "--workers", "1")
    code, output, errors = tonemill(*submit)
    assert code == 0, f"{output.text()}\n{errors}"
    assert "2 tracks made, 0 were there, 0 failed" in output.text()
    records = list_tracks(f"{stored}/catalogue/cues", verify=True)
    assert sorted((record.name, record.style) for record in records) == [("one", "themes"), ("two", "")]
    for name in ("index.html", "catalog/tracks.parquet"):
        assert storage.exists(f"{stored}/catalogue/cues/{name}")
    # The first line came while the job ran, seconds before its last.
    assert output.came_s("2 tracks made") - output.came_s("Running entrypoint") > 2.0
    (job_id,) = {word for word in errors.split() if word.startswith("tonemill-generate-") and len(word) == 30}
    with JobServer(Cluster(name="here", address=ray_head.address), ray_head.token) as server:
        found = server.json("GET", f"/api/jobs/{job_id}")
    assert found["driver_info"] is not None  # it worked in this Ray, not in one of its own

    code, listing, _ = tonemill("jobs")
    assert code == 0 and listing.text().count("SUCCEEDED") >= 3
    before = everything(moto_endpoint, stored)
    code, again, errors = tonemill(*submit)
    assert code == 0 and "the same job is there already (SUCCEEDED)" in errors and "2 tracks made" in again.text()
    assert everything(moto_endpoint, stored) == before


def everything(moto_endpoint: str, bucket: str) -> list[tuple[str, str]]:
    """Keys of a bucket with the time at which each was written."""
    listing = plain_client(moto_endpoint).list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [(file["Key"], str(file["LastModified"])) for file in listing["Contents"]]
