"""Who makes the notes of tracks: a composer, or a model of notes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lstm_core.composing.composer import Composer
from lstm_core.composing.take import Take
from lstm_core.composing.voices import ended_by, with_chord_held
from lstm_core.engine.engine import Engine
from lstm_core.engine.requests import check_plays_orders, request_of
from lstm_core.foundation.errors import CheckpointError, OrderError
from lstm_core.model.checkpoint import (
    Checkpoint,
    find_checkpoint,
    fingerprint_of_description,
    load_checkpoint,
    load_runs,
    read_description,
)
from lstm_core.model.composer_checkpoint import ComposerCheckpoint, find_level, is_composer, load_composer
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.timing.cue import cue_of
from lstm_core.originality.index import OriginalityIndex
from lstm_core.representations.note_events import decode_events
from lstm_core.representations.parts.events import REPRESENTATION as PARTS_NAME

Playable = Checkpoint | ComposerCheckpoint  # what tracks can be made with


class Player(Protocol):
    """Makes takes; each depends on the attempt, the checkpoint and the arithmetic alone."""

    def play(self, attempts: Sequence[tuple[PlannedTrack, int]]) -> Iterator[Take]:
        """A take for each attempt at a track, 0 for the first, as soon as it is finished."""


class NotePlayer:
    """A model of all notes in the order of time."""

    def __init__(self, checkpoint: Checkpoint, *, arithmetic: str = "auto", device: str = "cpu") -> None:
        self.engine = Engine(checkpoint, arithmetic=arithmetic, device=device)

    def play(self, attempts: Sequence[tuple[PlannedTrack, int]]) -> Iterator[Take]:
        facts = self.engine.checkpoint.facts
        for made in self.engine.generate([request_of(track, attempt, facts) for track, attempt in attempts]):
            track, notes = attempts[made.number][0], decode_events(made.events).notes
            notes = ended_by(notes, track.plan.tick_of(track.order.loop_start))
            if cue_of(track.order.form):
                notes = with_chord_held(notes, track.plan)
            yield Take(number=made.number, notes=notes, num_events=len(made.events))


def load_playable(name: str | Path) -> Playable:
    """The checkpoint that a user means, of either kind.

    Raises:
        CheckpointError: there is none, it is damaged, or it was trained on something that makes no tracks.
    """
    uri = find_checkpoint(name)
    if is_composer(uri):
        return load_composer(uri)
    checkpoint = load_checkpoint(uri)
    check_plays_orders(checkpoint.facts)
    return checkpoint


def check_accompanies(checkpoint: Playable, orders: Iterable[TrackOrder]) -> None:
    """Raises OrderError for an order with a melody or changes of key or meter and a checkpoint that makes no plans."""
    if isinstance(checkpoint, ComposerCheckpoint):
        return
    for order in orders:
        name = next((name for name in ("melody", "key_changes", "meter_changes") if getattr(order, name)), "")
        if name:
            what = f"{'accompany' if name == 'melody' else 'follow'} {name} {getattr(order, name)}"
            raise OrderError(
                f"The checkpoint {checkpoint.facts.name} writes notes without a plan and cannot {what}. "
                "Use base, or a run of the levels plan and parts."
            )


def load_training_runs(name: str | Path, checkpoint: Playable) -> tuple[OriginalityIndex, ...]:
    """The indexes of the pieces that the notes of a checkpoint were learnt from, which stand beside it.

    Raises:
        CheckpointError: one is missing or damaged, or another checkpoint has taken the place of this one.
    """
    uri = find_checkpoint(name)
    if isinstance(checkpoint, ComposerCheckpoint):
        uri, fingerprint = find_level(name, PARTS_NAME), checkpoint.arranger.fingerprint
    else:
        fingerprint = checkpoint.fingerprint
    runs = load_runs(uri)
    if fingerprint_of_description(read_description(uri)) != fingerprint:
        raise CheckpointError(f"{name} was replaced by another checkpoint while it was read. Run the command again.")
    return runs


def open_player(checkpoint: Playable, *, arithmetic: str = "auto", device: str = "cpu") -> Player:
    """A player of a checkpoint. `arithmetic` and `device` are those of Engine."""
    if isinstance(checkpoint, ComposerCheckpoint):
        return Composer(checkpoint, arithmetic=arithmetic, device=device)
    return NotePlayer(checkpoint, arithmetic=arithmetic, device=device)
