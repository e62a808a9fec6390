"""States of a training run: all that it needs to resume exactly, in folders that are valid as a whole or not at all.

RUN/state/step-0000500/state.safetensors    tensors of the trainer
RUN/state/step-0000500/state.json           size and sha256 of the tensors, and facts of the run; written last
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from lstm_core import storage
from lstm_core.foundation.errors import StorageError
from lstm_core.foundation.json_text import json_bytes

FORMAT = "tonemill-state-1"
TENSORS_NAME, JSON_NAME = "state.safetensors", "state.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunState:
    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]  # plain JSON values of the run


def save_state(run_uri: str | Path, state: RunState, *, keep: int) -> None:
    """Writes a state, its JSON last, then removes all but the `keep` newest."""
    folder = _folder(run_uri, state.step)
    data = save_tensors({name: tensor.cpu().contiguous() for name, tensor in state.tensors.items()})
    described = {
        "format": FORMAT,
        "step": state.step,
        "facts": state.facts,
        "tensors": {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
    }
    storage.remove(storage.join(folder, JSON_NAME))
    storage.write_bytes(storage.join(folder, TENSORS_NAME), data)
    storage.write_bytes(storage.join(folder, JSON_NAME), json_bytes(described))
    for step in sorted(step for step in saved_steps(run_uri) if step <= state.step)[:-keep]:
        _remove(run_uri, step)


def newest_state(run_uri: str | Path) -> tuple[int, dict[str, Any]] | None:
    """Step and facts of the newest state that is there in its full size; None when there is none.

    Reads no tensors: whether they are those that were written is seen when they are loaded.
    """
    sizes = _stored_sizes(run_uri)
    for step in sorted(sizes, reverse=True):
        try:
            described = _description(run_uri, step)
            _check_size(run_uri, step, sizes[step].get(TENSORS_NAME, -1), described)
        except StorageError as error:
            _log.warning("state passed over: %s", error)
        else:
            return step, described["facts"]
    return None


def load_newest_state(run_uri: str | Path) -> RunState | None:
    """The newest state whose bytes are those that were written; None when there is none.

    States that were cut off or altered are logged and skipped.
    """
    for step in sorted(saved_steps(run_uri), reverse=True):
        try:
            return load_state(run_uri, step)
        except StorageError as error:
            _log.warning("state passed over: %s", error)
    return None


def load_state(run_uri: str | Path, step: int) -> RunState:
    """The state of a step. Raises StorageError, which says what is wrong, if it cannot be used."""
    described = _description(run_uri, step)
    try:
        tensors = load_tensors(_tensor_bytes(run_uri, step, described))
        return RunState(step=step, tensors=tensors, facts=described["facts"])
    except SafetensorError as error:
        raise StorageError(f"{_folder(run_uri, step)} is not a state that this version can use: {error}") from error


def saved_steps(run_uri: str | Path) -> list[int]:
    """Steps of which anything is stored, whole or not."""
    return sorted(_stored_sizes(run_uri))


def _stored_sizes(run_uri: str | Path) -> dict[int, dict[str, int]]:
    """Sizes in bytes of the files of each step, by name."""
    try:
        files = storage.list_files(storage.join(run_uri, "state"))
    except storage.MissingError:
        return {}
    found: dict[int, dict[str, int]] = {}
    for file in files:
        folder, _, name = file.path.partition("/")
        if folder.startswith("step-") and folder[5:].isdigit():
            found.setdefault(int(folder[5:]), {})[name] = file.size_bytes
    return found


def _description(run_uri: str | Path, step: int) -> dict[str, Any]:
    """The content of the JSON of a state. Raises StorageError if it is missing, damaged or of another version."""
    folder = _folder(run_uri, step)
    try:
        described: dict[str, Any] = json.loads(storage.read_bytes(storage.join(folder, JSON_NAME)))
        written = described.get("format")
        if written == FORMAT:
            _ = described["facts"], described["tensors"]["sha256"], described["tensors"]["size_bytes"]
    except storage.MissingError as error:
        raise StorageError(f"{folder} was not finished: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{folder}/{JSON_NAME} is damaged: {error}") from error
    if written != FORMAT:
        raise StorageError(f"{folder} is of format {written!r}, this version reads {FORMAT!r}")
    return described


def _check_size(run_uri: str | Path, step: int, size_bytes: int, described: dict[str, Any]) -> None:
    """Raises StorageError if the tensors of a state are not there in full."""
    if size_bytes < 0:
        raise StorageError(f"{_folder(run_uri, step)} was not finished: it has no {TENSORS_NAME}")
    if size_bytes != described["tensors"]["size_bytes"]:
        raise StorageError(f"{_folder(run_uri, step)}/{TENSORS_NAME} was cut short or altered")


def _tensor_bytes(run_uri: str | Path, step: int, described: dict[str, Any]) -> bytes:
    """The tensors of a state as they were written; raises StorageError if they were altered."""
    folder = _folder(run_uri, step)
    try:
        data = storage.read_bytes(storage.join(folder, TENSORS_NAME))
    except storage.MissingError as error:
        raise StorageError(f"{folder} was not finished: {error}") from error
    _check_size(run_uri, step, len(data), described)
    if hashlib.sha256(data).hexdigest() != described["tensors"]["sha256"]:
        raise StorageError(f"{folder}/{TENSORS_NAME} was cut short or altered")
    return data


def _folder(run_uri: str | Path, step: int) -> str:
    return storage.join(run_uri, "state", f"step-{step:07d}")


def _remove(run_uri: str | Path, step: int) -> None:
    folder = _folder(run_uri, step)
    storage.remove(storage.join(folder, JSON_NAME))
    storage.remove(storage.join(folder, TENSORS_NAME))
    local = storage.local_path(folder)
    if local is not None and local.exists() and not any(local.iterdir()):
        local.rmdir()
