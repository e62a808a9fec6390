"""tonemill cluster and tonemill schedule: clusters put up, looked at, priced; orders made on a schedule."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from cluster.lifecycle.up_and_down import ClusterState
    from cluster.schedules.schedule import Schedule
    from cluster.settings import Cluster

NUM_RUNS_SHOWN = 3


class _FileFirst(TyperGroup):
    """`tonemill schedule FILE.toml` is `tonemill schedule apply FILE.toml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["apply", *args]
        return super().parse_args(ctx, args)


cluster_app = typer.Typer(name="cluster", help="Clusters on Kubernetes: up, down, status, cost.", no_args_is_help=True)
schedule_app = typer.Typer(
    name="schedule",
    help="Have an order made on a schedule: FILE.toml, or run NAME.",
    no_args_is_help=True,
    cls=_FileFirst,
)

Name = Annotated[str | None, typer.Argument(help="Cluster of the cluster file; default: the only one.")]
OnCluster = Annotated[str | None, typer.Option("--cluster", help="Cluster of the cluster file; default: the only one.")]


@cluster_app.command()
def up(name: Name = None) -> None:
    """Make the namespace, accounts, rules and the development cluster. Run again, it changes only what differs."""
    from cluster.lifecycle.up_and_down import connect, put_up
    from cluster.settings import find_cluster

    cluster = find_cluster(name)
    for line in put_up(cluster, connect(cluster)):
        print(line)


@cluster_app.command()
def down(
    name: Name = None,
    everything: Annotated[bool, typer.Option("--all", help="Also end all jobs, and remove all schedules.")] = False,
) -> None:
    """Delete the development cluster, so that its nodes go. Jobs, schedules and buckets stay."""
    from cluster.lifecycle.up_and_down import connect, look_at, take_down
    from cluster.settings import find_cluster

    kube = connect(find_cluster(name))
    for line in take_down(kube, is_everything=everything):
        print(line)
    state = look_at(kube)
    running = [job.name for job in state.jobs if not job.is_final]
    if running:
        print(f"still running: {', '.join(running)} (tonemill stop JOB, or --all)")
    if state.schedules:
        print(f"still scheduled: {', '.join(schedule.name for schedule in state.schedules)}")


@cluster_app.command()
def status(name: Name = None) -> None:
    """Show Ray clusters with their workers, jobs, and scheduled runs."""
    from cluster.lifecycle.up_and_down import connect, look_at
    from cluster.settings import find_cluster

    cluster = find_cluster(name)
    _print_state(cluster, look_at(connect(cluster)))


@cluster_app.command()
def cost(name: Name = None) -> None:
    """Show what runs now costs an hour, and what each job has cost, at the prices of the cluster file."""
    from datetime import UTC, datetime

    from rich.table import Table

    from cluster.kube.resources import PART_OF
    from cluster.lifecycle.cost import job_cost, running_cost
    from cluster.lifecycle.up_and_down import connect, ray_pods
    from cluster.settings import find_cluster
    from jobs.command_line.screen import Screen

    cluster = find_cluster(name)
    kube, prices = connect(cluster), cluster.prices
    now = running_cost(ray_pods(kube), prices)
    nodes = ", ".join(f"{count} {kind}" for kind, count in now.num_nodes.items()) or "none"
    print(f"nodes: {nodes}; {now.an_hour:.2f} {now.currency} an hour, {now.an_hour * 24:.2f} a day")
    if not (prices.head or prices.cpu or prices.gpu):
        print(f"the cluster file has no prices: write them below [{cluster.name}.prices]")
    table = Table("job", "hours", f"cost in {prices.currency}, with its fewest and its most workers")
    for job in kube.items("RayJob", PART_OF):
        spent = job_cost(job, prices, datetime.now(UTC))
        table.add_row(spent.name, f"{spent.hours:.2f}", f"{spent.low:.2f} to {spent.high:.2f}")
    if table.row_count:
        Screen().print(table)


@cluster_app.command()
def add(
    name: Annotated[str | None, typer.Argument(help="Name for it; default: that of the Terraform output.")] = None,
) -> None:
    """Write a cluster into the cluster file: terraform output -json | tonemill cluster add."""
    from cluster.lifecycle.terraform_output import cluster_of_output
    from cluster.settings import add_cluster

    cluster = cluster_of_output(sys.stdin.read(), name)
    path = add_cluster(cluster)
    print(f"{path}: [{cluster.name}] written. Next: tonemill cluster up {cluster.name}")


@schedule_app.command()
def apply(
    file: Annotated[str, typer.Argument(help="TOML file of the schedule.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the manifests, change nothing.")] = False,
) -> None:
    """Have an order made on a schedule. Applied again, it replaces the schedule of the same name."""
    from cluster.kube.templates import to_yaml
    from cluster.lifecycle.up_and_down import connect
    from cluster.schedules.manifests import schedule_manifests, scheduled_run_template
    from cluster.schedules.schedule import read_schedule
    from cluster.schedules.scheduled_runs import fill_in
    from cluster.settings import find_cluster

    schedule = read_schedule(file)
    cluster = find_cluster(schedule.cluster or None)
    days = _print_runs(schedule)
    _check_order(schedule, days[0])
    manifests = schedule_manifests(schedule, cluster)
    if dry_run:
        print(to_yaml(manifests), end="")
        return
    kube = connect(cluster)
    kube.check(fill_in(scheduled_run_template(schedule, cluster), days[0]))  # better refused now than when it is due
    for manifest in manifests:
        kube.apply(manifest)
        print(f"applied {manifest['kind']}/{manifest['metadata']['name']}")


@schedule_app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name of a schedule.")],
    date: Annotated[str, typer.Option("--date", help="Of the scheduled run, as 2026-11-22.")],
    cluster_name: OnCluster = None,
) -> None:
    """Make up for a scheduled run that was missed or failed. One that succeeded or runs is left alone."""
    from cluster.lifecycle.up_and_down import connect
    from cluster.schedules.manifests import stored_template
    from cluster.schedules.scheduled_runs import parse_past_date, repeat_scheduled_run
    from cluster.settings import find_cluster

    kube = connect(find_cluster(cluster_name))
    template = stored_template(kube, name)
    state, is_new = repeat_scheduled_run(kube, template, parse_past_date(date, template))
    print(f"{state.name}: {'started' if is_new else f'is there: {state.status}'}")


@schedule_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of a schedule.")],
    cluster_name: OnCluster = None,
) -> None:
    """Remove a schedule. Its runs, finished or not, stay."""
    from cluster.lifecycle.up_and_down import connect
    from cluster.schedules.manifests import stored_template
    from cluster.settings import find_cluster

    kube = connect(find_cluster(cluster_name))
    stored_template(kube, name)  # refuses what is no schedule of ours
    for kind in ("CronJob", "ConfigMap"):
        if kube.delete(kind, name):
            print(f"deleted {kind}/{name}")


def _print_runs(schedule: Schedule) -> list[Any]:
    """Shows when a schedule runs next; the dates of those runs."""
    from datetime import UTC, datetime
    from itertools import islice

    from cluster.schedules.scheduled_runs import parse_zone

    zone, now = parse_zone(schedule.time_zone), datetime.now(UTC)
    runs = list(islice(schedule.parsed_cron.runs(now, zone), NUM_RUNS_SHOWN))
    print(f"# {schedule.name} runs {', '.join(f'{moment:%Y-%m-%d %H:%M}' for moment in runs)} {schedule.time_zone}")
    for moment in schedule.parsed_cron.left_out(now, zone):
        print(f"# not on {moment:%Y-%m-%d}: on that date the clock jumps over {moment:%H:%M}")
    return [moment.date() for moment in runs]


def _check_order(schedule: Schedule, day: Any) -> None:
    """Raises OrderError if the order of a scheduled run cannot be met."""
    import tomllib

    from jobs.command_line.screen import visible
    from lstm_core.orders.order_file import expand_order

    order = expand_order(tomllib.loads(schedule.order_on(day)), default_name=schedule.name)
    first, last = visible(order.planned[0].name), visible(order.planned[-1].name)
    print(f"# {len(order.planned)} tracks, {first} to {last}")


def _print_state(cluster: Cluster, state: ClusterState) -> None:
    from rich.table import Table

    from jobs.command_line.screen import Screen, heading

    console = Screen()
    tables = {
        "Ray clusters": Table("name", "state", "workers ready", "wanted", "at most"),
        "jobs": Table("name", "state", "started", "minutes", "message"),
        "schedules": Table("name", "cron", "zone", "last", "runs", "failed"),
    }
    for ray in state.ray_clusters:
        figures = (str(ray.num_ready), str(ray.num_desired), str(ray.num_max))
        tables["Ray clusters"].add_row(ray.name, ray.state or ray.reason or "starting", *figures)
    for job in state.jobs:
        started = f"{job.started:%Y-%m-%d %H:%M}" if job.started else ""
        minutes = f"{job.seconds / 60:.0f}" if job.seconds is not None else ""
        tables["jobs"].add_row(job.name, job.status, started, minutes, job.message[:80])
    for schedule in state.schedules:
        runs = state.scheduled_runs.get(schedule.name, [])
        failed = [run.name[-8:] for run in runs if run.is_final and not run.is_succeeded]
        last = "suspended" if schedule.is_suspended else f"{schedule.last:%Y-%m-%d %H:%M}" if schedule.last else "never"
        row = (schedule.name, schedule.cron, schedule.time_zone, last, str(len(runs)), ", ".join(failed))
        tables["schedules"].add_row(*row)
    console.print(heading(cluster.name, f"namespace {cluster.namespace}"))
    for title, table in tables.items():
        if table.row_count:
            console.print(table)
        else:
            console.print(f"no {title}")
