"""Checks of an order before any work: whether it can be met, and how large its files will be."""

from __future__ import annotations

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import FEWEST_PITCHES, plan_track
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.representations.note_events import FIRST_DRUM
from lstm_core.sound.output_formats import output_format

OTHER_FILES_BYTES = 100_000  # of a track: MIDI, picture, record


def admit(order: TrackOrder, primers: PrimerReader | None = None) -> PlannedTrack:
    """The plan of an order that can be met; its primer is read by `primers`, or by a reader for it alone.

    Raises:
        OrderError: it cannot be met; the message says why, and what could be.
    """
    if primers is None:
        with PrimerReader() as primers:
            return admit(order, primers)
    plan = plan_track(order)
    track = PlannedTrack(order=order, plan=plan, primer=primers.events(order, plan))
    rules = make_rules(order, plan, primer=track.primer)
    num_pitches = int(rules.pitches[0, 0, 0, :FIRST_DRUM].sum())
    if rules.spans[0, 0]["last_instrument"] and num_pitches < FEWEST_PITCHES:
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} hold {num_pitches} notes of the key, and music of fewer "
            f"than {FEWEST_PITCHES} is not delivered. Widen pitch_low and pitch_high."
        )
    return track


def estimated_size_bytes(order: TrackOrder) -> float:
    """The approximate number of bytes that the files of a track take."""
    pcm = order.duration_s * order.sample_rate * 2 * order.bit_depth / 8
    share = output_format(order.format, order.bit_depth).size_share
    return pcm * share * (3 if order.stems else 1) + OTHER_FILES_BYTES
