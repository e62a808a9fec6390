"""What each stream of a row may choose. Compiled.

Every function takes the number b of a row and `allowed`, uint8 [V] of its stream, all zeros, and sets a 1 for each
value that may be chosen: at least one, whatever the timeline says. Locked notes come first, then the limits of the
spans, then entrances and silences, which give way where nothing else is left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.engine.entrances import barline_kept_free, can_enter, entrance_after, is_entrance, keep_missing
from lstm_core.engine.onsets import (
    NUM_PITCHES,
    TICKS_OF,
    can_sound,
    first_free_tick,
    has_voice,
    holds_locked,
    is_held,
    is_open,
    longest_beside_locked,
    max_sounding,
    may_drum,
    next_locked_tick,
    num_sounding,
    top_pitch,
)
from lstm_core.engine.rows import (
    EVENT,
    IS_CLOSED,
    LOCKED,
    LOCKED_ONLY,
    NEW_SPAN,
    NEW_TICK,
    ONSET_NOTES,
    REST_BEFORE,
    SILENT_FROM,
    SPAN,
    TICK,
    Rows,
)
from lstm_core.foundation.compiling import borrowing
from lstm_core.orders.constraints.rules import Rules
from lstm_core.orders.constraints.timeline import NEVER
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    END,
    FIRST_DRUM,
    FIRST_PROGRAM,
    INSTRUMENT,
    MAX_SHIFT,
    PITCH,
    REST,
    TIME_SHIFT,
)


@borrowing
def allow_shifts(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Ticks from the event before to the next: uint8 [MAX_SHIFT + 1].

    0 alone where the row must stay: a locked note is due, the last chord has not begun, an instrument can enter.
    Else every shift to a tick at which something may begin, up to `latest`: the end, the next locked note, the last
    chord or the barline at which an instrument enters; and up to the end of the longest silence, unless nothing may
    begin before. MAX_SHIFT also where a rest may stand, which is wherever something must begin later than that.
    """
    numbers, track = rows.numbers[b], rules.track[b]
    tick, locked = numbers[TICK], next_locked_tick(b, rules, rows)
    if _must_stay(b, rules, rows, locked):
        allowed[0] = 1
        return
    latest = min(min(track["total_ticks"], locked), entrance_after(b, rules, rows))
    silence_end = NEVER
    if not numbers[IS_CLOSED]:
        span = rules.spans[b, numbers[SPAN]]
        latest = min(latest, track["final_start"])
        silence_end = max(numbers[SILENT_FROM], span["silence_from"]) + span["longest_silence"]
    rest_before = min(latest, silence_end)
    if not _allow_onsets(b, rules, rows, allowed, latest, silence_end):
        rest_before = min(track["total_ticks"], locked)
        allowed[min(MAX_SHIFT, rest_before - tick)] = 1
    elif tick + MAX_SHIFT < rest_before:
        allowed[MAX_SHIFT] = 1
    numbers[REST_BEFORE] = rest_before


@borrowing
def _must_stay(b: int, rules: Rules, rows: Rows, locked: int) -> bool:
    """Whether the next event stands at the row's own tick: `locked` is the tick of the next locked note."""
    numbers, track = rows.numbers[b], rules.track[b]
    tick, z = numbers[TICK], numbers[SPAN]
    if locked == tick:
        return True
    if numbers[EVENT] == 0:
        must_stay = track["starts_at_once"] == 1
    elif tick == track["final_start"] and not numbers[IS_CLOSED]:
        must_stay = True
    else:
        must_stay = is_entrance(b, rules, rows, tick) and can_enter(b, rules, rows, tick, z)
    return must_stay and can_sound(b, rules, rows, tick, z)


@borrowing
def _allow_onsets(
    b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8], latest: int, silence_end: int
) -> bool:
    """Allows shifts to ticks up to `latest` at which something may begin or the track ends; returns whether one is.

    After silence_end only the first such tick, and only if there is none before.
    """
    numbers, total = rows.numbers[b], rules.track[b]["total_ticks"]
    tick, z = numbers[TICK], numbers[SPAN]
    last = min(MAX_SHIFT, latest - tick)
    if last >= 0 and can_sound(b, rules, rows, tick, z):
        allowed[0] = 1
    shift = 1
    while shift <= last and tick + shift < total:
        while rules.spans[b, z + 1]["start"] <= tick + shift:
            z += 1
        stop = min(last + 1, rules.spans[b, z]["stop"] - tick)
        _allow_in_span(b, rules, rows, allowed, shift, stop, z)
        shift = stop
    if 0 < last == latest - tick and (latest == total or latest == next_locked_tick(b, rules, rows)):
        allowed[last] = 1
    first = 0
    while first <= last and not allowed[first]:
        first += 1
    for shift in range(max(first, silence_end - tick) + 1, last + 1):
        allowed[shift] = 0
    return first <= last


@borrowing
def _allow_in_span(
    b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8], first: int, stop: int, z: int
) -> None:
    """Allows shifts from `first`, 1 or more, to before `stop` at which something may begin; all lead into span z."""
    tick, span = rows.numbers[b, TICK], rules.spans[b, z]
    if span["chord_at"] != NEVER or holds_locked(b, rules, rows, tick + first):
        for shift in range(first, stop):
            if can_sound(b, rules, rows, tick + shift, z):
                allowed[shift] = 1
    elif is_open(b, rules, rows, tick + first, z):  # all ticks are alike, but for free voices
        if not span["has_drums"]:
            free_from = first_free_tick(b, rows, span["polyphony"]) if span["last_instrument"] > 0 else NEVER
            first = max(first, free_from - tick)
        for shift in range(first, stop):
            allowed[shift] = 1


@borrowing
def allow_instruments(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Instruments, a rest or the end, at the tick that was chosen: uint8 [V].

    Of the instrument of a locked note that is due only that note may be chosen: LOCKED_ONLY says so.
    """
    numbers = rows.numbers[b]
    then, z = numbers[NEW_TICK], numbers[NEW_SPAN]
    if then >= rules.track[b]["total_ticks"]:
        allowed[END] = 1
        return
    is_due = next_locked_tick(b, rules, rows) == then
    if is_open(b, rules, rows, then, z):
        if is_due:
            _allow_before_locked(b, rules, rows, allowed)
        else:
            _allow_own(b, rules, rows, allowed, 0, 0)
            if is_entrance(b, rules, rows, then):
                keep_missing(b, rules, rows, allowed)
    elif is_due:
        allowed[rules.locked[b, numbers[LOCKED], INSTRUMENT]] = 1
        numbers[LOCKED_ONLY] = 1
    if rows.event[b, TIME_SHIFT] == MAX_SHIFT and then < numbers[REST_BEFORE]:
        allowed[REST] = 1


@borrowing
def _allow_own(
    b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8], num_due: int, num_melodic: int
) -> None:
    """Instruments that come after the event before, beside num_due locked notes, num_melodic of them no drums."""
    numbers = rows.numbers[b]
    then, z = numbers[NEW_TICK], numbers[NEW_SPAN]
    span = rules.spans[b, z]
    lowest, so_far = DRUM_INSTRUMENT, 0
    if rows.event[b, TIME_SHIFT] == 0 and numbers[EVENT] > 0:
        before, so_far = rows.before[b, INSTRUMENT], numbers[ONSET_NOTES]
        lowest = before if rows.before[b, PITCH] < top_pitch(b, rules, rows, z, before) else before + 1
    if so_far + num_due >= span["onset_notes"]:
        return
    if lowest <= DRUM_INSTRUMENT and may_drum(b, rules, rows, then, z, num_due):
        allowed[DRUM_INSTRUMENT] = 1
    is_free = num_sounding(b, rows, then) + num_melodic < max_sounding(b, rules, rows, z)
    if span["last_instrument"] > 0 and is_free:
        for value in range(max(lowest, FIRST_PROGRAM), span["last_instrument"] + 1):
            allowed[value] = rules.instruments[b, span["mask"], value]
    if holds_locked(b, rules, rows, then):
        for value in range(DRUM_INSTRUMENT, span["last_instrument"] + 1):
            first = rows.before[b, PITCH] + 1 if so_far > 0 and value == rows.before[b, INSTRUMENT] else 0
            if allowed[value] and not has_voice(b, rules, rows, then, z, value, first, NUM_PITCHES):
                allowed[value] = 0


@borrowing
def _allow_before_locked(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """The instrument of the locked note that is due, and those of notes that come before it in order."""
    numbers = rows.numbers[b]
    then, z, i = numbers[NEW_TICK], numbers[NEW_SPAN], numbers[LOCKED]
    num_due, num_melodic = 0, 0
    while rules.locked_at[b, i + num_due]["tick"] == then:
        num_melodic += 1 if rules.locked[b, i + num_due, INSTRUMENT] > DRUM_INSTRUMENT else 0
        num_due += 1
    _allow_own(b, rules, rows, allowed, num_due, num_melodic)
    instrument, pitch = rules.locked[b, i, INSTRUMENT], rules.locked[b, i, PITCH]
    allowed[instrument + 1 :] = 0
    is_same = rows.event[b, TIME_SHIFT] == 0 and numbers[EVENT] > 0 and rows.before[b, INSTRUMENT] == instrument
    first = rows.before[b, PITCH] + 1 if is_same else 0
    if allowed[instrument] and not has_voice(b, rules, rows, then, z, instrument, first, pitch):
        allowed[instrument] = 0
    has_entered = False
    if is_entrance(b, rules, rows, then):
        has_entered = keep_missing(b, rules, rows, allowed)
        if not has_entered:
            allowed[:] = 0
    numbers[LOCKED_ONLY] = 1 - allowed[instrument]
    if not has_entered:  # else those that are missing and come before it enter first
        allowed[instrument] = 1


@borrowing
def allow_pitches(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Pitches of the instrument that was chosen, or its drums: uint8 [V]."""
    numbers, event = rows.numbers[b], rows.event[b]
    instrument, then, z = event[INSTRUMENT], numbers[NEW_TICK], numbers[NEW_SPAN]
    first, stop = (FIRST_DRUM, NUM_PITCHES) if instrument == DRUM_INSTRUMENT else (1, FIRST_DRUM)
    if event[TIME_SHIFT] == 0 and numbers[EVENT] > 0 and rows.before[b, INSTRUMENT] == instrument:
        first = max(first, rows.before[b, PITCH] + 1)
    if next_locked_tick(b, rules, rows) == then and rules.locked[b, numbers[LOCKED], INSTRUMENT] == instrument:
        locked_pitch = rules.locked[b, numbers[LOCKED], PITCH]
        allowed[locked_pitch] = 1
        if numbers[LOCKED_ONLY]:
            return
        stop = min(stop, int(locked_pitch))
    if instrument != DRUM_INSTRUMENT:
        stop = min(stop, top_pitch(b, rules, rows, z, instrument) + 1)
    mask, group = rules.spans[b, z]["mask"], rules.group_of[b, instrument]
    for value in range(first, stop):
        allowed[value] = rules.pitches[b, mask, group, value]
    if holds_locked(b, rules, rows, then):
        for value in range(first, stop):
            if allowed[value] and is_held(b, rules, rows, then, instrument, value):
                allowed[value] = 0


@borrowing
def allow_durations(b: int, rules: Rules, rows: Rows, allowed: npt.NDArray[np.uint8]) -> None:
    """Durations of the note that was chosen so far: uint8 [V]."""
    then = rows.numbers[b, NEW_TICK]
    span = rules.spans[b, rows.numbers[b, NEW_SPAN]]
    longest = min(span["longest_ticks"], span["ends_by"] - then)
    longest = min(longest, barline_kept_free(b, rules, rows, then) - then)
    longest = longest_beside_locked(b, rules, rows, then, min(longest, TICKS_OF[-1]))
    shortest = 1 if rows.event[b, INSTRUMENT] == DRUM_INSTRUMENT else min(span["shortest_ticks"], longest)
    value = len(TICKS_OF) - 1
    while TICKS_OF[value] > longest:
        value -= 1
    allowed[value] = 1
    while value > 1 and TICKS_OF[value - 1] >= shortest:
        value -= 1
        allowed[value] = 1
