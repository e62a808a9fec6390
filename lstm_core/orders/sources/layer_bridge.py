"""Bridges between layers of one track: a bar or a few over the track's own chords, where these stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import ChordSymbol
from lstm_core.notes.keys import key_name
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.orders.order import FREE_KEY, TrackOrder, order_fields, order_from_fields
from lstm_core.orders.sources.made_tracks import MadeTrack
from lstm_core.orders.timing.bridge import bridge_seconds

LONGER_UNDER_S = 1.5  # a bar that is shorter is no time for a fade, so two are taken
LOUDER, SOFTER = ("1.0", "0.6 1.0"), ("0.4", "1.0 0.4")  # energy of one bar, and of more, into a layer
_Bars = tuple[tuple[ChordSymbol, ...], ...]


def stinger_bars(track: MadeTrack) -> int:
    """How many bars lead from one layer of a track to another where nobody says it."""
    return 1 if track.meter.bar_ticks / TICKS_PER_QUARTER * 60.0 / track.bpm >= LONGER_UNDER_S else 2


def between_layers(order: TrackOrder, before: MadeTrack, after: MadeTrack) -> TrackOrder:
    """The row of a bridge from one layer of a track to another.

    It has key, tempo and meter of the track, the players of the louder of the two, and the chords that the track has at
    most of its barlines: there a game can begin it while it fades.

    Raises:
        OrderError: it is one layer twice, the track changes key or meter, or nowhere is the tempo steady for so many
            bars.
    """
    if before.layer == after.layer:
        raise OrderError(f'bridge is "{order.bridge}": that is one layer. Name two of them.')
    louder = before if before.layer > after.layer else after
    if any(louder.order.get(name) for name in ("key_changes", "meter_changes")):
        raise OrderError(
            f"bridge is between layers of {louder.track_id}, which changes its key or meter: no one bar fits at its "
            "barlines. Join layers of a track that keeps them."
        )
    bars, bpm, starts = _most_frequent(louder, order.bridge_bars)
    own_players = order.instruments or order.ensemble
    row = replace(
        order,
        style=order.style or str(louder.order.get("style", "")),
        key=FREE_KEY if louder.key is None else key_name(louder.key),
        scale="" if louder.key is None else str(louder.order.get("scale", "")),
        meter=str(louder.meter),
        bpm=bpm,
        bridge_bpm=bpm,
        bridge_at=", ".join(str(start + 1) for start in starts),
        instruments=order.instruments if own_players else louder.heard_players,
        form=f"A:{len(bars)}",
        chords=_chords_text(bars),
        energy=order.energy or (LOUDER if after is louder else SOFTER)[len(bars) > 1],
    )
    row = replace(row, duration_s=bridge_seconds(row, louder.meter))
    return order_from_fields(order_fields(row))  # spelt as every row is


def _most_frequent(track: MadeTrack, num_bars: int) -> tuple[_Bars, float, list[int]]:
    """The chords of so many bars that stand at most barlines of a track in one tempo, that tempo, and those bars.

    The more notes their chords have, up to three, the better: on a power chord a bar is hardly more than one pitch. The
    intro of a loop and the last bar of a track that ends are left out.
    """
    found: dict[tuple[_Bars, float], list[int]] = {}
    stop = len(track.chords) - (0 if track.is_loop else 1)
    for start in range(track.loop_start_bar, stop - num_bars + 1):
        is_moving = any(start < bar < start + num_bars for bar, _ in track.tempos)
        if not is_moving:
            bpm = [bpm for bar, bpm in track.tempos if bar <= start][-1]
            found.setdefault((track.chords[start : start + num_bars], bpm), []).append(start)
    if not found:
        raise OrderError(
            f"bridge_bars is {num_bars}, but track {track.track_id} has no {num_bars} bars in one tempo that go on. "
            "Write fewer."
        )
    (bars, bpm), starts = max(found.items(), key=lambda item: (_num_tones(item[0][0]), len(item[1]), -item[1][0]))
    return bars, bpm, starts


def _num_tones(bars: _Bars) -> int:
    """How many notes the chords have together; more than three of one count as three."""
    return sum(min(len(symbol.pitch_classes), 3) for bar in bars for symbol in bar)


def _chords_text(bars: Sequence[Sequence[ChordSymbol]]) -> str:
    return " ".join(f"{' '.join(dict.fromkeys(symbol.name for symbol in bar))} |" for bar in bars)
