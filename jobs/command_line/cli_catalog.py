"""tonemill catalog: the nights of a catalogue, listed and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lstm_core.catalogue.nights import Night

catalog_app = typer.Typer(
    name="catalog", help="The nights of a catalogue: list them, merge them.", no_args_is_help=True
)

Catalogue = Annotated[str, typer.Argument(help="Folder or URI of the catalogue that schedules write to.")]


@catalog_app.command("list")
def list_command(catalogue: Catalogue) -> None:
    """Show the nights of a catalogue: tracks, hours, failures."""
    from lstm_core.catalogue.nights import list_nights

    nights = list_nights(catalogue)
    if not nights:
        print(f"{catalogue}: no nights yet. `tonemill schedule` has them made.")
        return
    _print_nights(nights)


@catalog_app.command()
def merge(catalogue: Catalogue) -> None:
    """Write one table and one page over all finished nights. Run again, it writes the same."""
    from lstm_core import storage
    from lstm_core.catalogue.nights import merge_nights

    page_uri, nights = merge_nights(catalogue, title=storage.name_of(catalogue))
    finished = [night for night in nights if night.is_finished]
    hours = sum(night.duration_s for night in finished) / 3600
    print(f"{len(finished)} nights, {sum(night.num_tracks for night in finished):,} tracks, {hours:.1f} h")
    if unfinished := [night.folder for night in nights if not night.is_finished]:
        print(f"unfinished and left out: {', '.join(unfinished)}")
    print(f"open {page_uri}")


def _print_nights(nights: list[Night]) -> None:
    from rich.table import Table

    from jobs.command_line.screen import Screen

    table = Table("date", "schedule", "tracks", "hours", "failed", "")
    for night in nights:
        is_done = night.is_finished
        hours, failed = (f"{night.duration_s / 3600:.2f}", str(night.num_failures)) if is_done else ("", "")
        state = "" if is_done else "unfinished"
        table.add_row(night.date.isoformat(), night.schedule, f"{night.num_tracks:,}", hours, failed, state)
    console = Screen()
    console.print(table)
    done = [night for night in nights if night.is_finished]
    console.print(
        f"{len(done)} of {len(nights)} nights finished, {sum(n.num_tracks for n in done):,} tracks, "
        f"{sum(n.duration_s for n in done) / 3600:.1f} h, {sum(n.num_failures for n in done):,} failed",
        highlight=False,
    )
