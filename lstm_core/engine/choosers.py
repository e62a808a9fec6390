"""One step of B rows, head by head: the choice among what each may choose, and where it leaves the row. Compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.masks import allow_durations, allow_instruments, allow_pitches, allow_shifts
from lstm_core.engine.onsets import TICKS_OF, next_locked_tick, span_at
from lstm_core.engine.rows import (
    ENTRANCE,
    EVENT,
    HIGHEST,
    IS_CLOSED,
    IS_DONE,
    IS_LOCKED,
    LOCKED,
    LOCKED_ONLY,
    LOCKED_VOICE,
    NEW_SPAN,
    NEW_TICK,
    NUM_SOUNDING,
    ONSET_NOTES,
    PEAK,
    PLAYED,
    SILENT_FROM,
    SPAN,
    STUCK,
    TICK,
    Rows,
)
from lstm_core.engine.sampling import SCRATCH_ROWS, draw, random_word
from lstm_core.foundation.compiling import borrowing, njit
from lstm_core.orders.constraints.rules import Rules
from lstm_core.orders.constraints.timeline import MAX_SOUNDING
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

_SIZES = tuple(stream.size for stream in STREAMS)
_LARGEST = max(_SIZES)


@njit(cache=True, nogil=True)
def choose(
    stream: int, logits: npt.NDArray[np.int32], offered: npt.NDArray[np.uint8], rules: Rules, rows: Rows
) -> None:
    """Sets rows.event[:, stream] of every row that is not done, from logits int32 [B, V or more].

    offered: uint8 [B, V or more], 1 for values that would repeat what was played.
    """
    size = _SIZES[stream]
    allowed = np.zeros(size, dtype=np.uint8)
    scratch = np.empty((SCRATCH_ROWS, _LARGEST), dtype=np.int64)
    for b in range(logits.shape[0]):
        numbers, event = rows.numbers[b], rows.event[b]
        if numbers[IS_DONE]:
            continue
        if stream > PITCH and numbers[IS_LOCKED]:
            event[stream] = rules.locked[b, numbers[LOCKED], stream]
        else:
            allowed[:] = 0
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
            word = random_word(rules.seed[b], numbers[EVENT], stream)
            sharp, top_p = rules.sharp[b, stream], rules.top_p[b, stream]
            drawn = draw(logits[b, :size], allowed, offered[b, :size], sharp, top_p, word, scratch)
            if drawn < 0:
                numbers[IS_DONE] = STUCK
                continue
            event[stream] = drawn
        if stream == TIME_SHIFT:
            numbers[NEW_TICK] = numbers[TICK] + event[TIME_SHIFT]
            numbers[NEW_SPAN] = span_at(b, rules, rows, numbers[NEW_TICK])
            numbers[LOCKED_ONLY] = 0
        elif stream == PITCH:
            numbers[IS_LOCKED] = _is_locked(b, rules, rows)
        elif stream == VELOCITY:
            _advance(b, rules, rows)


@borrowing
def _is_locked(b: int, rules: Rules, rows: Rows) -> bool:
    """Whether the event chosen so far is the locked note that is due."""
    if next_locked_tick(b, rules, rows) != rows.numbers[b, NEW_TICK]:
        return False
    note, event = rules.locked[b, rows.numbers[b, LOCKED]], rows.event[b]
    return note[INSTRUMENT] == event[INSTRUMENT] and note[PITCH] == event[PITCH]


@borrowing
def _sound(b: int, rows: Rows, voice: int, end: int) -> None:
    """Lets a melodic note sound until `end`; one that is struck again ends earlier than it was to."""
    num_sounding = rows.numbers[b, NUM_SOUNDING]
    place, earliest = num_sounding, 0
    for i in range(num_sounding):
        if rows.voices[b, i] % LOCKED_VOICE == voice % LOCKED_VOICE:
            place = i
        if rows.ends[b, i] < rows.ends[b, earliest]:
            earliest = i
    if place == MAX_SOUNDING:  # locked notes may be more: those that end last decide when a voice is free again
        if rows.ends[b, earliest] >= end:
            return
        place = earliest
    rows.voices[b, place], rows.ends[b, place] = voice, end
    rows.numbers[b, NUM_SOUNDING] = max(num_sounding, place + 1)


@borrowing
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
        numbers[PLAYED] |= rules.serves[b, instrument]
        if instrument > DRUM_INSTRUMENT:
            voice = instrument * 256 + event[PITCH] + (LOCKED_VOICE if numbers[IS_LOCKED] else 0)
            _sound(b, rows, voice, then + TICKS_OF[event[DURATION]])
        for i in range(numbers[NUM_SOUNDING]):
            numbers[SILENT_FROM] = max(numbers[SILENT_FROM], rows.ends[b, i])
        is_last_chord = then == rules.track[b]["final_start"]
        if instrument > DRUM_INSTRUMENT and not is_last_chord:
            numbers[PEAK] = max(numbers[PEAK], numbers[NUM_SOUNDING])
            numbers[HIGHEST] = max(numbers[HIGHEST], event[PITCH])
        if is_last_chord and (
            instrument > DRUM_INSTRUMENT or rules.spans[b, numbers[NEW_SPAN]]["last_instrument"] == 0
        ):
            numbers[IS_CLOSED] = 1
        numbers[LOCKED] += numbers[IS_LOCKED]
    numbers[IS_DONE] = 1 if instrument == END else 0
    numbers[TICK], numbers[SPAN] = then, numbers[NEW_SPAN]
    while rules.entrances[b, numbers[ENTRANCE]]["tick"] < then:
        numbers[ENTRANCE] += 1
    numbers[EVENT] += 1
    for k in range(event.shape[0]):
        rows.before[b, k] = event[k]
