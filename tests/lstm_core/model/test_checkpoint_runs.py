"""The index of the training pieces in a checkpoint folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import copy_checkpoint, load_checkpoint, load_runs, save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.originality.index import build_index
from tests.lstm_core.model.test_checkpoint import FACTS
from tests.lstm_core.model.test_music_lstm import tiny_model
from tests.lstm_core.originality.melodies import random_melody, score_of

PIECE = score_of(*random_melody(1, 60))


def saved(folder: Path, num_pieces: int) -> str:
    pieces = [(f"piece {i}", score_of(*random_melody(i, 60))) for i in range(num_pieces)]
    runs = [build_index(pieces)] if pieces else []
    return save_checkpoint(folder, quantised_unseen(tiny_model()), FACTS, runs=runs)


def runs_file(folder: Path) -> Path:
    (path,) = folder.glob("runs-*.index")
    return path


def test_an_index_comes_back_and_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    plain, indexed = saved(tmp_path / "plain", 0), saved(tmp_path / "indexed", 2)
    assert load_runs(tmp_path / "plain") == ()
    (runs,) = load_runs(tmp_path / "indexed")
    assert runs.names == ("piece 0", "piece 1")
    assert runs.longest_shared_run(PIECE).num_notes == 60
    assert indexed == load_checkpoint(tmp_path / "indexed").fingerprint
    assert len({plain, indexed, saved(tmp_path / "other", 3)}) == 3


def test_several_indexes_come_back_in_their_order_and_equal_ones_once(tmp_path: Path) -> None:
    one, two = (build_index([(name, score_of(*random_melody(i, 60)))]) for i, name in enumerate("ab"))
    of_one, of_both, of_twice = (
        save_checkpoint(tmp_path / str(i), quantised_unseen(tiny_model()), FACTS, runs=runs)
        for i, runs in enumerate([[one], [one, two], [one, two, one]])
    )
    assert of_twice == of_both != of_one
    assert [index.names for index in load_runs(tmp_path / "2")] == [("a",), ("b",)]
    copy_checkpoint(tmp_path / "1", tmp_path / "copy")
    assert [index.names for index in load_runs(tmp_path / "copy")] == [("a",), ("b",)]


def test_a_checkpoint_that_replaces_another_leaves_no_older_index(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    before = runs_file(tmp_path).name
    saved(tmp_path, 2)
    assert runs_file(tmp_path).name != before
    saved(tmp_path, 0)
    assert list(tmp_path.glob("runs-*")) == []


def test_a_damaged_index_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path, 2)
    path = runs_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=rf"{path.name} was cut short or altered.*Copy the checkpoint again"):
        load_runs(tmp_path)
    path.unlink()
    with pytest.raises(CheckpointError, match="index of the checkpoint's training pieces cannot be read"):
        load_runs(tmp_path)
