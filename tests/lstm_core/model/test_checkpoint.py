"""A checkpoint says all that is needed to use it, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import (
    FLOAT_FORMAT,
    FORMAT,
    CheckpointFacts,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
    write_weights,
)
from lstm_core.model.integers.quantising import float_weights, quantised_unseen
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
    save_checkpoint(tmp_path / "house", quantised_unseen(tiny_model()), FACTS)
    return tmp_path / "house"


def weights_file(folder: Path) -> Path:
    (path,) = folder.glob("weights-*.safetensors")
    return path


def test_nothing_else_is_needed(folder: Path) -> None:
    found, integers = load_checkpoint(folder), quantised_unseen(tiny_model())
    assert found.facts == FACTS and found.model.settings == integers.settings and not found.model.training
    assert found.integers is not None
    stored, written = found.integers.tensors(), integers.tensors()
    assert set(stored) == set(written) and all(torch.equal(stored[name], written[name]) for name in written)
    for name, value in float_weights(integers).items():
        assert torch.equal(found.model.state_dict()[name], value)


def test_the_float_model_is_nearly_the_one_that_was_trained(folder: Path) -> None:
    """A weight moves by half of a step at most: a 63rd of its row's greatest, or less."""
    found, model = load_checkpoint(folder).model.state_dict(), tiny_model().state_dict()
    for layer in range(2):
        for name in (f"lstm.weight_ih_l{layer}", f"lstm.weight_hh_l{layer}"):
            both = [
                torch.cat([of[f"lstm.weight_{kind}_l{layer}"] for kind in ("ih", "hh")], 1) for of in (found, model)
            ]
            assert float((both[0] - both[1]).abs().max()) < float(both[1].abs().max()) / 63
            assert found[name].shape == model[name].shape
    inputs, both_models = random_inputs(2, 5), (tiny_model().eval(), load_checkpoint(folder).model)
    with torch.no_grad():
        ours, theirs = (one(inputs, one.initial_state(2))[0] for one in both_models)
    assert float((ours - theirs).abs().mean()) < 0.05


def test_weights_are_as_small_as_integers_are(folder: Path) -> None:
    floats = sum(value.numel() * 2 for value in tiny_model().state_dict().values())  # as bfloat16
    integers = sum(value.numel() * value.element_size() for value in quantised_unseen(tiny_model()).tensors().values())
    assert integers < 0.8 * floats and weights_file(folder).stat().st_size < integers + 20_000


def earlier_checkpoint(folder: Path) -> None:
    """A checkpoint as an earlier version wrote it, with weights in bfloat16."""
    tensors = {name: value.to(torch.bfloat16).contiguous() for name, value in tiny_model().state_dict().items()}
    described = {"format": FLOAT_FORMAT, "model": asdict(tiny_model().settings), "facts": asdict(FACTS)}
    write_weights(folder, "checkpoint.json", described, tensors)


def test_one_of_an_earlier_version_is_read_as_floats(tmp_path: Path) -> None:
    earlier_checkpoint(tmp_path)
    found = load_checkpoint(tmp_path)
    assert found.integers is None and found.facts == FACTS
    for name, value in tiny_model().state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value.to(torch.bfloat16).float())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("layers.0.weight", lambda tensor: tensor.fill_(64), "reach from 64 to 64; they must be -63 to 63"),
        ("layers.1.weight", lambda tensor: tensor.to(torch.int16), "are torch.int16"),
        ("heads.factor", lambda tensor: tensor.zero_(), "reach from 0 to 0; they must be 1 to 2147483647"),
        ("outputs.0.offset", lambda tensor: tensor.fill_(1 << 62), "must be -2305843009213693952 to"),
        ("events.0.shifts", lambda tensor: tensor.fill_(9), "must be 0 to 8"),
        ("outputs.1.fine", lambda tensor: tensor[:-1].clone(), "are torch.int8"),
        ("chains.0.codes", None, "chains.0.codes are missing"),
    ],
)
def test_integers_out_of_their_bounds_are_refused(
    tmp_path: Path, name: str, change: Callable[[Tensor], Tensor] | None, message: str
) -> None:
    """The file is whole, and its sha256 right: another program wrote it."""
    tensors = {name: tensor.clone() for name, tensor in quantised_unseen(tiny_model()).tensors().items()}
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name])
    write_weights(
        tmp_path, "checkpoint.json",
        {"format": FORMAT, "model": asdict(tiny_model().settings), "facts": asdict(FACTS)}, tensors,
    )  # fmt: skip
    with pytest.raises(CheckpointError, match=rf"integer weights .*{re.escape(message)}.*Copy the checkpoint again"):
        load_checkpoint(tmp_path)


def test_the_fingerprint_is_of_what_decides_the_music(folder: Path, tmp_path: Path) -> None:
    own, integers = load_checkpoint(folder).fingerprint, quantised_unseen(tiny_model())
    assert save_checkpoint(tmp_path / "again", integers, replace(FACTS, name="other", step=7)) == own
    assert save_checkpoint(tmp_path / "b", integers, replace(FACTS, styles=("a", "b"))) != own
    other = replace(integers, input_factor=integers.input_factor + 1)
    assert save_checkpoint(tmp_path / "c", other, FACTS) != own


def test_a_new_one_replaces_the_old_in_one_move(folder: Path) -> None:
    """Killed between its two files, a publication leaves the checkpoint that was there."""
    old, weights = load_checkpoint(folder), weights_file(folder)
    kept, described = weights.read_bytes(), (folder / "checkpoint.json").read_bytes()
    model = tiny_model()
    with torch.no_grad():
        model.head_hidden.bias += 1.0
    new = save_checkpoint(folder, quantised_unseen(model), FACTS)
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
    save_checkpoint(folder, quantised_unseen(tiny_model()), FACTS)
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
    save_checkpoint(run / "checkpoint", quantised_unseen(tiny_model()), FACTS)
    assert load_checkpoint(find_checkpoint(run)).facts == FACTS
    assert find_checkpoint(folder) == str(folder)
    assert find_checkpoint("base").endswith("lstm_core/model/base")
