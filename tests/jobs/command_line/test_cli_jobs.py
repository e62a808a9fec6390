"""The commands that send stages to a cluster: what travels, what is refused here, and how they end."""

from __future__ import annotations

import io
import json
import shlex
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.command_line import main as cli
from tests.cluster.fake_dashboard import FakeDashboard
from tests.lstm_core.orders.made_up_tracks import CAVE, FOREST
from tests.lstm_core.orders.tunes import TUNE, rows_of, write_tune
from tests.themes import THEME

CLUSTERS = """\
[studio]
address = "{address}"
token = "env:STUDIO_TOKEN"
region = "eu-central-1"
[studio.buckets]
corpus = "s3://studio-corpus"
runs = "s3://studio-runs/v1"
catalogue = "s3://studio-catalogue"
"""
ORDER = 'count = 2\n[track]\nduration_s = 6\nprimer = "themes/a.mid"\n'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDashboard]:
    """A job server that is the cluster "studio" of the cluster file."""
    with FakeDashboard() as fake:
        path = tmp_path / "clusters.toml"
        path.write_text(CLUSTERS.format(address=fake.address))
        monkeypatch.setenv("TONEMILL_CLUSTERS", str(path))
        monkeypatch.setenv("STUDIO_TOKEN", "t0ken")
        monkeypatch.delenv("TONEMILL_CLUSTER", raising=False)
        yield fake


@pytest.fixture
def order(tmp_path: Path) -> Path:
    """An order with a primer."""
    path = tmp_path / "shop" / "my order.toml"
    (path.parent / "themes").mkdir(parents=True)
    path.write_text(ORDER)
    (path.parent / "themes" / "a.mid").write_bytes(THEME)
    return path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of a command that ends with 2."""
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return " ".join(shown.err.split())


def submit_generate(order: Path | str, *more: str) -> int:
    return run("submit", "generate", "base", str(order), "catalogue:shop", "--cluster", "studio", "--no-follow", *more)


def test_a_stage_its_places_and_its_files_travel(
    server: FakeDashboard, order: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my recipe.toml").write_text("chunk = 64\n")
    recipe = ["--recipe", str(tmp_path / "my recipe.toml"), "--set", "soundfont=corpus:fonts/x.sf2", "--set", "chunk=8"]
    assert submit_generate(order, "--workers", "3", *recipe) == 0
    (job,) = server.jobs.values()
    assert capsys.readouterr().out.strip() == job["submission_id"]
    assert shlex.split(job["entrypoint"].rpartition("exec ")[2]) == [
        *("tonemill", "generate", "--recipe=recipe/my recipe.toml", "--set=soundfont=s3://studio-corpus/fonts/x.sf2"),
        *("--set=chunk=8", "--workers=3", "base", "order/my order.toml", "s3://studio-catalogue/shop"),
    ]
    assert job["runtime_env"]["env_vars"] == {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
    with zipfile.ZipFile(
        io.BytesIO(server.packages[job["runtime_env"]["working_dir"].removeprefix("gcs://")])
    ) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            "order/my order.toml": ORDER.encode(),
            "order/themes/a.mid": THEME,
            "recipe/my recipe.toml": b"chunk = 64\n",
        }


def test_a_melody_travels_with_its_order(
    server: FakeDashboard, order: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order.write_text(ORDER.replace("primer", "melody").replace("duration_s = 6", "bpm = 120"))
    write_tune(order.parent / "themes" / "a.mid", rows_of(TUNE))
    assert submit_generate(order) == 0
    (job,) = server.jobs.values()
    package = server.packages[job["runtime_env"]["working_dir"].removeprefix("gcs://")]
    with zipfile.ZipFile(io.BytesIO(package)) as packed:
        assert set(packed.namelist()) == {"order/my order.toml", "order/themes/a.mid"}
    (order.parent / "themes" / "a.mid").rename(order.parent.parent / "a.mid")
    order.write_text(order.read_text().replace("themes/", "../"))
    report = complaint(capsys, "submit", "generate", "base", str(order), "catalogue:x", "--cluster", "studio")
    assert "melody" in report and "cannot travel with" in report


def test_a_cut_list_travels_with_its_order(server: FakeDashboard, order: Path) -> None:
    order.write_text('[track]\nduration_s = 24\nbpm = 120\nhits = "cuts/scene.csv"\n')
    (order.parent / "cuts").mkdir()
    (order.parent / "cuts" / "scene.csv").write_text("8.0,door\n16.0,out\n")
    assert submit_generate(order) == 0
    (job,) = server.jobs.values()
    package = server.packages[job["runtime_env"]["working_dir"].removeprefix("gcs://")]
    with zipfile.ZipFile(io.BytesIO(package)) as packed:
        assert packed.read("order/cuts/scene.csv") == b"8.0,door\n16.0,out\n"


def test_a_bridge_of_made_tracks_is_left_to_the_cluster(server: FakeDashboard, order: Path) -> None:
    """Its catalogue cannot be seen from here."""
    order.write_text(f'[track]\nbridge = ["{FOREST}", "{CAVE}"]\n')
    assert submit_generate(order) == 0 and len(server.jobs) == 1


def test_prices_of_the_cluster_travel(server: FakeDashboard, order: Path, tmp_path: Path) -> None:
    with (tmp_path / "clusters.toml").open("a") as clusters:
        clusters.write('[studio.prices]\ncurrency = "EUR"\ncpu = 0.1\n')
    assert submit_generate(order) == 0
    (job,) = server.jobs.values()
    prices = json.loads(job["runtime_env"]["env_vars"]["TONEMILL_PRICES"])
    assert prices["currency"] == "EUR" and prices["cpu"] == 0.1 and prices["gpu"] == 0.0


def test_the_same_again_is_the_same_job_in_whatever_order_it_is_typed(
    server: FakeDashboard, order: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit_generate(order, "--workers", "3", "--set", "chunk=8") == 0
    assert run("submit", "--cluster=studio", "generate", "--set=chunk=8", "--no-follow", "--workers=3", "base",
               str(order), "s3://studio-catalogue/shop") == 0  # fmt: skip
    shown = capsys.readouterr()
    assert len(server.jobs) == 1 and len(set(shown.out.split())) == 1 and "the same job is there already" in shown.err
    server.jobs[shown.out.split()[0]]["status"] = "SUCCEEDED"
    assert submit_generate(order, "--workers", "3", "--set", "chunk=8") == 0
    assert "(SUCCEEDED). --again starts it anew." in capsys.readouterr().err
    assert submit_generate(order, "--workers", "3", "--set", "chunk=8", "--again", "--name", "x") == 0
    order.write_text(ORDER.replace("2", "3"))
    assert submit_generate(order, "--workers", "3", "--set", "chunk=8") == 0
    assert len(server.jobs) == 3  # another name, another order


def test_prepare_and_train(server: FakeDashboard) -> None:
    assert (
        run("submit", "prepare", "corpus:a/b", "s3://other/blocks", "--retry", "--cluster", "studio", "--no-follow")
        == 0
    )
    assert run("submit", "train", "s3://other/blocks", "runs:", "--init-from", "runs:old", "--steps", "9", "--resume",
               "--cluster", "studio", "--no-follow") == 0  # fmt: skip
    assert run("submit", "train", "file:///shared/blocks", "runs:x", "--init-from", "base", "--cluster", "studio",
               "--no-follow") == 0  # fmt: skip
    lines = [job["entrypoint"].rpartition("exec ")[2] for job in server.jobs.values()]
    assert lines == [
        "tonemill prepare --retry s3://studio-corpus/a/b s3://other/blocks",
        "tonemill train --steps=9 --init-from=s3://studio-runs/v1/old --resume s3://other/blocks s3://studio-runs/v1",
        "tonemill train --init-from=base file:///shared/blocks s3://studio-runs/v1/x",
    ]
    assert all("working_dir" not in job["runtime_env"] for job in server.jobs.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("prepare", "my-scores", "s3://b/x"),
            "my-scores is a place on this machine, which the cluster studio cannot see",
        ),
        (("prepare", "corpus:x", "/tmp/blocks"), "or blocks:NAME for a folder of the cluster's own"),
        (("train", "s3://b/x", "runs:x", "--init-from", "old-run"), "old-run is a place on this machine"),
        (("prepare", "corpora:x", "s3://b/x"), "a cluster has no bucket 'corpora'. Did you mean corpus:x?"),
        (("prepare", "corpus:x", "blocks:x"), "studio names no bucket blocks. Write blocks ="),
        (("prepare", "corpus:x", "s3://b/x", "--set", "block_byte=9"), "unknown key block_byte"),
        (("train", "s3://b/x", "runs:x", "--recipe", "/nowhere.toml"), "/nowhere.toml"),
        (("prepare", "corpus:x"), "Missing argument"),
        (("prepare", "corpus:x", "s3://b/x", "--worker", "3"), "No such option"),
        (("destroy", "corpus:x"), "'destroy' is nothing to submit"),
        (("prepare", "corpus:x", "s3://b/x", "--name", "My Job"), "'My Job' is no name for a job"),
    ],
)
def test_user_errors_are_reported_before_anything_is_requested_of_the_cluster(
    server: FakeDashboard, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    report = complaint(capsys, "submit", *arguments, "--cluster", "studio")
    assert message in report.replace("│ ", "") and server.count("POST") == 0 and server.packages == {}


def test_orders_that_cannot_be_met_are_reported_here(
    server: FakeDashboard, order: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("submit", "generate", "base", str(order), "catalogue:x", "--cluster", "studio")
    (order.parent / "themes" / "a.mid").rename(order.parent.parent / "a.mid")
    assert "The primer cannot be read" in complaint(capsys, *place)
    order.write_text(ORDER.replace("themes/", "../"))
    assert "cannot travel with" in complaint(capsys, *place)
    order.write_text("count = 0\n")
    assert "The order requests 0 tracks." in complaint(capsys, *place)
    assert server.count("POST") == 0
    assert submit_generate("s3://orders/o.toml") == 0  # one in a bucket is read by the job
    (job,) = server.jobs.values()
    assert "base s3://orders/o.toml" in job["entrypoint"]


def test_which_cluster(
    server: FakeDashboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no cluster 'stduio'. Did you mean studio?" in complaint(capsys, "jobs", "--cluster", "stduio")
    assert run("jobs") == 0  # there is only one
    assert "There are no jobs on studio." in capsys.readouterr().out
    report = complaint(capsys, "submit", "prepare", "corpus:x", "s3://b/x")
    assert "corpus:x names a bucket of a cluster. Say which cluster with --cluster NAME." in report
    monkeypatch.setenv("TONEMILL_CLUSTER", "studio")
    assert run("submit", "prepare", "corpus:x", "s3://b/x", "--no-follow") == 0 and len(server.jobs) == 1
    monkeypatch.setenv("STUDIO_TOKEN", "wrong")
    assert "studio does not take the token of env:STUDIO_TOKEN (403)" in complaint(capsys, "jobs")
    monkeypatch.delenv("STUDIO_TOKEN")
    assert "environment variable STUDIO_TOKEN, which is not set" in complaint(capsys, "jobs")


def test_without_a_cluster_it_runs_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("nowhere-to-be-found", str(tmp_path / "blocks"))
    report = complaint(capsys, "submit", "prepare", *arguments)
    assert report == complaint(capsys, "prepare", *arguments) and "nowhere-to-be-found" in report


def test_a_job_is_followed_to_its_end(server: FakeDashboard, order: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        while not server.jobs:
            time.sleep(0.02)
        (job_id,) = server.jobs
        server.put_job(job_id, "PENDING", message="It may be waiting for\na node.")
        while server.count("GET", job_id) < 5:
            time.sleep(0.02)
        server.logs[job_id] = b"one line\n"
        server.put_job(job_id, "RUNNING")
        while server.count("GET", "/logs/stream") == 0:
            time.sleep(0.02)
        server.logs[job_id] += "zweite Zeile ü\n".encode()
        server.put_job(job_id, "FAILED", driver_exit_code=3, end_time=66_000)

    worker = threading.Thread(target=work)
    worker.start()
    assert run("submit", "generate", "base", str(order), "catalogue:shop", "--cluster", "studio") == 3
    worker.join()
    shown = capsys.readouterr()
    assert shown.out == "one line\nzweite Zeile ü\n" and "it ended with exit code 3" in shown.err
    assert "waits. It may be waiting for a node." in shown.err
    (job_id,) = server.jobs
    assert run("logs", job_id) == 0 and capsys.readouterr().out == "one line\nzweite Zeile ü\n"
    assert run("logs", job_id, "--follow") == 3 and run("wait", job_id) == 3
    server.put_job(job_id, "SUCCEEDED", end_time=66_000)
    assert run("wait", job_id) == 0 and f"{job_id} has succeeded in 0:01:05" in capsys.readouterr().err
    server.put_job(job_id, "RUNNING")
    assert run("stop", job_id) == 0 and run("stop", job_id) == 0
    assert capsys.readouterr().out == f"{job_id} was stopped\n{job_id} had ended before\n"
    assert run("wait", job_id) == 130 and "was stopped" in capsys.readouterr().err
    assert run("jobs") == 0
    shown = capsys.readouterr()
    assert "STOPPED" in shown.out and "1970-01-01 00:00" in shown.out and "130" in shown.out
    assert "The job nothing is not on the cluster studio" in complaint(capsys, "logs", "nothing")
