"""What of an order's tempos, hits and ending is impossible in itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_core.orders.form_text import SectionSpec, parse_form
from lstm_core.orders.section_fields import check_sections, section_tempos
from lstm_core.orders.timing.cut_list import is_cut_list
from lstm_core.orders.timing.hits import check_hits
from lstm_core.orders.timing.slowing import MAX_RIT, MIN_RIT, USUAL_RIT
from lstm_core.orders.timing.timecode import parse_fps

if TYPE_CHECKING:
    from lstm_core.orders.order import TrackOrder

TIMING_FIELDS = ("tempo_changes", "hits", "hits_fps", "rit", "fermata")  # of an order row


def check_time(order: TrackOrder, *, slowest: float, fastest: float) -> None:
    """Raises ValueError for tempos of sections, hits or an ending that are malformed or do not go together."""
    sections = parse_form(order.form) if order.form else ()
    _check_tempos(order, sections, slowest, fastest)
    if order.hits:
        check_hits(order.hits, order.duration_s, len(sections))
        if order.exact_tempo:
            raise ValueError("exact_tempo is true, but hits move the tempo, by 3 % at most. Leave one of them out.")
    if order.hits_fps:
        parse_fps(order.hits_fps)
        if not is_cut_list(order.hits):
            raise ValueError(f"hits_fps is {order.hits_fps}, but hits names no .edl or .csv file. Leave hits_fps out.")
    if order.rit != 0 and not MIN_RIT <= order.rit <= MAX_RIT:
        raise ValueError(
            f"rit is {order.rit:g}, it must be {MIN_RIT:g} to {MAX_RIT:g}, the share of the tempo that is lost, or "
            f"true for {USUAL_RIT:g}."
        )
    for name in ("rit", "fermata") if order.loop else ():
        if getattr(order, name):
            raise ValueError(f"{name} is for the end of a track, and a loop has none. Leave {name} out, or loop.")


def _check_tempos(order: TrackOrder, sections: tuple[SectionSpec, ...], slowest: float, fastest: float) -> None:
    tempos = section_tempos(order.tempo_changes)
    for name, bpm in tempos.items():
        if not slowest <= bpm <= fastest:
            raise ValueError(
                f"tempo_changes{'.' if name else ''}{name} is {bpm:g}, it must be {slowest:g} to {fastest:g} bpm."
            )
    if "" in tempos:
        raise ValueError(
            f"tempo_changes gives {tempos['']:g} bpm without a section. Write from which section on it holds, such as "
            f'"B: {tempos[""]:g}"; the tempo of the whole track is bpm.'
        )
    check_sections("tempo_changes", tuple(tempos), sections)
    keys = (sections[0].name, sections[0].letter) if sections else ()
    first = next((tempos[key] for key in keys if key in tempos), None)
    if order.bpm and first not in (None, order.bpm):
        raise ValueError(
            f"bpm is {order.bpm:g}, but tempo_changes lets the first section, {sections[0].name}, begin at {first:g}. "
            "Leave one of them out."
        )
