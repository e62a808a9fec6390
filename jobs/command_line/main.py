"""The command `tonemill`. Each command imports its job only when it runs, so that help is quick."""

from __future__ import annotations

import errno
import importlib
import logging
import sys
from typing import Annotated

import typer

from jobs.command_line import cli_jobs
from jobs.command_line.cli_catalog import catalog_app
from jobs.command_line.cli_cluster import cluster_app, schedule_app
from lstm_core.foundation.errors import TonemillError

app = typer.Typer(
    name="tonemill",
    help="Mass-produces background music: corpus -> feature blocks -> LSTM -> mastered tracks in a catalogue.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(catalog_app)
app.add_typer(cluster_app)
app.add_typer(schedule_app)
_state = {"verbose": False}
_INTERRUPTED = 130  # the exit code of Ctrl-C

# How an artefact is recognised: a file inside its folder, and the function that shows it.
_INSPECTORS = (
    ("index.json", "jobs.command_line.inspect_blocks:inspect_blocks"),
    ("tracks", "jobs.command_line.inspect_track:inspect_catalogue"),
    ("composer.json", "jobs.command_line.inspect_checkpoint:inspect_composer"),
    ("checkpoint.json", "jobs.command_line.inspect_checkpoint:inspect_checkpoint"),
    ("plan/metrics.jsonl", "jobs.command_line.inspect_checkpoint:inspect_levels"),
    ("metrics.jsonl", "jobs.command_line.inspect_checkpoint:inspect_run"),
)

_FOR_USERS = (  # loggers whose warnings are shown, whatever else is hidden
    "lstm_core.foundation.old_names",
    *(f"jobs.generate.{name}" for name in ("run", "failures", "transitions")),
)

Recipe = Annotated[str | None, typer.Option("--recipe", help="TOML file of settings; without one the defaults.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show logs, and tracebacks of errors.")]


@app.callback()
def options(verbose: Verbose = False) -> None:
    """Options of all commands."""
    _state["verbose"] = verbose
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    for name in _FOR_USERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@app.command()
def prepare(
    corpus: Annotated[str, typer.Argument(help="Folder or URI of recordings and of scores.")],
    blocks: Annotated[str, typer.Argument(help="Folder or URI for the feature blocks.")],
    recipe: Recipe = None,
    settings: Settings = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read and transcribe; default: one per CPU.")
    ] = None,
    retry: Annotated[bool, typer.Option(help="Read the rejected files again, also where they did not change.")] = False,
) -> None:
    """Turn recordings and scores into feature blocks. Run again, it does only what is new or changed."""
    from jobs.prepare.recipe import PrepareRecipe
    from jobs.prepare.run import REJECTS_NAME, REPORT_NAME, run_prepare
    from jobs.runtime.recipe import load_recipe, parse_overrides

    loaded = load_recipe(PrepareRecipe, recipe, parse_overrides(settings or []))
    result = run_prepare(corpus, blocks, loaded, num_workers=workers, retry=retry, verbose=_state["verbose"])
    print("\n".join([*result.lines(), f"{blocks}: see {REPORT_NAME} and {REJECTS_NAME}", result.last_line()]))
    if result.num_refused:
        raise typer.Exit(3)


@app.command()
def train(
    blocks: Annotated[str, typer.Argument(help="Folder or URI of feature blocks.")],
    run: Annotated[str, typer.Argument(help="Folder or URI for the run: states, curves and the best checkpoint.")],
    recipe: Recipe = None,
    settings: Settings = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train.")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of updates, instead of minutes.")] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N|MIN:MAX", help="Processes that train together; 1:4 for one to four.")
    ] = None,
    level: Annotated[
        str | None, typer.Option(metavar="plan|parts|all", help="What to train of a composer; default: all levels.")
    ] = None,
    init_from: Annotated[str | None, typer.Option(help='Checkpoint or run to fine-tune, or "base".')] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
) -> None:
    """Train a composer on feature blocks, or one of its levels, or fine-tune them."""
    from jobs.runtime.recipe import parse_overrides
    from jobs.train.run import parsed_level, result_lines, run_train, train_recipe
    from jobs.train.workers import parsed_workers

    num_workers = None if workers is None else parsed_workers(workers)
    representation = None if level is None else parsed_level(level)
    given = {
        "minutes": minutes,
        "steps": steps,
        "num_workers": num_workers,
        "init_from": init_from,
        "representation": representation,
    }
    overrides = parse_overrides(settings or []) | {key: value for key, value in given.items() if value is not None}
    loaded = train_recipe(run, recipe, overrides, is_resumed=resume)
    result = run_train(blocks, run, loaded, is_resumed=resume, verbose=_state["verbose"])
    print("\n".join(result_lines(result, run)))


@app.command()
def generate(
    run: Annotated[str, typer.Argument(help='Folder or URI of a run or a checkpoint, or "base".')],
    order: Annotated[str, typer.Argument(help="Order: a .toml, .csv or .parquet file.")],
    catalogue: Annotated[str, typer.Argument(help="Folder or URI of the catalogue that the tracks go to.")],
    recipe: Recipe = None,
    settings: Settings = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Engines that play side by side, on Ray.")] = None,
) -> None:
    """Make the tracks of an order. Run again, it makes only those that are missing."""
    from jobs.command_line.inspect_track import MAX_ROWS, print_tracks
    from jobs.generate.free_space import space_in
    from jobs.generate.run import GenerateRecipe, run_generate
    from jobs.runtime.recipe import load_recipe, parse_overrides
    from jobs.runtime.summary import summary_lines
    from lstm_core.orders.order_file import read_order

    loaded = load_recipe(GenerateRecipe, recipe, parse_overrides(settings or []))
    wanted = read_order(order, space=space_in(catalogue), catalogue=catalogue)
    result = run_generate(run, wanted, catalogue, loaded, num_workers=workers, verbose=_state["verbose"])
    print_tracks(result.records[:MAX_ROWS], result.failures)
    there = len(result.records) - result.num_made
    print(f"{result.num_made} tracks made, {there} were there, {len(result.failures)} failed")
    for line in summary_lines(result.summary):
        print(line)
    print(f"open {result.page_uri}" + (f" (the run itself: {result.summary_uri})" if result.summary_uri else ""))
    if result.failures:
        raise typer.Exit(3)


@app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
def compose(
    arguments: Annotated[list[str] | None, typer.Argument(help="Fields of an order as options, and a folder.")] = None,
) -> None:
    """Compose one idea, or a few: --style game --chords "Am F C G" --seconds 30 OUT."""
    from jobs.command_line.cli_compose import compose_command

    command = compose_command(verbose=_state["verbose"])
    code = command(args=arguments or ["--help"], prog_name="tonemill compose", standalone_mode=False)
    raise typer.Exit(code or 0)


@app.command()
def demo(
    folder: Annotated[str, typer.Argument(help="Where everything goes.")] = "demo",
    scores: Annotated[bool, typer.Option("--scores", help="Learn from scores, not from recordings.")] = False,
) -> None:
    """Make a corpus of recordings, train on it and make twelve tracks. Run again, it does only what is missing."""
    from jobs.command_line.inspect_track import print_tracks
    from jobs.demo.run import SCORES, DemoSettings, run_demo

    settings = DemoSettings(from_scores=True, scores=SCORES) if scores else DemoSettings()
    result = run_demo(folder, settings, verbose=_state["verbose"])
    print_tracks(result.records, result.failures)
    print(f"{sum(result.seconds.values()):.0f} s in all; open {result.page_uri}")
    if result.failures:
        raise typer.Exit(3)


@app.command()
def inspect(
    path: Annotated[
        str, typer.Argument(help="Folder or URI of something that tonemill made, or a recording or a score.")
    ],
    picture: Annotated[str | None, typer.Option(metavar="FILE.png", help="Of a track: draw it.")] = None,
    checkpoint: Annotated[str, typer.Option(help='Of a track: what it was made with, a run or "base".')] = "base",
) -> None:
    """Show an artefact (feature blocks, a checkpoint, a track), or the analysis of a recording or a score."""
    from lstm_core import storage

    if storage.exists(storage.join(path, "track.json")):
        from jobs.command_line.inspect_track import inspect_track

        return inspect_track(path, picture, checkpoint)
    if picture is not None:
        raise TonemillError(f"--picture is for the folder of a track, and {path} is none. Leave it out.")

    local = storage.local_path(path)
    if local is not None and local.is_file():
        from lstm_core.notes.reading import SUFFIXES as SCORE_SUFFIXES

        if local.suffix.lower() in SCORE_SUFFIXES:
            from jobs.command_line.inspect_score import inspect_score

            return inspect_score(str(local))
        from jobs.command_line.inspect_recording import inspect_recording

        return inspect_recording(str(local))
    for marker, place in _INSPECTORS:
        if storage.exists(storage.join(path, marker)):
            module, _, name = place.partition(":")
            getattr(importlib.import_module(module), name)(path)
            return
    known = ", ".join(["track.json", *(marker for marker, _ in _INSPECTORS)])
    raise TonemillError(f"{path} is nothing that tonemill made: there is none of {known} in it.")


cli_jobs.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command; exits with 0, 1, 2 for a user error, 3 where tracks failed or files were
    refused, 130 on Ctrl-C.
    """
    try:
        code = app(args=arguments, standalone_mode=False)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        code = _explain(error)
    if code == _INTERRUPTED:  # also from typer, which makes this of Ctrl-C itself
        _complain("stopped. Run the same command again to go on from here.")
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """Shows an error in a few lines and gives its exit code."""
    if _state["verbose"]:
        logging.getLogger(__name__).error("traceback", exc_info=error)
    for cause in _causes(error):
        if isinstance(cause, TonemillError):
            _complain(str(cause))
            return 2
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            place = f" ({cause.filename})" if cause.filename else ""
            _complain(f"the disk is full{place}. Free some space and run the same command again.")
            return 2
    show = getattr(error, "show", None)  # of a usage error: unknown option, missing argument
    if show is not None:
        show()
        return 2
    _complain(f"{type(error).__name__}: {error}".splitlines()[0] + "\nRun with --verbose to see where.")
    return 1


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it came from, also through Ray, which keeps the original as `cause`."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if current is not None and current not in found:
            found.append(current)
            waiting += [getattr(current, "cause", None), current.__cause__]
    return found


def _complain(message: str) -> None:
    from jobs.command_line.screen import visible

    print(f"tonemill: {visible(message, keep=chr(10))}", file=sys.stderr)


if __name__ == "__main__":
    main()
