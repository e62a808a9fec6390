"""The commands that send stages to a cluster and look after them there: submit, jobs, logs, stop, wait."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_core.foundation.errors import TonemillError

if TYPE_CHECKING:
    from cluster.job import JobInfo, Submitter
    from cluster.settings import Cluster

ClusterName = Annotated[
    str | None,
    typer.Option("--cluster", envvar="TONEMILL_CLUSTER", help="Name in the cluster file; default: its only one."),
]
JobId = Annotated[str, typer.Argument(help="Name of the job, as `tonemill jobs` shows it.")]
MAX_ROWS = 50
_PASS_ON = {"ignore_unknown_options": True}  # options of the stage go to the stage


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.command(context_settings=_PASS_ON)(submit)
    for command in (jobs, logs, stop, wait):
        app.command()(command)


def submit(
    context: typer.Context,
    stage: Annotated[str, typer.Argument(help="prepare, train or generate.")],
    arguments: Annotated[list[str], typer.Argument(help="Behind it what `tonemill STAGE` takes.")],
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", envvar="TONEMILL_CLUSTER", help="Name in the cluster file; without one: runs here."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Show what the job writes until it ends, and end as it does.")] = True,
    name: Annotated[str, typer.Option(help="Of the job, for people.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Also if the same job has succeeded before.")] = False,
) -> None:
    """Run a stage on a cluster. The same again is the same job: it is found, not started twice.

    A folder of the cluster's buckets is given as corpus:NAME, blocks:NAME, runs:NAME or catalogue:NAME.
    """
    root = context.find_root()
    commands: dict[str, Any] = root.command.commands  # type: ignore[attr-defined]
    if stage not in ("prepare", "train", "generate"):
        raise TonemillError(f"{stage!r} is nothing to submit. There is prepare, train, generate.")
    if cluster is None:
        return _run_here(commands[stage], root, arguments)
    from jobs.command_line.submission import job_request

    with connected(cluster) as (where, submitter):
        request = job_request(commands[stage], root, arguments, where, name)
        submission = submitter.submit(request, is_again=again)
        job = submission.job
        if not submission.is_new:
            hint = " --again starts it anew." if job.status.is_over else ""
            _print_status(f"{job.job_id}: the same job is there already ({job.status}).{hint}")
        if not follow:
            return print(job.job_id)
        _print_status(f"{job.job_id} on {where.name}; Ctrl-C leaves it running")
        _follow(submitter, job.job_id)


def jobs(cluster: ClusterName = None) -> None:
    """List the jobs of a cluster, the newest first."""
    from rich.table import Column, Table

    from jobs.command_line.screen import Screen

    with connected(cluster) as (where, submitter):
        found = submitter.jobs()
    if not found:
        return print(f"There are no jobs on {where.name}.")
    table = Table(Column("job", overflow="fold"), "status", "began (UTC)", "took", "exit")
    for job in found[:MAX_ROWS]:
        code = str(job.exit_code) if job.status.is_over else ""
        table.add_row(job.job_id, job.status, _clock(job.started_s), _took(job), code)
    Screen().print(table)
    if len(found) > MAX_ROWS:
        print(f"and {len(found) - MAX_ROWS:,} older ones")


def logs(
    job_id: JobId,
    cluster: ClusterName = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job ends, and end as it does.")] = False,
) -> None:
    """Show what a job has written."""
    with connected(cluster) as (_, submitter):
        if follow:
            return _follow(submitter, job_id)
        sys.stdout.write(submitter.log(job_id))


def stop(job_id: JobId, cluster: ClusterName = None) -> None:
    """Stop a job. Submitted again, it goes on from what is committed."""
    with connected(cluster) as (_, submitter):
        print(f"{job_id} was stopped" if submitter.stop(job_id) else f"{job_id} had ended before")


def wait(job_id: JobId, cluster: ClusterName = None) -> None:
    """Wait until a job ends, and end with its exit code (130 if it was stopped)."""
    with connected(cluster) as (_, submitter):
        _end(submitter.wait(job_id))


@contextmanager
def connected(name: str | None) -> Iterator[tuple[Cluster, Submitter]]:
    """A cluster of the cluster file and the way to it: its job server, or Kubernetes where it has no address."""
    from cluster.settings import find_cluster

    where = find_cluster(name)
    try:
        submitter = _open(where)
    except ImportError as error:
        raise TonemillError(
            f"To reach a cluster takes packages that are not here ({error}): pip install tonemill[cluster]"
        ) from error
    try:
        yield where, submitter
    finally:
        submitter.close()


def _open(where: Cluster) -> Submitter:
    if not where.address:
        through: Submitter = importlib.import_module("cluster.kube.submitter").open_submitter(where)
        return through
    from cluster.ray_jobs.submitter import RayJobs
    from cluster.tokens import read_token

    def read_secret(secret: str, key: str) -> str:
        return str(importlib.import_module("cluster.kube.submitter").read_secret(where, secret, key))

    return RayJobs(where, read_token(where, read_secret=read_secret))


def _run_here(command: Any, root: Any, arguments: list[str]) -> None:
    from jobs.command_line.submission import names_bucket

    if named := [argument for argument in arguments if names_bucket(argument)]:
        raise TonemillError(f"{named[0]} names a bucket of a cluster. Say which cluster with --cluster NAME.")
    with command.make_context(command.name, list(arguments), parent=root) as made:
        command.invoke(made)


def _follow(submitter: Submitter, job_id: str) -> None:
    """Shows a job's log until it ends; then ends as it did."""
    try:
        for text in submitter.follow(job_id, _tell_waiting):
            sys.stdout.write(text)
            sys.stdout.flush()
    except KeyboardInterrupt:
        _print_status(
            f"\n{job_id} goes on. `tonemill logs {job_id} --follow` shows it again, `tonemill stop {job_id}` ends it."
        )
        raise typer.Exit(130) from None
    _end(submitter.status(job_id))


def _tell_waiting(job: JobInfo) -> None:
    """Why nothing comes of a job yet."""
    if job.status == "PENDING":
        _print_status(f"{job.job_id} waits. {' '.join(job.message.split())}".rstrip())


def _end(job: JobInfo) -> None:
    from cluster.errors import JobFailedError

    try:
        job.check_success()
    except JobFailedError as error:
        _print_status(f"tonemill: {error}")
        raise typer.Exit(error.exit_code) from error
    _print_status(f"{job.job_id} has succeeded{f' in {took}' if (took := _took(job)) else ''}")


def _took(job: JobInfo) -> str:
    if job.started_s is None:
        return ""
    seconds = max(0, round((job.ended_s or time.time()) - job.started_s))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}"


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def _print_status(message: str) -> None:
    from jobs.command_line.screen import visible

    print(visible(message, keep="\n"), file=sys.stderr, flush=True)
