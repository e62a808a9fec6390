"""What a track that starts from another one promises: what was to stay is there, and something else is not."""

from __future__ import annotations

import numpy as np

from lstm_core.composing.between.leading import is_end, led
from lstm_core.composing.manners import manners_seed
from lstm_core.composing.rearranging import with_melody
from lstm_core.composing.remaking import staying
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import home_shift
from lstm_core.notes.score import DRUMS, NoteArray
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.asked import is_remade
from lstm_core.tracks.gates import GateResult

_FIELDS = ("onset", "duration", "program", "pitch", "velocity", "part")


def source_track(track: PlannedTrack, take: Take, attempt: int) -> SourceTrack:
    """What others need to start from a track of which this is the attempt that was delivered.

    Raises:
        OrderError: it was made without a plan.
    """
    if take.plan is None:
        raise OrderError("from is a track that was made without a plan: nothing can start from it.")
    before = track.source if is_remade(track.order) else None
    return SourceTrack(
        order=track.order,
        plan=take.plan,
        notes=take.notes,
        track_plan=track.plan,
        manners_seed=manners_seed(track, attempt),
        level=take.notes if before is None else before.level,
    )


def source_gates(track: PlannedTrack, take: Take) -> list[GateResult]:
    """Results of the gates of a track that starts from another one.

    `kept`, share of the notes that must stay which are there, as long and as loud; `changed`, share of the notes of
    what is made again that are others, where something is. Of a track between two others `kept` is 1 at either end
    where the notes are exactly those of that track; of those between, `first_apart` and `last_apart` are how far they
    are from the two, in the home key.
    """
    if track.order.between:
        return _between_gates(track, take)
    stays, source = staying(track), track.source
    if source is None or take.plan is None:
        return []
    stays = with_melody(take.plan, track) if stays is None else stays
    if stays is None:
        return []
    here, there = _rows(take.notes), _rows(stays.notes)
    # Where something is made again nothing else may stand in what stays; an arrangement only keeps a melody.
    expected = len(there | _rows(take.notes[stays.has(take.notes)])) if is_remade(track.order) else len(there)
    share = len(here & there) / expected if expected else 1.0
    gates = [GateResult("kept", share == 1.0, share, 1.0)]
    if is_remade(track.order) and stays.is_new.any():
        apart = distance(take.notes[~stays.has(take.notes)], source.notes[~stays.has(source.notes)])
        gates.append(GateResult("changed", apart > 0.0, apart, 0.0))
    return gates


def _between_gates(track: PlannedTrack, take: Take) -> list[GateResult]:
    stays, first, last = led(track), track.source, track.target
    if stays is None or first is None or last is None:
        return []
    here, there = _rows(take.notes), _rows(stays.notes)
    expected = len(here | there) if is_end(track) else len(there)  # at an end there is nothing else
    share = len(here & there) / expected if expected else 1.0
    gates = [GateResult("kept", share == 1.0, share, 1.0)]
    if is_end(track):
        return gates
    own = in_home_key(take.notes, home_shift(track.plan.key))
    for name, end in (("first_apart", first), ("last_apart", last)):
        apart = distance(own, in_home_key(end.notes, home_shift(end.track_plan.key)))
        gates.append(GateResult(name, apart > 0.0, apart, 0.0))
    return gates


def in_home_key(notes: NoteArray, shift: int) -> NoteArray:
    """The notes so many semitones higher, drums and what would leave the pitches of MIDI as they are."""
    pitch = notes["pitch"].astype(np.int64) + np.where(notes["program"] == DRUMS, 0, shift)
    moved = notes.copy()
    moved["pitch"] = np.where((pitch < 0) | (pitch > 127), notes["pitch"], pitch)
    return moved


def distance(one: NoteArray, other: NoteArray) -> float:
    """How far apart notes are, 0 to 1: the share of their onsets, programs and pitches that not both have."""
    names = ("onset", "program", "pitch")
    a, b = _rows(one, names), _rows(other, names)
    return 1.0 - len(a & b) / len(a | b) if a | b else 0.0


def _rows(notes: NoteArray, names: tuple[str, ...] = _FIELDS) -> set[tuple[int, ...]]:
    return set(zip(*(notes[name].tolist() for name in names), strict=True))
