"""Written music as it sounds: bars of a music21 stream, their repeats played out, become a Score."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from lstm_core.limits import MAX_NOTE_TICKS, check_duration, check_num_notes, cleaned_text, meter_map, tempo_map
from lstm_core.notes import DRUMS, NOTE_DTYPE, TICKS_PER_QUARTER, Meter, Score, tidy

PROGRAM = 0  # of parts that name no instrument: a piano
GRACE_QUARTERS = Fraction(1, 8)  # a grace note is a 32nd just before the beat
MAX_REPEATS = 8  # times a section is played, whatever the file asks
VELOCITIES = {"pppp": 8, "ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 120, "ffff": 127}
SUDDEN = {"fp": 64, "sf": 104, "sfz": 112, "fz": 104, "rf": 96, "rfz": 96, "sfp": 64, "sffz": 120}
ACCENTS = {"Accent": 16, "StrongAccent": 24}  # added to the velocity
SHORTENED = {"Staccato": Fraction(1, 2), "Spiccato": Fraction(1, 2), "Staccatissimo": Fraction(1, 4)}


def perform(document: Any) -> Score:
    """The score of a music21 stream of one piece.

    Ties are one note; repeats and endings are played out where they make sense; transposing instruments sound as
    they do; a pickup is preceded by rests, so that barlines agree. Chord symbols above the staff are not played.

    Raises:
        ScoreError: it holds no notes, or is too long. Malformed streams raise whatever music21 raises.
    """
    parts = list(document.parts) if hasattr(document, "parts") else []
    parts = parts or [document]
    bars = _bars_of(parts[0])
    for number, part in enumerate(parts):
        _collect_part(part, min(number, 255), bars)
    order = _played_order(parts[0], len(bars.starts))
    return _played(bars, order, document.metadata)


@dataclass(frozen=True, kw_only=True)
class _Sound:
    onset: Fraction = Fraction(0)  # quarters from its bar's beginning
    length: Fraction  # quarters
    program: int
    pitch: int
    velocity: int
    is_tied_on: bool  # goes on into the next note of this pitch
    is_tied_back: bool  # is the rest of the note before
    part: int


@dataclass
class _Bars:
    """The bars as written, in quarters, and what stands in each."""

    starts: list[Fraction]
    lengths: list[Fraction]
    sounds: list[list[_Sound]] = field(default_factory=list)
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)  # (quarters from the start, bpm)
    meters: list[tuple[Fraction, tuple[int, int]]] = field(default_factory=list)

    def index(self, offset: Fraction) -> int:
        """Index of the bar that holds `offset`."""
        return max(bisect_right(self.starts, offset) - 1, 0)


@dataclass
class _Voice:
    """How a part plays at the moment."""

    program: int = PROGRAM
    drum_key: int | None = None
    is_drum: bool = False
    semitones: int = 0  # from written to sounding pitch
    velocity: int = VELOCITIES["mf"]


def _bars_of(part: Any) -> _Bars:
    """Where the bars of the first part lie; a part without bars is one bar."""
    measures = list(part.getElementsByClass("Measure"))
    if not measures:
        return _Bars(starts=[Fraction(0)], lengths=[Fraction(part.highestTime)], sounds=[[]])
    starts = [Fraction(measure.offset) for measure in measures]
    last = Fraction(measures[-1].highestTime)
    lengths = [after - before for before, after in zip(starts, [*starts[1:], starts[-1] + last], strict=True)]
    return _Bars(starts=starts, lengths=lengths, sounds=[[] for _ in starts])


def _collect_part(part: Any, number: int, bars: _Bars) -> None:
    """Adds the sounds, tempos and meters of one part to the bars."""
    voice = _Voice()
    is_written = part.atSoundingPitch is False
    name = getattr(part, "partName", None)
    if name:
        voice.program = _program_by_name(str(name))
    graces: dict[tuple[int, Fraction], list[list[_Sound]]] = {}
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
    """What stands in a part, in order of time: offset in quarters, which voice, the element; signs before notes."""
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


def _sounds(element: Any, voice: _Voice, part: int) -> list[_Sound]:
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
            _Sound(
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


def _played_order(part: Any, num_bars: int) -> list[int]:
    """Indices of the written bars in the order in which they are played; as written where the repeats make no sense.

    music21 unfolds a skeleton of bars that hold nothing but their barlines: with the notes it would copy them all.
    """
    from music21 import bar, repeat, spanner, stream

    measures = list(part.getElementsByClass("Measure"))
    skeleton = stream.Part()
    twins = {}
    has_repeats = False
    for index, measure in enumerate(measures):
        twin = stream.Measure(number=index)
        for side in ("leftBarline", "rightBarline"):
            barline = getattr(measure, side)
            if isinstance(barline, bar.Repeat):
                times = min(barline.times or 2, MAX_REPEATS) if barline.direction == "end" else None
                setattr(twin, side, bar.Repeat(direction=barline.direction, times=times))
                has_repeats = True
        for sign in measure.getElementsByClass(repeat.RepeatExpression):
            twin.append(type(sign)())
            has_repeats = True
        twins[id(measure)] = twin
        skeleton.insert(index, twin)
    if not has_repeats:
        return list(range(num_bars))
    for bracket in part.getElementsByClass("RepeatBracket"):
        ends = [twins[id(measure)] for measure in bracket.getSpannedElements() if id(measure) in twins]
        skeleton.insert(0, spanner.RepeatBracket(ends, number=bracket.number))
    try:
        return [int(index) for index in repeat.Expander(skeleton).measureMap()]
    except Exception:  # repeat.ExpanderException for most nonsense, others for odd ones
        return list(range(num_bars))


def _played(bars: _Bars, order: list[int], metadata: Any) -> Score:
    """The score of the bars in the given order."""
    check_num_notes(sum(len(bars.sounds[index]) for index in order))
    bars.tempos.sort(key=lambda row: row[0])
    bars.meters.sort(key=lambda row: row[0])
    begins = _begins(bars, order)
    rows: list[list[Any]] = []  # onset and end in quarters, program, pitch, velocity, part
    tied: dict[tuple[int, int, int], list[Any]] = {}
    tempo_rows: list[tuple[int, float]] = []
    meter_rows: list[tuple[int, int, int]] = []
    grid = 0  # a barline as the meter map has it
    for index, begin in zip(order, begins, strict=True):
        _append_sounds(bars.sounds[index], begin, rows, tied)
        tempo_rows += _bar_tempos(bars, index, begin)
        numerator, denominator = _meter_at(bars, index)
        bar_ticks = Meter(tick=0, numerator=numerator, denominator=denominator).bar_ticks
        tick, length = _ticks(begin), _ticks(bars.lengths[index])
        if not meter_rows or meter_rows[-1][1:] != (numerator, denominator):
            grid = tick if meter_rows else 0  # a pickup: the rests before it begin the bar
            meter_rows.append((grid, numerator, denominator))
        elif (tick - grid) % bar_ticks and length >= bar_ticks:
            grid = tick
            meter_rows.append((tick, numerator, denominator))
    if tempo_rows and tempo_rows[0][0] == _ticks(begins[0]):
        tempo_rows[0] = (0, tempo_rows[0][1])  # of the rests before a pickup, too
    return _assembled(rows, tempo_rows, meter_rows, metadata)


def _begins(bars: _Bars, order: list[int]) -> list[Fraction]:
    """Where each played bar begins, in quarters; the first later than 0 when it is a pickup."""
    numerator, denominator = _meter_at(bars, order[0])
    missing = Fraction(4 * numerator, denominator) - bars.lengths[order[0]]
    begin = missing if len(order) > 1 and missing > 0 else Fraction(0)
    begins = []
    for index in order:
        begins.append(begin)
        begin += bars.lengths[index]
    return begins


def _append_sounds(
    sounds: list[_Sound], begin: Fraction, rows: list[list[Any]], tied: dict[tuple[int, int, int], list[Any]]
) -> None:
    """Adds the sounds of a bar that begins at `begin` to `rows`; `tied` are the rows that wait to be prolonged."""
    for sound in sorted(sounds, key=lambda sound: sound.onset):
        onset, voice = begin + sound.onset, (sound.part, sound.program, sound.pitch)
        before = tied.pop(voice, None)
        if sound.is_tied_back and before is not None and before[1] == onset:
            before[1] = onset + sound.length
            row = before
        else:
            row = [onset, onset + sound.length, sound.program, sound.pitch, sound.velocity, sound.part]
            rows.append(row)
        if sound.is_tied_on:
            tied[voice] = row


def _bar_tempos(bars: _Bars, index: int, begin: Fraction) -> list[tuple[int, float]]:
    """Rows of (tick, bpm) of one played bar: the tempo at its beginning, then those inside."""
    start, end = bars.starts[index], bars.starts[index] + bars.lengths[index]
    first = bisect_right(bars.tempos, start, key=lambda row: row[0])
    inside = []
    for at, bpm in bars.tempos[max(first - 1, 0) :]:
        if at >= end:
            break
        inside.append((_ticks(begin + max(at - start, Fraction(0))), bpm))
    return inside


def _meter_at(bars: _Bars, index: int) -> tuple[int, int]:
    """Numerator and denominator that hold in a written bar."""
    after = bisect_right(bars.meters, bars.starts[index], key=lambda row: row[0])
    return bars.meters[after - 1][1] if after else (4, 4)


def _assembled(
    rows: list[list[Any]], tempo_rows: list[tuple[int, float]], meter_rows: list[tuple[int, int, int]], metadata: Any
) -> Score:
    """The score of rows in quarters and maps in ticks."""
    table = []
    num_cut = 0
    for onset, end, program, pitch, velocity, part in rows:
        if onset >= 0:  # a grace note before the very first beat has no room
            ticks = max(_ticks(end) - _ticks(onset), 1)
            num_cut += ticks > MAX_NOTE_TICKS
            table.append((_ticks(onset), min(ticks, MAX_NOTE_TICKS), program, pitch, velocity, part))
    check_num_notes(len(table))
    notes = tidy(np.array(table, dtype=NOTE_DTYPE))
    end_tick = int((notes["onset"] + notes["duration"]).max())
    title, tags = _texts(metadata)
    if num_cut:
        tags["notes_cut"] = str(num_cut)
    tempos, meters = tempo_map(tempo_rows, end_tick), meter_map(meter_rows, end_tick)
    score = Score(notes=notes, tempos=tempos, meters=meters, title=title, tags=tags)
    check_duration(score)
    return score


def _ticks(quarters: Fraction) -> int:
    """The nearest tick, halves upward."""
    return int((quarters * (2 * TICKS_PER_QUARTER) + 1) // 2)


def _texts(metadata: Any) -> tuple[str, dict[str, str]]:
    """Title and tags of a music21 metadata object, or of None."""
    if metadata is None:
        return "", {}
    found = {name: cleaned_text(getattr(metadata, name, None)) for name in ("composer", "copyright")}
    title = cleaned_text(metadata.title) or cleaned_text(metadata.movementName)
    title = re.sub(r"\.(mxl|xml|musicxml|krn|abc)$", "", title)  # some programs put the name of their file there
    return title, {name: text for name, text in found.items() if text}
