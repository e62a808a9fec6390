"""States of a training run: all that it needs to go on exactly, in folders that are valid as a whole or not at all.

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
    facts: dict[str, Any]  # what the run knows besides: plain JSON values


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
    """Step and facts of the newest state whose bytes are those that were written; None when there is none."""
    state = load_newest_state(run_uri)
    return None if state is None else (state.step, state.facts)


def load_newest_state(run_uri: str | Path) -> RunState | None:
    """The newest state whose bytes are those that were written; None when there is none.

    States that were cut off or altered are named in the log and passed over.
    """
    for step in sorted(saved_steps(run_uri), reverse=True):
        try:
            return load_state(run_uri, step)
        except StorageError as error:
            _log.warning("state passed over: %s", error)
    return None


def load_state(run_uri: str | Path, step: int) -> RunState:
    """The state of a step. StorageError says what is wrong with it."""
    described, data = _read(run_uri, step)
    try:
        return RunState(step=step, tensors=load_tensors(data), facts=described["facts"])
    except (SafetensorError, KeyError) as error:
        raise StorageError(f"{_folder(run_uri, step)} is not a state that this version can use: {error}") from error


def saved_steps(run_uri: str | Path) -> list[int]:
    """Steps of which anything is stored, whole or not."""
    try:
        files = storage.list_files(storage.join(run_uri, "state"))
    except storage.MissingError:
        return []
    names = {file.path.split("/")[0] for file in files}
    return sorted(int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit())


def _read(run_uri: str | Path, step: int) -> tuple[dict[str, Any], bytes]:
    folder = _folder(run_uri, step)
    try:
        described = json.loads(storage.read_bytes(storage.join(folder, JSON_NAME)))
        promised = described["tensors"]
        data = storage.read_bytes(storage.join(folder, TENSORS_NAME))
    except storage.MissingError as error:
        raise StorageError(f"{folder} was not finished: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{folder}/{JSON_NAME} is damaged: {error}") from error
    if described.get("format") != FORMAT:
        raise StorageError(f"{folder} is of format {described.get('format')!r}, this version reads {FORMAT!r}")
    if len(data) != promised["size_bytes"] or hashlib.sha256(data).hexdigest() != promised["sha256"]:
        raise StorageError(f"{folder}/{TENSORS_NAME} was cut short or altered")
    return described, data


def _folder(run_uri: str | Path, step: int) -> str:
    return storage.join(run_uri, "state", f"step-{step:07d}")


def _remove(run_uri: str | Path, step: int) -> None:
    folder = _folder(run_uri, step)
    storage.remove(storage.join(folder, JSON_NAME))
    storage.remove(storage.join(folder, TENSORS_NAME))
    local = storage.local_path(folder)
    if local is not None and local.exists() and not any(local.iterdir()):
        local.rmdir()
