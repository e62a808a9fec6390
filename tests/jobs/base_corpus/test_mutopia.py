"""Which scores of the Mutopia Project are taken, on which terms, as which style."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.base_corpus.mutopia import licence_of, mutopia_pieces, program_of, style_of
from jobs.base_corpus.pieces import BaseCorpusError, LeftOut, Piece
from tests.jobs.base_corpus.shared_corpora import HEADER, PIECES, make_shared


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Public Domain", "Public domain: Mutopia Project"),
        ("CC0 1.0", "CC0 1.0: Mutopia Project"),
        ("Creative Commons Attribution 2.5", "CC BY 2.5: Mutopia Project"),
        ("Creative Commons Attribution 4.0", "CC BY 4.0: Mutopia Project"),
        ("Creative Commons Attribution-ShareAlike 4.0", None),
        ("Creative Commons Attribution 4.0 NonCommercial", None),
        ("CC BY-SA 4.0", None),
        ("", None),
    ],
)
def test_licences_that_let_anyone_use_what_is_made(text: str, line: str | None) -> None:
    licence = licence_of(text)
    assert (licence.line if licence else None) == line
    if licence and "BY" in licence.line:
        assert "creativecommons.org/licenses/by/" in licence.notice and licence.lists_pieces


@pytest.mark.parametrize(
    ("instrument", "genre", "style", "program"),
    [
        ("Piano", "Romantic", "piano", 0),
        ("Piano", "Folk", "folk", None),
        ("Koto", "Folk", "folk", 107),
        ("Harpsichord, Piano", "Baroque", "baroque", 6),
        ("Violin & Clavier", "Baroque", "chamber", None),
        ("Classical Guitar", "Classical", "guitar", 24),
        ("Flute and Guitar", "Classical", "chamber", None),
        ("6 2 guitars and 2 optional voices", "Renaissance", "guitar", 24),
        ("Voice (SATB)", "Hymn", "choral", 52),
        ("SATB, Organ", "Hymn", "choral", 52),
        ("Voice", "Renaissance", "choral", 52),
        ("Voice", "Song", "song", None),
        ("Voice (Bass), Piano", "Romantic", "song", None),
        ("Organ", "Baroque", "organ", 19),
        ("Cello", "Classical", "chamber", 42),
        ("String Quartet", "Classical", "chamber", None),
        ("Violin and Orchestra", "Classical", "orchestral", None),
        ("", "Hymn", "choral", 52),
        ("", "", "chamber", None),
    ],
)
def test_style_and_program_follow_the_instruments(instrument: str, genre: str, style: str, program: int | None) -> None:
    row = {"file": "x.mid", "instrument": instrument, "style": genre}
    assert (style_of(row), program_of(row)) == (style, program)


def test_what_is_not_taken_is_named_with_its_reason(tmp_path: Path) -> None:
    found = list(mutopia_pieces(make_shared(tmp_path) / "mutopia"))
    assert [(item.file, item.style) for item in found if isinstance(item, Piece)] == [
        ("a.mid", "organ"),
        ("b.mid", "piano"),
    ]
    reasons = {item.file: item.reason for item in found if isinstance(item, LeftOut)}
    assert reasons["c.mid"] == "its licence is Creative Commons Attribution-ShareAlike 4.0"
    assert "study of technique" in reasons["d.mid"] and len(reasons) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("\n".join([HEADER, *PIECES[:3]]), "1 files are either not in .* the first is d.mid"),
        ("\n".join([HEADER, *PIECES, PIECES[0].replace("a.mid", "z.mid")]), "the first is z.mid"),
        ("\n".join(PIECES), "lacks its header"),
        ("", "lacks its header"),
    ],
)
def test_a_table_that_does_not_fit_its_folder_is_an_error(tmp_path: Path, table: str, message: str) -> None:
    folder = make_shared(tmp_path) / "mutopia"
    (folder / "PIECES.tsv").write_text(table)
    with pytest.raises(BaseCorpusError, match=message):
        list(mutopia_pieces(folder))
