"""What the compiled engine obeys: rules of B rows, each one track, as arrays.

Spans, locked notes and entrances are tables of records whose columns are named here once; a table ends with a record
that lies at NEVER, so that a search needs no count. Equal masks are stored once and spans name them by number: half an
hour with two chords in a bar has 1,600 spans and a few dozen masks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_core.orders.constraints.timeline import NEVER, SpanLimits
from lstm_core.representations.note_events import FIRST_DRUM, FIRST_PITCH, PITCH, STREAMS, transposed_events


def _record(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names])


TRACK = _record(
    "total_ticks",
    "bar_ticks",
    "final_start",  # tick of the last chord, NEVER without one
    "needed",  # bits of the requested instruments that no locked note plays
    "starts_at_once",
)
SPAN = _record(
    "start",
    "stop",
    *SpanLimits._fields,
    "mask",  # number of its masks in Rules.pitches and Rules.instruments
    "last_instrument",  # highest melodic value that has a pitch here, 0: none
    "has_drums",
    "silence_from",  # tick from which silence is counted at the earliest
)
LOCKED = _record(
    "tick",
    "reach",  # tick up to which it or a note before it sounds
    "load",  # melodic locked notes that sound at its tick
)
ENTRANCE = _record("tick", "bits")  # a barline, and the instruments that may enter at it
_FILL = {"start": NEVER, "stop": NEVER, "tick": NEVER}  # of records at the end of a table

Records = npt.NDArray[np.void]


class Rules(NamedTuple):
    """What B rows obey."""

    track: Records  # TRACK [B]
    spans: Records  # SPAN [B, Z + 1]
    pitches: npt.NDArray[np.uint8]  # [B, M, G, V] masks of the groups of instruments
    max_pitch: npt.NDArray[np.int64]  # [B, M, G] highest melodic value of each, 0: none
    instruments: npt.NDArray[np.uint8]  # [B, M, V]; values of no pitch in their span are left out
    group_of: npt.NDArray[np.uint8]  # [B, V] group of each value of the instrument stream
    serves: npt.NDArray[np.int64]  # [B, V] bits of the requested instruments that a value serves
    entrances: Records  # ENTRANCE [B, E + 1]
    locked: npt.NDArray[np.uint8]  # [B, P + 1, K] locked notes as events
    locked_at: Records  # LOCKED [B, P + 1]
    sharp: npt.NDArray[np.int64]  # [B, K], see fixed_point.sharpness
    top_p: npt.NDArray[np.int64]  # [B, K] in the unit of shares
    seed: npt.NDArray[np.int64]  # [B]


def stack_rules(rows: list[Rules]) -> Rules:
    """The rules of several batches as one."""
    parts = []
    for tables in zip(*rows, strict=True):
        shape = tuple(np.max([table.shape[1:] for table in tables], axis=0)) if tables[0].ndim > 1 else ()
        parts.append(np.concatenate([_widened(table, shape) for table in tables]))
    return Rules._make(parts)


def set_row(rules: Rules, b: int, row: Rules) -> Rules:
    """The rules with row b replaced by the rules of one row: the same arrays, or wider ones where it needs them."""
    parts: list[npt.NDArray[Any]] = []
    tables: zip[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = zip(rules, row, strict=True)
    for table, new in tables:
        shape = tuple(np.maximum(table.shape[1:], new.shape[1:]))
        table = table if shape == table.shape[1:] else _widened(table, shape)
        table[b] = _widened(new, shape)[0]
        parts.append(table)
    return Rules._make(parts)


def transposed_rules(rules: Rules, semitones: int) -> Rules:
    """The rules for a model that plays everything `semitones` higher than requested."""
    if semitones == 0:
        return rules
    melodic = rules.pitches[..., FIRST_PITCH:FIRST_DRUM]
    source = np.arange(128) - semitones
    inside = np.flatnonzero((source >= 0) & (source < 128))
    pitches = rules.pitches.copy()
    pitches[..., FIRST_PITCH:FIRST_DRUM] = 0
    pitches[..., FIRST_PITCH + inside] = melodic[..., source[inside]]
    locked = transposed_events(rules.locked.reshape(-1, len(STREAMS)), semitones).reshape(rules.locked.shape)
    return rules._replace(pitches=pitches, max_pitch=max_pitch_of(pitches), locked=locked)


def can_transpose(rules: Rules, semitones: int) -> bool:
    """Whether all locked notes, and some pitch of each mask that has one, are MIDI pitches `semitones` higher too."""
    pitch = rules.locked[..., PITCH].astype(np.int64)
    melodic = pitch[(pitch >= FIRST_PITCH) & (pitch < FIRST_DRUM)] + semitones
    has_pitch = transposed_rules(rules, semitones).max_pitch > 0
    is_inside = (melodic >= FIRST_PITCH) & (melodic < FIRST_DRUM)
    return bool(is_inside.all() and (has_pitch == (rules.max_pitch > 0)).all())


def _widened(table: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The table [B, ...] enlarged to `shape` behind the first axis, filled with zeros and records at NEVER."""
    if table.shape[1:] == shape:
        return table
    wider = np.zeros((len(table), *shape), dtype=table.dtype)
    for name in table.dtype.names or ():
        wider[name] = _FILL.get(name, 0)
    wider[tuple(slice(size) for size in table.shape)] = table
    return wider


def max_pitch_of(pitches: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Highest melodic value of masks uint8 [..., V], 0 where there is none: int64 [...]."""
    highest: npt.NDArray[np.int64] = np.where(pitches[..., :FIRST_DRUM], np.arange(FIRST_DRUM), 0).max(axis=-1)
    return highest
