"""A checkpoint of an earlier version, with weights as floats, is converted into one that plays in integers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from jobs.train import convert as converting
from jobs.train.convert import convert
from lstm_core.composing.composer import Composer
from lstm_core.engine.engine import Engine
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import (
    FLOAT_FORMAT,
    Checkpoint,
    find_checkpoint,
    fingerprint_of_description,
    load_checkpoint,
    load_runs,
    write_weights,
)
from lstm_core.model.composer_checkpoint import LEVELS, level_uris_of, load_composer, write_composer
from lstm_core.model.integers.ranges import made_up_windows
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.originality.index import build_index
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from tests.lstm_core.block_sets import write_tunes
from tests.lstm_core.composing.tiny_composer import tiny_checkpoint
from tests.lstm_core.originality.melodies import random_melody, score_of
from tests.lstm_core.tiny import STYLES, check_track, play, request, tiny_facts, tiny_model

ORDER = TrackOrder(duration_s=6.0, bpm=120.0, style="game", instruments=("piano", "bass"), seed=3)
INDEX = build_index([("piece 0", score_of(*random_melody(1, 60)))])


def save_as_before(folder: Path, checkpoint: Checkpoint) -> str:
    """A checkpoint of one level as an earlier version wrote it, weights in bfloat16; gives back the fingerprint."""
    data = INDEX.to_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    described = {
        "format": FLOAT_FORMAT,
        "model": asdict(checkpoint.model.settings),
        "facts": asdict(checkpoint.facts),
        "runs": [{"file": "runs-0.index", "size_bytes": len(data), "sha256": sha256}],
    }
    tensors = {name: value.to(torch.bfloat16) for name, value in checkpoint.model.state_dict().items()}
    folder.mkdir(parents=True)
    (folder / "runs-0.index").write_bytes(data)
    return fingerprint_of_description(write_weights(folder, "checkpoint.json", described, tensors))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one level, of before."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    model = tiny_model(scale=3.0)
    save_as_before(folder / "checkpoint", Checkpoint(model=model, facts=tiny_facts(), fingerprint=""))
    return folder


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composer of before."""
    folder, made = tmp_path_factory.mktemp("composers") / "old", tiny_checkpoint()
    levels = {"plan": made.planner, "parts": made.arranger}
    write_composer(folder, {level: save_as_before(folder / level, levels[level]) for level in LEVELS})
    return folder


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    return write_tunes(folder, 8, 2, styles=STYLES, representations=(NOTES, PLAN, PARTS))


@pytest.mark.parametrize("has_blocks", [True, False])
def test_a_run_of_before_plays_in_integers_once_it_is_converted(
    run: Path, blocks: Path, tmp_path: Path, has_blocks: bool
) -> None:
    convert(str(run), str(tmp_path / "new"), str(blocks) if has_blocks else "")
    old, new = load_checkpoint(run / "checkpoint"), load_checkpoint(tmp_path / "new")
    assert old.integers is None and new.integers is not None and new.facts == old.facts
    assert [index.to_bytes() for index in load_runs(tmp_path / "new")] == [INDEX.to_bytes()]
    inputs, is_start = next(made_up_windows(old.model.settings))
    with torch.no_grad():
        ours, theirs = (one.model(inputs, one.model.initial_state(len(is_start)))[0] for one in (new, old))
    assert float((ours - theirs).abs().mean()) < 0.25  # nats of a value; another model's differ by 1.3
    engine = Engine(new)
    assert engine.arithmetic == "int8"
    check_track(ORDER, request(ORDER)[0], play(engine, [ORDER])[0])


@pytest.mark.parametrize("has_blocks", [True, False])
def test_a_composer_of_before_plays_in_integers_once_it_is_converted(
    composer: Path, blocks: Path, tmp_path: Path, has_blocks: bool
) -> None:
    convert(str(composer), str(tmp_path / "new"), str(blocks) if has_blocks else "")
    old, new = load_composer(composer), load_composer(tmp_path / "new")
    assert (new.planner.facts, new.arranger.facts) == (old.planner.facts, old.arranger.facts)
    assert new.planner.fingerprint != old.planner.fingerprint and new.arranger.fingerprint != old.arranger.fingerprint
    assert all(len(load_runs(uri)) == 1 for uri in level_uris_of(tmp_path / "new").values())
    made = Composer(new)
    assert made.planner.arithmetic == made.arranger.arithmetic == "int8"
    (take,) = made.play([(admit(ORDER), 0)])
    assert len(take.notes) > 10


def test_the_same_checkpoint_becomes_the_same_one_each_time(
    run: Path, composer: Path, blocks: Path, tmp_path: Path
) -> None:
    def converted(old: Path, name: str, of_blocks: Path | str = "") -> str:
        convert(str(old), str(tmp_path / name), str(of_blocks))
        load = load_composer if old is composer else load_checkpoint
        return load(tmp_path / name).fingerprint

    measured = [converted(run, f"measured-{n}", blocks) for n in range(2)]
    unseen = [converted(run, f"unseen-{n}") for n in range(2)]
    assert measured[0] == measured[1] != unseen[0] == unseen[1]  # ranges on pieces are others than on random events
    assert converted(tmp_path / "measured-0", "again") == measured[0]  # what is in integers stays as it is
    assert converted(composer, "composer-0") == converted(composer, "composer-1")


@pytest.mark.parametrize(
    "new_of",
    [
        pytest.param(lambda run: run, id="the run"),
        pytest.param(lambda run: run / "checkpoint", id="its checkpoint"),
        pytest.param(lambda run: f"{run}/checkpoint/", id="with a slash"),
        pytest.param(lambda run: run / ".." / "old" / "checkpoint", id="by another way"),
    ],
)
def test_a_checkpoint_is_not_converted_into_itself(run: Path, new_of: Callable[[Path], str | Path]) -> None:
    before = {path: path.read_bytes() for path in (run / "checkpoint").iterdir()}
    with pytest.raises(CheckpointError, match=r"is the checkpoint itself\. Name another folder"):
        convert(str(run), str(new_of(run)))
    assert {path: path.read_bytes() for path in (run / "checkpoint").iterdir()} == before


def test_the_command_says_what_is_wrong(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["convert", str(run / "nothing"), str(run / "new")])
    with pytest.raises(SystemExit, match=r"There is no checkpoint in .*nothing"):
        converting.main()


def test_one_of_before_is_refused_with_the_command_and_plays_in_floats(run: Path) -> None:
    old = load_checkpoint(find_checkpoint(run))
    with pytest.raises(CheckpointError, match=r"python -m jobs\.train\.convert OLD NEW \[BLOCKS\]"):
        Engine(old)
    check_track(ORDER, request(ORDER)[0], play(Engine(old, arithmetic="float32"), [ORDER])[0])


def test_a_composer_is_not_converted_into_a_level_of_its_own(composer: Path) -> None:
    before = {path: path.read_bytes() for path in composer.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=r"lies in the checkpoint .*\. Name another folder"):
        convert(str(composer), str(composer / "plan"))
    assert {path: path.read_bytes() for path in composer.rglob("*") if path.is_file()} == before
