"""A finished timeline becomes the rules of one row; what no music could meet is refused here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.fixed_point import share, sharpness
from lstm_core.orders.constraints.rules import ENTRANCE, LOCKED, SPAN, TRACK, Records, Rules, max_pitch_of
from lstm_core.orders.constraints.timeline import (
    FREE,
    LOCKED_FIRST,
    LOCKED_ONLY,
    MAX_ONSET_NOTES,
    NEVER,
    LockedNotes,
    Span,
    Timeline,
    instrument_values,
)
from lstm_core.representations.note_events import (
    DRUM_INSTRUMENT,
    DURATION,
    DURATIONS,
    FIRST_DRUM,
    FIRST_PROGRAM,
    INSTRUMENT,
    STREAMS,
)


def compile_timeline(timeline: Timeline, *, temperature: float, top_p: float, seed: int) -> Rules:
    """Rules of one row.

    Raises:
        OrderError: a span leaves nothing to play, a requested instrument finds no place, or locked notes
            leave none for the last chord.
    """
    spans, pitches, instruments = _span_table(timeline)
    serves = _serves(timeline)
    played = int(np.bitwise_or.reduce(serves[timeline.locked.events[:, INSTRUMENT]], initial=0))
    needed = int(np.bitwise_or.reduce(serves)) & ~played
    locked_at = _locked_table(timeline.locked)
    entrances = _entrances(timeline, spans, instruments, serves, needed)
    _check_entrances(timeline, spans, entrances, serves, needed)
    track = (
        timeline.total_ticks,
        timeline.bar_ticks,
        timeline.spans[-1].limits.chord_at,
        needed,
        timeline.starts_at_once,
    )
    num = len(STREAMS)
    rules = Rules(
        track=np.array([track], dtype=TRACK),
        spans=spans[None],
        pitches=pitches[None],
        max_pitch=max_pitch_of(pitches)[None],
        instruments=instruments[None],
        group_of=timeline.group_of[None],
        serves=serves[None],
        entrances=entrances[None],
        locked=np.concatenate([timeline.locked.events, np.zeros((1, num), dtype=np.uint8)])[None],
        locked_at=locked_at[None],
        sharp=np.full((1, num), sharpness(temperature)),
        top_p=np.full((1, num), share(top_p)),
        seed=np.array([seed], dtype=np.int64),
    )
    _check_chord(timeline)
    return rules


def _span_table(timeline: Timeline) -> tuple[Records, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The records of the spans, SPAN [Z + 1], and the masks that they name: uint8 [M, G, V] and [M, V]."""
    numbers: dict[tuple[bytes, bytes], int] = {}
    pitches: list[npt.NDArray[np.uint8]] = []
    instruments: list[npt.NDArray[np.uint8]] = []
    table = np.zeros(len(timeline.spans) + 1, dtype=SPAN)
    stops = [*(span.start_tick for span in timeline.spans[1:]), timeline.total_ticks]
    silence_from, before = 0, timeline.spans[0]
    for z, (span, stop) in enumerate(zip(timeline.spans, stops, strict=True)):
        number = numbers.setdefault((span.pitches.tobytes(), span.instruments.tobytes()), len(numbers))
        if number == len(pitches):
            pitches.append(span.pitches)
            instruments.append(_playable(span, timeline.group_of))
        playable = instruments[number]
        if span.limits.exclusive == FREE and not playable.any():
            raise OrderError(_nothing_to_play(timeline, span, stop))
        if span.limits.longest_silence != before.limits.longest_silence or before.limits.exclusive != FREE:
            silence_from = span.start_tick
        limits = span.limits._replace(ends_by=min(span.limits.ends_by, timeline.total_ticks))
        highest = int(np.flatnonzero(playable).max(initial=0))
        melodic = highest if highest >= FIRST_PROGRAM else 0
        derived = (number, melodic, playable[DRUM_INSTRUMENT], silence_from)
        table[z] = (span.start_tick, stop, *limits, *derived)
        before = span
    table[-1]["start"] = table[-1]["stop"] = NEVER
    return table, np.stack(pitches), np.stack(instruments)


def _playable(span: Span, group_of: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Values of the instrument stream that are allowed in a span and have a pitch there: uint8 [V]."""
    has_pitch: npt.NDArray[np.bool_] = np.any(span.pitches[:, :FIRST_DRUM], axis=1)[group_of]
    has_pitch[DRUM_INSTRUMENT] = span.pitches[group_of[DRUM_INSTRUMENT], FIRST_DRUM:].any()
    return (span.instruments & has_pitch).astype(np.uint8)


def _nothing_to_play(timeline: Timeline, span: Span, stop: int) -> str:
    first, last = span.start_tick // timeline.bar_ticks + 1, (stop - 1) // timeline.bar_ticks + 1
    bars = f"bar {first}" if first == last else f"bars {first} to {last}"
    return (
        f"Nothing is left to play in {bars} (ticks {span.start_tick} to {stop}): no instrument that is allowed there "
        "has a pitch that is allowed. Widen pitch_low and pitch_high, or request other instruments."
    )


def _serves(timeline: Timeline) -> npt.NDArray[np.int64]:
    serves = np.zeros(STREAMS[INSTRUMENT].size, dtype=np.int64)
    for bit, programs in enumerate(timeline.parts):
        serves[instrument_values(programs)] |= 1 << bit
    return serves


def _locked_table(locked: LockedNotes) -> Records:
    """LOCKED [P + 1]."""
    table = np.zeros(len(locked.ticks) + 1, dtype=LOCKED)
    table["tick"] = np.append(locked.ticks, NEVER)
    ends = locked.ticks + DURATIONS[locked.events[:, DURATION]]
    table["reach"][:-1] = np.maximum.accumulate(ends) if len(ends) else ends
    table["load"][:-1] = _locked_load(locked, locked.ticks)
    return table


def _locked_load(locked: LockedNotes, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Melodic locked notes that sound at each tick, those that begin there included: int64, shape of `ticks`."""
    melodic = locked.events[:, INSTRUMENT] >= FIRST_PROGRAM
    onsets = locked.ticks[melodic]
    ends = np.sort(onsets + DURATIONS[locked.events[melodic, DURATION]])
    return np.searchsorted(onsets, ticks, side="right") - np.searchsorted(ends, ticks, side="right")


def _entrances(
    timeline: Timeline,
    spans: Records,
    instruments: npt.NDArray[np.uint8],
    serves: npt.NDArray[np.int64],
    needed: int,
) -> Records:
    """Barlines at which instruments that are still missing enter, from the second bar on if there is one.

    What may enter at a barline is what its span allows and, but for drums, has a free voice beside the locked notes.
    Returns ENTRANCE [E + 1].
    """
    if not needed:
        return _entrance_table(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    bar = timeline.bar_ticks
    stop = min(spans[-2]["chord_at"], timeline.total_ticks - bar)
    ticks = np.arange(bar if timeline.total_ticks > bar else 0, stop + 1, bar)
    at = spans[np.searchsorted(spans["start"], ticks, side="right") - 1]
    bits = np.bitwise_or.reduce(np.where(instruments.astype(bool), serves, 0), axis=1)[at["mask"]]
    has_voice = _locked_load(timeline.locked, ticks) < at["polyphony"]
    bits &= np.where(has_voice, -1, serves[DRUM_INSTRUMENT])
    last_locked = np.append(timeline.locked.ticks, NEVER)
    is_before = last_locked[np.searchsorted(last_locked, ticks, side="right")] < at["stop"]
    is_closed = (at["exclusive"] == LOCKED_ONLY) | ((at["exclusive"] == LOCKED_FIRST) & is_before)
    kept = ~is_closed & (bits & needed != 0)
    return _entrance_table(ticks[kept], bits[kept] & needed)


def _entrance_table(ticks: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]) -> Records:
    table = np.zeros(len(ticks) + 1, dtype=ENTRANCE)
    table["tick"], table["bits"][:-1] = np.append(ticks, NEVER), bits
    return table


def _check_entrances(
    timeline: Timeline, spans: Records, entrances: Records, serves: npt.NDArray[np.int64], needed: int
) -> None:
    """Refuses instruments that do not all find a place, in the worst case of what the engine may choose.

    At each of its barlines a missing instrument enters unless others take all free voices.
    """
    melodic = {programs: 1 << timeline.parts.index(programs) for programs in timeline.parts}
    drums = int(serves[DRUM_INSTRUMENT])
    missing = {programs: bit for programs, bit in melodic.items() if bit & needed & ~drums}
    if not missing:
        return
    ticks = entrances["tick"][:-1]
    at = spans[np.searchsorted(spans["start"], ticks, side="right") - 1]
    starts_free = not drums and len(timeline.locked.ticks) == 0 and timeline.total_ticks > timeline.bar_ticks
    free = np.minimum(at["polyphony"] - _locked_load(timeline.locked, ticks), MAX_ONSET_NOTES - 1)
    free = np.where(at["exclusive"] == FREE, free, 0)
    num_played = sum(1 for programs in melodic if not melodic[programs] & (needed | drums))
    for bit in missing.values():
        voices = free[(entrances["bits"][:-1] & bit != 0) & (free > 0)]
        places = num_played + starts_free + int(voices.min(initial=MAX_ONSET_NOTES)) * len(voices)
        if len(missing) + num_played > places:
            raise OrderError(
                f"{len(missing) + num_played} instruments cannot all play in "
                f"{timeline.total_ticks // timeline.bar_ticks} bars with a polyphony of "
                f"{int(spans['polyphony'][:-1].min())}: there is place for {places}. "
                "Request fewer, a longer track or a higher polyphony."
            )


def _check_chord(timeline: Timeline) -> None:
    """Refuses locked notes that sound over the last chord and leave no free voice for a note of it."""
    start, locked = timeline.spans[-1].limits.chord_at, timeline.locked
    if start == NEVER or ((locked.ticks == start) & (locked.events[:, INSTRUMENT] >= FIRST_PROGRAM)).any():
        return
    span = timeline.span_at(start)
    load = int(_locked_load(locked, np.array([start]))[0])
    if load >= span.limits.polyphony and span.instruments[FIRST_PROGRAM:].any():
        raise OrderError(
            f"{load} notes that are to stay as they are sound at tick {start}, where the last chord begins, and a "
            f"polyphony of {span.limits.polyphony} leaves no place for it. Let them end there, or request more."
        )
