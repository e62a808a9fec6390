"""The cut list that an order names becomes the seconds that its row holds: a changed file is another track."""

from __future__ import annotations

from dataclasses import replace

from lstm_core import storage
from lstm_core.foundation.errors import OrderError, StorageError
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.timing.cut_list import is_cut_list, read_cut_list, spelled

MAX_FILE_BYTES = 10_000_000  # a list of 200 hits has 20 kB


def cut_list_uri(order: TrackOrder, folder: str = "") -> str:
    """The cut list that an order names for its hits, which may be relative to `folder`; "" for none."""
    return storage.absolute(order.hits, folder) if is_cut_list(order.hits) else ""


def with_hits_read(order: TrackOrder, folder: str = "") -> TrackOrder:
    """The order with the seconds of its cut list, whose name may be relative to `folder`; as it is without one.

    Raises:
        OrderError: the file cannot be read, is malformed, or does not go with the order; the message names it.
    """
    if not is_cut_list(order.hits):
        return order
    uri = cut_list_uri(order, folder)
    try:
        data = storage.read_bytes(uri)
    except StorageError as error:
        raise OrderError(f"The cut list of hits cannot be read. {error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise OrderError(f"hits, {order.hits}: {len(data):,} bytes are no cut list.")
    try:
        seconds = read_cut_list(data, order.hits, order.hits_fps)
        return replace(order, hits=spelled(seconds), hits_fps="")
    except (ValueError, OrderError) as error:
        raise OrderError(f"hits, {order.hits}: {error}") from error
