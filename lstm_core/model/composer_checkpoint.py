"""A composer's checkpoint: one folder with a checkpoint for each level, and a JSON that makes them one.

composer.json     format; of each level's checkpoint the fingerprint, and the folder where it is not named as the level
plan/ parts/      ordinary checkpoints of the planner (plan-1) and the arranger (parts-1); see checkpoint.py

A run publishes into folders that are named by their fingerprints, plan-NAME/ and parts-NAME/, so that a checkpoint that
replaces another is there from the moment that composer.json is: a reader finds the old one or the new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstm_core import storage
from lstm_core.foundation.errors import CheckpointError, StorageError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.model.checkpoint import (
    COMPOSER_JSON_NAME,
    Checkpoint,
    CheckpointFacts,
    copy_checkpoint,
    find_checkpoint,
    fingerprint_of_description,
    load_checkpoint,
    read_description,
)
from lstm_core.model.checkpoint import JSON_NAME as LEVEL_JSON_NAME

FORMAT = "tonemill-composer-1"
JSON_NAME = COMPOSER_JSON_NAME
LEVELS = {"plan": "plan-1", "parts": "parts-1"}  # and the representation that each is trained on


@dataclass(frozen=True, kw_only=True)
class ComposerCheckpoint:
    """A planner and an arranger that belong together."""

    planner: Checkpoint
    arranger: Checkpoint
    fingerprint: str  # of both

    @property
    def facts(self) -> CheckpointFacts:
        """Facts of both: those of the arranger, with the statistics of the planner.

        Of each style the schemes of parts are added as `manners`, one for each scheme.
        """
        of_parts = self.arranger.facts.statistics
        statistics = {
            style: {**known, "manners": of_parts.get(style, {}).get("schemes", [])}
            for style, known in self.planner.facts.statistics.items()
        }
        return replace(self.arranger.facts, statistics=statistics)


def is_composer(uri: str | Path) -> bool:
    """Whether a folder holds a composer's checkpoint."""
    return storage.exists(storage.join(uri, JSON_NAME))


def write_composer(
    uri: str | Path, fingerprints: Mapping[str, str], *, folders: Mapping[str, str] | None = None
) -> None:
    """Makes the checkpoints of the levels, which stand in its folders already, one: by level their fingerprints.

    `folders` are those of the levels, by level; None: they are named as the levels are.
    """
    described = {"format": FORMAT, "levels": dict(fingerprints), **({"folders": dict(folders)} if folders else {})}
    storage.write_bytes(storage.join(uri, JSON_NAME), json_bytes(described))


def publish_composer(uri: str | Path, level_uris: Mapping[str, str]) -> str | None:
    """Copies the checkpoints of the levels into a composer's, and removes those that they replace.

    Gives back the fingerprint of the composer; None, having done nothing, while a level has no checkpoint yet.

    Raises:
        CheckpointError: a checkpoint of a level is truncated or altered.
    """
    if not all(storage.exists(storage.join(level_uris[level], LEVEL_JSON_NAME)) for level in LEVELS):
        return None
    fingerprints = {level: fingerprint_of_description(read_description(level_uris[level])) for level in LEVELS}
    folders = {level: f"{level}-{fingerprints[level][:16]}" for level in LEVELS}
    for level, folder in folders.items():
        if not storage.exists(storage.join(uri, folder, LEVEL_JSON_NAME)):
            copy_checkpoint(level_uris[level], storage.join(uri, folder))
    write_composer(uri, fingerprints, folders=folders)
    _remove_others(uri, set(folders.values()))
    return fingerprint_of(fingerprints)


def load_composer(uri: str | Path) -> ComposerCheckpoint:
    """The checkpoints of all levels.

    Raises:
        CheckpointError: the folder holds no such checkpoint, one of its levels is missing, damaged or another one.
    """
    described = read_composer(uri)
    try:
        return _loaded(uri, described)
    except CheckpointError:
        if (newer := read_composer(uri)) == described:
            raise
        return _loaded(uri, newer)  # it was replaced meanwhile


def read_composer(uri: str | Path) -> dict[str, Any]:
    """The JSON of a composer's checkpoint, checked for its format, with the folder of each level under "folders"."""
    json_uri = storage.join(uri, JSON_NAME)
    try:
        described = json.loads(storage.read_bytes(json_uri))
        levels = described["levels"] if described["format"] == FORMAT else None
        folders = described.get("folders", {level: level for level in LEVELS})
    except StorageError as error:
        raise CheckpointError(f"There is no composer in {uri}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{json_uri} is damaged ({error!r}). Copy the checkpoint again.") from error
    if any(not isinstance(of, dict) or set(of) != set(LEVELS) for of in (levels, folders)):
        raise CheckpointError(f"{json_uri} is not of format {FORMAT} with the levels {', '.join(LEVELS)}.")
    return {**described, "folders": folders}


def level_uris_of(uri: str | Path) -> dict[str, str]:
    """The folders of the levels of a composer's checkpoint, by level."""
    folders = read_composer(uri)["folders"]
    return {level: storage.join(uri, folders[level]) for level in LEVELS}


def find_level(name: str | Path, representation: str) -> str:
    """URI of the checkpoint that a model of a representation starts from: of a composer, of its run or "base" that of
    its level, of anything else the checkpoint itself.

    Raises:
        CheckpointError: there is no checkpoint, or it is one of another representation.
    """
    uri = find_checkpoint(name)
    if is_composer(uri):
        level = next((level for level, of_level in LEVELS.items() if of_level == representation), None)
        if level is None:
            raise CheckpointError(
                f"{name} is a composer, with a level for each of {', '.join(LEVELS.values())}, and none for "
                f"{representation}."
            )
        return level_uris_of(uri)[level]
    found = read_description(uri)["facts"]["representation"]
    if found != representation:
        raise CheckpointError(
            f"{name} was trained on events of representation {found!r}, this run learns {representation!r}. "
            f"Start without init_from, or with representation = {found!r} on blocks that hold it."
        )
    return uri


def fingerprint_of(levels: Mapping[str, str]) -> str:
    """Fingerprint of a composer, of those of its levels."""
    return hashlib.sha256(json_bytes({"format": FORMAT, "levels": dict(levels)})).hexdigest()


def _remove_others(uri: str | Path, kept: set[str]) -> None:
    """Removes the folders of levels that composer.json names no more, their JSON first."""
    for file in sorted(storage.list_files(uri), key=lambda file: file.path):
        folder, _, name = file.path.partition("/")
        if name and folder not in kept and folder.partition("-")[0] in LEVELS:
            storage.remove(storage.join(uri, file.path))
            local = storage.local_path(storage.join(uri, folder))
            if local is not None and not any(local.iterdir()):
                local.rmdir()


def _loaded(uri: str | Path, described: dict[str, Any]) -> ComposerCheckpoint:
    levels = described["levels"]
    found = {}
    for level, representation in LEVELS.items():
        folder = storage.join(uri, described["folders"][level])
        found[level] = load_checkpoint(folder)
        if found[level].facts.representation != representation:
            raise CheckpointError(f"{folder} was trained on {found[level].facts.representation}, not {representation}.")
        if found[level].fingerprint != levels[level]:
            raise CheckpointError(
                f"{folder} is another checkpoint than {JSON_NAME} names. Copy the whole folder again."
            )
    return ComposerCheckpoint(planner=found["plan"], arranger=found["parts"], fingerprint=fingerprint_of(levels))
