"""What a bridge needs to know of a track that was made: its chords, key, tempo and players, as its record has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.old_names import with_present_names
from lstm_core.notes.chord_symbols import ChordSymbol, parse_chord
from lstm_core.notes.keys import parse_key
from lstm_core.notes.score import Meter
from lstm_core.orders.order import FREE_KEY, TrackOrder, parse_meter
from lstm_core.orders.timing.bridge_ends import BridgeEnd, key_of_chord, tonic_symbol
from lstm_core.orders.timing.slowing import RIT_BARS


@dataclass(frozen=True, kw_only=True)
class MadeLayer:
    players: tuple[str, ...]  # one of each role: of nine in a bar the composer made seven basses
    loudness_lufs: float


@dataclass(frozen=True, kw_only=True)
class MadeTrack:
    """A track of a catalogue, or one of its layers."""

    track_id: str
    name: str
    order: Mapping[str, Any]  # plain fields of its row
    key: int | None  # the first one
    meter: Meter  # the first one
    last_key: int | None
    last_meter: Meter
    bpm: float  # the main one
    tempos: tuple[tuple[float, float], ...]  # bar from which on, and bpm; one at least
    chords: tuple[tuple[ChordSymbol, ...], ...]  # of each bar: one, or one of each half
    energy: tuple[float, ...]  # of each bar
    players: tuple[str, ...]  # that were named, else one of each role
    layers: tuple[MadeLayer, ...]
    is_loop: bool
    loop_start_bar: int
    layer: int = 0  # from 1 on; 0: the track

    @property
    def loudness_lufs(self) -> float:
        """That it was ordered with, or that its layer has."""
        return self.layers[self.layer - 1].loudness_lufs if self.layer else float(self.order["loudness_lufs"])

    @property
    def heard_players(self) -> tuple[str, ...]:
        """Who plays: its layer, or the whole track."""
        return self.layers[self.layer - 1].players if self.layer else self.players

    def with_layer(self, layer: int) -> MadeTrack:
        """The same track with one of its layers, from 1 on; 0: with all.

        Raises:
            OrderError: it has no such layer.
        """
        if layer > len(self.layers):
            has = f"layers 1 to {len(self.layers)}" if self.layers else "no layers"
            raise OrderError(
                f"bridge names layer-{layer} of track {self.track_id}, which has {has}. Name one of them, or none."
            )
        return replace(self, layer=layer)

    def is_beside(self, other: MadeTrack) -> bool:
        """Whether it and another are layers of one track."""
        return bool(self.track_id == other.track_id and self.layer and other.layer)

    def end(self) -> BridgeEnd:
        """What a bridge from it or to it needs to know."""
        last, first = self.chords[-1][-1], self.chords[0][0]
        return BridgeEnd(
            style=str(self.order.get("style", "")),
            key=self.last_key,
            scale=str(self.order.get("scale", "")),
            meter=self.last_meter,
            first_meter=self.meter,
            meter_text=str(self.last_meter),
            first_bpm=self.tempos[0][1],
            last_bpm=self._last_bpm(),
            last_chord=last.name if last.root >= 0 else tonic_symbol(self.last_key),
            leads_to=key_of_chord(first, self.key),
            players=(self.heard_players, ""),
            first_players=(self.heard_players, ""),
            first_energy=self.energy[0],
            last_energy=self.energy[-1],
        )

    def _last_bpm(self) -> float:
        """The tempo that it ends in; where it slows down at last, that before."""
        end = len(self.chords)
        if self.order.get("rit") or self.order.get("fermata"):
            end -= 1 + (RIT_BARS if self.order.get("rit") else 0)
        return [bpm for bar, bpm in self.tempos if bar < max(end, 1)][-1]


def made_track(content: Mapping[str, Any]) -> MadeTrack:
    """A track by the plain values of its record.

    Raises:
        OrderError: it was made without a plan.
        ValueError, KeyError, TypeError, AttributeError, IndexError: the record is damaged.
    """
    form, track_id = content.get("form"), str(content["track_id"])
    order = with_present_names(TrackOrder, content["order"])
    if form is None:
        raise OrderError(
            f"bridge names track {track_id}, which was made without a plan: its chords are unknown. Name a track that "
            "a composer made."
        )
    meter, bpm = parse_meter(str(content["meter"])), float(content["bpm"])
    step, names = int(form["slots_per_bar"]), form["chords"]
    meters, keys = content.get("meters") or (), content.get("keys") or ()
    if (step != slots_per_bar(meter) and not meters) or not names or len(names) != step * len(form["energy"]):
        raise ValueError(f"{len(names)} chords, {step} a bar of {meter}, and energy of {len(form['energy'])} bars")
    layers = content.get("layers") or ()
    key = None if order.get("key") == FREE_KEY or not content["key"] else parse_key(content["key"])
    return MadeTrack(
        track_id=track_id,
        name=str(content["name"]),
        order=order,
        key=key,
        meter=meter,
        last_key=parse_key(keys[-1]["key"]) if keys else key,
        last_meter=parse_meter(str(meters[-1]["meter"])) if meters else meter,
        bpm=bpm,
        tempos=tuple((float(one["bar"]), float(one["bpm"])) for one in content.get("tempos") or ()) or ((0.0, bpm),),
        chords=tuple(tuple(map(parse_chord, names[at : at + step])) for at in range(0, len(names), step)),
        energy=tuple(map(float, form["energy"])),
        players=tuple(order.get("instruments") or ()) or tuple(names[0] for names in form["roles"].values() if names),
        layers=tuple(
            MadeLayer(players=_players(layer["parts"]), loudness_lufs=float(layer["loudness_lufs"])) for layer in layers
        ),
        is_loop=bool(content["loop"]),
        loop_start_bar=int(content.get("loop_start_bar") or 0),
    )


def _players(parts: Any) -> tuple[str, ...]:
    """Of each role of a layer the instrument that came in last; parts are told as "bass: fingered bass"."""
    last = dict(str(part).split(": ", 1) for part in parts)
    return tuple(last.values())
