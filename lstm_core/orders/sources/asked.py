"""What an order asks of the track that it starts from: which bars and parts are made again, or how far it varies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lstm_core.orders.timing.bridge import made_ids

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

REMADE_FIELDS = ("bars", "parts", "vary")  # one of them: the same track, of which something is made again
SOURCE_FIELDS = ("from_track", "catalogue", *REMADE_FIELDS, "from_notes", "from_seed")  # of an order row
SPELLED = {"from_track": "from"}  # how fields are written that are no names in Python
_TRACK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SPAN = re.compile(r"(\d{1,5})(?:\s*[-–]\s*(\d{1,5}))?")


def check_source(order: TrackOrder) -> None:
    """Raises ValueError for bars, parts or a variation that are malformed, or that start from no track."""
    if not order.from_track:
        alone = REMADE_FIELDS if made_ids(order.bridge) else ("catalogue", *REMADE_FIELDS)
        given = next((name for name in alone if getattr(order, name) not in ("", (), None)), "")
        if given:
            raise ValueError(f'{given} is given, but not from. Write the track that it is about: from = "TRACK_ID".')
        return
    if _TRACK_ID.fullmatch(order.from_track) is None:
        raise ValueError(
            f'from is "{order.from_track}", it must be the id of a track, the name of its folder in the catalogue.'
        )
    if order.bars:
        parse_bars(order.bars)
    if order.vary is not None:
        if not 0.0 <= order.vary <= 1.0:
            raise ValueError(f"vary is {order.vary:g}, it must be 0 to 1.")
        if order.bars or order.parts:
            other = "bars" if order.bars else "parts"
            raise ValueError(
                f"vary and {other} are both given: vary chooses itself what is made again. Leave one of them out."
            )


def is_remade(order: TrackOrder) -> bool:
    """Whether an order is a track of which something is made again: its form, time and players stay."""
    return bool(order.from_track and (order.bars or order.parts or order.vary is not None))


def is_rearranged(order: TrackOrder) -> bool:
    """Whether an order is another arrangement of a track: its form, chords and melody stay."""
    return bool(order.from_track) and not is_remade(order)


def parse_bars(text: str) -> tuple[range, ...]:
    """Bars from 0 on of a text that counts from 1: "9-16, 17".

    Raises:
        ValueError: the text is malformed, or a span ends before it begins.
    """
    spans = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part.strip())
        if found is None or int(found[1]) < 1:
            raise ValueError(f'bars is "{text}". Write bars from 1 on, such as "9-16" or "9-12, 17".')
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f'bars is "{text}": {first}-{last} ends before it begins. Write "{last}-{first}".')
        spans.append(range(first - 1, last))
    return tuple(spans)


def bars_text(value: Any) -> Any:
    """Bars as an order row holds them: a single number, as TOML and Parquet have it, is text as well."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return ", ".join(part.strip() for part in text.split(",")) if isinstance(text, str) else text


def check_bars(order: TrackOrder, num_bars: int) -> None:
    """Raises ValueError for bars that a track of so many does not have."""
    last = max((span.stop for span in parse_bars(order.bars)), default=0) if order.bars else 0
    if last > num_bars:
        raise ValueError(
            f'bars is "{order.bars}", but track {order.from_track} has {num_bars} bars. Write bars up to {num_bars}.'
        )
