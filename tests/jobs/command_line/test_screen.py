"""Text of users, corpora and clusters is shown as it is: none of it is markup, and none steers the terminal.

A track called "[/b] intro" used to end the command with MarkupError after all its tracks were made, and the title of
any MIDI file could do the same to `tonemill inspect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from rich.table import Table

from cluster.job import JobInfo, JobStatus
from cluster.kube.objects import CronJobState, RayClusterState, RayJobState
from cluster.lifecycle.up_and_down import ClusterState
from cluster.settings import Cluster
from jobs.command_line import cli_jobs
from jobs.command_line.cli_catalog import _print_runs
from jobs.command_line.cli_cluster import _print_state
from jobs.command_line.inspect_blocks import inspect_blocks
from jobs.command_line.inspect_checkpoint import inspect_checkpoint, inspect_run
from jobs.command_line.inspect_recording import _show
from jobs.command_line.inspect_track import inspect_catalogue, inspect_track, print_tracks
from jobs.command_line.main import _explain
from jobs.command_line.screen import Screen, visible
from lstm_core.blocks.feature_blocks import BLOCK_SCHEMA, write_block, write_index
from lstm_core.catalogue.folder import commit_track
from lstm_core.catalogue.form import placed_sections
from lstm_core.catalogue.records import GateVerdict, make_record
from lstm_core.catalogue.scheduled_runs import ScheduledRun
from lstm_core.foundation.errors import OrderError
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from tests.lstm_core.block_sets import _row, tune
from tests.lstm_core.catalogue.made_up_forms import made_form
from tests.lstm_core.catalogue.made_up_records import content, failure
from tests.lstm_core.tiny import tiny_facts, tiny_model

HOSTILE = "[/b] [red]in[/red]tro :bomb: \x1b[2J\x07\n\u202e.\udce9"
SHOWN = r"[/b] [red]in[/red]tro :bomb: \x1b[2J\x07\n\u202e."


def record(folder: Path) -> str:
    """Folder of a track that holds hostile text wherever it may."""
    gates = [GateVerdict(name=HOSTILE, is_passed=False, value=1.0, bound=HOSTILE)]
    checkpoint = {"name": HOSTILE, "fingerprint": HOSTILE, "licences": {HOSTILE: 3}}
    texts = {"name": HOSTILE, "style": HOSTILE, "key": HOSTILE, "meter": HOSTILE, "instruments": [HOSTILE]}
    form = replace(made_form("A", 1), sections=placed_sections([HOSTILE], [1]), chords=(HOSTILE, HOSTILE))
    soundfont = {"name": HOSTILE, "sha256": ""}
    made = make_record(content(**texts, gates=gates, checkpoint=checkpoint, soundfont=soundfont, form=form))
    return f"{folder}/{commit_track(str(folder), made, {'score.mid': b'MThd'}).folder}"


def show_tracks(folder: Path) -> None:
    print_tracks([make_record(content(name=HOSTILE))], [failure(name=HOSTILE, reason=HOSTILE)])


def show_track(folder: Path) -> None:
    inspect_track(record(folder))


def test_a_track_is_shown_with_its_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_record(content(form=made_form("A B", 2), checkpoint={"name": "base"}))
    commit_track(str(tmp_path), made, {"score.mid": b"MThd"})
    inspect_track(f"{tmp_path}/{made.folder}")
    out = capsys.readouterr().out
    assert "A2 B2, energy 0.21 of 1" in out and "Am | F/A | F/A | Dm7 G" in out


def show_catalogue(folder: Path) -> None:
    record(folder)
    inspect_catalogue(str(folder))


def show_blocks(folder: Path) -> None:
    row = _row(0, tune(0), True, HOSTILE.encode(errors="replace").decode())
    row |= {"title": row["style"], "licence": row["style"]}
    write_block(folder, "b0", pa.Table.from_pylist([row], schema=BLOCK_SCHEMA))
    write_index(folder, ["b0"], notices={})
    inspect_blocks(str(folder))


def show_checkpoint(folder: Path) -> None:
    text = HOSTILE.encode(errors="replace").decode()
    facts = replace(tiny_facts(), name=text, licences={text: 1}, versions={"numpy": text}, parents=(text,))
    save_checkpoint(folder, quantised_unseen(tiny_model(1)), facts)
    inspect_checkpoint(str(folder))


def show_run(folder: Path) -> None:
    run = folder / HOSTILE.encode(errors="replace").decode().replace("/", "")
    run.mkdir()
    (run / "metrics.jsonl").write_text("")
    inspect_run(str(run))
    print(SHOWN)  # the slash had to go


def show_recording(folder: Path) -> None:
    _show(f"{folder}/{HOSTILE}", [("title", HOSTILE), ("artist", HOSTILE)])


def show_jobs(folder: Path) -> None:
    job = JobInfo(job_id=HOSTILE, status=JobStatus.FAILED, message=HOSTILE, started_s=0.0, ended_s=1.0)

    class Submitter:
        def jobs(self) -> list[JobInfo]:
            return [job]

    @contextmanager
    def connected(name: str | None) -> Iterator[Any]:
        yield Cluster(name="a"), Submitter()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli_jobs, "connected", connected)
        cli_jobs.jobs()
    cli_jobs._tell_waiting(replace(job, status=JobStatus.PENDING))


def show_cluster(folder: Path) -> None:
    job = RayJobState(
        name=HOSTILE, deployment="Failed", job="FAILED", reason=HOSTILE, message=HOSTILE, cluster_name="",
        submission_id="", created=None, started=None, ended=None,
    )  # fmt: skip
    ray = RayClusterState(
        name=HOSTILE, state="", reason=HOSTILE, num_ready=0, num_desired=0, num_max=0, is_owned=False
    )  # fmt: skip
    cron = CronJobState(name=HOSTILE, cron=HOSTILE, time_zone=HOSTILE, is_suspended=True, last=None)
    state = ClusterState(ray_clusters=[ray], jobs=[job], schedules=[cron], scheduled_runs={}, pods=[])
    _print_state(Cluster(name="a", context=HOSTILE), state)


def show_scheduled_runs(folder: Path) -> None:
    scheduled_run = ScheduledRun(
        schedule=HOSTILE, date=date(2026, 11, 22), num_tracks=1, duration_s=1.0, num_failures=0, is_finished=True
    )  # fmt: skip
    _print_runs([scheduled_run])


SHOWERS = [
    show_tracks, show_track, show_catalogue, show_blocks, show_checkpoint, show_run, show_recording, show_jobs,
    show_cluster, show_scheduled_runs,
]  # fmt: skip


@pytest.mark.parametrize("show", SHOWERS)
def test_text_of_others_is_shown_as_it_is(
    show: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    show(tmp_path)
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert SHOWN in shown
    assert {character for character in shown if not character.isprintable()} <= {"\n"}


def test_errors_keep_their_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert _explain(OrderError(f"two rows:\nrow 1: {HOSTILE}")) == 2
    assert capsys.readouterr().err == "tonemill: two rows:\nrow 1: " + SHOWN.replace("\\n", "\n") + "\\udce9\n"


def test_what_is_printable_stays_as_it_is() -> None:
    assert visible("Ünï\u00a0code 日本 — “x”") == "Ünï\u00a0code 日本 — “x”"
    assert visible("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_cells_of_a_table_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("[b]x")
    table.add_row(cast(str, "[/b]"))
    Screen().print(table, "[b]y[/b]")
    shown = capsys.readouterr().out
    assert "[b]x" in shown and "[/b]" in shown and "[b]y[/b]" in shown
