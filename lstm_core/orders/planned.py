"""An order row with its plan: what travels to the engine and to finishing."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstm_core.orders.melodies.tune import PlacedTune
from lstm_core.orders.order import TrackOrder, derived_seed
from lstm_core.orders.plan import TrackPlan
from lstm_core.representations.note_events import EventArray


@dataclass(frozen=True, kw_only=True)
class PlannedTrack:
    """A track that can be made, as `admission.admit` gives it; no later stage parses or plans anything again.

    It is pickled into the rows of Ray Data: 1 kB, and the events of a primer or the notes of a tune.
    """

    order: TrackOrder
    plan: TrackPlan
    primer: EventArray | None = field(
        default=None, repr=False, compare=False
    )  # [T, K]; compared by order.primer_sha256
    tune: PlacedTune | None = field(default=None, repr=False, compare=False)  # compared by order.melody_sha256
    track_id: str = ""  # "" until it is known what the track is made with

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.order.name or self.track_id

    def seed_of(self, attempt: int) -> int:
        """Seed of an attempt at the track, 0 for the first. Key, tempo and all else that is planned stay."""
        return derived_seed(self.order.seed, attempt)
