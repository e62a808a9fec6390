"""The time of a bridge: some bars from one tempo to another, and a tail over which the next track begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Tempo

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

BRIDGE_FIELDS = ("bridge", "bridge_bars", "bridge_bpm", "bridge_at")  # of an order row
DECIDED_FIELDS = (
    "duration_s",
    "key",
    "scale",
    "bpm",
    "meter",
    "form",
    "chords",
    "bridge_bpm",
    "bridge_at",
)  # by the tracks it joins
MOST_BRIDGE_BARS = 4
BRIDGE_TAIL_S = 1.0  # after its last barline what rings dies away
NOT_WITH = (
    "loop",
    "hits",
    "tempo_changes",
    "key_changes",
    "meter_changes",
    "rit",
    "fermata",
    "primer",
    "loop_start",
    "exact_tempo",
    "transitions",
)
_HOW = (
    'Write the names of two rows above it, such as "forest > cave" or ["forest", "cave"], or the ids of two tracks of '
    "the catalogue."
)
_MADE = re.compile(r"([0-9a-f]{24})(?:/layer-([1-9]))?")


@dataclass(frozen=True, kw_only=True)
class MadeName:
    """A name of a bridge that means a track of a catalogue, or one of its layers."""

    track_id: str
    layer: int  # from 1 on; 0: the track


def made_name(name: str) -> MadeName | None:
    """What a name such as "34fbd796ac8547c91b8ada3a" or "34fbd796ac8547c91b8ada3a/layer-2" means; None for others."""
    found = _MADE.fullmatch(name)
    return None if found is None else MadeName(track_id=found[1], layer=int(found[2] or 0))


def made_ids(text: str) -> frozenset[str]:
    """The ids of tracks of a catalogue that a bridge names."""
    return frozenset(made.track_id for name in text.split(">") if (made := made_name(name.strip())) is not None)


def is_unread(order: TrackOrder) -> bool:
    """Whether an order is a bridge of tracks that were not looked up yet, whose key, tempo and bars are unknown."""
    return bool(order.bridge) and not order.bridge_bpm and bool(made_ids(order.bridge))


def bridge_text(value: object) -> object:
    """A plain value of `bridge` as the text that an order row holds; what is none as it is."""
    if isinstance(value, list | tuple):
        return " > ".join(str(name).strip() for name in value)
    return " > ".join(name.strip() for name in value.split(">")) if isinstance(value, str) else value


def bridge_names(text: str) -> tuple[str, str]:
    """The names of the tracks that a bridge joins.

    Raises:
        ValueError: there are not two of them.
    """
    names = [name.strip() for name in text.split(">")]
    if len(names) != 2 or not all(names):
        raise ValueError(f'bridge is "{text}". {_HOW}')
    return names[0], names[1]


def check_bridge(order: TrackOrder) -> None:
    """Raises ValueError for a bridge that is malformed, or for what goes with bridges alone."""
    if not 1 <= order.bridge_bars <= MOST_BRIDGE_BARS:
        raise ValueError(f"bridge_bars is {order.bridge_bars}, it must be 1 to {MOST_BRIDGE_BARS}.")
    if not order.bridge:
        for name in BRIDGE_FIELDS[2 if order.transitions else 1 :]:
            if getattr(order, name) != type(order).__dataclass_fields__[name].default:
                raise ValueError(f"{name} is given, but no bridge. {_HOW}")
        return
    bridge_names(order.bridge)
    for name in NOT_WITH:
        if getattr(order, name):
            raise ValueError(f"{name} does not go with a bridge. Leave one of them out.")


def bridge_tempos(order: TrackOrder, meter: Meter) -> tuple[Tempo, ...]:
    """The tempo of each beat: the first that of the track before, then even steps towards that of the track after."""
    num_beats = order.bridge_bars * meter.numerator
    beat_ticks = meter.bar_ticks // meter.numerator
    bpm = order.bpm * (order.bridge_bpm / order.bpm) ** (np.arange(num_beats) / num_beats)
    if order.bpm == order.bridge_bpm:
        return (Tempo(tick=0, bpm=order.bpm),)
    return tuple(Tempo(tick=beat * beat_ticks, bpm=float(one)) for beat, one in enumerate(bpm))


def bridge_seconds(order: TrackOrder, meter: Meter) -> float:
    """How long a bridge and its tail last."""
    tempos, total = bridge_tempos(order, meter), order.bridge_bars * meter.bar_ticks
    ends = [*(tempo.tick for tempo in tempos[1:]), total]
    beats = [(end - tempo.tick) * 60.0 / tempo.bpm for tempo, end in zip(tempos, ends, strict=True)]
    return sum(beats) / TICKS_PER_QUARTER + BRIDGE_TAIL_S
