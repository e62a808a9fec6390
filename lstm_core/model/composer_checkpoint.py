"""A composer's checkpoint: one folder with a checkpoint for each level, and a JSON that makes them one.

composer.json     format, and the fingerprint of each level's checkpoint
plan/ parts/      ordinary checkpoints of the planner (plan-1) and the arranger (parts-1); see checkpoint.py
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lstm_core import storage
from lstm_core.foundation.errors import CheckpointError, StorageError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.model.checkpoint import Checkpoint, CheckpointFacts, load_checkpoint

FORMAT = "tonemill-composer-1"
JSON_NAME = "composer.json"
LEVELS = {"plan": "plan-1", "parts": "parts-1"}  # and the representation that each is trained on


@dataclass(frozen=True, kw_only=True)
class ComposerCheckpoint:
    """A planner and an arranger that belong together."""

    planner: Checkpoint
    arranger: Checkpoint
    fingerprint: str  # of both

    @property
    def facts(self) -> CheckpointFacts:
        """Facts of both: those of the arranger, with the statistics of the planner."""
        return replace(self.arranger.facts, statistics=self.planner.facts.statistics)


def is_composer(uri: str | Path) -> bool:
    """Whether a folder holds a composer's checkpoint."""
    return storage.exists(storage.join(uri, JSON_NAME))


def write_composer(uri: str | Path, fingerprints: Mapping[str, str]) -> None:
    """Makes the checkpoints of the levels, which stand in its folders already, one: by level their fingerprints."""
    storage.write_bytes(storage.join(uri, JSON_NAME), json_bytes({"format": FORMAT, "levels": dict(fingerprints)}))


def load_composer(uri: str | Path) -> ComposerCheckpoint:
    """The checkpoints of all levels.

    Raises:
        CheckpointError: the folder holds no such checkpoint, one of its levels is missing, damaged or another one.
    """
    json_uri = storage.join(uri, JSON_NAME)
    try:
        described = json.loads(storage.read_bytes(json_uri))
        levels = described["levels"] if described["format"] == FORMAT else None
    except StorageError as error:
        raise CheckpointError(f"There is no composer in {uri}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{json_uri} is damaged ({error!r}). Copy the checkpoint again.") from error
    if not isinstance(levels, dict) or set(levels) != set(LEVELS):
        raise CheckpointError(f"{json_uri} is not of format {FORMAT} with the levels {', '.join(LEVELS)}.")
    found = {}
    for level, representation in LEVELS.items():
        found[level] = load_checkpoint(storage.join(uri, level))
        if found[level].facts.representation != representation:
            raise CheckpointError(
                f"{storage.join(uri, level)} was trained on {found[level].facts.representation}, not {representation}."
            )
        if found[level].fingerprint != levels[level]:
            raise CheckpointError(
                f"{storage.join(uri, level)} is another checkpoint than {JSON_NAME} names. Copy the whole folder again."
            )
    return ComposerCheckpoint(planner=found["plan"], arranger=found["parts"], fingerprint=fingerprint_of(levels))


def fingerprint_of(levels: Mapping[str, str]) -> str:
    """Fingerprint of a composer, of those of its levels."""
    return hashlib.sha256(json_bytes({"format": FORMAT, "levels": dict(levels)})).hexdigest()
