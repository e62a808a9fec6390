"""Bridges: a row that leads from one track to another, made of what is planned for both or known of what was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.plain import nearest
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.notes.keys import KEY_NAMES, key_name
from lstm_core.orders.order import FREE_KEY, TrackOrder, order_fields, order_from_fields, parse_meter
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.asked import SOURCE_FIELDS, SPELLED
from lstm_core.orders.sources.layer_bridge import between_layers
from lstm_core.orders.sources.made_tracks import MadeTrack
from lstm_core.orders.timing.bridge import (
    DECIDED_FIELDS,
    NOT_WITH,
    bridge_names,
    bridge_seconds,
    bridge_text,
    made_ids,
    made_name,
)
from lstm_core.orders.timing.bridge_ends import BridgeEnd, planned_end
from lstm_core.orders.timing.checks import TIMING_FIELDS

MadeTracks = Callable[[str], MadeTrack | None]  # the track of an id; None where no catalogue is known yet


def bridged(order: TrackOrder, known: Mapping[str, PlannedTrack], made: MadeTracks = lambda _: None) -> TrackOrder:
    """The row of a bridge with all that the two tracks decide that it names; any other row as it is.

    It begins in the key, the meter and the tempo of the first, on its last chord, and leads to the tempo of the second
    and, with the last half bar, to the dominant of its key, or of the chord that a made track begins with. Style and
    players are those of the first where the row has none; between made tracks energy leads from one to the other.
    Between layers of one track it keeps its key, tempo and chords.

    Args:
        order: The row. If a track of a catalogue that is not known yet stands in it, it stays as it is.
        known: Tracks of the rows above it, by name.
        made: Tracks of the catalogue.

    Raises:
        OrderError: a name is unknown, the meters differ, or the row gives what the two tracks decide.
    """
    if not order.bridge:
        return order
    names = bridge_names(order.bridge)
    tracks = [None if name in known else _made(name, known, made) for name in names]
    if any(track is None and name not in known for name, track in zip(names, tracks, strict=True)):
        return order
    first, second = tracks
    if first is not None and second is not None and first.is_beside(second):
        found = between_layers(order, first, second)
    else:
        ends = [
            planned_end(known[name]) if track is None else track.end()
            for name, track in zip(names, tracks, strict=True)
        ]
        _check_meters(names, *ends)
        found = _row(order, *ends)
    nothing = TrackOrder()
    for field in DECIDED_FIELDS:
        if (given := getattr(order, field)) not in (getattr(nothing, field), getattr(found, field)):
            raise OrderError(f"{field} is {given}, but the tracks of a bridge decide it. Leave {field} out.")
    return found


def without_decided(settings: Mapping[str, Any], bridge: object) -> dict[str, Any]:
    """Settings for all tracks of an order without those that mean nothing to a bridge."""
    left_out = {*DECIDED_FIELDS, *NOT_WITH, *TIMING_FIELDS, *SOURCE_FIELDS, *SPELLED.values(), "melody", "primer"}
    is_choice = isinstance(bridge, list) and all(isinstance(pair, list) for pair in bridge)
    pairs = bridge if isinstance(bridge, list) and is_choice else [bridge]
    if any(made_ids(str(bridge_text(pair))) for pair in pairs):
        left_out.remove("catalogue")
    by_section = {"ensemble", "roles"}  # whose sections a bridge does not have
    return {
        field: value
        for field, value in settings.items()
        if field.partition(".")[0] not in left_out
        and not (field.partition(".")[0] in by_section and ("." in field or isinstance(value, Mapping)))
    }


def check_joined(tracks: Sequence[PlannedTrack], known: Mapping[str, PlannedTrack]) -> None:
    """Raises OrderError for a bridge of a track whose seed was changed since, because it requests what another does."""
    for track in tracks:
        for name in bridge_names(track.order.bridge) if track.order.bridge else ():
            if name in known and known[name] not in tracks:
                raise OrderError(f'bridge names "{name}", which requests the same as another row. Give both a seed.')


def _made(name: str, known: Mapping[str, PlannedTrack], made: MadeTracks) -> MadeTrack | None:
    """The track of a catalogue that a name means.

    Raises:
        OrderError: it can mean none, or the catalogue has no such track.
    """
    meant = made_name(name)
    if meant is None:
        otherwise = f"Above it stand {', '.join(known) or 'none'}: write the bridge below both, or ids of made tracks."
        raise OrderError(f'bridge names "{name}", no row above it. {nearest(name, known, otherwise=otherwise)}')
    track = made(meant.track_id)
    return None if track is None else track.with_layer(meant.layer)


def _check_meters(names: Sequence[str], before: BridgeEnd, after: BridgeEnd) -> None:
    if before.meter != after.first_meter:
        raise OrderError(
            f"bridge leads from {before.meter} ({names[0]}) to {after.first_meter} ({names[1]}). Both tracks must "
            "be in one meter."
        )


def _row(order: TrackOrder, before: BridgeEnd, after: BridgeEnd) -> TrackOrder:
    num_bars, key = order.bridge_bars, before.key
    letters = "ABC"[: min(num_bars, 3)]
    middle = num_bars - 2
    form = " ".join(f"{letter}:{middle if letter == 'B' and middle > 1 else 1}" for letter in letters)
    row = replace(
        order,
        style=order.style or before.style,
        key=FREE_KEY if key is None else key_name(key),
        scale="" if key is None else before.scale,
        meter=before.meter_text,
        bpm=before.last_bpm,
        bridge_bpm=after.first_bpm,
        bridge_at="",
    )
    if not (order.instruments or order.ensemble):
        instruments, ensemble = before.players if any(before.players) else after.first_players
        row = replace(row, instruments=instruments, ensemble=ensemble)
    first, last = before.last_chord, _chords_into(after, slots_per_bar(before.meter) > 1)
    chords = {letters[0]: first, letters[-1]: last} if num_bars > 1 else {"A": _in_one_bar(first, last)}
    text = "; ".join(f"{letter}: {chord}" for letter, chord in chords.items() if chord)
    row = replace(row, form=form, chords=text, energy=order.energy or _energy(before, after))
    row = replace(row, duration_s=bridge_seconds(row, parse_meter(row.meter)))
    return order_from_fields(order_fields(row))  # spelt as every row is


def _energy(before: BridgeEnd, after: BridgeEnd) -> str:
    """From the energy of the last bar before to that of the first bar after; "" where one is unknown."""
    if before.last_energy is None or after.first_energy is None:
        return ""
    return f"{round(before.last_energy, 2):g} {round(after.first_energy, 2):g}"


def _chords_into(track: BridgeEnd, has_halves: bool) -> str:
    """The bar before a track: the second degree and dominant of what it begins in, or the dominant alone."""
    key = track.leads_to
    if key is None:
        return ""
    second, dominant = KEY_NAMES[(key + 2) % 12] + ("m7b5" if key >= 12 else "m7"), KEY_NAMES[(key + 7) % 12] + "7"
    return f"{second} {dominant} |" if has_halves else dominant


def _in_one_bar(first: str, last: str) -> str:
    """A bar that begins with one chord and ends with the last one of another bar."""
    halves = last.rstrip(" |").split()
    if len(halves) < 2:
        return last or first
    return f"{first} {halves[-1]} |" if first and parse_chord(first).name != halves[-1] else halves[-1]
