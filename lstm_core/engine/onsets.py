"""What may begin where: queries about a row and a tick that the masks of several streams share. Compiled.

In every function b is the number of the row, `z` that of the span that `tick` lies in, and an instrument is a value of
the instrument stream.
"""

from __future__ import annotations

from lstm_core.engine.rows import (
    EVENT,
    HIGHEST,
    IS_CLOSED,
    LOCKED,
    LOCKED_VOICE,
    NUM_SOUNDING,
    ONSET_NOTES,
    PEAK,
    PLAYED,
    SPAN,
    TICK,
    Rows,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.orders.constraints.rules import Rules
from lstm_core.orders.constraints.timeline import FREE, LOCKED_FIRST, NEVER
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATION,
    DURATIONS,
    FIRST_DRUM,
    FIRST_PROGRAM,
    INSTRUMENT,
    PITCH,
    STREAMS,
)

TICKS_OF = DURATIONS.copy()  # [V] of each value of the duration stream
NUM_PITCHES = STREAMS[PITCH].size


@borrowing
def span_at(b: int, rules: Rules, rows: Rows, tick: int) -> int:
    """Number of the span that a tick lies in, which is not before the row's own."""
    z = rows.numbers[b, SPAN]
    while rules.spans[b, z + 1]["start"] <= tick:
        z += 1
    return z


@borrowing
def next_locked_tick(b: int, rules: Rules, rows: Rows) -> int:
    """Tick of the next locked note, NEVER when none is left."""
    return rules.locked_at[b, rows.numbers[b, LOCKED]]["tick"]


@borrowing
def num_sounding(b: int, rows: Rows, tick: int) -> int:
    """Melodic notes of a row that sound beyond `tick`."""
    count = 0
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        if rows.ends[b, i] > tick:
            count += 1
    return count


@borrowing
def first_free_tick(b: int, rows: Rows, polyphony: int) -> int:
    """The first tick after the row's own at which another melodic voice is free."""
    tick = rows.numbers[b, TICK]
    if num_sounding(b, rows, tick + 1) < polyphony:
        return tick + 1
    first = NEVER
    for i in range(rows.numbers[b, NUM_SOUNDING]):
        end = rows.ends[b, i]
        if tick < end < first and num_sounding(b, rows, end) < polyphony:
            first = end
    return first


@borrowing
def max_sounding(b: int, rules: Rules, rows: Rows, z: int) -> int:
    """Melodic notes that may sound together: the last chord is no fuller than the music before it."""
    span, numbers = rules.spans[b, z], rows.numbers[b]
    if span["chord_at"] == NEVER or rules.track[b]["needed"] & ~numbers[PLAYED]:
        return span["polyphony"]
    return min(span["polyphony"], max(numbers[PEAK], 1))


@borrowing
def top_pitch(b: int, rules: Rules, rows: Rows, z: int, instrument: int) -> int:
    """Highest pitch value of an instrument: the last chord goes no higher than the music before, if that leaves any."""
    mask, group = rules.spans[b, z]["mask"], rules.group_of[b, instrument]
    if instrument == DRUM_INSTRUMENT:
        for value in range(NUM_PITCHES - 1, FIRST_DRUM - 1, -1):
            if rules.pitches[b, mask, group, value]:
                return value
        return 0
    if rules.spans[b, z]["chord_at"] != NEVER:
        for value in range(min(rows.numbers[b, HIGHEST], rules.max_pitch[b, mask, group]), 0, -1):
            if rules.pitches[b, mask, group, value]:
                return value
    return rules.max_pitch[b, mask, group]


@borrowing
def holds_locked(b: int, rules: Rules, rows: Rows, tick: int) -> bool:
    """Whether a locked note that has been played sounds beyond `tick`: its voice must not be struck again."""
    played = rows.numbers[b, LOCKED]
    return played > 0 and rules.locked_at[b, played - 1]["reach"] > tick


@borrowing
def is_held(b: int, rules: Rules, rows: Rows, tick: int, instrument: int, pitch: int) -> bool:
    """Whether a locked note of this instrument and pitch value sounds beyond `tick`."""
    i = rows.numbers[b, LOCKED] - 1
    while i >= 0 and rules.locked_at[b, i]["reach"] > tick:
        note = rules.locked[b, i]
        end = rules.locked_at[b, i]["tick"] + TICKS_OF[note[DURATION]]
        if end > tick and note[INSTRUMENT] == instrument and note[PITCH] == pitch:
            return True
        i -= 1
    return False


@borrowing
def has_voice(
    b: int, rules: Rules, rows: Rows, tick: int, z: int, instrument: int, first_pitch: int, stop_pitch: int
) -> bool:
    """Whether an instrument has an allowed pitch value from first_pitch to before stop_pitch that is not held."""
    first = max(first_pitch, FIRST_DRUM if instrument == DRUM_INSTRUMENT else 1)
    mask, group = rules.spans[b, z]["mask"], rules.group_of[b, instrument]
    for pitch in range(first, min(stop_pitch, top_pitch(b, rules, rows, z, instrument) + 1)):
        if rules.pitches[b, mask, group, pitch] and not is_held(b, rules, rows, tick, instrument, pitch):
            return True
    return False


@borrowing
def is_open(b: int, rules: Rules, rows: Rows, tick: int, z: int) -> bool:
    """Whether a span leaves any of its ticks to notes that are chosen."""
    span = rules.spans[b, z]
    if span["chord_at"] != NEVER and tick != span["chord_at"]:
        return False
    if span["exclusive"] == FREE:
        return True
    return span["exclusive"] == LOCKED_FIRST and next_locked_tick(b, rules, rows) >= span["stop"]


@borrowing
def can_sound(b: int, rules: Rules, rows: Rows, tick: int, z: int) -> bool:
    """Whether some note may begin at `tick`; at the row's own tick it must come after the one before in order."""
    if next_locked_tick(b, rules, rows) == tick:
        return True
    if not is_open(b, rules, rows, tick, z):
        return False
    span, numbers = rules.spans[b, z], rows.numbers[b]
    is_melodic = span["last_instrument"] > 0 and num_sounding(b, rows, tick) < max_sounding(b, rules, rows, z)
    is_held = holds_locked(b, rules, rows, tick)
    if tick > numbers[TICK] or numbers[EVENT] == 0:
        if is_held:
            return _has_any_voice(b, rules, rows, tick, z, DRUM_INSTRUMENT, 0, is_melodic)
        return is_melodic or span["has_drums"] == 1
    if numbers[ONSET_NOTES] >= span["onset_notes"]:
        return False
    if numbers[ONSET_NOTES] == 0:  # a rest led here, and a rest is not followed by another event of its tick
        return False
    instrument, pitch = rows.before[b, INSTRUMENT], rows.before[b, PITCH]
    if is_held:
        return _has_any_voice(b, rules, rows, tick, z, instrument, pitch + 1, is_melodic)
    is_below = pitch < top_pitch(b, rules, rows, z, instrument)
    if instrument == DRUM_INSTRUMENT and is_below and may_drum(b, rules, rows, tick, z, 0):
        return True
    last = span["last_instrument"]
    return is_melodic and (last > instrument or (last == instrument and is_below))


@borrowing
def _has_any_voice(
    b: int, rules: Rules, rows: Rows, tick: int, z: int, instrument: int, first_pitch: int, is_melodic: bool
) -> bool:
    """Whether an instrument has a voice from first_pitch on, or one after it any; without is_melodic drums alone."""
    span = rules.spans[b, z]
    for value in range(instrument, span["last_instrument"] + 1 if is_melodic else FIRST_PROGRAM):
        if value == DRUM_INSTRUMENT:
            is_allowed = may_drum(b, rules, rows, tick, z, 0)
        else:
            is_allowed = rules.instruments[b, span["mask"], value] == 1
        first = first_pitch if value == instrument else 0
        if is_allowed and has_voice(b, rules, rows, tick, z, value, first, NUM_PITCHES):
            return True
    return False


@borrowing
def may_drum(b: int, rules: Rules, rows: Rows, tick: int, z: int, num_due: int) -> bool:
    """Whether drums are played, and leave a place of the last onset to the chord beside num_due locked notes."""
    span, numbers = rules.spans[b, z], rows.numbers[b]
    if span["has_drums"] == 0:
        return False
    keeps_place = span["chord_at"] != NEVER and span["last_instrument"] > 0 and not numbers[IS_CLOSED]
    so_far = numbers[ONSET_NOTES] if numbers[EVENT] > 0 and tick == numbers[TICK] else 0
    return not (keeps_place and so_far + num_due >= span["onset_notes"] - 1)


@borrowing
def longest_beside_locked(b: int, rules: Rules, rows: Rows, then: int, longest: int) -> int:
    """Ticks, `longest` at most, that the note being chosen may last so that later locked notes have their voices.

    It ends where a locked note strikes its own voice, and, if it is melodic, where one would make it too many.
    """
    i, event = rows.numbers[b, LOCKED], rows.event[b]
    is_melodic = event[INSTRUMENT] != DRUM_INSTRUMENT
    while rules.locked_at[b, i]["tick"] < then + longest:
        at = rules.locked_at[b, i]["tick"]
        if at > then:
            if rules.locked[b, i, INSTRUMENT] == event[INSTRUMENT] and rules.locked[b, i, PITCH] == event[PITCH]:
                return at - then
            if is_melodic and rules.locked_at[b, i + 1]["tick"] != at:
                count = rules.locked_at[b, i]["load"] + 1
                for k in range(rows.numbers[b, NUM_SOUNDING]):
                    if rows.ends[b, k] > at and rows.voices[b, k] < LOCKED_VOICE:
                        count += 1
                if count > rules.spans[b, span_at(b, rules, rows, at)]["polyphony"]:
                    return at - then
        i += 1
    return longest
