"""What is asked of an order before any work: can it be met, and how large will its files be."""

from __future__ import annotations

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import FEWEST_PITCHES, plan_track
from lstm_core.orders.primer import read_primer
from lstm_core.representations.note_events import FIRST_DRUM

COMPRESSED_SHARE = 0.75  # of PCM that a FLAC file takes at most, about


def check_order(order: TrackOrder) -> None:
    """Refuses an order that cannot be met, before any work.

    Raises:
        OrderError: the message says why, and what could be met.
    """
    plan = plan_track(order)
    rules = make_rules(order, plan, primer=read_primer(order, plan))
    num_pitches = int(rules.pitches[0, 0, 0, :FIRST_DRUM].sum())
    if rules.spans[0, 0]["last_instrument"] and num_pitches < FEWEST_PITCHES:
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} hold {num_pitches} notes of the key, and music of fewer "
            f"than {FEWEST_PITCHES} is not delivered. Widen pitch_low and pitch_high."
        )


def estimated_size_bytes(order: TrackOrder) -> float:
    """About how many bytes the files of a track take."""
    pcm = order.duration_s * order.sample_rate * 2 * order.bit_depth / 8
    share = COMPRESSED_SHARE if order.format == "flac" else 1.0
    return pcm * share * (3 if order.stems else 1) + 100_000
