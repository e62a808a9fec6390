"""What an order asks of the track that it starts from: which bars and parts are made again, or how far it varies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lstm_core.orders.timing.bridge import made_ids

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

REMADE_FIELDS = ("bars", "parts", "vary")  # one of them: the same track, of which something is made again
BETWEEN_FIELDS = ("between", "steps", "step", "between_notes")  # of a track that leads from one to another
SOURCE_FIELDS = ("from_track", "catalogue", *REMADE_FIELDS, "from_notes", "from_seed", *BETWEEN_FIELDS)  # of a row
SPELLED = {"from_track": "from"}  # how fields are written that are no names in Python
_TRACK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_BETWEEN = 'Write the ids of two tracks of the catalogue: ["ID_A", "ID_B"], in tables ID_A > ID_B.'
USUAL_STEPS, MOST_STEPS = 5, 16
_NOT_BETWEEN = ("from_track", *REMADE_FIELDS, "bridge", "melody", "primer")
_SPAN = re.compile(r"(\d{1,5})(?:\s*[-–]\s*(\d{1,5}))?")


def check_source(order: TrackOrder) -> None:
    """Raises ValueError for bars, parts or a variation that are malformed, or that start from no track."""
    _check_between(order)
    if not order.from_track:
        alone = REMADE_FIELDS if order.between or made_ids(order.bridge) else ("catalogue", *REMADE_FIELDS)
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


def _check_between(order: TrackOrder) -> None:
    """Raises ValueError for a track between two others that is malformed, or for what goes with these alone."""
    if not order.between:
        given = next((name for name in ("steps", "step", "between_notes") if getattr(order, name)), "")
        if given:
            raise ValueError(f'{given} is given, but not between. Write the two tracks: between = ["ID_A", "ID_B"].')
        return
    between_ids(order.between)
    other = next((name for name in _NOT_BETWEEN if getattr(order, name) not in ("", (), None)), "")
    if other:
        raise ValueError(f"between does not go with {SPELLED.get(other, other)}. Leave one of them out.")
    if order.steps and not 2 <= order.steps <= MOST_STEPS:
        raise ValueError(f"steps is {order.steps}, it must be 2 to {MOST_STEPS}.")
    if not 0 <= order.step <= (order.steps or USUAL_STEPS):
        raise ValueError(f"step is {order.step}, it must be 1 to {order.steps or USUAL_STEPS}.")


def between_ids(text: str) -> tuple[str, str]:
    """The ids of the tracks that a row leads from and to.

    Raises:
        ValueError: there are not two of them, or it is twice the same.
    """
    ids = [one.strip() for one in text.split(">")]
    if len(ids) != 2 or not all(_TRACK_ID.fullmatch(one) for one in ids):
        raise ValueError(f'between is "{text}". {_BETWEEN}')
    if ids[0] == ids[1]:
        raise ValueError(f'between is "{text}", twice the same track. {_BETWEEN}')
    return ids[0], ids[1]


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
