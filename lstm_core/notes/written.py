"""The contents of the bars of a written score, collected from a music21 stream part by part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from lstm_core.notes.score import DRUMS

PROGRAM = 0  # of parts that name no instrument: a piano
GRACE_QUARTERS = Fraction(1, 8)  # a grace note is a 32nd just before the beat
VELOCITIES = {"pppp": 8, "ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 120, "ffff": 127}
SUDDEN = {"fp": 64, "sf": 104, "sfz": 112, "fz": 104, "rf": 96, "rfz": 96, "sfp": 64, "sffz": 120}
ACCENTS = {"Accent": 16, "StrongAccent": 24}  # added to the velocity
SHORTENED = {"Staccato": Fraction(1, 2), "Spiccato": Fraction(1, 2), "Staccatissimo": Fraction(1, 4)}


Time = Fraction | int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    onset: Time = 0  # units from its bar's beginning
    length: Time
    program: int
    pitch: int
    velocity: int
    is_tied_on: bool  # goes on into the next note of this pitch
    is_tied_back: bool  # is the rest of the note before
    part: int


@dataclass
class WrittenBars:
    """The bars as written, and the contents of each; times are in units."""

    starts: list[Time]
    lengths: list[Time]
    sounds: list[list[Sound]] = field(default_factory=list)
    tempos: list[tuple[Time, float]] = field(default_factory=list)  # (units from the start, bpm)
    meters: list[tuple[Time, tuple[int, int]]] = field(default_factory=list)
    per_quarter: int = 1  # units of a quarter

    def index(self, offset: Time) -> int:
        """Index of the bar that holds `offset`."""
        return max(bisect_right(self.starts, offset) - 1, 0)


def written_bars(parts: list[Any]) -> WrittenBars:
    """The bars of all parts of a music21 score; the first part says where they lie."""
    bars = _empty_bars(parts[0])
    for number, part in enumerate(parts):
        _collect_part(part, min(number, 255), bars)
    return bars


@dataclass
class _Voice:
    """The current state of a part: program, velocity, transposition."""

    program: int = PROGRAM
    drum_key: int | None = None
    is_drum: bool = False
    semitones: int = 0  # from written to sounding pitch
    velocity: int = VELOCITIES["mf"]


def _empty_bars(part: Any) -> WrittenBars:
    """Where the bars of the first part lie; a part without bars is one bar."""
    measures = list(part.getElementsByClass("Measure"))
    if not measures:
        return WrittenBars(starts=[Fraction(0)], lengths=[Fraction(part.highestTime)], sounds=[[]])
    starts: list[Time] = [Fraction(measure.offset) for measure in measures]
    last = Fraction(measures[-1].highestTime)
    lengths: list[Time] = [
        after - before for before, after in zip(starts, [*starts[1:], starts[-1] + last], strict=True)
    ]
    return WrittenBars(starts=starts, lengths=lengths, sounds=[[] for _ in starts])


def _collect_part(part: Any, number: int, bars: WrittenBars) -> None:
    """Adds the sounds, tempos and meters of one part to the bars."""
    voice = _Voice()
    is_written = part.atSoundingPitch is False
    name = getattr(part, "partName", None)
    if name:
        voice.program = _program_by_name(str(name))
    graces: dict[tuple[int, Fraction], list[list[Sound]]] = {}
    for at, stave, element in _elements(part):
        classes = element.classSet
        if "GeneralNote" in classes:
            if "Rest" in classes or "Harmony" in classes:
                continue
            sounds = _sounds(element, voice, number)
            if element.duration.isGrace:
                graces.setdefault((stave, at), []).append(sounds)
                continue
            index = bars.index(at)
            in_bar = at - bars.starts[index]
            waiting = graces.pop((stave, at), [])
            for i, grace in enumerate(waiting):
                before = in_bar - GRACE_QUARTERS * (len(waiting) - i)
                bars.sounds[index].extend(replace(s, onset=before, length=GRACE_QUARTERS) for s in grace)
            bars.sounds[index].extend(replace(sound, onset=in_bar) for sound in sounds)
        elif "Instrument" in classes:
            _change_instrument(voice, element, is_written)
        elif "Dynamic" in classes:
            voice.velocity = VELOCITIES.get(element.value, SUDDEN.get(element.value, voice.velocity))
        elif "MetronomeMark" in classes:
            if bpm := element.getQuarterBPM():
                bars.tempos.append((at, float(bpm)))
        elif "TimeSignature" in classes and number == 0:
            bars.meters.append((at, (int(element.numerator), int(element.denominator))))


def _elements(part: Any) -> Iterator[tuple[Fraction, int, Any]]:
    """The contents of a part, in order of time: offset in quarters, which voice, the element; signs before notes."""
    for at_top in part:
        if "Measure" not in at_top.classSet:
            yield Fraction(at_top.offset), 0, at_top
            continue
        start = Fraction(at_top.offset)
        rows: list[tuple[Fraction, int, Any]] = []
        for element in at_top:
            if "Voice" in element.classSet:
                shift = start + Fraction(element.offset)
                rows.extend((shift + Fraction(inner.offset), id(element), inner) for inner in element)
            else:
                rows.append((start + Fraction(element.offset), 0, element))
        yield from sorted(rows, key=lambda row: (row[0], "GeneralNote" in row[2].classSet))


def _sounds(element: Any, voice: _Voice, part: int) -> list[Sound]:
    """The sounds of a note, a chord or a stroke on unpitched percussion, their onsets still open."""
    length, velocity = Fraction(element.duration.quarterLength), voice.velocity
    for articulation in element.articulations:
        kind = type(articulation).__name__
        velocity += ACCENTS.get(kind, 0)
        length *= SHORTENED.get(kind, 1)
    sounds = []
    for member in element.notes if "ChordBase" in element.classSet else (element,):
        if "Unpitched" in member.classSet:
            program, pitch = DRUMS, getattr(member.storedInstrument, "percMapPitch", None) or voice.drum_key
        elif voice.is_drum:
            program, pitch = DRUMS, member.pitch.midi
        else:
            program, pitch = voice.program, member.pitch.midi + voice.semitones
        if pitch is None or not 0 <= pitch <= 127:  # a drum that General MIDI does not know
            continue
        tie = member.tie.type if member.tie is not None else ""
        sounds.append(
            Sound(
                length=length,
                program=program,
                pitch=int(pitch),
                velocity=min(velocity, 127),
                is_tied_on=tie in ("start", "continue"),
                is_tied_back=tie in ("stop", "continue"),
                part=part,
            )
        )
    return sounds


def _change_instrument(voice: _Voice, instrument: Any, is_written: bool) -> None:
    voice.is_drum = "UnpitchedPercussion" in instrument.classSet or instrument.midiChannel == 9
    voice.drum_key = getattr(instrument, "percMapPitch", None)
    if instrument.midiProgram is not None:
        voice.program = int(instrument.midiProgram) & 127
    transposition = instrument.transposition
    voice.semitones = round(transposition.semitones) if is_written and transposition is not None else 0


@lru_cache(maxsize=4096)
def _program_by_name(name: str) -> int:
    """General MIDI program of an instrument or a voice called `name`, else PROGRAM."""
    from music21 import instrument

    try:
        program = instrument.fromString(name).midiProgram
    except Exception:  # InstrumentException for most names, others for odd ones
        program = None
    return PROGRAM if program is None else int(program)
