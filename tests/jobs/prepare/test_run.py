"""`tonemill prepare` through a real Ray: bad input, runs that go on, and a driver that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.command_line.inspect_blocks import inspect_blocks
from jobs.prepare.corpus_reading import cut_parts
from jobs.prepare.recipe import PrepareRecipe
from jobs.prepare.run import PrepareResult, run_prepare
from jobs.runtime.recipe import load_recipe
from jobs.train.run import run_train
from lstm_core.blocks.assembly import SplitSettings
from lstm_core.blocks.corpus import CorpusError, list_corpus
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.foundation.errors import BlockError, RecipeError, RepresentationError
from lstm_core.model.checkpoint import load_checkpoint
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Score, make_notes
from lstm_core.training.run import run_training
from tests.lstm_core.block_sets import tiny_recipe
from tests.lstm_core.block_sets import write_tunes as write_blocks

SHARED = Path(__file__).resolve().parents[4] / "shared" / "corpora"


def write_tunes(folder: Path, first: int, count: int, num_notes: int = 100) -> None:
    """Random tunes of numbers first to first + count, a folder for each tens digit."""
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        onsets = np.cumsum(random.choice([6, 12, 24], num_notes))
        pitches = 55 + np.cumsum(random.integers(-3, 4, num_notes)) % 24
        notes = make_notes(np.stack([onsets, onsets * 0 + 6, onsets * 0 + number % 128, pitches, onsets * 0 + 90], 1))
        path = folder / f"set {number % 10}" / f"tüne {number}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write_midi(Score(notes=notes)))


def content(blocks: Path) -> dict[str, bytes]:
    """Every file of a block set by its path, without the parts, the manifest (which holds times) and pictures."""
    names = [path for path in sorted((blocks / "blocks").iterdir())] + [
        blocks / "index.json",
        blocks / "rejects.parquet",
    ]
    return {str(path.relative_to(blocks)): path.read_bytes() for path in names}


def uris(blocks: Path) -> Counter[str]:
    """How often each file is in the blocks or the rejects."""
    rows = pa.concat_tables(open_blocks(blocks, verify=True).tables)["uri"].to_pylist()
    return Counter(rows + pq.read_table(blocks / "rejects.parquet")["uri"].to_pylist())


def check_summary(blocks: Path, result: PrepareResult, parts: set[str]) -> None:
    """A first run of all files: its summary holds what is in the blocks, within the time that the cores had."""
    message = json.loads((blocks / "summaries" / f"{blocks.name}.prepare.json").read_text())
    assert message["units"] == {
        "files": result.num_files,
        "pieces": sum(result.index.num_pieces.values()),
        "audio_s": pytest.approx(result.index.duration_s, abs=0.01),
        "rejects": result.num_refused,
        "duplicates": result.rejects.get("duplicate", 0),
        "blocks": len(result.index.blocks),
    }
    assert set(message["cpu_s"]) == parts | {"driver"} and min(message["cpu_s"].values()) > 0.0
    assert sum(message["cpu_s"].values()) <= message["wall_s"] * (os.cpu_count() or 1) + 0.5
    assert message["rates"]["pieces_per_s"] == pytest.approx(message["units"]["pieces"] / message["wall_s"])
    assert message["retries"] == 0 and message["nodes"]["by_kind"] == {"head": 1}


def write_mixed_corpus(corpus: Path) -> None:
    """Forty tunes, five damaged files, a copy and a text."""
    write_tunes(corpus, 0, 40)
    good = (corpus / "set 0" / "tüne 0.mid").read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, 500, dtype=np.uint8).tobytes()
    bad = {
        "empty.mid": b"",
        "cut.mid": good[: len(good) // 2],
        "noise.mid": noise,
        "noise.xml": noise,
        "empty.abc": b"",
        "copy.mid": good,
    }
    for name, data in bad.items():
        (corpus / name).write_bytes(data)
    (corpus / "README.txt").write_text("no score")


def check_added_representation(corpus: Path, blocks: Path, recipe: PrepareRecipe, before: PrepareResult) -> None:
    """A second representation: everything is read again, the first stays as it was."""
    both = replace(recipe, representations=("notes-1", "four-voices-1"))
    added = run_prepare(str(corpus), str(blocks), both, num_workers=2)
    assert added.num_read == added.num_files and added.index.num_pieces == before.index.num_pieces
    assert any("differs from the one before in representations" in w and "read again" in w for w in added.warnings)
    notes, voices = added.index.representations
    assert notes == before.index.representations[0]
    assert (voices.name, voices.dtype) == ("four-voices-1", "uint8") and voices.num_pieces["train"] > 0


@pytest.mark.slow
def test_good_and_bad_files_together_and_again(
    tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TONEMILL_PRICES", '{"currency": "EUR", "head": 3.6, "cpu": 99.0}')
    corpus, blocks = tmp_path / "my corpus", tmp_path / "blocks"
    write_mixed_corpus(corpus)
    result = run_prepare(str(corpus), str(blocks), num_workers=2)
    assert set(uris(blocks)) == set(list_corpus(corpus).manifest["path"].to_pylist())
    assert set(uris(blocks).values()) == {1}
    rejects = {row["uri"]: row for row in pq.read_table(blocks / "rejects.parquet").to_pylist()}
    assert {"empty.mid", "noise.mid", "noise.xml", "empty.abc"} <= set(rejects)
    # "copy.mid" comes before "set 0/...", so it is the one that stays.
    assert rejects["set 0/tüne 0.mid"]["reason"] == "duplicate of copy.mid"
    assert (result.num_files, result.num_read) == (46, 46)
    check_summary(blocks, result, {"read"})
    assert result.summary is not None and result.summary.cost == {
        "currency": "EUR",
        "total": pytest.approx(result.summary.wall_s / 1000),
        "per_audio_hour": pytest.approx(result.summary.wall_s / 1000 / (result.index.duration_s / 3600)),
    }
    summary = Path(result.summary_uri).read_bytes()
    assert f"{result.summary.cost['total']:.6f} EUR".encode() in summary
    page = (blocks / "report.html").read_text()
    assert "set 3" not in page and "tüne 0.mid" in page and page.count("data:image/png;base64,") == 1
    before = content(blocks)

    again = run_prepare(str(corpus), str(blocks), num_workers=2)
    assert (again.num_read, again.num_built) == (0, 0)
    assert content(blocks) == before
    assert again.summary is None and Path(result.summary_uri).read_bytes() == summary

    (corpus / "set 1" / "tüne 1.mid").unlink()
    write_tunes(corpus, 40, 2)
    third = run_prepare(str(corpus), str(blocks), num_workers=2)
    assert third.num_read == 2
    assert third.summary is not None and third.summary.units["pieces"] == third.summary.units["files"] == 2
    assert 0 < third.summary.units["audio_s"] < 0.2 * third.index.duration_s
    assert set(uris(blocks)) == set(list_corpus(corpus).manifest["path"].to_pylist())

    recipe = PrepareRecipe(split=SplitSettings(seed=1, valid_share=0.3), block_bytes=8_000)
    fourth = run_prepare(str(corpus), str(blocks), recipe, num_workers=2)
    assert fourth.num_read == 0 and fourth.num_built == len(fourth.index.blocks) > 2
    assert any(
        "differs from the one before in block_bytes, split.seed, split.valid_share" in w for w in fourth.warnings
    )
    assert load_recipe(PrepareRecipe, blocks / "recipe.toml") == recipe
    stored = {path.name.partition(".")[0] for path in (blocks / "blocks").iterdir()}
    assert stored == {entry.name for entry in fourth.index.blocks}

    check_added_representation(corpus, blocks, recipe, fourth)
    inspect_blocks(str(blocks))
    shown = " ".join(capsys.readouterr().out.split())
    assert "four-voices-1: soprano 47, alto 47, tenor 47, bass 47 (uint8)" in shown
    run_training(blocks, tmp_path / "run", tiny_recipe(steps=2, representation="four-voices-1"))
    assert load_checkpoint(tmp_path / "run" / "checkpoint").facts.representation == "four-voices-1"


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path: Path, ray_cluster: None) -> None:
    """kill -9 of the driver in the middle of reading; the next run reads the rest, and no file counts twice."""
    corpus = tmp_path / "corpus"
    write_tunes(corpus, 0, 240, num_notes=2_000)
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    command = [sys.executable, "-m", "jobs.command_line.main", "prepare", str(corpus), str(killed), "--workers", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    while not list(killed.rglob("*.rows.arrow")):
        assert driver.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.005)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    assert not (killed / "index.json").exists()
    check_summary(undisturbed, run_prepare(str(corpus), str(undisturbed), num_workers=2), {"read", "build"})
    resumed = run_prepare(str(corpus), str(killed), num_workers=2)
    assert 0 < resumed.num_read < 240
    assert resumed.summary is not None and resumed.summary.units["pieces"] == resumed.num_read
    assert content(killed) == content(undisturbed)
    assert set(uris(killed).values()) == {1} and len(uris(killed)) == 240


@pytest.mark.slow
def test_a_corpus_of_one_piece_and_one_of_none(tmp_path: Path, ray_cluster: None) -> None:
    one, none = tmp_path / "one", tmp_path / "none"
    write_tunes(one, 0, 1)
    result = run_prepare(str(one), str(tmp_path / "blocks"), num_workers=1)
    assert result.index.num_pieces == {"train": 1, "valid": 0}
    assert any("no valid split" in warning for warning in result.warnings)
    none.mkdir()
    (none / "a.mid").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"None of the 1 files of .*none became a piece\. Most often: .*\(1 times\)"):
        run_prepare(str(none), str(tmp_path / "no blocks"), num_workers=1)
    assert pq.read_table(tmp_path / "no blocks" / "rejects.parquet")["uri"].to_pylist() == ["a.mid"]
    assert not (tmp_path / "no blocks" / "index.json").exists()


@pytest.mark.slow
def test_real_game_music(tmp_path: Path, ray_cluster: None) -> None:
    if not (SHARED / "freedoom").exists():
        pytest.skip("../shared/corpora/freedoom is not here")
    result = run_prepare(str(SHARED / "freedoom"), str(tmp_path), num_workers=2)
    assert result.num_files == 112 and result.rejects == {"duplicate": 1}
    assert result.index.styles == ("freedoom",)
    assert result.index.duration_s / 3600 == pytest.approx(4.9, abs=0.1)
    assert next(iter(result.index.licences)).startswith("Copyright © 2001-2024 Contributors to the Freedoom project")
    assert sum(result.index.num_pieces.values()) == 111 and result.index.num_pieces["valid"] >= 1


def test_a_representation_that_there_is_not_is_refused_before_any_work(tmp_path: Path) -> None:
    for names in ([], ["codec-1"], ["notes-1", "notes-1"]):
        with pytest.raises(RecipeError, match="must name one or more of notes-1, four-voices-1, plan-1, parts-1, each"):
            load_recipe(PrepareRecipe, None, {"representations": names})
    blocks = write_blocks(tmp_path / "blocks", 2, 1)
    with pytest.raises(RepresentationError, match="no representation 'codec-1'"):
        run_train(str(blocks), str(tmp_path / "run"), tiny_recipe(representation="codec-1"))
    with pytest.raises(BlockError, match="holds its pieces as notes-1, not as four-voices-1"):
        run_train(str(blocks), str(tmp_path / "run"), tiny_recipe(representation="four-voices-1"))
    assert not (tmp_path / "run").exists()


def test_parts_share_the_work_evenly_and_hold_every_file_once() -> None:
    names = [f"{n}.mid" for n in range(2_000)] + [f"{n}.krn" for n in range(20)]
    files = pa.table({"path": names})
    parts = cut_parts(files, 2)
    assert sorted(name for part in parts for name in part["path"].to_pylist()) == sorted(names)
    costs = [sum(100 if name.endswith(".krn") else 1 for name in part["path"].to_pylist()) for part in parts]
    assert max(costs) <= 2 * 500 + 100 and len(parts) >= 8
    assert [part["path"].to_pylist() for part in cut_parts(files.slice(0, 1), 64)] == [["0.mid"]]
    assert cut_parts(files.slice(0, 0), 2) == []
