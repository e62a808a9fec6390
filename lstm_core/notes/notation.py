"""Written music in: MusicXML, ABC and Humdrum become scores, the last two through music21."""

from __future__ import annotations

import re
from typing import Any

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.musicxml.tree import NotCoveredError, check_declarations, unzipped
from lstm_core.notes.performance import perform
from lstm_core.notes.score import Score


def read_notation(data: bytes, suffix: str) -> list[Score]:
    """The scores of one file of MusicXML (.musicxml .xml .mxl), ABC (.abc) or Humdrum (.krn).

    Ties are one note; repeats and endings are played out where they make sense; transposing instruments sound as
    they do; a pickup is preceded by rests, so that barlines agree. Chord symbols above the staff are not played. Tunes
    of an ABC book that cannot be read are named in the tag `left_out` of the first that can.

    Raises:
        ScoreError: it cannot be read, holds no notes or is too long, or music21 is not installed.
    """
    if not data:
        raise ScoreError("the file is empty (0 bytes)")
    if suffix.lower() not in (".abc", ".krn"):
        return [_guarded("MusicXML", _read_musicxml, data)]
    _require_music21()
    if suffix.lower() == ".abc":
        return _read_tunes(_decoded(data))
    parsed = _guarded("Humdrum", _parse_humdrum, data)
    return [_guarded("Humdrum", perform, document) for document in parsed]


def musicxml_text(data: bytes) -> str:
    """The document of a file of MusicXML, unpacked where it is an archive.

    Raises:
        ScoreError: the archive holds no music or too much, or the document declares entities.
        zipfile.BadZipFile: it begins as an archive and is none.
    """
    text = _decoded(unzipped(data) if data[:2] == b"PK" else data)
    check_declarations(text)
    return text


def read_with_music21(text: str) -> Score:
    """The score of a MusicXML document as music21 reads it. Malformed ones raise whatever music21 raises."""
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    importer = MusicXMLImporter()
    importer.xmlText = text
    importer.parseXMLText()
    return perform(importer.stream)


def _read_musicxml(data: bytes) -> Score:
    text = musicxml_text(data)
    try:
        return read_musicxml(text)
    except NotCoveredError:
        _require_music21()
        return read_with_music21(text)


def _require_music21() -> None:
    try:
        import music21  # noqa: F401
    except ImportError as error:
        raise ScoreError(f"needs music21 to be read: pip install 'tonemill[scores]' ({error})") from error


def _guarded(kind: str, function: Any, *arguments: Any) -> Any:
    """What the function returns; any error of music21 becomes a ScoreError."""
    try:
        return function(*arguments)
    except (ScoreError, MemoryError):
        raise
    except Exception as error:  # music21 raises nearly every type there is
        message = " ".join(str(error).split())[:200]
        raise ScoreError(f"broken {kind}: {type(error).__name__}: {message}") from error


def _decoded(data: bytes) -> str:
    """Text of a file: UTF-16 where it says so, UTF-8 where it is, else Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_tunes(text: str) -> list[Score]:
    """Scores of the tunes of an ABC book; the header before the first tune applies to all."""
    head, *tunes = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
    scores: list[Score] = []
    failures: list[str] = []
    for number, tune in enumerate(tunes or [""], start=1):
        try:
            scores.append(_guarded("ABC", lambda source: perform(_parse_abc(source)), head + tune))
        except ScoreError as error:
            if len(tunes) <= 1:
                raise
            failures.append(f"tune {number}: {error}")
    if not scores:
        raise ScoreError(f"none of its {len(tunes)} tunes can be read; {failures[0]}")
    if failures:
        scores[0].tags["left_out"] = "; ".join(failures)
    return scores


def _parse_abc(text: str) -> Any:
    from music21 import abcFormat

    return abcFormat.translate.abcToStreamScore(abcFormat.ABCFile().readstr(text))


def _parse_humdrum(data: bytes) -> list[Any]:
    from music21 import stream
    from music21.converter.subConverters import ConverterHumdrum

    converter = ConverterHumdrum()
    converter.parseData(_decoded(data))
    document = converter.stream
    return list(document.scores) if isinstance(document, stream.Opus) else [document]
