"""The keys of sections: `key_changes` of an order, by name ("D minor") or by semitones from the track's ("+2").

The music is composed in one home key; each section sounds as many semitones from it as its key says, in the nearest
direction from where the first section is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lstm_core.notes.keys import has_mode, home_shift, key_in_scale, key_name, parse_key
from lstm_core.orders.form_text import SectionSpec, parse_form
from lstm_core.orders.section_fields import check_sections, for_section, held_on, read_sections

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

KEY_FIELDS = ("key_changes",)  # of an order row
MOST_SEMITONES = 11  # by which a key may be above or below that of the track
NOT_WITH = ("from_track", "bridge", "primer", "melody")
_HOW = 'Write a key or semitones from the key of the track, such as "B: D; C: +2".'


def section_keys(text: str) -> dict[str, str | int]:
    """A key by name, or semitones from the key of the track, from a section on by its name, "" for one without.

    Raises:
        ValueError: the text is malformed, a key is none, or too far away.
    """
    return read_sections(text.replace(",", ";"), _parse_change, "key_changes")


def check_keys(order: TrackOrder, free_key: str) -> None:
    """Raises ValueError for keys of sections that are malformed or do not go with the rest of an order."""
    if not order.key_changes:
        return
    changes = section_keys(order.key_changes)
    sections = changing_sections(order, "key", {name: _spelled(change) for name, change in changes.items()})
    if order.key == free_key:
        raise ValueError(
            f'key_changes is "{order.key_changes}", but key is "{free_key}". Write a key, or leave it out.'
        )
    for name, change in changes.items():
        if isinstance(change, str) and has_mode(change) and not _is_of_scale(change, order.scale):
            raise ValueError(
                f'key_changes.{name} is "{change}", but scale is "{order.scale}". Leave "major" or "minor" out.'
            )
    first = for_section(changes, sections[0])
    if isinstance(first, int) and first:
        raise ValueError(
            f"key_changes lets the first section, {sections[0].name}, begin {first:+d} semitones from the key of the "
            'track, and it is that key. Write "+0", or another key.'
        )
    key = _named(order.key, order.scale) if order.key else None
    if key is not None and isinstance(first, str) and _changed(key, first, order.scale) != key:
        raise ValueError(
            f"key is {order.key}, but key_changes lets the first section, {sections[0].name}, begin in {first}. Leave "
            "one of them out."
        )


def changing_sections(order: TrackOrder, what: str, spelled: Mapping[str, str]) -> tuple[SectionSpec, ...]:
    """The sections of an order whose key or meter, `what`, changes in some of them.

    Args:
        order: The order row.
        what: "key" or "meter".
        spelled: What it changes to, by section.

    Raises:
        ValueError: the order starts from other music, or a change is in no section that it has.
    """
    field = f"{what}_changes"
    for name in NOT_WITH:
        if getattr(order, name):
            other = "from" if name == "from_track" else name
            raise ValueError(
                f'{field} is "{getattr(order, field)}", but {other} is given: a track that starts from other music '
                f"is in one {what}. Leave one of them out."
            )
    if "" in spelled:
        raise ValueError(
            f"{field} gives {spelled['']} without a section. Write from which section on it holds, such as "
            f'"B: {spelled[""]}"; the {what} of the whole track is {what}.'
        )
    sections = parse_form(order.form) if order.form else ()
    check_sections(field, tuple(spelled), sections)
    return sections


def first_key(order: TrackOrder) -> str:
    """The key of the first section by name where `key_changes` gives it; "" where it does not."""
    if not order.key_changes:
        return ""
    first = for_section(section_keys(order.key_changes), parse_form(order.form)[0])
    return first if isinstance(first, str) else ""


def keys_of_sections(order: TrackOrder, key: int) -> tuple[int, ...]:
    """The key of each section of a track in a key, 0 to 23; a tonic alone keeps the mode. () where all are the same.

    Raises:
        ValueError: a letter comes in major and in minor.
    """
    sections = parse_form(order.form) if order.key_changes else ()
    keys = [_changed(key, change, order.scale) for change in held_on(section_keys(order.key_changes), sections)]
    _check_letters(sections, keys)
    return tuple(keys) if len(set(keys)) > 1 else ()


def shift_near(key: int, shift: int) -> int:
    """Semitones that take a key to the home key of its mode, as near as can be to those of another section."""
    return shift + (home_shift(key) - shift + 6) % 12 - 6


def spread_of(keys: Sequence[int], key: int) -> tuple[int, int]:
    """Semitones by which sections of these keys sound below and above a track in a key, at most: <= 0 and >= 0."""
    home = home_shift(key)
    up = [home - shift_near(one, home) for one in (key, *keys)]
    return min(up), max(up)


def _parse_change(text: str) -> str | int:
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) is None:
        parse_key(text)
        return text
    if "." in text or abs(int(text)) > MOST_SEMITONES:
        raise ValueError(f'"{text}" must be -{MOST_SEMITONES} to +{MOST_SEMITONES} semitones, or a key. {_HOW}')
    return int(text)


def _changed(key: int, change: str | int | None, scale: str) -> int:
    if change is None:
        return key
    if isinstance(change, int):
        return (key + change) % 12 + 12 * (key // 12)
    named = parse_key(change)
    return key_in_scale(named if has_mode(change) else named % 12 + 12 * (key // 12), scale)


def _check_letters(sections: Sequence[SectionSpec], keys: Sequence[int]) -> None:
    first: dict[str, int] = {}
    for section, key in zip(sections, keys, strict=True):
        before = first.setdefault(section.letter, key)
        if key // 12 != before // 12:
            raise ValueError(
                f"key_changes puts {section.letter} into {key_name(before)} and {section.name} into {key_name(key)}: "
                "the same music is moved, which keeps major or minor. Use another letter, or another key."
            )


def _is_of_scale(name: str, scale: str) -> bool:
    return _named(name, scale) == parse_key(name)


def _named(name: str, scale: str) -> int:
    return key_in_scale(parse_key(name), scale)


def _spelled(change: str | int) -> str:
    return change if isinstance(change, str) else f"{change:+d}"
