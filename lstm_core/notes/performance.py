"""Written music as it sounds: bars of a music21 stream, their repeats played out, become a Score."""

from __future__ import annotations

import re
from bisect import bisect_right
from fractions import Fraction
from typing import Any

import numpy as np

from lstm_core.notes.limits import MAX_NOTE_TICKS, check_duration, check_num_notes, cleaned_text, meter_map, tempo_map
from lstm_core.notes.repeats import BarSigns, Ending, add_repeat, played_order, sign_of
from lstm_core.notes.score import NOTE_DTYPE, TICKS_PER_QUARTER, Meter, Score, tidy
from lstm_core.notes.written import Sound, Time, WrittenBars, written_bars


def perform(document: Any) -> Score:
    """The score of a music21 stream of one piece.

    Ties are one note; repeats and endings are played out where they make sense; transposing instruments sound as
    they do; a pickup is preceded by rests, so that barlines agree. Chord symbols above the staff are not played.

    Raises:
        ScoreError: it holds no notes, or is too long. Malformed streams raise whatever music21 raises.
    """
    parts = list(document.parts) if hasattr(document, "parts") else []
    parts = parts or [document]
    bars = written_bars(parts)
    order = _played_order(parts[0], len(bars.starts))
    return played(bars, order, *_texts(document.metadata))


def _played_order(part: Any, num_bars: int) -> list[int]:
    """Indices of the written bars of a music21 part in the order in which they are played."""
    from music21 import bar, repeat

    bars = [BarSigns() for _ in range(num_bars)]
    indices = {}
    for index, measure in enumerate(part.getElementsByClass("Measure")):
        indices[id(measure)] = index
        for side in ("leftBarline", "rightBarline"):
            barline = getattr(measure, side)
            if isinstance(barline, bar.Repeat):
                is_start = barline.direction == "start"
                add_repeat(bars, index, is_left=side == "leftBarline", is_start=is_start, times=barline.times)
        right = measure.rightBarline
        bars[index].is_final = right is not None and right.type == "final" and not isinstance(right, bar.Repeat)
        names = [type(sign).__name__ for sign in measure.getElementsByClass(repeat.RepeatExpression)]
        bars[index].signs = [sign for name in names if (sign := sign_of(name))]
    endings = []
    for bracket in part.getElementsByClass("RepeatBracket"):
        ends = [indices[id(measure)] for measure in bracket.getSpannedElements() if id(measure) in indices]
        if ends:
            endings.append(Ending(first=min(ends), last=max(ends), numbers=tuple(bracket.numberRange)))
    return played_order(bars, endings)


def played(bars: WrittenBars, order: list[int], title: str, tags: dict[str, str]) -> Score:
    """The score of the bars in the given order.

    Raises:
        ScoreError: it holds no notes, or is too long.
    """
    check_num_notes(sum(len(bars.sounds[index]) for index in order))
    bars.tempos.sort(key=lambda row: row[0])
    bars.meters.sort(key=lambda row: row[0])
    begins = _begins(bars, order)
    rows: list[list[Any]] = []  # onset and end in units, program, pitch, velocity, part
    tied: dict[tuple[int, int, int], list[Any]] = {}
    tempo_rows: list[tuple[int, float]] = []
    meter_rows: list[tuple[int, int, int]] = []
    grid = 0  # a barline as the meter map has it
    for index, begin in zip(order, begins, strict=True):
        _append_sounds(bars.sounds[index], begin, rows, tied)
        tempo_rows += _bar_tempos(bars, index, begin)
        numerator, denominator = _meter_at(bars, index)
        bar_ticks = Meter(tick=0, numerator=numerator, denominator=denominator).bar_ticks
        tick, length = _ticks(begin, bars), _ticks(bars.lengths[index], bars)
        if not meter_rows or meter_rows[-1][1:] != (numerator, denominator):
            grid = tick if meter_rows else 0  # a pickup: the rests before it begin the bar
            meter_rows.append((grid, numerator, denominator))
        elif (tick - grid) % bar_ticks and length >= bar_ticks:
            grid = tick
            meter_rows.append((tick, numerator, denominator))
    if tempo_rows and tempo_rows[0][0] == _ticks(begins[0], bars):
        tempo_rows[0] = (0, tempo_rows[0][1])  # of the rests before a pickup, too
    title = re.sub(r"\.(mxl|xml|musicxml|krn|abc)$", "", title)  # some programs write the name of the file there
    scale, half = 2 * TICKS_PER_QUARTER, bars.per_quarter  # as _ticks, for all of them
    ticks = [((r[0] * scale + half) // (2 * half), (r[1] * scale + half) // (2 * half), *r[2:]) for r in rows]
    return _assembled(ticks, tempo_rows, meter_rows, title, dict(tags))


def _begins(bars: WrittenBars, order: list[int]) -> list[Time]:
    """Where each played bar begins, in units; the first later than 0 when it is a pickup."""
    numerator, denominator = _meter_at(bars, order[0])
    full: Time = Fraction(4 * numerator * bars.per_quarter, denominator)
    full = int(full) if full.denominator == 1 else full  # whole numbers make the rest fast
    missing = full - bars.lengths[order[0]]
    begin = missing if len(order) > 1 and missing > 0 else 0
    begins = []
    for index in order:
        begins.append(begin)
        begin += bars.lengths[index]
    return begins


def _append_sounds(
    sounds: list[Sound], begin: Time, rows: list[list[Any]], tied: dict[tuple[int, int, int], list[Any]]
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


def _bar_tempos(bars: WrittenBars, index: int, begin: Time) -> list[tuple[int, float]]:
    """Rows of (tick, bpm) of one played bar: the tempo at its beginning, then those inside."""
    start, end = bars.starts[index], bars.starts[index] + bars.lengths[index]
    first = bisect_right(bars.tempos, start, key=lambda row: row[0])
    inside = []
    for at, bpm in bars.tempos[max(first - 1, 0) :]:
        if at >= end:
            break
        inside.append((_ticks(begin + max(at - start, 0), bars), bpm))
    return inside


def _meter_at(bars: WrittenBars, index: int) -> tuple[int, int]:
    """Numerator and denominator that hold in a written bar."""
    after = bisect_right(bars.meters, bars.starts[index], key=lambda row: row[0])
    return bars.meters[after - 1][1] if after else (4, 4)


def _assembled(
    rows: list[tuple[Any, ...]],
    tempo_rows: list[tuple[int, float]],
    meter_rows: list[tuple[int, int, int]],
    title: str,
    tags: dict[str, str],
) -> Score:
    """The score of rows and maps in ticks."""
    table = []
    num_cut = 0
    for onset, end, program, pitch, velocity, part in rows:
        if onset >= 0:  # a grace note before the very first beat would begin before 0
            ticks = max(end - onset, 1)
            num_cut += ticks > MAX_NOTE_TICKS
            table.append((onset, min(ticks, MAX_NOTE_TICKS), program, pitch, velocity, part))
    check_num_notes(len(table))
    notes = tidy(np.array(table, dtype=NOTE_DTYPE))
    end_tick = int((notes["onset"] + notes["duration"]).max())
    if num_cut:
        tags["notes_cut"] = str(num_cut)
    tempos, meters = tempo_map(tempo_rows, end_tick), meter_map(meter_rows, end_tick)
    score = Score(notes=notes, tempos=tempos, meters=meters, title=title, tags=tags)
    check_duration(score)
    return score


def _ticks(time: Time, bars: WrittenBars) -> int:
    """The nearest tick of a time in the units of `bars`, halves upward."""
    return int((time * (2 * TICKS_PER_QUARTER) + bars.per_quarter) // (2 * bars.per_quarter))


def _texts(metadata: Any) -> tuple[str, dict[str, str]]:
    """Title and tags of a music21 metadata object; empty of None."""
    if metadata is None:
        return "", {}
    found = {name: cleaned_text(getattr(metadata, name, None)) for name in ("composer", "copyright")}
    title = cleaned_text(metadata.title) or cleaned_text(metadata.movementName)
    return title, {name: text for name, text in found.items() if text}
