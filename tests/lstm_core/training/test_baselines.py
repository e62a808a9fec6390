"""The baselines against tables counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lstm_core.blocks.feature_blocks import BLOCK_SCHEMA, open_blocks, write_block, write_index
from lstm_core.representations.note_events import STREAMS
from lstm_core.training.baselines import fit_baselines
from tests.lstm_core.block_sets import write_tunes


def write_values(folder: Path, train: list[list[int]], valid: list[list[int]]) -> Path:
    """Pieces whose first stream holds these values; the other streams are zero."""
    rows = []
    for number, (split, values) in enumerate([("train", v) for v in train] + [("valid", v) for v in valid]):
        events = np.zeros((len(values), len(STREAMS)), dtype=np.uint8)
        events[:, 0] = values
        row = {name: "" for name in ("uri", "title", "style", "licence", "tags")}
        row |= {"piece_id": f"{number:032x}", "duration_s": 1.0, "split": split}
        rows.append(row | {"events": {"notes-1": events.tobytes()}, "meters": [], "tempos": [], "key_tonic": None})
    write_block(folder, "b", pa.Table.from_pylist(rows, schema=BLOCK_SCHEMA))
    write_index(folder, ["b"])
    return folder


def test_counts_are_smoothed_by_one(tmp_path: Path) -> None:
    blocks = open_blocks(write_values(tmp_path, [[1, 1, 2], [1, 2]], [[1, 2, 3]]))
    size = STREAMS[0].size
    found = fit_baselines(blocks, [0])
    # One: three of value 1 and two of 2 in five. Two: 1 starts both; of three after 1 one is 1 and two are 2.
    unigram = -np.log([4 / (5 + size), 3 / (5 + size), 1 / (5 + size)]).mean()
    bigram = -np.log([3 / (2 + size), 3 / (3 + size), 1 / (0 + size)]).mean()
    assert found.unigram[0] == pytest.approx(unigram, abs=1e-12)
    assert found.bigram[0] == pytest.approx(bigram, abs=1e-12)
    assert found.unigram[4] == pytest.approx(-np.log(6 / (5 + STREAMS[4].size)))


def test_without_validation_pieces_the_training_pieces_are_measured(tmp_path: Path) -> None:
    blocks = open_blocks(write_values(tmp_path, [[5, 5, 5, 5]], []))
    size = STREAMS[0].size
    assert fit_baselines(blocks, []).unigram[0] == pytest.approx(-np.log(5 / (4 + size)))


def test_on_music_the_bigram_knows_more_of_time(tmp_path: Path) -> None:
    blocks = open_blocks(write_tunes(tmp_path, 60, 10))
    found = fit_baselines(blocks, range(10))
    assert found.bigram[0] < found.unigram[0] and found.bigram[3] < found.unigram[3]
    assert all(0 < value < np.log(stream.size) for value, stream in zip(found.unigram, STREAMS, strict=True))
