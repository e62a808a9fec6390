"""What is taken of music21's scores: nothing that claims rights, the same choice every time."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("music21")

from jobs.demo.bundled_scores import SOURCES, build_corpus, main
from lstm_core.blocks.corpus import list_corpus
from lstm_core.foundation.errors import TonemillError
from lstm_core.notes.reading import read_score


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_the_same_request_gives_the_same_files_and_a_smaller_one_some_of_them(tmp_path: Path) -> None:
    assert build_corpus(tmp_path / "a", {"chorale": 6, "jig": 9}) == {"chorale": 6, "jig": 9}
    build_corpus(tmp_path / "b", {"jig": 9, "chorale": 6})
    build_corpus(tmp_path / "c", {"chorale": 2})
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    few = {name: data for name, data in _files(tmp_path / "c").items() if name != "styles.csv"}
    assert len(few) == 2 and few.items() <= _files(tmp_path / "a").items()


@pytest.mark.slow
def test_enough_is_bundled_for_the_demo_and_nothing_of_it_claims_rights(tmp_path: Path) -> None:
    counts = build_corpus(tmp_path, dict.fromkeys(SOURCES, 10_000))
    assert counts["chorale"] >= 40 and counts["reel"] >= 300 and counts["jig"] >= 200 and counts["hornpipe"] >= 200
    names = set(_files(tmp_path))
    assert "chorale/bwv66.6.mxl" in names
    assert "chorale/bwv269.mxl" not in names  # its page carries a copyright line
    assert "chorale/bwv846.mxl" not in names  # a prelude
    for name, data in _files(tmp_path).items():
        if name.endswith(".abc"):
            assert b"copyright" not in data.lower() and "©".encode() not in data, name


def test_every_file_has_its_style_and_licence(tmp_path: Path) -> None:
    build_corpus(tmp_path, {"chorale": 2, "air": 3})
    build_corpus(tmp_path, {"reel": 2})
    manifest = list_corpus(tmp_path).manifest.to_pylist()
    assert sorted({(row["path"].split("/")[0], row["style"]) for row in manifest}) == [
        ("air", "folk"), ("chorale", "choral"), ("reel", "dance")
    ]  # fmt: skip
    assert all(row["licence"] == SOURCES[row["path"].split("/")[0]].licence for row in manifest)
    with (tmp_path / "styles.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_tunes_of_a_book_stand_alone_and_have_a_tempo(tmp_path: Path) -> None:
    build_corpus(tmp_path, {"air": 12})
    for path in (tmp_path / "air").iterdir():
        text = path.read_text()
        assert text.count("X:") == 1 and text.count("\nQ:") == 1
        scores = read_score(path.read_bytes(), ".abc")
        assert len(scores) == 1 and scores[0].tempos[0].bpm != 120.0


def test_user_errors_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TonemillError, match="no bundled style 'polka'; there are air, chorale"):
        build_corpus(tmp_path, {"polka": 3})
    with pytest.raises(TonemillError, match="0 scores of style jig"):
        build_corpus(tmp_path, {"jig": 0})
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--style", "jig"])
    assert "STYLE=COUNT, got 'jig'" in capsys.readouterr().err
