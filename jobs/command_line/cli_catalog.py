"""tonemill catalog: the scheduled runs of a catalogue, listed and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lstm_core.catalogue.scheduled_runs import ScheduledRun

catalog_app = typer.Typer(
    name="catalog", help="The scheduled runs of a catalogue: list them, merge them.", no_args_is_help=True
)

Catalogue = Annotated[str, typer.Argument(help="Folder or URI of the catalogue that schedules write to.")]


@catalog_app.command("list")
def list_command(catalogue: Catalogue) -> None:
    """Show the scheduled runs of a catalogue: tracks, hours, failures."""
    from lstm_core.catalogue.scheduled_runs import list_scheduled_runs

    runs = list_scheduled_runs(catalogue)
    if not runs:
        print(f"{catalogue}: no scheduled runs yet. `tonemill schedule` adds them.")
        return
    _print_runs(runs)


@catalog_app.command()
def merge(catalogue: Catalogue) -> None:
    """Write one table and one page over all finished scheduled runs. Run again, it writes the same."""
    from lstm_core import storage
    from lstm_core.catalogue.scheduled_runs import merge_scheduled_runs

    page_uri, runs = merge_scheduled_runs(catalogue, title=storage.name_of(catalogue))
    finished = [run for run in runs if run.is_finished]
    hours = sum(run.duration_s for run in finished) / 3600
    print(f"{len(finished)} scheduled runs, {sum(run.num_tracks for run in finished):,} tracks, {hours:.1f} h")
    if unfinished := [run.folder for run in runs if not run.is_finished]:
        print(f"unfinished and left out: {', '.join(unfinished)}")
    print(f"open {page_uri}")


def _print_runs(runs: list[ScheduledRun]) -> None:
    from rich.table import Table

    from jobs.command_line.screen import Screen

    table = Table("date", "schedule", "tracks", "hours", "failed", "")
    for run in runs:
        is_done = run.is_finished
        hours, failed = (f"{run.duration_s / 3600:.2f}", str(run.num_failures)) if is_done else ("", "")
        state = "" if is_done else "unfinished"
        table.add_row(run.date.isoformat(), run.schedule, f"{run.num_tracks:,}", hours, failed, state)
    console = Screen()
    console.print(table)
    done = [run for run in runs if run.is_finished]
    console.print(
        f"{len(done)} of {len(runs)} scheduled runs finished, {sum(n.num_tracks for n in done):,} tracks, "
        f"{sum(n.duration_s for n in done) / 3600:.1f} h, {sum(n.num_failures for n in done):,} failed",
        highlight=False,
    )
