"""One part of a MusicXML score, bar by bar: what sounds, and its tempos, meters and repeats."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lstm_core.notes.musicxml.instruments import Instrument, instruments_of, named_program, part_name
from lstm_core.notes.musicxml.notes import meter, metronome_bpm, midi_pitch, number, ties, transposition, whole
from lstm_core.notes.musicxml.tree import NotCoveredError
from lstm_core.notes.repeats import CODA, SEGNO, sign_of
from lstm_core.notes.score import DRUMS
from lstm_core.notes.written import GRACE_QUARTERS, SUDDEN, VELOCITIES, Sound

ACCENTS = {"accent": 16, "strong-accent": 24}  # added to the velocity
SHORTENED = {"staccato": 2, "spiccato": 2, "staccatissimo": 4}  # divisors of the length
_WHOLE = ("", "whole", "breve")  # types of rests that may stand for a bar of any length


@dataclass(kw_only=True)
class PartBar:
    """A bar of one part; times are units from its beginning."""

    by_meter: int  # its length by the meter of the part
    filled: int = 0  # where its last note or rest ends, whole-bar rests left out
    rest: int = 0  # where a rest ends that may stand for a bar of any length
    sounds: list[Sound] = field(default_factory=list)
    tempos: list[tuple[int, float]] = field(default_factory=list)  # bpm
    meters: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)  # of lstm_core.notes.repeats
    barlines: list[ET.Element] = field(default_factory=list)


@dataclass(slots=True)
class _Stroke:
    """A note or a chord, or a rest without members."""

    at: int
    voice: str
    staff: int
    is_grace: bool
    length: int
    members: list[tuple[int, int, bool, bool]]  # program, pitch, is tied on, is tied back
    marks: list[str]  # articulations


class PartReader:
    """Reads the bars of a part in order.

    Args:
        part: The element with the measures.
        score_part: Its entry in the part-list.
        per_quarter: Units of a quarter, a multiple of 64 times each of the divisions.
        first_number: Number of its first staff among the parts of the score; further staves follow.
        is_finale: Finale wrote the file: it means hidden rests by <forward>.
    """

    def __init__(
        self, part: ET.Element, score_part: ET.Element, *, per_quarter: int, first_number: int, is_finale: bool
    ) -> None:
        self._measures = part.findall("measure")
        self._per_quarter = per_quarter
        self._is_finale = is_finale
        self._staves = _staves(part)
        self.num_staves = len(self._staves)
        self._numbers = {staff: min(first_number + i, 255) for i, staff in enumerate(self._staves)}
        self._velocities = dict.fromkeys(self._staves, VELOCITIES["mf"])
        self._instruments = instruments_of(score_part)
        self._default = self._instruments[""]
        self._named_program = named_program(part_name(score_part)) if self._default.program is None else 0
        self._is_transposing = part.find("measure/attributes/transpose") is not None
        self._semitones = 0
        self._grace = int(GRACE_QUARTERS * per_quarter)
        self._unit: int | None = None  # units of a division
        self._by_meter = 4 * per_quarter  # length of a bar
        self._late: dict[int, list[list[Sound]]] = {}  # by staff: grace notes that the bar before ended with

    def bars(self) -> Iterator[PartBar]:
        """The bars in order; state from earlier bars is kept between them."""
        for index, measure in enumerate(self._measures):
            self._bar = PartBar(by_meter=self._by_meter)
            self._at = 0
            self._voice = "1"
            self._voices: set[str] = set()
            self._strokes: list[_Stroke] = []
            self._chord: _Stroke | None = None  # that further notes may join
            self._dynamics: list[tuple[int, int | None, int]] = []  # (time, staff or None for all, velocity)
            self._forward = 0  # where the last <forward> ended
            if self._is_transposing:
                for transpose in measure.iterfind("attributes/transpose"):
                    self._semitones = transposition(transpose)
            for element in measure:
                if element.tag == "note":
                    self._read_note(element)
                else:
                    self._read_other(element)
            if self._is_finale and not (index == len(self._measures) - 1 and len(self._voices) < 2):
                self._bar.filled = max(self._bar.filled, self._forward)
            for staff in self._staves:
                self._finish_staff(staff)
            yield self._bar

    def _read_other(self, element: ET.Element) -> None:
        tag = element.tag
        if tag == "backup":
            self._at = max(self._at - self._duration(element), 0)
        elif tag == "forward":
            self._at += self._duration(element)
            self._forward = self._at
            if voice := (element.findtext("voice") or "").strip():
                self._voices.add(voice)
        elif tag == "direction":
            self._read_direction(element)
        elif tag == "attributes":
            self._read_attributes(element)
        elif tag == "barline":
            self._bar.barlines.append(element)
        elif tag == "sound":
            self._read_sound(element, self._at + self._offset(element))

    def _units(self, text: str | None, *, least: int = 0) -> int:
        """Units of a number of divisions."""
        if self._unit is None:
            raise NotCoveredError("a part without <divisions>")
        return whole(text, least=least) * self._unit

    def _duration(self, element: ET.Element) -> int:
        text = element.findtext("duration")
        return self._units(text) if text is not None and text.strip() else 0

    def _offset(self, element: ET.Element) -> int:
        text = element.findtext("offset")
        return self._units(text, least=-(10**6)) if text is not None else 0

    def _read_attributes(self, attributes: ET.Element) -> None:
        for child in attributes:
            if child.tag == "divisions":
                self._unit = self._per_quarter // whole(child.text, least=1)
            elif child.tag == "time":
                numerator, denominator = meter(child)
                self._bar.meters.append((self._at, (numerator, denominator)))
                if self._at == 0:
                    self._by_meter = self._bar.by_meter = 4 * numerator * self._per_quarter // denominator

    def _read_direction(self, direction: ET.Element) -> None:
        at = self._at + self._offset(direction)
        text = direction.findtext("staff")
        staff = whole(text) if text is not None and self.num_staves > 1 else None
        has_tempo = False
        for kind in direction:
            if kind.tag == "direction-type":
                for element in kind:
                    has_tempo |= self._read_sign(element, at, staff)
        if not has_tempo and (sound := direction.find("sound[@tempo]")) is not None:
            self._read_sound(sound, at)

    def _read_sign(self, element: ET.Element, at: int, staff: int | None) -> bool:
        """Applies a direction; returns whether it holds a tempo."""
        if element.tag == "dynamics":
            for mark in element:
                name = mark.tag if mark.tag != "other-dynamics" else (mark.text or "").strip()
                velocity = VELOCITIES.get(name, SUDDEN.get(name))
                if velocity is not None:
                    self._dynamics.append((at, staff, velocity))
        elif element.tag == "metronome":
            if (bpm := metronome_bpm(element)) is not None:
                self._bar.tempos.append((at, bpm))
                return True
        elif element.tag in (CODA, SEGNO):
            self._bar.signs.append(element.tag)
        elif element.tag == "words" and (sign := sign_of(element.text or "")):
            self._bar.signs.append(sign)
        return False

    def _read_sound(self, sound: ET.Element, at: int) -> None:
        bpm = number(sound.get("tempo"))
        if bpm is not None:
            self._bar.tempos.append((at, bpm))

    def _read_note(self, note: ET.Element) -> None:
        children = {child.tag: child for child in note}
        stroke = self._chord if "chord" in children else self._new_stroke(children)
        if stroke is None or ("chord" in children and "rest" in children):
            raise NotCoveredError("a chord without a first note")
        if "rest" in children:
            self._chord = None
            self._read_rest(children, stroke)
        else:
            self._chord = stroke
            self._add_member(note, children, stroke)
            if not stroke.is_grace and "chord" not in children:
                self._at += stroke.length
                self._bar.filled = max(self._bar.filled, self._at)

    def _new_stroke(self, children: dict[str, ET.Element]) -> _Stroke:
        if "voice" in children and (voice := (children["voice"].text or "").strip()):
            self._voice = voice
            self._voices.add(voice)
        staff = self._staves[0]
        if self.num_staves > 1 and "staff" in children:
            staff = whole(children["staff"].text)
        is_grace = "grace" in children
        length = self._units(children["duration"].text) if "duration" in children and not is_grace else 0
        stroke = _Stroke(self._at, self._voice, staff, is_grace, length, [], [])
        self._strokes.append(stroke)
        return stroke

    def _read_rest(self, children: dict[str, ET.Element], stroke: _Stroke) -> None:
        self._at += stroke.length
        kind = (children["type"].text or "").strip() if "type" in children else ""
        is_bar = kind in _WHOLE and children["rest"].get("measure") == "yes"
        if not is_bar and stroke.at == 0 and "dot" not in children:
            is_bar = kind in _WHOLE[1:] or (not kind and stroke.length in (4 * self._per_quarter, self._bar.by_meter))
        if is_bar:
            self._bar.rest = max(self._bar.rest, self._at)
        else:
            self._bar.filled = max(self._bar.filled, self._at)

    def _add_member(self, note: ET.Element, children: dict[str, ET.Element], stroke: _Stroke) -> None:
        instrument = self._default
        if "instrument" in children and len(self._instruments) > 1:
            instrument = self._instruments.get(children["instrument"].get("id", ""), instrument)
        key: int | None
        if "unpitched" in children:
            program, key = DRUMS, instrument.drum_key
        elif "pitch" in children:
            key = midi_pitch(note, children["pitch"])
            program = DRUMS if instrument.is_drum else self._program(instrument)
            key += 0 if instrument.is_drum else self._semitones
        else:
            raise NotCoveredError("a note without a pitch")
        if key is not None and 0 <= key <= 127:  # a drum that General MIDI does not know is left out
            on, back = ties(note) if "tie" in children else (False, False)
            stroke.members.append((program, key, on, back))
        if "notations" in children:
            known = set(stroke.marks) if "chord" in children else ()
            stroke.marks += [mark.tag for mark in note.iterfind("notations/articulations/*") if mark.tag not in known]

    def _program(self, instrument: Instrument) -> int:
        return self._named_program if instrument.program is None else instrument.program

    def _finish_staff(self, staff: int) -> None:
        """Turns the strokes of a staff into sounds, grace notes before what follows them in their voice."""
        strokes = [stroke for stroke in self._strokes if stroke.staff == staff]
        is_one_voice = len({stroke.voice for stroke in strokes}) < 2
        strokes.sort(key=(lambda s: (s.at, "")) if is_one_voice else (lambda s: (s.at, s.voice)))
        dynamics = [(at, velocity) for at, of, velocity in self._dynamics if of is None or of == staff]
        dynamics.sort(key=lambda row: row[0])
        velocity, grace = self._velocities[staff], self._grace
        waiting: dict[tuple[str, int], list[list[Sound]]] = {}
        if is_one_voice and strokes and staff in self._late:
            waiting["", 0] = self._late[staff]
        self._late.pop(staff, None)
        taken = 0
        for stroke in strokes:
            while taken < len(dynamics) and dynamics[taken][0] <= stroke.at:
                velocity = dynamics[taken][1]
                taken += 1
            if not stroke.members:
                continue
            key = ("" if is_one_voice else stroke.voice, stroke.at)
            if stroke.is_grace:
                waiting.setdefault(key, []).append(self._sounds(stroke, velocity))
                continue
            graces = waiting.pop(key, ())
            for i, group in enumerate(graces):
                before = stroke.at - grace * (len(graces) - i)
                self._bar.sounds += [replace(sound, onset=before, length=grace) for sound in group]
            self._bar.sounds += self._sounds(stroke, velocity)
        self._velocities[staff] = dynamics[-1][1] if dynamics else velocity
        if is_one_voice and (late := waiting.get(("", self._bar.filled))):
            self._late[staff] = late

    def _sounds(self, stroke: _Stroke, velocity: int) -> list[Sound]:
        length = stroke.length
        for mark in stroke.marks:
            velocity += ACCENTS.get(mark, 0)
            length //= SHORTENED.get(mark, 1)
        velocity, number = min(velocity, 127), self._numbers[stroke.staff]
        return [
            Sound(
                onset=stroke.at,
                length=length,
                program=program,
                pitch=pitch,
                velocity=velocity,
                is_tied_on=is_tied_on,
                is_tied_back=is_tied_back,
                part=number,
            )
            for program, pitch, is_tied_on, is_tied_back in stroke.members
        ]


def _staves(part: ET.Element) -> list[int]:
    """Numbers of the staves of a part in order; [1] where it has one."""
    if all(whole(staves.text) < 2 for staves in part.iterfind("measure/attributes/staves")):
        return [1]
    texts = {staff.text for staff in part.iter("staff")} | {clef.get("number", "1") for clef in part.iter("clef")}
    return sorted({whole(text, least=1) for text in texts}) or [1]
