"""A checkpoint says all that is needed to use it, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import CheckpointFacts, find_checkpoint, load_checkpoint, save_checkpoint
from tests.lstm_core.model.test_music_lstm import random_inputs, tiny_model

FACTS = CheckpointFacts(
    name="house",
    representation="notes-1",
    styles=("air", "Märsche"),
    step=500,
    valid_nll=5.25,
    corpus_fingerprint="abc",
    licences={"CC0": 12},
    notices={"CC0": "No rights reserved.\n"},
    recipe={"steps": 500},
    versions={"torch": "2.11.0"},
    parents=("f" * 64,),
    statistics={"air": {"tempo_bpm": [60.0, 70.5]}},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "house", tiny_model(), FACTS, dtype=torch.float32)
    return tmp_path / "house"


def weights_file(folder: Path) -> Path:
    (path,) = folder.glob("weights-*.safetensors")
    return path


def test_nothing_else_is_needed(folder: Path) -> None:
    found, model = load_checkpoint(folder), tiny_model()
    assert found.facts == FACTS and found.model.settings == model.settings and not found.model.training
    assert all(torch.equal(found.model.state_dict()[name], value) for name, value in model.state_dict().items())
    inputs = random_inputs(2, 5)
    assert torch.equal(found.model(inputs, model.initial_state(2))[0], model(inputs, model.initial_state(2))[0])


def test_bfloat16_is_half_the_size_and_nearly_the_same(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "half", tiny_model(), FACTS, dtype=torch.bfloat16)
    assert weights_file(tmp_path / "half").stat().st_size < 0.7 * weights_file(folder).stat().st_size
    half, whole = load_checkpoint(tmp_path / "half").model, load_checkpoint(folder).model
    for name, value in whole.state_dict().items():
        assert half.state_dict()[name].dtype == torch.float32
        assert torch.allclose(half.state_dict()[name], value, rtol=2**-8, atol=0.0)


def test_the_fingerprint_is_of_what_decides_the_music(folder: Path, tmp_path: Path) -> None:
    own = load_checkpoint(folder).fingerprint
    again = save_checkpoint(tmp_path / "again", tiny_model(), replace(FACTS, name="other", step=7), dtype=torch.float32)
    assert again == own
    assert save_checkpoint(tmp_path / "b", tiny_model(), replace(FACTS, styles=("a", "b")), dtype=torch.float32) != own
    assert save_checkpoint(tmp_path / "c", tiny_model(), FACTS, dtype=torch.bfloat16) != own


def test_a_new_one_replaces_the_old_in_one_move(folder: Path) -> None:
    """Killed between its two files, a publication leaves the checkpoint that was there."""
    old, weights = load_checkpoint(folder), weights_file(folder)
    kept, described = weights.read_bytes(), (folder / "checkpoint.json").read_bytes()
    model = tiny_model()
    with torch.no_grad():
        model.head_hidden.bias += 1.0
    new = save_checkpoint(folder, model, FACTS, dtype=torch.float32)
    assert len(list(folder.iterdir())) == 2 and load_checkpoint(folder).fingerprint == new != old.fingerprint
    weights.write_bytes(kept)  # as before the JSON was written
    (folder / "checkpoint.json").write_bytes(described)
    assert load_checkpoint(folder).fingerprint == old.fingerprint


def test_cut_short(folder: Path) -> None:
    path = weights_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        CheckpointError, match=rf"{path.name} holds [\d,]+ bytes, [\d,]+ were written. It was cut short"
    ):
        load_checkpoint(folder)


def test_altered(folder: Path) -> None:
    path = weights_file(folder)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{path.name} was altered"):
        load_checkpoint(folder)


def test_half_written(folder: Path) -> None:
    weights = weights_file(folder)
    (folder / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match="There is no checkpoint in"):
        load_checkpoint(folder)
    save_checkpoint(folder, tiny_model(), FACTS, dtype=torch.float32)
    weights.unlink()
    with pytest.raises(CheckpointError, match=f"weights of the checkpoint cannot be read.*{weights.name}"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "tonemill-checkpoint-9"}, "says format 'tonemill-checkpoint-9', this version reads"),
        ({"model": {"hidden_size": 12}}, "not a checkpoint that this version can use"),
        ({"weights": {}}, "was altered: the entry 'size_bytes' is missing"),
        ({"facts": {"name": "x"}}, "not a checkpoint that this version can use"),
    ],
)
def test_a_json_that_says_something_else(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)
    path.write_text(path.read_text()[:40])
    with pytest.raises(CheckpointError, match=r"checkpoint.json is damaged"):
        load_checkpoint(folder)


def test_a_run_stands_for_its_checkpoint(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_checkpoint(run / "checkpoint", tiny_model(), FACTS, dtype=torch.float32)
    assert load_checkpoint(find_checkpoint(run)).facts == FACTS
    assert find_checkpoint(folder) == str(folder)
    assert find_checkpoint("base").endswith("lstm_core/model/base")
