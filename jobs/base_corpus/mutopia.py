"""The Mutopia Project's scores: which may be taken, the style of each by its instruments, and how each is played."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from jobs.base_corpus.engraved import played
from jobs.base_corpus.pieces import BaseCorpusError, LeftOut, Licence, Piece, files_of, text_of

PIECES_NAME = "PIECES.tsv"
_PUBLIC = Licence(line="Public domain: Mutopia Project")
_CC_BY = re.compile(r"(?:Creative Commons Attribution|CC BY) (\d\.\d)")
_STUDY = "a study of technique for one wind instrument: no music to play in the background"
_PART = "one part of a band, not the piece"
_NO_PIECE = re.compile(r"JPSFotF")  # Sousa, The Fairest of the Fair: its parts stand alone
_CHORAL = re.compile(r"SATB|TTBB|TTTB|SSA|SAATB|S\.S\.A|Choir|choir|\(S[AB]\)|Soprani|[Cc]horus")
_KEYBOARD = re.compile(r"harpsichord|clavichord|clavier")
_GUITAR = re.compile(r"guitar|lute|vihuela|mandolin")
_OTHERS = re.compile(r"violin|viola|cello|flute|clarinet|horn|trumpet|harp\b|recorder|bass\b|percussion")
_PROGRAMS = {"piano": 0, "guitar": 24, "baroque": 6, "organ": 19, "choral": 52}  # of styles for one instrument or choir
_SOLO_PROGRAMS = {
    "accordion": 21,
    "cello": 42,
    "clarinet": 71,
    "eb alto saxophone": 65,
    "flute": 73,
    "harpa": 46,
    "horn": 60,
    "koto": 107,
    "recorder": 74,
    "recorder duet": 74,
    "shakuhachi": 77,
    "shamisen": 106,
    "string ensemble": 48,
    "trombone quartet": 57,
    "trumpet": 56,
    "violin": 40,
}  # by the instrument that a piece is for
_BY_GENRE = {"Hymn": "choral", "Song": "song", "strophic with chorus": "song"}  # where no instrument is named
_BY_FILE = {
    "BachJS-BWV996": "guitar",
    "MertzJK-mertz-etude": "guitar",
    "ScriabinA-O2": "piano",
    "MozartWA-KV299": "orchestral",
}  # where neither is


def mutopia_pieces(folder: Path) -> Iterator[Piece | LeftOut]:
    """The pieces of PIECES.tsv (file, composer, title, instrument, style, licence) whose terms let anyone use them.

    Public domain, CC0 and CC BY are taken. ShareAlike is not: weights, and the music made with them, would have to be
    given away under the same terms.

    Raises:
        BaseCorpusError: the folder or the table is missing, or they do not fit together.
    """
    there = {path.name: path for path in files_of(folder, ".mid")}
    rows = list(csv.DictReader(io.StringIO(text_of(folder / PIECES_NAME)), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not {"file", "composer", "title", "instrument", "style", "licence"} <= set(rows[0]):
        raise BaseCorpusError(
            f"{folder / PIECES_NAME} lacks its header file, composer, title, instrument, style, licence."
        )
    unlisted = sorted(there.keys() ^ {row["file"] for row in rows})
    if unlisted:
        raise BaseCorpusError(
            f"{len(unlisted)} files are either not in {folder} or not in its {PIECES_NAME}, the first is {unlisted[0]}."
        )
    for row in sorted(rows, key=lambda row: row["file"]):
        licence, reason = licence_of(row["licence"]), reason_against(row)
        if licence is None:
            reason = f"its licence is {row['licence'] or 'not given'}"
        if licence is None or reason:
            yield LeftOut(source="mutopia", file=row["file"], reason=reason)
            continue
        yield Piece(
            source="mutopia",
            file=row["file"],
            style=style_of(row),
            licence=licence,
            credit=f"{row['composer']}: {row['title']}",
            read=partial(_read, there[row["file"]], program_of(row)),
        )


def licence_of(text: str) -> Licence | None:
    """The licence of a piece; None for one that does not let anyone use what is made of it."""
    if text == "Public Domain":
        return _PUBLIC
    if text.startswith(("CC0", "Creative Commons Zero")):
        return Licence(line="CC0 1.0: Mutopia Project")
    version = _CC_BY.fullmatch(text)
    if version is None:
        return None
    address = f"https://creativecommons.org/licenses/by/{version[1]}/"
    return Licence(
        line=f"CC BY {version[1]}: Mutopia Project",
        notice=f"Scores of the Mutopia Project, CC BY {version[1]}, {address}",
        lists_pieces=True,
    )


def reason_against(row: Mapping[str, str]) -> str:
    """Why a file is no piece of music to learn from; empty where it is one."""
    if row["style"] == "Technique" and row["instrument"] == "Trumpet":
        return _STUDY
    return _PART if _NO_PIECE.search(row["file"]) else ""


def program_of(row: Mapping[str, str]) -> int | None:
    """MIDI program of the one instrument that a piece is for; None of a voice and of several instruments."""
    style = style_of(row)
    return _PROGRAMS[style] if style in _PROGRAMS else _SOLO_PROGRAMS.get(row["instrument"].strip().lower())


def style_of(row: Mapping[str, str]) -> str:
    """Style of a piece, by its instruments, else by its genre."""
    instrument, genre = row["instrument"], row["style"]
    names = instrument.lower()
    if not names:
        by_file = (style for start, style in _BY_FILE.items() if row["file"].startswith(start))
        return next(by_file, _BY_GENRE.get(genre, "chamber"))
    if "orchestra" in names:
        return "orchestral"
    if _CHORAL.search(instrument) or (names == "voice" and genre == "Renaissance"):
        return "choral"
    if "voice" in names and "optional" not in names:
        return "song"
    if genre == "Folk":
        return "folk"
    if _OTHERS.search(names.replace("harpsichord", "")):
        return "chamber"
    if _KEYBOARD.search(names):
        return "baroque"
    if _GUITAR.search(names):
        return "guitar"
    if re.search(r"organ|harmonium", names):
        return "organ"
    return "piano" if "piano" in names else "chamber"


def _read(path: Path, program: int | None) -> bytes:
    return played(path.read_bytes(), program=program)
