"""Parts and blocks without Ray: every file ends in a block or in the rejects, once; splits keep their promises."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lstm_core.blocks.assembly import Plan, PlannedBlock, SplitSettings, assemble_block, plan_blocks
from lstm_core.blocks.corpus import Corpus, list_corpus
from lstm_core.blocks.feature_blocks import BlockSet, open_blocks, write_index
from lstm_core.blocks.part_rows import missing_files, read_rows
from lstm_core.blocks.parts import ReadLimits, make_part
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.describe import describe
from lstm_core.notes.midi import write_midi
from lstm_core.notes.reading import read_score
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.representations.four_voice_grid import FOUR_VOICES
from lstm_core.representations.note_events import encode_score
from lstm_core.representations.notes import NOTES


class DirectReader:
    """Reads in this process, and remembers how many files."""

    def __init__(self) -> None:
        self.num_files = 0

    def read_many(self, files: Iterable[tuple[bytes, str]]) -> Iterator[list[Score] | ScoreError]:
        for data, suffix in files:
            self.num_files += 1
            try:
                yield read_score(data, suffix)
            except ScoreError as error:
                yield error


def tune(seed: int, num_notes: int = 60, transpose: int = 0) -> Score:
    random = np.random.default_rng(seed)
    onsets = np.cumsum(random.choice([6, 12, 24], num_notes))
    pitches = 55 + transpose + np.cumsum(random.integers(-3, 4, num_notes)) % 24
    return Score(notes=make_notes(np.stack([onsets, onsets * 0 + 6, onsets * 0 + 73, pitches, onsets * 0 + 90], 1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty tunes in two styles, of which 7 is a copy of 3 and 9 is 3 transposed; and three files that are refused."""
    corpus = tmp_path / "corpus"
    for style in ("airs", "jigs"):
        (corpus / style).mkdir(parents=True)
    for n in range(30):
        score = tune(3, transpose=2) if n == 9 else tune(3 if n == 7 else n)
        (corpus / ("airs", "jigs")[n % 2] / f"{n:02}.mid").write_bytes(write_midi(score))
    (corpus / "airs" / "broken.mid").write_bytes(b"MThd\0\0")
    (corpus / "airs" / "huge.mid").write_bytes(bytes(200_001))
    noise = Score(notes=make_notes([(0, 6, DRUMS, 5, 90)]))  # a drum key outside General MIDI
    (corpus / "jigs" / "noise.mid").write_bytes(write_midi(noise))
    return tmp_path


def prepare(
    folder: Path, *, files_a_part: int = 8, reader: DirectReader | None = None, block_bytes: int = 10**9
) -> tuple[Plan, BlockSet]:
    """The whole job in one process, into folder/blocks."""
    corpus, reader, parts_uri = list_corpus(folder / "corpus"), reader or DirectReader(), str(folder / "parts")
    missing = missing_files(corpus.manifest, read_rows(parts_uri))
    limits = ReadLimits(max_file_bytes=200_000)
    for start in range(0, len(missing), files_a_part):
        make_part(corpus.uri, missing.slice(start, files_a_part), parts_uri, reader, limits)
    plan = make_plan(corpus, parts_uri, block_bytes=block_bytes)
    for planned in plan.blocks:
        assemble_block(parts_uri, str(folder / "blocks"), planned)
    write_index(folder / "blocks", [planned.name for planned in plan.blocks])
    return plan, open_blocks(folder / "blocks", verify=True)


def make_plan(corpus: Corpus, parts_uri: str, *, block_bytes: int = 10**9, **split: float) -> Plan:
    settings = SplitSettings(**split)
    return plan_blocks(corpus, read_rows(parts_uri), parts_uri, settings, block_bytes=block_bytes)


def all_rows(blocks: BlockSet) -> list[dict[str, object]]:
    return pa.concat_tables(blocks.tables).to_pylist()


def test_every_file_is_a_piece_or_a_reject_once(folder: Path) -> None:
    plan, blocks = prepare(folder)
    uris = [row["uri"] for row in all_rows(blocks)] + plan.rejects["uri"].to_pylist()
    assert sorted(uris) == list_corpus(folder / "corpus").manifest["path"].to_pylist()
    assert plan.rejects.to_pylist() == [
        {"uri": "airs/broken.mid", "stage": "parse", "reason": plan.rejects["reason"][0].as_py()},
        {"uri": "airs/huge.mid", "stage": "size", "reason": "the file has 200,001 bytes; the limit is 200,000"},
        {"uri": "jigs/07.mid", "stage": "duplicate", "reason": "duplicate of jigs/03.mid"},
        {"uri": "jigs/noise.mid", "stage": "encode", "reason": "piece 0 holds no note that an event can spell"},
    ]


def test_rows_hold_what_the_score_says(folder: Path) -> None:
    _, blocks = prepare(folder)
    row = next(row for row in all_rows(blocks) if row["uri"] == "jigs/05.mid")
    score = read_score((folder / "corpus" / "jigs" / "05.mid").read_bytes(), ".mid")[0]
    description = describe(score)
    assert row["events"] == {"notes-1": encode_score(score).tobytes()}
    assert row["style"] == "jigs"
    assert (row["key_tonic"], row["key_mode"]) == (description.key_tonic, description.key_mode)
    assert row["bar_pitch_max"] == description.bars.pitch_max.tolist()
    assert row["bar_density"] == pytest.approx(description.bars.density)
    assert len(row["bar_key"]) == row["num_bars"] == description.num_bars


def test_another_representation_leaves_splits_and_groups_as_they_are(folder: Path) -> None:
    """Pieces are the same pieces in the same splits, and each is stored once more where four voices can sing it."""
    dense = Score(notes=make_notes([(24 * n, 24, 0, 50 + 5 * voice + n, 90) for n in range(9) for voice in range(5)]))
    (folder / "corpus" / "airs" / "dense.mid").write_bytes(write_midi(dense))
    _, alone = prepare(folder)
    representations = [NOTES, FOUR_VOICES]
    corpus, parts_uri, blocks_uri = list_corpus(folder / "corpus"), str(folder / "both"), str(folder / "both blocks")
    limits = ReadLimits(max_file_bytes=200_000)
    make_part(corpus.uri, corpus.manifest, parts_uri, DirectReader(), limits, representations)
    settings, names = SplitSettings(), [one.name for one in representations]
    plan = plan_blocks(corpus, read_rows(parts_uri), parts_uri, settings, block_bytes=10**9, representations=names)
    for planned in plan.blocks:
        assemble_block(parts_uri, blocks_uri, planned)
    write_index(blocks_uri, [planned.name for planned in plan.blocks])
    both = open_blocks(blocks_uri, representation="four-voices-1", verify=True)
    assert {block.name for block in both.index.blocks}.isdisjoint(block.name for block in alone.index.blocks)
    events = {}
    for row, plain in zip(all_rows(both), all_rows(alone), strict=True):
        events[row["uri"]] = row.pop("events")
        assert events[row["uri"]]["notes-1"] == plain.pop("events")["notes-1"]  # type: ignore[attr-defined, index]
        assert row == plain
    for uri, found in events.items():
        score = read_score((folder / "corpus" / str(uri)).read_bytes(), ".mid")[0]
        grid = FOUR_VOICES.encode(score)
        assert found["four-voices-1"] == (None if grid is None else grid.tobytes())  # type: ignore[index]
    spelt = sum(found["four-voices-1"] is not None for found in events.values())  # type: ignore[index]
    assert 0 < spelt < len(events) and spelt == sum(both.index.representations[1].num_pieces.values())
    assert spelt == both.num_pieces("train") + both.num_pieces("valid")


def test_near_duplicates_share_group_and_split(folder: Path) -> None:
    _, blocks = prepare(folder)
    place = {row["uri"]: (row["group"], row["split"]) for row in all_rows(blocks)}
    assert place["jigs/03.mid"] == place["jigs/09.mid"]
    assert len({group for group, _ in place.values()}) == len(place) - 1


@pytest.mark.parametrize("files_a_part", [1, 5, 100])
def test_blocks_do_not_depend_on_parts(folder: Path, files_a_part: int) -> None:
    _, expected = prepare(folder, block_bytes=6_000)
    (folder / "parts").rename(folder / "old parts")
    (folder / "blocks").rename(folder / "old blocks")
    _, blocks = prepare(folder, files_a_part=files_a_part, block_bytes=6_000)
    assert blocks.index == expected.index
    assert len(blocks.index.blocks) > 2


def test_a_second_run_reads_only_what_is_new_or_changed(folder: Path) -> None:
    reader = DirectReader()
    plan, before = prepare(folder, reader=reader, block_bytes=6_000)
    assert reader.num_files == 32  # all but the huge one
    prepare(folder, reader=reader, block_bytes=6_000)
    assert reader.num_files == 32
    (folder / "corpus" / "airs" / "new.mid").write_bytes(write_midi(tune(100)))
    (folder / "corpus" / "jigs" / "11.mid").write_bytes(write_midi(tune(101)))
    (folder / "corpus" / "jigs" / "13.mid").unlink()
    _, after = prepare(folder, reader=reader, block_bytes=6_000)
    assert reader.num_files == 34
    uris = [row["uri"] for row in all_rows(after)]
    assert "airs/new.mid" in uris and "jigs/13.mid" not in uris and len(uris) == len(set(uris)) == len(plan.pieces)
    kept = {block.name for block in before.index.blocks} & {block.name for block in after.index.blocks}
    assert len(kept) >= len(before.index.blocks) - 3


def test_a_file_that_is_touched_but_the_same_gives_the_same_blocks(folder: Path) -> None:
    _, before = prepare(folder)
    os.utime(folder / "corpus" / "jigs" / "05.mid", (1, 1))
    _, after = prepare(folder)
    assert after.index == before.index


def test_style_and_licence_change_without_reading_again(folder: Path) -> None:
    reader = DirectReader()
    prepare(folder, reader=reader)
    (folder / "corpus" / "styles.csv").write_text("*,folk,CC0\n")
    _, blocks = prepare(folder, reader=reader)
    assert reader.num_files == 32
    assert blocks.index.styles == ("folk",) and blocks.index.licences == {"CC0": 29}


def test_a_file_that_could_not_be_fetched_is_tried_again(folder: Path) -> None:
    gone, away = folder / "corpus" / "airs" / "02.mid", folder / "away.mid"
    corpus, parts_uri, limits = list_corpus(folder / "corpus"), str(folder / "parts"), ReadLimits()
    gone.rename(away)
    make_part(corpus.uri, corpus.manifest, parts_uri, DirectReader(), limits)
    rejects = make_plan(corpus, parts_uri).rejects
    assert rejects.filter(pc.equal(rejects["uri"], "airs/02.mid"))["stage"].to_pylist() == ["fetch"]
    away.rename(gone)
    missing = missing_files(corpus.manifest, read_rows(parts_uri))
    assert missing["path"].to_pylist() == ["airs/02.mid"]
    make_part(corpus.uri, missing, parts_uri, DirectReader(), limits)
    plan = make_plan(corpus, parts_uri)
    assert "airs/02.mid" in plan.pieces["path"].to_pylist() and "airs/02.mid" not in plan.rejects["uri"].to_pylist()
    assert len(missing_files(corpus.manifest, read_rows(parts_uri))) == 0
    again = missing_files(corpus.manifest, read_rows(parts_uri), retry=True)
    assert again["path"].to_pylist() == ["airs/broken.mid", "airs/huge.mid", "jigs/noise.mid"]


def test_a_truncated_part_is_made_again(folder: Path) -> None:
    prepare(folder)
    part = sorted(path for path in (folder / "parts").iterdir() if not path.name.endswith(".rows.arrow"))[0]
    part.write_bytes(part.read_bytes()[:-1])
    corpus = list_corpus(folder / "corpus")
    assert 0 < len(missing_files(corpus.manifest, read_rows(str(folder / "parts")))) <= 8


def test_splits_are_stable_when_pieces_are_added(folder: Path) -> None:
    prepare(folder)
    corpus, parts_uri = list_corpus(folder / "corpus"), str(folder / "parts")
    plan = make_plan(corpus, parts_uri, valid_share=0.3)
    before = dict(zip(plan.pieces["path"].to_pylist(), plan.pieces["split"].to_pylist(), strict=True))
    for n in range(200, 220):
        (folder / "corpus" / "airs" / f"{n}.mid").write_bytes(write_midi(tune(n)))
    prepare(folder)
    plan = make_plan(list_corpus(folder / "corpus"), parts_uri, valid_share=0.3)
    after = dict(zip(plan.pieces["path"].to_pylist(), plan.pieces["split"].to_pylist(), strict=True))
    assert {path: after[path] for path in before} == before
    assert Counter(after.values())["valid"] == pytest.approx(0.3 * len(after), abs=10)
    other = make_plan(list_corpus(folder / "corpus"), parts_uri, valid_share=0.3, seed=1).pieces["split"].to_pylist()
    assert other != plan.pieces["split"].to_pylist()


def test_small_corpora_get_both_splits_where_they_can(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "0.mid").write_bytes(write_midi(tune(0)))
    plan, blocks = prepare(tmp_path)
    assert blocks.index.num_pieces == {"train": 1, "valid": 0}
    (corpus / "1.mid").write_bytes(write_midi(tune(1)))
    _, blocks = prepare(tmp_path)
    assert blocks.index.num_pieces == {"train": 1, "valid": 1}
    plan = make_plan(list_corpus(corpus), str(tmp_path / "parts"), valid_share=0.99)
    assert sorted(plan.pieces["split"].to_pylist()) == ["train", "valid"]
    plan = make_plan(list_corpus(corpus), str(tmp_path / "parts"), valid_share=0.0)
    assert plan.pieces["split"].to_pylist() == ["train", "train"]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"split\.valid_share is 1\.5"):
        SplitSettings(valid_share=1.5)
    with pytest.raises(ValueError, match=r"limits\.timeout_s is 0"):
        ReadLimits(timeout_s=0)


def test_a_planned_block_is_the_same_on_another_machine(folder: Path) -> None:
    """Its rows travel as Arrow bytes; its name was hidden in metadata of their schema, which any operation drops."""
    plan, _ = prepare(folder, block_bytes=4_000)
    assert len(plan.blocks) >= 4
    for planned in plan.blocks:
        sink = pa.BufferOutputStream()
        table = planned.plain_rows().replace_schema_metadata(None)
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        sent = PlannedBlock.from_plain_rows(pa.ipc.open_stream(sink.getvalue()).read_all())
        assert (sent.name, sent.rows.to_pylist()) == (planned.name, planned.rows.to_pylist())
        assemble_block(str(folder / "parts"), str(folder / "again"), sent)
        name = f"{planned.name}.arrow"
        assert (folder / "again" / "blocks" / name).read_bytes() == (folder / "blocks" / "blocks" / name).read_bytes()
