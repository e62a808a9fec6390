"""The index of the training pieces of a block set: of the right pieces, built once, carried on by fine-tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.dataset import training_runs
from lstm_core.dataset.training_runs import KEPT_NAME, index_of_training_pieces, kept_index, score_of_piece
from lstm_core.model.checkpoint import load_runs
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.training.run import run_training
from tests.lstm_core.block_sets import tiny_recipe, write_tunes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    return write_tunes(folder, 6, 2, num_bars=12, representations=(NOTES, PLAN, PARTS))


@pytest.mark.parametrize("representation", [NOTES, PARTS])
def test_training_pieces_are_copies_and_others_are_not(folder: Path, representation: object) -> None:
    blocks = open_blocks(folder, representation=representation)  # type: ignore[arg-type]
    index = index_of_training_pieces(blocks)
    assert index is not None
    for split, is_known in (("train", True), ("valid", False)):
        for number in range(blocks.num_pieces(split)):
            piece = blocks.piece(split, number)
            score = score_of_piece(blocks, piece)
            assert (index.longest_shared_run(score).num_notes >= 30) == is_known  # of 36 or 48
            assert (index.nearest_piece(score) == (piece.piece_id, 1.0)) == is_known


def test_plans_have_no_runs(folder: Path) -> None:
    assert index_of_training_pieces(open_blocks(folder, representation=PLAN)) is None


def test_an_index_is_built_once_a_run_and_again_where_it_is_damaged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = open_blocks(folder, representation=PARTS)
    first = kept_index(blocks, str(tmp_path))
    assert first is not None
    (tmp_path / KEPT_NAME).write_bytes(first.to_bytes()[:-1])
    again = kept_index(blocks, str(tmp_path))
    assert again is not None and (tmp_path / KEPT_NAME).read_bytes() == again.to_bytes() == first.to_bytes()
    monkeypatch.setattr(training_runs, "index_of_training_pieces", lambda blocks: pytest.fail("built again"))
    assert kept_index(blocks, str(tmp_path)) is not None


def test_a_checkpoint_carries_the_index_of_its_pieces_after_that_of_its_parent(folder: Path, tmp_path: Path) -> None:
    run_training(folder, tmp_path / "parent", tiny_recipe(steps=1, valid_every=1))
    house = write_tunes(tmp_path / "house", 3, 1)
    recipe = tiny_recipe(steps=1, valid_every=1, init_from=str(tmp_path / "parent"))
    run_training(house, tmp_path / "run", recipe)
    (of_parent,) = load_runs(tmp_path / "parent" / "checkpoint")
    inherited, own = load_runs(tmp_path / "run" / "checkpoint")
    assert inherited.to_bytes() == of_parent.to_bytes()
    assert len(of_parent.names) == 6 and len(own.names) == 3
    again = tiny_recipe(steps=1, valid_every=1, init_from=str(tmp_path / "run"))
    run_training(house, tmp_path / "again", again)
    assert [len(index.names) for index in load_runs(tmp_path / "again" / "checkpoint")] == [6, 3]
