"""tonemill compose: a track for a few words on the command line, in this process, without an order file or Ray."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.command_line.screen import Screen
from jobs.command_line.track_facts import print_facts, summary_of
from jobs.generate.attempts import GenerateRecipe
from jobs.generate.ideas import draw_seed, order_of_ideas
from jobs.generate.run import GenerateResult, run_generate
from jobs.runtime.recipe import load_recipe, parse_overrides
from lstm_core import storage
from lstm_core.foundation.compiling import is_compiled
from lstm_core.orders.order import FILLED_FIELDS, TrackOrder

if TYPE_CHECKING:
    from lstm_core.orders.order_file import Order

_ALIASES = {"duration_s": "--seconds", "bpm": "--tempo", "loudness_lufs": "--loudness", "from_track": "--from"}
_HELP = {
    "style": "One that the checkpoint has learnt, such as game.",
    "key": 'Such as "D minor", D for either mode, or free.',
    "duration_s": "Length in seconds, met to the sample.",
    "bpm": "Quarters per minute.",
    "instruments": 'Such as "strings*3, bass, drums".',
    "form": 'Such as "intro A A\' B A outro", with bars A:8.',
    "chords": 'Such as "Am F C G", or by sections "A: Am F; B: C G".',
    "energy": '0 to 1, a curve "0.2 0.5 1", or rise, fall, arc.',
    "ensemble": 'Who plays, also by sections: "A: piano; B: piano, bass".',
    "roles": 'That sound: "harmony, bass" or "no melody", also by sections.',
    "loop": "Without an end: it goes round.",
    "stems": "A file for each instrument family as well.",
    "layers": "Files of rising intensity that a game fades between, 2 to 5.",
    "format": "Of the master: flac, wav and others.",
    "primer": "MIDI file that the track continues.",
    "melody": "File of a tune, such as tune.mid, or a recording of one, that the track accompanies.",
    "from_track": "Track of OUT that it starts from, by its id.",
    "bars": 'Of that track, to be made again: "9-16, 17".',
    "parts": 'Of that track, to be made again: "bass, drums".',
    "vary": "How far from that track, 0 to 1.",
    "bridge": "Ids of two tracks of OUT, from one of which it leads to the other; of layers ID/layer-1.",
    "transitions": "Bridges between the takes as well, and between the layers.",
    "between": 'Tracks of OUT that tracks lead from and to: "ID_A > ID_B".',
    "steps": "How many lead from one to the other, with both: 2 to 16, 5 without it.",
    "step": "The one of them alone: 1 to the number of steps.",
}
_OTHER_HELP = "As in an order file."
_PAIRS = ("bridge",)  # fields whose option takes two values


def compose_command(*, verbose: bool = False) -> Callable[..., Any]:
    """The command line of compose: an option for each field of an order, so that a new field has one too.

    Those that reading fills have none: nobody chooses them.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    def compose(
        out: str,
        checkpoint: str,
        soundfont: str,
        seed: int | None,
        takes: int,
        as_json: bool,
        recipe: str | None,
        settings: list[str] | None,
        **given: Any,
    ) -> None:
        overrides = parse_overrides(settings or []) | ({"soundfont": soundfont} if soundfont else {})
        loaded = load_recipe(GenerateRecipe, recipe, overrides)
        order = order_of_ideas(
            {name: value for name, value in given.items() if value is not None},
            title=storage.name_of(storage.absolute(out)),
            seed=draw_seed() if seed is None else seed,
            num_takes=takes,
            catalogue=out,
        )
        _run(order, checkpoint, out, loaded, as_json=as_json, verbose=verbose)

    compose.__doc__ = (
        "Compose a track and hear it: OUT becomes a catalogue, or gets one track more.\n\n"
        "Without a seed one is drawn and printed. The same words and seed give the same bytes as `generate`."
    )
    own = _own_parameters()
    names = {*(parameter.name for parameter in own), *FILLED_FIELDS}
    parameters = [*own, *(_parameter(field) for field in fields(TrackOrder) if field.name not in names)]
    compose.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    compose.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.command("compose", context_settings={"token_normalize_func": _hyphened})(compose)
    return app


def _run(order: Order, checkpoint: str, out: str, recipe: GenerateRecipe, *, as_json: bool, verbose: bool) -> None:
    """Makes the tracks and shows them."""
    first = order.tracks[0].seed
    if not is_compiled("finishing"):
        print("The first track of this installation compiles the synthesizer: a minute, once.", file=sys.stderr)
    result = run_generate(checkpoint, order, out, recipe, is_here=True, verbose=verbose)
    if as_json:
        for record in result.records:
            print(json.dumps(json.loads(record.to_json()), separators=(",", ":")))
    else:
        _print(result, out, first)
    for failure in result.failures:
        print(f"failed: {failure.name} after {failure.num_attempts} attempts: {failure.reason}", file=sys.stderr)
    if result.failures:
        raise typer.Exit(3)


def _print(result: GenerateResult, out: str, first_seed: int) -> None:
    for record in result.records:
        print_facts(record, summary_of(record, storage.join(out, record.folder)))
    if there := len(result.records) - result.num_made:
        print(f"{there} of {len(result.records)} were there already")
    Screen().print(f"the same again: --seed {first_seed}; open {result.page_uri}", soft_wrap=True)


def _own_parameters() -> list[inspect.Parameter]:
    return [
        _keyword("out", Annotated[str, typer.Argument(metavar="OUT", help="Folder or URI of a catalogue.")]),
        _keyword("checkpoint", Annotated[str, typer.Option(help='Run or checkpoint, or "base".')], "base"),
        _keyword("soundfont", Annotated[str, typer.Option(help="An .sf2 or .sf3; default: the best installed.")], ""),
        _keyword("seed", Annotated[int | None, typer.Option(min=0, help="Default: drawn and printed.")], None),
        _keyword("takes", Annotated[int, typer.Option(help="Different ideas: seeds from --seed on.")], 1),
        _keyword("as_json", Annotated[bool, typer.Option("--json", help="Print records, one a line.")], False),
        _keyword("recipe", Annotated[str | None, typer.Option(help="TOML file of settings of generate.")], None),
        _keyword(
            "settings",
            Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")],
            None,
        ),
    ]


def _parameter(field: Field[Any]) -> inspect.Parameter:
    """The option of a field of an order; its value is text, as in a CSV file."""
    option = "--" + field.name.replace("_", "-")
    names = [option, *([_ALIASES[field.name]] if field.name in _ALIASES else [])]
    help_text, panel = _HELP.get(field.name, _OTHER_HELP), "What to compose"
    if isinstance(field.default, bool):
        flag = typer.Option(f"{option}/--no-{option[2:]}", help=help_text, rich_help_panel=panel)
        return _keyword(field.name, Annotated[bool | None, flag], None)
    if field.name in _PAIRS:
        pair = typer.Option(option, metavar="ID ID", help=help_text, rich_help_panel=panel)
        return _keyword(field.name, Annotated[tuple[str, str] | None, pair], None)
    shown = f"{help_text} Default: {field.default}." if field.default else help_text
    metavar = "NUMBER" if isinstance(field.default, int | float) else "TEXT"
    option_of_text = typer.Option(*names, metavar=metavar, help=shown, rich_help_panel=panel)
    return _keyword(field.name, Annotated[str | None, option_of_text], None)


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _hyphened(option: str) -> str:
    """An option as it is declared, so that names of fields may be written as in orders: --duration_s."""
    return option.replace("_", "-")
