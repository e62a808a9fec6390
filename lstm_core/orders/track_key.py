"""The key of a track: requested, or drawn from those that suit its chords and pitches."""

from __future__ import annotations

from lstm_core.notes.chord_symbols import ChordBar
from lstm_core.notes.keys import key_in_scale, parse_key, scale_pitch_classes, tonic_chord
from lstm_core.orders.changes.keys import first_key
from lstm_core.orders.form_text import parse_form
from lstm_core.orders.order import FREE_KEY, TrackOrder, drawn_number
from lstm_core.orders.section_fields import for_section, section_chords

FEWEST_PITCHES = 3  # an ostinato has as many; fewer are not delivered, nor offered by a key that was not requested


def key_of_track(order: TrackOrder, *, is_drums_only: bool) -> int | None:
    """The requested key, or one drawn from those whose scale and last chord lie within the range."""
    if order.key == FREE_KEY:
        return None
    if name := order.key or first_key(order):
        return key_in_scale(parse_key(name), order.scale)
    keys = [key for key in range(24) if key_in_scale(key, order.scale) == key]
    if order.chords:
        return _key_of_chords(order, keys)
    if not is_drums_only:
        pitches = range(order.pitch_low, order.pitch_high + 1)
        keys = [key for key in keys if _is_within(key, order, pitches)] or keys
    return keys[draw_key(order.plan_seed) % len(keys)]


def _key_of_chords(order: TrackOrder, keys: list[int]) -> int:
    """The key whose scale has most tones of an order's chords; of equal ones that of the first or the last chord."""
    bars = [bar for sequence in _chords_in_key(order).values() for bar in sequence]
    chords = [symbol for bar in bars for symbol in bar if symbol.root >= 0]
    if not chords:
        return keys[draw_key(order.plan_seed) % len(keys)]

    def fit(key: int) -> tuple[int, int]:
        scale = scale_pitch_classes(key, order.scale)
        inside = sum(pitch_class in scale for symbol in chords for pitch_class in symbol.pitch_classes)
        third = 3 if key >= 12 else 4
        is_tonic = [
            symbol.root == key % 12 and (symbol.root + third) % 12 in symbol.pitch_classes
            for symbol in (chords[0], chords[-1])
        ]
        return inside, 2 * is_tonic[0] + is_tonic[1]

    return max(keys, key=fit)


def _chords_in_key(order: TrackOrder) -> dict[str, list[ChordBar]]:
    """The chords of an order that are in its own key: with `key_changes` those of the first section."""
    texts = section_chords(order.chords)
    first = for_section(texts, parse_form(order.form)[0]) if order.key_changes else None
    return texts if not order.key_changes else {"": first or []}


def _is_within(key: int, order: TrackOrder, pitches: range) -> bool:
    if len(pitches) >= 12:
        return True
    scale, chord = scale_pitch_classes(key, order.scale), tonic_chord(key, order.scale)
    playable = sum(pitch % 12 in scale for pitch in pitches)
    return playable >= FEWEST_PITCHES and (order.loop or any(pitch % 12 in chord for pitch in pitches))


def draw_key(seed: int) -> int:
    """A number, to be taken modulo the number of keys to choose from, for an order that names none."""
    return drawn_number("key", seed)
