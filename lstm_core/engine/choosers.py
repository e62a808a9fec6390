"""One step of B rows, head by head: the choice among what each may choose, and where it leaves the row. Compiled.

Numba keeps compiled code on disk and sees a change of its file; of those it takes things from COMPILED_WITH tells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from lstm_core.engine.masks import TICKS_OF, allow_durations, allow_instruments, allow_pitches, allow_shifts
from lstm_core.engine.rows import (
    EVENT,
    HEARD,
    HIGHEST,
    IS_CLOSED,
    IS_DONE,
    NEW_TICK,
    NUM_SOUNDING,
    ONSET_NOTES,
    PEAK,
    SILENT_FROM,
    STUCK,
    TICK,
    Rows,
)
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, uniform
from lstm_core.orders.constraints import FINAL_START, MAX_MELODIC, MAX_SOUNDING, Rules
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATION,
    END,
    INSTRUMENT,
    PITCH,
    REST,
    STREAMS,
    TIME_SHIFT,
    VELOCITY,
)

COMPILED_WITH = "8bc3af5fcd12f364"  # content of the files that compiled code takes things from; see its test

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)


@njit(cache=True, nogil=True)
def choose(
    stream: int, logits: npt.NDArray[np.float32], offered: npt.NDArray[np.uint8], rules: Rules, rows: Rows
) -> None:
    """Sets rows.event[:, stream] of every row that is not done, from logits float32 [B, V or more].

    offered: uint8 [B, V or more], 1 for values that would repeat what was played.
    """
    allowed = np.zeros(_LARGEST, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.float64)
    size = _SIZES[stream]
    for b in range(logits.shape[0]):
        numbers, event = rows.numbers[b], rows.event[b]
        if numbers[IS_DONE]:
            continue
        step = numbers[EVENT]
        if step < rules.num_forced[b]:
            event[stream] = rules.forced[b, step, stream]
        else:
            allowed[:size] = 0
            if stream == TIME_SHIFT:
                allow_shifts(b, rules, rows, allowed)
            elif stream == INSTRUMENT:
                allow_instruments(b, rules, rows, allowed)
            elif event[INSTRUMENT] == END or event[INSTRUMENT] == REST:
                allowed[0] = 1
            elif stream == PITCH:
                allow_pitches(b, rules, rows, allowed)
            elif stream == DURATION:
                allow_durations(b, rules, rows, allowed)
            else:
                allowed[1:size] = 1
            number = uniform(rules.seed[b], step, stream)
            temperature, top_p = rules.temperature[b, stream], rules.top_p[b, stream]
            drawn = draw(logits[b, :size], allowed[:size], offered[b, :size], temperature, top_p, number, scratch)
            if drawn < 0:
                numbers[IS_DONE] = STUCK
                continue
            event[stream] = drawn
        if stream == TIME_SHIFT:
            numbers[NEW_TICK] = numbers[TICK] + event[TIME_SHIFT]
        elif stream == VELOCITY:
            _advance(b, rules, rows)


@njit(cache=True, nogil=True)
def _sound(b: int, rows: Rows, voice: int, end: int) -> None:
    """Lets a melodic note sound until `end`; one that is struck again does not last as long as it was meant to."""
    num_sounding = rows.numbers[b, NUM_SOUNDING]
    place = num_sounding
    for i in range(num_sounding):
        if rows.voices[b, i] == voice:
            place = i
    if place < MAX_SOUNDING:
        rows.voices[b, place], rows.ends[b, place] = voice, end
        rows.numbers[b, NUM_SOUNDING] = max(num_sounding, place + 1)


@njit(cache=True, nogil=True)
def _advance(b: int, rules: Rules, rows: Rows) -> None:
    """Moves a row past the event that was chosen."""
    numbers, event = rows.numbers[b], rows.event[b]
    then, instrument = numbers[NEW_TICK], event[INSTRUMENT]
    if then > numbers[TICK]:
        numbers[ONSET_NOTES] = 0
        kept = 0
        for i in range(numbers[NUM_SOUNDING]):
            if rows.ends[b, i] > then:
                rows.ends[b, kept] = rows.ends[b, i]
                rows.voices[b, kept] = rows.voices[b, i]
                kept += 1
        numbers[NUM_SOUNDING] = kept
    if instrument >= DRUM_INSTRUMENT:
        numbers[ONSET_NOTES] += 1
        numbers[SILENT_FROM] = then + 1
        numbers[HEARD] |= rules.serves[b, instrument]
        if instrument > DRUM_INSTRUMENT:
            _sound(b, rows, instrument * 256 + event[PITCH], then + TICKS_OF[event[DURATION]])
        for i in range(numbers[NUM_SOUNDING]):
            numbers[SILENT_FROM] = max(numbers[SILENT_FROM], rows.ends[b, i])
        is_last_chord = then == rules.limits[b, FINAL_START]
        if instrument > DRUM_INSTRUMENT and not is_last_chord:
            numbers[PEAK] = max(numbers[PEAK], numbers[NUM_SOUNDING])
            numbers[HIGHEST] = max(numbers[HIGHEST], event[PITCH])
        if is_last_chord and (instrument > DRUM_INSTRUMENT or rules.limits[b, MAX_MELODIC] == 0):
            numbers[IS_CLOSED] = 1
    if numbers[EVENT] < rules.num_forced[b]:  # how long a primer is silent is not ours to judge
        numbers[SILENT_FROM] = max(numbers[SILENT_FROM], then)
    numbers[IS_DONE] = 1 if instrument == END else 0
    numbers[TICK] = then
    numbers[EVENT] += 1
    for k in range(event.shape[0]):
        rows.before[b, k] = event[k]
