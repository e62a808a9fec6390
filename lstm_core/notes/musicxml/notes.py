"""The values of single elements of MusicXML: numbers, pitches, ties, meters, tempos, transpositions."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import lru_cache

from lstm_core.notes.musicxml.tree import NotCoveredError

MAX_DIGITS = 12
MAX_BEATS = 256  # of a bar, and the smallest beat
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ALTERING = ("sharp", "flat", "double", "quarter", "slash")  # accidentals that alter, one of these in their names
_UNITS = {"maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5}
_UNITS.update({"16th": 0.25, "32nd": 0.125, "64th": 0.0625})  # beat units in quarters


def whole(text: str | None, *, least: int = 0) -> int:
    """The whole number that a text holds.

    Raises:
        NotCoveredError: it is none, is below `least` or has more than MAX_DIGITS digits.
    """
    if text is not None and text.isdecimal() and len(text) <= MAX_DIGITS and least < 1:
        return int(text)
    try:
        if text is None or len(text) > 4 * MAX_DIGITS:
            raise ValueError
        value = float(text) if "." in text else int(text)
        if value != int(value) or not least <= value < 10**MAX_DIGITS:
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise NotCoveredError(f"a number {(text or '')[:20]!r}") from error
    return int(value)


def midi_pitch(note: ET.Element, pitch: ET.Element) -> int:
    """MIDI number of a written pitch, not yet transposed.

    Raises:
        NotCoveredError: a step, an octave or a microtone that MIDI does not have.
    """
    step = octave = alter = None
    for child in pitch:
        if child.tag == "step":
            step = child.text
        elif child.tag == "octave":
            octave = child.text
        elif child.tag == "alter":
            alter = child.text
    if alter is None and (accidental := note.findtext("accidental")) and any(w in accidental for w in _ALTERING):
        raise NotCoveredError("an accidental without <alter>")  # the intended pitch is unknown
    return _midi(step, octave, alter)


@lru_cache(maxsize=4096)
def _midi(step: str | None, octave: str | None, alter: str | None) -> int:
    semitones = _STEPS.get((step or "").strip())
    if semitones is None or octave is None:
        raise NotCoveredError("a pitch without step or octave")
    if alter is not None and alter.strip():
        semitones += whole(alter, least=-3)
    midi = 12 * (whole(octave) + 1) + semitones
    if not 0 <= midi <= 127:
        raise NotCoveredError("a pitch outside MIDI")
    return midi


def ties(note: ET.Element) -> tuple[bool, bool]:
    """Whether a note goes on into the next of its pitch, and whether it is the rest of the one before."""
    kinds = [tie.get("type") for tie in note.findall("tie")]
    return "start" in kinds, "stop" in kinds


def meter(time: ET.Element) -> tuple[int, int]:
    """Numerator and denominator of a <time>; of 3+2/8 it is 5/8.

    Raises:
        NotCoveredError: it has no beats, several denominators or holds for some staves only.
    """
    beats, types = time.findall("beats"), time.findall("beat-type")
    if len(beats) != 1 or len(types) != 1 or time.get("number") is not None:
        raise NotCoveredError("a meter of an uncommon kind")
    numerator = sum(whole(term, least=1) for term in (beats[0].text or "").split("+"))
    denominator = whole(types[0].text, least=1)
    if max(numerator, denominator) > MAX_BEATS:
        raise NotCoveredError(f"a meter of {numerator}/{denominator}")
    return numerator, denominator


def metronome_bpm(mark: ET.Element) -> float | None:
    """Quarters per minute of a metronome mark; None where it compares two notes or names no number."""
    unit = 0.0
    dotted = 0.0
    bpm = None
    for child in mark:
        if child.tag == "beat-unit":
            if unit:
                return None
            unit = dotted = _UNITS.get((child.text or "").strip(), 0.0)
        elif child.tag == "beat-unit-dot":
            dotted /= 2
            unit += dotted
        elif child.tag == "per-minute" and bpm is None:
            bpm = number(child.text)
    return None if bpm is None else bpm * (unit or 1.0)


def number(text: str | None) -> float | None:
    """The positive decimal number that a text holds, None when it holds something else."""
    digits = (text or "").strip()
    if len(digits) > MAX_DIGITS or not digits.replace(".", "", 1).isdecimal():
        return None
    return float(digits) or None


def transposition(transpose: ET.Element) -> int:
    """Semitones from written to sounding pitch.

    Raises:
        NotCoveredError: it holds for some staves only, or holds no semitones.
    """
    if transpose.get("number") is not None:
        raise NotCoveredError("a transposition of single staves")
    octaves = transpose.findtext("octave-change")
    semitones = whole(transpose.findtext("chromatic"), least=-127)
    return semitones + 12 * (whole(octaves, least=-10) if octaves is not None else 0)
