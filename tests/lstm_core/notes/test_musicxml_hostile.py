"""MusicXML that means harm or went wrong: refused with a reason, within the limits, and in no time."""

from __future__ import annotations

import random
import re
import zipfile
from xml.etree.ElementTree import ParseError

import pytest

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes import repeats
from lstm_core.notes.limits import MAX_NOTE_TICKS
from lstm_core.notes.musicxml import tree as musicxml_tree
from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.musicxml.tree import NotCoveredError, unzipped
from lstm_core.notes.notation import read_notation
from tests.lstm_core.notes.musicxml_files import VIOLIN, attributes, measure, musicxml, xml_note, zipped

GOOD = musicxml((VIOLIN, measure(1, attributes(), xml_note("C", 4, 8)))).decode()


def with_doctype(declarations: str, inner: str = "") -> bytes:
    return (
        GOOD.replace("<score-partwise", f"<!DOCTYPE score-partwise [{declarations}]><score-partwise")
        .replace("<part-list>", f"{inner}<part-list>")
        .encode()
    )


LAUGHS = '<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    "data",
    [
        with_doctype(LAUGHS, "<movement-title>&j;</movement-title>"),
        with_doctype('<!ENTITY x SYSTEM "file:///etc/passwd">', "<movement-title>&x;</movement-title>"),
        with_doctype('<!ENTITY % x SYSTEM "http://localhost:9/x.dtd"> %x;'),
        with_doctype(f'<!ATTLIST note words CDATA "{"x" * 1000}">'),
        with_doctype(LAUGHS, "<movement-title>&j;</movement-title>").decode().encode("utf-16"),
    ],
    ids=["laughs", "file", "parameter", "attributes", "laughs in UTF-16"],
)
def test_declarations_are_refused(data: bytes) -> None:
    with pytest.raises(ScoreError, match=r"broken MusicXML: it contains declarations \((ENTITY|ATTLIST)\)"):
        read_notation(data, ".musicxml")


def test_the_usual_doctype_is_read_and_not_fetched() -> None:
    usual = '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD" "http://localhost:9/partwise.dtd"><score-partwise'
    (score,) = read_notation(GOOD.replace("<score-partwise", usual).encode(), ".xml")
    assert len(score.notes) == 1


@pytest.mark.parametrize("where", ["container", "music"])
def test_both_files_of_an_archive_are_bounded(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug: the container was read whole, however much it unpacked to."""
    monkeypatch.setattr(musicxml_tree, "MAX_UNZIPPED_BYTES", 2**20)
    huge = b" " * (2**20 + 1)
    packed = zipped("a.xml", GOOD.encode(), huge) if where == "container" else zipped("a.xml", huge)
    with pytest.raises(ScoreError, match="unpacks to more than 1 MiB"):
        read_notation(packed, ".mxl")


def test_a_container_that_names_other_files_falls_back_to_the_first() -> None:
    container = b'<rootfile full-path="../../etc/passwd"/><rootfile full-path="\xff"/>'
    assert unzipped(zipped("a.xml", b"music", container)) == b"music"
    with pytest.raises(zipfile.BadZipFile):
        unzipped(b"PK no archive")


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        (xml_note("C", 4, 10**11), "lasts more than 4 hours"),
        ("<forward><duration>99999999999</duration></forward>" + xml_note("C", 4, 2), "lasts more than 4 hours"),
        (xml_note("C", 4, 2).replace("<octave>4", "<octave>" + "9" * 6000), "broken MusicXML: ValueError"),
        ("<attributes><divisions>0</divisions></attributes>" + xml_note("C", 4, 2), "broken MusicXML: ZeroDivision"),
        ("<attributes><divisions>many</divisions></attributes>" + xml_note("C", 4, 2), "broken MusicXML: ValueError"),
    ],
    ids=["long note", "late note", "huge octave", "no divisions", "word"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_absurd_numbers_are_refused(bars: str, reason: str) -> None:
    pytest.importorskip("music21")
    with pytest.raises(ScoreError, match=reason):
        read_notation(musicxml((VIOLIN, measure(1, attributes(), bars) + measure(2, xml_note("C", 4, 2)))), ".xml")


def test_a_long_note_within_the_hours_is_cut_and_says_so() -> None:
    score = read_musicxml(musicxml((VIOLIN, measure(1, attributes(), xml_note("C", 4, 2000)))).decode())
    assert score.notes["duration"].tolist() == [MAX_NOTE_TICKS]
    assert score.tags == {"notes_cut": "1"}


def test_repeats_that_multiply_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_PLAYED_BARS", 2000)
    start = '<barline location="left"><repeat direction="forward"/></barline>'
    end = '<barline location="right"><repeat direction="backward" times="1000000"/></barline>'
    bars = "".join(measure(i, attributes() if i == 0 else "", start, xml_note("C", 4, 8)) for i in range(5))
    bars += "".join(measure(i, xml_note("C", 4, 8), end) for i in range(5, 10))
    with pytest.raises(ScoreError, match="plays more than 2,000 bars"):
        read_notation(musicxml((VIOLIN, bars)), ".xml")


def test_an_ending_for_endless_rounds_is_played_eight_times() -> None:
    one = '<barline location="left"><ending number="1-99" type="start"/></barline>'
    end = '<barline location="right"><ending number="1-99" type="stop"/><repeat direction="backward"/></barline>'
    bars = measure(1, attributes(), one, xml_note("C", 4, 8), end)
    assert len(read_musicxml(musicxml((VIOLIN, bars)).decode()).notes) == repeats.MAX_REPEATS


def test_cut_and_disturbed_files_give_scores_or_reasons() -> None:
    """Prefixes and disturbed copies of a file: a score, a ScoreError or a word that it is not covered."""
    rng = random.Random(1)
    bar = measure(1, attributes(), xml_note("C", 4, 4, '<tie type="start"/>'), xml_note("D", 4, 4))
    text = musicxml((VIOLIN, bar + measure(2, xml_note("C", 4, 8, '<tie type="stop"/>')))).decode()
    disturbed = [text[:end] for end in range(0, len(text), 17)]
    digits = [match.start() for match in re.finditer(r"(?<=>)[0-9]", text)]
    for _ in range(300):
        position = rng.choice([rng.randrange(100, len(text)), *rng.sample(digits, 3)])
        disturbed.append(
            text[:position] + rng.choice("0123456789-.<>/ x") + text[position + rng.choice([0, 1, 1, 9]) :]
        )
    outcomes = {"score": 0, "refused": 0}
    for copy in disturbed:
        try:
            outcomes["score"] += len(read_musicxml(copy).notes) > 0
        except (ScoreError, NotCoveredError, ParseError):
            outcomes["refused"] += 1
    assert sum(outcomes.values()) == len(disturbed) and min(outcomes.values()) > 20
