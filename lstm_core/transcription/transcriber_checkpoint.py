"""A transcriber in a folder: its weights, and one JSON that says how to use them.

transcriber.json            shape of the network, thresholds, where the weights came from, their sha256
weights-NAME.safetensors    bfloat16; NAME is the start of their sha256
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from lstm_core import storage
from lstm_core.foundation.errors import CheckpointError, StorageError
from lstm_core.model.checkpoint import write_weights
from lstm_core.transcription.beats.network import BeatNetwork, BeatNetworkSettings
from lstm_core.transcription.note_decoding import Thresholds
from lstm_core.transcription.transcriber_model import TranscriberModel, TranscriberSettings

FORMAT = "tonemill-transcriber-2"
BEATS = "beats."  # before the names of the weights of the beat network
JSON_NAME = "transcriber.json"
TRANSCRIBER_BASE = Path(__file__).parent / "base"  # the one that comes with the package


@dataclass(frozen=True, kw_only=True)
class TranscriberFacts:
    """The description of a transcriber in its JSON."""

    step: int  # optimiser updates
    scores: dict[str, float] = field(default_factory=dict)  # F1 on the validation clips by what was looked for
    licences: dict[str, str] = field(default_factory=dict)  # by name of the scores and SoundFonts it was trained on
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TranscriberCheckpoint:
    """Networks ready for use. `fingerprint` names weights and thresholds: transcriptions depend on nothing else."""

    model: TranscriberModel
    beats: BeatNetwork | None  # without one, beats are those that `model` guesses
    thresholds: Thresholds
    facts: TranscriberFacts
    fingerprint: str


def save_transcriber(
    uri: str | Path,
    settings: TranscriberSettings,
    weights: dict[str, Tensor],
    thresholds: Thresholds,
    facts: TranscriberFacts,
    beats: BeatNetwork | None = None,
) -> str:
    """Writes the weights, then the JSON that makes them valid, and removes older weights; gives the fingerprint."""
    description = {
        "format": FORMAT,
        "model": asdict(settings),
        "beats": None if beats is None else asdict(beats.settings),
        "thresholds": asdict(thresholds),
        "facts": asdict(facts),
    }
    if beats is not None:
        weights = weights | {BEATS + name: value for name, value in beats.state_dict().items()}
    tensors = {name: _stored(value) for name, value in sorted(weights.items())}
    return _fingerprint(write_weights(uri, JSON_NAME, description, tensors))


def load_transcriber(uri: str | Path = "base") -> TranscriberCheckpoint:
    """The transcriber of a folder, or the bundled one, in float32 and evaluation mode.

    Raises:
        CheckpointError: the folder holds none, or a file of it is truncated or altered; the message names it.
    """
    uri = TRANSCRIBER_BASE if str(uri) == "base" else uri
    json_uri = storage.join(uri, JSON_NAME)
    try:
        described = json.loads(storage.read_bytes(json_uri))
        if described["format"] != FORMAT:
            raise CheckpointError(f"{json_uri} says format {described['format']!r}, this version reads {FORMAT!r}.")
        data = _read_weights(uri, described["weights"])
        shape = described["model"] | {"harmonics": tuple(described["model"]["harmonics"])}
        model = TranscriberModel(TranscriberSettings(**shape))
        weights = {name: _used(value) for name, value in load_tensors(data).items()}
        beats = _beat_network(described["beats"], model.settings.rhythm_size, weights)
        model.load_state_dict({name: value for name, value in weights.items() if not name.startswith(BEATS)})
        limits = described["thresholds"] | {"drums": tuple(described["thresholds"]["drums"])}
        thresholds, facts = Thresholds(**limits), TranscriberFacts(**described["facts"])
    except StorageError as error:
        raise CheckpointError(f"There is no transcriber in {uri}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{uri} is not a transcriber that this version can use: {error}") from error
    return TranscriberCheckpoint(
        model=model.eval(), beats=beats, thresholds=thresholds, facts=facts, fingerprint=_fingerprint(described)
    )


def _beat_network(settings: dict[str, Any] | None, rhythm_size: int, weights: dict[str, Tensor]) -> BeatNetwork | None:
    if settings is None:
        return None
    network = BeatNetwork(BeatNetworkSettings(**settings), rhythm_size)
    network.load_state_dict({n.removeprefix(BEATS): value for n, value in weights.items() if n.startswith(BEATS)})
    return network.eval()


def _read_weights(uri: str | Path, promised: dict[str, Any]) -> bytes:
    weights_uri = storage.join(uri, promised["file"])
    data = storage.read_bytes(weights_uri)
    if len(data) != promised["size_bytes"] or hashlib.sha256(data).hexdigest() != promised["sha256"]:
        raise CheckpointError(
            f"{weights_uri} holds {len(data):,} bytes that are not the {promised['size_bytes']:,} that were written. "
            "Copy the transcriber again."
        )
    return data


def _stored(value: Tensor) -> Tensor:
    """bfloat16, but for the counters of the normalisation."""
    value = value.detach().cpu().contiguous()
    return value.to(torch.bfloat16) if value.is_floating_point() else value


def _used(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _fingerprint(described: dict[str, Any]) -> str:
    parts = {name: described[name] for name in ("format", "model", "beats", "thresholds")}
    said = json.dumps([parts, described["weights"]["sha256"]], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
