"""Notes <-> K parallel integer streams, and the ticks at which events stand.

An event is one row of five small integers: `time_shift, instrument, pitch, duration, velocity`.
There are three kinds of event, distinguished by `instrument`:

    note   instrument >= DRUM_INSTRUMENT, everything else set
    REST   time passes, nothing sounds: pitch, duration and velocity are 0; its time_shift is MAX_SHIFT
    END    the last event, on the barline that closes the piece; pitch, duration and velocity are 0

Events of one onset stand in ascending (instrument, pitch).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, NOTE_DTYPE, Meter, Score, Tempo, bar_starts, tidy
from lstm_core.representations.representation import EventArray as EventArray
from lstm_core.representations.representation import Stream

REPRESENTATION = "notes-1"  # a change of anything below is a new representation
MAX_SHIFT = 96  # ticks, a bar of 4/4; a longer gap is spelt with REST events

END, REST, DRUM_INSTRUMENT = 0, 1, 2  # values of the instrument stream; program p is FIRST_PROGRAM + p
FIRST_PROGRAM = 3
FIRST_PITCH = 1  # value of MIDI pitch 0 in the pitch stream
FIRST_DRUM_KEY, LAST_DRUM_KEY = 27, 87  # General MIDI Level 2 percussion map; keys outside are left out
FIRST_DRUM = FIRST_PITCH + 128  # value of drum key FIRST_DRUM_KEY in the pitch stream

DURATIONS: npt.NDArray[np.int64] = np.concatenate(
    [
        [0],
        np.arange(1, 25),
        np.arange(26, 49, 2),
        np.arange(52, 97, 4),
        np.arange(108, 193, 12),
        np.arange(216, 385, 24),
    ]
)  # ticks of each value of the duration stream; value 0 belongs to REST and END
VELOCITY_STEP = 8  # MIDI velocities per value of the velocity stream


STREAMS = (
    Stream("time_shift", MAX_SHIFT + 1),
    Stream("instrument", FIRST_PROGRAM + 128),
    Stream("pitch", FIRST_DRUM + LAST_DRUM_KEY - FIRST_DRUM_KEY + 1),
    Stream("duration", len(DURATIONS)),
    Stream("velocity", 1 + 128 // VELOCITY_STEP),
)
TIME_SHIFT, INSTRUMENT, PITCH, DURATION, VELOCITY = range(5)


def encode_score(score: Score) -> EventArray:
    """Events of a score, the last one END: uint8 [T, 5].

    Durations and velocities go to the nearest value; drum keys outside General MIDI Level 2 are left out.
    """
    notes = score.notes
    is_drum = notes["program"] == DRUMS
    known = ~is_drum | ((notes["pitch"] >= FIRST_DRUM_KEY) & (notes["pitch"] <= LAST_DRUM_KEY))
    notes, is_drum = notes[known], is_drum[known]
    table = np.zeros((len(notes), 5), dtype=np.int64)
    onsets = notes["onset"].astype(np.int64)
    table[:, INSTRUMENT] = np.where(is_drum, DRUM_INSTRUMENT, FIRST_PROGRAM + notes["program"].astype(np.int64))
    pitch = notes["pitch"].astype(np.int64)
    table[:, PITCH] = np.where(is_drum, FIRST_DRUM + pitch - FIRST_DRUM_KEY, FIRST_PITCH + pitch)
    table[:, DURATION] = nearest_duration(notes["duration"])
    table[:, VELOCITY] = np.clip(notes["velocity"] // VELOCITY_STEP, 0, 15) + 1
    order = np.lexsort((table[:, PITCH], table[:, INSTRUMENT], onsets))
    last = max(int(onsets.max(initial=0)) + 1, int((notes["onset"] + notes["duration"]).max(initial=0)))
    end = int(bar_starts(score.meters, last)[-1])
    closing = np.zeros((1, 5), dtype=np.int64)  # END
    table = np.concatenate([table[order], closing])
    return _spelt(table, np.concatenate([onsets[order], [end]]))


def without_instruments(events: EventArray, dropped: npt.NDArray[np.int64]) -> EventArray:
    """The events without the notes of some values of the instrument stream; the time of the others stays."""
    kept = (events[:, INSTRUMENT] != REST) & ~np.isin(events[:, INSTRUMENT], dropped)
    return _spelt(events[kept].astype(np.int64), event_onsets(events)[kept])


def _spelt(table: npt.NDArray[np.int64], onsets: npt.NDArray[np.int64]) -> EventArray:
    """Events of rows at given ticks, int64 [T, 5] and [T]: their time shifts, with a REST wherever one is too long."""
    gaps = np.diff(onsets, prepend=0)
    rests = np.maximum(-(-gaps // MAX_SHIFT) - 1, 0)
    table[:, TIME_SHIFT] = gaps - rests * MAX_SHIFT
    rows = np.repeat(np.arange(len(table)), rests + 1)
    is_rest = np.ones(len(rows), dtype=bool)
    is_rest[np.cumsum(rests + 1) - 1] = False
    events = table[rows]
    events[is_rest] = (MAX_SHIFT, REST, 0, 0, 0)
    return events.astype(np.uint8)


def transposed_events(events: EventArray, semitones: int) -> EventArray:
    """The events with every pitch but those of drums moved: uint8 [T, 5]."""
    moved = events.copy()
    pitch = events[:, PITCH].astype(np.int64)
    is_melodic = (pitch >= FIRST_PITCH) & (pitch < FIRST_DRUM)
    moved[:, PITCH] = np.where(is_melodic, pitch + semitones, pitch)
    return moved


def nearest_duration(ticks: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Value of the duration stream nearest to each number of ticks; at least 1: int64, shape of `ticks`."""
    middles = (DURATIONS[1:-1] + DURATIONS[2:]) / 2
    return np.searchsorted(middles, ticks, side="right").astype(np.int64) + 1


def event_onsets(events: EventArray) -> npt.NDArray[np.int64]:
    """Ticks at which each event stands: int64 [T]."""
    return np.cumsum(events[:, TIME_SHIFT].astype(np.int64))


def decode_events(
    events: EventArray,
    *,
    tempos: tuple[Tempo, ...] = (Tempo(tick=0, bpm=120.0),),
    meters: tuple[Meter, ...] = (Meter(tick=0, numerator=4, denominator=4),),
    title: str = "",
) -> Score:
    """The score that events spell. A velocity is decoded as the middle of its step."""
    onsets = event_onsets(events)
    sounding = events[:, INSTRUMENT] >= DRUM_INSTRUMENT
    rows, onsets = events[sounding].astype(np.int64), onsets[sounding]
    is_drum = rows[:, INSTRUMENT] == DRUM_INSTRUMENT
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    notes["onset"] = onsets
    notes["program"] = np.where(is_drum, DRUMS, rows[:, INSTRUMENT] - FIRST_PROGRAM)
    notes["pitch"] = np.where(is_drum, rows[:, PITCH] - FIRST_DRUM + FIRST_DRUM_KEY, rows[:, PITCH] - FIRST_PITCH)
    notes["duration"] = DURATIONS[rows[:, DURATION]]
    notes["velocity"] = np.maximum((rows[:, VELOCITY] - 1) * VELOCITY_STEP + VELOCITY_STEP // 2, 1)
    return Score(notes=tidy(notes), tempos=tempos, meters=meters, title=title)
