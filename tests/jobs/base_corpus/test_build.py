"""The base corpus: the same files every time, each with its terms, and nothing that has no terms."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.base_corpus import sources
from jobs.base_corpus.build import LONG_PIECES, BaseCorpus, choose_pieces, main, notice_text, write_corpus
from jobs.base_corpus.pieces import BaseCorpusError, LeftOut, Licence, Piece
from jobs.base_corpus.sources import all_pieces
from lstm_core.blocks.corpus import list_corpus
from tests.jobs.base_corpus.shared_corpora import make_shared

SHARED = Path(__file__).resolve().parents[4] / "shared" / "corpora"
FREE = Licence(line="CC0 1.0: nobody")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder of corpora; what music21 brings has tests of its own."""
    monkeypatch.setattr(sources, "_music21", lambda: iter(()))
    return make_shared(tmp_path / "shared")


def pieces_of(style: str, count: int) -> list[Piece]:
    return [
        Piece(source="s", file=f"{n}.mid", style=style, licence=FREE, credit="", read=lambda n=n: b"%d" % n)
        for n in range(count)
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_piece_has_style_and_licence_and_texts_that_must_travel_do(shared: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "out", choose_pieces(all_pieces(shared), max_per_style=10))
    corpus = list_corpus(tmp_path / "out")
    rows = {row["path"]: (row["style"], row["licence"]) for row in corpus.manifest.to_pylist()}
    assert rows["game/freedoom-d_e1m1.mid"] == ("game", "BSD 3-Clause: Contributors to the Freedoom project")
    assert rows["film/helland-Cyaron-s-Gate.mid"] == ("film", "CC BY 4.0: Tanner Helland")
    assert rows["film/helland-Thugs.mid"] == ("film", "CC BY 4.0: Tanner Helland")
    assert rows["song/openscore-lieder-lc1.mxl"] == ("song", "CC0 1.0: OpenScore Lieder Corpus")
    assert rows["piano/mutopia-b.mid"] == ("piano", "CC BY 3.0: Mutopia Project")
    assert len(rows) == 13 and all(path.startswith(f"{style}/") for path, (style, _) in rows.items())
    credited = {licence for _, licence in rows.values() if licence.startswith(("BSD", "CC BY"))}
    assert set(corpus.notices) == credited and len(credited) == 4
    assert "Redistribution and use" in corpus.notices["BSD 3-Clause: Contributors to the Blasphemer project"]
    assert "Tanner Helland: Cyaron's Gate" in corpus.notices["CC BY 4.0: Tanner Helland"]
    assert "BrownCJ: Toccatina" in corpus.notices["CC BY 3.0: Mutopia Project"]
    assert "licenses/by/3.0/" in corpus.notices["CC BY 3.0: Mutopia Project"]
    attribution = (tmp_path / "out" / "ATTRIBUTION.md").read_text()
    assert all(line in attribution for line in {licence for _, licence in rows.values()})
    with (tmp_path / "out" / "left-out.csv").open() as file:
        assert {row["file"] for row in csv.DictReader(file)} == {"dummy.mid", "c.mid", "d.mid"}


def test_again_writes_the_same_bytes_and_strange_files_are_refused(shared: Path, tmp_path: Path) -> None:
    corpus = choose_pieces(all_pieces(shared), max_per_style=3)
    write_corpus(tmp_path / "out", corpus)
    first = files_in(tmp_path / "out")
    write_corpus(tmp_path / "out", choose_pieces(all_pieces(shared), max_per_style=3))
    assert files_in(tmp_path / "out") == first
    (tmp_path / "out" / "game" / "mine.mid").write_bytes(b"x")
    with pytest.raises(BaseCorpusError, match=r"holds 1 files .* the first is game/mine\.mid.* empty folder"):
        write_corpus(tmp_path / "out", corpus)


def test_a_smaller_choice_is_part_of_a_larger_one_whatever_the_order() -> None:
    pieces = pieces_of("piano", 40) + pieces_of("organ", 3)
    large = choose_pieces(pieces, max_per_style=20)
    small = choose_pieces(reversed(pieces), max_per_style=5)
    assert small.counts() == {"organ": 3, "piano": 5} and large.counts() == {"organ": 3, "piano": 20}
    assert {piece.path for piece in small.pieces} < {piece.path for piece in large.pieces}
    assert {piece.file for piece in small.pieces if piece.style == "piano"} != {f"{n}.mid" for n in range(5)}
    reasons = {item.reason for item in small.left_out}
    assert len(small.left_out) == 35 and reasons == {"40 pieces of style piano, 5 of them are taken"}


def test_long_pieces_are_fewer_so_that_no_style_outweighs_the_others() -> None:
    corpus = choose_pieces(pieces_of("quartet", 60) + pieces_of("song", 60), max_per_style=50)
    assert corpus.counts() == {"quartet": LONG_PIECES["quartet"], "song": 50}
    assert choose_pieces(pieces_of("quartet", 60), max_per_style=7).counts() == {"quartet": 7}


def test_impossible_choices_are_errors() -> None:
    with pytest.raises(BaseCorpusError, match="takes at least 1"):
        choose_pieces(pieces_of("piano", 2), max_per_style=0)
    with pytest.raises(BaseCorpusError, match=r"would both become piano/s-0\.mid"):
        choose_pieces(pieces_of("piano", 1) * 2, max_per_style=5)


def test_a_notice_that_blocks_would_cut_is_an_error() -> None:
    with pytest.raises(BaseCorpusError, match="blocks keep 20000"):
        notice_text(Licence(line="CC BY 4.0: x", notice="y" * 20_000), [])


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("helland", r"no \.mid file in .*helland.*--shared FOLDER"),
        ("openscore-quartets", r"no \.mxl file in .*openscore-quartets"),
        ("freedoom/COPYING.adoc", r"COPYING\.adoc is missing"),
        ("mutopia/PIECES.tsv", r"PIECES\.tsv is missing"),
    ],
)
def test_a_missing_source_is_named_and_nothing_is_written(
    shared: Path, tmp_path: Path, missing: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BaseCorpusError, match=message):
        choose_pieces(all_pieces(shared), max_per_style=5)
    assert main([str(tmp_path / "out"), "--shared", str(shared)]) == 1
    assert str(path.name).partition(".")[0] in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_terms_that_have_changed_are_an_error(shared: Path) -> None:
    (shared / "helland" / "LICENSE.md").write_text("All rights reserved.")
    with pytest.raises(BaseCorpusError, match="the terms have changed"):
        list(all_pieces(shared))


def test_the_command_says_what_was_taken_and_what_was_not(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "out"), "--shared", str(shared), "--max-per-style", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "film: 3" in lines and "organ: 1" in lines
    assert "left out of helland: 4 (7 pieces of style film, 3 of them are taken)" in lines
    assert "left out of mutopia: 1 (its licence is Creative Commons Attribution-ShareAlike 4.0)" in lines


@pytest.fixture(scope="module")
def real() -> Iterator[BaseCorpus]:
    pytest.importorskip("music21")
    if not SHARED.is_dir():
        pytest.skip("the corpora beside the project are not here")
    yield choose_pieces(all_pieces(SHARED), max_per_style=400)


@pytest.mark.slow
def test_the_real_sources_give_every_style_and_only_free_terms(real: BaseCorpus) -> None:
    counts = real.counts()
    assert min(counts.values()) >= 16 and max(counts.values()) == 400
    assert set(counts) >= {"game", "film", "song", "quartet", "piano", "guitar", "choral", "chamber", "organ", "dance"}
    lines = {piece.licence.line for piece in real.pieces}
    assert not any(word in line for line in lines for word in ("SA", "NC", "ND", "GPL", "unknown"))
    assert all(piece.licence.notice for piece in real.pieces if piece.licence.line.startswith(("CC BY", "BSD")))
    assert all(isinstance(item, LeftOut) and item.reason for item in real.left_out)


@pytest.mark.slow
def test_music21_gives_three_styles(real: BaseCorpus) -> None:
    assert {"choral", "dance", "folk"} == {piece.style for piece in real.pieces if piece.source == "music21"}
