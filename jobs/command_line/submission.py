"""A stage's command line, made ready to run on a cluster: places named, files that travel packed, user errors found.

Places are URIs. `corpus:freedoom` is the folder freedoom of the bucket that the cluster file names corpus; so for
blocks:, runs: and catalogue:. The order, its primers and melodies and a recipe are small files that travel with the
job, if they are local. Nothing else that is local can be seen by a cluster, so it is refused; a folder that all nodes
mount is given as file:///FOLDER.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.errors import ClusterFileError
from cluster.job import JobRequest
from cluster.settings import Buckets, Cluster, Prices
from jobs.runtime.recipe import load_recipe, parse_overrides
from jobs.runtime.summary import PRICES_VARIABLE
from lstm_core import storage
from lstm_core.foundation.errors import OrderError, TonemillError

_PLACES = ("corpus", "blocks", "run", "catalogue", "init_from")
_SHORT = re.compile(r"([A-Za-z_]+):(?!//)(.*)", re.DOTALL)
_NAMES = tuple(item.name for item in dataclasses.fields(Buckets))


def job_request(command: Any, context: Any, arguments: Sequence[str], cluster: Cluster, name: str = "") -> JobRequest:
    """What to ask of a cluster so that it runs a stage as `tonemill STAGE ARGUMENTS` would here.

    Args:
        command: The stage's command, as typer has made it.
        context: Of the command that submits.
        arguments: Behind `tonemill STAGE`.
        cluster: Whose buckets are meant.
        name: Of the job, for people.

    Raises:
        TonemillError: what the stage would find wrong with order or recipe, and a place that a cluster cannot see.
    """
    with command.make_context(command.name, list(arguments), parent=context) as parsed:
        values: dict[str, Any] = dict(parsed.params)
    files: dict[str, bytes] = {}
    _check_recipe(command.name, values)
    for key in _PLACES:
        if values.get(key):
            values[key] = _place(key, str(values[key]), cluster)
    if values.get("recipe"):
        values["recipe"] = _packed(_expanded(values["recipe"], cluster), "recipe", files)
    if values.get("order"):
        values["order"] = _packed_order(_expanded(values["order"], cluster), files)
    values["settings"] = [_expanded_setting(setting, cluster) for setting in values.get("settings") or []]
    variables = {"AWS_REGION": cluster.region, "AWS_DEFAULT_REGION": cluster.region} if cluster.region else {}
    if cluster.prices != Prices():
        variables[PRICES_VARIABLE] = json.dumps(dataclasses.asdict(cluster.prices), separators=(",", ":"))
    return JobRequest(
        stage=command.name, arguments=_command_line(command, values), files=files, variables=variables, name=name
    )


def names_bucket(argument: str) -> bool:
    """Whether an argument means a bucket of a cluster."""
    found = _SHORT.fullmatch(argument)
    return found is not None and found[1] in _NAMES


def _place(key: str, value: str, cluster: Cluster) -> str:
    if value == "base" and key in ("run", "init_from"):
        return value
    found = _SHORT.fullmatch(value)
    if found and found[1] not in _NAMES and storage.local_path(value) is not None and not Path(value).exists():
        nearest = difflib.get_close_matches(found[1], _NAMES, n=1)
        advice = f"Did you mean {nearest[0]}:{found[2]}?" if nearest else f"There is {', '.join(_NAMES)}."
        raise ClusterFileError(f"{value}: a cluster has no bucket {found[1]!r}. {advice}")
    expanded = _expanded(value, cluster)
    if "://" not in expanded:
        bucket = {"run": "runs", "init_from": "runs"}.get(key, key)
        raise TonemillError(
            f"{value} is a place on this machine, which the cluster {cluster.name} cannot see. Copy it into a bucket "
            f"and give its URI (s3://BUCKET/..., or {bucket}:NAME for a folder of the cluster's own); a folder that "
            "all nodes mount is file:///FOLDER."
        )
    return expanded


def _expanded(value: str, cluster: Cluster) -> str:
    """The URI that `corpus:NAME` and its like stand for; other values as they are."""
    if not names_bucket(value):
        return value
    name, _, rest = value.partition(":")
    bucket = str(getattr(cluster.buckets, name))
    if not bucket:
        raise ClusterFileError(
            f'{value}: the cluster {cluster.name} names no bucket {name}. Write {name} = "s3://..." into '
            f"[{cluster.name}.buckets] of the cluster file, or give the whole URI."
        )
    return storage.join(bucket, rest) if rest.strip("/") else bucket


def _expanded_setting(setting: str, cluster: Cluster) -> str:
    key, equals, value = setting.partition("=")
    quote = value[:1] if value[:1] in "\"'" else ""
    inner = value.strip(quote) if quote else value
    return f"{key}{equals}{quote}{_expanded(inner, cluster)}{quote}"


def _packed(path: str, folder: str, files: dict[str, bytes]) -> str:
    """Where a file will be for the job; a local one is put among those that travel."""
    if "://" in path and not path.startswith("file://"):
        return path
    inside = f"{folder}/{storage.name_of(path)}"
    files[inside] = storage.read_bytes(path)
    return inside


def _packed_order(path: str, files: dict[str, bytes]) -> str:
    """The same for an order, with the files that it names; it is checked here, before any work."""
    inside = _packed(path, "order", files)
    if inside == path:
        return path
    from lstm_core.orders.order_file import read_order

    folder = storage.absolute(path).rpartition("/")[0]
    order = read_order(path)
    named = {
        *(("primer", track.primer) for track in order.tracks),
        *(("melody", track.melody) for track in order.tracks),
        *(("hits", uri) for uri in order.cut_lists),
    }
    for catalogue in sorted({track.catalogue for track in order.tracks} - {""}):
        if storage.local_path(catalogue) is not None:
            raise OrderError(
                f"catalogue {catalogue} is on this machine, where a cluster cannot see it. Name a bucket's."
            )
    for field, uri in sorted(named - {("primer", ""), ("melody", "")}):
        local = storage.local_path(uri)
        if local is None:
            continue
        relative = os.path.relpath(local, folder)
        if relative.startswith(".."):
            raise OrderError(f"{field} {uri} cannot travel with {path}. Put it into the folder of the order, or below.")
        files[f"order/{relative}"] = storage.read_bytes(local)
    return inside


def _check_recipe(stage: str, values: Mapping[str, Any]) -> None:
    """RecipeError for settings that the stage would refuse; a recipe in a bucket is left to the job."""
    recipe = values.get("recipe")
    if recipe and (names_bucket(recipe) or storage.local_path(recipe) is None):
        return
    given = parse_overrides(values.get("settings") or [])
    if stage == "train":
        from lstm_core.training.recipe import TrainRecipe, with_levels

        load_recipe(TrainRecipe, recipe, given, resolve=with_levels)
    else:
        load_recipe(_recipe_of(stage), recipe, given)


def _recipe_of(stage: str) -> type[Any]:
    if stage == "prepare":
        from jobs.prepare.recipe import PrepareRecipe

        return PrepareRecipe
    from jobs.generate.attempts import GenerateRecipe

    return GenerateRecipe


def _command_line(command: Any, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Values as arguments of a command, in the order that it declares them: the same whatever was typed first."""
    options: list[str] = []
    places: list[str] = []
    for parameter in command.params:
        value = values.get(parameter.name)
        if parameter.param_type_name == "argument":
            places.append(str(value))
        elif value is None or value == parameter.default or value == []:
            continue
        elif parameter.is_flag:
            options.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            options += [f"{parameter.opts[0]}={item}" for item in (value if parameter.multiple else [value])]
    return (*options, *places)
