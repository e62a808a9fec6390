"""Bridges: a row that leads from one track of an order to another, made of what is planned for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.plain import nearest
from lstm_core.notes.chord_symbols import parse_chord
from lstm_core.notes.keys import KEY_NAMES, key_name
from lstm_core.orders.order import FREE_KEY, TrackOrder, order_fields, order_from_fields, parse_meter
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.section_fields import for_section, section_chords, split_sections
from lstm_core.orders.sections import sections_of
from lstm_core.orders.sources.asked import SOURCE_FIELDS, SPELLED
from lstm_core.orders.timing.bridge import DECIDED_FIELDS, NOT_WITH, bridge_names, bridge_seconds
from lstm_core.orders.timing.checks import TIMING_FIELDS
from lstm_core.orders.timing.slowing import RIT_BARS


def bridged(order: TrackOrder, known: Mapping[str, PlannedTrack]) -> TrackOrder:
    """The row of a bridge with all that the two tracks decide that it names; any other row as it is.

    It begins in the key, the meter and the tempo of the first, on its last chord, and leads to the tempo of the second
    and, with the last half bar, to the dominant of its key. Style and players are those of the first where the row has
    none.

    Args:
        order: The row.
        known: Tracks of the rows above it, by name.

    Raises:
        OrderError: a name is unknown, the meters differ, or the row gives what the two tracks decide.
    """
    if not order.bridge:
        return order
    names = bridge_names(order.bridge)
    for name in names:
        if name not in known:
            otherwise = f"Above it stand {', '.join(known) or 'none'}: write the bridge below both."
            raise OrderError(f'bridge names "{name}", no row above it. {nearest(name, known, otherwise=otherwise)}')
    before, after = (known[name] for name in names)
    if before.plan.meter != after.plan.meter:
        raise OrderError(
            f"bridge leads from {before.plan.meter} ({names[0]}) to {after.plan.meter} ({names[1]}). Both tracks must "
            "be in one meter."
        )
    found = _row(order, before, after)
    nothing = TrackOrder()
    for field in DECIDED_FIELDS:
        if (given := getattr(order, field)) not in (getattr(nothing, field), getattr(found, field)):
            raise OrderError(f"{field} is {given}, but the tracks of a bridge decide it. Leave {field} out.")
    return found


def without_decided(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for all tracks of an order without those that mean nothing to a bridge."""
    left_out = {*DECIDED_FIELDS, *NOT_WITH, *TIMING_FIELDS, *SOURCE_FIELDS, *SPELLED.values(), "melody", "primer"}
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
            if known[name] not in tracks:
                raise OrderError(f'bridge names "{name}", which requests the same as another row. Give both a seed.')


def _row(order: TrackOrder, before: PlannedTrack, after: PlannedTrack) -> TrackOrder:
    num_bars, key = order.bridge_bars, before.plan.key
    letters = "ABC"[: min(num_bars, 3)]
    middle = num_bars - 2
    form = " ".join(f"{letter}:{middle if letter == 'B' and middle > 1 else 1}" for letter in letters)
    row = replace(
        order,
        style=order.style or before.order.style,
        key=FREE_KEY if key is None else key_name(key),
        scale="" if key is None else before.order.scale,
        meter=before.order.meter,
        bpm=_last_tempo(before),
        bridge_bpm=after.plan.tempos[0].bpm if after.plan.tempos else after.plan.bpm,
    )
    if not (order.instruments or order.ensemble):
        instruments, ensemble = _players(before, -1)
        if not (instruments or ensemble):
            instruments, ensemble = _players(after, 0)
        row = replace(row, instruments=instruments, ensemble=ensemble)
    first, last = _last_chord(before), _chords_into(after, _has_halves(before))
    chords = {letters[0]: first, letters[-1]: last} if num_bars > 1 else {"A": _in_one_bar(first, last)}
    text = "; ".join(f"{letter}: {chord}" for letter, chord in chords.items() if chord)
    row = replace(row, form=form, chords=text, duration_s=bridge_seconds(row, parse_meter(row.meter)))
    return order_from_fields(order_fields(row))  # spelt as every row is


def _last_tempo(track: PlannedTrack) -> float:
    """The tempo of the end of a track, before a ritardando or a fermata slows it."""
    plan, order = track.plan, track.order
    bars = plan.num_bars if plan.final_bar is None else plan.final_bar
    end = max(bars - (RIT_BARS if order.rit else 0), 0) * plan.meter.bar_ticks
    return next((tempo.bpm for tempo in reversed(plan.tempos) if tempo.tick < end), plan.bpm)


def _players(track: PlannedTrack, place: int) -> tuple[tuple[str, ...], str]:
    """Instruments and ensemble of the first section of a track, place 0, or of its last, -1, as of a whole track."""
    placed = sections_of(track.order, track.plan)
    texts = split_sections(track.order.ensemble)
    ensemble = (for_section(texts, placed[place].spec) if placed else texts.get("")) or ""
    return () if ensemble else track.order.instruments, ensemble


def _last_chord(track: PlannedTrack) -> str:
    """The chord that a track leaves with: the last one of a loop that its order gives, else its tonic; "" without."""
    texts = section_chords(track.order.chords)
    placed = sections_of(track.order, track.plan)
    bars = for_section(texts, placed[-1].spec) if placed else texts.get("")
    num_bars = placed[-1].num_bars if placed else track.plan.num_bars
    if track.order.loop and bars:
        symbol = bars[(num_bars - 1) % len(bars)][-1]
        if symbol.root >= 0:
            return symbol.name
    key = track.plan.key
    return "" if key is None else KEY_NAMES[key % 12] + ("m" if key >= 12 else "")


def _chords_into(track: PlannedTrack, has_halves: bool) -> str:
    """The bar before a track: its second degree and dominant, or the dominant alone where a bar has one chord."""
    key = track.plan.key
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


def _has_halves(track: PlannedTrack) -> bool:
    return slots_per_bar(track.plan.meter) > 1
