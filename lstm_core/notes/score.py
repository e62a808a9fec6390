"""A piece as an array of notes on a grid of 24 ticks per quarter, with its tempo and meter maps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

TICKS_PER_QUARTER = 24
DRUMS = 128  # the value of `program` for a note of the percussion channel; its pitch is a General MIDI drum key

NOTE_DTYPE = np.dtype(
    [
        ("onset", "<i4"),  # ticks from the start of the piece
        ("duration", "<i4"),  # ticks, at least 1
        ("program", "u1"),  # General MIDI program 0..127, or DRUMS
        ("pitch", "u1"),  # MIDI number 0..127
        ("velocity", "u1"),  # 1..127
        ("part", "u1"),  # which track or voice of the source it came from
    ]
)
NoteArray = npt.NDArray[np.void]

FAMILIES = (
    "piano",
    "chromatic",
    "organ",
    "guitar",
    "bass",
    "strings",
    "ensemble",
    "brass",
    "reed",
    "pipe",
    "lead",
    "pad",
    "effects",
    "ethnic",
    "percussive",
    "sounds",
    "drums",
)  # the sixteen General MIDI families of eight programs each, then drums; bit i of a `families` mask is FAMILIES[i]


def family_of(program: int) -> int:
    """Index into FAMILIES of a General MIDI program or of DRUMS."""
    return 16 if program == DRUMS else program // 8


@dataclass(frozen=True, kw_only=True)
class Tempo:
    tick: int
    bpm: float  # quarters per minute


@dataclass(frozen=True, kw_only=True)
class Meter:
    tick: int  # a bar starts here
    numerator: int
    denominator: int  # a power of two

    @property
    def bar_ticks(self) -> int:
        """Length of one bar in ticks."""
        return max(1, self.numerator * 4 * TICKS_PER_QUARTER // self.denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


@dataclass(frozen=True, kw_only=True)
class KeyChange:
    tick: int  # a bar starts here
    key: int  # 0..11 major from C up, 12..23 minor


Change = TypeVar("Change", Tempo, Meter, KeyChange)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One piece. Notes are sorted by (onset, program with drums first, pitch) and hold no two equal triples.

    A note of one program and pitch ends no later than the next onset of that program and pitch.
    """

    notes: NoteArray  # NOTE_DTYPE [N]
    tempos: tuple[Tempo, ...] = (Tempo(tick=0, bpm=120.0),)  # the first at tick 0
    meters: tuple[Meter, ...] = (Meter(tick=0, numerator=4, denominator=4),)  # the first at tick 0
    keys: tuple[KeyChange, ...] = ()  # where there are several, the first at tick 0; (): not told
    title: str = ""
    tags: dict[str, str] = field(default_factory=dict)  # facts from the source: composer, copyright, ...

    @property
    def end_tick(self) -> int:
        """Tick at which the last note ends, 0 without notes."""
        return int((self.notes["onset"] + self.notes["duration"]).max()) if len(self.notes) else 0

    @property
    def duration_s(self) -> float:
        """Seconds from tick 0 to the end of the last note."""
        return float(self.seconds(np.array([self.end_tick]))[0])

    def seconds(self, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Seconds of each tick under the tempo map: float64, shape of `ticks`."""
        starts = np.array([tempo.tick for tempo in self.tempos], dtype=np.float64)
        per_tick = np.array([60.0 / (tempo.bpm * TICKS_PER_QUARTER) for tempo in self.tempos])
        at_start = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
        segment = np.maximum(np.searchsorted(starts, ticks, side="right") - 1, 0)
        seconds: npt.NDArray[np.float64] = at_start[segment] + (ticks - starts[segment]) * per_tick[segment]
        return seconds


def bar_starts(meters: tuple[Meter, ...], end_tick: int) -> npt.NDArray[np.int64]:
    """Ticks of all barlines from 0 up to the first one at or after `end_tick`: int64 [num_bars + 1].

    A change of meter starts a bar, whatever is left of the one before.
    """
    starts: list[int] = []
    for i, meter in enumerate(meters):
        stop = meters[i + 1].tick if i + 1 < len(meters) else end_tick
        starts.extend(range(meter.tick, min(stop, end_tick), meter.bar_ticks))
    last = meters[-1]
    final = last.tick + -(-max(end_tick - last.tick, 0) // last.bar_ticks) * last.bar_ticks
    if final < end_tick or not starts:
        final = max(final, end_tick, last.bar_ticks)
    return np.array([*[s for s in starts if s < final], final], dtype=np.int64)


def cut_score(score: Score, tick: int) -> tuple[Score, Score]:
    """The score of what begins before a tick, and that of what begins from it on, whose tick 0 it is.

    Notes keep their lengths. Tempo, meter and key of either are those that hold there; a bar begins at `tick`.
    """
    is_first = score.notes["onset"] < tick
    first, second = score.notes[is_first], score.notes[~is_first].copy()
    second["onset"] -= tick
    tempos, meters = _changes_from(score.tempos, tick), _changes_from(score.meters, tick)
    keys = _changes_from(score.keys, tick) if score.keys else ()
    return replace(score, notes=first), replace(score, notes=second, tempos=tempos, meters=meters, keys=keys)


def make_notes(rows: list[tuple[int, int, int, int, int]] | npt.NDArray[np.int64]) -> NoteArray:
    """Notes from rows of (onset, duration, program, pitch, velocity), tidied: NOTE_DTYPE [N]."""
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 5)
    notes = np.zeros(len(table), dtype=NOTE_DTYPE)
    for column, name in enumerate(("onset", "duration", "program", "pitch", "velocity")):
        notes[name] = table[:, column]
    return tidy(notes)


def tidy(notes: NoteArray) -> NoteArray:
    """The same notes in the order and without the overlaps that Score promises: NOTE_DTYPE [N or fewer].

    Of notes with equal onset, program and pitch the longest is kept, at the greatest velocity.
    """
    drums_first = np.where(notes["program"] == DRUMS, -1, notes["program"].astype(np.int16))
    notes = notes[np.lexsort((-notes["duration"], notes["pitch"], drums_first, notes["onset"]))]
    if len(notes) == 0:
        return notes
    same = np.zeros(len(notes), dtype=bool)
    same[1:] = (
        (notes["onset"][1:] == notes["onset"][:-1])
        & (notes["program"][1:] == notes["program"][:-1])
        & (notes["pitch"][1:] == notes["pitch"][:-1])
    )
    loudest = np.maximum.reduceat(notes["velocity"], np.flatnonzero(~same))
    notes = notes[~same].copy()
    notes["velocity"] = loudest
    voice = notes["program"].astype(np.int64) * 128 + notes["pitch"]
    by_voice = np.lexsort((notes["onset"], voice))
    onset, again = notes["onset"][by_voice], np.diff(voice[by_voice]) == 0
    free_ticks = np.where(again, np.diff(onset), np.iinfo(np.int32).max)
    duration = notes["duration"][by_voice]
    duration[:-1] = np.minimum(duration[:-1], free_ticks)
    notes["duration"][by_voice] = np.maximum(duration, 1)
    return notes


def _changes_from(changes: tuple[Change, ...], tick: int) -> tuple[Change, ...]:
    """The changes from a tick on, which becomes 0; the first is what holds there."""
    last = max(i for i, change in enumerate(changes) if i == 0 or change.tick <= tick)
    return tuple(replace(change, tick=max(change.tick - tick, 0)) for change in changes[last:])
