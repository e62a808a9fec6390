"""A composer's checkpoint is whole, or an error says what of it is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model import composer_checkpoint
from lstm_core.model.checkpoint import find_checkpoint, load_checkpoint, load_runs, save_checkpoint
from lstm_core.model.composer_checkpoint import (
    JSON_NAME,
    LEVELS,
    find_level,
    fingerprint_of,
    is_composer,
    level_uris_of,
    load_composer,
    publish_composer,
    write_composer,
)
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.originality.index import build_index
from tests.lstm_core.model.test_checkpoint import FACTS
from tests.lstm_core.model.test_music_lstm import tiny_model
from tests.lstm_core.originality.melodies import random_melody, score_of


def save_level(folder: Path, level: str, home_key: bool = False) -> str:
    """A checkpoint of a level; `home_key` makes it another one."""
    facts = replace(FACTS, representation=LEVELS[level], home_key=home_key)
    return save_checkpoint(folder, quantised_unseen(tiny_model()), facts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A composer in the folders of its levels."""
    write_composer(tmp_path / "base", {level: save_level(tmp_path / "base" / level, level) for level in LEVELS})
    return tmp_path / "base"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two levels, published."""
    for level in LEVELS:
        save_level(tmp_path / "run" / level / "checkpoint", level)
    publish(tmp_path / "run")
    return tmp_path / "run"


def publish(run: Path) -> str | None:
    return publish_composer(run / "checkpoint", {level: str(run / level / "checkpoint") for level in LEVELS})


def change(folder: Path, **values: Any) -> None:
    path = folder / JSON_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_both_levels_are_there(folder: Path) -> None:
    found = load_composer(folder)
    fingerprints = {level: load_checkpoint(folder / level).fingerprint for level in LEVELS}
    assert found.planner.facts.representation == "plan-1" and found.arranger.facts.representation == "parts-1"
    assert (found.planner.fingerprint, found.arranger.fingerprint) == tuple(fingerprints.values())
    assert found.fingerprint == fingerprint_of(fingerprints) and is_composer(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "tonemill-composer-9"}, "is not of format tonemill-composer-1 with the levels plan, parts"),
        ({"levels": {"plan": "f"}}, "is not of format tonemill-composer-1 with the levels plan, parts"),
        ({"folders": {"parts": "parts"}}, "is not of format tonemill-composer-1"),
        ({"levels": {"plan": "f", "parts": "f"}}, "plan is another checkpoint than composer.json names"),
        ({"folders": {"plan": "parts", "parts": "plan"}}, "parts was trained on parts-1, not plan-1"),
        ({"folders": {"plan": "plan", "parts": "gone"}}, r"There is no checkpoint in .*gone"),
    ],
)
def test_what_is_wrong_with_it_is_named(folder: Path, values: dict[str, Any], message: str) -> None:
    change(folder, **values)
    with pytest.raises(CheckpointError, match=message):
        load_composer(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "tonemill-composer-1"}'])
def test_a_damaged_json_is_an_error(folder: Path, text: str) -> None:
    (folder / JSON_NAME).write_text(text)
    with pytest.raises(CheckpointError, match=r"composer\.json is damaged .* Copy the checkpoint again"):
        load_composer(folder)


def test_a_missing_or_damaged_level_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no composer in"):
        load_composer(tmp_path)
    (weights,) = (folder / "parts").glob("weights-*")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="It was cut short"):
        load_composer(folder)
    (folder / "parts" / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match=r"There is no checkpoint in .*parts"):
        load_composer(folder)


def test_nothing_is_published_before_each_level_has_a_checkpoint(tmp_path: Path) -> None:
    save_level(tmp_path / "plan" / "checkpoint", "plan")
    assert publish(tmp_path) is None and not (tmp_path / "checkpoint").exists()
    save_level(tmp_path / "parts" / "checkpoint", "parts")
    assert publish(tmp_path) == load_composer(tmp_path / "checkpoint").fingerprint


def test_a_better_level_replaces_the_one_before_and_leaves_the_other(run: Path) -> None:
    before, folders = load_composer(run / "checkpoint"), level_uris_of(run / "checkpoint")
    assert publish(run) == before.fingerprint
    save_level(run / "parts" / "checkpoint", "parts", home_key=True)
    assert load_composer(run / "checkpoint").fingerprint == before.fingerprint  # not published yet
    assert publish(run) != before.fingerprint
    after = load_composer(run / "checkpoint")
    assert after.planner.fingerprint == before.planner.fingerprint and after.arranger.facts.home_key
    assert level_uris_of(run / "checkpoint")["plan"] == folders["plan"]
    names = {Path(uri).name for uri in level_uris_of(run / "checkpoint").values()}
    assert {path.name for path in (run / "checkpoint").iterdir()} == {JSON_NAME, *names}


def test_the_index_of_the_training_pieces_goes_along(run: Path) -> None:
    facts = replace(FACTS, representation="parts-1")
    runs = [build_index([("piece 0", score_of(*random_melody(1, 60)))])]
    save_checkpoint(run / "parts" / "checkpoint", quantised_unseen(tiny_model()), facts, runs=runs)
    publish(run)
    (found,) = load_runs(level_uris_of(run / "checkpoint")["parts"])
    assert found.names == ("piece 0",)


def test_a_reader_finds_the_new_one_where_the_old_is_replaced_meanwhile(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = composer_checkpoint.read_composer
    answers: list[dict[str, Any]] = []

    def read_and_replace(uri: str | Path) -> dict[str, Any]:
        answers.append(read(uri))
        if len(answers) == 1:
            save_level(run / "plan" / "checkpoint", "plan", home_key=True)
            publish(run)
        return answers[-1]

    monkeypatch.setattr(composer_checkpoint, "read_composer", read_and_replace)
    assert load_composer(run / "checkpoint").planner.facts.home_key
    assert len(answers) == 2


def test_a_publication_that_is_cut_off_leaves_the_old_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before composer.json is written: the old one is found, and the next publication is whole."""
    before = load_composer(run / "checkpoint").fingerprint
    save_level(run / "plan" / "checkpoint", "plan", home_key=True)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(composer_checkpoint, "write_composer", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(run)
    assert load_composer(run / "checkpoint").fingerprint == before
    assert publish(run) == load_composer(run / "checkpoint").fingerprint != before


def test_a_run_and_a_folder_are_found(run: Path, folder: Path) -> None:
    assert find_checkpoint(run) == str(run / "checkpoint") and find_checkpoint(folder) == str(folder)
    assert find_level(run, "parts-1") == level_uris_of(run / "checkpoint")["parts"]
    assert find_level(run / "plan", "plan-1") == str(run / "plan" / "checkpoint")
    with pytest.raises(
        CheckpointError, match="is a composer, with a level for each of plan-1, parts-1, and none for notes-1"
    ):
        find_level(folder, "notes-1")
    with pytest.raises(
        CheckpointError, match=r"trained on events of representation 'plan-1', this run learns 'parts-1'"
    ):
        find_level(folder / "plan", "parts-1")
    with pytest.raises(CheckpointError, match="holds a composer, with a checkpoint for each level"):
        load_checkpoint(folder)
