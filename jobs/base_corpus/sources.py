"""The sources of the base corpus: music21's free scores, games, songs and quartets; mutopia.py has the largest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jobs.base_corpus.mutopia import mutopia_pieces
from jobs.base_corpus.pieces import BaseCorpusError, LeftOut, Licence, Piece, files_of, text_of
from jobs.demo import bundled_scores

CC_BY_4 = "https://creativecommons.org/licenses/by/4.0/"
DUMMIES = ("dummy.mid",)  # of Freedoom: stands for levels without music


def all_pieces(shared: Path) -> Iterator[Piece | LeftOut]:
    """Every piece that may be taken, and every file that is not.

    Raises:
        BaseCorpusError: a source is missing, or its licence is not the one that is expected.
        TonemillError: music21 is not installed.
    """
    yield from _music21()
    yield from _game(shared / "freedoom", "COPYING.adoc", "Freedoom")
    yield from _game(shared / "blasphemer", "COPYING.md", "Blasphemer")
    yield from _helland(shared / "helland")
    yield from _openscore(shared / "openscore-lieder", "song", "OpenScore Lieder Corpus")
    yield from _openscore(shared / "openscore-quartets", "quartet", "OpenScore String Quartets")
    yield from mutopia_pieces(shared / "mutopia")


def _music21() -> Iterator[Piece]:
    for name, bundled in bundled_scores.SOURCES.items():
        licence, style = Licence(line=bundled.licence), bundled.base_style
        for score in bundled_scores.scores_of_style(name):
            read = partial(_bytes_of, score)
            yield Piece(source="music21", file=score.name, style=style, licence=licence, credit="", read=read)


def _bytes_of(score: bundled_scores.BundledScore) -> bytes:
    return score.data


def _game(folder: Path, copying: str, project: str) -> Iterator[Piece | LeftOut]:
    files = files_of(folder, ".mid")
    text = _expected(folder / copying, f"Contributors to the {project} project", "Redistribution and use in source")
    licence = Licence(line=f"BSD 3-Clause: Contributors to the {project} project", notice=text)
    for path in files:
        if path.name in DUMMIES:
            yield LeftOut(source=folder.name, file=path.name, reason="stands for missing music, holds none")
        else:
            yield _piece(path, "game", licence, credit=f"Contributors to the {project} project")


def _helland(folder: Path) -> Iterator[Piece]:
    files = files_of(folder, ".mid")
    _expected(folder / "LICENSE.md", "Creative Commons Attribution 4.0 International Public License")
    licence = Licence(
        line="CC BY 4.0: Tanner Helland", notice=f"Music by Tanner Helland, CC BY 4.0, {CC_BY_4}", lists_pieces=True
    )
    for path in files:
        yield _piece(path, "film", licence, credit=f"Tanner Helland: {path.stem}")


def _openscore(folder: Path, style: str, name: str) -> Iterator[Piece]:
    files = files_of(folder, ".mxl")
    _expected(folder / "LICENSE.txt", "CC0 1.0 Universal")
    for path in files:
        yield _piece(path, style, Licence(line=f"CC0 1.0: {name}"), credit="")


def _piece(path: Path, style: str, licence: Licence, *, credit: str) -> Piece:
    return Piece(
        source=path.parent.name, file=path.name, style=style, licence=licence, credit=credit, read=path.read_bytes
    )


def _expected(path: Path, *wordings: str) -> str:
    """The text of a licence.

    Raises:
        BaseCorpusError: it is missing, or another one.
    """
    text = text_of(path)
    for wording in wordings:
        if wording not in text:
            raise BaseCorpusError(
                f"{path} does not say {wording!r}: the terms have changed. Read them, then change sources.py."
            )
    return text
