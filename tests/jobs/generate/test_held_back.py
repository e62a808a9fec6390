"""What a gate holds back: reported, or made anew where it is another track's music or a training piece's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.command_line import main as cli
from jobs.generate.run import GenerateRecipe, run_generate
from lstm_core.catalogue.folder import list_tracks
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from lstm_core.notes.midi import read_midi
from lstm_core.orders.order_file import read_order
from lstm_core.originality.index import build_index
from tests.jobs.generate.rows import HEADER, ROWS, contents, generate_rows, saved_run, write_order
from tests.lstm_core.originality.melodies import random_melody, score_of
from tests.lstm_core.tiny import tiny_facts, tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]
GATES_FAIL = "59,62,0.05,0.05"  # pitch_low, pitch_high, temperature, top_p: hardly more than one note


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_run(tmp_path_factory.mktemp("run"))


def test_a_track_that_never_passes_is_reported_and_the_others_are_made(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = f"{HEADER},pitch_low,pitch_high,temperature,top_p"
    order = write_order(tmp_path, [f"{ROWS[0]},,,,", f"dull,6,120,C,true,piano,,9,{GATES_FAIL}"], header)
    catalogue = tmp_path / "catalogue"
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", str(run_folder), str(order), str(catalogue)])
    shown = capsys.readouterr()
    assert ended.value.code == 3 and "1 tracks made, 0 were there, 1 failed" in shown.out
    failures = pq.read_table(catalogue / "catalog" / "failures.parquet").to_pylist()
    assert [(row["name"], row["num_attempts"]) for row in failures] == [("dull", 4)]
    assert "one_pitch is" in failures[0]["reason"] and "dull" in (catalogue / "index.html").read_text()
    assert [record.name for record in list_tracks(catalogue)] == ["one"]
    assert len(list((catalogue / "tracks").iterdir())) == 1
    generate_rows(run_folder, tmp_path, [ROWS[1]])
    failures = pq.read_table(catalogue / "catalog" / "failures.parquet").to_pylist()
    assert [row["name"] for row in failures] == ["dull"]  # another order does not make it forgotten


def test_of_two_tracks_with_the_same_notes_one_is_made_anew(run_folder: Path, tmp_path: Path) -> None:
    """Also when the one that comes first is made by a second run."""
    header = "name,duration_s,bpm,key,seed,loudness_lufs"
    rows = [f"n{loudness},6,120,D,11,-{loudness}" for loudness in (14, 16)]
    catalogue = tmp_path / "catalogue"
    order = read_order(write_order(tmp_path, rows, header))
    result = run_generate(str(run_folder), order, str(catalogue), GenerateRecipe())
    assert not result.failures and len({record.score_fingerprint for record in result.records}) == 2
    assert sorted(record.attempt for record in result.records) == [0, 1]
    whole = contents(catalogue)
    first = result.records[0].attempt  # of the two the one that kept its first take is left out
    folder = tmp_path / "part"
    folder.mkdir()
    part = read_order(write_order(folder, [rows[1 if first == 0 else 0]], header))
    run_generate(str(run_folder), part, str(folder / "catalogue"), GenerateRecipe())
    run_generate(str(run_folder), order, str(folder / "catalogue"), GenerateRecipe())
    assert contents(folder / "catalogue") == whole


def test_a_track_with_the_notes_of_another_order_is_made_anew_and_the_older_one_stays(
    run_folder: Path, tmp_path: Path
) -> None:
    """Also by a run that was killed before all of the order was there."""
    header = "name,duration_s,bpm,key,instruments,seed,loudness_lufs"
    catalogue = tmp_path / "catalogue"
    rows = [f"n{seed},40,120,D,flute,{seed},-14" for seed in (11, 12)]
    first = run_generate(
        str(run_folder), read_order(write_order(tmp_path, rows, header)), str(catalogue), GenerateRecipe()
    )
    older = contents(catalogue)
    assert [record.attempt for record in first.records] == [0, 0] and first.records[0].notes_signature
    softer = read_order(write_order(tmp_path, [f"n{seed},40,120,D,flute,{seed},-16" for seed in (11, 12, 13)], header))
    second = run_generate(str(run_folder), softer, str(catalogue), GenerateRecipe())
    assert [record.attempt for record in second.records] == [1, 1, 0] and not second.failures
    both = contents(catalogue)
    assert older.items() <= both.items()
    assert len({record.score_fingerprint for record in [*first.records, *second.records]}) == 5
    shutil.rmtree(catalogue / second.records[1].folder)  # as if it had been killed before this one
    again = run_generate(str(run_folder), softer, str(catalogue), GenerateRecipe())
    assert again.num_made == 1 and contents(catalogue) == both


def test_a_take_that_stands_in_the_training_pieces_is_made_anew(run_folder: Path, tmp_path: Path) -> None:
    header = "name,duration_s,bpm,key,instruments,seed"
    order = read_order(write_order(tmp_path, ["copied,40,120,D,flute,11"], header))
    (free,) = run_generate(str(run_folder), order, str(tmp_path / "free"), GenerateRecipe()).records
    assert free.attempt == 0 and free.longest_shared_run is None
    score = read_midi((tmp_path / "free" / free.folder / "score.mid").read_bytes())
    index = build_index([("memorised", score), ("other", score_of(*random_melody(1, 60)))])
    save_checkpoint(tmp_path / "run", quantised_unseen(tiny_model(3)), tiny_facts(), runs=[index])
    (record,) = run_generate(str(tmp_path / "run"), order, str(tmp_path / "catalogue"), GenerateRecipe()).records
    assert record.attempt == 1 and record.longest_shared_run == 0 and record.score_fingerprint != free.score_fingerprint
    assert [gate.value for gate in record.gates if gate.name == "original"] == [0.0]
