"""Instruments of the parts of a MusicXML score, as the rest of the package plays them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lstm_core.notes.musicxml.tree import NotCoveredError
from lstm_core.notes.written import PROGRAM

# Names that are met in nearly every file; what music21 makes of them (a test holds the two together).
_PROGRAMS = {
    "piano": 0,
    "pianoforte": 0,
    "grand piano": 0,
    "klavier": 0,
    "voice": 53,
    "singstimme": 53,
    "soprano": 53,
    "alto": 53,
    "tenor": 53,
    "bass": 53,
    "baritone": 53,
    "violin": 40,
    "violin 1": 40,
    "violin 2": 40,
    "viola": 41,
    "violoncello": 42,
    "cello": 42,
    "flute": 73,
    "oboe": 68,
    "harpsichord": 6,
}
_PIANOS = range(6)  # default programs of notation software: there the name counts
_PITCHED = [*range(6, 112), *range(120, 128)]  # programs of instruments that play pitches


@dataclass(frozen=True, kw_only=True)
class Instrument:
    program: int | None = None  # None: the part's name decides
    is_drum: bool = False
    drum_key: int | None = None


def instruments_of(score_part: ET.Element) -> dict[str, Instrument]:
    """Instruments of a part by their ids; the one that plays where a note names none stands under "".

    Raises:
        NotCoveredError: the entries cannot be understood, or music21 is needed and not installed.
    """
    names = {entry.get("id", ""): entry for entry in score_part.findall("score-instrument")}
    sounds = {entry.get("id", ""): entry for entry in score_part.findall("midi-instrument")}
    first_name = next(iter(names.values()), None)
    first_sound = next(iter(sounds.values()), None)
    found = {"": _instrument(first_sound, first_name)}
    if len(sounds) > 1:
        found.update((id_, _instrument(sound, names.get(id_))) for id_, sound in sounds.items())
    return found


def part_name(score_part: ET.Element) -> str:
    """Its name on one line; the name of its first instrument where it has none."""
    name = score_part.findtext("part-name") or score_part.findtext("score-instrument/instrument-name") or ""
    return name.strip().replace("\n", " ")


def named_program(name: str) -> int:
    """General MIDI program of an instrument or a voice called `name`, PROGRAM when it is unknown."""
    if not name:
        return PROGRAM
    known = _PROGRAMS.get(name.lower())
    return known if known is not None else _named_by_music21(name)


def _instrument(sound: ET.Element | None, name: ET.Element | None) -> Instrument:
    unpitched, program, channel = ("", "", "")
    if sound is not None:
        unpitched = _number(sound, "midi-unpitched")
        program = _number(sound, "midi-program")
        channel = _number(sound, "midi-channel")
    text = ((name.findtext("instrument-name") or "") if name is not None else "").strip()
    return _resolved(unpitched, program, channel, text)


def _number(entry: ET.Element, tag: str) -> str:
    """The digits of a child, empty when it is missing or empty."""
    text = (entry.findtext(tag) or "").strip()
    if text and not re.fullmatch(r"[0-9]{1,3}", text):
        raise NotCoveredError(f"<{tag}> that is no number")
    return text


@lru_cache(maxsize=4096)
def _resolved(unpitched: str, program: str, channel: str, name: str) -> Instrument:
    """The instruments of these entries; only unambiguous ones are resolved without music21."""
    number = max(int(program) - 1, 0) if program else None
    if not unpitched and channel != "10":
        if number in _PITCHED:
            return Instrument(program=number)
        if (number is None or number in _PIANOS) and not name:
            return Instrument(program=number)
        if number in _PIANOS and name.lower() in _PROGRAMS:
            return Instrument(program=_PROGRAMS[name.lower()])
        if number is None and name.lower() in _PROGRAMS:
            return Instrument()
    return _resolved_by_music21(unpitched, program, channel, name)


def _resolved_by_music21(unpitched: str, program: str, channel: str, name: str) -> Instrument:
    parser = _music21("musicxml.xmlToM21").PartParser()
    entry = ET.Element("score-part", id="P1")
    ET.SubElement(ET.SubElement(entry, "score-instrument", id="I1"), "instrument-name").text = name or None
    sound = ET.SubElement(entry, "midi-instrument", id="I1")
    for tag, text in (("midi-channel", channel), ("midi-program", program), ("midi-unpitched", unpitched)):
        ET.SubElement(sound, tag).text = text or None
    if not (unpitched or program):
        entry.remove(sound)
    if not name:
        entry.remove(entry[0])
    found = parser.getDefaultInstrument(entry)
    return Instrument(
        program=None if found.midiProgram is None else int(found.midiProgram) & 127,
        is_drum="UnpitchedPercussion" in found.classSet or found.midiChannel == 9,
        drum_key=getattr(found, "percMapPitch", None),
    )


@lru_cache(maxsize=4096)
def _named_by_music21(name: str) -> int:
    instrument = _music21("instrument")
    try:
        program = instrument.fromString(name).midiProgram
    except Exception:  # InstrumentException for most names, others for odd ones
        program = None
    return PROGRAM if program is None else int(program)


def _music21(module: str) -> Any:
    """A module of music21, which knows more names of instruments than this file."""
    from importlib import import_module

    try:
        return import_module(f"music21.{module}")
    except ImportError as error:
        raise NotCoveredError("an instrument that only music21 knows") from error
