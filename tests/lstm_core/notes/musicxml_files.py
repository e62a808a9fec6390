"""MusicXML files made for tests."""

from __future__ import annotations

import io
import zipfile

from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.score import NoteArray, Score

BACKUP, FORWARD = "<backup><duration>{}</duration></backup>", "<forward><duration>{}</duration></forward>"
BAR_REST = '<note><rest measure="yes"/><duration>{}</duration></note>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'


def rows(notes: NoteArray) -> list[tuple[int, ...]]:
    return [tuple(int(note[name]) for name in ("onset", "duration", "program", "pitch")) for note in notes]


def xml_note(step: str, octave: int, duration: int, *inner: str, before: str = "") -> str:
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    ties = "".join(part for part in inner if part.startswith("<tie "))
    rest = "".join(part for part in inner if not part.startswith("<tie "))
    length = f"<duration>{duration}</duration>" if duration else ""
    return f"<note>{before}{pitch}{length}{ties}{rest}</note>"


def musicxml(*parts: tuple[str, str], head: str = "") -> bytes:
    """A score of parts, each given by what its score-part holds and by its measures."""
    listed = "".join(f'<score-part id="P{i}">{inner}</score-part>' for i, (inner, _) in enumerate(parts))
    music = "".join(f'<part id="P{i}">{measures}</part>' for i, (_, measures) in enumerate(parts))
    text = f'<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.1">{head}'
    return f"{text}<part-list>{listed}</part-list>{music}</score-partwise>".encode()


def attributes(beats: int = 4, beat_type: int = 4, extra: str = "", divisions: int = 2) -> str:
    time = f"<time><beats>{beats}</beats><beat-type>{beat_type}</beat-type></time>"
    return f"<attributes><divisions>{divisions}</divisions>{time}{extra}</attributes>"


def measure(number: int, *inner: str) -> str:
    return f'<measure number="{number}">{"".join(inner)}</measure>'


VIOLIN = (
    '<part-name>Violin</part-name><score-instrument id="I"><instrument-name>Violin</instrument-name></score-instrument>'
    '<midi-instrument id="I"><midi-channel>1</midi-channel><midi-program>41</midi-program></midi-instrument>'
)


def zipped(name: str, content: bytes, container: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        if container:
            archive.writestr("META-INF/container.xml", container)
        archive.writestr(name, content)
    return packed.getvalue()


def read(*parts: tuple[str, str], head: str = "") -> Score:
    return read_musicxml(musicxml(*parts, head=head).decode())


def pitches(score: Score) -> list[tuple[int, int]]:
    """(onset in quarters, pitch) of all notes."""
    return [(onset // 24, pitch) for onset, _, _, pitch in rows(score.notes)]


def voice(number: int, staff: int = 1) -> str:
    return f"<voice>{number}</voice><staff>{staff}</staff>"


def direction(*kinds: str, after: str = "") -> str:
    inner = "".join(f"<direction-type>{kind}</direction-type>" for kind in kinds)
    return f"<direction>{inner}{after}</direction>"


def words(text: str) -> str:
    return direction(f"<words>{text}</words>")
