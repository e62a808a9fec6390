"""A checkpoint: one folder of a few files that holds all that is needed to use a model.

checkpoint.json             vocabularies, hyper-parameters, conditions, where the weights came from, their sha256
weights-NAME.safetensors    the averaged weights as integers (model/integers); NAME is the start of their sha256
runs-NAME.index             an index of the training pieces (lstm_core/originality), which shows copies: one for each
                            corpus that the weights were trained on; may be absent

Checkpoints of before, with weights as floats, are read too: to be trained further, played in bf16 or float32, or
converted (jobs.train.convert).

A checkpoint that replaces another is there from the moment that its JSON is: a reader finds the old one or the new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from lstm_core import storage
from lstm_core.foundation.errors import CheckpointError, StorageError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.model.integers.quantising import float_weights
from lstm_core.model.integers.weights import IntegerWeights, integer_weights
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM
from lstm_core.model.widening import widened
from lstm_core.originality.index import OriginalityIndex, from_bytes
from lstm_core.representations.representation import Stream
from lstm_core.representations.table import REPRESENTATIONS

FORMAT = "tonemill-checkpoint-2"
FLOAT_FORMAT = "tonemill-checkpoint-1"  # of before
JSON_NAME = "checkpoint.json"
COMPOSER_JSON_NAME = "composer.json"  # of a folder with a checkpoint for each level, see composer_checkpoint.py
_RENAMED = {"onset_position.weight": "onset_embeddings.0.weight"}
BASE = Path(__file__).parent / "base"  # the checkpoint that ships with the package


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """The facts that a checkpoint holds about itself."""

    name: str
    representation: str  # of the events, see representations.table
    styles: tuple[str, ...]  # values 1.. of the style context
    step: int  # optimiser updates so far
    valid_nll: float | None  # nats per event on the validation pieces
    corpus_fingerprint: str
    licences: dict[str, int]  # pieces by licence note
    notices: dict[str, str] = field(default_factory=dict)  # licence texts that must travel with the weights
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()  # fingerprints of the checkpoints that this one was fine-tuned from
    statistics: dict[str, Any] = field(default_factory=dict)  # of the corpus: defaults of orders
    home_key: bool = False  # the model plays in C major and A minor alone; the engine transposes to the requested key


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model ready for use. `fingerprint` names its weights and meaning: a track depends on nothing else of it."""

    model: MusicLSTM  # in float32: what the integers stand for
    facts: CheckpointFacts
    fingerprint: str
    integers: IntegerWeights | None = None  # None: of a checkpoint of before, or of a model that was never stored


def find_checkpoint(name: str | Path) -> str:
    """URI of the checkpoint folder that a user means by a checkpoint's folder, a run's folder, or "base"."""
    if str(name) == "base":
        return str(BASE)
    inside = storage.join(name, "checkpoint")
    return inside if not _is_checkpoint(name) and _is_checkpoint(inside) else str(name)


def save_checkpoint(
    uri: str | Path, integers: IntegerWeights, facts: CheckpointFacts, *, runs: Sequence[OriginalityIndex] = ()
) -> str:
    """Writes indexes and weights, then the JSON that makes them valid, and removes older ones; returns the fingerprint.

    The fingerprint covers the indexes too, as they decide which takes are delivered; without one it is as it always
    was. Of equal indexes one is written.
    """
    description: dict[str, Any] = {"format": FORMAT, "model": asdict(integers.settings), "facts": asdict(facts)}
    written: dict[str, dict[str, Any]] = {}
    for data in (index.to_bytes() for index in runs):
        sha256 = hashlib.sha256(data).hexdigest()
        file = f"runs-{sha256[:16]}.index"
        if file not in written:
            storage.write_bytes(storage.join(uri, file), data)
        written[file] = {"file": file, "size_bytes": len(data), "sha256": sha256}
    if written:
        description["runs"] = list(written.values())
    described = write_weights(uri, JSON_NAME, description, integers.tensors())
    for other in storage.list_files(uri):
        if other.path.startswith("runs-") and other.path not in written:
            storage.remove(storage.join(uri, other.path))
    return fingerprint_of_description(described)


def write_weights(
    uri: str | Path, json_name: str, description: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Writes weights, then the JSON that makes them valid, and removes older weights; returns the content of the JSON.

    That is `description`, and under "weights" the name, size and sha256 of the file.
    """
    data = save_tensors(tensors)
    sha256 = hashlib.sha256(data).hexdigest()
    file = f"weights-{sha256[:16]}.safetensors"
    described = {**description, "weights": {"file": file, "size_bytes": len(data), "sha256": sha256}}
    storage.write_bytes(storage.join(uri, file), data)
    storage.write_bytes(storage.join(uri, json_name), json_bytes(described))
    for other in storage.list_files(uri):
        if other.path.startswith("weights") and other.path != file:
            storage.remove(storage.join(uri, other.path))
    return described


def copy_checkpoint(from_uri: str | Path, to_uri: str | Path) -> str:
    """Copies a checkpoint, its JSON last; returns the fingerprint.

    Raises:
        CheckpointError: there is none, or a file of it is truncated or altered.
    """
    described = read_description(from_uri)
    weights = _read_weights(from_uri, described)
    file = described["weights"].get("file", "weights.safetensors")
    storage.write_bytes(storage.join(to_uri, file), weights)
    for name, data in _read_runs(from_uri, described).items():
        storage.write_bytes(storage.join(to_uri, name), data)
    storage.write_bytes(storage.join(to_uri, JSON_NAME), json_bytes(described))
    return fingerprint_of_description(described)


def load_checkpoint(uri: str | Path) -> Checkpoint:
    """The model of a checkpoint folder, as integers and in float32, in evaluation mode.

    One of an earlier version is widened, see widening.py: it then has no integers.

    Raises:
        CheckpointError: the folder holds none, a file of it is truncated or altered, or integers are out of their
            bounds; the message names it.
    """
    described = read_description(uri)
    weights = _read_weights(uri, described)
    try:
        settings = _settings(described["model"])
        facts = described["facts"]
        facts = CheckpointFacts(**(facts | {"styles": tuple(facts["styles"]), "parents": tuple(facts["parents"])}))
        tensors, integers = load_tensors(weights), None
        if described["format"] == FORMAT:
            integers = integer_weights(tensors, settings)
            tensors = float_weights(integers)
        tensors = _float32(tensors)
        if (representation := REPRESENTATIONS.get(facts.representation)) is not None:
            wider, tensors = widened(settings, tensors, representation, facts.styles)
            settings, integers = wider, integers if wider == settings else None
        model = MusicLSTM(settings, is_initialised=False)
        model.load_state_dict(tensors)
    except CheckpointError as error:
        raise CheckpointError(
            f"{uri} is not a checkpoint that this version can use: {error}. Copy the checkpoint again, or make it anew."
        ) from error
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{uri} is not a checkpoint that this version can use: {error}") from error
    fingerprint = fingerprint_of_description(described)
    return Checkpoint(model=model.eval(), facts=facts, fingerprint=fingerprint, integers=integers)


def load_runs(uri: str | Path) -> tuple[OriginalityIndex, ...]:
    """The indexes of the training pieces of a checkpoint folder, those of its parents first; empty if it holds none.

    Raises:
        CheckpointError: the folder holds no checkpoint, or an index is missing, truncated or altered.
    """
    read = _read_runs(uri, read_description(uri))
    return tuple(from_bytes(data, name=storage.join(uri, file)) for file, data in read.items())


def read_description(uri: str | Path) -> dict[str, Any]:
    """The JSON of a checkpoint folder, checked for its format."""
    json_uri = storage.join(uri, JSON_NAME)
    try:
        described = json.loads(storage.read_bytes(json_uri))
    except StorageError as error:
        if storage.exists(storage.join(uri, COMPOSER_JSON_NAME)):
            raise CheckpointError(
                f"{uri} holds a composer, with a checkpoint for each level. Name the folder of one of them: what is "
                "wanted here is a single checkpoint."
            ) from error
        raise CheckpointError(f"There is no checkpoint in {uri}: {error}") from error
    except ValueError as error:
        raise CheckpointError(f"{json_uri} is damaged ({error}). Copy the checkpoint again.") from error
    found = described.get("format") if isinstance(described, dict) else None
    if found not in (FORMAT, FLOAT_FORMAT):
        raise CheckpointError(f"{json_uri} says format {found!r}, this version reads {FORMAT!r}.")
    return dict(described)


def _is_checkpoint(uri: str | Path) -> bool:
    return any(storage.exists(storage.join(uri, name)) for name in (JSON_NAME, COMPOSER_JSON_NAME))


def _read_weights(uri: str | Path, described: dict[str, Any]) -> bytes:
    """The bytes of the weights, checked against size and sha256."""
    try:
        promised = described["weights"]
        weights_uri = storage.join(uri, promised.get("file", "weights.safetensors"))
        size_bytes, sha256 = promised["size_bytes"], promised["sha256"]
    except (KeyError, AttributeError) as error:
        raise CheckpointError(f"{storage.join(uri, JSON_NAME)} was altered: the entry {error} is missing.") from error
    try:
        weights = storage.read_bytes(weights_uri)
    except StorageError as error:
        raise CheckpointError(f"The weights of the checkpoint cannot be read: {error}") from error
    if len(weights) < size_bytes:
        raise CheckpointError(
            f"{weights_uri} holds {len(weights):,} bytes, {size_bytes:,} were written. It was cut short: copy the "
            "checkpoint again, or train it again."
        )
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise CheckpointError(f"{weights_uri} was altered since it was written. Copy the checkpoint again.")
    return weights


def _read_runs(uri: str | Path, described: dict[str, Any]) -> dict[str, bytes]:
    """The bytes of the indexes of the training pieces by the name of the file, checked against their sha256."""
    found = {}
    try:
        for promised in described.get("runs", []):
            runs_uri, sha256 = storage.join(uri, promised["file"]), promised["sha256"]
            data = found[promised["file"]] = storage.read_bytes(runs_uri)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise CheckpointError(
                    f"{runs_uri} was cut short or altered since it was written. Copy the checkpoint again."
                )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{storage.join(uri, JSON_NAME)} was altered: {error} is missing in runs.") from error
    except StorageError as error:
        raise CheckpointError(f"The index of the checkpoint's training pieces cannot be read: {error}") from error
    return found


def _settings(fields: dict[str, Any]) -> ModelSettings:
    streams = tuple(Stream(**stream) for stream in fields["streams"])
    contexts = tuple(Stream(**context) for context in fields["contexts"])
    fields = dict(fields)
    if num_positions := fields.pop("num_onset_positions", 0):  # as checkpoints were written before
        fields["onset_contexts"] = [{"name": "position", "size": num_positions}]
    onset_contexts = tuple(Stream(**context) for context in fields.get("onset_contexts", ()))
    return ModelSettings(**(fields | {"streams": streams, "contexts": contexts, "onset_contexts": onset_contexts}))


def _float32(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_RENAMED.get(name, name): tensor.float() for name, tensor in tensors.items()}


def fingerprint_of_description(described: dict[str, Any]) -> str:
    """Fingerprint of a checkpoint, of the content of its JSON."""
    meaning = {
        "format": described["format"],
        "model": described["model"],
        "representation": described["facts"]["representation"],
        "styles": list(described["facts"]["styles"]),
        "statistics": described["facts"]["statistics"],
        "home_key": described["facts"].get("home_key", False),
        "weights": described["weights"]["sha256"],
    }
    if "runs" in described:
        meaning["runs"] = [index["sha256"] for index in described["runs"]]
    return hashlib.sha256(json_bytes(meaning)).hexdigest()
