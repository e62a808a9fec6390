"""An order row with its plan: what travels to the engine and to finishing."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstm_core.notes.score import NoteArray
from lstm_core.orders.melodies.tune import PlacedTune
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import EventArray
from lstm_core.representations.plan.layout import Plan


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class SourceTrack:
    """The track that another one starts from, as it was planned and played."""

    order: TrackOrder
    plan: Plan  # in the home key
    notes: NoteArray  # in the key of that track; `part` is the number of the part in the plan
    track_plan: TrackPlan
    manners_seed: int  # by which the manners of its parts were drawn
    level: NoteArray  # notes of the track whose gain its stems have: its own, or of the one that it was made from


@dataclass(frozen=True, kw_only=True)
class PlannedTrack:
    """A track that can be made, as `admission.admit` gives it; no later stage parses or plans anything again.

    It is pickled into the rows of Ray Data: 1 kB, and the events of a primer, the notes of a tune, or the tracks
    that it starts from.
    """

    order: TrackOrder
    plan: TrackPlan
    primer: EventArray | None = field(
        default=None, repr=False, compare=False
    )  # [T, K]; compared by order.primer_sha256
    tune: PlacedTune | None = field(default=None, repr=False, compare=False)  # compared by order.melody_sha256
    source: SourceTrack | None = field(
        default=None, repr=False, compare=False
    )  # None until the track that it starts from was played again; compared by order.from_notes
    # The track that one leads to which leads from `source`; compared by order.between_notes.
    target: SourceTrack | None = field(default=None, repr=False, compare=False)
    track_id: str = ""  # "" until it is known what the track is made with

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.order.name or self.track_id

    @property
    def has_given_chords(self) -> bool:
        """Whether chords come from the order, or from what it starts from: their tones may be outside the scale."""
        return bool(self.order.chords) or self.tune is not None or bool(self.order.from_track or self.order.between)

    def seed_of(self, attempt: int) -> int:
        """Seed of an attempt at the track, 0 for the first. Key, tempo and all else that is planned stay."""
        return derived_seed(self.order.seed, attempt)
