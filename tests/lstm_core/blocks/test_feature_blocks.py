"""Feature blocks: what is written is read, in the promised order, and what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lstm_core.blocks.feature_blocks import BLOCK_SCHEMA, block_uri, is_finished, open_blocks, write_block, write_index
from lstm_core.foundation.errors import BlockError
from lstm_core.notes.score import Meter, Tempo
from lstm_core.representations.note_events import STREAMS


def block_table(first: int, count: int) -> pa.Table:
    """Rows of pieces `first` to `first + count`; every third is valid; piece n has n + 1 events of value n."""
    rows = [
        {
            "piece_id": f"{number:032x}",
            "uri": f"folk/{number}.mid",
            "index_in_file": 0,
            "title": f"Tune {number}",
            "style": ("march", "air")[number % 2],
            "licence": "CC0",
            "content_hash": f"{number:032x}",
            "meters": [{"tick": 0, "numerator": 3, "denominator": 4}, {"tick": 72, "numerator": 6, "denominator": 8}],
            "tempos": [{"tick": 0, "bpm": 90.0}],
            "key_tonic": None if number == 0 else number % 12,
            "key_mode": None if number == 0 else "minor",
            "key_clarity": 0.25,
            "tempo_bpm": 90.0,
            "meter": "3/4",
            "num_bars": 8,
            "duration_s": 1.5,
            "num_notes": number,
            "density": 2.0,
            "polyphony_mean": 1.0,
            "polyphony_max": 2,
            "families": 5,
            "bar_key": [0] * 8,
            "tags": "{}",
            "events": {"notes-1": np.full((number + 1, len(STREAMS)), number, dtype=np.uint8).tobytes()},
            "split": "valid" if number % 3 == 0 else "train",
            "group": f"{number:032x}",
        }
        for number in range(first, first + count)
    ]
    return pa.Table.from_pylist(rows, schema=BLOCK_SCHEMA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A block set of two blocks; the one that comes first by name holds the later pieces."""
    write_block(tmp_path, "b", block_table(0, 4))
    write_block(tmp_path, "a", block_table(4, 6))
    write_index(tmp_path, ["b", "a"], notices={"CC0": "No rights reserved.", "MIT": "of no piece"})
    return tmp_path


def test_pieces_come_back_in_order_of_piece_id(folder: Path) -> None:
    blocks = open_blocks(folder, verify=True)
    assert [blocks.num_pieces(split) for split in ("train", "valid")] == [6, 4]
    for split, numbers in (("train", [1, 2, 4, 5, 7, 8]), ("valid", [0, 3, 6, 9])):
        pieces = [blocks.piece(split, i) for i in range(len(numbers))]
        assert [piece.title for piece in pieces] == [f"Tune {number}" for number in numbers]
        assert [piece.events.tolist() for piece in pieces] == [[[n] * 5] * (n + 1) for n in numbers]
    piece = blocks.piece("valid", 1)
    assert piece.meters == (Meter(tick=0, numerator=3, denominator=4), Meter(tick=72, numerator=6, denominator=8))
    assert piece.tempos == (Tempo(tick=0, bpm=90.0),)
    assert (piece.key_tonic, piece.key_mode, piece.tempo_bpm, piece.density) == (3, "minor", 90.0, 2.0)
    assert (piece.style, piece.families, piece.num_bars) == ("air", 5, 8)
    assert blocks.piece("valid", 0).key_tonic is None


def test_events_are_a_read_only_view_of_the_mapped_file(folder: Path) -> None:
    before = pa.total_allocated_bytes()
    blocks = open_blocks(folder)
    events = blocks.piece("train", 3).events
    assert not events.flags.owndata and not events.flags.writeable
    # The rows of both files would be some 900 bytes of events and 6,000 of the rest.
    assert pa.total_allocated_bytes() - before < 3_000


def test_the_index_counts(folder: Path) -> None:
    index = open_blocks(folder).index
    assert index.styles == ("air", "march")
    assert index.licences == {"CC0": 10}
    assert index.notices == {"CC0": "No rights reserved."}
    assert index.num_pieces == {"train": 6, "valid": 4}
    [stored] = index.representations
    assert stored.num_pieces == index.num_pieces
    assert stored.num_events == {"train": 2 + 3 + 5 + 6 + 8 + 9, "valid": 1 + 4 + 7 + 10}
    assert index.duration_s == 15.0
    assert stored.streams == tuple((stream.name, stream.size) for stream in STREAMS)
    assert (stored.name, stored.dtype) == ("notes-1", "uint8")


def test_fingerprint_is_of_the_content_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    fingerprint = open_blocks(folder).index.fingerprint
    other = tmp_path_factory.mktemp("other")
    write_block(other, "x", block_table(4, 6))
    write_block(other, "y", block_table(0, 4))
    assert write_index(other, ["y", "x"]).fingerprint == fingerprint
    assert write_index(other, ["x"]).fingerprint != fingerprint


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    whole = block_table(0, 7)
    in_chunks = pa.concat_tables([block_table(0, 3), block_table(0, 7).slice(3)])
    assert write_block(tmp_path, "a", whole).sha256 == write_block(tmp_path, "b", in_chunks).sha256


def test_a_block_without_its_sidecar_is_not_finished(folder: Path) -> None:
    assert is_finished(folder, "a")
    Path(block_uri(folder, "a", ".json")).unlink()
    assert not is_finished(folder, "a")


def test_damaged_blocks_are_named(folder: Path) -> None:
    path = Path(block_uri(folder, "b"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(BlockError, match=rf"{path} is truncated: {len(data) // 2} bytes, the index says {len(data)}"):
        open_blocks(folder)
    assert not is_finished(folder, "b")
    path.write_bytes(data[:-200] + bytes([data[-200] ^ 1]) + data[-199:])
    with pytest.raises(BlockError, match=rf"{path} is altered: its sha256"):
        open_blocks(folder, verify=True)
    assert not is_finished(folder, "b")
    path.write_bytes(bytes(len(data)))
    with pytest.raises(BlockError, match=rf"{path} is altered: it is no Arrow file"):
        open_blocks(folder)
    path.unlink()
    with pytest.raises(BlockError, match=rf"{path} is missing\. Run tonemill prepare again"):
        open_blocks(folder)


def test_a_folder_without_a_good_index_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BlockError, match="no finished set of feature blocks"):
        open_blocks(tmp_path_factory.mktemp("empty"))
    index = folder / "index.json"
    raw = json.loads(index.read_text())
    index.write_text(json.dumps(raw | {"format": "tonemill-blocks-0"}))
    with pytest.raises(BlockError, match="is not of format tonemill-blocks-4"):
        open_blocks(folder)
    del raw["representations"]
    index.write_text(json.dumps(raw))
    with pytest.raises(BlockError, match=r"index\.json is damaged \(KeyError\('representations'\)\)"):
        open_blocks(folder)
    index.write_text(index.read_text()[:100])
    with pytest.raises(BlockError, match=r"index\.json is damaged"):
        open_blocks(folder)


def test_the_index_counts_recordings_over_all_blocks(tmp_path: Path) -> None:
    """Those pieces alone that have a codec; confidences by the tenth below."""
    recorded = {"source": "recording", "sample_rate": 48000, "num_channels": 2, "has_beat": True}
    rows = block_table(0, 5).to_pylist()
    rows[0] |= {**recorded, "codec": "mp3", "confidence": 0.39}
    rows[1] |= {**recorded, "codec": "opus", "confidence": 0.3, "has_beat": False}
    rows[4] |= {**recorded, "codec": "mp3", "confidence": 1.0, "num_channels": 1}
    for name, part in (("a", rows[:3]), ("b", rows[3:]), ("c", block_table(5, 2).to_pylist())):
        write_block(tmp_path, name, pa.Table.from_pylist(part, schema=BLOCK_SCHEMA))
    index = write_index(tmp_path, ["a", "b", "c"])
    assert index.recorded_s == 4.5 and index.duration_s == 10.5
    assert index.recordings == {
        "codec": {"mp3": 2, "opus": 1},
        "sample_rate": {"48000": 3},
        "num_channels": {"1": 1, "2": 2},
        "has_beat": {"false": 1, "true": 2},
        "confidence": {"0.3": 2, "1.0": 1},
    }
    assert open_blocks(tmp_path).index == index
    assert write_index(tmp_path, ["c"]).recordings == {}
