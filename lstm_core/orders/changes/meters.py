"""The meters of sections: `meter_changes` of an order, such as "B: 3/4; C: 4/4"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter
from lstm_core.orders.changes.keys import changing_sections
from lstm_core.orders.form_text import SectionSpec, parse_form
from lstm_core.orders.section_fields import for_section, held_on, read_sections

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

METER_FIELDS = ("meter_changes",)  # of an order row
USUAL_METER = "4/4"  # of an order that says nothing


def read_meter(text: str) -> Meter:
    """The meter of a name such as "6/8".

    Raises:
        ValueError: it is none, or its bars are too long.
    """
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16)\s*", text)
    if found is None or not 1 <= int(found[1]) <= 24:
        raise ValueError(f'meter is "{text}", it must be a fraction such as 4/4, 3/4 or 6/8.')
    meter = Meter(tick=0, numerator=int(found[1]), denominator=int(found[2]))
    if meter.bar_ticks > 2 * 4 * TICKS_PER_QUARTER:
        raise ValueError(f'meter is "{text}": a bar longer than two of 4/4 is not supported.')
    return meter


def section_meters(text: str) -> dict[str, Meter]:
    """The meter from a section on by its name, "" for one without a section.

    Raises:
        ValueError: the text is malformed, or a meter is none.
    """
    return read_sections(text.replace(",", ";"), read_meter, "meter_changes")


def check_meters(order: TrackOrder) -> None:
    """Raises ValueError for meters of sections that are malformed or do not go with the rest of an order."""
    if not order.meter_changes:
        return
    changes = section_meters(order.meter_changes)
    sections = changing_sections(order, "meter", {name: str(meter) for name, meter in changes.items()})
    first = for_section(changes, sections[0])
    if first is not None and str(read_meter(order.meter)) not in (USUAL_METER, str(first)):
        raise ValueError(
            f"meter is {order.meter}, but meter_changes lets the first section, {sections[0].name}, begin in {first}. "
            "Leave one of them out."
        )
    _check_letters(sections, meters_of(order, sections))


def first_meter(order: TrackOrder) -> Meter:
    """The meter that a track begins in."""
    first = for_section(section_meters(order.meter_changes), parse_form(order.form)[0]) if order.meter_changes else None
    return read_meter(order.meter) if first is None else first


def meters_of(order: TrackOrder, sections: Sequence[SectionSpec]) -> list[Meter]:
    """The meter of each section of a form, each as if it began at tick 0."""
    first = first_meter(order)
    if not order.meter_changes:
        return [first] * len(sections)
    return [meter or first for meter in held_on(section_meters(order.meter_changes), sections)]


def meter_map(meters: Sequence[Meter], bars: Sequence[int]) -> tuple[Meter, ...]:
    """The meters of sections of so many bars where they change, with the ticks at which they begin."""
    found: list[Meter] = []
    tick = 0
    for meter, num_bars in zip(meters, bars, strict=True):
        if not found or str(found[-1]) != str(meter):
            found.append(replace(meter, tick=tick))
        tick += num_bars * meter.bar_ticks
    return tuple(found)


def _check_letters(sections: Sequence[SectionSpec], meters: Sequence[Meter]) -> None:
    first: dict[str, Meter] = {}
    for section, meter in zip(sections, meters, strict=True):
        before = first.setdefault(section.letter, meter)
        if str(meter) != str(before):
            raise ValueError(
                f"meter_changes puts {section.letter} into {before} and {section.name} into {meter}: the same music is "
                f'in one meter. Write "{section.letter}: {before}" too, or use another letter.'
            )
